#include "base/log.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int saved, reader;

/* Standard error becomes a pipe. */
static void begin(void)
{
    int fds[2];

    (void)unsetenv("JOURNAL_STREAM");
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    saved = dup(STDERR_FILENO);
    (void)dup2(fds[1], STDERR_FILENO);
    (void)close(fds[1]);
    reader = fds[0];
    (void)fcntl(reader, F_SETFL, O_NONBLOCK);
}

static void end(void)
{
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    (void)close(reader);
}

static void expect(const char *wanted)
{
    char got[8192] = "";
    ssize_t n = read(reader, got, sizeof(got) - 1);

    got[n > 0 ? n : 0] = '\0';
    CU_ASSERT_STRING_EQUAL(got, wanted);
}

static void one_event_one_line(void)
{
    begin();
    log_info("started", "a=%d b=%s", 1, "x");
    expect("level=info event=started a=1 b=x\n");
    log_warning("alone", "%s", "");
    expect("level=warning event=alone\n");
    log_error("hostile", "text=a\nb\x1b[0m%c", 0x7f);
    expect("level=error event=hostile text=a?b?[0m?\n");
    (void)setenv("JOURNAL_STREAM", "1:2", 1);
    log_error("x", "%s", "");
    expect("<3>level=error event=x\n");
    end();
}

static void levels(void)
{
    enum log_level level = LOG_LEVEL_INFO;

    begin();
    log_debug("hidden", "%s", "");
    expect("");
    CU_ASSERT_EQUAL(log_parse_level("debug", &level), 0);
    log_set_level(level);
    log_debug("shown", "%s", "");
    expect("level=debug event=shown\n");
    CU_ASSERT_EQUAL(log_parse_level("error", &level), 0);
    log_set_level(level);
    log_warning("hidden", "%s", "");
    expect("");
    log_set_level(LOG_LEVEL_INFO);
    CU_ASSERT_EQUAL(log_parse_level("loud", &level), -EINVAL);
    end();
}

static void quoted(void)
{
    CU_ASSERT_STRING_EQUAL(log_quote(SLICE_LIT("a b")).text, "\"a b\"");
    CU_ASSERT_STRING_EQUAL(log_quote(SLICE_LIT("\"\\\n\xc3")).text, "\"\\\"\\\\\\x0a\\xc3\"");
    CU_ASSERT_STRING_EQUAL(log_quote(SLICE_NULL).text, "\"\"");
}

static void long_lines_are_cut(void)
{
    static char much[10000];
    char got[8192];
    ssize_t n;

    memset(much, 'x', sizeof(much) - 1);
    begin();
    log_info("long", "text=%s", much);
    n = read(reader, got, sizeof(got));
    CU_ASSERT(n > 4000 && n <= 4096);
    CU_ASSERT_EQUAL(got[n - 1], '\n');
    memset(much, '\x01', 1000);
    CU_ASSERT(strlen(log_quote(slice_of(much, 5000)).text) < 1024);
    end();
}

/* A reader that stands still must not stop the daemon; what was dropped is counted. */
static void a_full_pipe_drops(void)
{
    char got[4096];

    begin();
    for (unsigned i = 0; i < 20000; i++)
        log_info("flood", "n=%u", i);
    while (read(reader, got, sizeof(got)) > 0)
        continue;
    log_info("after", "%s", "");
    got[read(reader, got, sizeof(got) - 1)] = '\0';
    CU_ASSERT_PTR_NOT_NULL(strstr(got, "event=log_dropped lines="));
    CU_ASSERT_PTR_NOT_NULL(strstr(got, "event=after"));
    end();
}

enum {
    THREADS = 4,
    LINES = 2000,
};

static void *write_lines(void *arg)
{
    for (unsigned i = 0; i < LINES; i++)
        log_info("line", "thread=%c text=%064d end=1", *(const char *)arg, i);
    return NULL;
}

/* Nobody reads: what has no room is dropped, and no thread waits for it. Last: it sets log_threads.
 */
static void threads(void)
{
    static const char NAMES[THREADS] = {'a', 'b', 'c', 'd'};
    static char got[1024 * 1024];
    pthread_t all[THREADS];
    size_t len = 0, whole = 0;
    ssize_t n;

    begin();
    log_set_level(LOG_LEVEL_INFO);
    log_threads();
    for (unsigned i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(
            pthread_create(&all[i], NULL, write_lines, (void *)(uintptr_t)&NAMES[i]), 0);
    for (unsigned i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL(pthread_join(all[i], NULL), 0);
    while ((n = read(reader, got + len, sizeof(got) - 1 - len)) > 0)
        len += (size_t)n;
    got[len] = '\0';
    for (char *line = strtok(got, "\n"); line; line = strtok(NULL, "\n")) {
        bool one = strlen(line) == 106 && strncmp(line, "level=info event=line thread=", 29) == 0 &&
                   strcmp(line + 100, " end=1") == 0;

        CU_ASSERT(one || strstr(line, "event=log_dropped"));
        whole += one;
    }
    CU_ASSERT(whole > 100 && whole < (size_t)THREADS * LINES);
    end();
}

static const struct unit_case CASES[] = {
    {"one event, one line", one_event_one_line},
    {"levels", levels},
    {"quoted", quoted},
    {"long lines are cut", long_lines_are_cut},
    {"a full pipe drops", a_full_pipe_drops},
    {"threads", threads},
};
UNIT_MAIN("log", CASES)
