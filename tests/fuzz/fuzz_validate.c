/*
 * Fuzzes schemas with bodies: the input is a schema, a NUL and a body. Beside not crashing: a
 * report is whole lines of UTF-8 that begin with their fields, and the same body with its strings
 * written in escapes has as many problems, in the same places.
 */
#include "api/canon.h"
#include "api/validate.h"
#include "base/utf8.h"
#include "fuzz/must.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const char *text, size_t size)
{
    size_t n = strnlen(text, size);

    must(n < size);
    for (size_t i = 0, step; i < n; i += step) {
        step = utf8_len((const unsigned char *)text + i, n - i);
        must(step > 0 && (unsigned char)text[i] >= 0x20);
    }
}

static void check_report(const struct validate_report *report)
{
    must(report->n == report->total ||
         (report->n == VALIDATE_PROBLEMS_MAX && report->total > report->n));
    for (size_t i = 0; i < report->n; i++) {
        const struct validate_problem *p = &report->problems[i];

        check_line(p->field, sizeof(p->field));
        check_line(p->text, sizeof(p->text));
        must(p->code[0] && strncmp(p->text, p->field, strlen(p->field)) == 0);
    }
}

/* The text with every ASCII character of its plain strings as an escape. */
static size_t escape(char *out, struct slice text, const struct json_tape *tape)
{
    static const char HEX[] = "0123456789abcdef";
    size_t from = 0, n = 0;

    for (size_t i = 0; i < tape->n; i++) {
        const struct json_token *t = &tape->tokens[i];

        if (t->type != JSON_STRING)
            continue;
        memcpy(out + n, text.data + from, t->offset - from);
        n += t->offset - from;
        for (from = t->offset; from < t->offset + t->len; from++) {
            unsigned char c = (unsigned char)text.data[from];

            if (c >= 0x80) {
                out[n++] = (char)c;
                continue;
            }
            memcpy(out + n, "\\u00", 4);
            out[n + 4] = HEX[c >> 4];
            out[n + 5] = HEX[c & 15];
            n += 6;
        }
    }
    memcpy(out + n, text.data + from, text.len - from);
    return n + text.len - from;
}

/* What is wrong doesn't depend on how strings are written; a very long key is shown as it came. */
static void check_escaped(const struct schema *schema, struct slice body,
                          const struct json_tape *tape, const struct validate_report *plain)
{
    char *text = malloc(6 * body.len + 1);
    struct validate_report report = {0};
    struct canon_error why;
    struct canon canon;
    struct slice other;

    must(text != NULL);
    other = slice_of(text, escape(text, body, tape));
    canon_init(&canon);
    must(canon_body(&canon, other, CANON_FLATTEN, &why) == 0);
    must(validate(schema, &canon.tape, other, &report) == 0);
    check_report(&report);
    must(report.total == plain->total);
    for (size_t i = 0; i < report.n; i++)
        must(report.problems[i].code == plain->problems[i].code &&
             (body.len > 128 || strcmp(report.problems[i].field, plain->problems[i].field) == 0));
    validate_report_deinit(&report);
    canon_deinit(&canon);
    free(text);
}

static void check_body(const struct schema *schema, struct slice body)
{
    struct validate_report report = {0};
    struct canon_error why;
    struct canon canon;

    canon_init(&canon);
    if (body.len && canon_body(&canon, body, CANON_FLATTEN, &why) == 0) {
        must(validate(schema, &canon.tape, body, &report) == 0);
        check_report(&report);
        check_escaped(schema, body, &canon.tape, &report);
    }
    validate_report_deinit(&report);
    canon_deinit(&canon);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;
    const struct schema *schema = NULL;
    struct schemas all = {0};
    struct err err = ERR_INIT;
    size_t split = end ? (size_t)(end - data) : size;
    struct doc doc;
    int r;

    if (doc_open(&doc, slice_of(data, split), &err) < 0)
        return 0;
    r = schema_load(&all, &schema, &doc);
    must(r == 0 ? schema != NULL : r == -EINVAL && err.text[0] == '/');
    json_object_put(doc.root);
    if (r == 0 && end)
        check_body(schema, slice_of(data + split + 1, size - split - 1));
    schemas_free(&all);
    return 0;
}
