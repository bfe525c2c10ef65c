/* Values and defaults; the messages for bad files are tested end to end. */
#include "proxy/proxy_conf.h"
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int load(struct proxy_conf *c, const char *text, struct err *err)
{
    char path[] = "/tmp/test_proxy_conf_XXXXXX";
    int fd = mkstemp(path), r;

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
    r = proxy_conf_load(c, path, err);
    (void)unlink(path);
    return r;
}

static void defaults(void)
{
    struct err err = ERR_INIT;
    struct proxy_conf c;

    CU_ASSERT_EQUAL_FATAL(load(&c, "", &err), 0);
    CU_ASSERT_EQUAL(c.n_listen, 1);
    CU_ASSERT_STRING_EQUAL(c.listen[0].address, "127.0.0.1");
    CU_ASSERT_EQUAL(c.listen[0].port, 8080);
    CU_ASSERT_PTR_NULL(c.admin.address);
    CU_ASSERT_STRING_EQUAL(c.upstream.url, "https://api.cention.com");
    CU_ASSERT_EQUAL(c.upstream.connect_timeout_us, 5000000);
    CU_ASSERT_EQUAL(c.upstream.response_timeout_us, 30000000);
    CU_ASSERT_EQUAL(c.total_timeout_us, 120000000);
    CU_ASSERT_EQUAL(c.limits.header_bytes, 16384);
    CU_ASSERT_EQUAL(c.limits.body_bytes, 1048576);
    CU_ASSERT_EQUAL(c.limits.header_timeout_us, 10000000);
    CU_ASSERT_EQUAL(c.limits.body_timeout_us, 30000000);
    CU_ASSERT_EQUAL(c.connections, 1024);
    CU_ASSERT_EQUAL(c.workers, 1);
    CU_ASSERT_EQUAL(c.validation, PROXY_ENFORCE);
    CU_ASSERT_TRUE(c.upstream.http2);
    CU_ASSERT_FALSE(c.literal);
    CU_ASSERT_FALSE(c.nested_json);
    proxy_conf_deinit(&c);
}

static void everything_set(void)
{
    static const char TEXT[] =
        "listen = ( { address = \"::1\"; port = 0; }, { path = \"/s\"; mode = \"0600\"; } );\n"
        "admin = { path = \"/a\"; }; keeper = \"/k\"; keeper_timeout = 1.5;\n"
        "workspace = \"w\"; api = \"/x.json\"; validation = \"warn\"; log_level = \"debug\"; "
        "sandbox = \"off\"; workers = 3;\n"
        "upstream = { url = \"https://h\"; ca_file = \"/c\"; proxy = \"http://p\";\n"
        "  connect_timeout = 1.0; response_timeout = 2; total_timeout = 7.5; max_connections = 3; "
        "queue = 4;\n"
        "  queue_timeout = 0.5; idle_timeout = 6.0; http2 = false; };\n"
        "limits = { header_bytes = 1000; body_bytes = 2000; header_timeout = 3.0;\n"
        "  body_timeout = 4.0; idle_timeout = 5.0; write_timeout = 6.0; drain_timeout = 7.0;\n"
        "  connections = 8; };\n"
        "signature = { authorization = \"literal\"; nested = \"json\"; };\n";
    struct err err = ERR_INIT;
    struct proxy_conf c;

    CU_ASSERT_EQUAL_FATAL(load(&c, TEXT, &err), 0);
    CU_ASSERT_EQUAL(c.n_listen, 2);
    CU_ASSERT_EQUAL(c.listen[0].port, 0);
    CU_ASSERT_STRING_EQUAL(c.listen[1].path, "/s");
    CU_ASSERT_EQUAL(c.listen[1].mode, 0600);
    CU_ASSERT_STRING_EQUAL(c.admin.path, "/a");
    CU_ASSERT_EQUAL(c.admin.mode, 0660);
    CU_ASSERT_EQUAL(c.keeper_timeout_us, 1500000);
    CU_ASSERT_STRING_EQUAL(c.workspace, "w");
    CU_ASSERT_STRING_EQUAL(c.api, "/x.json");
    CU_ASSERT_EQUAL(c.validation, PROXY_WARN);
    CU_ASSERT_EQUAL(c.log_level, LOG_LEVEL_DEBUG);
    CU_ASSERT_FALSE(c.sandbox);
    CU_ASSERT_EQUAL(c.upstream.max_connections, 3);
    CU_ASSERT_EQUAL(c.total_timeout_us, 7500000);
    CU_ASSERT_EQUAL(c.upstream.queue, 4);
    CU_ASSERT_EQUAL(c.upstream.queue_timeout_us, 500000);
    CU_ASSERT_EQUAL(c.upstream.idle_timeout_us, 6000000);
    CU_ASSERT_FALSE(c.upstream.http2);
    CU_ASSERT_STRING_EQUAL(c.upstream.proxy, "http://p");
    CU_ASSERT_EQUAL(c.limits.write_timeout_us, 6000000);
    CU_ASSERT_EQUAL(c.drain_timeout_us, 7000000);
    CU_ASSERT_EQUAL(c.connections, 8);
    CU_ASSERT_EQUAL(c.workers, 3);
    CU_ASSERT_TRUE(c.literal);
    CU_ASSERT_TRUE(c.nested_json);
    proxy_conf_deinit(&c);
}

static void what_needs_a_restart(void)
{
    static const char *const OTHERS[] = {
        "listen = ( { address = \"127.0.0.1\"; port = 1; } );",
        "listen = ( { path = \"/s\"; } );",
        "admin = { path = \"/a\"; };",
        "keeper = \"/k\";",
    };
    struct err err = ERR_INIT;
    struct proxy_conf a, b;

    CU_ASSERT_EQUAL_FATAL(load(&a, "", &err), 0);
    CU_ASSERT_EQUAL_FATAL(load(&b, "workspace = \"w\"; limits = { connections = 1; };", &err), 0);
    CU_ASSERT_TRUE(proxy_conf_same_sockets(&a, &b));
    proxy_conf_deinit(&b);
    for (size_t i = 0; i < sizeof(OTHERS) / sizeof(OTHERS[0]); i++) {
        CU_ASSERT_EQUAL_FATAL(load(&b, OTHERS[i], &err), 0);
        CU_ASSERT_FALSE(proxy_conf_same_sockets(&a, &b));
        proxy_conf_deinit(&b);
    }
    proxy_conf_deinit(&a);
}

static void too_many_workers(void)
{
    struct err err = ERR_INIT;
    struct proxy_conf c;

    CU_ASSERT(load(&c, "workers = 0;", &err) < 0);
    CU_ASSERT(load(&c, "workers = 65;", &err) < 0);
    CU_ASSERT(load(&c, "workers = 4; upstream = { max_connections = 3; };", &err) < 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "max_connections"));
    CU_ASSERT_EQUAL_FATAL(load(&c, "workers = 64;", &err), 0);
    proxy_conf_deinit(&c);
}

static const struct unit_case CASES[] = {
    {"defaults", defaults},
    {"everything set", everything_set},
    {"too many workers", too_many_workers},
    {"what needs a restart", what_needs_a_restart},
};
UNIT_MAIN("proxy_conf", CASES)
