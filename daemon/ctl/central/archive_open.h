/* Choosing a kind of centre by the URL's scheme. */
#ifndef CENTION_CENTRAL_ARCHIVE_OPEN_H
#define CENTION_CENTRAL_ARCHIVE_OPEN_H

#include "central/archive.h"

/*
 * postgresql://... and nats://... as far as they are built in, and dir:PATH (folder_archive.h).
 * -EINVAL for what is no such URL, -ENOSYS for a kind that this build lacks, or what the kind says;
 * err filled, without a password.
 */
int archive_open(struct archive **out, const char *url, struct err *err) MUST_CHECK;
void archive_close(struct archive *archive); /* NULL is allowed */

#endif
