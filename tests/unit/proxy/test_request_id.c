#include "proxy/request_id.h"
#include "unit/unit.h"

#include <stdio.h>

static void fill(char out[REQUEST_ID_MAX + 1], struct request_ids *ids, const char *field)
{
    struct http_progress progress = {0};
    struct http_head head;
    const char *why;
    char text[512];

    (void)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", field);
    CU_ASSERT_EQUAL_FATAL(http_request_parse(text, strlen(text), &progress, &head, &why),
                          HTTP_DONE);
    request_id_fill(out, &head, ids);
}

static void the_client_s_own(void)
{
    struct request_ids ids = {7, 0};
    char out[REQUEST_ID_MAX + 1];

    fill(out, &ids, "X-Request-Id: aZ09._:+/=@-\r\n");
    CU_ASSERT_STRING_EQUAL(out, "aZ09._:+/=@-");
    CU_ASSERT_EQUAL(ids.serial, 0);
}

static void one_of_our_own(void)
{
    static const char LONG_ID[] =
        "X-Request-Id: 0123456789012345678901234567890123456789012345678901234567890123"
        "45678901234567890123456789012345678901234567890123456789012345678\r\n";
    static const char *const T[] = {
        "",
        "X-Request-Id:\r\n",
        "X-Request-Id: a b\r\n",
        "X-Request-Id: a\"b\r\n",
        "X-Request-Id: a\\b\r\n",
        "X-Request-Id: \xc3\xa9\r\n",
        "X-Request-Id: a\r\nX-Request-Id: b\r\n",
        LONG_ID,
    };
    struct request_ids ids = {0x1234, 0};
    char out[REQUEST_ID_MAX + 1];

    for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
        char wanted[64];

        fill(out, &ids, T[i]);
        (void)snprintf(wanted, sizeof(wanted), "0000000000001234-%08zx", i + 1);
        CU_ASSERT_STRING_EQUAL(out, wanted);
    }
    request_id_fill(out, NULL, &ids);
    CU_ASSERT_EQUAL(strlen(out), 25);
}

static void each_process_starts_elsewhere(void)
{
    struct request_ids a, b;

    CU_ASSERT_EQUAL(request_ids_init(&a), 0);
    CU_ASSERT_EQUAL(request_ids_init(&b), 0);
    CU_ASSERT_NOT_EQUAL(a.start, b.start);
}

static const struct unit_case CASES[] = {
    {"the client's own", the_client_s_own},
    {"one of our own", one_of_our_own},
    {"each process starts elsewhere", each_process_starts_elsewhere},
};
UNIT_MAIN("request_id", CASES)
