/* Which hosts are served, and what only a browser sends. */
#include "proxy/front/origin.h"
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>

static const char *const DEFAULTS[] = {"localhost", "127.0.0.1", "[::1]", NULL};

static struct origin_hosts hosts_of(const char *const *list)
{
    struct origin_hosts hosts = {0};

    for (; *list; list++)
        CU_ASSERT_EQUAL_FATAL(origin_hosts_add(&hosts, *list), 0);
    return hosts;
}

static bool check(const struct origin_hosts *hosts, unsigned port, const char *host,
                  const char *fields, struct refusal *no)
{
    struct http_progress progress = {0};
    struct http_head head;
    char text[2048];
    const char *why = "";
    bool good;
    char *guarded;
    int n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n%s\r\n", host, fields);

    guarded = unit_guard(text, (size_t)n);
    if (http_request_parse(guarded, (size_t)n, &progress, &head, &why) != HTTP_DONE) {
        unit_guard_free(guarded, (size_t)n);
        *no = (struct refusal){.status = 400};
        return false;
    }
    *no = (struct refusal){0};
    good = origin_check(hosts, port, &head, no);
    if (!good) {
        CU_ASSERT_EQUAL(no->status, 403);
        CU_ASSERT_STRING_EQUAL(no->code, "forbidden");
        CU_ASSERT_STRING_EQUAL(no->outcome, "not-sent");
    }
    unit_guard_free(guarded, (size_t)n);
    return good;
}

static void served(void)
{
    static const struct {
        const char *host;
        unsigned port;
    } T[] = {
        {"localhost:8080", 8080}, {"LocalHost:8080", 8080}, {"127.0.0.1:8080", 8080},
        {"[::1]:8080", 8080},     {"localhost", 8080},      {"127.0.0.1", 80},
        {"localhost:80", 80},     {"localhost", 0},         {"[::1]", 0},
    };
    struct origin_hosts hosts = hosts_of(DEFAULTS);
    struct refusal no;

    for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++)
        if (!check(&hosts, T[i].port, T[i].host, "", &no)) {
            printf("\n    %s at %u", T[i].host, T[i].port);
            CU_FAIL("this host is served");
        }
}

static void not_served(void)
{
    static const struct {
        const char *host;
        unsigned port;
    } T[] = {
        {"rebind.example:8080", 8080},
        {"rebind.example", 80},
        {"localhost.:8080", 8080},
        {"localhost.", 0},
        {"127.0.0.1.", 8080},
        {"localhost:8081", 8080},
        {"localhost:808", 8080},
        {"localhost:08080", 8080},
        {"localhost:80", 8080},
        {"localhost:0", 0},
        {"localhost:8080", 0},
        {"localhost:", 8080},
        {"localhost:8080:8080", 8080},
        {"user@localhost:8080", 8080},
        {"localhost.evil.example:8080", 8080},
        {"evil-localhost:8080", 8080},
        {"localhos:8080", 8080},
        {"0.0.0.0:8080", 8080},
        {"127.1:8080", 8080},
        {"127.0.0.2:8080", 8080},
        {"2130706433:8080", 8080},
        {"[::]:8080", 8080},
        {"[::ffff:127.0.0.1]:8080", 8080},
        {"::1:8080", 8080},
        {"[::1]8080", 8080},
        {"[localhost]:8080", 8080},
        {"[::1", 8080},
    };
    struct origin_hosts hosts = hosts_of(DEFAULTS), none = {0};
    struct refusal no;

    for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++)
        if (check(&hosts, T[i].port, T[i].host, "", &no)) {
            printf("\n    %s at %u", T[i].host, T[i].port);
            CU_FAIL("this host is not served");
        }
    CU_ASSERT_FALSE(check(&none, 80, "localhost", "", &no));
    CU_ASSERT_FALSE(check(&hosts, 8080, "rebind.example:8080", "", &no));
    CU_ASSERT_PTR_NOT_NULL(strstr(no.text, "the Host \"rebind.example:8080\" is not one"));
    CU_ASSERT_PTR_NOT_NULL(strstr(no.text, "`hosts`"));
}

static void configured(void)
{
    static const char *const LIST[] = {"proxy", "Outside.example:9000", "[fd00::1]:81", NULL};
    struct origin_hosts hosts = hosts_of(LIST);
    struct refusal no;

    CU_ASSERT(check(&hosts, 8080, "proxy:8080", "", &no));
    CU_ASSERT(check(&hosts, 8080, "PROXY", "", &no));
    CU_ASSERT(check(&hosts, 8080, "outside.example:9000", "", &no));
    CU_ASSERT(check(&hosts, 0, "outside.example:9000", "", &no));
    CU_ASSERT(check(&hosts, 8080, "[FD00::1]:81", "", &no));
    CU_ASSERT_FALSE(check(&hosts, 8080, "outside.example", "", &no));
    CU_ASSERT_FALSE(check(&hosts, 8080, "outside.example:8080", "", &no));
    CU_ASSERT_FALSE(check(&hosts, 8080, "proxy:9000", "", &no));
    CU_ASSERT_FALSE(check(&hosts, 8080, "localhost:8080", "", &no));
}

static void bad_settings(void)
{
    static const char *const T[] = {"",      ".",       "a.",     ".a",   "a b",
                                    "a@b",   "a/b",     "a:",     "a:0",  "a:x",
                                    "a:080", "a:65536", "a:1:2",  "[::1", "::1",
                                    "[]",    "[x]",     "[::1]x", "*",    "http://localhost",
                                    ":80",   "\xc3\xa9"};
    struct origin_hosts hosts = {0};
    char longest[ORIGIN_HOST_MAX + 2];

    for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++)
        if (origin_hosts_add(&hosts, T[i]) != -EINVAL) {
            printf("\n    %s", T[i]);
            CU_FAIL("this is no host");
        }
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    CU_ASSERT_EQUAL(origin_hosts_add(&hosts, longest), -EINVAL);
    for (unsigned i = 0; i < ORIGIN_HOSTS_MAX; i++)
        CU_ASSERT_EQUAL(origin_hosts_add(&hosts, longest + 1), 0);
    CU_ASSERT_EQUAL(origin_hosts_add(&hosts, "one-more"), -E2BIG);
}

static void pages(void)
{
    static const struct {
        const char *fields, *shown;
    } T[] = {
        {"Origin: http://evil.example\r\n", "Origin \"http://evil.example\""},
        {"origin: null\r\n", "origin \"null\""},
        {"Origin:\r\n", "Origin \"\""},
        {"Origin: http://localhost:8080\r\n", "Origin"},
        {"Referer: http://evil.example/a/secret?token=x#y\r\n", "Referer \"http://evil.example\""},
        {"REFERER: about:blank?secret\r\n", "REFERER \"about:blank\""},
        {"Sec-Fetch-Site: cross-site\r\n", "Sec-Fetch-Site \"cross-site\""},
        {"Sec-Fetch-Site: same-origin\r\n", "same-origin"},
        {"Sec-Fetch-Site: None\r\n", "None"},
        {"Sec-Fetch-Site:\r\n", "Sec-Fetch-Site \"\""},
        {"Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n", "cross-site"},
        {"Access-Control-Request-Method: PUT\r\n", "Access-Control-Request-Method"},
        {"access-control-request-private-network: true\r\n", "private-network"},
        {"Upgrade: websocket\r\nSec-WebSocket-Key: x\r\n", "Sec-WebSocket-Key"},
        {"Access-Control-Request-Method: PUT\r\nSec-Fetch-Site: cross-site\r\n"
         "Origin: http://evil.example\r\nSec-Fetch-Site: cross-site\r\n",
         "Origin \"http://evil.example\""},
        {"Origin: http://\xff\"\\x\ty\r\n", "Origin \"http://???x?y\""},
    };
    struct origin_hosts hosts = hosts_of(DEFAULTS);
    char fields[1000];
    struct refusal no;

    for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
        bool good = check(&hosts, 80, "localhost", T[i].fields, &no);

        if (good || !strstr(no.text, T[i].shown) || strstr(no.text, "secret")) {
            printf("\n    %s -> %s", T[i].fields, no.text);
            CU_FAIL("a page's request is refused and its origin shown");
        }
    }
    (void)snprintf(fields, sizeof(fields), "Origin: %0900d\r\n", 7);
    CU_ASSERT_FALSE(check(&hosts, 80, "localhost", fields, &no));
    CU_ASSERT_PTR_NOT_NULL(strstr(no.text, "000...\""));
    CU_ASSERT(strlen(no.text) < 250);
    memset(fields, 'x', 800);
    memcpy(fields, "Sec-WebSocket-", 14);
    strcpy(fields + 800, ": y\r\n");
    CU_ASSERT_FALSE(check(&hosts, 80, "localhost", fields, &no));
    CU_ASSERT(strlen(no.text) < 250);
}

/* What other clients send is none of a browser's marks. */
static void others(void)
{
    struct origin_hosts hosts = hosts_of(DEFAULTS);
    struct refusal no;

    CU_ASSERT(check(&hosts, 80, "localhost",
                    "User-Agent: Mozilla/5.0\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: cors\r\n"
                    "Upgrade: h2c\r\nConnection: Upgrade\r\nAccess-Control: x\r\n"
                    "Original: x\r\nX-Origin: y\r\nAccept-Language: *\r\n",
                    &no));
}

static const struct unit_case CASES[] = {
    {"served hosts", served},         {"hosts that are not served", not_served},
    {"configured hosts", configured}, {"bad settings", bad_settings},
    {"what pages send", pages},       {"what others send", others},
};

UNIT_MAIN("origin", CASES)
