/*
 * What one request changed, as a JSON object, and how that is shown. `audit_diff_print` takes all
 * that it says from the object, so that both forms say the same:
 *
 *   id, seq, time, client, method, workspace, path    of the request's intent, or of its refusal
 *   status    the answer's, when there was one; `code` and `error` when it was refused
 *   result    done; failed (answered 4xx); not-sent; unknown (no answer, or another status); open
 *             (no outcome yet); refused (by the proxy)
 *   fields    [{"field", "state", "old", "new", "set_by", "maybe"}]: state is changed, unchanged,
 *             first (not audited before), unclear (the two values can't be compared) or deleted;
 *             set_by and maybe are those of ctl/audit/audit_history.h
 *   deleted_before, maybe_deleted_before    who deleted the object before
 *   overlapping   who changed it while the request was under way
 *   others, other_times   how many requests with the same id are not shown, and when the newest
 *             of them were
 *   first_seq of the log at hand
 */
#ifndef CENTION_CTL_AUDIT_AUDIT_DIFF_H
#define CENTION_CTL_AUDIT_AUDIT_DIFF_H

#include <json-c/json.h>
#include <stdbool.h>

struct audit_diff_form {
    bool json;
    bool all;      /* unchanged fields, too */
    bool terminal; /* standard output is one */
    bool colour;
};

void audit_diff_print(struct json_object *diff, const struct audit_diff_form *form);

#endif
