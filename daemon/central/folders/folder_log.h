/*
 * One host's audit folder (audit/segments.h), record by record, as a centre would have them. It may
 * be a copy or the active one: what comes behind its present end can be read then. Nothing is
 * proved, and nothing is skipped: what is no record is given as one of the number that is due and a
 * hash of zeros, so that a verifier finds it.
 */
#ifndef CENTION_CENTRAL_FOLDERS_FOLDER_LOG_H
#define CENTION_CENTRAL_FOLDERS_FOLDER_LOG_H

#include "central/archive.h"

struct folder_log;

/* `host` is that of the records; copied. -ENOENT without a segment; err filled. */
int folder_log_open(struct folder_log **out, const char *path, const char *host,
                    struct err *err) MUST_CHECK;
void folder_log_free(struct folder_log *f); /* NULL is allowed */

/* The identity that the first sound header names; zeros when there is none. */
const struct seal_key *folder_log_identity(const struct folder_log *f);
const char *folder_log_host(const struct folder_log *f);
uint64_t folder_log_first(const struct folder_log *f); /* the number of the first segment */

/* The next record will be the first one with at least that seq. Gives up the file that was open. */
void folder_log_seek(struct folder_log *f, uint64_t first);

/* 1, and a record that is valid until the next call; 0: the present end; -errno with err filled. */
int folder_log_next(struct folder_log *f, struct archive_record *out, struct err *err) MUST_CHECK;

/* The lines of the file that stays of retired segments, if there is one. What `each` says, or 0. */
int folder_log_retired(struct folder_log *f, int (*each)(void *arg, struct slice line), void *arg,
                       struct err *err) MUST_CHECK;

#endif
