/* Requests and answers as they should be, how streams end, and windows. */
#include "proxy/h2/h2_session.h"
#include "unit/proxy/h2/h2_fixture.h"
#include "unit/proxy/h2/h2_session_fixture.h"
#include "unit/unit.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>

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
