#include "ship/ship_conf.h"

#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

static char path[] = "/tmp/test_ship_conf.XXXXXX";
static struct ship_conf conf;
static struct err err;

static int load(const char *text)
{
    FILE *f;
    int r;

    strcpy(path + strlen(path) - 6, "XXXXXX");
    r = mkstemp(path);
    CU_ASSERT_FATAL(r >= 0);
    f = fdopen(r, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
    ship_conf_deinit(&conf);
    err = ERR_INIT;
    r = ship_conf_load(&conf, path, &err);
    (void)unlink(path);
    return r;
}

#define HEAD  "audit = \"/log\";\nstate = \"/state\";\n"
#define PG    "{ name = \"a\"; type = \"postgresql\"; url = \"host=x\"; "
#define JS    "{ name = \"b\"; type = \"nats\"; url = \"nats://x\"; "
#define SINKS "sinks = ( " PG "} );\n"

/* Fails, and the message names the line, the setting, and says this. */
static void bad(const char *text, unsigned line, const char *setting, const char *why)
{
    char where[128];

    CU_ASSERT_EQUAL(load(text), -EINVAL);
    if (line)
        snprintf(where, sizeof(where), "%s:%u: %s: ", path, line, setting);
    else /* it is nowhere */
        snprintf(where, sizeof(where), "%s: %s: ", path, setting);
    if (strncmp(err.text, where, strlen(where)) != 0 || !strstr(err.text, why)) {
        printf("\n    %s\n    not %s...%s\n", err.text, where, why);
        CU_FAIL("another message");
    }
    CU_ASSERT_PTR_NULL(conf.audit);
}

static void the_least(void)
{
#ifdef CENTION_POSTGRESQL
    CU_ASSERT_EQUAL_FATAL(load(HEAD SINKS), 0);
    CU_ASSERT_STRING_EQUAL(conf.audit, "/log");
    CU_ASSERT_STRING_EQUAL(conf.state, "/state");
    CU_ASSERT(conf.host && *conf.host);
    CU_ASSERT_PTR_NULL(conf.admin);
    CU_ASSERT_EQUAL(conf.delay_us, 50000);
    CU_ASSERT(conf.sandbox);
    CU_ASSERT_EQUAL(conf.log_level, LOG_LEVEL_INFO);
    CU_ASSERT_EQUAL_FATAL(conf.n_sinks, 1);
    CU_ASSERT_EQUAL(conf.sinks[0].type, SHIP_POSTGRESQL);
    CU_ASSERT_STRING_EQUAL(conf.sinks[0].url, "host=x");
    CU_ASSERT_FALSE(conf.sinks[0].receipt);
    CU_ASSERT(conf.sinks[0].standby);
    CU_ASSERT_PTR_NULL(conf.sinks[0].passfile);
    CU_ASSERT_EQUAL(conf.sinks[0].line, 3);
    ship_conf_deinit(&conf);
#endif
}

static void everything(void)
{
#if defined(CENTION_POSTGRESQL) && defined(CENTION_NATS)
    CU_ASSERT_EQUAL_FATAL(
        load(HEAD
             "host = \"h-1.example_x\"; admin = \"/run/a\"; gather = 0; sandbox = \"off\";"
             "log_level = \"debug\"; sinks = ( " PG "receipt = true; passfile = \"/p\"; standby = "
             "false; }, " JS "}, { name = \"c\"; type = \"nats\"; url = \"u\"; stream = \"S_1\"; "
             "replicas = 1; credentials = \"/c\"; ca = \"/ca\"; } );"),
        0);
    CU_ASSERT_STRING_EQUAL(conf.host, "h-1.example_x");
    CU_ASSERT_STRING_EQUAL(conf.admin, "/run/a");
    CU_ASSERT_EQUAL(conf.delay_us, 0);
    CU_ASSERT_FALSE(conf.sandbox);
    CU_ASSERT_EQUAL(conf.log_level, LOG_LEVEL_DEBUG);
    CU_ASSERT_EQUAL_FATAL(conf.n_sinks, 3);
    CU_ASSERT(conf.sinks[0].receipt && !conf.sinks[0].standby);
    CU_ASSERT_STRING_EQUAL(conf.sinks[0].passfile, "/p");
    CU_ASSERT_EQUAL(conf.sinks[1].type, SHIP_NATS);
    CU_ASSERT_STRING_EQUAL(conf.sinks[1].stream, "CENTION_AUDIT");
    CU_ASSERT_EQUAL(conf.sinks[1].replicas, 3);
    CU_ASSERT_PTR_NULL(conf.sinks[1].ca);
    CU_ASSERT_STRING_EQUAL(conf.sinks[2].stream, "S_1");
    CU_ASSERT_EQUAL(conf.sinks[2].replicas, 1);
    CU_ASSERT_STRING_EQUAL(conf.sinks[2].credentials, "/c");
    CU_ASSERT_STRING_EQUAL(conf.sinks[2].ca, "/ca");
    CU_ASSERT_FALSE(conf.sinks[2].receipt);
    ship_conf_deinit(&conf);
#endif
}

static void what_is_wrong(void)
{
    char many[4096] = HEAD "sinks = ( ";

    bad("state = \"/s\"; " SINKS, 0, "audit", "missing");
    bad("audit = \"/log\"; " SINKS, 0, "state", "missing");
    bad("audit = \"\"; " SINKS, 1, "audit", "empty");
    bad(HEAD, 0, "sinks", "missing");
    bad(HEAD "sinks = ();", 3, "sinks", "missing");
    bad(HEAD SINKS "colour = 1;", 4, "colour", "unknown setting");
    bad(HEAD SINKS "gather = 11;", 4, "gather", "");
    bad(HEAD SINKS "gather = -1;", 4, "gather", "");
    bad(HEAD SINKS "host = \"a b\";", 4, "host", "letters");
    bad(HEAD SINKS "sandbox = \"maybe\";", 4, "sandbox", "");
    bad(HEAD SINKS "log_level = \"all\";", 4, "log_level", "");
    bad("audit = \"/state/log\"; state = \"/state/\";" SINKS, 1, "state", "must not hold");
    bad("audit = \"/state\"; state = \"/state\";" SINKS, 1, "state", "must not hold");
    bad("audit = \"/log\"; state = \"/\";" SINKS, 1, "state", "must not hold");
    bad(HEAD "sinks = ( { type = \"nats\"; url = \"u\"; } );", 3, "sinks[0].name", "missing");
    bad(HEAD "sinks = ( { name = \"a b\"; type = \"nats\"; url = \"u\"; } );", 3, "sinks[0].name",
        "letters");
    bad(HEAD "sinks = ( { name = \"a\"; url = \"u\"; } );", 3, "sinks[0].type", "missing");
    bad(HEAD "sinks = ( { name = \"a\"; type = \"kafka\"; url = \"u\"; } );", 3, "sinks[0].type",
        "");
    for (unsigned i = 0; i <= SHIP_SINKS_MAX; i++)
        snprintf(many + strlen(many), sizeof(many) - strlen(many), "%s{ name = \"n%u\"; }",
                 i ? ", " : "", i);
    strcat(many, " );");
    bad(many, 3, "sinks", "at most 16");
}

static void of_postgresql(void)
{
#ifdef CENTION_POSTGRESQL
    bad(HEAD "sinks = ( { name = \"a\"; type = \"postgresql\"; } );", 3, "sinks[0].url", "missing");
    bad(HEAD "sinks = ( " PG "stream = \"x\"; } );", 3, "sinks[0].stream", "unknown setting");
    bad(HEAD "sinks = ( " PG "receipt = 1; } );", 3, "sinks[0].receipt", "");
    bad(HEAD "sinks = ( " PG "},\n " PG "} );", 4, "sinks[1].name", "line 3");
#else
    bad(HEAD SINKS, 3, "sinks[0].type", "this build is without PostgreSQL");
#endif
}

static void of_nats(void)
{
    /* Even where the build has no NATS. */
    bad(HEAD "sinks = ( " JS "receipt = true; } );", 3, "sinks[0].receipt", "no archive receipt");
    bad(HEAD "sinks = ( " JS "passfile = \"x\"; } );", 3, "sinks[0].passfile", "unknown setting");
#ifdef CENTION_NATS
    bad(HEAD "sinks = ( { name = \"a\"; type = \"nats\"; } );", 3, "sinks[0].url", "missing");
    bad(HEAD "sinks = ( " JS "stream = \"a.b\"; } );", 3, "sinks[0].stream", "letters");
    bad(HEAD "sinks = ( " JS "stream = \"a23456789012345678901234567890123\"; } );", 3,
        "sinks[0].stream", "at most 32");
    bad(HEAD "sinks = ( " JS "replicas = 0; } );", 3, "sinks[0].replicas", "");
    bad(HEAD "sinks = ( " JS "replicas = 6; } );", 3, "sinks[0].replicas", "");
#else
    bad(HEAD "sinks = ( " JS "} );", 3, "sinks[0].type", "this build is without NATS");
#endif
}

static void the_sample(void)
{
#ifdef CENTION_POSTGRESQL
    err = ERR_INIT;
    CU_ASSERT_EQUAL(ship_conf_load(&conf, UNIT_SRCDIR "/conf/ship.conf", &err), 0);
    CU_ASSERT_STRING_EQUAL(err.text, "");
    CU_ASSERT_EQUAL(conf.n_sinks, 1);
    CU_ASSERT(conf.sinks[0].receipt);
    ship_conf_deinit(&conf);
#endif
}

static const struct unit_case CASES[] = {
    {"the least", the_least},         {"everything", everything}, {"what is wrong", what_is_wrong},
    {"of postgresql", of_postgresql}, {"of nats", of_nats},       {"the sample", the_sample},
};

UNIT_MAIN("ship_conf", CASES)
