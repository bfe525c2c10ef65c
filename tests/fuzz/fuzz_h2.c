/*
 * Arbitrary bytes as what an upstream sends in HTTP/2, after its settings and in answer to four
 * requests. The first byte says how the bytes are split, the second what the owner does. What is
 * told must not depend on the split; each stream ends once, and is silent then.
 */
#include "proxy/h2/h2_session.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    STREAMS = 4,
    RESET_IN_HEAD = 1,
    RESET_IN_BODY = 2,
    STOP_IN_BODY = 4,
    HOLD = 8,
    UPLOAD = 16, /* the first request is longer than the window */
};

struct world {
    struct h2_session *session;
    struct h2_stream streams[STREAMS];
    struct told {
        unsigned heads, over;
        uint64_t head, body; /* hashes */
    } told[STREAMS];
    unsigned acts;
    bool continued; /* too long */
};

static const char REQUEST[] = "POST /s/w/v1/org HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n"
                              "authorization: secret\r\n\r\n";
static char upload[100000];

static size_t number(struct world *w, const struct h2_stream *stream)
{
    return (size_t)(stream - w->streams);
}

static void mix(uint64_t *hash, const char *data, size_t len)
{
    for (size_t k = 0; k < len; k++)
        *hash = (*hash ^ (unsigned char)data[k]) * 0x100000001b3u;
}

static void on_head(void *arg, struct h2_stream *stream, const struct http_head *head)
{
    struct world *w = arg;
    size_t i = number(w, stream);

    if (w->told[i].over || w->told[i].heads++ || head->status < 200 || head->status > 599 ||
        head->n_fields > HTTP_FIELDS_MAX || head->framing == HTTP_CHUNKED)
        abort();
    for (size_t f = 0; f < head->n_fields; f++) {
        if (!http_field_good(head->fields[f].name, head->fields[f].value))
            abort();
        mix(&w->told[i].head, head->fields[f].name.data, head->fields[f].name.len);
        mix(&w->told[i].head, head->fields[f].value.data, head->fields[f].value.len);
    }
    if (w->acts & RESET_IN_HEAD && i == 1) {
        h2_session_reset(w->session, stream);
        w->told[i].over++;
    }
}

static void on_body(void *arg, struct h2_stream *stream, const char *data, size_t len)
{
    struct world *w = arg;
    size_t i = number(w, stream);

    if (w->told[i].over || !w->told[i].heads || len == 0)
        abort();
    mix(&w->told[i].body, data, len);
    if (!(w->acts & HOLD))
        h2_session_consumed(w->session, stream, len);
    if (w->acts & RESET_IN_BODY && i == 2) {
        h2_session_reset(w->session, stream);
        w->told[i].over++;
    }
    if (w->acts & STOP_IN_BODY && i == 3)
        h2_session_stop(w->session);
}

static void on_end(void *arg, struct h2_stream *stream)
{
    struct world *w = arg;
    size_t i = number(w, stream);

    if (w->told[i].over++ || !w->told[i].heads || stream->id)
        abort();
}

static void on_failed(void *arg, struct h2_stream *stream, const char *why)
{
    struct world *w = arg;

    if (w->told[number(w, stream)].over++ || stream->id || !*why)
        abort();
    /* How much of a body came before what was wrong with it depends on the split. */
    w->told[number(w, stream)].body = 0;
}

static void on_progress(void *arg, struct h2_stream *stream)
{
    if (((struct world *)arg)->told[number(arg, stream)].over)
        abort();
}

static bool fill(struct world *w, bool *over)
{
    struct buf out = BUF_INIT_SECRET(H2_OUT_MAX);

    while (!*over && h2_session_wants_fill(w->session)) {
        buf_reset(&out, H2_OUT_MAX);
        *over = !h2_session_fill(w->session, &out, H2_FILL);
        if (buf_len(&out) == 0)
            break;
    }
    buf_deinit(&out);
    return !*over;
}

static void begin(struct world *w, unsigned acts)
{
    static const char SETTINGS[9] = {0, 0, 0, 4};
    struct h2_events events = {on_head, on_body, on_end, on_failed, on_progress, w};
    struct http_progress progress = {0};
    struct http_head head;
    const char *why;
    bool over = false;

    *w = (struct world){.acts = acts};
    if (h2_session_new(&w->session, &events, 4096) < 0 || !fill(w, &over) ||
        !h2_session_feed(w->session, SETTINGS, sizeof(SETTINGS)) ||
        http_request_parse(REQUEST, sizeof(REQUEST) - 1, &progress, &head, &why) != HTTP_DONE)
        abort();
    for (unsigned i = 0; i < STREAMS; i++) {
        struct slice body = i == 0 && acts & UPLOAD ? slice_of(upload, sizeof(upload))
                            : i % 2                 ? SLICE_LIT("{}")
                                                    : SLICE_LIT("");

        if (h2_session_submit(w->session, &w->streams[i], &head, body) < 0)
            abort();
    }
    if (!fill(w, &over))
        abort();
}

/* `answers`: what the session has to say is taken after each piece, not only at the end. */
static bool run(struct world *w, unsigned acts, const char *data, size_t len, size_t step,
                bool answers)
{
    bool over = false;

    begin(w, acts);
    for (size_t at = 0; at < len && !over; at += step) {
        size_t n = len - at < step ? len - at : step;
        char *piece = malloc(n); /* so that a byte too many is seen */

        if (!piece)
            abort();
        memcpy(piece, data + at, n);
        over = !h2_session_feed(w->session, piece, n);
        free(piece);
        if (answers)
            (void)fill(w, &over);
    }
    (void)fill(w, &over);
    /* The library counts a CONTINUATION once for each piece that its head comes in. */
    w->continued = over && strstr(h2_session_why(w->session), "CONTINUATION");
    h2_session_free(w->session);
    return over;
}

/* Of a body that did not end before the connection did, more or less may have been told. */
static bool same_told(const struct world *a, const struct world *b)
{
    for (unsigned i = 0; i < STREAMS; i++) {
        const struct told *x = &a->told[i], *y = &b->told[i];

        if (x->heads != y->heads || x->over != y->over || x->head != y->head ||
            (x->over && x->body != y->body))
            return false;
    }
    return true;
}

/* Without a stream, what comes after a GOAWAY may be looked at or not. */
static bool running(const struct world *w)
{
    for (unsigned i = 0; i < STREAMS; i++)
        if (!w->told[i].over)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world whole, pieces;
    size_t step;
    bool over;

    if (size < 2)
        return 0;
    step = 1 + data[0] % 31;
    over = run(&whole, data[1], (const char *)data + 2, size - 2, size, false);
    /* A body's pieces are as long as what was there: what ends within one depends on the split. */
    if (!(data[1] & (RESET_IN_BODY | STOP_IN_BODY))) {
        bool same = run(&pieces, data[1], (const char *)data + 2, size - 2, step, false) == over;

        if (!pieces.continued && ((!same && running(&whole)) || !same_told(&whole, &pieces)))
            abort();
    }
    (void)run(&pieces, data[1], (const char *)data + 2, size - 2, step, true);
    return 0;
}
