/*
 * libconfig copies what it reads into memory that it never wipes. So the parsing is left to a
 * child: it has nothing else to do, can't be dumped or traced, and its memory goes with it. What
 * it says is bounded and checked like the words of any stranger:
 *
 *   'K' u16 u16 u16 workspace id secret      one key, with the lengths first
 *   'E' u16 text                             why there are none; the last message
 *   'Z'                                      all keys were sent; the last message
 */
#include "keeper/keystore.h"

#include "api/target.h"
#include "base/file.h"
#include "base/settings.h"
#include "keeper/keyfile.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    KEYSTORE_HEAP = 256 * 1024, /* bytes of locked memory: two full stores while they are swapped */
    KEYSTORE_HEAP_MIN = 32,
    KEYSTORE_READ_S = 30, /* seconds until a reader that hangs is given up */
};

struct keystore {
    size_t n, room;
    struct keystore_key *keys;
};

int keystore_init(struct err *err)
{
    /* 2: the heap is there but is not locked or not kept out of dumps, so it is of no use. */
    if (CRYPTO_secure_malloc_initialized() ||
        CRYPTO_secure_malloc_init(KEYSTORE_HEAP, KEYSTORE_HEAP_MIN) == 1)
        return 0;
    return err_set(err, -ENOMEM,
                   "%d KiB of memory can't be locked for the secrets; raise the limit "
                   "(LimitMEMLOCK= of the unit, ulimit -l)",
                   KEYSTORE_HEAP / 1024);
}

void keystore_done(void)
{
    (void)CRYPTO_secure_malloc_done();
}

/* ---- the child ---- */

static void say(int to, const void *data, size_t n)
{
    if (file_write_fd(to, data, n) < 0)
        _exit(1);
}

static void say_error(int to, const struct err *err)
{
    uint16_t len = (uint16_t)strlen(err->text);

    say(to, "E", 1);
    say(to, &len, sizeof(len));
    say(to, err->text, len);
}

static bool id_ok(struct slice id)
{
    for (size_t i = 0; i < id.len; i++) {
        char c = id.data[i];

        /* A `:` or `,` would make the string to sign or the header ambiguous. */
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              c == '.' || c == '_' || c == '-'))
            return false;
    }
    return id.len > 0 && id.len <= KEYSTORE_ID_MAX;
}

static int read_string(struct settings_node group, const char *name, struct slice *out,
                       struct err *err)
{
    const char *value = NULL;
    int r = settings_string(group, name, &value, err);

    if (r == 0 && !value)
        r = settings_fail(group, name, err, "missing");
    if (r == 0 && value[0] == '\0')
        r = settings_fail(group, name, err, "must not be empty");
    *out = slice_str(value);
    return r;
}

/* Messages name the setting and never its value: an id in the wrong place may be a secret. */
static int read_key(struct settings_node group, struct keystore_key *key, struct err *err)
{
    static const char *const KNOWN[] = {"workspace", "access_key_id", "access_key_secret", NULL};
    int r = settings_known(group, KNOWN, err);

    if (r == 0)
        r = read_string(group, "workspace", &key->workspace, err);
    if (r == 0)
        r = read_string(group, "access_key_id", &key->id, err);
    if (r == 0)
        r = read_string(group, "access_key_secret", &key->secret, err);
    if (r == 0 && !target_workspace_ok(key->workspace))
        r = settings_fail(group, "workspace", err, "must be 1 to %d of A-Z a-z 0-9 . _ -",
                          TARGET_WORKSPACE_MAX);
    if (r == 0 && !id_ok(key->id))
        r = settings_fail(group, "access_key_id", err, "must be 1 to %d of A-Z a-z 0-9 . _ -",
                          KEYSTORE_ID_MAX);
    if (r == 0 && key->secret.len > KEYSTORE_SECRET_MAX)
        r = settings_fail(group, "access_key_secret", err, "longer than %d bytes",
                          KEYSTORE_SECRET_MAX);
    return r;
}

static int read_keys(struct settings_node root, struct keystore_key *keys, unsigned *n,
                     struct err *err)
{
    static const char *const KNOWN[] = {"keys", NULL};
    struct settings_node list = {0};
    int r = settings_known(root, KNOWN, err);

    if (r == 0)
        r = settings_list(root, "keys", &list, n, err);
    /* An empty list is a way to revoke every key; a file without one is a mistake. */
    if (r == 0 && !list.node)
        r = settings_fail(root, "keys", err, "missing");
    if (r == 0 && *n > KEYSTORE_KEYS_MAX)
        r = settings_fail(root, "keys", err, "more than %d keys", KEYSTORE_KEYS_MAX);
    for (unsigned i = 0; r == 0 && i < *n; i++) {
        struct settings_node group = settings_element(list, i);

        r = read_key(group, &keys[i], err);
        for (unsigned k = 0; r == 0 && k < i; k++)
            if (slice_eq(keys[k].workspace, keys[i].workspace))
                r = settings_fail(group, "workspace", err, "a second key for this workspace");
    }
    return r;
}

static void say_key(int to, const struct keystore_key *key)
{
    uint16_t lens[3] = {(uint16_t)key->workspace.len, (uint16_t)key->id.len,
                        (uint16_t)key->secret.len};

    say(to, "K", 1);
    say(to, lens, sizeof(lens));
    say(to, key->workspace.data, key->workspace.len);
    say(to, key->id.data, key->id.len);
    say(to, key->secret.data, key->secret.len);
}

static void __attribute__((noreturn)) child(int file, int to, const char *path, bool confined)
{
    struct keystore_key keys[KEYSTORE_KEYS_MAX];
    struct rlimit none = {0, 0};
    struct settings *settings = NULL;
    struct err err = ERR_INIT;
    char name[32];
    unsigned n = 0;
    int r = 0;

    (void)alarm(KEYSTORE_READ_S);
    if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        _exit(1);
    if (confined)
        r = sandbox_reader(&err);
    /* The descriptor that was checked, not the name, which may stand for another file by now. */
    (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
    if (r == 0)
        r = settings_open_named(&settings, name, path, &err);
    if (r == 0)
        r = read_keys(settings_root(settings), keys, &n, &err);
    for (unsigned i = 0; r == 0 && i < n; i++)
        say_key(to, &keys[i]);
    if (r == 0)
        say(to, "Z", 1);
    else
        say_error(to, &err);
    _exit(0);
}

/*
 * The caller's signal handlers write into pipes that the child shares with it, so none may run in
 * the child: signals are held back across the fork.
 */
static pid_t child_start(int file, int from[2], const char *path, bool confined)
{
    static const int HANDLED[] = {SIGHUP, SIGINT, SIGTERM, SIGCHLD, SIGALRM, SIGPIPE};
    sigset_t all, before;
    pid_t pid;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0) {
        for (size_t i = 0; i < sizeof(HANDLED) / sizeof(HANDLED[0]); i++)
            (void)signal(HANDLED[i], SIG_DFL);
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
        (void)close(from[0]);
        child(file, from[1], path, confined);
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return pid;
}

/* ---- the parent ---- */

/* Exactly n bytes, straight to where they stay. */
static bool hear(int from, void *data, size_t n)
{
    char *p = data;

    while (n) {
        ssize_t r = read(from, p, n);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return false;
        p += r;
        n -= (size_t)r;
    }
    return true;
}

static bool hear_slice(int from, struct slice *out, size_t n, bool secret)
{
    char *data = secret ? OPENSSL_secure_malloc(n) : malloc(n);

    if (!data)
        return false;
    *out = slice_of(data, n);
    return hear(from, data, n);
}

static void key_deinit(struct keystore_key *key)
{
    free((char *)(uintptr_t)key->workspace.data);
    free((char *)(uintptr_t)key->id.data);
    OPENSSL_secure_clear_free((char *)(uintptr_t)key->secret.data, key->secret.len);
}

static bool hear_key(int from, struct keystore *ks)
{
    struct keystore_key key = {0};
    uint16_t lens[3];

    if (ks->n == ks->room || !hear(from, lens, sizeof(lens)) || lens[0] == 0 ||
        lens[0] > TARGET_WORKSPACE_MAX || lens[1] == 0 || lens[1] > KEYSTORE_ID_MAX ||
        lens[2] == 0 || lens[2] > KEYSTORE_SECRET_MAX)
        return false;
    if (!hear_slice(from, &key.workspace, lens[0], false) ||
        !hear_slice(from, &key.id, lens[1], false) ||
        !hear_slice(from, &key.secret, lens[2], true) || !target_workspace_ok(key.workspace) ||
        !id_ok(key.id)) {
        key_deinit(&key);
        return false;
    }
    ks->keys[ks->n++] = key;
    return true;
}

static bool hear_error(int from, struct err *err)
{
    uint16_t len;

    if (!hear(from, &len, sizeof(len)) || len == 0 || len >= sizeof(err->text) ||
        !hear(from, err->text, len))
        return false;
    err->text[len] = '\0';
    return true;
}

static int hear_all(int from, struct keystore *ks, const char *path, struct err *err)
{
    char what;

    while (hear(from, &what, 1)) {
        if (what == 'K' && hear_key(from, ks))
            continue;
        if (what == 'Z')
            return 0;
        if (what == 'E' && hear_error(from, err))
            return -EINVAL;
        break;
    }
    return err_set(err, -EIO,
                   "%s: could not be read: the reader failed, or the keys don't fit %d "
                   "KiB of locked memory",
                   path, KEYSTORE_HEAP / 1024);
}

static int by_workspace(const void *a, const void *b)
{
    const struct keystore_key *x = a, *y = b;

    return slice_cmp(x->workspace, y->workspace);
}

static int load(struct keystore *ks, int file, const char *path, bool confined, struct err *err)
{
    int ends[2], r;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    pid = child_start(file, ends, path, confined);
    r = pid < 0 ? err_set(err, -errno, "%s: %s", path, strerror(errno)) : 0;
    (void)close(ends[1]);
    if (r == 0)
        r = hear_all(ends[0], ks, path, err);
    (void)close(ends[0]);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    qsort(ks->keys, ks->n, sizeof(*ks->keys), by_workspace);
    return r;
}

int keystore_load(struct keystore **out, const char *path, bool confined, struct err *err)
{
    struct keystore *ks = NULL;
    int file, r;

    /* Without it OpenSSL would quietly hand out ordinary memory. */
    if (!CRYPTO_secure_malloc_initialized())
        return err_set(err, -ENOMEM, "%s: there is no locked memory for the secrets", path);
    file = keyfile_open(path, err);
    if (file < 0)
        return file;
    ks = calloc(1, sizeof(*ks));
    if (ks)
        ks->keys = calloc(KEYSTORE_KEYS_MAX, sizeof(*ks->keys));
    if (ks && ks->keys) {
        ks->room = KEYSTORE_KEYS_MAX;
        r = load(ks, file, path, confined, err);
    } else {
        r = err_set(err, -ENOMEM, "%s: out of memory", path);
    }
    (void)close(file);
    if (r < 0) {
        keystore_free(ks);
        return r;
    }
    *out = ks;
    return 0;
}

void keystore_free(struct keystore *ks)
{
    if (!ks)
        return;
    for (size_t i = 0; i < ks->n; i++)
        key_deinit(&ks->keys[i]);
    free(ks->keys);
    free(ks);
}

const struct keystore_key *keystore_find(const struct keystore *ks, struct slice workspace)
{
    struct keystore_key wanted = {.workspace = workspace};

    return bsearch(&wanted, ks->keys, ks->n, sizeof(*ks->keys), by_workspace);
}

size_t keystore_count(const struct keystore *ks)
{
    return ks->n;
}

const struct keystore_key *keystore_at(const struct keystore *ks, size_t i)
{
    return &ks->keys[i];
}

int keystore_changes(const struct keystore *before, const struct keystore *now,
                     int (*each)(void *arg, const struct keystore_key *key, const char *event),
                     void *arg)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < keystore_count(before); i++) {
        const struct keystore_key *old = keystore_at(before, i);

        if (!keystore_find(now, old->workspace))
            r = each(arg, old, "removed");
    }
    for (size_t i = 0; r == 0 && i < keystore_count(now); i++) {
        const struct keystore_key *new = keystore_at(now, i);
        const struct keystore_key *old = keystore_find(before, new->workspace);

        if (!old)
            r = each(arg, new, "loaded");
        else if (!slice_eq(old->id, new->id) || !slice_eq(old->secret, new->secret))
            r = each(arg, new, "replaced");
    }
    return r;
}
