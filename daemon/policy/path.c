#include "policy/path.h"

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("._~-", c));
}

/* One segment: a word, `:word` or `*`. */
static bool segment_ok(const char *s, size_t n)
{
    if (n == 1 && *s == '*')
        return true;
    if (n > 1 && *s == ':')
        s++, n--;
    for (size_t i = 0; i < n; i++)
        if (!is_word(s[i]))
            return false;
    return n > 0;
}

bool path_pattern_ok(const char *pattern)
{
    if (strncmp(pattern, "/v1/", 4) != 0 || strlen(pattern) > PATH_PATTERN_MAX)
        return false;
    for (const char *p = pattern; *p == '/';) {
        size_t n = strcspn(p + 1, "/");

        if (!segment_ok(p + 1, n))
            return false;
        p += 1 + n;
    }
    return true;
}

static struct slice next_segment(struct slice *path)
{
    const char *p = path->data + 1, *slash = memchr(p, '/', path->len - 1);
    struct slice segment = slice_of(p, slash ? (size_t)(slash - p) : path->len - 1);

    *path = slice_of(p + segment.len, path->len - 1 - segment.len);
    return segment;
}

static bool is_number(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
    return true;
}

static bool segment_matches(struct slice wanted, struct slice segment, enum path_word word)
{
    if (segment.len == 0)
        return false;
    if (*wanted.data == '*')
        return true;
    if (*wanted.data == ':')
        return word == PATH_WORD_ANY || is_number(segment);
    return slice_eq(wanted, segment);
}

bool path_matches(struct slice pattern, struct slice path, enum path_word word)
{
    while (pattern.len && path.len && *path.data == '/') {
        struct slice wanted = next_segment(&pattern), segment = next_segment(&path);

        if (!segment_matches(wanted, segment, word))
            return false;
    }
    return pattern.len == 0 && path.len == 0;
}

size_t path_pattern_literal(struct slice pattern)
{
    size_t n = 0;

    while (n < pattern.len && pattern.data[n] != ':' && pattern.data[n] != '*')
        n++;
    return n;
}
