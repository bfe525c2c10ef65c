#include "keeper/redaction/redaction.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define WITHHELD "(withheld: the field is kept from the log)"

struct fixture {
    char folder[32];
    int directory;
    struct redaction *redaction;
    struct mac *mac; /* made from the key file by the test */
    struct redaction_rules *rules;
};

static void setup(struct fixture *f)
{
    unsigned char key[MAC_KEY];
    struct err err = ERR_INIT;
    int fd;

    *f = (struct fixture){.folder = "/tmp/test_veil.XXXXXX"};
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(f->folder));
    f->directory = open(f->folder, O_RDONLY | O_DIRECTORY);
    CU_ASSERT_EQUAL_FATAL(redact_open(&f->redaction, f->directory, f->folder, &err), 0);
    fd = openat(f->directory, MAC_KEY_FILE, O_RDONLY);
    CU_ASSERT_EQUAL_FATAL(mac_key_read(fd, key), 0);
    close(fd);
    CU_ASSERT_EQUAL_FATAL(mac_new(&f->mac, key), 0);
    CU_ASSERT_EQUAL_FATAL(redaction_rules_new(&f->rules), 0);
    redact_use(f->redaction, f->rules);
}

static void cleanup(struct fixture *f)
{
    redact_free(f->redaction);
    redact_free(NULL);
    mac_free(f->mac);
    redaction_rules_free(f->rules);
    close(f->directory);
    unit_remove(f->folder);
}

static void add_rule(const struct fixture *f, const char *path, const char *field,
                     enum record_keep keep)
{
    struct redaction_rule_text rule = {NULL, path, field, keep, REDACTION_REQUEST};
    const char *where, *why;

    CU_ASSERT_EQUAL(redaction_rules_add(f->rules, &rule, &where, &why), 0);
}

/* How a value of that field is kept; a hash must be the one of the key file's key. */
static enum record_keep keep(const struct fixture *f, const char *name, const char *value)
{
    struct request_field field = {slice_str(name), slice_str(value), REQUEST_STRING};
    struct sign_request sign = {.method = SLICE_LIT("PUT"),
                                .path = SLICE_LIT("/v1/area/7"),
                                .n_fields = 1,
                                .fields = &field};
    unsigned char expected[MAC_BYTES];
    struct record_redaction how;
    struct sign_request out;

    CU_ASSERT_EQUAL_FATAL(redact_intent(f->redaction, &sign, &out, &how), 0);
    CU_ASSERT_PTR_EQUAL(out.fields, sign.fields);
    CU_ASSERT_EQUAL(mac_body(f->mac, &field, 1, expected), 0);
    CU_ASSERT(memcmp(how.body_mac, expected, MAC_BYTES) == 0);
    if (how.forms[0].keep == RECORD_MAC) {
        CU_ASSERT_EQUAL(mac_field(f->mac, field.value, expected), 0);
        CU_ASSERT(memcmp(how.forms[0].mac, expected, MAC_BYTES) == 0);
    }
    return how.forms[0].keep;
}

static void test_defaults(void)
{
    struct fixture f;

    setup(&f);
    CU_ASSERT_EQUAL(keep(&f, "name", "Area 1"), RECORD_PLAIN);
    CU_ASSERT_EQUAL(keep(&f, "name", "bob@example.com"), RECORD_MAC);
    CU_ASSERT_EQUAL(keep(&f, "name", "+46 70 123 45 67"), RECORD_MAC);
    CU_ASSERT_EQUAL(keep(&f, "reply_to_email_address", "not an address"), RECORD_MAC);
    CU_ASSERT_EQUAL(keep(&f, "reply_to_email_address", ""), RECORD_PLAIN);
    CU_ASSERT_EQUAL(keep(&f, "external_experts_by_email", "true"), RECORD_PLAIN);
    CU_ASSERT_EQUAL(keep(&f, "external_experts_by_email", "false"), RECORD_PLAIN);
    CU_ASSERT_EQUAL(keep(&f, "external_experts_by_email", "yes"), RECORD_MAC);
    CU_ASSERT_EQUAL(keep(&f, "external_experts_from_address", "x"), RECORD_MAC);
    CU_ASSERT_EQUAL(keep(&f, "external_forward_number", "12345"), RECORD_MAC);
    CU_ASSERT_EQUAL(keep(&f, "done_date", "x:1::true"), RECORD_MAC);
    CU_ASSERT_EQUAL(keep(&f, "external_id", "0012"), RECORD_PLAIN);
    /* Without any rules, too. */
    redact_use(f.redaction, NULL);
    CU_ASSERT_EQUAL(keep(&f, "name", "bob@example.com"), RECORD_MAC);
    CU_ASSERT_EQUAL(keep(&f, "name", "bob"), RECORD_PLAIN);
    cleanup(&f);
}

static void test_rules(void)
{
    struct fixture f;

    setup(&f);
    add_rule(&f, NULL, "name", RECORD_OMIT);
    add_rule(&f, "/v1/area/:id", "reply_to_email_address", RECORD_PLAIN);
    add_rule(&f, "/v1/org/:id", "external_id", RECORD_MAC);
    add_rule(&f, NULL, "server_emails[].name", RECORD_OMIT);
    add_rule(&f, NULL, "active", RECORD_MAC);
    CU_ASSERT_EQUAL(keep(&f, "name", "x"), RECORD_OMIT);
    CU_ASSERT_EQUAL(keep(&f, "name", ""), RECORD_OMIT);
    CU_ASSERT_EQUAL(keep(&f, "reply_to_email_address", "bob@example.com"), RECORD_PLAIN);
    CU_ASSERT_EQUAL(keep(&f, "external_id", "7"), RECORD_PLAIN);
    CU_ASSERT_EQUAL(keep(&f, "server_emails", "-1:bob@example.com:1"), RECORD_OMIT);
    CU_ASSERT_EQUAL(keep(&f, "active", "true"), RECORD_MAC);
    CU_ASSERT_EQUAL(keep(&f, "other", "bob@example.com"), RECORD_MAC);
    add_rule(&f, NULL, "*", RECORD_PLAIN);
    CU_ASSERT_EQUAL(keep(&f, "other", "bob@example.com"), RECORD_PLAIN);
    CU_ASSERT_EQUAL(keep(&f, "name", "x"), RECORD_OMIT);
    cleanup(&f);
}

static void test_no_fields(void)
{
    struct sign_request sign = {.method = SLICE_LIT("DELETE"), .path = SLICE_LIT("/v1/area/7")},
                        out;
    unsigned char expected[MAC_BYTES];
    struct record_redaction how;
    struct fixture f;

    setup(&f);
    CU_ASSERT_EQUAL(redact_intent(f.redaction, &sign, &out, &how), 0);
    CU_ASSERT_EQUAL(mac_body(f.mac, NULL, 0, expected), 0);
    CU_ASSERT(memcmp(how.body_mac, expected, MAC_BYTES) == 0);
    cleanup(&f);
}

/* Equal values have equal hashes, in whatever field and request. */
static void test_matching(void)
{
    static const struct request_field FIELDS[] = {
        {SLICE_LIT("a_email"), SLICE_LIT("bob@example.com"), REQUEST_STRING},
        {SLICE_LIT("b"), SLICE_LIT("bob@example.com"), REQUEST_STRING},
        {SLICE_LIT("c"), SLICE_LIT("eva@example.com"), REQUEST_STRING},
    };
    struct sign_request sign = {.n_fields = 3, .fields = FIELDS}, out;
    struct record_redaction how;
    struct fixture f;

    setup(&f);
    CU_ASSERT_EQUAL(redact_intent(f.redaction, &sign, &out, &how), 0);
    CU_ASSERT(memcmp(how.forms[0].mac, how.forms[1].mac, MAC_BYTES) == 0);
    CU_ASSERT(memcmp(how.forms[0].mac, how.forms[2].mac, MAC_BYTES) != 0);
    cleanup(&f);
}

static void test_texts(void)
{
    static const struct {
        const char *field, *text;
        bool kept;
    } CASES[] = {
        {"time_zone", "time_zone: \"XYZ\" is not a known time zone", true},
        {"time_zone", "time_zone: \"bob@example.com\" is not a known time zone", false},
        {"time_zone", "time_zone: \"0701234567\" is not a known time zone", false},
        {"server_emails[1].id", "server_emails[1].id: is required and not there", false},
        {"done_date.done_date_address", "done_date.done_date_address: 5 is not accepted", false},
        {"contact.phone", "contact.phone: 5 is not accepted", false},
        {"a.b_email", "a.b_email: 5 is not accepted", false},
        {"external_experts_by_email", "external_experts_by_email: 5 is not accepted", false},
        {"secret", "secret: 5 is not accepted", false},
        {"secret.part[3]", "secret.part[3]: 5 is not accepted", false},
        {"secrets", "secrets: 5 is not accepted", true},
        {"hashed[0]", "hashed[0]: 5 is not accepted", false},
        {"open_email", "open_email: \"bob@example.com\" is not accepted", true},
        {"open_email[0].x", "open_email[0].x: \"bob@example.com\" is not accepted", true},
        {"", "/v1/x is not in the API description", true},
        {"", "bob@example.com is not in the API description", false},
    };
    enum { N = sizeof(CASES) / sizeof(CASES[0]) };
    struct request_problem list[N];
    struct sign_request sign = {.n_problems = N, .problems = list}, out;
    struct record_redaction how;
    struct fixture f;

    setup(&f);
    add_rule(&f, NULL, "secret", RECORD_OMIT);
    add_rule(&f, NULL, "hashed", RECORD_MAC);
    add_rule(&f, NULL, "open_email", RECORD_PLAIN);
    for (size_t i = 0; i < N; i++)
        list[i] = (struct request_problem){slice_str(CASES[i].field), SLICE_LIT("invalid_field"),
                                           slice_str(CASES[i].text)};
    CU_ASSERT_EQUAL(redact_intent(f.redaction, &sign, &out, &how), 0);
    CU_ASSERT_EQUAL_FATAL(out.n_problems, N);
    for (size_t i = 0; i < N; i++) {
        const char *expected = CASES[i].kept ? CASES[i].text : WITHHELD;

        CU_ASSERT(slice_eq(out.problems[i].error, slice_str(expected)));
        CU_ASSERT(slice_eq(out.problems[i].field, list[i].field));
        CU_ASSERT(slice_eq(out.problems[i].code, list[i].code));
        /* What the caller has stays as it is. */
        CU_ASSERT(slice_eq(list[i].error, slice_str(CASES[i].text)));
    }
    for (size_t i = 0; i < N; i++) {
        struct reject_request in = {.status = 422,
                                    .code = list[i].code,
                                    .field = list[i].field,
                                    .error = list[i].error,
                                    .n_problems = 1,
                                    .problems = &list[i]};
        struct reject_request rejected;

        redact_reject(f.redaction, &in, &rejected);
        CU_ASSERT_EQUAL(rejected.status, 422);
        CU_ASSERT(slice_eq(rejected.error, out.problems[i].error));
        CU_ASSERT(slice_eq(rejected.problems[0].error, rejected.error));
    }
    CU_ASSERT(
        slice_eq(redact_text(SLICE_LIT("the proxy went away")), SLICE_LIT("the proxy went away")));
    CU_ASSERT(slice_eq(redact_text(SLICE_LIT("no bob@example.com")), slice_str(WITHHELD)));
    cleanup(&f);
}

/* Rules of an endpoint are those of that endpoint's texts alone. */
static void test_texts_by_endpoint(void)
{
    struct reject_request in = {.method = SLICE_LIT("PUT"),
                                .path = SLICE_LIT("/v1/area/7"),
                                .field = SLICE_LIT("f"),
                                .error = SLICE_LIT("f: 5 is not accepted")};
    struct reject_request out;
    struct fixture f;

    setup(&f);
    add_rule(&f, "/v1/area/:id", "f", RECORD_OMIT);
    redact_reject(f.redaction, &in, &out);
    CU_ASSERT(slice_eq(out.error, slice_str(WITHHELD)));
    in.path = SLICE_LIT("/v1/org/7");
    redact_reject(f.redaction, &in, &out);
    CU_ASSERT(slice_eq(out.error, in.error));
    cleanup(&f);
}

static void test_key(void)
{
    char id[MAC_KEY_ID];
    struct redaction *again = NULL;
    struct err err = ERR_INIT;
    struct fixture f;

    setup(&f);
    CU_ASSERT(redact_key_created(f.redaction));
    CU_ASSERT_EQUAL(mac_key_id(f.mac, id), 0);
    CU_ASSERT(slice_eq(redact_key_id(f.redaction), slice_of(id, sizeof(id))));
    CU_ASSERT_EQUAL(redact_open(&again, f.directory, f.folder, &err), 0);
    CU_ASSERT_FALSE(redact_key_created(again));
    CU_ASSERT(slice_eq(redact_key_id(f.redaction), redact_key_id(again)));
    redact_free(again);
    CU_ASSERT_EQUAL(fchmodat(f.directory, MAC_KEY_FILE, 0644, 0), 0);
    CU_ASSERT_EQUAL(redact_open(&again, f.directory, f.folder, &err), -EPERM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, MAC_KEY_FILE));
    cleanup(&f);
}

static const struct unit_case CASES[] = {
    {"defaults", test_defaults},   {"rules", test_rules},
    {"no fields", test_no_fields}, {"equal values", test_matching},
    {"texts", test_texts},         {"texts by endpoint", test_texts_by_endpoint},
    {"the key", test_key},
};

UNIT_MAIN("redaction", CASES)
