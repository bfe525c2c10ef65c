/*
 * Which records of the audit log are shown. What is asked of a request (an intent and its outcome)
 * is asked in parts: audit_filter_record of the intent, audit_filter_status once the outcome is
 * known, audit_filter_text of either.
 */
#ifndef CENTION_CTL_AUDIT_AUDIT_FILTER_H
#define CENTION_CTL_AUDIT_AUDIT_FILTER_H

#include "audit/line.h"
#include "audit/seal.h"
#include "ctl/audit/audit_facts.h"

#include <stdint.h>

enum {
    AUDIT_STATUS_MAX = 999,
};

/* Zeroed: everything passes. The slices are the caller's; an empty one asks for nothing. */
struct audit_filter {
    bool has_since, has_until;
    char since[SEAL_TIME], until[SEAL_TIME]; /* both moments are inside */
    struct slice client, workspace, path, method, id, object;
    struct slice error; /* of the daemon's or of the API's */
    struct slice types; /* words with commas between them */
    struct slice text;
    bool by_status, status_none;
    bool status[AUDIT_STATUS_MAX + 1];
};

/* Adds `404`, `4xx`, `none`, with commas between them. 0 or -EINVAL. */
int audit_filter_add_status(struct audit_filter *f, const char *list) MUST_CHECK;

/* Whether a record of that type is asked for. `request` stands for intent, outcome and reject. */
bool audit_filter_type(const struct audit_filter *f, struct slice type);

/* What can be said without decoding the record: its time and its id, where it has one there. */
bool audit_filter_line(const struct audit_filter *f, const struct line *line);

/* All but type, status and text. A record without the member that is asked for doesn't pass. */
bool audit_filter_record(const struct audit_filter *f, const struct audit_facts *facts);

/* Whether the record is about the object: an outcome that says so, or a change or refusal of its
 * path. */
bool audit_filter_object(const struct audit_filter *f, const struct audit_facts *facts);

/* Whether it has an error with the text in it, ASCII letters in either case. */
bool audit_filter_error(const struct audit_filter *f, const struct audit_facts *facts);

/* 0 is the status of a request without an answer. */
bool audit_filter_status(const struct audit_filter *f, uint32_t status);

/*
 * The text anywhere in these bytes of JSON once their escapes are decoded, ASCII letters in either
 * case: 1 or 0, or -ENOMEM.
 */
int audit_filter_text(const struct audit_filter *f, struct slice json) MUST_CHECK;

/*
 * A path and what is asked for. In it `*`, `:word` and `{word}` stand for one segment that is not
 * empty, and `/` and two stars at its end for that place and all below.
 */
bool audit_path_matches(struct slice wanted, struct slice path);

/*
 * The moments of --since, --until and --time, in the one form that records have, so that comparing
 * two times is comparing their bytes.
 */

/*
 * RFC 3339 in UTC (2026-11-24T09:15:02Z, with up to nine digits of a fraction, of which six count),
 * a date (the day's first moment), or an age before `now_us` (microseconds since 1970): a number
 * and s, m, h, d or w. 0, or -EINVAL with *out untouched.
 */
int audit_time_parse(char out[SEAL_TIME], const char *text, uint64_t now_us) MUST_CHECK;

/* The host's clock: microseconds since 1970. */
uint64_t audit_time_now(void);

#endif
