/*
 * nghttp2 does framing, HPACK, flow control and the rules about messages; here is what is ours: the
 * heads in the shape of http_parse with its checks, bounds on what a peer may send for nothing, and
 * a stream whose owner has left (its user data is NULL) is heard no more.
 */
#include "proxy/h2/h2_session.h"

#include "http/http_reason.h"
#include "proxy/h2/h2_mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    FIELD_COST = 32,         /* bytes beside name and value (RFC 9113, 6.5.2) */
    BLOCK_MAX = 1024 * 1024, /* decoded bytes of one field section, ignored ones too */
    SUBMIT_FIELDS = HTTP_FIELDS_MAX + 4,
};

struct h2_session {
    nghttp2_session *ng;
    struct h2_mem *mem;
    struct h2_events events;
    size_t head_bytes;
    struct buf text; /* names and values of the head that is being read */
    struct {
        size_t name, value; /* lengths */
    } lens[HTTP_FIELDS_MAX];
    size_t n_fields, block; /* of that head; decoded bytes of its block */
    unsigned status;
    unsigned open;                  /* streams that count for the peer */
    size_t idle_frames, idle_bytes; /* since something useful came */
    uint64_t filled;
    struct h2_stream *whole; /* its last byte is in the frame that is being collected */
    bool settled, goaway, stopped;
    int32_t last_id;  /* of GOAWAY */
    int32_t reset_id; /* of the last RST_STREAM */
    char why[160];
};

static void say_why(struct h2_session *s, const char *text)
{
    if (!s->why[0])
        (void)snprintf(s->why, sizeof(s->why), "%s", text);
}

static struct h2_stream *stream_of(struct h2_session *s, int32_t id)
{
    return s->stopped ? NULL : nghttp2_session_get_stream_user_data(s->ng, id);
}

static int go_on(const struct h2_session *s)
{
    return s->stopped ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* The stream is nobody's from now on. */
static void forget(struct h2_session *s, struct h2_stream *stream)
{
    (void)nghttp2_session_set_stream_user_data(s->ng, stream->id, NULL);
    if (s->whole == stream)
        s->whole = NULL;
    stream->id = 0;
}

static void stream_fail(struct h2_session *s, struct h2_stream *stream, uint32_t code,
                        const char *why)
{
    (void)nghttp2_submit_rst_stream(s->ng, NGHTTP2_FLAG_NONE, stream->id, code);
    forget(s, stream);
    s->events.failed(s->events.arg, stream, why);
}

/* ---- what the peer sends ---- */

/* Every frame counts until a useful one comes. */
static int on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *hd, void *arg)
{
    struct h2_session *s = arg;

    (void)ng;
    if (hd->type ==
        NGHTTP2_PUSH_PROMISE) /* the library takes it until the settings are confirmed */
        say_why(s, "the upstream pushes what was not asked for");
    else if (++s->idle_frames > H2_IDLE_FRAMES)
        say_why(s, "the upstream sends frames of no use without end");
    else
        return go_on(s);
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2_session *s = arg;

    (void)ng;
    (void)frame;
    buf_reset(&s->text, s->head_bytes);
    s->n_fields = s->block = 0;
    s->status = 0;
    return go_on(s);
}

static unsigned read_status(struct slice value)
{
    unsigned status = 0;

    if (value.len != 3)
        return 0;
    for (size_t i = 0; i < 3; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return 0;
        status = status * 10 + (unsigned)(value.data[i] - '0');
    }
    return status;
}

static const char *keep_field(struct h2_session *s, struct slice name, struct slice value)
{
    if (name.len && name.data[0] == ':') {
        if (!slice_eq(name, SLICE_LIT(":status")) || s->status)
            return "the answer's head has a pseudo-header that doesn't belong there";
        s->status = read_status(value);
        return s->status ? NULL : "the status is not from 100 to 599";
    }
    if (!http_field_good(name, value))
        return "a field's name or value holds what may not be in one";
    if (s->n_fields == HTTP_FIELDS_MAX)
        return "there are more than 100 fields";
    if (s->block > s->head_bytes || buf_append_slice(&s->text, name) < 0 ||
        buf_append_slice(&s->text, value) < 0)
        return "the answer's head is too large";
    s->lens[s->n_fields].name = name.len;
    s->lens[s->n_fields++].value = value.len;
    return NULL;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name_buf,
                     nghttp2_rcbuf *value_buf, uint8_t flags, void *arg)
{
    nghttp2_vec name = nghttp2_rcbuf_get_buf(name_buf), value = nghttp2_rcbuf_get_buf(value_buf);
    struct h2_session *s = arg;
    struct h2_stream *stream = stream_of(s, frame->hd.stream_id);
    const char *why;

    (void)ng;
    (void)flags;
    s->block += name.len + value.len + FIELD_COST;
    if (s->block > BLOCK_MAX) {
        say_why(s, "a field section is too large");
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (!stream || stream->final) /* trailers are dropped */
        return go_on(s);
    why = keep_field(s, slice_of(name.base, name.len), slice_of(value.base, value.len));
    if (why)
        stream_fail(s, stream, NGHTTP2_PROTOCOL_ERROR, why);
    return go_on(s);
}

/* The library would leave such a field out. */
static int on_invalid_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                             nghttp2_rcbuf *value, uint8_t flags, void *arg)
{
    struct h2_session *s = arg;
    struct h2_stream *stream = stream_of(s, frame->hd.stream_id);

    (void)ng;
    (void)name;
    (void)value;
    (void)flags;
    if (stream)
        stream_fail(s, stream, NGHTTP2_PROTOCOL_ERROR,
                    "a field's name or value holds what may not be in one");
    return go_on(s);
}

static void answer_end(struct h2_session *s, struct h2_stream *stream)
{
    /* An answer that came before the end of the request: the rest is not wanted. */
    if (!stream->whole_at && s->whole != stream)
        (void)nghttp2_submit_rst_stream(s->ng, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_CANCEL);
    forget(s, stream);
    s->events.end(s->events.arg, stream);
}

static void answer_head(struct h2_session *s, struct h2_stream *stream, bool ended)
{
    struct http_head head;
    const char *at = buf_slice(&s->text).data, *why = NULL;

    head.method = SLICE_NULL;
    head.target = SLICE_NULL;
    head.status = s->status;
    head.reason = http_reason(s->status);
    head.expect_continue = false;
    head.head_len = 0;
    head.n_fields = s->n_fields;
    for (size_t i = 0; i < s->n_fields; i++) {
        head.fields[i].name = slice_of(at, s->lens[i].name);
        at += s->lens[i].name;
        head.fields[i].value = slice_of(at, s->lens[i].value);
        at += s->lens[i].value;
    }
    if (http_answer_check(&head, &why) == HTTP_BAD) {
        stream_fail(s, stream, NGHTTP2_PROTOCOL_ERROR, why);
        return;
    }
    if (head.status < 200) {
        if (head.status == 101 || ++stream->n_1xx > H2_1XX_MAX)
            stream_fail(s, stream, NGHTTP2_PROTOCOL_ERROR,
                        head.status == 101 ? "the upstream switched protocols"
                                           : "too many interim answers");
        return;
    }
    if (ended && head.framing == HTTP_UNTIL_CLOSE)
        head.framing = HTTP_NO_BODY;
    stream->final = true;
    stream->bodiless = head.framing == HTTP_NO_BODY;
    s->idle_frames = s->idle_bytes = 0;
    s->events.head(s->events.arg, stream, &head);
}

static int on_frame_recv(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2_session *s = arg;
    struct h2_stream *stream;
    int32_t id = frame->hd.stream_id;
    bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

    (void)ng;
    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
        s->settled = s->settled || !(frame->hd.flags & NGHTTP2_FLAG_ACK);
        break;
    case NGHTTP2_GOAWAY:
        s->goaway = true;
        s->last_id = frame->goaway.last_stream_id;
        break;
    case NGHTTP2_RST_STREAM:
        s->reset_id = id;
        break;
    case NGHTTP2_HEADERS:
        stream = stream_of(s, id);
        if (stream && !stream->final)
            answer_head(s, stream, ended);
        stream = stream_of(s, id);
        if (stream && ended)
            answer_end(s, stream);
        break;
    case NGHTTP2_DATA:
        stream = stream_of(s, id);
        if (stream && ended)
            answer_end(s, stream);
        break;
    default:
        break;
    }
    return go_on(s);
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
                   void *arg)
{
    struct h2_session *s = arg;
    struct h2_stream *stream = stream_of(s, id);

    (void)flags;
    (void)nghttp2_session_consume_connection(ng, len);
    if (!stream || len == 0)
        return go_on(s);
    if (!stream->final || stream->bodiless) {
        stream_fail(s, stream, NGHTTP2_PROTOCOL_ERROR, "there is a body where none may be");
        return go_on(s);
    }
    s->idle_frames = s->idle_bytes = 0;
    s->events.body(s->events.arg, stream, (const char *)data, len);
    return go_on(s);
}

static int on_invalid_frame(nghttp2_session *ng, const nghttp2_frame *frame, int error, void *arg)
{
    struct h2_session *s = arg;
    struct h2_stream *stream = stream_of(s, frame->hd.stream_id);
    char why[128];

    (void)ng;
    (void)snprintf(why, sizeof(why), "the upstream breaks the rules of HTTP/2: %s",
                   nghttp2_strerror(error));
    if (stream)
        stream_fail(s, stream, NGHTTP2_PROTOCOL_ERROR, why);
    else
        say_why(s, why);
    return go_on(s);
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code, void *arg)
{
    struct h2_session *s = arg;
    struct h2_stream *stream = stream_of(s, id);
    char why[160];

    (void)ng;
    if (s->open)
        s->open--;
    if (!stream)
        return go_on(s);
    if (s->goaway && id > s->last_id)
        (void)snprintf(why, sizeof(why),
                       "the upstream was leaving and says that it left the request alone (GOAWAY); "
                       "it was not sent again");
    else if (code == NGHTTP2_REFUSED_STREAM)
        (void)snprintf(why, sizeof(why),
                       "the upstream says that it left the request alone (REFUSED_STREAM); it was "
                       "not sent again");
    else
        (void)snprintf(why, sizeof(why), "the upstream %s (%s)",
                       s->reset_id == id ? "reset the request's stream"
                                         : "broke the rules of HTTP/2",
                       nghttp2_http2_strerror(code));
    forget(s, stream);
    s->events.failed(s->events.arg, stream, why);
    return go_on(s);
}

/* ---- what is sent ---- */

static int on_frame_send(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2_session *s = arg;
    struct h2_stream *stream;

    (void)ng;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    stream = stream_of(s, frame->hd.stream_id);
    if (!stream)
        return 0;
    stream->begun = true;
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        s->whole = stream;
    s->events.progress(s->events.arg, stream);
    return 0;
}

/* The request was reset before its head was sent. */
static int on_frame_not_send(nghttp2_session *ng, const nghttp2_frame *frame, int error, void *arg)
{
    struct h2_session *s = arg;

    (void)ng;
    (void)error;
    if (frame->hd.type == NGHTTP2_HEADERS && s->open)
        s->open--;
    return 0;
}

static ssize_t read_body(nghttp2_session *ng, int32_t id, uint8_t *data, size_t len,
                         uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct h2_stream *stream = stream_of(arg, id);

    (void)ng;
    (void)source;
    if (!stream)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (len > stream->body.len)
        len = stream->body.len;
    if (len)
        memcpy(data, stream->body.data, len);
    stream->body = slice_of(stream->body.data + len, stream->body.len - len);
    if (stream->body.len == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)len;
}

static nghttp2_nv field(struct slice name, struct slice value, bool index)
{
    nghttp2_nv nv = {.namelen = name.len, .valuelen = value.len};
    unsigned flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;

    /* The library takes both as not const and doesn't write to them. */
    memcpy(&nv.name, &name.data, sizeof(nv.name));
    memcpy(&nv.value, &value.data, sizeof(nv.value));
    nv.flags = (uint8_t)(flags | (index ? 0u : NGHTTP2_NV_FLAG_NO_INDEX));
    return nv;
}

/* The peer's table is for what the next request has, too; a credential must not be in it. */
static bool may_index(struct slice name)
{
    return slice_eq(name, SLICE_LIT("accept")) || slice_eq(name, SLICE_LIT("content-type")) ||
           slice_eq(name, SLICE_LIT("user-agent"));
}

int h2_session_submit(struct h2_session *s, struct h2_stream *stream, const struct http_head *head,
                      struct slice body)
{
    nghttp2_data_provider provider = {.read_callback = read_body};
    nghttp2_nv nva[SUBMIT_FIELDS];
    size_t n = 4;
    bool authority = false;
    int32_t id;

    nva[0] = field(SLICE_LIT(":method"), head->method, true);
    nva[1] = field(SLICE_LIT(":scheme"), SLICE_LIT("https"), true);
    nva[3] = field(SLICE_LIT(":path"), head->target, false);
    for (size_t i = 0; i < head->n_fields; i++) {
        struct slice name = head->fields[i].name, value = head->fields[i].value;

        if (slice_eq(name, SLICE_LIT("host"))) {
            nva[2] = field(SLICE_LIT(":authority"), value, true);
            authority = true;
        } else if (!http_hop_by_hop(head, name)) {
            nva[n++] = field(name, value, may_index(name));
        }
    }
    if (!authority)
        return -EINVAL;
    stream->body = body;
    id = nghttp2_submit_request(s->ng, NULL, nva, n, body.len ? &provider : NULL, stream);
    if (id == NGHTTP2_ERR_NOMEM)
        return -ENOMEM;
    if (id < 0)
        return -EINVAL;
    stream->id = id;
    s->open++;
    return 0;
}

bool h2_session_fill(struct h2_session *s, struct buf *out, size_t enough)
{
    while (!s->stopped && buf_len(out) < enough) {
        const uint8_t *data = NULL;
        ssize_t n = nghttp2_session_mem_send(s->ng, &data);

        if (n < 0 || (n > 0 && buf_append(out, data, (size_t)n) < 0)) {
            say_why(s, n < 0 ? nghttp2_strerror((int)n) : "out of memory");
            return false;
        }
        if (n == 0)
            break;
        /* What was sent stays in the library's buffer until the next frame: Authorization too. */
        explicit_bzero((void *)(uintptr_t)data, (size_t)n);
        s->filled += (size_t)n;
        if (s->whole)
            s->whole->whole_at = s->filled;
        s->whole = NULL;
    }
    if (nghttp2_session_want_read(s->ng) || nghttp2_session_want_write(s->ng))
        return true;
    say_why(s, s->goaway ? "the upstream ended the connection (GOAWAY)"
                         : "the upstream breaks the rules of HTTP/2");
    return false;
}

bool h2_session_feed(struct h2_session *s, const char *data, size_t len)
{
    ssize_t n = nghttp2_session_mem_recv(s->ng, (const uint8_t *)data, len);

    /* Of frames that it doesn't know the library tells nothing. */
    s->idle_bytes += len;
    if (n >= 0 && s->idle_bytes <= H2_IDLE_BYTES)
        return true;
    if (n >= 0) {
        say_why(s, "the upstream sends bytes of no use without end");
        return false;
    }
    say_why(s, nghttp2_strerror((int)n));
    return false;
}

/* ---- the rest ---- */

static int set_up(struct h2_session *s, nghttp2_session_callbacks *callbacks,
                  nghttp2_option *option)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)s->head_bytes},
    };

    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback2(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_send);
    if (nghttp2_session_client_new3(&s->ng, callbacks, s, option, h2_mem_calls(s->mem)) != 0 ||
        nghttp2_submit_settings(s->ng, NGHTTP2_FLAG_NONE, settings,
                                sizeof(settings) / sizeof(settings[0])) != 0 ||
        nghttp2_session_set_local_window_size(s->ng, NGHTTP2_FLAG_NONE, 0, H2_CONNECTION_WINDOW) !=
            0)
        return -ENOMEM;
    return 0;
}

int h2_session_new(struct h2_session **out, const struct h2_events *events, size_t head_bytes)
{
    struct h2_session *s = calloc(1, sizeof(*s));
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int r = -ENOMEM;

    if (s)
        s->mem = h2_mem_new();
    if (s && s->mem && nghttp2_session_callbacks_new(&callbacks) == 0 &&
        nghttp2_option_new(&option) == 0) {
        s->events = *events;
        s->head_bytes = head_bytes;
        s->text = BUF_INIT(head_bytes);
        r = set_up(s, callbacks, option);
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    if (r < 0) {
        h2_session_free(s);
        return r;
    }
    *out = s;
    return 0;
}

void h2_session_free(struct h2_session *s)
{
    if (!s)
        return;
    s->stopped = true;
    nghttp2_session_del(s->ng);
    h2_mem_free(s->mem);
    buf_deinit(&s->text);
    free(s);
}

void h2_session_stop(struct h2_session *s)
{
    s->stopped = true;
}

uint64_t h2_session_filled(const struct h2_session *s)
{
    return s->filled;
}

bool h2_session_wants_fill(const struct h2_session *s)
{
    return nghttp2_session_want_write(s->ng) != 0;
}

bool h2_session_settled(const struct h2_session *s)
{
    return s->settled;
}

unsigned h2_session_streams(const struct h2_session *s)
{
    uint32_t n =
        nghttp2_session_get_remote_settings(s->ng, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);

    return n < H2_STREAMS ? n : H2_STREAMS;
}

unsigned h2_session_room(const struct h2_session *s)
{
    unsigned most = h2_session_streams(s);

    return !s->settled || h2_session_leaving(s) || s->open >= most ? 0 : most - s->open;
}

bool h2_session_leaving(const struct h2_session *s)
{
    return s->stopped || s->goaway || !nghttp2_session_check_request_allowed(s->ng);
}

void h2_session_reset(struct h2_session *s, struct h2_stream *stream)
{
    if (stream->id == 0)
        return;
    (void)nghttp2_submit_rst_stream(s->ng, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_CANCEL);
    forget(s, stream);
}

void h2_session_consumed(struct h2_session *s, struct h2_stream *stream, size_t len)
{
    if (stream->id)
        (void)nghttp2_session_consume_stream(s->ng, stream->id, len);
}

void h2_session_goodbye(struct h2_session *s)
{
    (void)nghttp2_session_terminate_session(s->ng, NGHTTP2_NO_ERROR);
}

const char *h2_session_why(const struct h2_session *s)
{
    return s->why;
}
