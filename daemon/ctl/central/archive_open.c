#include "ctl/central/archive_open.h"

#include "central/folders/folder_archive.h"
#include "config.h"

#ifdef CENTION_POSTGRESQL
#include "central/postgres/pg_read.h"
#endif
#ifdef CENTION_NATS
#include "central/nats/js_read.h"
#endif

#include <errno.h>

/* Each kind by all names that it may have, so that one that is not built in is known, too. */
static const struct {
    const char *scheme, *name;
    const struct archive_kind *kind;
} KINDS[] = {
#ifdef CENTION_POSTGRESQL
    {"postgresql", "PostgreSQL", &PG_ARCHIVE}, {"postgres", "PostgreSQL", &PG_ARCHIVE},
#else
    {"postgresql", "PostgreSQL", NULL},  {"postgres", "PostgreSQL", NULL},
#endif
#ifdef CENTION_NATS
    {"nats", "NATS JetStream", &JS_ARCHIVE},   {"tls", "NATS JetStream", &JS_ARCHIVE},
#else
    {"nats", "NATS JetStream", NULL},    {"tls", "NATS JetStream", NULL},
#endif
    {"dir", "folders", &FOLDER_ARCHIVE},       {"file", "folders", &FOLDER_ARCHIVE},
};

/* The scheme's length (RFC 3986, 3.1); 0: there is none. */
static size_t scheme_length(const char *url)
{
    size_t n = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

    return n <= 32 && url[n] == ':' ? n : 0;
}

int archive_open(struct archive **out, const char *url, struct err *err)
{
    struct slice scheme = slice_of(url, scheme_length(url));

    *out = NULL;
    /* What has no scheme may be a password, or a connection string with one: it isn't quoted. */
    if (scheme.len == 0)
        return err_set(err, -EINVAL,
                       "the centre is no URL: it must begin with postgresql:, nats: or dir:");
    for (size_t i = 0; i < sizeof(KINDS) / sizeof(KINDS[0]); i++) {
        if (!slice_eq_nocase(scheme, slice_str(KINDS[i].scheme)))
            continue;
        if (!KINDS[i].kind || !KINDS[i].kind->open)
            return err_set(err, -ENOSYS, "%s: was built without %s", KINDS[i].scheme,
                           KINDS[i].name);
        return KINDS[i].kind->open(out, url, err);
    }
    return err_set(err, -EINVAL, "the centre's scheme %.*s: is none of postgresql:, nats: and dir:",
                   (int)scheme.len, scheme.data);
}

void archive_close(struct archive *archive)
{
    if (archive)
        archive->kind->close(archive);
}
