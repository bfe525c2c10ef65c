#include "keeper/keeper_conf.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int load(struct keeper_conf *c, const char *text, struct err *err)
{
    char path[] = "/tmp/test_keeper_conf.XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC), r;

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    *c = (struct keeper_conf){0};
    r = keeper_conf_load(c, path, err);
    unlink(path);
    return r;
}

static void test_all(void)
{
    struct err err = ERR_INIT;
    struct keeper_conf c;

    CU_ASSERT_EQUAL_FATAL(
        load(&c,
             "socket = \"/s\"; socket_mode = \"0660\"; keys = \"/k\";\n"
             "audit = { directory = \"/a\"; durability = \"fsync\"; segment_bytes = 4096; "
             "segment_age = 60.0; heartbeat = 1.5; quota = 8192; receipts = ( \"/r/a.receipt\", "
             "\"/r/b.receipt\" ); };\n"
             "log_level = \"debug\"; sandbox = \"off\"; clients = \"anyone\"; limits = { rejects = "
             "7; };",
             &err),
        0);
    CU_ASSERT_STRING_EQUAL(c.socket, "/s");
    CU_ASSERT_EQUAL(c.socket_mode, 0660);
    CU_ASSERT_STRING_EQUAL(c.keys, "/k");
    CU_ASSERT_STRING_EQUAL(c.audit_directory, "/a");
    CU_ASSERT_EQUAL(c.log_level, LOG_LEVEL_DEBUG);
    CU_ASSERT_FALSE(c.sandbox);
    CU_ASSERT_TRUE(c.policy->anyone);
    CU_ASSERT_EQUAL(c.rejects, 7);
    CU_ASSERT_EQUAL(c.segment_bytes, 4096);
    CU_ASSERT_EQUAL(c.segment_age_us, 60000000);
    CU_ASSERT_EQUAL(c.heartbeat_us, 1500000);
    CU_ASSERT_EQUAL(c.quota, 8192);
    CU_ASSERT_EQUAL_FATAL(c.receipts.n, 2);
    CU_ASSERT_STRING_EQUAL(c.receipts.list[1], "/r/b.receipt");
    keeper_conf_deinit(&c);
    CU_ASSERT_EQUAL(c.receipts.n, 0);
    CU_ASSERT_PTR_NULL(c.socket);
}

#define LEAST "socket = \"/s\"; audit = { directory = \"/a\"; };\n"

static void test_defaults(void)
{
    struct err err = ERR_INIT;
    struct keeper_conf c;
    size_t len;

    unsetenv("CREDENTIALS_DIRECTORY");
    CU_ASSERT_EQUAL_FATAL(load(&c, LEAST "clients = \"anyone\";", &err), 0);
    CU_ASSERT_EQUAL(c.socket_mode, 0600);
    CU_ASSERT_EQUAL(c.log_level, LOG_LEVEL_INFO);
    CU_ASSERT(c.sandbox);
    CU_ASSERT_EQUAL(c.rejects, 10);
    CU_ASSERT_EQUAL(c.segment_bytes, 67108864);
    CU_ASSERT_EQUAL(c.segment_age_us, UINT64_C(86400000000));
    CU_ASSERT_EQUAL(c.heartbeat_us, UINT64_C(3600000000));
    CU_ASSERT_EQUAL(c.receipts.n, 0);
    CU_ASSERT_EQUAL(c.quota, 0);
    len = strlen(c.keys);
    CU_ASSERT(len > 24 && strcmp(c.keys + len - 24, "/cention-proxy/keys.conf") == 0);
    keeper_conf_deinit(&c);

    setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x", 1);
    CU_ASSERT_EQUAL_FATAL(load(&c, LEAST "clients = \"anyone\";", &err), 0);
    CU_ASSERT_STRING_EQUAL(c.keys, "/run/credentials/x/keys.conf");
    keeper_conf_deinit(&c);
    CU_ASSERT_EQUAL_FATAL(load(&c, LEAST "keys = \"/k\"; clients = \"anyone\";", &err), 0);
    CU_ASSERT_STRING_EQUAL(c.keys, "/k");
    keeper_conf_deinit(&c);
    unsetenv("CREDENTIALS_DIRECTORY");
}

#define FIELDS "socket = \"/s\";\naudit = { directory = \"/a\";\n"

/* What a rule for PUT /v1/area/7, or the answer to it, says of the field; -1: nothing. */
static int says_of(const struct keeper_conf *c, enum redaction_in of, const char *name)
{
    const struct redaction_rule *selected[REDACTION_RULES_MAX];
    size_t n =
        redaction_rules_select(c->fields, of, SLICE_LIT("PUT"), SLICE_LIT("/v1/area/7"), selected);
    const struct redaction_rule *rule = redaction_rules_find(selected, n, slice_str(name));

    return rule ? (int)rule->keep : -1;
}

static int says(const struct keeper_conf *c, const char *name)
{
    return says_of(c, REDACTION_REQUEST, name);
}

static void test_fields(void)
{
    struct err err = ERR_INIT;
    struct keeper_conf c;

    CU_ASSERT_EQUAL_FATAL(
        load(&c,
             FIELDS "fields = ( { method = \"PUT\"; path = \"/v1/area/:id\"; field = \"a[].b\"; "
                    "keep = \"mac\"; }, { field = \"a\"; keep = \"omit\"; }, { method = \"POST\"; "
                    "field = \"b\"; keep = \"omit\"; }, { field = \"c\"; keep = \"plain\"; }, "
                    "{ in = \"answer\"; field = \"d\"; keep = \"omit\"; }, "
                    "{ in = \"request\"; field = \"e\"; keep = \"omit\"; } ); }; "
                    "clients = \"anyone\";",
             &err),
        0);
    CU_ASSERT_EQUAL(says(&c, "a"), RECORD_MAC);
    CU_ASSERT_EQUAL(says(&c, "b"), -1);
    CU_ASSERT_EQUAL(says(&c, "c"), RECORD_PLAIN);
    CU_ASSERT_EQUAL(says(&c, "d"), -1);
    CU_ASSERT_EQUAL(says(&c, "e"), RECORD_OMIT);
    CU_ASSERT_EQUAL(says_of(&c, REDACTION_ANSWER, "c"), RECORD_PLAIN);
    CU_ASSERT_EQUAL(says_of(&c, REDACTION_ANSWER, "d"), RECORD_OMIT);
    CU_ASSERT_EQUAL(says_of(&c, REDACTION_ANSWER, "e"), -1);
    keeper_conf_deinit(&c);
    CU_ASSERT_PTR_NULL(c.fields);
    CU_ASSERT_EQUAL_FATAL(load(&c, FIELDS "fields = (); }; clients = \"anyone\";", &err), 0);
    CU_ASSERT_EQUAL(says(&c, "a"), -1);
    keeper_conf_deinit(&c);
}

static void test_errors(void)
{
    static const struct {
        const char *text, *says; /* part of the message */
    } CASES[] = {
        {"", "socket: missing"},
        {"socket = \"/s\";", "audit: missing"},
        {"socket = \"/s\"; audit = { };", "audit.directory: missing"},
        {"socket = \"\"; audit = { directory = \"/a\"; };", ":1: socket: must not be empty"},
        {"socket = 1; audit = { directory = \"/a\"; };", ":1: socket: must be a string"},
        {LEAST "sokcet = \"/s\";", ":2: sokcet: unknown setting"},
        {"socket = \"/s\";\naudit = { directory = \"/a\"; x = 1; };", ":2: audit.x: unknown"},
        {"socket = \"/s\";\naudit = { directory = \"/a\";\n durability = \"none\"; };",
         ":3: audit.durability: \"none\" is none of \"fsync\""},
        {"socket = \"/s\";\naudit = { directory = \"/a\";\n segment_bytes = 4095; };",
         ":3: audit.segment_bytes: "},
        {"socket = \"/s\";\naudit = { directory = \"/a\";\n segment_age = 59; };",
         ":3: audit.segment_age: "},
        {"socket = \"/s\";\naudit = { directory = \"/a\";\n heartbeat = 0.5; };",
         ":3: audit.heartbeat: "},
        {FIELDS "receipts = 1; };", ":3: audit.receipts: "},
        {FIELDS "receipts = (); };", ":3: audit.receipts: "},
        {FIELDS "receipts = \"/r/a\"; };", ":3: audit.receipts: must be the path of a file NAME"},
        {FIELDS "receipts = ( \"/r/a.receipt\", \"/s/a.receipt\" ); };",
         ":3: audit.receipts: has two files of the same name"},
        {FIELDS "quota = 8192; };", ":3: audit.quota: has no meaning without receipts"},
        {FIELDS "receipts = \"/r/a.receipt\";\n quota = 134217727; };",
         ":4: audit.quota: must be at least twice segment_bytes"},
        {FIELDS "receipts = \"/r/a.receipt\";\n quota = -1; };", ":4: audit.quota: "},
        {FIELDS "fields = \"x\"; };", ":3: audit.fields: must be a list of groups"},
        {FIELDS "fields = ( \"x\" ); };", ":3: audit.fields: element 1 must be a group"},
        {FIELDS "fields = ( { keep = \"mac\"; } ); };", ":3: audit.fields[0].field: missing"},
        {FIELDS "fields = ( { field = \"a\"; } ); };", ":3: audit.fields[0].keep: missing"},
        {FIELDS "fields = ( { field = \"a\"; keep = \"hide\"; } ); };",
         ":3: audit.fields[0].keep: \"hide\" is none of \"plain\", \"mac\", \"omit\""},
        {FIELDS "fields = ( { field = 1; keep = \"mac\"; } ); };",
         ":3: audit.fields[0].field: must be a string"},
        {FIELDS "fields = ( { field = \"a\"; keep = \"mac\"; },\n"
                "{ field = \"b[x]\"; keep = \"mac\"; } ); };",
         ":4: audit.fields[1].field: must be the path of a field"},
        {FIELDS "fields = ( { field = \"a\"; keep = \"mac\"; x = 1; } ); };",
         ":3: audit.fields[0].x: unknown setting; known here: method, path, field, keep"},
        {FIELDS "fields = ( { method = \"GET\"; field = \"a\"; keep = \"mac\"; } ); };",
         ":3: audit.fields[0].method: must be \"POST\""},
        {FIELDS "fields = ( { path = \"/area\"; field = \"a\"; keep = \"mac\"; } ); };",
         ":3: audit.fields[0].path: must be an api-path"},
        {FIELDS "fields = ( { field = \"a[].b\"; keep = \"plain\"; } ); };",
         ":3: audit.fields[0].keep: a part of a value can't be kept plain by itself"},
        {"socket = \"/s\"; audit = \"/a\";", "audit: must be a group"},
        {LEAST "keys = \"\";", ":2: keys: must not be empty"},
        {LEAST "log_level = \"loud\";", ":2: log_level: \"loud\" is none of"},
        {LEAST "sandbox = \"on\";", ":2: sandbox: \"on\" is none of"},
        {LEAST "socket_mode = 0600;", ":2: socket_mode: must be a string"},
        {LEAST "socket_mode = \"\";", ":2: socket_mode: must be an octal mode"},
        {LEAST "socket_mode = \"600 \";", ":2: socket_mode: must be an octal mode"},
        {LEAST "socket_mode = \"0680\";", ":2: socket_mode: must be an octal mode"},
        {LEAST "socket_mode = \"1700\";", ":2: socket_mode: must be an octal mode"},
        {LEAST "socket_mode = \"-600\";", ":2: socket_mode: must be an octal mode"},
        {LEAST "socket_mode = \"0666\";", ":2: socket_mode: must give nothing to others"},
        {LEAST, "clients: missing: name who may have requests signed"},
        {LEAST "limits = { rejects = 0; };", ":2: limits.rejects: "},
        {LEAST "limits = { x = 1; };", ":2: limits.x: unknown setting"},
        {LEAST "x", ":2: syntax error"},
    };

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct err err = ERR_INIT;
        struct keeper_conf c;

        CU_ASSERT_EQUAL(load(&c, CASES[i].text, &err), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, CASES[i].says));
        CU_ASSERT_EQUAL(strncmp(err.text, "/tmp/test_keeper_conf.", 22), 0);
        CU_ASSERT_PTR_NULL(c.socket);
    }
}

static void test_missing(void)
{
    struct keeper_conf c = {0};
    struct err err = ERR_INIT;

    CU_ASSERT_EQUAL(keeper_conf_load(&c, "/none/keeper.conf", &err), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/none/keeper.conf"));
    keeper_conf_deinit(&c);
}

/* The sample loads, and shows every setting. */
static void test_sample(void)
{
    static const char *const SETTINGS[] = {
        "socket",        "socket_mode", "keys",      "audit",  "directory", "durability",
        "segment_bytes", "segment_age", "heartbeat", "fields", "receipts",  "quota",
        "method",        "path",        "field",     "keep",   "log_level"};
    struct keeper_conf c = {0};
    struct err err = ERR_INIT;
    size_t n = 0;
    char *text = unit_file(UNIT_SRCDIR "/conf/keeper.conf", &n);

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_EQUAL(keeper_conf_load(&c, UNIT_SRCDIR "/conf/keeper.conf", &err), 0);
    CU_ASSERT_STRING_EQUAL(c.socket, "/run/cention-proxy/keeper.sock");
    for (size_t i = 0; i < sizeof(SETTINGS) / sizeof(SETTINGS[0]); i++) {
        char setting[64];

        snprintf(setting, sizeof(setting), "%s = ", SETTINGS[i]);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, setting));
    }
    free(text);
    keeper_conf_deinit(&c);
}

static const struct unit_case CASES[] = {
    {"every setting", test_all}, {"defaults", test_defaults}, {"fields", test_fields},
    {"errors", test_errors},     {"no file", test_missing},   {"the sample file", test_sample},
};

UNIT_MAIN("keeper_conf", CASES)
