/*
 * Line by line: each complete line is judged once, when its LF is here; of the last, incomplete
 * one only the bytes are judged. `progress` remembers where that line begins, so bytes that come
 * one by one cost no more than their line. The fields are gathered in a second pass when the head
 * is complete, because the bytes may have moved meanwhile; a head that came in one piece, as
 * nearly all do, is read twice, which costs less than keeping offsets.
 */
#include "http/http_parse.h"

enum {
    TOKEN = 1,  /* RFC 9110, 5.6.2: tchar */
    TARGET = 2, /* RFC 3986, 3.3: pchar but '%', "/" and "?" */
    VALUE = 4,  /* RFC 9110, 5.5: VCHAR, SP, HTAB, obs-text */
    DIGIT = 8,
    HEX = 16,
    HOST = 32, /* RFC 3986, 3.2.2: reg-name and IPv4address without percent-encoding */
};

#define ALNUM (TOKEN | TARGET | VALUE | HOST)

static const unsigned char CLASS[256] = {
    ['\t'] = VALUE,
    [' '] = VALUE,
    ['"'] = VALUE,
    ['('] = VALUE | TARGET,
    [')'] = VALUE | TARGET,
    [','] = VALUE | TARGET,
    ['/'] = VALUE | TARGET,
    [':'] = VALUE | TARGET,
    [';'] = VALUE | TARGET,
    ['<'] = VALUE,
    ['='] = VALUE | TARGET,
    ['>'] = VALUE,
    ['?'] = VALUE | TARGET,
    ['@'] = VALUE | TARGET,
    ['['] = VALUE,
    ['\\'] = VALUE,
    [']'] = VALUE,
    ['{'] = VALUE,
    ['}'] = VALUE,
    ['!'] = VALUE | TARGET | TOKEN,
    ['#'] = VALUE | TOKEN,
    ['$'] = VALUE | TARGET | TOKEN,
    ['%'] = VALUE | TOKEN,
    ['&'] = VALUE | TARGET | TOKEN,
    ['\''] = VALUE | TARGET | TOKEN,
    ['*'] = VALUE | TARGET | TOKEN,
    ['+'] = VALUE | TARGET | TOKEN,
    ['-'] = ALNUM,
    ['.'] = ALNUM,
    ['^'] = VALUE | TOKEN,
    ['_'] = ALNUM,
    ['`'] = VALUE | TOKEN,
    ['|'] = VALUE | TOKEN,
    ['~'] = ALNUM,
    ['0' ... '9'] = ALNUM | DIGIT | HEX,
    ['A' ... 'F'] = ALNUM | HEX,
    ['G' ... 'Z'] = ALNUM,
    ['a' ... 'f'] = ALNUM | HEX,
    ['g' ... 'z'] = ALNUM,
    [0x80 ... 0xff] = VALUE,
};

enum {
    METHOD_MAX = 32,
    LENGTH_DIGITS_MAX = 15,
};

static bool is(char c, unsigned class)
{
    return (CLASS[(unsigned char)c] & class) != 0;
}

static bool all(struct slice s, unsigned class)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is(s.data[i], class))
            return false;
    return true;
}

static enum http_result bad(const char **why, const char *text)
{
    *why = text;
    return HTTP_BAD;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static struct slice trim(struct slice s)
{
    while (s.len && is_space(s.data[0]))
        s = slice_of(s.data + 1, s.len - 1);
    while (s.len && is_space(s.data[s.len - 1]))
        s.len--;
    return s;
}

/* Cuts what stands before the next `c` off *rest; false when there is none. */
static bool cut(struct slice *rest, char c, struct slice *out)
{
    const char *at = rest->len ? memchr(rest->data, c, rest->len) : NULL;

    if (!at)
        return false;
    *out = slice_of(rest->data, (size_t)(at - rest->data));
    *rest = slice_of(at + 1, rest->len - out->len - 1);
    return true;
}

/* ---- lines ---- */

static enum http_result check_target(struct slice t, const char **why)
{
    if (t.len == 0 || t.data[0] != '/')
        return bad(why, "the target must be a path that begins with / (origin-form)");
    for (size_t i = 0; i < t.len; i++) {
        if (t.data[i] == '%') {
            if (t.len - i < 3 || !is(t.data[i + 1], HEX) || !is(t.data[i + 2], HEX))
                return bad(why, "the target holds a % without two hex digits");
        } else if (!is(t.data[i], TARGET)) {
            return bad(why, "the target holds a character that may not be in one");
        }
    }
    return HTTP_DONE;
}

static enum http_result request_line(struct slice line, struct http_head *head, const char **why)
{
    struct slice rest = line;

    if (!cut(&rest, ' ', &head->method) || !cut(&rest, ' ', &head->target))
        return bad(why, "the request line is not METHOD TARGET VERSION with single spaces");
    if (head->method.len == 0 || head->method.len > METHOD_MAX || !all(head->method, TOKEN))
        return bad(why, "the method is no token");
    if (slice_eq(head->method, SLICE_LIT("CONNECT"))) /* whatever its target, RFC 9112, 3.2.3 */
        return bad(why, "CONNECT asks for a tunnel, and there is none here");
    if (slice_eq(rest, SLICE_LIT("HTTP/1.1")))
        head->minor = 1;
    else if (slice_eq(rest, SLICE_LIT("HTTP/1.0")))
        head->minor = 0;
    else
        return bad(why, "the version is neither HTTP/1.1 nor HTTP/1.0");
    return check_target(head->target, why);
}

/* RFC 9112, 4: HTTP-version SP 3DIGIT SP [ reason-phrase ]; the last SP may be missing. */
static enum http_result status_line(struct slice line, struct http_head *head, const char **why)
{
    const char *p = line.data;

    if (line.len < 12 || memcmp(p, "HTTP/1.", 7) != 0 || (p[7] != '0' && p[7] != '1') ||
        p[8] != ' ' || !all(slice_of(p + 9, 3), DIGIT) || (line.len > 12 && p[12] != ' '))
        return bad(why, "the status line is malformed");
    head->minor = p[7] == '1';
    head->status = (unsigned)((p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0'));
    if (head->status < 100 || head->status > 599)
        return bad(why, "the status is not from 100 to 599");
    head->reason = line.len > 13 ? slice_of(p + 13, line.len - 13) : SLICE_NULL;
    return all(head->reason, VALUE) ? HTTP_DONE : bad(why, "the reason holds a control character");
}

static enum http_result field_line(struct slice line, struct http_field *field, const char **why)
{
    struct slice rest = line;

    if (is_space(line.data[0]))
        return bad(why, "a field line begins with white space (folded lines are not accepted)");
    if (!cut(&rest, ':', &field->name))
        return bad(why, "a field line has no colon");
    if (field->name.len && is_space(field->name.data[field->name.len - 1]))
        return bad(why, "there is white space before a field's colon");
    if (field->name.len == 0 || !all(field->name, TOKEN))
        return bad(why, "a field name is no token");
    if (!all(rest, VALUE))
        return bad(why, "a field value holds a control character");
    field->value = trim(rest);
    return HTTP_DONE;
}

/* A line that is not yet complete: its bytes so far. */
static enum http_result check_partial(struct slice line, size_t n_lines, bool request,
                                      const char **why)
{
    if (line.len == 0)
        return HTTP_PARTIAL;
    if (n_lines == 0 && (line.data[0] == '\r' || line.data[0] == '\n'))
        return bad(why, "an empty line stands before the head");
    if (n_lines == 0 && request && !is(line.data[0], TOKEN))
        return bad(why, "the method is no token");
    if (n_lines > 0 && is_space(line.data[0]))
        return bad(why, "a field line begins with white space (folded lines are not accepted)");
    for (size_t i = 0; i < line.len; i++)
        if (!is(line.data[i], VALUE) && !(line.data[i] == '\r' && i == line.len - 1))
            return bad(why, line.data[i] == '\r' ? "a CR stands without its LF"
                                                 : "the head holds a control character");
    return HTTP_PARTIAL;
}

/* The line that begins at *at, without its CRLF; *at then stands behind it. */
static enum http_result next_line(const char *data, size_t len, size_t *at, struct slice *line,
                                  const char **why)
{
    const char *lf = *at < len ? memchr(data + *at, '\n', len - *at) : NULL;

    if (!lf)
        return HTTP_PARTIAL;
    *line = slice_of(data + *at, (size_t)(lf - data) - *at);
    if (line->len == 0 || line->data[line->len - 1] != '\r')
        return bad(why, "a line ends in a bare LF instead of CRLF");
    line->len--;
    *at = (size_t)(lf - data) + 1;
    return HTTP_DONE;
}

/* ---- fields ---- */

const struct http_field *http_field(const struct http_head *head, struct slice name)
{
    for (size_t i = 0; i < head->n_fields; i++)
        if (slice_eq_nocase(head->fields[i].name, name))
            return &head->fields[i];
    return NULL;
}

size_t http_field_count(const struct http_head *head, struct slice name)
{
    size_t n = 0;

    for (size_t i = 0; i < head->n_fields; i++)
        n += slice_eq_nocase(head->fields[i].name, name);
    return n;
}

/* Whether one of the Connection fields lists the token. */
static bool connection_names(const struct http_head *head, struct slice token)
{
    for (size_t i = 0; i < head->n_fields; i++) {
        struct slice rest = head->fields[i].value, item;

        if (!slice_eq_nocase(head->fields[i].name, SLICE_LIT("connection")))
            continue;
        while (cut(&rest, ',', &item))
            if (slice_eq_nocase(trim(item), token))
                return true;
        if (slice_eq_nocase(trim(rest), token))
            return true;
    }
    return false;
}

bool http_hop_by_hop(const struct http_head *head, struct slice name)
{
    static const struct slice NAMES[] = {
        {"connection", 10}, {"keep-alive", 10},        {"te", 2},
        {"trailer", 7},     {"transfer-encoding", 17}, {"upgrade", 7},
    };

    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
        if (slice_eq_nocase(name, NAMES[i]))
            return true;
    if (name.len > 6 && slice_eq_nocase(slice_of(name.data, 6), SLICE_LIT("proxy-")))
        return true;
    return connection_names(head, name);
}

bool http_field_good(struct slice name, struct slice value)
{
    return name.len > 0 && all(name, TOKEN) && all(value, VALUE) && trim(value).len == value.len;
}

static enum http_result read_length(struct slice value, struct http_head *head, const char **why)
{
    if (value.len == 0 || value.len > LENGTH_DIGITS_MAX || !all(value, DIGIT))
        return bad(why, "Content-Length is not one run of at most 15 digits");
    for (size_t i = 0; i < value.len; i++)
        head->content_length = head->content_length * 10 + (uint64_t)(value.data[i] - '0');
    head->has_content_length = true;
    return HTTP_DONE;
}

/* RFC 9112, 6: what may say where the body ends, and nothing that two readers could see apart. */
static enum http_result read_framing(struct http_head *head, const char **why)
{
    const struct http_field *length = NULL, *coding = NULL;

    for (size_t i = 0; i < head->n_fields; i++) {
        const struct http_field *f = &head->fields[i];

        if (f->name.len == 14 && slice_eq_nocase(f->name, SLICE_LIT("content-length"))) {
            if (length)
                return bad(why, "Content-Length is there more than once");
            length = f;
        } else if (f->name.len == 17 && slice_eq_nocase(f->name, SLICE_LIT("transfer-encoding"))) {
            if (coding)
                return bad(why, "Transfer-Encoding is there more than once");
            coding = f;
        }
    }
    if (length && coding)
        return bad(why, "both Content-Length and Transfer-Encoding are there");
    if (coding && !slice_eq_nocase(coding->value, SLICE_LIT("chunked")))
        return bad(why, "Transfer-Encoding is not exactly chunked");
    if (coding && head->minor == 0)
        return bad(why, "HTTP/1.0 has no Transfer-Encoding");
    head->framing = coding ? HTTP_CHUNKED : HTTP_NO_BODY;
    if (length && read_length(length->value, head, why) != HTTP_DONE)
        return HTTP_BAD;
    if (head->content_length > 0)
        head->framing = HTTP_LENGTH;
    head->keep_alive = !connection_names(head, SLICE_LIT("close")) &&
                       (head->minor == 1 || connection_names(head, SLICE_LIT("keep-alive")));
    return HTTP_DONE;
}

static bool host_ok(struct slice host)
{
    struct slice name = host, port;
    const char *end;

    if (host.data[0] == '[') {
        end = memchr(host.data, ']', host.len);
        if (!end || end == host.data + 1)
            return false;
        name = slice_of(host.data + 1, (size_t)(end - host.data) - 1);
        for (size_t i = 0; i < name.len; i++)
            if (!is(name.data[i], HEX) && name.data[i] != ':' && name.data[i] != '.')
                return false;
        port = slice_of(end + 1, (size_t)(host.data + host.len - end) - 1);
        return port.len == 0 || (port.data[0] == ':' && port.len > 1 && port.len <= 6 &&
                                 all(slice_of(port.data + 1, port.len - 1), DIGIT));
    }
    end = memchr(host.data, ':', host.len);
    if (end) {
        name.len = (size_t)(end - host.data);
        port = slice_of(end + 1, host.len - name.len - 1);
        if (port.len == 0 || port.len > 5 || !all(port, DIGIT))
            return false;
    }
    return name.len > 0 && all(name, HOST);
}

static enum http_result check_request(struct http_head *head, const char **why)
{
    const struct http_field *host = NULL;

    for (size_t i = 0; i < head->n_fields; i++) {
        const struct http_field *f = &head->fields[i];

        if (f->name.len == 4 && slice_eq_nocase(f->name, SLICE_LIT("host"))) {
            if (host)
                return bad(why, "Host is there more than once");
            host = f;
        } else if (f->name.len == 6 && slice_eq_nocase(f->name, SLICE_LIT("expect"))) {
            if (!slice_eq_nocase(f->value, SLICE_LIT("100-continue")))
                return bad(why, "Expect is not 100-continue");
            head->expect_continue = head->minor == 1;
        }
    }
    if (!host || host->value.len == 0)
        return bad(why, "Host is missing or empty");
    return host_ok(host->value) ? HTTP_DONE : bad(why, "Host is no host with an optional port");
}

/* ---- heads ---- */

/* Judges lines from progress->line on. HTTP_DONE: *end is behind the empty line. */
static enum http_result scan(const char *data, size_t len, bool request,
                             struct http_progress *progress, size_t *end, const char **why)
{
    struct http_head scratch_head; /* only what one line can fill is used */
    struct http_field field;
    struct slice line;

    for (;;) {
        size_t at = progress->line;
        enum http_result r = next_line(data, len, &at, &line, why);

        if (r == HTTP_PARTIAL)
            return check_partial(slice_of(data + progress->line, len - progress->line),
                                 progress->n_lines, request, why);
        if (r == HTTP_BAD)
            return r;
        if (line.len == 0) {
            *end = at;
            return progress->n_lines ? HTTP_DONE : bad(why, "an empty line stands before the head");
        }
        if (progress->n_lines > HTTP_FIELDS_MAX)
            return bad(why, "there are more than 100 fields");
        if (progress->n_lines > 0)
            r = field_line(line, &field, why);
        else
            r = request ? request_line(line, &scratch_head, why)
                        : status_line(line, &scratch_head, why);
        if (r != HTTP_DONE)
            return r;
        progress->line = at;
        progress->n_lines++;
    }
}

/* The head is whole and every line of it well formed: fill in. */
static void collect(const char *data, size_t end, bool request, struct http_head *head)
{
    struct slice line = SLICE_NULL;
    const char *why;
    size_t at = 0;

    head->method = head->target = head->reason = SLICE_NULL;
    head->status = 0;
    head->framing = HTTP_NO_BODY;
    head->content_length = 0;
    head->has_content_length = head->keep_alive = head->expect_continue = false;
    head->head_len = end;
    head->n_fields = 0;
    (void)next_line(data, end, &at, &line, &why);
    (void)(request ? request_line(line, head, &why) : status_line(line, head, &why));
    while (next_line(data, end, &at, &line, &why) == HTTP_DONE && line.len)
        (void)field_line(line, &head->fields[head->n_fields++], &why);
}

enum http_result http_request_parse(const char *data, size_t len, struct http_progress *progress,
                                    struct http_head *head, const char **why)
{
    size_t end = 0;
    enum http_result r = scan(data, len, true, progress, &end, why);

    if (r != HTTP_DONE)
        return r;
    collect(data, end, true, head);
    r = read_framing(head, why);
    return r == HTTP_DONE ? check_request(head, why) : r;
}

static enum http_result frame_answer(struct http_head *head, bool to_head, const char **why)
{
    if (read_framing(head, why) != HTTP_DONE)
        return HTTP_BAD;
    if (to_head || head->status < 200 || head->status == 204 || head->status == 304)
        head->framing = HTTP_NO_BODY;
    else if (head->framing == HTTP_NO_BODY && !head->has_content_length)
        head->framing = HTTP_UNTIL_CLOSE;
    return HTTP_DONE;
}

enum http_result http_answer_parse(const char *data, size_t len, bool to_head,
                                   struct http_progress *progress, struct http_head *head,
                                   const char **why)
{
    size_t end = 0;
    enum http_result r = scan(data, len, false, progress, &end, why);

    if (r != HTTP_DONE)
        return r;
    collect(data, end, false, head);
    return frame_answer(head, to_head, why);
}

enum http_result http_answer_check(struct http_head *head, const char **why)
{
    if (head->status < 100 || head->status > 599)
        return bad(why, "the status is not from 100 to 599");
    for (size_t i = 0; i < head->n_fields; i++)
        if (!http_field_good(head->fields[i].name, head->fields[i].value))
            return bad(why, "a field's name or value holds what may not be in one");
    head->framing = HTTP_NO_BODY;
    head->content_length = 0;
    head->has_content_length = false;
    head->minor = 1;
    if (frame_answer(head, false, why) != HTTP_DONE)
        return HTTP_BAD;
    return head->framing == HTTP_CHUNKED ? bad(why, "there is a Transfer-Encoding") : HTTP_DONE;
}
