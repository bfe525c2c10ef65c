/*
 * A head: a checkpoint in a form to be kept elsewhere, so that later the log can be shown to hold
 * all records up to it. One line of JSON with the members in a fixed order:
 * {"log":..,"epoch":..,"seq":..,"hash":..,"time":..,"public_key":..,"signature":..}
 * with "next_key" before the signature when it is that of an epoch record.
 */
#ifndef CENTION_AUDIT_HEAD_H
#define CENTION_AUDIT_HEAD_H

#include "audit/verify.h"
#include "base/buf.h"

/* Appends the last signature that was verified, with a newline. -ENOENT when there is none. */
int head_write(struct buf *out, const struct verify *v) MUST_CHECK;

/*
 * Reads one, with or without the newline, and checks its own signature (with the key that it
 * names). NULL, or a static sentence.
 */
const char *head_read(struct slice text, struct verify_head *out) MUST_CHECK;

#endif
