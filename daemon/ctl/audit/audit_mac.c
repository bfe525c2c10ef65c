/*
 * The keyed hashes that stand for values in the audit log: who may read their key can look for a
 * value that is known. Values can come on standard input, because arguments are seen by everyone
 * who lists processes.
 */
#include "audit/mac.h"
#include "base/file.h"
#include "base/hex.h"
#include "ctl/audit/audit_log.h"
#include "ctl/command/ctl.h"
#include "ctl/command/show.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    INPUT_MAX = 2 * REQUEST_BODY_MAX, /* bytes of standard input */
};

static const char HELP[] =
    "usage: cention-proxyctl audit mac [OPTION...] VALUE... | -\n"
    "\n"
    "Prints, a line each, the keyed hash that the audit log has in place of a value\n"
    "({\"mac\":\"...\"}). For \"-\", the values are the lines of standard input. The key is\n"
    "the file " MAC_KEY_FILE " of the audit directory, which the keeper's user and root can read.\n"
    "\n"
    "      --key FILE       the key\n"
    "  -d, --directory DIR  the audit directory; without it: the one that keeper.conf names\n"
    "  -c, --config FILE    keeper.conf\n"
    "  -h, --help           print this\n"
    "\n"
    "Exit status: 0 printed, 1 failed, 2 usage, 78 bad configuration.\n";

struct options {
    const char *conf, *directory, *key;
};

/* CTL_GO_ON, or the exit code. */
static int parse(int argc, char **argv, struct options *o)
{
    const struct ctl_option options[] = {{"key", 0, .text = &o->key},
                                         {"directory", 'd', .text = &o->directory},
                                         {"config", 'c', .text = &o->conf}};
    int code;

    *o = (struct options){.conf = CENTION_SYSCONFDIR "/keeper.conf"};
    code = ctl_options(options, sizeof(options) / sizeof(options[0]), HELP, argc, argv, NULL);
    if (code == CTL_GO_ON && (optind == argc || (o->key && o->directory)))
        code = ctl_usage(HELP);
    return code;
}

/* The key file's path; the caller frees it. */
static int key_path(char **out, const struct options *o, struct err *err)
{
    char *directory = NULL;
    int r = 0;

    if (o->key)
        *out = strdup(o->key);
    else if (o->directory)
        r = asprintf(out, "%s/" MAC_KEY_FILE, o->directory);
    else if ((r = audit_log_directory(&directory, o->conf, err)) < 0)
        return r;
    else
        r = asprintf(out, "%s/" MAC_KEY_FILE, directory);
    free(directory);
    if (r < 0)
        *out = NULL;
    return *out ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int load(struct mac **out, const char *path, struct err *err)
{
    unsigned char key[MAC_KEY];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), r;

    if (fd < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    r = mac_key_read(fd, key);
    (void)close(fd);
    if (r == -EINVAL)
        (void)err_set(err, r, "%s: not a key of %d bytes", path, MAC_KEY);
    else if (r < 0)
        (void)err_set(err, r, "%s: %s", path, strerror(-r));
    else if ((r = mac_new(out, key)) < 0)
        (void)err_set(err, r, "out of memory");
    explicit_bzero(key, sizeof(key));
    return r;
}

static int print(struct mac *mac, struct slice value, struct err *err)
{
    unsigned char bytes[MAC_BYTES];
    char digits[2 * MAC_BYTES];

    if (mac_field(mac, value, bytes) < 0)
        return err_set(err, -ENOMEM, "out of memory");
    hex_put(digits, bytes, MAC_BYTES);
    (void)printf("%.*s\n", (int)sizeof(digits), digits);
    return 0;
}

static int print_lines(struct mac *mac, struct err *err)
{
    struct buf in = BUF_INIT_SECRET(INPUT_MAX);
    int r = file_read_fd(&in, STDIN_FILENO);

    if (r < 0)
        (void)err_set(err, r, "standard input: %s", strerror(-r));
    while (r == 0 && buf_len(&in)) {
        struct slice left = buf_slice(&in);
        const char *end = memchr(left.data, '\n', left.len);
        size_t n = end ? (size_t)(end - left.data) : left.len;

        r = print(mac, slice_of(left.data, n), err);
        buf_consume(&in, end ? n + 1 : n);
    }
    buf_deinit(&in);
    return r;
}

int audit_mac_main(int argc, char **argv)
{
    struct options o;
    struct err err = ERR_INIT;
    struct mac *mac = NULL;
    char *path = NULL;
    int code = parse(argc, argv, &o), r;

    if (code != CTL_GO_ON)
        return code;
    if (key_path(&path, &o, &err) < 0)
        return show_failure(err.text, CTL_CONFIG);
    r = load(&mac, path, &err);
    for (int i = optind; r == 0 && i < argc; i++)
        r = strcmp(argv[i], "-") == 0 ? print_lines(mac, &err)
                                      : print(mac, slice_str(argv[i]), &err);
    mac_free(mac);
    free(path);
    return r < 0 ? show_failure(err.text, CTL_FAILED) : CTL_DONE;
}
