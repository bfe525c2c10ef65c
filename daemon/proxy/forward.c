#include "proxy/forward.h"

static bool check_method(const struct setup *setup, const struct http_head *head,
                         const struct target *target, struct refusal *why)
{
    const struct api_path *path = api_find(setup->api, target->path);
    unsigned method = api_method_of(head->method);

    if (!path && setup->conf.validation == PROXY_ENFORCE)
        return refuse(why, 404, "unknown_endpoint",
                      "%.*s is not in the API description (%s); see the documented paths, ids are "
                      "whole numbers above 0",
                      (int)target->path.len, target->path.data, setup->conf.api);
    if (method && (!path || setup->conf.validation != PROXY_ENFORCE))
        return true;
    if (method && (api_methods(path) & method))
        return true;
    refuse(why, 405, "method_not_allowed", "%.*s can't be called with %.*s", (int)target->path.len,
           target->path.data, (int)head->method.len, head->method.data);
    why->allow = api_allow(path ? api_methods(path) : API_POST | API_PUT | API_DELETE);
    return false;
}

static struct slice skip_space(struct slice s)
{
    while (s.len && (*s.data == ' ' || *s.data == '\t'))
        s = slice_of(s.data + 1, s.len - 1);
    return s;
}

/* application/json, with no parameter but charset=utf-8 (RFC 8259, 11). */
static bool is_json(struct slice type)
{
    struct slice json = SLICE_LIT("application/json"), rest;

    if (type.len < json.len || !slice_eq_nocase(slice_of(type.data, json.len), json))
        return false;
    rest = skip_space(slice_of(type.data + json.len, type.len - json.len));
    if (rest.len == 0)
        return true;
    if (*rest.data != ';')
        return false;
    rest = skip_space(slice_of(rest.data + 1, rest.len - 1));
    return slice_eq_nocase(rest, SLICE_LIT("charset=utf-8")) ||
           slice_eq_nocase(rest, SLICE_LIT("charset=\"utf-8\""));
}

static bool check_type(const struct http_head *head, struct refusal *why)
{
    const struct http_field *type = http_field(head, SLICE_LIT("content-type"));

    if (http_field_count(head, SLICE_LIT("content-type")) > 1)
        return refuse(why, 400, "bad_request", "Content-Type is there more than once");
    if (http_field(head, SLICE_LIT("content-encoding")))
        return refuse(why, 415, "unsupported_media_type",
                      "Content-Encoding is not supported: send the JSON as it is");
    if (type ? !is_json(type->value) : head->framing != HTTP_NO_BODY)
        return refuse(why, 415, "unsupported_media_type",
                      "a body must be sent with Content-Type: application/json");
    return true;
}

bool forward_check(const struct setup *setup, const struct http_head *head, struct target *target,
                   struct refusal *why)
{
    const char *text = NULL;
    int r = target_parse(head->target, target, &text);

    if (r == TARGET_UNKNOWN)
        return refuse(why, 404, "unknown_endpoint", "%s", text);
    if (r != 0)
        return refuse(why, 400, "bad_request", "%s", text);
    if (target->workspace.len == 0)
        target->workspace = slice_str(setup->conf.workspace);
    if (target->workspace.len == 0)
        return refuse(why, 404, "unknown_endpoint",
                      "the path names no workspace and no default is configured: use "
                      "/s/WORKSPACE%.*s or the setting `workspace`",
                      (int)target->path.len, target->path.data);
    return check_method(setup, head, target, why) && check_type(head, why);
}

static int put_field(struct buf *out, struct slice name, struct slice value)
{
    int r = buf_append_slice(out, name);

    if (r == 0)
        r = buf_append(out, ": ", 2);
    if (r == 0)
        r = buf_append_slice(out, value);
    return r == 0 ? buf_append(out, "\r\n", 2) : r;
}

/* No other field of the client is passed on. */
static bool passes(struct slice name)
{
    return slice_eq_nocase(name, SLICE_LIT("accept")) ||
           slice_eq_nocase(name, SLICE_LIT("content-type")) ||
           slice_eq_nocase(name, SLICE_LIT("user-agent"));
}

enum {
    FORWARD_REST = 1024, /* bytes of the line, of our own fields and of Authorization, as a rule */
};

static int put_line(struct buf *out, const struct http_head *head, const struct target *target)
{
    int r = buf_append_slice(out, head->method);

    if (r == 0)
        r = buf_append_slice(out, SLICE_LIT(" /s/"));
    if (r == 0)
        r = buf_append_slice(out, target->workspace);
    if (r == 0)
        r = buf_append_slice(out, target->path);
    return r == 0 ? buf_append_slice(out, SLICE_LIT(" HTTP/1.1\r\n")) : r;
}

int forward_head(struct buf *out, const struct setup *setup, const struct http_head *head,
                 const struct target *target, struct slice request_id, size_t body_len)
{
    struct slice host = upstream_host(setup->upstream);
    /* Once for all of it: a secret buffer that grows is wiped each time. */
    int r = buf_reserve(out, head->head_len + body_len + FORWARD_REST);

    if (r == 0)
        r = put_line(out, head, target);
    if (r == 0)
        r = put_field(out, SLICE_LIT("Host"), host);
    for (size_t i = 0; r == 0 && i < head->n_fields; i++)
        if (passes(head->fields[i].name))
            r = put_field(out, head->fields[i].name, head->fields[i].value);
    if (r == 0)
        r = put_field(out, SLICE_LIT("X-Request-Id"), request_id);
    if (r == 0)
        r = buf_append_slice(out, SLICE_LIT("Content-Length: "));
    if (r == 0)
        r = buf_append_number(out, body_len);
    return r == 0 ? buf_append(out, "\r\n", 2) : r;
}

int forward_signed(struct buf *out, bool literal, const struct wire_signed *s, struct slice body)
{
    int r = buf_reserve(out, 128 + s->key_id.len + s->signature.len + body.len);

    if (r == 0)
        r = buf_append_slice(out, SLICE_LIT("Authorization: "));
    if (r == 0 && literal)
        r = buf_append_slice(out, SLICE_LIT("Authorization "));
    if (r == 0)
        r = buf_append_slice(out, SLICE_LIT("CENTION1-HMAC-SHA256 "));
    if (r == 0)
        r = buf_append_slice(out, s->key_id);
    if (r == 0)
        r = buf_append(out, ",", 1);
    if (r == 0)
        r = buf_append_slice(out, s->signature);
    if (r == 0)
        r = buf_append(out, "\r\n\r\n", 4);
    return r == 0 ? buf_append_slice(out, body) : r;
}
