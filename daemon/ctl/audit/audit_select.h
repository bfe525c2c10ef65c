/*
 * The records that `audit show` is asked for, of one log or of several at once: it holds the
 * intents until their outcomes come, and gives the pairs to be printed. Memory grows with the open
 * requests and with what is kept for the end, not with the log.
 */
#ifndef CENTION_CTL_AUDIT_AUDIT_SELECT_H
#define CENTION_CTL_AUDIT_AUDIT_SELECT_H

#include "audit/requests.h"
#include "ctl/audit/audit_filter.h"
#include "ctl/audit/audit_print.h"

/* Set up by the caller, facts zeroed. */
struct audit_select {
    const struct audit_filter *filter;
    bool all;              /* checkpoint, epoch and segment records, too */
    struct requests *open; /* of the log that the next record is of; the caller's */
    struct audit_facts facts;
    struct audit_print print;
};

void audit_select_deinit(struct audit_select *s); /* facts and print */

/* 0, AUDIT_READ_DAMAGED (ctl/audit/audit_log.h), or -errno. */
int audit_select_record(struct audit_select *s, const struct line *line,
                        struct slice bytes) MUST_CHECK;

/* Requests of that log without an outcome at its end. */
int audit_select_open(struct audit_select *s) MUST_CHECK;

#endif
