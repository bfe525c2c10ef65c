#include "proxy/front/request_reader.h"

enum request_part request_reader_head(struct request_reader *r, const struct buf *in, size_t most,
                                      struct http_head *head, struct refusal *why)
{
    const char *wrong = NULL;
    enum http_result result =
        http_request_parse(buf_slice(in).data, buf_len(in), &r->progress, head, &wrong);

    if ((result == HTTP_PARTIAL && buf_len(in) >= most) ||
        (result == HTTP_DONE && head->head_len > most)) {
        refuse(why, 431, "headers_too_large", "the head is larger than the limit of %zu bytes",
               most);
        return REQUEST_REFUSED;
    }
    if (result == HTTP_BAD) {
        refuse(why, 400, "bad_request", "%s", wrong);
        return REQUEST_REFUSED;
    }
    return result == HTTP_DONE ? REQUEST_HEAD : REQUEST_PARTIAL;
}

bool request_reader_begin_body(struct request_reader *r, const struct http_head *head, size_t most,
                               struct refusal *why)
{
    bool fits = head->framing != HTTP_LENGTH || head->content_length <= most;

    r->head_len = head->head_len;
    r->framing = head->framing;
    r->wanted = head->framing == HTTP_LENGTH && fits ? (size_t)head->content_length : 0;
    return fits ||
           refuse(why, 413, "too_large", "the body of %llu bytes is larger than the limit of %zu",
                  (unsigned long long)head->content_length, most);
}

static enum request_part read_chunked(struct request_reader *r, struct buf *in, size_t most,
                                      struct refusal *why)
{
    size_t have = buf_len(in), at = r->head_len + r->body_len, fresh = have - at, surplus = 0;
    const char *wrong = NULL;
    enum http_result result =
        http_chunked_decode(&r->chunked, in->data + in->head + at, &fresh, &surplus, &wrong);

    r->body_len += fresh;
    if (result == HTTP_BAD) {
        refuse(why, 400, "bad_request", "the chunked body is malformed: %s", wrong);
        return REQUEST_REFUSED;
    }
    if (r->body_len > most) {
        refuse(why, 413, "too_large", "the body is larger than the limit of %zu bytes", most);
        return REQUEST_REFUSED;
    }
    if (result == HTTP_DONE) {
        r->len = have - surplus;
        return REQUEST_WHOLE;
    }
    in->tail = in->head + r->head_len + r->body_len;
    return REQUEST_PARTIAL;
}

enum request_part request_reader_body(struct request_reader *r, struct buf *in, size_t most,
                                      struct refusal *why)
{
    if (r->framing == HTTP_CHUNKED)
        return read_chunked(r, in, most, why);
    request_reader_skip_body(r);
    return request_reader_has_body(r, in) ? REQUEST_WHOLE : REQUEST_PARTIAL;
}

bool request_reader_has_body(const struct request_reader *r, const struct buf *in)
{
    return r->framing != HTTP_CHUNKED && buf_len(in) >= r->head_len + r->wanted;
}

void request_reader_skip_body(struct request_reader *r)
{
    r->body_len = r->wanted;
    r->len = r->head_len + r->wanted;
}

bool request_reader_head_again(const struct request_reader *r, const struct buf *in,
                               struct http_head *head)
{
    struct http_progress progress = {0};
    const char *wrong;

    return http_request_parse(buf_slice(in).data, r->head_len, &progress, head, &wrong) ==
           HTTP_DONE;
}
