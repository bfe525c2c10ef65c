#include "ctl/audit/audit_filter.h"

#include "api/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Cuts what stands before the next `at`, or all, off *s. */
static struct slice cut(struct slice *s, char at)
{
    const char *end = s->len ? memchr(s->data, at, s->len) : NULL;
    struct slice first = end ? slice_of(s->data, (size_t)(end - s->data)) : *s;

    *s = end ? slice_of(end + 1, s->len - first.len - 1) : SLICE_NULL;
    return first;
}

static int add_status(struct audit_filter *f, struct slice word)
{
    unsigned first;

    f->by_status = true;
    if (slice_eq(word, SLICE_LIT("none"))) {
        f->status_none = true;
        return 0;
    }
    if (word.len != 3 || word.data[0] < '1' || word.data[0] > '9')
        return -EINVAL;
    first = 100 * (unsigned)(word.data[0] - '0');
    if (slice_eq_nocase(slice_of(word.data + 1, 2), SLICE_LIT("xx"))) {
        memset(f->status + first, true, 100);
        return 0;
    }
    for (size_t i = 1; i < 3; i++)
        if (word.data[i] < '0' || word.data[i] > '9')
            return -EINVAL;
    f->status[first + 10 * (unsigned)(word.data[1] - '0') + (unsigned)(word.data[2] - '0')] = true;
    return 0;
}

int audit_filter_add_status(struct audit_filter *f, const char *list)
{
    struct slice rest = slice_str(list);
    size_t commas = 0;
    int r = 0;

    for (size_t i = 0; i < rest.len; i++)
        commas += rest.data[i] == ',';
    for (size_t i = 0; r == 0 && i <= commas; i++)
        r = add_status(f, cut(&rest, ','));
    return r;
}

bool audit_filter_type(const struct audit_filter *f, struct slice type)
{
    struct slice rest = f->types;
    bool request = slice_eq(type, SLICE_LIT("intent")) || slice_eq(type, SLICE_LIT("outcome")) ||
                   slice_eq(type, SLICE_LIT("reject"));

    if (f->types.len == 0)
        return true;
    while (rest.len) {
        struct slice word = cut(&rest, ',');

        if (slice_eq(word, type) || (request && slice_eq(word, SLICE_LIT("request"))))
            return true;
    }
    return false;
}

bool audit_filter_line(const struct audit_filter *f, const struct line *line)
{
    if (f->has_since && memcmp(line->time.data, f->since, SEAL_TIME) < 0)
        return false;
    if (f->has_until && memcmp(line->time.data, f->until, SEAL_TIME) > 0)
        return false;
    return f->id.len == 0 || line->id.len == 0 || slice_eq(f->id, line->id);
}

static bool is_client(struct slice wanted, const struct audit_facts *facts)
{
    char uid[24];
    int n = snprintf(uid, sizeof(uid), "%" PRIu64, facts->uid);

    return slice_eq(wanted, facts->name) || slice_eq(wanted, facts->user) ||
           (facts->has_uid && slice_eq(wanted, slice_of(uid, (size_t)n)));
}

static bool is(struct slice wanted, struct slice value)
{
    return wanted.len == 0 || slice_eq(wanted, value);
}

bool audit_filter_record(const struct audit_filter *f, const struct audit_facts *facts)
{
    return is(f->workspace, facts->workspace) && is(f->id, facts->id) &&
           (f->method.len == 0 || slice_eq_nocase(f->method, facts->method)) &&
           (f->client.len == 0 || is_client(f->client, facts)) &&
           (f->path.len == 0 || audit_path_matches(f->path, facts->path));
}

bool audit_filter_status(const struct audit_filter *f, uint32_t status)
{
    if (!f->by_status)
        return true;
    return status == 0 ? f->status_none : status <= AUDIT_STATUS_MAX && f->status[status];
}

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

static bool has_text(struct slice text, struct slice wanted)
{
    for (size_t i = 0; i + wanted.len <= text.len; i++) {
        size_t n = 0;

        while (n < wanted.len && lower(text.data[i + n]) == lower(wanted.data[n]))
            n++;
        if (n == wanted.len)
            return true;
    }
    return false;
}

int audit_filter_text(const struct audit_filter *f, struct slice json)
{
    char *decoded;
    int found;

    if (f->text.len == 0)
        return 1;
    decoded = malloc(json.len + 1);
    if (!decoded)
        return -ENOMEM;
    /* Outside of strings there is no backslash: a whole record decodes as one string does. */
    found = has_text(slice_of(decoded, json_decode(decoded, json)), f->text);
    free(decoded);
    return found;
}

static bool is_wildcard(struct slice segment)
{
    return slice_eq(segment, SLICE_LIT("*")) || (segment.len > 1 && segment.data[0] == ':') ||
           (segment.len > 2 && segment.data[0] == '{' && segment.data[segment.len - 1] == '}');
}

bool audit_path_matches(struct slice wanted, struct slice path)
{
    while (wanted.len || path.len) {
        bool more_wanted = wanted.data != NULL, more_path = path.data != NULL;
        struct slice want, have;

        if (slice_eq(wanted, SLICE_LIT("**")))
            return true;
        if (!more_wanted || !more_path)
            return false;
        want = cut(&wanted, '/');
        have = cut(&path, '/');
        if (is_wildcard(want) ? have.len == 0 : !slice_eq(want, have))
            return false;
    }
    /* `/a/` has an empty segment more than `/a`. */
    return (wanted.data != NULL) == (path.data != NULL);
}
