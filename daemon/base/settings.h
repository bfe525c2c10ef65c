/*
 * A configuration file, strictly: every error names the file, the line and the setting, a setting
 * that nobody reads is an error, and nothing is converted silently. This is the one place that
 * knows libconfig.
 */
#ifndef CENTION_BASE_SETTINGS_H
#define CENTION_BASE_SETTINGS_H

#include "base/err.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

struct settings;

/* A group or a list inside the file; a value, valid as long as the file is. */
struct settings_node {
    struct settings *file;
    void *node; /* NULL where the file doesn't have it: every read then leaves the default */
};

/* Reads and parses. `@include` is refused. -EINVAL (or the open's errno) with err filled. */
int settings_open(struct settings **out, const char *path, struct err *err) MUST_CHECK;
/* The same for a file that messages should call by another name. */
int settings_open_named(struct settings **out, const char *path, const char *shown,
                        struct err *err) MUST_CHECK;
void settings_free(struct settings *s); /* NULL is allowed */

struct settings_node settings_root(struct settings *s);

/*
 * Each reads the setting `name` of a group: 0 when it is there and right or absent (*out is left
 * alone then), -EINVAL with err filled when it has the wrong type or is out of range. Strings are
 * valid as long as the file is.
 */
int settings_string(struct settings_node group, const char *name, const char **out,
                    struct err *err) MUST_CHECK;
/* A copy of one that must not be empty, the caller's to free; the second: it must be there.
 * -ENOMEM. */
int settings_text(struct settings_node group, const char *name, char **out,
                  struct err *err) MUST_CHECK;
int settings_text_required(struct settings_node group, const char *name, char **out,
                           struct err *err) MUST_CHECK;
int settings_bool(struct settings_node group, const char *name, bool *out,
                  struct err *err) MUST_CHECK;
int settings_integer(struct settings_node group, const char *name, int64_t min, int64_t max,
                     int64_t *out, struct err *err) MUST_CHECK;
/* Seconds, integer or real, as microseconds. */
int settings_seconds(struct settings_node group, const char *name, uint64_t min_us, uint64_t max_us,
                     uint64_t *out_us, struct err *err) MUST_CHECK;
/* One of a NULL-terminated list of words; *out is its index. */
int settings_choice(struct settings_node group, const char *name, const char *const *words,
                    unsigned *out, struct err *err) MUST_CHECK;
/* A number, integer or real. */
int settings_real(struct settings_node group, const char *name, double min, double max, double *out,
                  struct err *err) MUST_CHECK;
/*
 * A string, or a list (or array) of strings that is not empty: *n is 0 when absent. Elements by
 * settings_string_at, valid as long as the file is.
 */
int settings_strings(struct settings_node group, const char *name, struct settings_node *out,
                     unsigned *n, struct err *err) MUST_CHECK;
const char *settings_string_at(struct settings_node strings, unsigned i);
/* Whether it is there and is a string. */
bool settings_is_string(struct settings_node group, const char *name);

enum settings_kind {
    SETTINGS_STRING,
    SETTINGS_NUMBER,
    SETTINGS_BOOL,
    SETTINGS_GROUP,
};

enum {
    SETTINGS_TEXT_MAX = 32, /* bytes of a number or a boolean in words, terminator included */
};

/*
 * A string, number or boolean, or a list of those and of groups that is not empty: *n is 0 when
 * absent. Elements by settings_value_at (groups by settings_element): *string is set for a string,
 * valid as long as the file is; a number or a boolean is written to `text` as JSON has it.
 */
int settings_values(struct settings_node group, const char *name, struct settings_node *out,
                    unsigned *n, struct err *err) MUST_CHECK;
enum settings_kind settings_value_at(struct settings_node values, unsigned i,
                                     char text[SETTINGS_TEXT_MAX], const char **string);

/* A group inside the group; out->node is NULL when absent. */
int settings_group(struct settings_node group, const char *name, struct settings_node *out,
                   struct err *err) MUST_CHECK;
/* A list of groups; *n is 0 when absent. Elements by settings_element. */
int settings_list(struct settings_node group, const char *name, struct settings_node *out,
                  unsigned *n, struct err *err) MUST_CHECK;
struct settings_node settings_element(struct settings_node list, unsigned i);
unsigned settings_line(struct settings_node node); /* where it stands in the file, from 1 */

/* -EINVAL, naming it and the known ones, when the group has a setting that is not in `known`. */
int settings_known(struct settings_node group, const char *const *known,
                   struct err *err) MUST_CHECK;

/* Fills err with "FILE:LINE: NAME: " and the message. */
void settings_say(struct settings_node group, const char *name, struct err *err, const char *format,
                  ...) PRINTF_LIKE(4, 5);

/* settings_say(group, name, err, format, ...), and gives -EINVAL: for checks of the caller's own.
 */
#define settings_fail(...)                                                                         \
    __extension__({                                                                                \
        settings_say(__VA_ARGS__);                                                                 \
        -EINVAL;                                                                                   \
    })

#endif
