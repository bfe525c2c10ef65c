#include "proxy/upstream/url.h"
#include "unit/unit.h"

#include <string.h>

static void good(void)
{
    static const struct {
        const char *text, *host, *authority;
        unsigned port;
        int tls, literal;
    } T[] = {
        {"https://api.cention.com", "api.cention.com", "api.cention.com", 443, 1, 0},
        {"https://api.cention.com/", "api.cention.com", "api.cention.com", 443, 1, 0},
        {"https://api.cention.com:443", "api.cention.com", "api.cention.com", 443, 1, 0},
        {"https://api.cention.com:8443", "api.cention.com", "api.cention.com:8443", 8443, 1, 0},
        {"https://10.0.0.1", "10.0.0.1", "10.0.0.1", 443, 1, 1},
        {"https://[2001:db8::1]:8443", "2001:db8::1", "[2001:db8::1]:8443", 8443, 1, 1},
        {"http://127.0.0.1:80", "127.0.0.1", "127.0.0.1", 80, 0, 1},
        {"http://[::1]:81", "::1", "[::1]:81", 81, 0, 1},
        {"http://localhost:8080", "localhost", "localhost:8080", 8080, 0, 0},
    };

    for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
        struct err err = ERR_INIT;
        struct url u;

        CU_ASSERT_EQUAL_FATAL(url_parse(&u, T[i].text, false, &err), 0);
        CU_ASSERT_STRING_EQUAL(u.host, T[i].host);
        CU_ASSERT_STRING_EQUAL(u.authority, T[i].authority);
        CU_ASSERT_EQUAL(u.port, T[i].port);
        CU_ASSERT_EQUAL(u.tls, T[i].tls);
        CU_ASSERT_EQUAL(u.literal, T[i].literal);
    }
}

static void refused(void)
{
    static const char *const T[] = {
        "",
        "api.cention.com",
        "ftp://x",
        "https://",
        "https://:443",
        "https://a/b",
        "https://a?b",
        "https://a#b",
        "https://user@host",
        "https://a:0",
        "https://a:65536",
        "https://a:123456",
        "https://a:",
        "https://a:4x",
        "https://a b",
        "https://[::1",
        "https://[::1]x",
        "https://[localhost]",
        "https://::1",
        "http://api.cention.com", /* plain text leaves this machine */
        "http://10.0.0.1",
        "http://128.0.0.1",
        "http://[::2]",
        "http://localhost.example.com",
        "HTTPS://A",
    };

    for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
        struct err err = ERR_INIT;
        struct url u;

        if (url_parse(&u, T[i], false, &err) != -22)
            CU_FAIL("accepted");
        CU_ASSERT_NOT_EQUAL(err.text[0], '\0');
    }
}

static void an_http_proxy_may_be_anywhere(void)
{
    struct err err = ERR_INIT;
    struct url u;

    CU_ASSERT_EQUAL(url_parse(&u, "http://proxy.example:3128", true, &err), 0);
    CU_ASSERT_EQUAL(u.port, 3128);
    CU_ASSERT_EQUAL(url_parse(&u, "https://proxy.example", true, &err), -22);
}

static void a_long_host_is_refused(void)
{
    char text[600] = "https://";
    struct err err = ERR_INIT;
    struct url u;

    memset(text + 8, 'a', 300);
    CU_ASSERT_EQUAL(url_parse(&u, text, false, &err), -22);
}

static const struct unit_case CASES[] = {
    {"good", good},
    {"refused", refused},
    {"an HTTP proxy may be anywhere", an_http_proxy_may_be_anywhere},
    {"a long host is refused", a_long_host_is_refused},
};
UNIT_MAIN("url", CASES)
