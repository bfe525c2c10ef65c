#include "central/postgres/pg_target.h"

#include "unit/unit.h"

#include <errno.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

static int take(struct pg_target *t, const char *url, struct err *err)
{
    *err = ERR_INIT;
    return pg_target_read(t, url, NULL, false, err);
}

static void refused(const char *url, const char *why)
{
    struct pg_target t;
    struct err err;

    CU_ASSERT_EQUAL(take(&t, url, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, why));
    CU_ASSERT_PTR_NULL(strstr(err.text, "s3cret"));
    pg_target_free(&t);
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void test_hosts(void)
{
    static const struct {
        const char *url;
        struct {
            const char *host, *hostaddr, *port;
            bool look_up;
        } hosts[4];
        unsigned n, timeout;
    } T[] = {
        {"", {{NULL, NULL, NULL, false}}, 1, PG_CONNECT_TIMEOUT},
        {"postgresql://u@a.example,127.0.0.1:6000,[::1]:7000/db?connect_timeout=3",
         {{"a.example", NULL, NULL, true},
          {"127.0.0.1", NULL, "6000", false},
          {"::1", NULL, "7000", false}},
         3,
         3},
        {"host=a,/run/x port=6000 connect_timeout=0",
         {{"a", NULL, "6000", true}, {"/run/x", NULL, "6000", false}},
         2,
         PG_CONNECT_TIMEOUT},
        {"host=a,b hostaddr=10.0.0.1, port=1,",
         {{"a", "10.0.0.1", "1", false}, {"b", NULL, NULL, true}},
         2,
         PG_CONNECT_TIMEOUT},
        {"hostaddr=10.0.0.1,10.0.0.2 connect_timeout=1000000",
         {{NULL, "10.0.0.1", NULL, false}, {NULL, "10.0.0.2", NULL, false}},
         2,
         PG_CONNECT_TIMEOUT},
        {"host=@abstract", {{"@abstract", NULL, NULL, false}}, 1, PG_CONNECT_TIMEOUT},
    };

    for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
        struct pg_target t;
        struct err err;

        CU_ASSERT_EQUAL(take(&t, T[i].url, &err), 0);
        CU_ASSERT_EQUAL(t.n_hosts, T[i].n);
        CU_ASSERT_EQUAL(t.timeout, T[i].timeout);
        for (unsigned k = 0; k < T[i].n; k++) {
            CU_ASSERT_TRUE(same(t.hosts[k].host, T[i].hosts[k].host));
            CU_ASSERT_TRUE(same(t.hosts[k].hostaddr, T[i].hosts[k].hostaddr));
            CU_ASSERT_TRUE(same(t.hosts[k].port, T[i].hosts[k].port));
            CU_ASSERT_EQUAL(t.hosts[k].look_up, T[i].hosts[k].look_up);
        }
        pg_target_free(&t);
    }
}

static void test_refused(void)
{
    refused("postgresql://u:s3cret@h/db", "holds a password");
    refused("host=h password=s3cret", "holds a password");
    refused("host=h sslpassword=s3cret", "holds a sslpassword");
    refused("s3cret", "no connection string");
    refused("postgresql://u:s3cret@[::1/db", "no connection string");
    refused("postgresql://h/db?s3cret=1", "no connection string");
    refused("host=a,b,c port=1,2", "3 hosts, but 2 ports");
    refused("host=a,b hostaddr=10.0.0.1", "2 hosts, but 1 addresses");
    refused("postgresql://u@db.example/a?sslmode=disable", "asks for sslmode=disable");
    refused("host=db.example sslmode=allow", "asks for sslmode=allow");
    refused("host=10.0.0.1 sslmode=prefer", "asks for sslmode=prefer");
    refused("host=db.example sslmode=require", "verify-full");
    refused("hostaddr=10.0.0.1 host=localhost sslmode=verify-ca", "verify-full");
    refused("host=127.0.0.1,db.example sslmode=disable", "verify-full");
    refused("service=x sslmode=disable", "verify-full");
    refused("host=a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", "more than 16 hosts");
}

/* The value that libpq would take, when it reads the string among them. */
static const char *last(const char *const *keywords, const char *const *values, const char *name)
{
    const char *found = NULL;

    for (; *keywords; keywords++, values++)
        if (strcmp(*keywords, name) == 0)
            found = *values;
    return found;
}

/* What the string asks for, and what the server is asked for. */
static void test_security(void)
{
    static const struct {
        const char *url, *address, *mode, *binding;
    } T[] = {
        {"host=db.example", "10.0.0.1", "verify-full", "require"},
        {"host=db.example", NULL, "verify-full", "require"},
        {"host=10.0.0.1 sslmode=verify-full", NULL, "verify-full", "require"},
        {"host=db.example channel_binding=disable", NULL, "verify-full", "require"},
        {"host=db.example hostaddr=127.0.0.1 sslmode=disable", NULL, "disable", NULL},
        {"host=db.example sslcert=/c sslkey=/k", NULL, "verify-full", NULL},
        {"host=localhost", "127.0.0.1", NULL, NULL},
        {"host=localhost", "10.0.0.1", "verify-full", "require"},
        {"host=127.0.0.1 sslmode=disable", NULL, "disable", NULL},
        {"host=::1 sslmode=require", NULL, "require", NULL},
        {"host=/run/postgresql sslmode=disable", NULL, "disable", NULL},
        {"dbname=audit", NULL, NULL, NULL},
        {"service=x", NULL, "verify-full", "require"},
        {"service=x host=127.0.0.1", NULL, "verify-full", "require"},
    };
    const char *keywords[PG_KEYWORDS_MAX], *values[PG_KEYWORDS_MAX];

    for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++)
        for (int reader = 0; reader < 2; reader++) {
            struct pg_target t;
            struct err err = ERR_INIT;
            const char *mode, *binding;
            PQconninfoOption *given;

            if (reader && T[i].address)
                continue; /* the look-up is libpq's then */
            CU_ASSERT_EQUAL_FATAL(pg_target_read(&t, T[i].url, NULL, reader, &err), 0);
            if (reader)
                pg_target_reader_keywords(&t, keywords, values);
            else
                pg_target_keywords(&t, &t.hosts[0], T[i].address, keywords, values);
            given = PQconninfoParse(T[i].url, NULL);
            mode = last(keywords, values, "sslmode");
            binding = last(keywords, values, "channel_binding");
            for (PQconninfoOption *o = given; o->keyword; o++)
                if (!mode && strcmp(o->keyword, "sslmode") == 0)
                    CU_ASSERT_TRUE(same(o->val, T[i].mode));
            CU_ASSERT_TRUE(!mode || same(mode, T[i].mode));
            CU_ASSERT_TRUE(same(binding, T[i].binding));
            CU_ASSERT_EQUAL(t.can_require, last(keywords, values, "require_auth") != NULL);
            PQconninfoFree(given);
            pg_target_free(&t);
        }
    {
        struct pg_target t;
        struct err err = ERR_INIT;

        CU_ASSERT_EQUAL(pg_target_read(&t, "postgresql://u:p@db.example/a", NULL, true, &err), 0);
        pg_target_free(&t);
        CU_ASSERT_EQUAL(pg_target_read(&t, "postgresql://u:s3cret@db.example/a?sslmode=prefer",
                                       NULL, true, &err),
                        -EINVAL);
        CU_ASSERT_PTR_NULL(strstr(err.text, "s3cret"));
        pg_target_free(&t);
    }
}

static void test_keywords(void)
{
    const char *keywords[PG_KEYWORDS_MAX], *values[PG_KEYWORDS_MAX];
    struct err err = ERR_INIT;
    struct pg_target t;
    PGconn *conn;
    PQconninfoOption *options;

    CU_ASSERT_EQUAL_FATAL(pg_target_read(&t,
                                         "postgresql://u@a.example:6000,b.example/db?"
                                         "target_session_attrs=any&keepalives_idle=99&"
                                         "client_encoding=LATIN1&passfile=/other",
                                         "/pass", false, &err),
                          0);
    pg_target_keywords(&t, &t.hosts[0], "127.0.0.1", keywords, values);
    CU_ASSERT_STRING_EQUAL(last(keywords, values, "host"), "a.example");
    CU_ASSERT_STRING_EQUAL(last(keywords, values, "hostaddr"), "127.0.0.1");
    pg_target_keywords(&t, &t.hosts[1], NULL, keywords, values);
    CU_ASSERT_STRING_EQUAL(last(keywords, values, "host"), "b.example");
    CU_ASSERT_STRING_EQUAL(last(keywords, values, "hostaddr"), "");
    CU_ASSERT_STRING_EQUAL(last(keywords, values, "port"), "5432");
    /* And as libpq understands them. */
    pg_target_keywords(&t, &t.hosts[0], "127.0.0.1", keywords, values);
    conn = PQconnectStartParams(keywords, values, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(conn);
    options = PQconninfo(conn);
    for (PQconninfoOption *o = options; o && o->keyword; o++) {
        static const char *const WANTED[][2] = {{"target_session_attrs", "read-write"},
                                                {"client_encoding", "UTF8"},
                                                {"keepalives_idle", "99"},
                                                {"keepalives_count", "3"},
                                                {"passfile", "/pass"},
                                                {"host", "a.example"},
                                                {"hostaddr", "127.0.0.1"},
                                                {"port", "6000"},
                                                {"user", "u"},
                                                {"dbname", "db"},
                                                {"gssencmode", "disable"},
                                                {"tcp_user_timeout", "30000"}};

        for (size_t i = 0; i < sizeof(WANTED) / sizeof(WANTED[0]); i++)
            if (strcmp(o->keyword, WANTED[i][0]) == 0)
                CU_ASSERT_TRUE(same(o->val, WANTED[i][1]));
    }
    PQconninfoFree(options);
    PQfinish(conn);
    pg_target_free(&t);
}

/* A server without a port beside one with: libpq would count the string's list against one host. */
static void test_a_port_for_one(void)
{
    const char *keywords[PG_KEYWORDS_MAX], *values[PG_KEYWORDS_MAX];
    struct pg_target t;
    struct err err;
    PGconn *conn;

    CU_ASSERT_EQUAL_FATAL(take(&t, "postgresql://a.example:6000,b.example/db", &err), 0);
    pg_target_keywords(&t, &t.hosts[1], "127.0.0.1", keywords, values);
    conn = PQconnectStartParams(keywords, values, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(conn);
    CU_ASSERT_PTR_NULL(strstr(PQerrorMessage(conn), "port numbers"));
    CU_ASSERT_TRUE(same(PQport(conn), "5432"));
    PQfinish(conn);
    pg_target_free(&t);
}

static unsigned ports_of(const char *url, uint16_t ports[PG_HOSTS_MAX])
{
    struct pg_target t;
    struct err err;
    unsigned n;

    CU_ASSERT_EQUAL(take(&t, url, &err), 0);
    n = pg_target_ports(&t, ports);
    pg_target_free(&t);
    return n;
}

static void test_ports(void)
{
    uint16_t ports[PG_HOSTS_MAX];

    CU_ASSERT_EQUAL(unsetenv("PGPORT"), 0);
    CU_ASSERT_EQUAL(ports_of("postgresql://a:6000,b,c:7000/db", ports), 3);
    CU_ASSERT_EQUAL(ports[0], 6000);
    CU_ASSERT_EQUAL(ports[1], 5432);
    CU_ASSERT_EQUAL(ports[2], 7000);
    CU_ASSERT_EQUAL(setenv("PGPORT", "5433", 1), 0);
    CU_ASSERT_EQUAL(ports_of("host=a", ports), 1);
    CU_ASSERT_EQUAL(ports[0], 5433);
    CU_ASSERT_EQUAL(unsetenv("PGPORT"), 0);
    /* What a file of services says isn't known. */
    CU_ASSERT_EQUAL(ports_of("service=x", ports), 0);
    CU_ASSERT_EQUAL(setenv("PGSERVICE", "x", 1), 0);
    CU_ASSERT_EQUAL(ports_of("host=a", ports), 0);
    CU_ASSERT_EQUAL(unsetenv("PGSERVICE"), 0);
}

static const struct unit_case CASES[] = {
    {"hosts", test_hosts},       {"refused", test_refused},
    {"keywords", test_keywords}, {"a port for one", test_a_port_for_one},
    {"ports", test_ports},       {"security", test_security},
};

UNIT_MAIN("pg_target", CASES)
