#include "unit/proxy/h2/h2_session_fixture.h"

#include "unit/proxy/h2/h2_fixture.h"
#include "unit/unit.h"

#include <stdio.h>

enum { HEAD_BYTES = 4096 };

static const char REQUEST[] = "POST /s/w/v1/org HTTP/1.1\r\nhost: api.example\r\n"
                              "content-type: application/json\r\nx-request-id: 17\r\n"
                              "content-length: 2\r\nauthorization: CENTION1 id,abc\r\n\r\n";

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

bool fill(struct world *w)
{
    buf_reset(&w->sent, SIZE_MAX);
    return h2_session_fill(w->session, &w->sent, H2_FILL);
}

bool feed(struct world *w, size_t step)
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

void open_only(struct world *w)
{
    struct h2_events events = {on_head, on_body, on_end, on_failed, on_progress, w};

    memset(w, 0, sizeof(*w));
    w->reset_in_head = -1;
    w->sent = BUF_INIT_SECRET(1 << 20);
    w->in = BUF_INIT(1 << 24);
    CU_ASSERT_EQUAL_FATAL(h2_session_new(&w->session, &events, HEAD_BYTES), 0);
    CU_ASSERT_TRUE(fill(w));
}

void begin(struct world *w)
{
    open_only(w);
    f_settings(&w->in, S_STREAMS, 100);
    CU_ASSERT_TRUE(feed(w, SIZE_MAX));
    CU_ASSERT_TRUE(fill(w)); /* the acknowledgement */
}

void finish(struct world *w)
{
    h2_session_free(w->session);
    buf_deinit(&w->sent);
    buf_deinit(&w->in);
}

void submit(struct world *w, unsigned i, struct slice body)
{
    struct http_progress progress = {0};
    struct http_head head;
    const char *why;

    CU_ASSERT_EQUAL_FATAL(http_request_parse(REQUEST, sizeof(REQUEST) - 1, &progress, &head, &why),
                          HTTP_DONE);
    w->streams[i] = (struct h2_stream){0};
    CU_ASSERT_EQUAL_FATAL(h2_session_submit(w->session, &w->streams[i], &head, body), 0);
}

void requests(struct world *w, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        submit(w, i, SLICE_LIT("{}"));
    CU_ASSERT_TRUE(fill(w));
}

bool is_over(struct world *w)
{
    bool over = !feed(w, SIZE_MAX) || !fill(w);

    CU_ASSERT_TRUE(!over || h2_session_why(w->session)[0]);
    return over;
}
