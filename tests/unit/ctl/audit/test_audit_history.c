#include "ctl/audit/audit_history.h"
#include "unit/unit.h"

#include <stdio.h>

static void add(struct audit_history *h, const char *method, const char *fields, uint64_t seq,
                enum audit_effect effect)
{
    struct audit_facts facts = {0};
    char text[512];
    int n =
        snprintf(text, sizeof(text),
                 "{\"time\":\"t\",\"id\":\"r\",\"client\":{},\"method\":\"%s\",\"fields\":{%s}}",
                 method, fields);

    CU_ASSERT_EQUAL_FATAL(audit_facts_read(&facts, slice_of(text, (size_t)n)), 0);
    CU_ASSERT_EQUAL(audit_history_add(h, &facts, seq, effect), 0);
    audit_facts_deinit(&facts); /* what was added stays */
}

/* "value@seq", then "?value@seq" of what may have been set since. */
static void expect(const struct audit_history *h, const char *name, const char *wanted)
{
    struct json_object *known = audit_history_get(h->fields, name);
    struct json_object *maybe = audit_history_get(known, "maybe");
    char got[128] = "";

    for (int i = 0; i < 2; i++) {
        struct json_object *s = i ? maybe : known;
        struct json_object *value = audit_history_get(s, "value");
        size_t n = strlen(got);

        if (value)
            (void)snprintf(
                got + n, sizeof(got) - n, "%s%s@%d", i ? "?" : "", json_object_get_string(value),
                json_object_get_int(audit_history_get(audit_history_get(s, "by"), "seq")));
    }
    CU_ASSERT_STRING_EQUAL(got, wanted);
}

static void the_newest_counts(void)
{
    struct audit_history h;

    CU_ASSERT_EQUAL_FATAL(audit_history_init(&h), 0);
    add(&h, "PUT", "\"a\":\"1\",\"b\":\"1\"", 1, AUDIT_EFFECT_DONE);
    add(&h, "PUT", "\"a\":\"3\"", 3, AUDIT_EFFECT_DONE);
    add(&h, "PUT", "\"a\":\"2\",\"b\":\"2\"", 2, AUDIT_EFFECT_DONE); /* its outcome came late */
    add(&h, "PUT", "\"b\":\"4\"", 4, AUDIT_EFFECT_NONE);
    expect(&h, "a", "3@3");
    expect(&h, "b", "2@2");
    expect(&h, "c", "");
    audit_history_deinit(&h);
}

static void doubt(void)
{
    struct audit_history h;

    CU_ASSERT_EQUAL_FATAL(audit_history_init(&h), 0);
    add(&h, "PUT", "\"a\":\"1\"", 1, AUDIT_EFFECT_DONE);
    add(&h, "PUT", "\"a\":\"3\",\"b\":\"3\"", 3, AUDIT_EFFECT_DOUBT);
    expect(&h, "a", "1@1?3@3");
    expect(&h, "b", "?3@3");
    add(&h, "PUT", "\"a\":\"2\"", 2, AUDIT_EFFECT_DOUBT);
    expect(&h, "a", "1@1?3@3");
    add(&h, "PUT", "\"b\":\"2\"", 2, AUDIT_EFFECT_DONE);
    expect(&h, "b", "2@2?3@3");
    add(&h, "PUT", "\"a\":\"4\",\"b\":\"4\"", 4, AUDIT_EFFECT_DONE);
    expect(&h, "a", "4@4");
    expect(&h, "b", "4@4");
    audit_history_deinit(&h);
}

static void a_deletion(void)
{
    struct audit_history h;

    CU_ASSERT_EQUAL_FATAL(audit_history_init(&h), 0);
    add(&h, "PUT", "\"a\":\"1\",\"b\":\"1\"", 1, AUDIT_EFFECT_DONE);
    add(&h, "DELETE", "", 2, AUDIT_EFFECT_DOUBT);
    expect(&h, "a", "1@1");
    CU_ASSERT(h.maybe_deleted && !h.deleted);
    add(&h, "PUT", "\"b\":\"5\"", 5, AUDIT_EFFECT_DONE);
    add(&h, "PUT", "\"c\":\"1\"", 1, AUDIT_EFFECT_DONE);
    add(&h, "PUT", "\"c\":\"6\"", 6, AUDIT_EFFECT_DOUBT);
    add(&h, "DELETE", "", 4, AUDIT_EFFECT_DONE);
    expect(&h, "a", "");
    expect(&h, "b", "5@5");
    expect(&h, "c", "?6@6");
    add(&h, "PUT", "\"a\":\"3\"", 3, AUDIT_EFFECT_DONE); /* before the deletion */
    expect(&h, "a", "");
    CU_ASSERT(h.deleted != NULL);
    audit_history_deinit(&h);
}

static void effects(void)
{
    static const struct {
        uint32_t status;
        const char *sent;
        enum audit_effect effect;
    } CASES[] = {
        {200, "all", AUDIT_EFFECT_DONE},    {204, "all", AUDIT_EFFECT_DONE},
        {404, "all", AUDIT_EFFECT_NONE},    {499, "none", AUDIT_EFFECT_NONE},
        {500, "all", AUDIT_EFFECT_DOUBT},   {302, "all", AUDIT_EFFECT_DOUBT},
        {0, "none", AUDIT_EFFECT_NONE},     {0, "partial", AUDIT_EFFECT_DOUBT},
        {0, "unknown", AUDIT_EFFECT_DOUBT}, {0, "", AUDIT_EFFECT_DOUBT},
    };

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct audit_facts f = {.status = CASES[i].status, .sent = slice_str(CASES[i].sent)};

        CU_ASSERT_EQUAL(audit_effect_of(&f), CASES[i].effect);
    }
    CU_ASSERT_EQUAL(audit_effect_of(NULL), AUDIT_EFFECT_DOUBT);
}

static const struct unit_case CASES[] = {
    {"the newest counts", the_newest_counts},
    {"doubt", doubt},
    {"a deletion", a_deletion},
    {"effects", effects},
};

UNIT_MAIN("audit_history", CASES)
