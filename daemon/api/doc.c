#include "api/doc.h"

#include "api/canon.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    DOC_HOPS_MAX = 32, /* references that lead to references */
    DOC_KEY_MAX = 256, /* bytes of one step of a reference */
};

/* What json-c would accept or misread silently: duplicate keys, bad UTF-8, NUL in keys. */
static int check_text(struct slice json, struct err *err)
{
    struct canon canon;
    struct canon_error why;
    int r;

    if (json.len > DOC_TEXT_MAX)
        return err_set(err, -EINVAL, "the API description is longer than 4 MiB");
    if (json.len == 0)
        return err_set(err, -EINVAL, "the API description is empty");
    if (memmem(json.data, json.len, "\\u0000", 6))
        return err_set(err, -EINVAL, "the API description holds \\u0000");
    canon_init(&canon);
    r = canon_body(&canon, json, CANON_FLATTEN, &why);
    canon_deinit(&canon);
    return r == CANON_BAD ? err_set(err, -EINVAL, "%s", why.text) : r;
}

static int parse(struct json_object **out, struct slice json, struct err *err)
{
    struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 1);

    if (!tokener)
        return -ENOMEM;
    *out = json_tokener_parse_ex(tokener, json.data, (int)json.len);
    if (!*out)
        (void)err_set(err, -EINVAL, "the API description can't be read: %s",
                      json_tokener_error_desc(json_tokener_get_error(tokener)));
    json_tokener_free(tokener);
    return *out ? 0 : -EINVAL;
}

/*
 * Reads the text twice and compares: when the library gets no memory it may silently drop a member,
 * and a required field would no longer be required.
 */
int doc_open(struct doc *out, struct slice json, struct err *err)
{
    struct json_object *again = NULL;
    int r = check_text(json, err);

    if (r < 0)
        return r;
    *out = (struct doc){.err = err};
    r = parse(&out->root, json, err);
    if (r == 0)
        r = parse(&again, json, err);
    if (r == 0 && !json_object_equal(out->root, again))
        r = err_set(err, -ENOMEM, "out of memory");
    (void)json_object_put(again);
    if (r < 0) {
        (void)json_object_put(out->root);
        out->root = NULL;
    }
    out->value = out->root;
    return r;
}

/* Adds a step; the pointer is cut, never broken, when it gets too long. */
static void step(struct doc *to, const char *key)
{
    size_t n = strlen(to->pointer);

    if (n < sizeof(to->pointer) - 1)
        to->pointer[n++] = '/';
    for (; *key && n < sizeof(to->pointer) - 2; key++) {
        unsigned char c = (unsigned char)*key;

        if (c == '~' || c == '/') {
            to->pointer[n++] = '~';
            to->pointer[n++] = c == '~' ? '0' : '1';
        } else {
            to->pointer[n++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
        }
    }
    to->pointer[n] = '\0';
}

struct doc doc_member(const struct doc *at, const char *key)
{
    struct doc to = *at;

    to.value = NULL;
    if (doc_is(at, json_type_object))
        (void)json_object_object_get_ex(at->value, key, &to.value);
    step(&to, key);
    return to;
}

struct doc doc_element(const struct doc *at, size_t i)
{
    struct doc to = *at;
    char digits[24];

    to.value = doc_is(at, json_type_array) ? json_object_array_get_idx(at->value, i) : NULL;
    (void)snprintf(digits, sizeof(digits), "%zu", i);
    step(&to, digits);
    return to;
}

void doc_say(const struct doc *at, const char *format, ...)
{
    char text[384];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    err_text(at->err, "%s: %s", at->pointer[0] ? at->pointer : "/", text);
}

bool doc_is(const struct doc *at, enum json_type type)
{
    return at->value && json_object_is_type(at->value, type);
}

int doc_want(const struct doc *at, enum json_type type)
{
    if (!at->value)
        return doc_fail(at, "is missing");
    return json_object_is_type(at->value, type)
               ? 0
               : doc_fail(at, "must be of type %s", json_type_to_name(type));
}

const char *doc_text(const struct doc *at)
{
    return doc_is(at, json_type_string) ? json_object_get_string(at->value) : "";
}

bool doc_is_line(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

int doc_want_line(const struct doc *at)
{
    int r = doc_want(at, json_type_string);

    if (r == 0 && !doc_is_line(doc_text(at)))
        return doc_fail(at, "must be one line without control characters");
    return r;
}

bool doc_is_comment(const char *key)
{
    static const char *const WORDS[] = {"title",    "summary", "description",
                                        "$comment", "example", "examples"};

    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++)
        if (strcmp(key, WORDS[i]) == 0)
            return true;
    return strncmp(key, "x-", 2) == 0;
}

/* One step of a pointer (RFC 6901, 4) in `key`; false when it is malformed or too long. */
static bool unescape(const char *from, size_t len, char key[DOC_KEY_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        char c = from[i];

        if (c == '%' || n + 1 >= DOC_KEY_MAX)
            return false;
        if (c == '~') {
            if (++i >= len || (from[i] != '0' && from[i] != '1'))
                return false;
            c = from[i] == '0' ? '~' : '/';
        }
        key[n++] = c;
    }
    key[n] = '\0';
    return true;
}

/* From the root along a pointer; the value is NULL when it leads nowhere. */
static struct doc find(const struct doc *from, const char *pointer)
{
    struct doc to = {.root = from->root, .value = from->root, .err = from->err};
    char key[DOC_KEY_MAX], *end = NULL;

    while (*pointer && to.value) {
        size_t len = strcspn(pointer + 1, "/");
        bool good = *pointer == '/' && unescape(pointer + 1, len, key);

        pointer += 1 + len;
        if (!good) {
            to.value = NULL;
        } else if (doc_is(&to, json_type_array)) {
            unsigned long i = strtoul(key, &end, 10);

            to = doc_element(&to, i);
            if (*key < '0' || *key > '9' || *end)
                to.value = NULL;
        } else {
            to = doc_member(&to, key);
        }
    }
    return to;
}

static int resolve(const struct doc *ref, struct doc *to)
{
    const char *target = doc_text(ref);

    if (!doc_is(ref, json_type_string) || strncmp(target, "#/", 2) != 0)
        return doc_fail(ref, "only references within this file (\"#/...\") are supported");
    *to = find(ref, target + 1);
    return to->value ? 0 : doc_fail(ref, "\"%.200s\" is not in this file", target);
}

int doc_follow(struct doc *at)
{
    for (unsigned hops = 0;; hops++) {
        struct doc ref = doc_member(at, "$ref");
        int r;

        if (!ref.value)
            return 0;
        if (hops == DOC_HOPS_MAX)
            return doc_fail(&ref, "the reference leads in a circle");
        json_object_object_foreach(at->value, key, value)
        {
            struct doc beside = doc_member(at, key);

            (void)value;
            if (strcmp(key, "$ref") != 0 && !doc_is_comment(key))
                return doc_fail(&beside, "is not supported beside $ref");
        }
        r = resolve(&ref, at);
        if (r < 0)
            return r;
    }
}

static int check_below(const struct doc *at)
{
    int r = 0;

    if (doc_is(at, json_type_array)) {
        for (size_t i = 0; r == 0 && i < json_object_array_length(at->value); i++) {
            struct doc to = doc_element(at, i);

            r = check_below(&to);
        }
    } else if (doc_is(at, json_type_object)) {
        struct doc ref = doc_member(at, "$ref"), to;

        if (doc_is(&ref, json_type_string) && (r = resolve(&ref, &to)) < 0)
            return r;
        json_object_object_foreach(at->value, key, value)
        {
            to = doc_member(at, key);
            (void)value;
            /* An example is data, not schema. */
            if (strcmp(key, "example") != 0 && strcmp(key, "examples") != 0 &&
                strncmp(key, "x-", 2) != 0 && (r = check_below(&to)) < 0)
                return r;
        }
    }
    return r;
}

int doc_check_references(const struct doc *root)
{
    return check_below(root);
}
