#include "central/nats/js_url.h"

#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void server(const struct js_url *url, size_t i, const char *text, const char *host,
                   const char *name, bool tls)
{
    CU_ASSERT_TRUE_FATAL(i < url->n);
    CU_ASSERT_STRING_EQUAL(url->servers[i].url, text);
    CU_ASSERT_STRING_EQUAL(url->servers[i].host, host);
    CU_ASSERT_STRING_EQUAL(url->servers[i].name, name);
    CU_ASSERT_EQUAL(url->servers[i].tls, tls);
}

static void test_servers(void)
{
    struct err err = ERR_INIT;
    struct js_url url;

    CU_ASSERT_EQUAL_FATAL(js_url_parse(&url,
                                       "tls://a.example,nats://u:p@w@127.0.0.1:1,"
                                       "[::1]:65535,tls://[fe80::1]",
                                       false, &err),
                          0);
    CU_ASSERT_EQUAL(url.n, 4);
    server(&url, 0, "tls://a.example:4222", "a.example", "a.example:4222", true);
    server(&url, 1, "nats://u:p@w@127.0.0.1:1", "127.0.0.1", "127.0.0.1:1", false);
    server(&url, 2, "tls://[::1]:65535", "::1", "[::1]:65535", true);
    server(&url, 3, "tls://[fe80::1]:4222", "fe80::1", "[fe80::1]:4222", true);
    CU_ASSERT_EQUAL(url.servers[0].port, 4222);
    CU_ASSERT_EQUAL(url.servers[1].port, 1);
    CU_ASSERT_EQUAL(url.servers[2].port, 65535);
    CU_ASSERT_EQUAL(url.servers[3].port, 4222);
    js_url_deinit(&url);
}

static void test_reader(void)
{
    struct err err = ERR_INIT;
    struct js_url url;

    CU_ASSERT_EQUAL_FATAL(js_url_parse(&url, "nats://a:1,b", true, &err), 0);
    CU_ASSERT_EQUAL(url.n, 2);
    CU_ASSERT_PTR_NULL(url.stream);
    js_url_deinit(&url);
    CU_ASSERT_EQUAL_FATAL(
        js_url_parse(&url, "nats://a:1,tls://b/X_Y?ca=/a/b.pem&credentials=/c", true, &err), 0);
    server(&url, 0, "nats://a:1", "a", "a:1", false);
    server(&url, 1, "tls://b:4222", "b", "b:4222", true);
    CU_ASSERT_STRING_EQUAL(url.stream, "X_Y");
    CU_ASSERT_STRING_EQUAL(url.ca, "/a/b.pem");
    CU_ASSERT_STRING_EQUAL(url.credentials, "/c");
    js_url_deinit(&url);
    CU_ASSERT_EQUAL_FATAL(js_url_parse(&url, "nats://a/?ca=x", true, &err), 0);
    CU_ASSERT_PTR_NULL(url.stream);
    CU_ASSERT_STRING_EQUAL(url.ca, "x");
    js_url_deinit(&url);
    CU_ASSERT_EQUAL_FATAL(js_url_parse(&url, "tls://a:1,b?credentials=/c/d", true, &err), 0);
    CU_ASSERT_EQUAL(url.n, 2);
    CU_ASSERT_PTR_NULL(url.stream);
    CU_ASSERT_STRING_EQUAL(url.credentials, "/c/d");
    js_url_deinit(&url);
}

static void refuse(const char *text, bool reader)
{
    struct err err = ERR_INIT;
    struct js_url url;

    CU_ASSERT_EQUAL(js_url_parse(&url, text, reader, &err), -EINVAL);
    CU_ASSERT_TRUE(err.text[0] != '\0');
    CU_ASSERT_PTR_NULL(strstr(err.text, "s3cret"));
}

static void test_refused(void)
{
    static const char *const NONE[] = {
        "",
        "a",
        "http://a",
        "nats://",
        "nats://a,",
        "nats://,a",
        "nats://a:",
        "nats://a:0",
        "nats://a:65536",
        "nats://a:1x",
        "nats:///",
        "nats://[::1",
        "nats://[]:1",
        "nats://[x]:1",
        "nats://u:s3cret@",
        "nats://a b",
        "nats://a\n",
        "nats://a%20",
        "nats://a?x",
        "nats://u:s3cret@a.example",
        "nats://s3cret@a.example",
        "nats://u:s3cret@10.0.0.1:4222",
        "nats://a,nats://u:s3cret@b",
        "tls://a,nats://u:s3cret@b",
        "nats://u:s3cret@[fe80::1]",
    };
    char many[32 * JS_SERVERS_MAX], *longest;

    for (size_t i = 0; i < sizeof(NONE) / sizeof(NONE[0]); i++) {
        refuse(NONE[i], false);
        refuse(NONE[i], true);
    }
    {
        struct err err = ERR_INIT;
        struct js_url url;

        CU_ASSERT_EQUAL(
            js_url_parse(&url, "nats://u:p@localhost,u:p@[::1],tls://u:p@a,nats://b", false, &err),
            0);
        js_url_deinit(&url);
    }
    refuse("nats://a/b", false);
    refuse("nats://a?ca=x", false);
    refuse("nats://a/b.c", true);
    refuse("nats://a/b?x=y", true);
    refuse("nats://a/b?ca=", true);
    refuse("nats://a/b?ca=x&ca=y", true);
    refuse("nats://a/b/c", true);
    (void)strcpy(many, "nats://a");
    for (int i = 1; i < JS_SERVERS_MAX; i++)
        (void)strcat(many, ",a");
    {
        struct err err = ERR_INIT;
        struct js_url url;

        CU_ASSERT_EQUAL(js_url_parse(&url, many, false, &err), 0);
        CU_ASSERT_EQUAL(url.n, JS_SERVERS_MAX);
        js_url_deinit(&url);
    }
    (void)strcat(many, ",a");
    refuse(many, false);
    CU_ASSERT_TRUE_FATAL(asprintf(&longest, "nats://%0*d", JS_URL_MAX - 6, 0) > 0);
    refuse(longest, false);
    free(longest);
}

static const struct unit_case CASES[] = {
    {"servers", test_servers},
    {"reader", test_reader},
    {"refused", test_refused},
};

UNIT_MAIN("js_url", CASES)
