#include "ctl/central/identities.h"

#include "audit/parse.h"
#include "audit/seal.h"
#include "base/file.h"
#include "base/hex.h"
#include "ctl/command/show.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    FILE_MOST = 16 * 1024 * 1024, /* bytes */
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts the next word off *s; empty when there is none. */
static struct slice word(struct slice *s)
{
    size_t from = 0, to;
    struct slice w;

    while (from < s->len && is_space(s->data[from]))
        from++;
    for (to = from; to < s->len && !is_space(s->data[to]);)
        to++;
    w = slice_of(s->data + from, to - from);
    *s = slice_of(s->data + to, s->len - to);
    return w;
}

static bool read_identity(struct seal_key *out, struct slice text)
{
    char copy[IDENTITY_TEXT];

    if (text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return identity_read(out, copy);
}

/* NULL, or why. An empty line leaves the name NULL. */
static const char *read_line(struct slice s, struct identity *out)
{
    const char *comment = s.len ? memchr(s.data, '#', s.len) : NULL;
    struct slice log, name, first, hash;

    *out = (struct identity){.first = 1};
    if (comment)
        s.len = (size_t)(comment - s.data);
    log = word(&s);
    name = word(&s);
    first = word(&s);
    hash = word(&s);
    if (log.len == 0)
        return NULL;
    if (!read_identity(&out->log, log))
        return "it doesn't begin with an identity of 64 hexadecimal digits";
    if (name.len == 0)
        return "there is no host's name behind the identity";
    if (first.len && (!parse_number(&first, &out->first) || first.len || out->first == 0 ||
                      !hex_get(out->hash.bytes, CHAIN_HASH, hash) || word(&s).len))
        return "behind the name may only stand the first seq and its hash";
    out->has_hash = hash.len > 0;
    out->name = strndup(name.data, name.len);
    return out->name ? NULL : "out of memory";
}

static int add(struct identities *all, struct identity *one)
{
    struct identity *grown = reallocarray(all->list, all->n + 1, sizeof(*grown));

    if (!grown) {
        free(one->name);
        return -ENOMEM;
    }
    all->list = grown;
    all->list[all->n++] = *one;
    return 0;
}

static int read_all(struct identities *out, struct slice text, const char *path, struct err *err)
{
    for (unsigned line = 1; text.len; line++) {
        const char *end = memchr(text.data, '\n', text.len);
        size_t n = end ? (size_t)(end - text.data) : text.len;
        struct identity one;
        const char *why = read_line(slice_of(text.data, n), &one);

        if (!why && one.name && identities_find(out, &one.log)) {
            free(one.name);
            why = "the identity stands in an earlier line, too";
        }
        if (why)
            return err_set(err, -EINVAL, "%s: line %u: %s", path, line, why);
        if (one.name && add(out, &one) < 0)
            return err_set(err, -ENOMEM, "out of memory");
        n += end != NULL;
        text = slice_of(text.data + n, text.len - n);
    }
    return 0;
}

int identities_read(struct identities *out, const char *path, struct err *err)
{
    struct buf text = BUF_INIT(FILE_MOST);
    int r = file_read(&text, path);

    *out = (struct identities){0};
    if (r < 0)
        (void)err_set(err, r, "%s: %s", path, strerror(-r));
    else
        r = read_all(out, buf_slice(&text), path, err);
    buf_deinit(&text);
    if (r < 0)
        identities_deinit(out);
    return r;
}

void identities_deinit(struct identities *all)
{
    for (size_t i = 0; i < all->n; i++)
        free(all->list[i].name);
    free(all->list);
    *all = (struct identities){0};
}

struct identity *identities_find(const struct identities *all, const struct seal_key *log)
{
    for (size_t i = 0; i < all->n; i++)
        if (memcmp(&all->list[i].log, log, sizeof(*log)) == 0)
            return &all->list[i];
    return NULL;
}

struct identity *identities_find_name(const struct identities *all, const char *name)
{
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->list[i].name, name) == 0)
            return &all->list[i];
    return NULL;
}

bool identities_name_ok(const char *name)
{
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == '#')
            return false;
    return name[0] != '\0' && show_harmless(slice_str(name));
}

/* The last line may have been left without its end by whoever wrote it. 1, 0, or -errno. */
static int lacks_newline(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char last = '\n';

    if (size > 0 && pread(fd, &last, 1, size - 1) < 0)
        return -errno;
    return last != '\n';
}

static int append_line(const char *path, const struct identity *one, struct err *err)
{
    struct buf line = BUF_INIT(4096);
    char log[IDENTITY_TEXT], hash[CHAIN_HASH_HEX + 1] = {0};
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644), r;

    if (fd < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    identity_text(log, &one->log);
    hex_put(hash, one->hash.bytes, CHAIN_HASH);
    r = lacks_newline(fd);
    if (r > 0)
        r = buf_append(&line, "\n", 1);
    if (r == 0 && one->has_hash)
        r = buf_printf(&line, "%s %s %" PRIu64 " %s\n", log, one->name, one->first, hash);
    else if (r == 0)
        r = buf_printf(&line, "%s %s\n", log, one->name);
    if (r == 0)
        r = file_write_fd(fd, buf_slice(&line).data, buf_len(&line));
    if (r == 0 && fsync(fd) < 0 && errno != EINVAL)
        r = -errno;
    buf_deinit(&line);
    (void)close(fd);
    return r < 0 ? err_set(err, r, "%s: %s", path, strerror(-r)) : 0;
}

int identities_append(struct identities *all, const char *path, const struct identity *one,
                      struct err *err)
{
    struct identity copy = *one;
    int r = append_line(path, one, err);

    if (r < 0)
        return r;
    copy.name = strdup(one->name);
    if (!copy.name || add(all, &copy) < 0)
        return err_set(err, -ENOMEM, "out of memory");
    return 0;
}
