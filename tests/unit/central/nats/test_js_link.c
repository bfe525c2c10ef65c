#include "central/nats/js_link.h"

#include "unit/unit.h"

static const char *subjects[] = {"cention.audit.x", "another"};

static jsStreamConfig good(void)
{
    jsStreamConfig c;

    js_config_make(&c, "S", subjects, 3);
    return c;
}

static void test_made(void)
{
    jsStreamConfig c = good();

    CU_ASSERT_PTR_NULL(js_config_check(&c, "cention.audit.x", 3));
    CU_ASSERT_STRING_EQUAL(c.Name, "S");
    /* More replicas than asked for are as good. */
    CU_ASSERT_PTR_NULL(js_config_check(&c, "cention.audit.x", 1));
    CU_ASSERT_PTR_NOT_NULL(js_config_check(&c, "cention.audit.y", 3));
    CU_ASSERT_PTR_NOT_NULL(js_config_check(&c, "cention.audit.x", 4));
}

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        jsStreamConfig c = good();                                                                 \
                                                                                                   \
        change;                                                                                    \
        CU_ASSERT_PTR_NOT_NULL(js_config_check(&c, "cention.audit.x", 3));                         \
    } while (0)

static void test_refused(void)
{
    static jsStreamSource source;

    REFUSED(c.SubjectsLen = 2);
    REFUSED(c.SubjectsLen = 0);
    REFUSED(c.Mirror = &source);
    REFUSED(c.SourcesLen = 1);
    REFUSED(c.Sealed = true);
    REFUSED(c.NoAck = true);
    REFUSED(c.Storage = js_MemoryStorage);
    REFUSED(c.Replicas = 1);
    REFUSED(c.Retention = js_InterestPolicy);
    REFUSED(c.Retention = js_WorkQueuePolicy);
    REFUSED(c.MaxAge = 1);
    REFUSED(c.MaxMsgsPerSubject = 1);
    REFUSED((c.MaxMsgs = 5, c.Discard = js_DiscardOld));
    REFUSED((c.MaxBytes = 5, c.Discard = js_DiscardOld));
    REFUSED(c.DenyDelete = false);
    REFUSED(c.DenyPurge = false);
    REFUSED(c.AllowRollup = true);
}

/* A limit at which new ones are refused loses nothing. */
static void test_limits_that_refuse(void)
{
    jsStreamConfig c = good();

    c.MaxBytes = 1000;
    c.MaxMsgs = 1000;
    CU_ASSERT_PTR_NULL(js_config_check(&c, "cention.audit.x", 3));
    c = good();
    c.Discard = js_DiscardOld;
    CU_ASSERT_PTR_NULL(js_config_check(&c, "cention.audit.x", 3));
}

static const struct unit_case CASES[] = {
    {"made", test_made},
    {"refused", test_refused},
    {"limits that refuse", test_limits_that_refuse},
};

UNIT_MAIN("js_link", CASES)
