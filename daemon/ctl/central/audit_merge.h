/*
 * All logs of a centre as one, by the records' times; of one log always in its own order. In memory
 * that is bounded, however many logs there are.
 */
#ifndef CENTION_CTL_CENTRAL_AUDIT_MERGE_H
#define CENTION_CTL_CENTRAL_AUDIT_MERGE_H

#include "ctl/central/archive_entries.h"

/*
 * Calls for each record, which is valid during the call, with its log's place in the list. A record
 * whose time can't be read comes as soon as it is due in its log. 0; what a call says, when that is
 * negative; or a negative errno with err filled.
 */
int audit_merge(struct archive *archive, const struct archive_entries *logs,
                int (*each)(void *arg, size_t of, const struct archive_record *record), void *arg,
                struct err *err) MUST_CHECK;

#endif
