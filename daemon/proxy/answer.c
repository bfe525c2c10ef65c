#include "proxy/answer.h"

#include "base/utf8.h"
#include "http/http_reason.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

enum {
    ANSWER_BODY_MAX = 1024 * 1024,
};

int answer_json_string(struct buf *out, struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.data;
    int r = buf_append(out, "\"", 1);

    for (size_t i = 0; r == 0 && i < s.len;) {
        size_t n = utf8_len(p + i, s.len - i);

        if (n == 0) {
            r = buf_append(out, "?", 1);
            n = 1;
        } else if (p[i] == '"' || p[i] == '\\') {
            r = buf_printf(out, "\\%c", p[i]);
        } else if (p[i] < 0x20 || p[i] == 0x7f) {
            r = buf_printf(out, "\\u%04x", p[i]);
        } else {
            r = buf_append(out, p + i, n);
        }
        i += n;
    }
    return r == 0 ? buf_append(out, "\"", 1) : r;
}

static int put_connection(struct buf *out, unsigned minor, bool keep_alive)
{
    if (!keep_alive)
        return buf_append_slice(out, SLICE_LIT("Connection: close\r\n"));
    return minor == 0 ? buf_append_slice(out, SLICE_LIT("Connection: keep-alive\r\n")) : 0;
}

static int put_request_id(struct buf *out, struct slice id)
{
    int r = buf_append_slice(out, SLICE_LIT("X-Request-Id: "));

    if (r == 0)
        r = buf_append_slice(out, id);
    return r == 0 ? buf_append(out, "\r\n", 2) : r;
}

static int put_length(struct buf *out, uint64_t length)
{
    int r = buf_append_slice(out, SLICE_LIT("Content-Length: "));

    if (r == 0)
        r = buf_append_number(out, length);
    return r == 0 ? buf_append(out, "\r\n", 2) : r;
}

static int put_date(struct buf *out, uint64_t now_us)
{
    static const char *const DAYS[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const MONTHS[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm t;

    if (!gmtime_r(&seconds, &t))
        return 0;
    return buf_printf(out, "Date: %s, %02d %s %d %02d:%02d:%02d GMT\r\n", DAYS[t.tm_wday],
                      t.tm_mday, MONTHS[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

static int put_whole(struct buf *out, const struct answer_to *to, unsigned status, const char *type,
                     const char *allow, bool again, struct slice body)
{
    struct slice reason = http_reason(status);
    int r = buf_printf(out,
                       "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                       "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                       "Cross-Origin-Resource-Policy: same-origin\r\n",
                       status, *reason.data ? reason.data : "Error", type, body.len);

    if (r == 0)
        r = put_date(out, to->now_us);
    if (r == 0 && allow)
        r = buf_printf(out, "Allow: %s\r\n", allow);
    if (r == 0 && status == 401) /* RFC 9110, 11.6.1 */
        r = buf_append_slice(out, SLICE_LIT("WWW-Authenticate: Bearer\r\n"));
    if (r == 0 && again) /* RFC 9110, 10.2.3 */
        r = buf_append_slice(out, SLICE_LIT("Retry-After: 1\r\n"));
    if (r == 0)
        r = put_request_id(out, to->request_id);
    if (r == 0)
        r = put_connection(out, to->minor, to->keep_alive);
    if (r == 0)
        r = buf_append(out, "\r\n", 2);
    if (r == 0 && !to->to_head)
        r = buf_append_slice(out, body);
    return r;
}

int answer_text(struct buf *out, const struct answer_to *to, unsigned status, const char *type,
                struct slice body)
{
    return put_whole(out, to, status, type, NULL, false, body);
}

int answer_refusal(struct buf *out, const struct answer_to *to, const struct refusal *why,
                   unsigned upstream_status, struct slice more)
{
    struct buf body = BUF_INIT(ANSWER_BODY_MAX);
    int r = buf_append_slice(&body, SLICE_LIT("{\"error\": "));

    if (r == 0)
        r = answer_json_string(&body, slice_str(why->text));
    if (r == 0)
        r = buf_printf(&body, ", \"code\": \"%s\"", why->code);
    if (r == 0 && why->field[0]) {
        r = buf_append_slice(&body, SLICE_LIT(", \"field\": "));
        if (r == 0)
            r = answer_json_string(&body, slice_str(why->field));
    }
    if (r == 0)
        r = buf_printf(&body, ", \"outcome\": \"%s\"", why->outcome);
    if (r == 0 && upstream_status)
        r = buf_printf(&body, ", \"upstream_status\": %u", upstream_status);
    if (r == 0)
        r = buf_append_slice(&body, more);
    if (r == 0)
        r = buf_append_slice(&body, SLICE_LIT("}\n"));
    if (r == 0)
        r = put_whole(out, to, why->status, "application/json", why->allow,
                      strcmp(why->code, "overloaded") == 0, buf_slice(&body));
    buf_deinit(&body);
    return r;
}

/*
 * The fields of the upstream's answer that concern the client: of the representation (RFC 9110, 8),
 * of its caching (RFC 9111), of what to do next, and of limits. What is not here is dropped: fields
 * that would act on a browser's or a client's state (Set-Cookie, Access-Control-*, Alt-Svc,
 * Clear-Site-Data), that belong to the signature (WWW-Authenticate, Authorization) or are unknown.
 */
static bool is_relayed(struct slice name)
{
    static const char *const RELAYED[] = {
        "accept-ranges",
        "age",
        "allow",
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-location",
        "content-range",
        "content-type",
        "date",
        "deprecation",
        "etag",
        "expires",
        "last-modified",
        "link",
        "location",
        "ratelimit",
        "ratelimit-limit",
        "ratelimit-policy",
        "ratelimit-remaining",
        "ratelimit-reset",
        "retry-after",
        "server",
        "sunset",
        "vary",
        "warning",
        "x-content-type-options",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
    };

    for (size_t i = 0; i < sizeof(RELAYED) / sizeof(RELAYED[0]); i++)
        if (slice_eq_nocase(name, slice_str(RELAYED[i])))
            return true;
    return false;
}

static int put_fields(struct buf *out, const struct http_head *head)
{
    for (size_t i = 0; i < head->n_fields; i++) {
        struct slice name = head->fields[i].name, value = head->fields[i].value;
        int r;

        if (!is_relayed(name) || http_hop_by_hop(head, name)) /* Connection may name any field */
            continue;
        r = buf_reserve(out, name.len + value.len + 4);
        if (r < 0)
            return r;
        /* The room is there: none of these can fail. */
        r = buf_append_slice(out, name);
        r |= buf_append(out, ": ", 2);
        r |= buf_append_slice(out, value);
        r |= buf_append(out, "\r\n", 2);
        if (r != 0)
            return -ENOMEM;
    }
    return 0;
}

int answer_head(struct buf *out, const struct answer_to *to, const struct http_head *head,
                bool *chunked, bool *keep_alive)
{
    bool open_end = head->framing == HTTP_CHUNKED || head->framing == HTTP_UNTIL_CLOSE;
    bool bodiless = head->status == 204 || head->status == 304;
    int r = buf_append_slice(out, SLICE_LIT("HTTP/1.1 "));

    *chunked = open_end && to->minor >= 1;
    *keep_alive = to->keep_alive && (!open_end || *chunked);
    if (r == 0)
        r = buf_append_number(out, head->status);
    if (r == 0)
        r = buf_append(out, " ", 1);
    if (r == 0)
        r = buf_append_slice(out, head->reason);
    if (r == 0)
        r = buf_append(out, "\r\n", 2);
    if (r == 0)
        r = put_fields(out, head);
    if (r == 0 && *chunked)
        r = buf_append_slice(out, SLICE_LIT("Transfer-Encoding: chunked\r\n"));
    if (r == 0 && !open_end && !bodiless)
        r = put_length(out, head->content_length);
    if (r == 0)
        r = put_request_id(out, to->request_id);
    if (r == 0)
        r = put_connection(out, to->minor, *keep_alive);
    return r == 0 ? buf_append(out, "\r\n", 2) : r;
}
