#include "unit/keeper/audit/audit_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_append(void)
{
    struct audit *a;
    struct stat st;
    char *text;

    setup();
    a = open_audit(&IO);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    CU_ASSERT_EQUAL(syncs, 0);
    /* Many records, one write and one sync. */
    for (int i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(audit_config(a, "applied", SLICE_NULL), 0);
    CU_ASSERT_EQUAL(writes, 0);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    CU_ASSERT_EQUAL(writes, 1);
    CU_ASSERT_EQUAL(syncs, 1);
    CU_ASSERT_EQUAL(audit_stop(a), 0);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    CU_ASSERT_EQUAL(audit_state(a).records, 105);
    CU_ASSERT_EQUAL(audit_state(a).syncs, 3);
    CU_ASSERT(audit_state(a).ok);
    audit_free(a);
    CU_ASSERT_EQUAL(stat(in_folder("audit-1.jsonl"), &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0640);
    a = open_audit(NULL);
    audit_free(a);
    text = log_text("audit-1.jsonl");
    CU_ASSERT_PTR_EQUAL(strstr(text,
                               "{\"seq\":2," TIME "," START "{\"seq\":3," TIME "," NEW_KEY
                               "{\"seq\":4," TIME ",\"type\":\"config\",\"result\":\"applied\"}\n"),
                        text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "{\"seq\":104," TIME ",\"type\":\"stop\"}\n"
                                        "{\"seq\":106," TIME "," START));
    free(text);
    cleanup();
}

static void test_recovery(void)
{
    struct audit *a;
    char *text;

    setup();
    a = open_audit(NULL);
    intent(a, "x");
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    audit_free(a);
    append("audit-1.jsonl", "{\"se");
    a = open_audit(NULL);
    audit_free(a);
    text = log_text("audit-1.jsonl");
    CU_ASSERT_STRING_EQUAL(
        text,
        "{\"seq\":2," TIME "," START "{\"seq\":3," TIME "," NEW_KEY "{\"seq\":4," TIME
        ",\"type\":\"intent\",\"id\":\"x\",\"client\":{\"vouched\":\"proxy\"},"
        "\"fields\":{},\"body_mac\":\"" MAC_TEXT "\",\"key\":\"k\"}\n"
        "{\"seq\":5," TIME "," START "{\"seq\":6," TIME
        ",\"type\":\"recovery\",\"segment\":\"audit-1.jsonl\","
        "\"bytes\":4,\"sha256\":"
        "\"1fae4d0b49fbbcd70a0599598a1973d441aada03bb4e27abd93a6cd35a4e79e5\","
        "\"torn\":\"audit-1.jsonl.torn\"}\n"
        "{\"seq\":7," TIME ",\"type\":\"outcome\",\"id\":\"x\",\"intent\":4,\"sent\":\"unknown\","
        "\"error\":\"the keeper stopped before the outcome was known\"}\n");
    free(text);
    text = log_text("audit-1.jsonl.torn");
    CU_ASSERT_STRING_EQUAL(text, "{\"se");
    free(text);
    /* Once is enough. */
    a = open_audit(NULL);
    CU_ASSERT_EQUAL(audit_state(a).records, 1);
    audit_free(a);
    cleanup();
}

/* Values and texts on their way into the log; the rules can be changed. */
static void test_fields_kept(void)
{
    static const struct request_field FIELDS[] = {
        {SLICE_LIT("a"), SLICE_LIT("bob@example.com"), REQUEST_STRING},
        {SLICE_LIT("b"), SLICE_LIT("dropped"), REQUEST_STRING},
        {SLICE_LIT("c"), SLICE_LIT("plain"), REQUEST_STRING},
    };
    static const struct request_problem PROBLEM = {SLICE_LIT("b"), SLICE_LIT("invalid_field"),
                                                   SLICE_LIT("b: \"dropped\" is not accepted")};
    struct sign_request sign = {.request_id = slice_str("x"),
                                .client = {.uid = CLIENT_UID_UNKNOWN},
                                .n_fields = 3,
                                .fields = FIELDS,
                                .n_problems = 1,
                                .problems = &PROBLEM};
    struct reject_request reject = {
        .client = {.uid = CLIENT_UID_UNKNOWN}, .error = PROBLEM.error, .field = PROBLEM.field};
    struct record_outcome outcome = {.request_id = slice_str("x"),
                                     .sent = "none",
                                     .error = SLICE_LIT("eva@example.com is gone")};
    struct redaction_rule_text rule = {NULL, NULL, "b", RECORD_OMIT, REDACTION_REQUEST};
    struct redaction_rules *rules = NULL;
    const char *where, *why;
    struct audit_options options = IO;
    struct audit *a;
    char *text;

    setup();
    CU_ASSERT_EQUAL_FATAL(redaction_rules_new(&rules), 0);
    CU_ASSERT_EQUAL(redaction_rules_add(rules, &rule, &where, &why), 0);
    options.fields = rules;
    a = open_audit(&options);
    CU_ASSERT_EQUAL(audit_intent(a, &sign, SLICE_LIT("k")), 0);
    outcome.intent = audit_last_intent(a);
    CU_ASSERT_EQUAL(audit_outcome(a, &outcome), 0);
    CU_ASSERT_EQUAL(audit_reject(a, &reject), 0);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    text = log_text("audit-1.jsonl");
    CU_ASSERT_PTR_NULL(strstr(text, "example.com"));
    CU_ASSERT_PTR_NULL(strstr(text, "dropped"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"fields\":{\"a\":{\"mac\":\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(text,
                                  "\"},\"b\":{\"omitted\":true},\"c\":\"plain\"},\"body_mac\":"
                                  "\"" MAC_TEXT "\",\"problems\":[{\"field\":\"b\","));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"sent\":\"none\",\"error\":\"(withheld: "));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"error\":\"(withheld: the field is kept from the log)\","
                                        "\"field\":\"b\"}\n"));
    free(text);
    audit_fields(a, NULL);
    CU_ASSERT_EQUAL(audit_intent(a, &sign, SLICE_LIT("k")), 0);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    text = log_text("audit-1.jsonl");
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"b\":\"dropped\",\"c\":\"plain\"}"));
    CU_ASSERT_PTR_NULL(strstr(text, "example.com"));
    free(text);
    audit_free(a);
    redaction_rules_free(rules);
    cleanup();
}

/* A log whose key was taken away says that there is a new one; a bad one ends the start. */
static void test_fields_key(void)
{
    struct err err = ERR_INIT;
    struct audit *a;
    char *text;

    setup();
    audit_free(open_audit(NULL));
    audit_free(open_audit(NULL));
    CU_ASSERT_EQUAL(unlink(in_folder(MAC_KEY_FILE)), 0);
    audit_free(open_audit(NULL));
    text = log_text("audit-1.jsonl");
    CU_ASSERT_STRING_EQUAL(text, "{\"seq\":2," TIME "," START "{\"seq\":3," TIME "," NEW_KEY
                                 "{\"seq\":4," TIME "," START "{\"seq\":5," TIME "," START
                                 "{\"seq\":6," TIME "," NEW_KEY);
    free(text);
    CU_ASSERT_EQUAL(chmod(in_folder(MAC_KEY_FILE), 0640), 0);
    CU_ASSERT_EQUAL(audit_check(folder, &err), -EPERM);
    CU_ASSERT_EQUAL(audit_open(&a, folder, NULL, &err), -EPERM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/.fields.key: must be a file of user"));
    cleanup();
}

static void test_damage(void)
{
    struct err err = ERR_INIT;
    struct audit *a;
    char *before, *after, *at;
    size_t n = 0, m = 0;

    setup();
    a = open_audit(NULL);
    intent(a, "x");
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    audit_free(a);
    before = unit_file(in_folder("audit-1.jsonl"), &n);
    at = strstr(before, "\"version\":\"1\"");
    at[11] = '2';
    put_file("audit-1.jsonl", before);
    CU_ASSERT_EQUAL(audit_open(&a, folder, NULL, &err), -EBADMSG);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/audit-1.jsonl: line 2, byte offset "));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "its hash is wrong"));
    /* Nothing is touched. */
    after = unit_file(in_folder("audit-1.jsonl"), &m);
    CU_ASSERT_STRING_EQUAL(before, after);
    CU_ASSERT_NOT_EQUAL(access(in_folder("audit-1.jsonl.torn"), F_OK), 0);
    free(before);
    free(after);
    cleanup();
}

static void test_directory(void)
{
    struct err err = ERR_INIT;
    struct audit *a = NULL, *b = NULL;

    setup();
    CU_ASSERT_EQUAL(audit_check(folder, &err), 0);
    CU_ASSERT_EQUAL(audit_check(in_folder("none"), &err), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/none: "));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "install -d"));
    for (unsigned bits = 020; bits; bits = bits == 020 ? 02 : 0) {
        chmod(folder, 0700 | bits);
        CU_ASSERT_EQUAL(audit_check(folder, &err), -EPERM);
        CU_ASSERT_EQUAL(audit_open(&a, folder, NULL, &err), -EPERM);
    }
    chmod(folder, 0755);
    put_file("audit-1.jsonl", ""); /* a crash at the very beginning: the log begins again */
    CU_ASSERT_EQUAL(audit_check(in_folder("audit-1.jsonl"), &err), -ENOTDIR);
    CU_ASSERT_EQUAL(audit_open(&a, folder, NULL, &err), 0);
    CU_ASSERT_EQUAL(audit_open(&b, folder, NULL, &err), -EAGAIN);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "another keeper"));
    audit_free(a);
    CU_ASSERT_EQUAL(audit_open(&b, folder, NULL, &err), 0);
    audit_free(b);
    cleanup();
}

/* In a child, as user and group 65534. Returns what `run` does, as an exit code. */
static int as_nobody(int (*run)(void))
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0)
        _exit(setgid(65534) < 0 || setuid(65534) < 0 ? 99 : run());
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static int check_is(int code)
{
    struct err err = ERR_INIT;

    return audit_check(folder, &err) == code ? 0 : 1;
}

static int check_no_access(void)
{
    return check_is(-EACCES);
}

static int check_ok(void)
{
    return check_is(0);
}

static void test_owners(void)
{
    struct err err = ERR_INIT;

    if (geteuid() != 0) {
        unit_skip("needs root to make folders of other users");
        return;
    }
    setup();
    chmod(folder, 0755);
    CU_ASSERT_EQUAL(as_nobody(check_no_access), 0);
    CU_ASSERT_EQUAL(chown(folder, 65534, 65534), 0);
    CU_ASSERT_EQUAL(as_nobody(check_ok), 0);
    CU_ASSERT_EQUAL(audit_check(folder, &err), -EPERM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "belongs to user 65534"));
    cleanup();
}

static const struct unit_case CASES[] = {
    {"append and commit", test_append},
    {"torn tail and orphans", test_recovery},
    {"how fields are kept", test_fields_kept},
    {"the fields' key", test_fields_key},
    {"damage", test_damage},
    {"the directory and its lock", test_directory},
    {"owners of the directory", test_owners},
};

UNIT_MAIN("audit", CASES)
