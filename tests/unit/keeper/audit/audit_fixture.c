#include "unit/keeper/audit/audit_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char folder[] = "/tmp/test_audit.XXXXXX";

const char *in_folder(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

/* The intents so far whose outcome is owed, in their order. */
static struct {
    const char *id;
    uint64_t seq;
} owed[64];

void setup(void)
{
    memset(owed, 0, sizeof(owed));
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
}

void cleanup(void)
{
    unit_remove(folder);
}

void put_file(const char *name, const char *text)
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

char *log_text(const char *name)
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

unsigned syncs, writes;
unsigned fail_sync, fail_write;
size_t most;
int write_error;

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

int no_space;

static int test_reserve(int fd, off_t from, off_t n)
{
    if (no_space) {
        errno = no_space;
        return -1;
    }
    return AUDIT_KERNEL.reserve(fd, from, n);
}

const struct audit_io TEST_IO = {.write = test_write, .sync = test_sync, .reserve = test_reserve};
const struct audit_options IO = {.io = &TEST_IO};

struct audit *open_audit(const struct audit_options *options)
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

void append(const char *name, const char *text)
{
    FILE *f = fopen(in_folder(name), "a");

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

void intent(struct audit *a, const char *id)
{
    struct sign_request sign = {.request_id = slice_str(id), .client = {.uid = CLIENT_UID_UNKNOWN}};

    CU_ASSERT_EQUAL(audit_intent(a, &sign, SLICE_LIT("k")), 0);
    memmove(owed, owed + 1, sizeof(owed) - sizeof(owed[0]));
    owed[63].id = id;
    owed[63].seq = audit_last_intent(a);
}

void outcome_of(struct audit *a, const char *id, uint64_t seq)
{
    struct record_outcome o = {
        .request_id = slice_str(id), .intent = seq, .status = 200, .sent = "all"};

    CU_ASSERT_EQUAL(audit_outcome(a, &o), 0);
}

void outcome(struct audit *a, const char *id)
{
    for (unsigned i = 0; i < 64; i++) {
        if (!owed[i].id || strcmp(owed[i].id, id) != 0)
            continue;
        owed[i].id = NULL;
        outcome_of(a, id, owed[i].seq);
        return;
    }
    CU_FAIL("no such intent");
}
