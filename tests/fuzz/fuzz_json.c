/*
 * Fuzzes the scanner and the canonical form. Beside not crashing: what is accepted is JSON to
 * json-c too, fields ascend strictly, a value rendered as JSON is JSON again with the same
 * meaning, and the string to sign is as long as its parts.
 */
#include "api/canon.h"
#include "fuzz/must.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* json-c reads up to a terminator, and is milder than we are. */
static void check_json_c(struct slice text)
{
    struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 2);
    char *copy = malloc(text.len + 1);
    struct json_object *o;

    must(tokener && copy);
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    o = json_tokener_parse_ex(tokener, copy, (int)text.len + 1);
    must(json_tokener_get_error(tokener) == json_tokener_success);
    json_object_put(o);
    json_tokener_free(tokener);
    free(copy);
}

/* A rendered struct, rendered once more as a field, stays what it is. */
static void check_stable(struct slice value)
{
    struct buf again = BUF_INIT(value.len + 16);
    struct canon_error why;
    struct canon canon;

    canon_init(&canon);
    must(buf_append(&again, "{\"v\":", 5) == 0 && buf_append_slice(&again, value) == 0 &&
         buf_append(&again, "}", 1) == 0);
    must(canon_body(&canon, buf_slice(&again), CANON_JSON, &why) == 0);
    must(canon.n == 1 && slice_eq(canon.fields[0].value, value));
    canon_deinit(&canon);
    buf_deinit(&again);
}

static void check_string(const struct canon *canon)
{
    struct buf out = BUF_INIT(1 << 24);
    size_t len = 5 + canon->n;

    for (size_t i = 0; i < canon->n; i++) {
        len += canon->fields[i].value.len;
        must(i == 0 || slice_cmp(canon->fields[i - 1].name, canon->fields[i].name) < 0);
    }
    must(string_to_sign(&out, SLICE_LIT("k"), SLICE_LIT("w"), SLICE_LIT("/"), canon->fields,
                        canon->n) == 0);
    must(buf_len(&out) == len);
    buf_deinit(&out);
}

static bool is_struct(struct slice body, const struct canon *canon, size_t i)
{
    struct slice value = canon->fields[i].value;

    /* Rendered, so outside the body; an array of scalars could look like JSON by accident. */
    return value.len && value.data[0] == '{' && value.data[value.len - 1] == '}' &&
           (value.data < body.data || value.data >= body.data + body.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice body = slice_of(data, size);
    struct json_tape tape = {0};
    struct canon_error why;
    struct json_error wrong;
    struct canon canon;
    int scanned, r, other;

    scanned = json_scan(&tape, body, &wrong);
    must(scanned == 0 ? tape.n > 0 : scanned == JSON_BAD && wrong.offset <= size && wrong.text);
    if (scanned == 0)
        check_json_c(body);
    canon_init(&canon);
    other = canon_body(&canon, body, CANON_FLATTEN, &why);
    if (other == 0)
        check_string(&canon);
    r = canon_body(&canon, body, CANON_JSON, &why);
    must(r == other && (r == 0 || (r == CANON_BAD && why.text[0] && why.offset <= size)));
    must(r != 0 || size == 0 || scanned == 0);
    if (r == 0) {
        check_string(&canon);
        for (size_t i = 0; i < canon.n; i++)
            if (is_struct(body, &canon, i) && tape.tokens[0].type == JSON_OBJECT &&
                !memchr(data, '\\', size) && !memchr(data, '[', size))
                check_stable(canon.fields[i].value);
    }
    canon_deinit(&canon);
    json_tape_deinit(&tape);
    return 0;
}
