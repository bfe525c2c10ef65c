/*
 * The log: one event, one line, `level=… event=… key=value…`, to standard error. It never blocks:
 * a line that standard error has no room for is dropped and counted. Whatever is logged, the line
 * stays one line of printable text. No secret, signature or Authorization value is ever given to
 * this module.
 */
#ifndef CENTION_BASE_LOG_H
#define CENTION_BASE_LOG_H

#include "base/slice.h"

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG,
};

/* Lines above `level` are not written. Until set: info. */
void log_set_level(enum log_level level);
/* "error", "warning", "info", "debug"; -EINVAL for anything else. */
int log_parse_level(const char *name, enum log_level *out);
/* Before a second thread is made: from now on lines may come from several. */
void log_threads(void);
bool log_enabled(enum log_level level);

void log_write(enum log_level level, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);

/* Without arguments give an empty format: log_info("started", "%s", ""). */
#define log_error(...)   log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
    do {                                                                                           \
        if (log_enabled(LOG_LEVEL_DEBUG))                                                          \
            log_write(LOG_LEVEL_DEBUG, __VA_ARGS__);                                               \
    } while (0)

struct log_text {
    char text[1024];
};

/*
 * Untrusted bytes as one value: in double quotes, with quotes, backslashes and everything that is
 * not printable ASCII escaped, cut to fit. Use as: log_info("x", "why=%s", log_quote(s).text).
 */
struct log_text log_quote(struct slice s);

#endif
