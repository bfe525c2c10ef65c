/* Putting back a active segment; what the log then says is in test_ledger.c. */
#include "audit/record.h"
#include "keeper/audit/restore.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/test_restore.XXXXXX";
static struct chain_hash last;

/* A segment of one header, whose key need not be one. */
static void begin(struct active_segment *l)
{
    static const struct record_head HEAD = {1, 1000000};
    struct record_segment s = {.epoch = 1};
    struct buf batch = BUF_INIT(4096);
    struct chain *chain = NULL;
    int directory;

    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *l = (struct active_segment){.io = &AUDIT_KERNEL, .fd = -1, .step = 4096};
    CU_ASSERT_EQUAL_FATAL(active_create(l, directory, folder, 1), 0);
    memset(s.log.bytes, 1, SEAL_KEY);
    s.public_key = s.log;
    last = (struct chain_hash){{0}};
    CU_ASSERT_EQUAL(chain_new(&chain), 0);
    CU_ASSERT_EQUAL(record_segment(&batch, &HEAD, &s), 0);
    CU_ASSERT_EQUAL(chain_hash(chain, &last, buf_slice(&batch), &last), 0);
    CU_ASSERT_EQUAL(record_close(&batch, &last), 0);
    CU_ASSERT_EQUAL(active_write(l, &batch), 0);
    chain_free(chain);
    buf_deinit(&batch);
}

static void end(struct active_segment *l)
{
    active_close(l);
    close(l->directory);
    unit_remove(folder);
}

static int restore(struct active_segment *l, struct restored *out, const char *expect)
{
    struct err err = ERR_INIT;
    struct stat st;
    int fd = restore_segment(out, l, 2, &last, &err);

    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, expect));
    CU_ASSERT_EQUAL(fstatat(l->directory, ".restoring", &st, 0), -1);
    if (fd >= 0)
        CU_ASSERT_EQUAL(active_adopt(l, fd), 0);
    return fd < 0 ? fd : 0;
}

static void test_put_back(void)
{
    struct restored restored;
    struct active_segment l;
    struct stat st;
    uint64_t size;

    begin(&l);
    size = l.size;
    CU_ASSERT_EQUAL(unlink(l.file), 0);
    CU_ASSERT_EQUAL(restore(&l, &restored, ""), 0);
    CU_ASSERT_STRING_EQUAL(restored.kept, "");
    CU_ASSERT_EQUAL(active_check(&l), ACTIVE_SAME);
    CU_ASSERT_EQUAL(l.size, size);
    CU_ASSERT_EQUAL(stat(l.file, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0640);
    CU_ASSERT(fcntl(l.fd, F_GETFL) & O_APPEND);
    CU_ASSERT(fcntl(l.fd, F_GETFD) & FD_CLOEXEC);
    /* What has the name is kept, each under its own. */
    CU_ASSERT_EQUAL(restore(&l, &restored, ""), 0);
    CU_ASSERT_STRING_EQUAL(restored.kept, "audit-1.jsonl.replaced");
    CU_ASSERT_EQUAL(restore(&l, &restored, ""), 0);
    CU_ASSERT_STRING_EQUAL(restored.kept, "audit-1.jsonl.replaced-2");
    CU_ASSERT_EQUAL(active_check(&l), ACTIVE_SAME);
    end(&l);
}

static void test_not_what_was_written(void)
{
    struct restored restored;
    struct active_segment l;

    begin(&l);
    l.size--;
    CU_ASSERT_EQUAL(restore(&l, &restored, "it has no end"), -EBADMSG);
    l.size += 2;
    CU_ASSERT_EQUAL(restore(&l, &restored, "can't be copied"), -EIO);
    l.size--;
    last.bytes[0] ^= 1;
    CU_ASSERT_EQUAL(restore(&l, &restored, "not what was written"), -EBADMSG);
    last.bytes[0] ^= 1;
    CU_ASSERT_EQUAL(truncate(l.file, 0), 0);
    CU_ASSERT_EQUAL(truncate(l.file, (off_t)l.size), 0);
    CU_ASSERT_EQUAL(restore(&l, &restored, "line 1"), -EBADMSG);
    end(&l);
}

static const struct unit_case CASES[] = {
    {"put back", test_put_back},
    {"not what was written", test_not_what_was_written},
};

UNIT_MAIN("restore", CASES)
