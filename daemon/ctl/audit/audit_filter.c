#include "ctl/audit/audit_filter.h"

#include "api/json.h"
#include "audit/record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

bool audit_filter_object(const struct audit_filter *f, const struct audit_facts *facts)
{
    /* A POST's path is where it creates, not what it created. */
    struct slice path = audit_facts_creates(facts) ? SLICE_NULL : facts->path;

    return f->object.len == 0 ||
           audit_path_matches(f->object, facts->object.len ? facts->object : path);
}

bool audit_filter_error(const struct audit_filter *f, const struct audit_facts *facts)
{
    return f->error.len == 0 || has_text(facts->error, f->error) ||
           has_text(facts->answer_error, f->error);
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

enum {
    DATE = 10,     /* bytes of YYYY-MM-DD */
    SECONDS = 19,  /* bytes up to the seconds' end */
    FRACTION = 20, /* where its digits begin */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Whether the text begins with the shape's first n bytes, `d` being any digit. */
static bool has_shape(const char *text, const char *shape, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (shape[i] == 'd' ? !is_digit(text[i]) : text[i] != shape[i])
            return false;
    return true;
}

static unsigned number(const char *digits, unsigned n)
{
    unsigned v = 0;

    while (n--)
        v = v * 10 + (unsigned)(*digits++ - '0');
    return v;
}

static bool is_day(const char *text)
{
    static const unsigned char DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned year = number(text, 4), month = number(text + 5, 2), day = number(text + 8, 2);
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return month >= 1 && month <= 12 && day >= 1 &&
           day <= DAYS[month - 1] + (unsigned)(month == 2 && leap);
}

/* The fraction and the zone behind the seconds; its digits go to `micro`. */
static bool parse_end(const char *s, char micro[6])
{
    unsigned n = 0;

    if (*s == '.') {
        for (s++; is_digit(*s) && n < 9; s++, n++)
            if (n < 6)
                micro[n] = *s;
        if (n == 0)
            return false;
    }
    return (*s == 'Z' || *s == 'z') && s[1] == '\0';
}

static int parse_age(char out[SEAL_TIME], const char *text, uint64_t now_us)
{
    static const struct {
        char unit;
        uint64_t seconds;
    } UNITS[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    uint64_t n = 0;
    size_t digits = 0;

    for (; is_digit(text[digits]); digits++) {
        if (digits == 9)
            return -EINVAL;
        n = n * 10 + (uint64_t)(text[digits] - '0');
    }
    if (digits == 0 || text[digits] == '\0' || text[digits + 1] != '\0')
        return -EINVAL;
    for (size_t i = 0; i < sizeof(UNITS) / sizeof(UNITS[0]); i++) {
        uint64_t age = n * UNITS[i].seconds * 1000000;

        if (text[digits] != UNITS[i].unit)
            continue;
        record_time(out, age < now_us ? now_us - age : 0);
        return 0;
    }
    return -EINVAL;
}

int audit_time_parse(char out[SEAL_TIME], const char *text, uint64_t now_us)
{
    char time[SEAL_TIME + 1] = "0000-00-00T00:00:00.000000Z";
    size_t n = strlen(text);

    if (n < DATE || !has_shape(text, "dddd-dd-dd", DATE))
        return parse_age(out, text, now_us);
    if (!is_day(text))
        return -EINVAL;
    memcpy(time, text, DATE);
    if (n > DATE) {
        if (n <= SECONDS || (text[DATE] != 'T' && text[DATE] != 't' && text[DATE] != ' ') ||
            !has_shape(text + DATE + 1, "dd:dd:dd", SECONDS - DATE - 1) ||
            number(text + 11, 2) > 23 || number(text + 14, 2) > 59 || number(text + 17, 2) > 60 ||
            !parse_end(text + SECONDS, time + FRACTION))
            return -EINVAL;
        memcpy(time + DATE + 1, text + DATE + 1, SECONDS - DATE - 1);
    }
    memcpy(out, time, SEAL_TIME);
    return 0;
}

uint64_t audit_time_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
