/* Connecting to what is no server; what a real one does is in tests/e2e/test_pg.py. */
#include "central/postgres/pg_link.h"

#include "unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct heard {
    struct loop *loop;
    struct pg_link *link;
    unsigned lost, enough;
    uint64_t times[8];
    char why[PG_WHY];
    bool frees;
};

static void never(void *arg)
{
    (void)arg;
    CU_FAIL("opened");
}

static void no_result(void *arg, PGresult *result)
{
    (void)arg;
    PQclear(result);
    CU_FAIL("a result");
}

static void no_warning(void *arg, const char *text)
{
    (void)arg;
    (void)text;
    CU_FAIL("a warning");
}

static void on_lost(void *arg, const char *why)
{
    struct heard *h = arg;

    if (h->lost < 8)
        h->times[h->lost] = loop_now();
    (void)snprintf(h->why, sizeof(h->why), "%s", why);
    if (++h->lost < h->enough)
        return;
    loop_stop(h->loop);
    if (h->frees) {
        pg_link_free(h->link);
        h->link = NULL;
    }
}

static const struct pg_link_events EVENTS = {never, no_result, no_warning, on_lost};

/* Listens where nobody accepts (`backlog` 0 and up), or only takes a port (-1). */
static int port_of(int backlog, unsigned *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&a, n), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    if (backlog >= 0)
        CU_ASSERT_EQUAL_FATAL(listen(fd, backlog), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static void run(struct heard *h, const char *url)
{
    struct pg_target target;
    struct err err = ERR_INIT;

    CU_ASSERT_EQUAL_FATAL(pg_target_read(&target, url, NULL, false, &err), 0);
    CU_ASSERT_EQUAL_FATAL(loop_new(&h->loop), 0);
    CU_ASSERT_EQUAL_FATAL(pg_link_new(&h->link, h->loop, &target, &EVENTS, h), 0);
    CU_ASSERT_PTR_NULL(pg_link_conn(h->link));
    CU_ASSERT_EQUAL(h->lost, 0); /* never from within a call */
    CU_ASSERT_EQUAL(loop_run(h->loop), 0);
    pg_link_free(h->link);
    loop_free(h->loop);
    pg_target_free(&target);
}

static void test_refused_again_and_again(void)
{
    struct heard h = {.enough = 4};
    unsigned port;
    int fd = port_of(-1, &port);
    char url[128];

    (void)snprintf(url, sizeof(url), "host=127.0.0.1 port=%u user=u sslmode=disable", port);
    run(&h, url);
    CU_ASSERT_EQUAL(h.lost, 4);
    CU_ASSERT_PTR_NOT_NULL(strstr(h.why, "refused"));
    CU_ASSERT_PTR_NULL(strchr(h.why, '\n'));
    /* At least the half of 0.1, 0.2 and 0.4 seconds. */
    CU_ASSERT_TRUE(h.times[1] - h.times[0] >= 49000);
    CU_ASSERT_TRUE(h.times[2] - h.times[1] >= 99000);
    CU_ASSERT_TRUE(h.times[3] - h.times[2] >= 199000);
    (void)close(fd);
}

/* Each is tried, and what each said is told in one. */
static void test_every_host(void)
{
    struct heard h = {.enough = 1, .frees = true};
    unsigned port, silent;
    int fd = port_of(-1, &port), other = port_of(1, &silent);
    char url[256];

    (void)snprintf(url, sizeof(url),
                   "host=127.0.0.1,/nowhere,127.0.0.1 port=%u,5432,%u user=u sslmode=disable "
                   "connect_timeout=1",
                   port, silent);
    run(&h, url);
    CU_ASSERT_PTR_NOT_NULL(strstr(h.why, "refused"));
    CU_ASSERT_PTR_NOT_NULL(strstr(h.why, "/nowhere"));
    CU_ASSERT_PTR_NOT_NULL(strstr(h.why, "; "));
    (void)close(fd);
    (void)close(other);
}

static void test_not_connected_in_time(void)
{
    struct heard h = {.enough = 1};
    uint64_t before = loop_now();
    unsigned port;
    int fd = port_of(1, &port);
    char url[128];

    (void)snprintf(url, sizeof(url),
                   "hostaddr=127.0.0.1 port=%u user=u sslmode=disable connect_timeout=1", port);
    run(&h, url);
    CU_ASSERT_STRING_EQUAL(h.why, "127.0.0.1: not connected within 1 s");
    CU_ASSERT_TRUE(loop_now() - before >= 1000000);
    (void)close(fd);
}

/* localhost is two addresses. */
static void test_every_address(void)
{
    struct heard h = {.enough = 1};
    unsigned port;
    int fd = port_of(-1, &port);
    char url[128];

    (void)snprintf(url, sizeof(url), "host=localhost port=%u user=u sslmode=disable", port);
    run(&h, url);
    CU_ASSERT_PTR_NOT_NULL(strstr(h.why, "127.0.0.1"));
    CU_ASSERT_PTR_NOT_NULL(strstr(h.why, "::1"));
    (void)close(fd);
}

static void test_first_line(void)
{
    char out[PG_WHY], many[2 * PG_WHY];

    pg_first_line(out, "one\ntwo");
    CU_ASSERT_STRING_EQUAL(out, "one");
    pg_first_line(out, NULL);
    CU_ASSERT_STRING_EQUAL(out, "");
    memset(many, 'x', sizeof(many));
    many[sizeof(many) - 1] = '\0';
    pg_first_line(out, many);
    CU_ASSERT_EQUAL(strlen(out), PG_WHY - 1);
}

static const struct unit_case CASES[] = {
    {"refused again and again", test_refused_again_and_again},
    {"every host", test_every_host},
    {"every address", test_every_address},
    {"not connected in time", test_not_connected_in_time},
    {"first line", test_first_line},
};

UNIT_MAIN("pg_link", CASES)
