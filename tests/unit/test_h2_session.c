/* The session against frames made by hand: no socket, no clock. */
#include "h2/h2_session.h"
#include "unit/h2_fixture.h"
#include "unit/unit.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    STREAMS = 8,
    HEAD_BYTES = 4096,
};

static const char REQUEST[] = "POST /s/w/v1/org HTTP/1.1\r\nhost: api.example\r\n"
                              "content-type: application/json\r\nx-request-id: 17\r\n"
                              "content-length: 2\r\nauthorization: CENTION1 id,abc\r\n\r\n";

struct told {
    unsigned heads, ends, fails, status, n_fields;
    enum http_framing framing;
    char body[1024], why[256], fields[1024];
    size_t body_len, body_total;
};

struct world {
    struct h2_session *session;
    struct h2_stream streams[STREAMS];
    struct told told[STREAMS];
    struct buf sent, in;
    bool hold;         /* bodies are not consumed */
    int reset_in_head; /* that stream resets itself there; -1: none */
    bool stop_in_head;
};

static struct told *told_of(struct world *w, const struct h2_stream *stream)
{
    return &w->told[stream - w->streams];
}

static void on_head(void *arg, struct h2_stream *stream, const struct http_head *head)
{
    struct world *w = arg;
    struct told *t = told_of(w, stream);

    t->heads++;
    t->status = head->status;
    t->framing = head->framing;
    t->n_fields = (unsigned)head->n_fields;
    t->fields[0] = '\0';
    for (size_t i = 0; i < head->n_fields && i < 8; i++) {
        size_t at = strlen(t->fields);

        (void)snprintf(t->fields + at, sizeof(t->fields) - at, "%.*s=%.*s;",
                       (int)head->fields[i].name.len, head->fields[i].name.data,
                       (int)head->fields[i].value.len, head->fields[i].value.data);
    }
    if (w->stop_in_head)
        h2_session_stop(w->session);
    else if (w->reset_in_head == stream - w->streams)
        h2_session_reset(w->session, stream);
}

static void on_body(void *arg, struct h2_stream *stream, const char *data, size_t len)
{
    struct world *w = arg;
    struct told *t = told_of(w, stream);

    t->body_total += len;
    if (t->body_len + len <= sizeof(t->body)) {
        memcpy(t->body + t->body_len, data, len);
        t->body_len += len;
    }
    if (!w->hold)
        h2_session_consumed(w->session, stream, len);
}

static void on_end(void *arg, struct h2_stream *stream)
{
    told_of(arg, stream)->ends++;
    CU_ASSERT_EQUAL(stream->id, 0);
}

static void on_failed(void *arg, struct h2_stream *stream, const char *why)
{
    struct told *t = told_of(arg, stream);

    t->fails++;
    CU_ASSERT_EQUAL(stream->id, 0);
    (void)snprintf(t->why, sizeof(t->why), "%s", why);
}

static void on_progress(void *arg, struct h2_stream *stream)
{
    (void)arg;
    (void)stream;
}

static bool fill(struct world *w)
{
    buf_reset(&w->sent, SIZE_MAX);
    return h2_session_fill(w->session, &w->sent, H2_FILL);
}

/* Gives the session what is in w->in, `step` bytes at a time, each before an unreadable page. */
static bool feed(struct world *w, size_t step)
{
    bool good = true;

    while (good && buf_len(&w->in)) {
        size_t n = buf_len(&w->in) < step ? buf_len(&w->in) : step;
        char *g = unit_guard(buf_slice(&w->in).data, n);

        good = h2_session_feed(w->session, g, n);
        unit_guard_free(g, n);
        buf_consume(&w->in, n);
    }
    buf_reset(&w->in, SIZE_MAX);
    return good;
}

/* A session whose preface is out; not yet settled. */
static void open_only(struct world *w)
{
    struct h2_events events = {on_head, on_body, on_end, on_failed, on_progress, w};

    memset(w, 0, sizeof(*w));
    w->reset_in_head = -1;
    w->sent = BUF_INIT_SECRET(1 << 20);
    w->in = BUF_INIT(1 << 24);
    CU_ASSERT_EQUAL_FATAL(h2_session_new(&w->session, &events, HEAD_BYTES), 0);
    CU_ASSERT_TRUE(fill(w));
}

static void begin(struct world *w)
{
    open_only(w);
    f_settings(&w->in, S_STREAMS, 100);
    CU_ASSERT_TRUE(feed(w, SIZE_MAX));
    CU_ASSERT_TRUE(fill(w)); /* the acknowledgement */
}

static void finish(struct world *w)
{
    h2_session_free(w->session);
    buf_deinit(&w->sent);
    buf_deinit(&w->in);
}

static void submit(struct world *w, unsigned i, struct slice body)
{
    struct http_progress progress = {0};
    struct http_head head;
    const char *why;

    CU_ASSERT_EQUAL_FATAL(http_request_parse(REQUEST, sizeof(REQUEST) - 1, &progress, &head, &why),
                          HTTP_DONE);
    w->streams[i] = (struct h2_stream){0};
    CU_ASSERT_EQUAL_FATAL(h2_session_submit(w->session, &w->streams[i], &head, body), 0);
}

/* Submits n and collects them. */
static void requests(struct world *w, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        submit(w, i, SLICE_LIT("{}"));
    CU_ASSERT_TRUE(fill(w));
}

static void opening(void)
{
    struct world w;
    struct seen f = {0};
    struct slice rest;

    open_only(&w);
    CU_ASSERT_EQUAL(memcmp(buf_slice(&w.sent).data, "PRI * HTTP/2.0\r\n", 16), 0);
    rest = buf_slice(&w.sent);
    CU_ASSERT_TRUE(f_next(&rest, &f));
    CU_ASSERT_EQUAL(f.type, F_SETTINGS);
    CU_ASSERT_EQUAL(f.payload.len, 12);
    CU_ASSERT_EQUAL(memcmp(f.payload.data, "\0\2\0\0\0\0", 6), 0); /* no push */
    CU_ASSERT_FALSE(h2_session_settled(w.session));
    CU_ASSERT_EQUAL(h2_session_room(w.session), 0); /* the peer's limit isn't known */
    f_settings(&w.in, S_STREAMS, 3);
    CU_ASSERT_TRUE(feed(&w, SIZE_MAX));
    CU_ASSERT_TRUE(h2_session_settled(w.session));
    CU_ASSERT_EQUAL(h2_session_room(w.session), 3);
    CU_ASSERT_TRUE(h2_session_wants_fill(w.session));
    finish(&w);
}

static unsigned inflate(struct slice block, char *out, size_t room, bool *never)
{
    nghttp2_hd_inflater *inflater;
    unsigned n = 0;
    int flags = 0;

    out[0] = '\0';
    CU_ASSERT_EQUAL_FATAL(nghttp2_hd_inflate_new(&inflater), 0);
    while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
        nghttp2_nv nv;
        ssize_t used = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, (const uint8_t *)block.data,
                                              block.len, 1);
        size_t at = strlen(out);

        CU_ASSERT_TRUE_FATAL(used >= 0);
        block = slice_of(block.data + used, block.len - (size_t)used);
        if (!(flags & NGHTTP2_HD_INFLATE_EMIT))
            continue;
        n++;
        (void)snprintf(out + at, room - at, "%.*s=%.*s;", (int)nv.namelen, nv.name,
                       (int)nv.valuelen, nv.value);
        if ((nv.namelen == 13 && memcmp(nv.name, "authorization", 13) == 0) ||
            (nv.namelen == 12 && memcmp(nv.name, "x-request-id", 12) == 0))
            *never = *never && nv.flags & NGHTTP2_NV_FLAG_NO_INDEX;
    }
    nghttp2_hd_inflate_del(inflater);
    return n;
}

static void a_request_as_it_is_sent(void)
{
    struct world w;
    struct seen head = {0}, data = {0};
    char fields[1024];
    bool never = true;

    begin(&w);
    submit(&w, 0, SLICE_LIT("{}"));
    CU_ASSERT_FALSE(w.streams[0].begun);
    CU_ASSERT_TRUE(fill(&w));
    CU_ASSERT_TRUE(w.streams[0].begun);
    CU_ASSERT_EQUAL(w.streams[0].whole_at, h2_session_filled(w.session));
    CU_ASSERT_EQUAL(f_count(buf_slice(&w.sent), F_HEADERS, 0, &head), 1);
    CU_ASSERT_EQUAL(f_count(buf_slice(&w.sent), F_DATA, 0, &data), 1);
    CU_ASSERT_EQUAL(head.flags, HEADERS_END);
    CU_ASSERT_EQUAL(data.flags, END);
    CU_ASSERT_TRUE(slice_eq(data.payload, SLICE_LIT("{}")));
    CU_ASSERT_EQUAL(inflate(head.payload, fields, sizeof(fields), &never), 8);
    CU_ASSERT_STRING_EQUAL(fields, ":method=POST;:scheme=https;:authority=api.example;"
                                   ":path=/s/w/v1/org;content-type=application/json;"
                                   "x-request-id=17;content-length=2;"
                                   "authorization=CENTION1 id,abc;");
    CU_ASSERT_TRUE(never);
    finish(&w);
}

static void an_answer(size_t step)
{
    struct world w;

    begin(&w);
    requests(&w, 1);
    f_answer(&w.in, 1, "103", "link: x\n", false);
    f_answer(&w.in, 1, "201", "content-type: application/json\nserver: me\n", false);
    f_data(&w.in, 1, "abc", false);
    f_data(&w.in, 1, "", false);
    f_data(&w.in, 1, "de", true);
    CU_ASSERT_TRUE(feed(&w, step));
    CU_ASSERT_EQUAL(w.told[0].heads, 1);
    CU_ASSERT_EQUAL(w.told[0].status, 201);
    CU_ASSERT_EQUAL(w.told[0].framing, HTTP_UNTIL_CLOSE);
    CU_ASSERT_STRING_EQUAL(w.told[0].fields, "content-type=application/json;server=me;");
    CU_ASSERT_EQUAL(w.told[0].body_len, 5);
    CU_ASSERT_EQUAL(memcmp(w.told[0].body, "abcde", 5), 0);
    CU_ASSERT_EQUAL(w.told[0].ends, 1);
    CU_ASSERT_EQUAL(w.told[0].fails, 0);
    CU_ASSERT_EQUAL(h2_session_room(w.session), 100);
    finish(&w);
}

static void answers_however_cut(void)
{
    for (size_t step = 1; step < 40; step++)
        an_answer(step);
    an_answer(SIZE_MAX);
}

static void an_answer_without_a_body(void)
{
    static const struct {
        const char *status, *fields;
        enum http_framing framing;
        bool trailers;
    } T[] = {
        {"204", "", HTTP_NO_BODY, false},
        {"200", "", HTTP_NO_BODY, false},
        {"200", "content-length: 0\n", HTTP_NO_BODY, false},
        {"404", "", HTTP_UNTIL_CLOSE, true},
    };

    for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
        struct world w;

        begin(&w);
        requests(&w, 1);
        f_answer(&w.in, 1, T[i].status, T[i].fields, !T[i].trailers);
        if (T[i].trailers)
            f_answer(&w.in, 1, NULL, "x-sum: 1\n", true);
        CU_ASSERT_TRUE(feed(&w, SIZE_MAX));
        CU_ASSERT_EQUAL(w.told[0].heads, 1);
        CU_ASSERT_EQUAL(w.told[0].framing, T[i].framing);
        CU_ASSERT_EQUAL(w.told[0].n_fields, T[i].fields[0] != '\0');
        CU_ASSERT_EQUAL(w.told[0].ends, 1);
        finish(&w);
    }
}

static void many_in_one_go(void)
{
    struct world w;

    begin(&w);
    requests(&w, STREAMS);
    CU_ASSERT_EQUAL(f_count(buf_slice(&w.sent), F_HEADERS, 0, NULL), STREAMS);
    CU_ASSERT_EQUAL(h2_session_room(w.session), 100 - STREAMS);
    for (unsigned i = STREAMS; i-- > 0;)
        f_answer(&w.in, 1 + 2 * i, "200", "", true); /* in another order */
    CU_ASSERT_TRUE(feed(&w, SIZE_MAX));
    for (unsigned i = 0; i < STREAMS; i++)
        CU_ASSERT_EQUAL(w.told[i].ends, 1);
    finish(&w);
}

/* Ends the stream with a reason; the session and its other streams go on. */
static void broken_answers(void)
{
    static const struct {
        const char *status, *fields, *data, *more, *why;
    } T[] = {
        {NULL, "a: b\n", NULL, NULL, ""},
        {"099", "", NULL, NULL, "status"},
        {"600", "", NULL, NULL, "status"},
        {"20", "", NULL, NULL, ""},
        {"2x0", "", NULL, NULL, ""},
        {"200", ":status: 200\n", NULL, NULL, ""},
        {"200", ":path: /\n", NULL, NULL, ""},
        {"200", "a: b\n:status: 200\n", NULL, NULL, ""},
        {"200", "Upper: x\n", NULL, NULL, "field"},
        {"200", "a b: x\n", NULL, NULL, "field"},
        {"200", "a: x\ry\n", NULL, NULL, "field"},
        {"200", "a: x\x01y\n", NULL, NULL, "field"},
        {"200", "a: \x7f\n", NULL, NULL, "field"},
        {"200", "connection: close\n", NULL, NULL, ""},
        {"200", "transfer-encoding: chunked\n", NULL, NULL, ""},
        {"200", "upgrade: x\n", NULL, NULL, ""},
        {"200", "content-length: 1\ncontent-length: 1\n", "x", NULL, ""},
        {"200", "content-length: +1\n", "x", NULL, ""},
        {"200", "content-length: 5\n", "abcd", NULL, "rules of HTTP/2"},
        {"200", "content-length: 3\n", "abcd", NULL, "rules of HTTP/2"},
        {"204", "", "x", NULL, ""},
        {"304", "", "x", NULL, ""},
        {"101", "", NULL, NULL, ""},
        {"100", "", "x", NULL, ""},
        {"200", "", NULL, "a: b\n", ""}, /* a second head that doesn't end it */
    };

    for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
        struct world w;

        begin(&w);
        requests(&w, 2);
        f_answer(&w.in, 1, T[i].status, T[i].fields, false);
        if (T[i].data)
            f_data(&w.in, 1, T[i].data, true);
        if (T[i].more)
            f_answer(&w.in, 1, NULL, T[i].more, false);
        f_answer(&w.in, 3, "200", "", true);
        CU_ASSERT_TRUE(feed(&w, SIZE_MAX));
        CU_ASSERT_TRUE(fill(&w));
        if (w.told[0].fails != 1 || w.told[0].ends != 0 || !strstr(w.told[0].why, T[i].why)) {
            printf("\n    %zu: %s\n", i, w.told[0].why);
            CU_FAIL("not broken, or not so");
        }
        CU_ASSERT_EQUAL(f_count(buf_slice(&w.sent), F_RST, 1, NULL), 1);
        CU_ASSERT_EQUAL(w.told[1].ends, 1);
        CU_ASSERT_EQUAL(h2_session_room(w.session), 100);
        finish(&w);
    }
}

static void heads_without_measure(void)
{
    struct world w;
    char value[500];

    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    for (unsigned how = 0; how < 2; how++) {
        struct buf block = BUF_INIT(1 << 16);

        begin(&w);
        requests(&w, 2);
        f_field(&block, ":status", "200");
        for (unsigned i = 0; i < (how ? 101 : 9); i++)
            f_field(&block, "a", how ? "b" : value);
        f_frame(&w.in, F_HEADERS, HEADERS_END | END, 1, buf_slice(&block).data, buf_len(&block));
        f_answer(&w.in, 3, "200", "", true);
        CU_ASSERT_TRUE(feed(&w, SIZE_MAX));
        CU_ASSERT_EQUAL(w.told[0].fails, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.told[0].why, how ? "100 fields" : "too large"));
        CU_ASSERT_EQUAL(w.told[1].ends, 1);
        finish(&w);
        buf_deinit(&block);
    }
    begin(&w);
    requests(&w, 1);
    for (unsigned i = 0; i <= H2_1XX_MAX; i++)
        f_answer(&w.in, 1, "100", "", false);
    CU_ASSERT_TRUE(feed(&w, SIZE_MAX));
    CU_ASSERT_STRING_EQUAL(w.told[0].why, "too many interim answers");
    finish(&w);
}

/* What no connection survives. True when the session said so, at feeding or filling. */
static bool is_over(struct world *w)
{
    bool over = !feed(w, SIZE_MAX) || !fill(w);

    CU_ASSERT_TRUE(!over || h2_session_why(w->session)[0]);
    return over;
}

static void broken_connections(void)
{
    static const struct {
        unsigned type, flags;
        uint32_t stream;
        const char *payload;
        size_t len;
    } T[] = {
        {F_PUSH, HEADERS_END, 1, "\0\0\0\2\x82", 5},
        {F_DATA, 0, 0, "x", 1},
        {F_DATA, 0, 7, "x", 1}, /* a stream that isn't there */
        {F_HEADERS, HEADERS_END, 2, "\x88", 1},
        {F_HEADERS, HEADERS_END, 1, "\xff\xff\xff\xff\xff\xff\xff\xff", 8}, /* no HPACK */
        {F_SETTINGS, 0, 0, "x", 1},
        {F_SETTINGS, 0, 0, "\0\2\0\0\0\1", 6}, /* push, from a server */
        {F_CONTINUATION, 0, 1, "", 0},
        {F_WINDOW, 0, 0, "\0\0\0\0", 4},
        {F_PING, 0, 0, "x", 1},
        {F_RST, 0, 0, "\0\0\0\0", 4},
        {F_GOAWAY, 0, 1, "\0\0\0\0\0\0\0\0", 8},
    };
    struct world w;

    for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
        begin(&w);
        requests(&w, 1);
        f_frame(&w.in, T[i].type, T[i].flags, T[i].stream, T[i].payload, T[i].len);
        if (!is_over(&w)) {
            printf("\n    %zu\n", i);
            CU_FAIL("the session goes on");
        }
        finish(&w);
    }
    begin(&w);
    CU_ASSERT_EQUAL(buf_append(&w.in, "HTTP/1.1 400 Bad Request\r\n\r\n", 28), 0);
    CU_ASSERT_TRUE(is_over(&w));
    finish(&w);
}

static void floods(void)
{
    static const unsigned TYPES[] = {F_PING, F_SETTINGS, F_PRIORITY, F_DATA, F_WINDOW};
    struct world w;

    for (size_t i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++) {
        unsigned n = 0;
        bool over = false;

        begin(&w);
        requests(&w, 1);
        f_answer(&w.in, 1, "200", "", false);
        CU_ASSERT_TRUE(feed(&w, SIZE_MAX));
        for (; n < 3 * H2_IDLE_FRAMES && !over; n += 100) {
            for (unsigned k = 0; k < 100; k++)
                if (TYPES[i] == F_SETTINGS)
                    f_settings(&w.in, S_TABLE, 4096);
                else if (TYPES[i] == F_WINDOW)
                    f_number(&w.in, F_WINDOW, 1, 1);
                else
                    f_frame(&w.in, TYPES[i], 0, TYPES[i] == F_DATA || TYPES[i] == F_PRIORITY,
                            "\0\0\0\0\1\0\0\0",
                            TYPES[i] == F_DATA       ? 0
                            : TYPES[i] == F_PRIORITY ? 5
                                                     : 8);
            over = is_over(&w);
        }
        CU_ASSERT_TRUE(over);
        CU_ASSERT_TRUE(n <= H2_IDLE_FRAMES + 100);
        finish(&w);
    }
    /* Unknown frames are counted by their bytes. */
    begin(&w);
    for (unsigned i = 0; i <= 1024; i++) {
        static const char payload[16384];

        f_frame(&w.in, 0xfa, 0, 0, payload, sizeof(payload));
        CU_ASSERT_EQUAL(is_over(&w), i == 1023); /* with their heads, 1,024 are 16 MB and more */
        if (i == 1023)
            break;
    }
    finish(&w);
    /* Acknowledgements that nobody takes away are bounded, too. */
    begin(&w);
    for (unsigned i = 0; i < 2000; i++)
        f_frame(&w.in, F_PING, 0, 0, "12345678", 8);
    CU_ASSERT_FALSE(feed(&w, SIZE_MAX));
    finish(&w);
}

static void continuations_without_end(void)
{
    struct world w;
    bool over = false;
    char value[1000];
    struct buf block = BUF_INIT(1 << 16);

    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    begin(&w);
    requests(&w, 1);
    f_frame(&w.in, F_HEADERS, 0, 1, "\x88", 1);
    for (unsigned i = 0; i < 16; i++)
        f_field(&block, "a", value);
    for (unsigned i = 0; i < 200 && !over; i++) {
        f_frame(&w.in, F_CONTINUATION, 0, 1, buf_slice(&block).data, buf_len(&block));
        over = is_over(&w);
    }
    CU_ASSERT_TRUE(over);
    CU_ASSERT_EQUAL(w.told[0].heads, 0);
    finish(&w);
    buf_deinit(&block);
}

static void goaway(void)
{
    struct world w;

    begin(&w);
    requests(&w, 3);
    f_goaway(&w.in, 1, 0);
    CU_ASSERT_TRUE(feed(&w, SIZE_MAX));
    CU_ASSERT_TRUE(h2_session_leaving(w.session));
    CU_ASSERT_EQUAL(h2_session_room(w.session), 0);
    CU_ASSERT_EQUAL(w.told[0].fails, 0);
    CU_ASSERT_EQUAL(w.told[1].fails, 1);
    CU_ASSERT_EQUAL(w.told[2].fails, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(w.told[1].why, "GOAWAY"));
    f_answer(&w.in, 1, "200", "", true);
    CU_ASSERT_TRUE(feed(&w, SIZE_MAX));
    CU_ASSERT_EQUAL(w.told[0].ends, 1);
    CU_ASSERT_FALSE(fill(&w)); /* nothing is left to do */
    finish(&w);
}

static void resets(void)
{
    struct world w;

    begin(&w);
    requests(&w, 4);
    f_number(&w.in, F_RST, 1, NGHTTP2_REFUSED_STREAM);
    f_number(&w.in, F_RST, 3, NGHTTP2_INTERNAL_ERROR);
    f_answer(&w.in, 5, "200", "", false);
    f_number(&w.in, F_RST, 5, NGHTTP2_NO_ERROR);
    f_answer(&w.in, 7, "200", "", true);
    f_number(&w.in, F_RST, 7, NGHTTP2_NO_ERROR); /* after the end: of no meaning */
    CU_ASSERT_TRUE(feed(&w, SIZE_MAX));
    CU_ASSERT_PTR_NOT_NULL(strstr(w.told[0].why, "REFUSED_STREAM"));
    CU_ASSERT_PTR_NOT_NULL(strstr(w.told[1].why, "reset the request's stream (INTERNAL_ERROR)"));
    CU_ASSERT_EQUAL(w.told[2].fails, 1);
    CU_ASSERT_EQUAL(w.told[2].heads, 1);
    CU_ASSERT_EQUAL(w.told[3].ends, 1);
    CU_ASSERT_EQUAL(w.told[3].fails, 0);
    CU_ASSERT_FALSE(h2_session_leaving(w.session));
    finish(&w);
}

static void resetting(void)
{
    struct world w;
    struct seen f = {0};

    begin(&w);
    requests(&w, 2);
    h2_session_reset(w.session, &w.streams[0]);
    h2_session_reset(w.session, &w.streams[0]); /* once is enough */
    f_answer(&w.in, 1, "200", "", true);
    f_answer(&w.in, 3, "200", "", true);
    CU_ASSERT_TRUE(feed(&w, SIZE_MAX));
    CU_ASSERT_EQUAL(w.told[0].heads + w.told[0].ends + w.told[0].fails, 0);
    CU_ASSERT_EQUAL(w.told[1].ends, 1);
    CU_ASSERT_TRUE(fill(&w));
    CU_ASSERT_EQUAL(f_count(buf_slice(&w.sent), F_RST, 0, &f), 1);
    CU_ASSERT_EQUAL(f.stream, 1);
    CU_ASSERT_EQUAL(f_read(f.payload, 0), NGHTTP2_CANCEL);
    CU_ASSERT_EQUAL(h2_session_room(w.session), 100);
    /* Before it was collected: nothing of it ever is. */
    submit(&w, 2, SLICE_LIT("{}"));
    h2_session_reset(w.session, &w.streams[2]);
    CU_ASSERT_TRUE(fill(&w));
    CU_ASSERT_EQUAL(f_count(buf_slice(&w.sent), F_HEADERS, 0, NULL), 0);
    CU_ASSERT_EQUAL(h2_session_room(w.session), 100);
    finish(&w);
}

static void from_within(void)
{
    struct world w;

    begin(&w);
    w.reset_in_head = 0;
    requests(&w, 2);
    f_answer(&w.in, 1, "200", "", false);
    f_data(&w.in, 1, "x", true);
    f_answer(&w.in, 3, "200", "", true);
    CU_ASSERT_TRUE(feed(&w, SIZE_MAX));
    CU_ASSERT_EQUAL(w.told[0].heads, 1);
    CU_ASSERT_EQUAL(w.told[0].body_len + w.told[0].ends + w.told[0].fails, 0);
    CU_ASSERT_EQUAL(w.told[1].ends, 1);
    finish(&w);
    begin(&w);
    w.stop_in_head = true;
    requests(&w, 2);
    f_answer(&w.in, 1, "200", "", true);
    f_answer(&w.in, 3, "200", "", true);
    CU_ASSERT_FALSE(feed(&w, SIZE_MAX));
    CU_ASSERT_EQUAL(w.told[0].heads, 1);
    CU_ASSERT_EQUAL(w.told[0].ends + w.told[1].heads, 0);
    finish(&w);
}

static void an_early_answer(void)
{
    static char big[100000];
    struct world w;

    begin(&w);
    submit(&w, 0, slice_of(big, sizeof(big)));
    while (h2_session_wants_fill(w.session))
        CU_ASSERT_TRUE(fill(&w));
    CU_ASSERT_EQUAL(w.streams[0].whole_at, 0); /* the peer's window is 65,535 */
    CU_ASSERT_EQUAL(w.streams[0].body.len, sizeof(big) - 65535);
    f_answer(&w.in, 1, "413", "", true);
    CU_ASSERT_TRUE(feed(&w, SIZE_MAX));
    CU_ASSERT_EQUAL(w.told[0].ends, 1);
    CU_ASSERT_TRUE(fill(&w));
    CU_ASSERT_EQUAL(f_count(buf_slice(&w.sent), F_RST, 1, NULL), 1);
    CU_ASSERT_EQUAL(f_count(buf_slice(&w.sent), F_DATA, 1, NULL), 0);
    finish(&w);
}

static void a_large_body_waits_for_the_window(void)
{
    static char big[100000];
    size_t seen = 0;
    struct world w;

    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(i * 7);
    begin(&w);
    submit(&w, 0, slice_of(big, sizeof(big)));
    for (int turn = 0; turn < 2; turn++) {
        while (h2_session_wants_fill(w.session)) {
            struct slice rest;
            struct seen f;

            CU_ASSERT_TRUE(fill(&w));
            CU_ASSERT_TRUE(buf_len(&w.sent) <= 2 * H2_FILL + 18);
            rest = buf_slice(&w.sent);
            while (f_next(&rest, &f)) {
                if (f.type != F_DATA)
                    continue;
                CU_ASSERT_EQUAL(memcmp(f.payload.data, big + seen, f.payload.len), 0);
                seen += f.payload.len;
            }
        }
        CU_ASSERT_EQUAL(seen, turn ? sizeof(big) : 65535);
        CU_ASSERT_EQUAL(w.streams[0].whole_at != 0, turn == 1);
        f_number(&w.in, F_WINDOW, 0, 1 << 20);
        f_number(&w.in, F_WINDOW, 1, 1 << 20);
        CU_ASSERT_TRUE(feed(&w, SIZE_MAX));
    }
    finish(&w);
}

/* A body that nobody takes stops its stream and no other. */
static void backpressure(void)
{
    static char piece[16384];
    struct world w;
    struct seen f = {0};

    begin(&w);
    w.hold = true;
    requests(&w, 2);
    f_answer(&w.in, 1, "200", "", false);
    for (unsigned i = 0; i < 4; i++)
        f_frame(&w.in, F_DATA, 0, 1, piece, sizeof(piece) - (i == 3));
    CU_ASSERT_TRUE(feed(&w, SIZE_MAX));
    CU_ASSERT_TRUE(fill(&w));
    CU_ASSERT_EQUAL(w.told[0].body_total, H2_STREAM_WINDOW);
    CU_ASSERT_EQUAL(f_count(buf_slice(&w.sent), F_WINDOW, 1, NULL), 0);
    w.hold = false;
    f_answer(&w.in, 3, "200", "", false);
    for (unsigned i = 0; i < 2 * H2_CONNECTION_WINDOW / sizeof(piece); i++) {
        f_frame(&w.in, F_DATA, 0, 3, piece, sizeof(piece));
        CU_ASSERT_TRUE(feed(&w, SIZE_MAX));
        CU_ASSERT_TRUE(fill(&w));
    }
    CU_ASSERT_EQUAL(w.told[1].body_total, 2 * H2_CONNECTION_WINDOW);
    CU_ASSERT_EQUAL(w.told[1].fails + w.told[0].fails, 0);
    h2_session_consumed(w.session, &w.streams[0], H2_STREAM_WINDOW);
    CU_ASSERT_TRUE(fill(&w));
    CU_ASSERT_EQUAL(f_count(buf_slice(&w.sent), F_WINDOW, 1, &f), 1);
    CU_ASSERT_EQUAL(f_read(f.payload, 0), H2_STREAM_WINDOW);
    /* One byte more than the window is an error. */
    w.hold = true;
    for (unsigned i = 0; i < 4; i++)
        f_frame(&w.in, F_DATA, 0, 1, piece, sizeof(piece) - (i == 3));
    f_frame(&w.in, F_DATA, 0, 1, piece, 1);
    (void)is_over(&w);
    CU_ASSERT_TRUE(w.told[0].fails || h2_session_why(w.session)[0]);
    finish(&w);
}

static void limits_that_change(void)
{
    struct world w;

    begin(&w);
    requests(&w, 2);
    f_settings(&w.in, S_STREAMS, 1);
    CU_ASSERT_TRUE(feed(&w, SIZE_MAX));
    CU_ASSERT_EQUAL(h2_session_room(w.session), 0);
    CU_ASSERT_EQUAL(h2_session_streams(w.session), 1);
    f_answer(&w.in, 1, "200", "", true);
    CU_ASSERT_TRUE(feed(&w, SIZE_MAX));
    CU_ASSERT_EQUAL(h2_session_room(w.session), 0);
    f_answer(&w.in, 3, "200", "", true);
    CU_ASSERT_TRUE(feed(&w, SIZE_MAX));
    CU_ASSERT_EQUAL(h2_session_room(w.session), 1);
    f_settings(&w.in, S_STREAMS, 1000000);
    CU_ASSERT_TRUE(feed(&w, SIZE_MAX));
    CU_ASSERT_EQUAL(h2_session_room(w.session), H2_STREAMS);
    f_settings(&w.in, S_STREAMS, 0);
    CU_ASSERT_TRUE(feed(&w, SIZE_MAX));
    CU_ASSERT_EQUAL(h2_session_room(w.session), 0);
    finish(&w);
}

static void goodbye(void)
{
    struct world w;

    begin(&w);
    h2_session_goodbye(w.session);
    CU_ASSERT_FALSE(fill(&w));
    CU_ASSERT_EQUAL(f_count(buf_slice(&w.sent), F_GOAWAY, 0, NULL), 1);
    CU_ASSERT_EQUAL(h2_session_room(w.session), 0);
    finish(&w);
}

static const struct unit_case CASES[] = {
    {"opening", opening},
    {"a request as it is sent", a_request_as_it_is_sent},
    {"answers, however cut", answers_however_cut},
    {"an answer without a body", an_answer_without_a_body},
    {"many in one go", many_in_one_go},
    {"broken answers", broken_answers},
    {"heads without measure", heads_without_measure},
    {"broken connections", broken_connections},
    {"floods", floods},
    {"continuations without end", continuations_without_end},
    {"GOAWAY", goaway},
    {"resets", resets},
    {"resetting", resetting},
    {"from within", from_within},
    {"an early answer", an_early_answer},
    {"a large body waits for the window", a_large_body_waits_for_the_window},
    {"backpressure", backpressure},
    {"limits that change", limits_that_change},
    {"goodbye", goodbye},
};
UNIT_MAIN("h2_session", CASES)
