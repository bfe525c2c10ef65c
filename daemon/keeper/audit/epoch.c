/*
 * A file system offers nothing but overwriting: on one that keeps old blocks (copy on write,
 * snapshots, flash) an erased key may still be found by who reads the raw device.
 */
#include "keeper/audit/epoch.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct epoch {
    uint64_t number;
    struct seal_key public;
    EVP_PKEY *key;
};

struct file_name {
    char text[48];
};

static struct file_name file_name(uint64_t number)
{
    struct file_name n;

    (void)snprintf(n.text, sizeof(n.text), ".epoch-%" PRIu64 ".key", number);
    return n;
}

static int write_durably(int fd, const unsigned char *data, size_t n)
{
    int r = file_write_fd(fd, data, n);

    return r < 0 ? r : fsync(fd) < 0 ? -errno : 0;
}

int epoch_erase(int directory, uint64_t number)
{
    static const unsigned char ZEROS[SEAL_KEY];
    struct file_name name = file_name(number);
    int fd = openat(directory, name.text, O_WRONLY | O_NOFOLLOW | O_CLOEXEC), r;

    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    r = write_durably(fd, ZEROS, sizeof(ZEROS));
    (void)close(fd);
    if (r == 0 && (unlinkat(directory, name.text, 0) < 0 || fsync(directory) < 0))
        r = -errno;
    return r;
}

void epoch_free(struct epoch *e)
{
    if (!e)
        return;
    EVP_PKEY_free(e->key);
    free(e);
}

static int epoch_new(struct epoch **out, uint64_t number, EVP_PKEY *key)
{
    struct epoch *e = key ? calloc(1, sizeof(*e)) : NULL;
    size_t n = SEAL_KEY;

    if (e)
        *e = (struct epoch){.number = number, .key = key};
    if (!e || EVP_PKEY_get_raw_public_key(key, e->public.bytes, &n) != 1 || n != SEAL_KEY) {
        EVP_PKEY_free(key);
        free(e);
        return -ENOMEM;
    }
    *out = e;
    return 0;
}

static int store(int directory, const char *name, EVP_PKEY *key)
{
    unsigned char secret[SEAL_KEY];
    size_t n = sizeof(secret);
    int fd, r;

    if (!key || EVP_PKEY_get_raw_private_key(key, secret, &n) != 1 || n != sizeof(secret))
        return -ENOMEM;
    fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    r = fd < 0 ? -errno : write_durably(fd, secret, sizeof(secret));
    OPENSSL_cleanse(secret, sizeof(secret));
    if (fd >= 0)
        (void)close(fd);
    if (r == 0 && fsync(directory) < 0)
        r = -errno;
    return r;
}

int epoch_create(struct epoch **out, int directory, uint64_t number, struct err *err)
{
    struct file_name name = file_name(number);
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    int r = epoch_erase(directory, number);

    if (r == 0)
        r = store(directory, name.text, key);
    if (r < 0)
        EVP_PKEY_free(key);
    else
        r = epoch_new(out, number, key);
    return r < 0 ? err_set(err, r, "%s: the key can't be written: %s", name.text, strerror(-r)) : 0;
}

static int read_file(int directory, const char *name, unsigned char secret[SEAL_KEY],
                     struct err *err)
{
    unsigned char more;
    struct stat st;
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), r = 0;

    if (fd < 0 || fstat(fd, &st) < 0)
        r = err_set(err, -errno, "%s: %s", name, strerror(errno));
    else if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077))
        r = err_set(err, -EPERM, "%s: must be a file of user %u alone (mode 0600)", name,
                    (unsigned)geteuid());
    else if (read(fd, secret, SEAL_KEY) != SEAL_KEY || read(fd, &more, 1) != 0)
        r = err_set(err, -EINVAL, "%s: not a key of %d bytes", name, SEAL_KEY);
    if (fd >= 0)
        (void)close(fd);
    return r;
}

int epoch_load(struct epoch **out, int directory, uint64_t number, const struct seal_key *expected,
               struct err *err)
{
    struct file_name name = file_name(number);
    unsigned char secret[SEAL_KEY];
    struct epoch *e = NULL;
    int r = read_file(directory, name.text, secret, err);

    if (r == 0) {
        r = epoch_new(&e, number,
                      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, SEAL_KEY));
        if (r < 0)
            (void)err_set(err, r, "%s: the key can't be used", name.text);
    }
    OPENSSL_cleanse(secret, sizeof(secret));
    if (r == 0 && memcmp(e->public.bytes, expected->bytes, SEAL_KEY) != 0) {
        epoch_free(e);
        r = err_set(err, -EINVAL, "%s: not the key that the log names", name.text);
    }
    if (r == 0)
        *out = e;
    return r;
}

static int newer(void *arg, const char *name)
{
    uint64_t *newest = arg, n;

    /* NOLINTNEXTLINE(cert-err34-c): what doesn't give the same name again is left out */
    if (sscanf(name, ".epoch-%20" SCNu64 ".key", &n) == 1 && n > *newest &&
        strcmp(name, file_name(n).text) == 0)
        *newest = n;
    return 0;
}

uint64_t epoch_newest(int directory)
{
    uint64_t newest = 0;

    return folder_each(directory, newer, &newest) == 0 ? newest : 0;
}

uint64_t epoch_number(const struct epoch *e)
{
    return e->number;
}

const struct seal_key *epoch_public(const struct epoch *e)
{
    return &e->public;
}

int epoch_sign(const struct epoch *e, const struct seal *seal,
               unsigned char signature[SEAL_SIGNATURE])
{
    unsigned char message[SEAL_MESSAGE_MAX];
    size_t n = seal_message(message, seal), got = SEAL_SIGNATURE;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool done = ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, e->key) == 1 &&
                EVP_DigestSign(ctx, signature, &got, message, n) == 1 && got == SEAL_SIGNATURE;

    EVP_MD_CTX_free(ctx);
    return done ? 0 : -ENOMEM;
}
