#include "base/log.h"
#include "keeper/audit.h"
#include "unit/unit.h"

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

static char folder[] = "/tmp/test_audit.XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void setup(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
}

static void cleanup(void)
{
    unit_remove(folder);
}

static void put_file(const char *name, const char *text)
{
    FILE *f = fopen(in_folder(name), "w");

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

/* Whether a line tells of the log itself, not of what it is kept for. */
static bool structural(const char *line)
{
    return strncmp(line, "\"type\":\"segment\"", 16) == 0 ||
           strncmp(line, "\"type\":\"checkpoint\"", 19) == 0 ||
           strncmp(line, "\"type\":\"epoch\"", 14) == 0;
}

/* Puts as many dashes in place of n bytes wherever they follow `what`. */
static void blank(char *text, const char *what, size_t n)
{
    for (char *p = text; (p = strstr(p, what)); p += strlen(what))
        memset(p + strlen(what), '-', n);
}

/*
 * The text of a file, with times and what depends on a random key blanked, without hashes and
 * structural lines. Free it.
 */
static char *log_text(const char *name)
{
    size_t n = 0;
    char *text = unit_file(in_folder(name), &n), *p = text;

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    blank(text, "\"time\":\"", 27);
    blank(text, "\"body_mac\":\"", 64);
    blank(text, "\"fields_key\":\"", 16);
    blank(text, "\"key_id\":\"", 16);
    for (p = text; (p = strstr(p, ",\"h\":\"")); p++)
        memmove(p, p + CHAIN_TAIL - 1, strlen(p + CHAIN_TAIL - 1) + 1);
    for (p = text; *p;) {
        char *type = strstr(p, "\"type\""), *end = strchr(p, '\n');

        if (end && type && type < end && structural(type))
            memmove(p, end + 1, strlen(end + 1) + 1);
        else
            p = end ? end + 1 : p + strlen(p);
    }
    return text;
}

#define TIME "\"time\":\"---------------------------\""
#define START                                                                                      \
    "\"type\":\"start\",\"version\":\"1\",\"pid\":2,\"fields_key\":\"----------------\"}\n"
#define NEW_KEY  "\"type\":\"fields\",\"event\":\"key_created\",\"key_id\":\"----------------\"}\n"
#define MAC_TEXT "----------------------------------------------------------------"

static unsigned syncs, writes;
static unsigned fail_sync, fail_write; /* the how many-th fails; 0: none */
static size_t most;                    /* bytes of one write; 0: any */
static int write_error;

static ssize_t test_write(int fd, const void *data, size_t n)
{
    writes++;
    if (writes == fail_write) {
        errno = write_error;
        return write_error ? -1 : 0;
    }
    return write(fd, data, most && n > most ? most : n);
}

static int test_sync(int fd)
{
    syncs++;
    if (syncs == fail_sync) {
        errno = EIO;
        return -1;
    }
    return fdatasync(fd);
}

static const struct audit_io TEST_IO = {test_write, test_sync};
static const struct audit_options IO = {.io = &TEST_IO};

static struct audit *open_audit(const struct audit_options *options)
{
    struct err err = ERR_INIT;
    struct audit *a = NULL;

    syncs = writes = fail_sync = fail_write = 0;
    most = 0;
    write_error = ENOSPC;
    CU_ASSERT_EQUAL_FATAL(audit_open(&a, folder, options, &err), 0);
    CU_ASSERT_EQUAL(audit_begin(a, "1", 2, &err), 0);
    syncs = writes = 0;
    return a;
}

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

/* A write that takes a few bytes at a time loses and repeats none. */
static void test_partial_writes(void)
{
    struct audit *a;
    char *text;

    setup();
    a = open_audit(&IO);
    most = 7;
    fail_write = 3;
    write_error = EINTR;
    CU_ASSERT_EQUAL(audit_config(a, "applied", SLICE_NULL), 0);
    CU_ASSERT_EQUAL(audit_config(a, "applied", SLICE_NULL), 0);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    CU_ASSERT(writes > 20);
    CU_ASSERT_EQUAL(syncs, 1);
    audit_free(a);
    text = log_text("audit-1.jsonl");
    CU_ASSERT_STRING_EQUAL(text,
                           "{\"seq\":2," TIME "," START "{\"seq\":3," TIME "," NEW_KEY
                           "{\"seq\":4," TIME ",\"type\":\"config\",\"result\":\"applied\"}\n"
                           "{\"seq\":5," TIME ",\"type\":\"config\",\"result\":\"applied\"}\n");
    free(text);
    cleanup();
}

static void test_early_write(void)
{
    struct wire_field field = {SLICE_LIT("a"), SLICE_NULL};
    struct wire_sign sign = {.request_id = SLICE_LIT("big"), .n_fields = 1, .fields = &field};
    char *value = malloc(WIRE_BODY_MAX);
    struct audit *a;
    struct stat st;

    setup();
    a = open_audit(&IO);
    /* The longest message, every byte of it escaped. */
    memset(value, 1, WIRE_BODY_MAX);
    field.value = slice_of(value, WIRE_BODY_MAX);
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(audit_intent(a, &sign, SLICE_LIT("k")), 0);
    CU_ASSERT_EQUAL(writes, 2);
    CU_ASSERT_EQUAL(syncs, 0);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    CU_ASSERT_EQUAL(syncs, 1);
    audit_free(a);
    CU_ASSERT_EQUAL(stat(in_folder("audit-1.jsonl"), &st), 0);
    CU_ASSERT(st.st_size > 2 * 6 * WIRE_BODY_MAX);
    a = open_audit(NULL);
    CU_ASSERT_EQUAL(audit_state(a).records, 3);
    audit_free(a);
    free(value);
    cleanup();
}

/* After the first failure everything is refused and the disk is left alone. */
static void expect_latched(struct audit *a)
{
    unsigned w = writes, s = syncs;

    CU_ASSERT_FALSE(audit_state(a).ok);
    CU_ASSERT(audit_state(a).reason[0] != '\0');
    fail_write = fail_sync = 0;
    CU_ASSERT_EQUAL(audit_config(a, "applied", SLICE_NULL), -EIO);
    CU_ASSERT_EQUAL(audit_commit(a), -EIO);
    CU_ASSERT_EQUAL(audit_commit(a), -EIO);
    CU_ASSERT_EQUAL(writes, w);
    CU_ASSERT_EQUAL(syncs, s);
}

static void test_write_failure(void)
{
    struct audit *a;

    setup();
    for (int i = 0; i < 2; i++) {
        a = open_audit(&IO);
        fail_write = 2;
        write_error = i ? 0 : ENOSPC;
        most = 10;
        CU_ASSERT_EQUAL(audit_config(a, "applied", SLICE_NULL), 0);
        CU_ASSERT_EQUAL(audit_commit(a), -EIO);
        CU_ASSERT_EQUAL(syncs, 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(audit_state(a).reason, i ? "Input/output" : "No space left"));
        expect_latched(a);
        audit_free(a);
    }
    /* The next start sets the ten bytes aside and goes on. */
    a = open_audit(NULL);
    CU_ASSERT_EQUAL(audit_state(a).records, 2);
    audit_free(a);
    cleanup();
}

static void test_sync_failure(void)
{
    struct audit *a;

    setup();
    a = open_audit(&IO);
    fail_sync = 1;
    CU_ASSERT_EQUAL(audit_config(a, "applied", SLICE_NULL), 0);
    CU_ASSERT_EQUAL(audit_commit(a), -EIO);
    CU_ASSERT_EQUAL(syncs, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(audit_state(a).reason, "Input/output"));
    expect_latched(a);
    audit_free(a);
    cleanup();
}

/* The kernel's own refusal to write more, in the middle of a record. */
static void test_file_size_limit(void)
{
    struct rlimit before, limit;
    struct err err = ERR_INIT;
    struct audit *a = NULL;

    setup();
    signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_EQUAL(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){.rlim_cur = 100, .rlim_max = before.rlim_max};
    a = open_audit(NULL);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
    CU_ASSERT_EQUAL(audit_config(a, "applied", SLICE_NULL), 0);
    CU_ASSERT_EQUAL(audit_commit(a), -EIO);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &before), 0);
    CU_ASSERT_FALSE(audit_state(a).ok);
    audit_free(a);
    CU_ASSERT_EQUAL(audit_open(&a, folder, NULL, &err), 0);
    CU_ASSERT_EQUAL(audit_begin(a, "1", 2, &err), 0);
    CU_ASSERT(audit_state(a).ok);
    audit_free(a);
    cleanup();
}

static void append(const char *name, const char *text)
{
    FILE *f = fopen(in_folder(name), "a");

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

static void intent(struct audit *a, const char *id)
{
    struct wire_sign sign = {.request_id = slice_str(id), .client = {.uid = WIRE_UID_UNKNOWN}};

    CU_ASSERT_EQUAL(audit_intent(a, &sign, SLICE_LIT("k")), 0);
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
        text, "{\"seq\":2," TIME "," START "{\"seq\":3," TIME "," NEW_KEY "{\"seq\":4," TIME
              ",\"type\":\"intent\",\"id\":\"x\",\"client\":{},"
              "\"fields\":{},\"body_mac\":\"" MAC_TEXT "\",\"key\":\"k\"}\n"
              "{\"seq\":5," TIME "," START "{\"seq\":6," TIME
              ",\"type\":\"recovery\",\"segment\":\"audit-1.jsonl\","
              "\"bytes\":4,\"sha256\":"
              "\"1fae4d0b49fbbcd70a0599598a1973d441aada03bb4e27abd93a6cd35a4e79e5\","
              "\"torn\":\"audit-1.jsonl.torn\"}\n"
              "{\"seq\":7," TIME ",\"type\":\"outcome\",\"id\":\"x\",\"sent\":\"unknown\","
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
    static const struct wire_field FIELDS[] = {
        {SLICE_LIT("a"), SLICE_LIT("bob@example.com")},
        {SLICE_LIT("b"), SLICE_LIT("dropped")},
        {SLICE_LIT("c"), SLICE_LIT("plain")},
    };
    static const struct wire_problem PROBLEM = {SLICE_LIT("b"), SLICE_LIT("invalid_field"),
                                                SLICE_LIT("b: \"dropped\" is not accepted")};
    struct wire_sign sign = {.request_id = slice_str("x"),
                             .client = {.uid = WIRE_UID_UNKNOWN},
                             .n_fields = 3,
                             .fields = FIELDS,
                             .n_problems = 1,
                             .problems = &PROBLEM};
    struct wire_reject reject = {
        .client = {.uid = WIRE_UID_UNKNOWN}, .error = PROBLEM.error, .field = PROBLEM.field};
    struct record_outcome outcome = {.request_id = slice_str("x"),
                                     .sent = "none",
                                     .error = SLICE_LIT("eva@example.com is gone")};
    struct veil_rule_text rule = {NULL, NULL, "b", RECORD_OMIT};
    struct veil_rules *rules = NULL;
    const char *where, *why;
    struct audit_options options = IO;
    struct audit *a;
    char *text;

    setup();
    CU_ASSERT_EQUAL_FATAL(veil_rules_new(&rules), 0);
    CU_ASSERT_EQUAL(veil_rules_add(rules, &rule, &where, &why), 0);
    options.fields = rules;
    a = open_audit(&options);
    CU_ASSERT_EQUAL(audit_intent(a, &sign, SLICE_LIT("k")), 0);
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
    veil_rules_free(rules);
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
    {"partial writes", test_partial_writes},
    {"a batch too large to hold", test_early_write},
    {"a failed write", test_write_failure},
    {"a failed sync", test_sync_failure},
    {"a file size limit", test_file_size_limit},
    {"torn tail and orphans", test_recovery},
    {"how fields are kept", test_fields_kept},
    {"the fields' key", test_fields_key},
    {"damage", test_damage},
    {"the directory and its lock", test_directory},
    {"owners of the directory", test_owners},
};

UNIT_MAIN("audit", CASES)
