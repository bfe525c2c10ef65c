/*
 * Whether a scanned body is what its call's schema says, and every way in which it isn't, in words
 * for the application's author. Run on the canonical form's tape: JSON is well formed and no key is
 * there twice. A pure function; nothing is allocated unless something is wrong, or at the first
 * pattern that a report is used for.
 */
#ifndef CENTION_API_VALIDATE_H
#define CENTION_API_VALIDATE_H

#include "api/json.h"
#include "api/schema.h"

enum {
    VALIDATE_PROBLEMS_MAX = 256, /* that a report lists; further ones are counted */
};

struct validate_problem {
    const char *code; /* static: "invalid_field", "missing_field", "unknown_field" */
    char field[128];  /* as in working_time_data.Friday.end or server_emails[1].id; UTF-8 */
    char text[384];   /* "FIELD: what came, what is expected"; one line of UTF-8 */
};

/* Zeroed at first, then reused. Problems stand in the order of the body. */
struct validate_report {
    struct validate_problem *problems;
    size_t n, cap;
    size_t total; /* found, listed or not */
    struct pattern_memory memory;
};

void validate_report_deinit(struct validate_report *report);

/* Empties a report. */
void validate_clear(struct validate_report *report);

/* Checks the tape's whole value; 0 with report->total telling the result, or -ENOMEM. */
int validate(const struct schema *schema, const struct json_tape *tape, struct slice body,
             struct validate_report *report) MUST_CHECK;

/* Adds a problem of another kind; -ENOMEM. `code` is static. */
int validate_add(struct validate_report *report, const char *code, const char *field,
                 const char *format, ...) PRINTF_LIKE(4, 5);

#endif
