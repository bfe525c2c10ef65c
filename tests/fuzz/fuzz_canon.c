/*
 * What is signed against what another parser makes of the bytes that are forwarded: a body that is
 * accepted is parsed by json-c, strictly, and rendered by rules written here once more from the API
 * document; across the wall and back, the strings to sign must be the same. Bit 0 of the first byte
 * chooses the form of nested values.
 *
 * json-c can't tell all that is legal: keys with a NUL in them, integers that it would convert, and
 * escaped characters beyond U+FFFF whose low half it takes for a surrogate are left out.
 */
#include "api/canon.h"
#include "fuzz/must.h"
#include "wall/codec.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add(struct buf *out, const char *data, size_t n)
{
    must(buf_append(out, data, n) == 0);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b); /* unsigned bytes */
}

/* The keys in order; the caller frees the list. */
static const char **keys_of(struct json_object *o, size_t *n)
{
    const char **keys = calloc((size_t)json_object_object_length(o) + 1, sizeof(*keys));

    must(keys != NULL);
    *n = 0;
    json_object_object_foreach(o, key, value)
    {
        (void)value;
        keys[(*n)++] = key;
    }
    qsort(keys, *n, sizeof(*keys), by_name);
    return keys;
}

static void quote(struct buf *out, const char *s, size_t n)
{
    static const char SHORT[] = "\bb\ff\nn\rr\tt\"\"\\\\";

    add(out, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        const char *hit = NULL;
        char text[8];

        for (size_t j = 0; j + 1 < sizeof(SHORT); j += 2)
            if (SHORT[j] == s[i])
                hit = &SHORT[j + 1];
        if (hit)
            add(out, text, (size_t)snprintf(text, sizeof(text), "\\%c", *hit));
        else if ((unsigned char)s[i] < 0x20)
            add(out, text, (size_t)snprintf(text, sizeof(text), "\\u%04x", s[i]));
        else
            add(out, s + i, 1);
    }
    add(out, "\"", 1);
}

/* One value: flattened, or as compact JSON with ordered keys. */
static void render(struct buf *out, struct json_object *o, bool json)
{
    enum json_type type = json_object_get_type(o);
    const char *text;

    if (type == json_type_object) {
        size_t n;
        const char **keys = keys_of(o, &n);

        add(out, "{", json);
        for (size_t i = 0; i < n; i++) {
            add(out, json ? "," : ":", i > 0);
            if (json) {
                quote(out, keys[i], strlen(keys[i]));
                add(out, ":", 1);
            }
            render(out, json_object_object_get(o, keys[i]), json);
        }
        add(out, "}", json);
        free(keys);
    } else if (type == json_type_array) {
        add(out, "[", json);
        for (size_t i = 0; i < json_object_array_length(o); i++) {
            add(out, ",", i > 0);
            render(out, json_object_array_get_idx(o, i), json);
        }
        add(out, "]", json);
    } else if (type == json_type_string && json) {
        quote(out, json_object_get_string(o), (size_t)json_object_get_string_len(o));
    } else if (type == json_type_string) {
        add(out, json_object_get_string(o), (size_t)json_object_get_string_len(o));
    } else {
        text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
        add(out, text, strlen(text));
    }
}

/* In the JSON form an array stays comma-joined as long as it holds scalars only. */
static bool is_nested(struct json_object *o)
{
    if (json_object_get_type(o) == json_type_object)
        return true;
    if (json_object_get_type(o) != json_type_array)
        return false;
    for (size_t i = 0; i < json_object_array_length(o); i++) {
        enum json_type type = json_object_get_type(json_object_array_get_idx(o, i));

        if (type == json_type_object || type == json_type_array)
            return true;
    }
    return false;
}

static void expected(struct buf *out, struct slice body, bool json)
{
    struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 2);
    struct json_object *o;
    const char **keys;
    char *copy = malloc(body.len + 1);
    size_t n;

    must(tokener && copy);
    memcpy(copy, body.data, body.len);
    copy[body.len] = '\0';
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    o = json_tokener_parse_ex(tokener, copy, (int)body.len + 1);
    must(json_tokener_get_error(tokener) == json_tokener_success &&
         json_object_get_type(o) == json_type_object);
    keys = keys_of(o, &n);
    add(out, "id:space:/v1/org", 16);
    for (size_t i = 0; i < n; i++) {
        struct json_object *value = json_object_object_get(o, keys[i]);

        add(out, ":", 1);
        render(out, value, json && is_nested(value));
    }
    free(keys);
    json_object_put(o);
    json_tokener_free(tokener);
    free(copy);
}

/* As the keeper makes it, from what came over the wire. */
static void signed_text(struct buf *out, const struct canon *canon)
{
    static struct wire_space space;
    struct request_field *fields = calloc(canon->n + 1, sizeof(*fields));
    struct wire_message m = {.type = WIRE_SIGN}, read;
    struct buf wire = BUF_INIT(WIRE_MESSAGE_MAX + WIRE_HEADER);
    const char *why;
    size_t used;

    must(fields != NULL);
    for (size_t i = 0; i < canon->n; i++)
        fields[i] =
            (struct request_field){canon->fields[i].name, canon->fields[i].value, REQUEST_STRING};
    m.sign = (struct sign_request){.id = 1,
                                   .request_id = SLICE_LIT("r"),
                                   .client = {.uid = CLIENT_UID_UNKNOWN},
                                   .method = SLICE_LIT("PUT"),
                                   .workspace = SLICE_LIT("space"),
                                   .path = SLICE_LIT("/v1/org"),
                                   .n_fields = (uint32_t)canon->n,
                                   .fields = fields};
    must(codec_encode(&wire, &m) == 0);
    must(codec_decode(buf_slice(&wire), &read, &space, &used, &why) == CODEC_DONE);
    for (size_t i = 0; i < read.sign.n_fields; i++)
        canon->fields[i] =
            (struct request_field){space.fields[i].name, space.fields[i].value, REQUEST_STRING};
    must(string_to_sign(out, SLICE_LIT("id"), read.sign.workspace, read.sign.path, canon->fields,
                        canon->n) == 0);
    buf_deinit(&wire);
    free(fields);
}

/* Whether a pair of escapes makes a character like U+1DE00: json-c 0.16 puts U+FFFD in its place.
 */
static bool has_misread_pair(struct slice body)
{
    for (size_t i = 0; i + 12 <= body.len; i++) {
        unsigned high, low, c;
        char pair[13] = {0};

        memcpy(pair, body.data + i, 12);
        if (sscanf(pair, "\\u%4x\\u%4x", &high, &low) != 2)
            continue;
        c = 0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff);
        if ((high & 0xfc00) == 0xd800 && (low & 0xfc00) == 0xdc00 && (c & 0xf800) == 0xd800)
            return true;
    }
    return false;
}

/* Whether json-c keeps all of it. */
static bool comparable(const struct canon *canon, struct slice body)
{
    for (size_t i = 0; i < canon->tape.n; i++) {
        const struct json_token *t = &canon->tape.tokens[i];
        struct slice text = json_text(body, t);

        if (t->type == JSON_NUMBER && !memchr(text.data, '.', text.len) &&
            !memchr(text.data, 'e', text.len) && !memchr(text.data, 'E', text.len) &&
            (text.len > 18 || slice_eq(text, SLICE_LIT("-0"))))
            return false;
    }
    return !memmem(body.data, body.len, "\\u0000", 6) && !has_misread_pair(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf ours = BUF_INIT(1 << 24), theirs = BUF_INIT(1 << 24);
    struct canon_error why;
    struct canon canon;
    struct slice body;
    bool json;

    if (size < 2)
        return 0;
    json = data[0] & 1;
    body = slice_of(data + 1, size - 1);
    canon_init(&canon);
    if (canon_body(&canon, body, json ? CANON_JSON : CANON_FLATTEN, &why) == 0 &&
        comparable(&canon, body)) {
        expected(&theirs, body, json);
        signed_text(&ours, &canon);
        must(slice_eq(buf_slice(&ours), buf_slice(&theirs)));
    }
    canon_deinit(&canon);
    buf_deinit(&ours);
    buf_deinit(&theirs);
    return 0;
}
