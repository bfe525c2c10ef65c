/*
 * The tail in a tight loop beside a writer in another process, which writes parts of lines:
 * CENTION_BESIDE_RECORDS records (100,000) of 136 to 40,000 bytes.
 */
#include "base/loop.h"
#include "ship/tail.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char MAKE_LOG[] = "tests/bench/make_log";

static pid_t start_writer(const char *folder, const char *records)
{
    pid_t pid = fork();

    if (pid == 0) {
        execl(MAKE_LOG, MAKE_LOG, folder, records, "4194304", "40000", (char *)NULL);
        _exit(127);
    }
    return pid;
}

static void test_tight_loop(void)
{
    char folder[] = "/tmp/test_tail_beside.XXXXXX";
    const char *records = getenv("CENTION_BESIDE_RECORDS");
    struct ship_place beginning = {0};
    struct ship_batch batch;
    struct seal_key log;
    struct tail tail;
    uint64_t seq = 0, ends = 0;
    int status = -1, directory, r;
    bool running = true;
    pid_t writer;

    if (access(MAKE_LOG, X_OK) < 0) {
        unit_skip("tests/bench/make_log is not built");
        return;
    }
    records = records ? records : "100000";
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    writer = start_writer(folder, records);
    CU_ASSERT_FATAL(writer > 0);
    while ((r = tail_identity(&log, directory)) == -ENOENT)
        CU_ASSERT_EQUAL_FATAL(waitpid(writer, &status, WNOHANG), 0);
    CU_ASSERT_EQUAL_FATAL(r, 0);
    CU_ASSERT_EQUAL_FATAL(tail_init(&tail, directory, &log), 0);
    tail_seek(&tail, &beginning);
    while ((r = tail_look(&tail)) == TAIL_BUSY)
        ;
    CU_ASSERT_EQUAL_FATAL(r, TAIL_FOUND);
    for (bool more = true; more;) {
        if (running && waitpid(writer, &status, WNOHANG) == writer)
            running = false;
        r = tail_next(&tail, &batch);
        if (r != TAIL_BATCH && r != TAIL_BUSY && r != TAIL_END)
            printf("\n    after %" PRIu64 ": %d %s", seq, r, tail.why);
        CU_ASSERT_FATAL(r == TAIL_BATCH || r == TAIL_BUSY || r == TAIL_END);
        for (size_t i = 0; r == TAIL_BATCH && i < batch.n; i++)
            CU_ASSERT_EQUAL(batch.records[i].place.seq, ++seq);
        more = r != TAIL_END || running;
        ends += r == TAIL_END;
        /* The folder is looked through for a successor of another number once a second only. */
        tail.listed = 0;
    }
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CU_ASSERT(seq > strtoull(records, NULL, 10));
    printf("%" PRIu64 " records, %" PRIu64 " times at the present end ", seq, ends);
    tail_deinit(&tail);
    close(directory);
    unit_remove(folder);
}

static const struct unit_case CASES[] = {
    {"in a tight loop", test_tight_loop},
};

UNIT_MAIN("tail_beside_writer", CASES)
