/*
 * Standard error is shared with whoever started the daemon, so it is not made non-blocking (that
 * would change it for them too). poll(2) tells whether a pipe or socket has room: for lines of at
 * most PIPE_BUF bytes POLLOUT means that the write won't block (pipe(7)).
 *
 * With several threads a lock makes asking and writing one step, or two could see the same room.
 *
 * The level, the lock and the counter of dropped lines are the one state of the process that is not
 * in the context that main makes: a log that has to be carried to every function is not used.
 */
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_int log_level = LOG_LEVEL_INFO;
static atomic_ulong log_dropped;
static bool log_locked; /* set before there is a second thread */
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

static const char *const LEVELS[] = {"error", "warning", "info", "debug"};
static const char *const PRIORITIES[] = {"<3>", "<4>", "<6>", "<7>"}; /* sd-daemon(3) */

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

void log_threads(void)
{
    log_locked = true;
}

int log_parse_level(const char *name, enum log_level *out)
{
    for (unsigned i = 0; i < sizeof(LEVELS) / sizeof(LEVELS[0]); i++)
        if (strcmp(name, LEVELS[i]) == 0) {
            *out = (enum log_level)i;
            return 0;
        }
    return -EINVAL;
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

static void log_line(const char *line, size_t len)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
    bool locked = log_locked;

    if (locked)
        (void)pthread_mutex_lock(&log_lock);
    if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT) ||
        write(STDERR_FILENO, line, len) != (ssize_t)len)
        (void)atomic_fetch_add_explicit(&log_dropped, 1, memory_order_relaxed);
    if (locked)
        (void)pthread_mutex_unlock(&log_lock);
}

static size_t log_dropped_line(char *line, size_t room)
{
    unsigned long n;
    int len;

    if (atomic_load_explicit(&log_dropped, memory_order_relaxed) == 0)
        return 0;
    n = atomic_exchange_explicit(&log_dropped, 0, memory_order_relaxed);
    if (n == 0)
        return 0;
    len = snprintf(line, room, "level=warning event=log_dropped lines=%lu\n", n);
    return len > 0 && (size_t)len < room ? (size_t)len : 0;
}

void log_write(enum log_level level, const char *event, const char *format, ...)
{
    char line[PIPE_BUF];
    size_t len, start;
    va_list args;
    int n;

    if (!log_enabled(level))
        return;
    len = log_dropped_line(line, sizeof(line));
    if (len)
        log_line(line, len);
    n = snprintf(line, sizeof(line), "%slevel=%s event=%s ",
                 getenv("JOURNAL_STREAM") ? PRIORITIES[level] : "", LEVELS[level], event);
    if (n < 0 || (size_t)n >= sizeof(line) - 2)
        return;
    start = (size_t)n;
    va_start(args, format);
    n = vsnprintf(line + start, sizeof(line) - start - 1, format, args);
    va_end(args);
    if (n < 0)
        return;
    len = start + (size_t)n;
    if (len > sizeof(line) - 2)
        len = sizeof(line) - 2;
    for (size_t i = start; i < len; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    while (len > 0 && line[len - 1] == ' ')
        len--;
    line[len++] = '\n';
    log_line(line, len);
}

struct log_text log_quote(struct slice s)
{
    static const char HEX[] = "0123456789abcdef";
    struct log_text out;
    size_t n = 0;

    out.text[n++] = '"';
    for (size_t i = 0; i < s.len && n < sizeof(out.text) - 6; i++) {
        unsigned char c = (unsigned char)s.data[i];

        if (c == '"' || c == '\\') {
            out.text[n++] = '\\';
            out.text[n++] = (char)c;
        } else if (c >= 0x20 && c < 0x7f) {
            out.text[n++] = (char)c;
        } else {
            out.text[n++] = '\\';
            out.text[n++] = 'x';
            out.text[n++] = HEX[c >> 4];
            out.text[n++] = HEX[c & 15];
        }
    }
    out.text[n++] = '"';
    out.text[n] = '\0';
    return out;
}
