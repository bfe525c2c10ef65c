/*
 * `audit verify --from`: every log that a centre holds, each verified as it arrived
 * (archive_check.h), then what the shippers left as evidence, who is silent, and who isn't there;
 * printed as a table of hosts and a list of findings. Memory grows with hosts and findings, not
 * with records.
 */
#ifndef CENTION_CTL_CENTRAL_ARCHIVE_VERIFY_H
#define CENTION_CTL_CENTRAL_ARCHIVE_VERIFY_H

#include "audit/verify.h"
#include "central/archive.h"

#include <stdio.h>

struct archive_verify_options {
    struct archive *archive;
    const char *directory;           /* this host's log, to be compared; NULL: none */
    const char *identities;          /* a file (identities.h); NULL: every log is expected */
    bool learn;                      /* logs without a finding are added to it */
    const struct verify_head *heads; /* that must be there */
    size_t n_heads;
    struct slice log; /* only logs whose identity begins with these digits; empty: all */
    bool has_silent;
    uint64_t silent_s; /* seconds without a record that are too many for any log */
    uint64_t now_us;   /* since 1970 */
};

/*
 * Prints to `out`. Returns the exit code: CTL_DONE; CTL_FAILED when there is a finding; CTL_USAGE
 * when there is none, but something is unproved, or could not be read (err filled); CTL_CONFIG for
 * a bad file of identities (err filled).
 */
int archive_verify(const struct archive_verify_options *options, FILE *out,
                   struct err *err) MUST_CHECK;

#endif
