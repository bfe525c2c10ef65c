#include "keeper/redaction/fields_key.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW_FILE MAC_KEY_FILE ".new"

/* -ENOENT without err: there is none. */
static int read_key(int directory, const char *path, unsigned char key[MAC_KEY], struct err *err)
{
    int fd = openat(directory, MAC_KEY_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), r = 0;
    struct stat st;

    if (fd < 0 && errno == ENOENT)
        return -ENOENT;
    if (fd < 0 || fstat(fd, &st) < 0)
        r = err_set(err, -errno, "%s/" MAC_KEY_FILE ": %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077))
        r = err_set(err, -EPERM, "%s/" MAC_KEY_FILE ": must be a file of user %u alone (mode 0600)",
                    path, (unsigned)geteuid());
    else if ((r = mac_key_read(fd, key)) < 0)
        r = err_set(err, r,
                    "%s/" MAC_KEY_FILE ": not a key of %d bytes: put the old one back, or "
                    "remove the file to have a new one made",
                    path, MAC_KEY);
    if (fd >= 0)
        (void)close(fd);
    return r;
}

/* A file under the final name is whole and durable, whenever the machine stops. */
static int make_key(int directory, unsigned char key[MAC_KEY])
{
    int fd, r;

    if (RAND_priv_bytes(key, MAC_KEY) != 1)
        return -EIO;
    if (unlinkat(directory, NEW_FILE, 0) < 0 && errno != ENOENT)
        return -errno;
    fd = openat(directory, NEW_FILE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    r = file_write_fd(fd, key, MAC_KEY);
    /* Whatever the umask: the next start must be able to read it. */
    if (r == 0 &&
        (fchmod(fd, 0600) < 0 || fsync(fd) < 0 ||
         renameat(directory, NEW_FILE, directory, MAC_KEY_FILE) < 0 || fsync(directory) < 0))
        r = -errno;
    (void)close(fd);
    return r;
}

int fields_key_get(int directory, const char *path, unsigned char key[MAC_KEY], bool *created,
                   struct err *err)
{
    int r = read_key(directory, path, key, err);

    *created = r == -ENOENT;
    if (*created) {
        r = make_key(directory, key);
        if (r < 0)
            (void)err_set(err, r, "%s/" MAC_KEY_FILE ": the key can't be made: %s", path,
                          strerror(-r));
    }
    if (r < 0)
        OPENSSL_cleanse(key, MAC_KEY);
    return r;
}

int fields_key_check(int directory, const char *path, struct err *err)
{
    unsigned char key[MAC_KEY];
    int r = read_key(directory, path, key, err);

    OPENSSL_cleanse(key, sizeof(key));
    return r == -ENOENT ? 0 : r;
}
