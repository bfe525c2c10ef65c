/* A peer that breaks the rules, or keeps them without end. */
#include "proxy/h2/h2_session.h"
#include "unit/proxy/h2/h2_fixture.h"
#include "unit/proxy/h2/h2_session_fixture.h"
#include "unit/unit.h"

#include <stdio.h>

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

static const struct unit_case CASES[] = {
    {"broken answers", broken_answers},
    {"heads without measure", heads_without_measure},
    {"broken connections", broken_connections},
    {"floods", floods},
    {"continuations without end", continuations_without_end},
};
UNIT_MAIN("h2_session_broken", CASES)
