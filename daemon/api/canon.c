/*
 * A canonical value is never longer than its source. Decoding shrinks, separators replace
 * separators, and an escaped character is re-escaped in its shortest form. So twice the body's
 * size, taken once, is room for every decoded key and every rendered value; slices into it stay
 * put, and nothing can run out of memory half-way. Recursion is bounded by JSON_DEPTH_MAX. Each
 * object is put in order exactly once, which is where duplicates show.
 */
#include "api/canon.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unicase.h>
#include <unistr.h>

enum {
    ROOM_FIRST = 64,     /* elements */
    KEEP = 64 * 1024,    /* bytes; blocks above it aren't kept for much smaller bodies */
    INSERTION_MAX = 24,  /* members; more are heap-sorted, for hostile bodies */
    SHOWN_KEY_MAX = 128, /* bytes of an escaped key that a message decodes */
};

struct canon_member {
    struct slice key; /* decoded */
    uint32_t value;   /* token; its key's is the one before */
};

struct job {
    struct canon *canon;
    const struct json_token *tokens;
    struct slice body;
    char *keys; /* the arena's second half: decoded keys */
    size_t keys_len;
    struct canon_error *why;
};

void canon_init(struct canon *canon)
{
    *canon = (struct canon){0};
}

void canon_deinit(struct canon *canon)
{
    json_tape_deinit(&canon->tape);
    free(canon->fields);
    free(canon->arena);
    free(canon->members);
    canon_init(canon);
}

/* Makes the array behind *block hold n elements; what it held is lost. */
static int room(void *block, size_t *cap, size_t n, size_t size)
{
    size_t wanted = ROOM_FIRST;
    void *array;

    if (n <= *cap && (*cap * size <= KEEP || n >= *cap / 4))
        return 0;
    while (wanted < n)
        wanted *= 2;
    memcpy(&array, block, sizeof(array)); /* a pointer to any type, by its bytes */
    free(array);
    array = calloc(wanted, size);
    memcpy(block, &array, sizeof(array));
    *cap = array ? wanted : 0;
    return array ? 0 : -ENOMEM;
}

/* The end of s cut to at most n bytes between two characters. */
static size_t cut(struct slice s, size_t n)
{
    if (s.len <= n)
        return s.len;
    while (n > 0 && ((unsigned char)s.data[n] & 0xc0) == 0x80)
        n--;
    return n;
}

static int bad(struct job *job, size_t offset, const char *text)
{
    size_t line, column;

    json_position(job->body, offset, &line, &column);
    job->why->offset = offset;
    (void)snprintf(job->why->text, sizeof(job->why->text), "line %zu, column %zu: %s", line, column,
                   text);
    return CANON_BAD;
}

/* Appends a key to the path of a member, decoded but with its controls escaped. */
static void path_key(const struct job *job, const struct json_token *key, char *path, size_t size)
{
    char decoded[SHOWN_KEY_MAX], shown[SHOWN_KEY_MAX];
    struct slice s = json_text(job->body, key);
    size_t n = strlen(path);

    if (key->type == JSON_ESCAPED && s.len <= SHOWN_KEY_MAX)
        s = slice_of(shown, json_encode(shown, slice_of(decoded, json_decode(decoded, s))));
    if (n + 2 >= size)
        return;
    if (n > 0)
        path[n++] = '.';
    s.len = cut(s, size - 1 - n);
    memcpy(path + n, s.data, s.len);
    path[n + s.len] = '\0';
}

/* The path of the member whose key is the token `wanted`, from the body's object down. */
static void path_of(const struct job *job, uint32_t wanted, char *path, size_t size)
{
    const struct json_token *t = job->tokens;
    uint32_t at = 0, child = 1, i = 0;

    path[0] = '\0';
    while (at < wanted && child <= wanted) {
        bool object = t[at].type == JSON_OBJECT;
        uint32_t value = child + object;

        if (t[value].next <= wanted) {
            child = t[value].next;
            i++;
            continue;
        }
        if (object) {
            path_key(job, &t[child], path, size);
        } else {
            size_t n = strlen(path);

            if (n + sizeof("[4294967295]") <= size)
                (void)snprintf(path + n, size - n, "[%u]", i);
        }
        if (child == wanted)
            return;
        at = value;
        child = at + 1;
        i = 0;
    }
}

/* The two members at m share a name. */
static int bad_twice(struct job *job, const struct canon_member *m)
{
    char text[sizeof(job->why->field) + 96];
    uint32_t later = (m[0].value > m[1].value ? m[0].value : m[1].value) - 1;
    bool same = slice_eq(m[0].key, m[1].key);

    path_of(job, later, job->why->field, sizeof(job->why->field));
    (void)snprintf(text, sizeof(text), "\"%s\" is given twice in one object%s: send it once",
                   job->why->field, same ? "" : ", in another letter case");
    return bad(job, job->tokens[later].offset - 1, text);
}

/* Which of two keys is wanted first. */
typedef int key_order(struct slice a, struct slice b);

static int by_bytes(struct slice a, struct slice b)
{
    return slice_cmp(a, b);
}

/* Equal when they differ in letter case only, as parsers that ignore case see it. */
static int by_letters(struct slice a, struct slice b)
{
    while (a.len && b.len) {
        ucs4_t one, other;
        int used_a = u8_mbtouc(&one, (const uint8_t *)a.data, a.len);
        int used_b = u8_mbtouc(&other, (const uint8_t *)b.data, b.len);

        one = uc_tolower(uc_toupper(one));
        other = uc_tolower(uc_toupper(other));
        if (one != other)
            return one < other ? -1 : 1;
        a = slice_of(a.data + used_a, a.len - (size_t)used_a);
        b = slice_of(b.data + used_b, b.len - (size_t)used_b);
    }
    return (a.len > 0) - (b.len > 0);
}

/* Whether one of eight bytes is A-Z or not ASCII: then its sum's upper bit tells, without a carry.
 */
static bool word_has_case(const char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t w, from_a, past_z;

    memcpy(&w, p, sizeof(w));
    from_a = (w & ones * 0x7f) + ones * (0x80 - 'A');
    past_z = (w & ones * 0x7f) + ones * (0x7f - 'Z');
    return ((from_a & ~past_z) | w) & ones * 0x80;
}

/* False when no other key can differ from this one in letter case only: it has no letters but a-z.
 */
static bool has_case(struct slice key)
{
    char last[8] = {0};

    for (; key.len >= 8; key = slice_of(key.data + 8, key.len - 8))
        if (word_has_case(key.data))
            return true;
    if (key.len)
        memcpy(last, key.data, key.len);
    return word_has_case(last);
}

static void sift(struct canon_member *m, size_t root, size_t n, key_order *order)
{
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        struct canon_member swap = m[root];

        if (child + 1 < n && order(m[child].key, m[child + 1].key) < 0)
            child++;
        if (order(m[root].key, m[child].key) >= 0)
            return;
        m[root] = m[child];
        m[child] = swap;
    }
}

/* Never more than n log n comparisons for long lists. */
static void sort(struct canon_member *m, size_t n, key_order *order)
{
    if (n > INSERTION_MAX) {
        for (size_t i = n / 2; i-- > 0;)
            sift(m, i, n, order);
        for (size_t i = n; i-- > 1;) {
            struct canon_member swap = m[0];

            m[0] = m[i];
            m[i] = swap;
            sift(m, 0, i, order);
        }
        return;
    }
    for (size_t i = 1; i < n; i++) {
        struct canon_member one = m[i];
        size_t at = i;

        for (; at > 0 && order(m[at - 1].key, one.key) > 0; at--)
            m[at] = m[at - 1];
        m[at] = one;
    }
}

/* The decoded bytes of a string, in the body where it has no escapes, else in the keys' half. */
static struct slice decoded(struct job *job, const struct json_token *t)
{
    struct slice s = json_text(job->body, t);

    if (t->type == JSON_ESCAPED) {
        assert(s.len <= job->body.len - job->keys_len);
        s = slice_of(job->keys + job->keys_len, json_decode(job->keys + job->keys_len, s));
    }
    return s;
}

/*
 * Puts an object's members in order on the stack: [*first, members_len). CANON_BAD for a key twice.
 * Keys that differ in letter case only are noted, with the reason.
 */
static int collect(struct job *job, uint32_t object, size_t *first)
{
    struct canon *canon = job->canon;
    const struct json_token *t = job->tokens;
    struct canon_member *m;
    bool cased = false;
    size_t n;

    *first = canon->members_len;
    m = canon->members + *first;
    for (uint32_t i = object + 1; i < t[object].next; i = t[i + 1].next) {
        struct slice key = decoded(job, &t[i]);

        if (t[i].type == JSON_ESCAPED)
            job->keys_len += key.len;
        cased = cased || has_case(key);
        assert(canon->members_len < canon->members_cap);
        canon->members[canon->members_len++] = (struct canon_member){.key = key, .value = i + 1};
    }
    n = canon->members_len - *first;
    if (cased && !canon->twins) {
        sort(m, n, by_letters);
        for (size_t i = 1; i < n && !canon->twins; i++)
            if (by_letters(m[i - 1].key, m[i].key) == 0) {
                canon->twins = true;
                (void)bad_twice(job, &m[i - 1]);
            }
    }
    sort(m, n, by_bytes);
    for (size_t i = 1; i < n; i++)
        if (slice_eq(m[i - 1].key, m[i].key))
            return bad_twice(job, &m[i - 1]);
    return 0;
}

static void put(struct job *job, const char *data, size_t len)
{
    struct canon *canon = job->canon;

    assert(len <= job->body.len - canon->arena_len);
    memcpy(canon->arena + canon->arena_len, data, len);
    canon->arena_len += len;
}

static void put_decoded(struct job *job, const struct json_token *t)
{
    struct slice s = json_text(job->body, t);
    struct canon *canon = job->canon;

    if (t->type != JSON_ESCAPED) {
        put(job, s.data, s.len);
        return;
    }
    assert(s.len <= job->body.len - canon->arena_len);
    canon->arena_len += json_decode(canon->arena + canon->arena_len, s);
}

/* A string with its quotes; `meaning` are its decoded bytes. */
static void put_quoted(struct job *job, const struct json_token *t, struct slice meaning)
{
    struct canon *canon = job->canon;

    put(job, "\"", 1);
    if (t->type == JSON_ESCAPED) {
        assert(t->len <= job->body.len - canon->arena_len);
        canon->arena_len += json_encode(canon->arena + canon->arena_len, meaning);
    } else {
        put(job, meaning.data, meaning.len);
    }
    put(job, "\"", 1);
}

/* CANON_FLATTEN. */
static int put_flat(struct job *job, uint32_t index)
{
    const struct json_token *t = job->tokens;
    size_t first;
    int r = 0;

    if (t[index].type == JSON_ARRAY) {
        for (uint32_t i = index + 1; i < t[index].next && r == 0; i = t[i].next) {
            if (i > index + 1)
                put(job, ",", 1);
            r = put_flat(job, i);
        }
        return r;
    }
    if (t[index].type != JSON_OBJECT) {
        put_decoded(job, &t[index]);
        return 0;
    }
    r = collect(job, index, &first);
    for (size_t i = first, end = job->canon->members_len; i < end && r == 0; i++) {
        if (i > first)
            put(job, ":", 1);
        r = put_flat(job, job->canon->members[i].value);
    }
    job->canon->members_len = first;
    return r;
}

static int put_json(struct job *job, uint32_t index);

static int put_json_object(struct job *job, uint32_t index)
{
    size_t first;
    int r = collect(job, index, &first);

    put(job, "{", 1);
    for (size_t i = first, end = job->canon->members_len; i < end && r == 0; i++) {
        struct canon_member m = job->canon->members[i];

        if (i > first)
            put(job, ",", 1);
        put_quoted(job, &job->tokens[m.value - 1], m.key);
        put(job, ":", 1);
        r = put_json(job, m.value);
    }
    put(job, "}", 1);
    job->canon->members_len = first;
    return r;
}

/* CANON_JSON: without white space, keys in order, numbers as sent. */
static int put_json(struct job *job, uint32_t index)
{
    const struct json_token *t = job->tokens;
    int r = 0;

    switch (t[index].type) {
    case JSON_OBJECT:
        return put_json_object(job, index);
    case JSON_ARRAY:
        put(job, "[", 1);
        for (uint32_t i = index + 1; i < t[index].next && r == 0; i = t[i].next) {
            if (i > index + 1)
                put(job, ",", 1);
            r = put_json(job, i);
        }
        put(job, "]", 1);
        return r;
    case JSON_STRING:
    case JSON_ESCAPED:
        put_quoted(job, &t[index], decoded(job, &t[index]));
        return 0;
    default:
        put_decoded(job, &t[index]);
        return 0;
    }
}

static bool all_scalars(const struct json_token *t, uint32_t array)
{
    for (uint32_t i = array + 1; i < t[array].next; i++)
        if (t[i].type >= JSON_ARRAY)
            return false;
    return true;
}

/* The canonical value of a field; a scalar without escapes stays where it is in the body. */
static int value_of(struct job *job, uint32_t index, enum canon_nested nested, struct slice *out)
{
    const struct json_token *t = &job->tokens[index];
    size_t start = job->canon->arena_len;
    int r;

    if (t->type < JSON_ARRAY && t->type != JSON_ESCAPED) {
        *out = json_text(job->body, t);
        return 0;
    }
    if (nested == CANON_FLATTEN || t->type == JSON_ESCAPED ||
        (t->type == JSON_ARRAY && all_scalars(job->tokens, index)))
        r = put_flat(job, index);
    else
        r = put_json(job, index);
    *out = slice_of(job->canon->arena + start, job->canon->arena_len - start);
    return r;
}

static int canon_fields(struct job *job, enum canon_nested nested)
{
    static const enum request_type TYPES[] = {
        [JSON_NULL] = REQUEST_NULL,     [JSON_FALSE] = REQUEST_BOOLEAN,
        [JSON_TRUE] = REQUEST_BOOLEAN,  [JSON_NUMBER] = REQUEST_NUMBER,
        [JSON_STRING] = REQUEST_STRING, [JSON_ESCAPED] = REQUEST_STRING,
        [JSON_ARRAY] = REQUEST_ARRAY,   [JSON_OBJECT] = REQUEST_OBJECT,
    };
    struct canon *canon = job->canon;
    size_t first, n;
    int r;

    r = collect(job, 0, &first);
    if (r)
        return r;
    n = canon->members_len;
    if (n > CANON_FIELDS_MAX)
        return bad(job, 0, "the object has more than 4096 fields");
    if (room(&canon->fields, &canon->fields_cap, n, sizeof(*canon->fields)) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < n && r == 0; i++) {
        canon->fields[i].name = canon->members[i].key;
        canon->fields[i].type = TYPES[job->tokens[canon->members[i].value].type];
        r = value_of(job, canon->members[i].value, nested, &canon->fields[i].value);
    }
    if (r == 0)
        canon->n = n;
    return r;
}

int canon_body(struct canon *canon, struct slice body, enum canon_nested nested,
               struct canon_error *why)
{
    struct job job = {.canon = canon, .body = body, .why = why};
    struct json_error wrong;
    int r;

    canon->n = canon->arena_len = canon->members_len = 0;
    canon->twins = false;
    why->offset = 0;
    why->field[0] = why->text[0] = '\0';
    if (body.len == 0)
        return 0;
    r = json_scan(&canon->tape, body, &wrong);
    if (r == JSON_BAD)
        return bad(&job, wrong.offset, wrong.text);
    if (r < 0)
        return r;
    job.tokens = canon->tape.tokens;
    if (job.tokens[0].type != JSON_OBJECT) /* it is JSON: a value stops strspn */
        return bad(&job, strspn(body.data, " \t\r\n"), "the body must be a JSON object: {...}");
    if (room(&canon->arena, &canon->arena_cap, 2 * body.len, 1) < 0 ||
        room(&canon->members, &canon->members_cap, canon->tape.n / 2 + 1, sizeof(*canon->members)) <
            0)
        return -ENOMEM;
    job.keys = canon->arena + body.len;
    return canon_fields(&job, nested);
}
