/*
 * Compressed copies of files (Zstandard, RFC 8878), made and read piece by piece in bounded memory.
 * This is the one place that knows libzstd.
 */
#ifndef CENTION_AUDIT_COMPRESS_H
#define CENTION_AUDIT_COMPRESS_H

#include "base/attributes.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    COMPRESS_STEP = 64 * 1024, /* bytes that one compressor_step reads */
    COMPRESS_WINDOW_LOG = 23,  /* a file that needs more than 2^23 bytes of memory is not read */
};

struct compressor;

/* Compresses all of `from` into `to`, an empty file; neither is owned. 0 or -ENOMEM. */
int compressor_new(struct compressor **out, int from, int to) MUST_CHECK;
void compressor_free(struct compressor *compressor); /* NULL is allowed */

/* One piece: 1 when there is more to do, 0 when all is written (not yet durable), -errno. */
int compressor_step(struct compressor *compressor) MUST_CHECK;

struct decompressor;

int decompressor_new(struct decompressor **out) MUST_CHECK; /* 0 or -ENOMEM */
void decompressor_free(struct decompressor *decompressor);  /* NULL is allowed */

/*
 * Up to n bytes of what the file holds: how many, 0 at its end. -EBADMSG when it is not exactly one
 * sound and whole frame; -errno of read(2). *at is the place in the compressed file, at first 0.
 */
ssize_t decompressor_read(struct decompressor *decompressor, int fd, uint64_t *at, void *out,
                          size_t n) MUST_CHECK;

#endif
