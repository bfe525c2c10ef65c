/*
 * Recursion follows the tape, which is no deeper than JSON_DEPTH_MAX. Where the walk is, is a chain
 * of frames on the stack; it becomes text only for a problem.
 */
#include "api/validate.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SHOWN_MAX = 64,      /* bytes of a value that a sentence shows */
    PATH_KEY_MAX = 128,  /* bytes of a key: as many as a path has */
    REPORT_FIRST = 8,    /* problems */
    INTEGER_DIGITS = 19, /* of INT64_MAX */
};

/* Where the walk is: a member of an object, or an element of an array. */
struct frame {
    const struct frame *up;
    struct slice key; /* decoded; data NULL: an element */
    size_t index;
};

struct walk {
    const struct json_token *tokens;
    struct slice body;
    struct validate_report *report;
    int failed; /* 0 or -ENOMEM */
};

void validate_report_deinit(struct validate_report *report)
{
    free(report->problems);
    pattern_memory_deinit(&report->memory);
    *report = (struct validate_report){0};
}

void validate_clear(struct validate_report *report)
{
    report->n = report->total = 0;
}

/* Cuts a text that filled its buffer back to whole characters. */
static void mend(char *text, size_t size)
{
    size_t n = strlen(text);

    if (n + 1 < size)
        return;
    while (n > 0 && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
        n--;
    if (n > 0 && (unsigned char)text[n - 1] >= 0xc0)
        n--;
    text[n] = '\0';
}

/* A new problem, or NULL: the list is full (then it is only counted), or there is no memory. */
static struct validate_problem *problem(struct validate_report *report, int *failed)
{
    size_t cap = report->cap ? report->cap * 2 : REPORT_FIRST;
    struct validate_problem *more;

    report->total++;
    if (report->n == VALIDATE_PROBLEMS_MAX)
        return NULL;
    if (report->n == report->cap) {
        more = realloc(report->problems, cap * sizeof(*more));
        if (!more) {
            *failed = -ENOMEM;
            return NULL;
        }
        report->problems = more;
        report->cap = cap;
    }
    return &report->problems[report->n++];
}

int validate_add(struct validate_report *report, const char *code, const char *field,
                 const char *format, ...)
{
    int failed = 0;
    struct validate_problem *p = problem(report, &failed);
    va_list args;

    if (!p)
        return failed;
    p->code = code;
    (void)snprintf(p->field, sizeof(p->field), "%s", field);
    va_start(args, format);
    (void)vsnprintf(p->text, sizeof(p->text), format, args);
    va_end(args);
    mend(p->field, sizeof(p->field));
    mend(p->text, sizeof(p->text));
    return 0;
}

/* Keys are shown with their controls escaped: a path is one line. */
static size_t put_path(char *out, size_t size, const struct frame *frame)
{
    size_t n = frame->up ? put_path(out, size, frame->up) : 0;
    char key[6 * PATH_KEY_MAX];
    struct slice s = frame->key;
    int len;

    if (n + 1 >= size)
        return n;
    if (!s.data) {
        len = snprintf(out + n, size - n, "[%zu]", frame->index);
    } else {
        if (s.len > PATH_KEY_MAX)
            s.len = PATH_KEY_MAX;
        len = snprintf(out + n, size - n, "%s%.*s", n ? "." : "", (int)json_encode(key, s), key);
    }
    return n + (size_t)len < size ? n + (size_t)len : size - 1;
}

static void complain(struct walk *w, const struct frame *frame, const char *code,
                     const char *format, ...) PRINTF_LIKE(4, 5);

static void complain(struct walk *w, const struct frame *frame, const char *code,
                     const char *format, ...)
{
    struct validate_problem *p = problem(w->report, &w->failed);
    size_t n = 0;
    va_list args;

    if (!p)
        return;
    p->code = code;
    p->field[0] = p->text[0] = '\0';
    if (frame) {
        (void)put_path(p->field, sizeof(p->field), frame);
        mend(p->field, sizeof(p->field));
        n = (size_t)snprintf(p->text, sizeof(p->text), "%s: ", p->field);
    }
    va_start(args, format);
    (void)vsnprintf(p->text + n, sizeof(p->text) - n, format, args);
    va_end(args);
    mend(p->text, sizeof(p->text));
}

static void invalid(struct walk *w, const struct frame *frame, const char *text, const char *shown)
{
    complain(w, frame, "invalid_field", "%s %s", shown, text);
}

/* The value as it came, cut to fit: `"XYZ"`, `12`, `an object`. */
static const char *show(const struct walk *w, const struct json_token *t, char out[SHOWN_MAX + 16])
{
    struct slice s = json_text(w->body, t);
    bool string = t->type == JSON_STRING || t->type == JSON_ESCAPED, cut = s.len > SHOWN_MAX;

    if (t->type == JSON_ARRAY)
        return "an array";
    if (t->type == JSON_OBJECT)
        return "an object";
    if (cut) {
        s.len = SHOWN_MAX;
        while (s.len > 0 && ((unsigned char)s.data[s.len] & 0xc0) == 0x80)
            s.len--;
    }
    (void)snprintf(out, SHOWN_MAX + 16, "%s%.*s%s%s", string ? "\"" : "", (int)s.len, s.data,
                   cut ? "..." : "", string ? "\"" : "");
    return out;
}

/* "an integer", "a string or null": the types of the schema. */
static const char *expected(const struct schema *schema, char out[128])
{
    size_t n = 0;

    out[0] = '\0';
    for (unsigned bit = SCHEMA_NULL; bit <= SCHEMA_OBJECT; bit <<= 1)
        if (schema->types & bit && n < 100)
            n += (size_t)snprintf(out + n, 128 - n, "%s%s", n ? " or " : "", schema_type_name(bit));
    return out;
}

static void wrong_type(struct walk *w, const struct schema *schema, const struct json_token *t,
                       const struct frame *frame)
{
    char types[128], shown[SHOWN_MAX + 16];
    bool string = t->type == JSON_STRING || t->type == JSON_ESCAPED;

    complain(w, frame, "invalid_field", "%s%s is not accepted; expected %s",
             string ? "the string " : "", show(w, t, shown), expected(schema, types));
}

/* A whole number written plainly that fits 64 bits. NULL, or what is wrong with it. */
static const char *integer_of(struct slice s, int64_t *out)
{
    bool negative = s.data[0] == '-';
    uint64_t v = 0, most = (uint64_t)INT64_MAX + negative;
    size_t i = negative;

    for (; i < s.len; i++) {
        unsigned digit = (unsigned)(unsigned char)s.data[i] - '0';

        if (digit > 9)
            return "is no whole number written plainly; expected an integer without a fraction or "
                   "an exponent";
        if (i - negative < INTEGER_DIGITS)
            v = v * 10 + digit;
    }
    if (s.len - negative > INTEGER_DIGITS || v > most)
        return "does not fit an integer of 64 bits";
    if (negative && v == 0)
        return "has a sign; expected 0";
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return NULL;
}

static void not_a_choice(struct walk *w, const struct schema *schema, const char *shown,
                         const struct frame *frame)
{
    char list[256];
    size_t n = 0;

    for (size_t i = 0; i < schema->n_choices && n < sizeof(list); i++) {
        const struct schema_choice *c = &schema->choices[i];

        n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s%s%s", i ? ", " : "",
                              c->string ? "\"" : "", c->text.data, c->string ? "\"" : "");
    }
    mend(list, sizeof(list));
    if (schema->title.len)
        complain(w, frame, "invalid_field", "%s is not a known %s; expected one of %s", shown,
                 schema->title.data, list);
    else
        complain(w, frame, "invalid_field", "%s is not accepted; expected %s%s", shown,
                 schema->n_choices > 1 ? "one of " : "", list);
}

/* Whether the number lies within the bounds; `exact` when it is a plain integer. */
static void check_number(struct walk *w, const struct schema *schema, const struct json_token *t,
                         const struct frame *frame)
{
    struct slice s = json_text(w->body, t);
    char shown[SHOWN_MAX + 16], number[64];
    int64_t v = 0;
    const char *wrong = integer_of(s, &v);
    bool below, above;

    if (wrong && !(schema->types & SCHEMA_NUMBER)) {
        invalid(w, frame, wrong, show(w, t, shown));
        return;
    }
    if (wrong) {
        double d = HUGE_VAL;

        if (s.len < sizeof(number)) {
            memcpy(number, s.data, s.len);
            number[s.len] = '\0';
            d = strtod(number, NULL);
        } else if (schema->minimum != INT64_MIN || schema->maximum != INT64_MAX) {
            invalid(w, frame, "is too long to be compared with its bounds", show(w, t, shown));
            return;
        }
        below = schema->minimum != INT64_MIN && d < (double)schema->minimum;
        above = schema->maximum != INT64_MAX && d > (double)schema->maximum;
    } else {
        below = v < schema->minimum;
        above = v > schema->maximum;
    }
    if (below)
        complain(w, frame, "invalid_field", "%s is too small; expected %lld or more",
                 show(w, t, shown), (long long)schema->minimum);
    else if (above)
        complain(w, frame, "invalid_field", "%s is too large; expected %lld or less",
                 show(w, t, shown), (long long)schema->maximum);
    else if (!schema_has_choice(schema, s, false))
        not_a_choice(w, schema, show(w, t, shown), frame);
}

static size_t characters(struct slice s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.data[i] & 0xc0) != 0x80;
    return n;
}

static void check_text(struct walk *w, const struct schema *schema, const struct json_token *t,
                       struct slice s, const struct frame *frame)
{
    char shown[SHOWN_MAX + 16];

    if (!schema_has_choice(schema, s, true)) {
        not_a_choice(w, schema, show(w, t, shown), frame);
        return;
    }
    if (schema->min_length > 0 || schema->max_length != UINT32_MAX) {
        size_t n = characters(s);

        if (n < schema->min_length || n > schema->max_length) {
            complain(w, frame, "invalid_field", "%s has %zu characters; expected at %s %u",
                     show(w, t, shown), n, n < schema->min_length ? "least" : "most",
                     n < schema->min_length ? schema->min_length : schema->max_length);
            return;
        }
    }
    if (schema->pattern) {
        enum pattern_answer answer = pattern_match(schema->pattern, s, &w->report->memory);

        if (answer == PATTERN_UNDECIDED)
            complain(w, frame, "invalid_field", "%s takes too long to compare with %s",
                     show(w, t, shown), schema->pattern_text.data);
        else if (answer == PATTERN_NO && schema->title.len)
            complain(w, frame, "invalid_field", "%s is no %s; expected to match %s",
                     show(w, t, shown), schema->title.data, schema->pattern_text.data);
        else if (answer == PATTERN_NO)
            complain(w, frame, "invalid_field", "%s does not match %s", show(w, t, shown),
                     schema->pattern_text.data);
    }
}

static void check_string(struct walk *w, const struct schema *schema, const struct json_token *t,
                         const struct frame *frame)
{
    struct slice raw = json_text(w->body, t);
    char *decoded;

    if (t->type == JSON_STRING) {
        check_text(w, schema, t, raw, frame);
        return;
    }
    if (!schema->pattern && schema->n_choices == 0 && schema->min_length == 0 &&
        schema->max_length == UINT32_MAX)
        return;
    decoded = malloc(raw.len);
    if (!decoded) {
        w->failed = -ENOMEM;
        return;
    }
    check_text(w, schema, t, slice_of(decoded, json_decode(decoded, raw)), frame);
    free(decoded);
}

static void check(struct walk *w, const struct schema *schema, uint32_t index,
                  const struct frame *frame);

static void check_array(struct walk *w, const struct schema *schema, uint32_t index,
                        const struct frame *frame)
{
    const struct json_token *t = w->tokens;
    struct frame here = {.up = frame};

    if (!schema->items)
        return;
    for (uint32_t i = index + 1; i < t[index].next; i = t[i].next) {
        check(w, schema->items, i, &here);
        here.index++;
    }
}

static void unknown(struct walk *w, const struct schema *schema, const struct frame *frame)
{
    char list[256];
    size_t n = 0;

    if (schema->n_properties == 0) {
        complain(w, frame, "unknown_field", "is not known: no field is expected here");
        return;
    }
    for (size_t i = 0; i < schema->n_properties && n < sizeof(list); i++)
        n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", i ? ", " : "",
                              schema->properties[i].name.data);
    if (n >= sizeof(list)) {
        list[sizeof(list) - 4] = '\0';
        mend(list, sizeof(list) - 3);
        memcpy(list + strlen(list), "...", 4);
    }
    complain(w, frame, "unknown_field", "is not known here; expected one of %s", list);
}

static void missing(struct walk *w, const struct schema *schema, uint32_t index,
                    const struct frame *frame)
{
    const struct json_token *t = w->tokens;

    for (size_t p = 0; p < schema->n_properties; p++) {
        struct frame here = {.up = frame, .key = schema->properties[p].name};
        char key[6 * SCHEMA_NAME_MAX], types[128];
        bool found = !schema->properties[p].required;

        for (uint32_t i = index + 1; !found && i < t[index].next; i = t[i + 1].next) {
            struct slice s = json_text(w->body, &t[i]);

            if (t[i].type == JSON_ESCAPED && s.len <= sizeof(key))
                s = slice_of(key, json_decode(key, s));
            found = slice_eq(s, here.key);
        }
        if (!found)
            complain(w, &here, "missing_field", "is required and not there; expected %s",
                     expected(schema->properties[p].schema, types));
    }
}

static void check_object(struct walk *w, const struct schema *schema, uint32_t index,
                         const struct frame *frame)
{
    const struct json_token *t = w->tokens;
    size_t required = 0;

    for (uint32_t i = index + 1; i < t[index].next; i = t[i + 1].next) {
        struct frame here = {.up = frame, .key = json_text(w->body, &t[i])};
        const struct schema_property *p;
        char key[6 * SCHEMA_NAME_MAX];

        if (t[i].type == JSON_ESCAPED && here.key.len <= sizeof(key))
            here.key = slice_of(key, json_decode(key, here.key));
        p = schema_find(schema, here.key);
        if (p) {
            required += p->required;
            check(w, p->schema, i + 1, &here);
        } else if (schema->closed) {
            unknown(w, schema, &here);
        } else if (schema->anything) {
            check(w, schema->anything, i + 1, &here);
        }
    }
    if (required < schema->n_required)
        missing(w, schema, index, frame);
}

static void check_plain(struct walk *w, const struct schema *schema, const struct json_token *t,
                        const struct frame *frame)
{
    char shown[SHOWN_MAX + 16];

    if (!schema_has_choice(schema, json_text(w->body, t), false))
        not_a_choice(w, schema, show(w, t, shown), frame);
}

static void check(struct walk *w, const struct schema *schema, uint32_t index,
                  const struct frame *frame)
{
    static const unsigned ACCEPTED[] = {
        [JSON_NULL] = SCHEMA_NULL,     [JSON_FALSE] = SCHEMA_BOOLEAN,
        [JSON_TRUE] = SCHEMA_BOOLEAN,  [JSON_NUMBER] = SCHEMA_INTEGER | SCHEMA_NUMBER,
        [JSON_STRING] = SCHEMA_STRING, [JSON_ESCAPED] = SCHEMA_STRING,
        [JSON_ARRAY] = SCHEMA_ARRAY,   [JSON_OBJECT] = SCHEMA_OBJECT,
    };
    const struct json_token *t = &w->tokens[index];

    if (!(schema->types & ACCEPTED[t->type])) {
        wrong_type(w, schema, t, frame);
        return;
    }
    switch ((enum json_kind)t->type) {
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE:
        check_plain(w, schema, t, frame);
        break;
    case JSON_NUMBER:
        check_number(w, schema, t, frame);
        break;
    case JSON_STRING:
    case JSON_ESCAPED:
        check_string(w, schema, t, frame);
        break;
    case JSON_ARRAY:
        check_array(w, schema, index, frame);
        break;
    case JSON_OBJECT:
        check_object(w, schema, index, frame);
        break;
    }
}

int validate(const struct schema *schema, const struct json_tape *tape, struct slice body,
             struct validate_report *report)
{
    struct walk w = {.tokens = tape->tokens, .body = body, .report = report};

    validate_clear(report);
    check(&w, schema, 0, NULL);
    return w.failed;
}
