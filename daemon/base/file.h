/*
 * Reading a small file whole, and writing all of a block. Blocks: never for a request.
 */
#ifndef CENTION_BASE_FILE_H
#define CENTION_BASE_FILE_H

#include "base/buf.h"

/*
 * Appends all that can be read from the descriptor, or from the file at `path`. 0; -EFBIG when it
 * is more than `out` may hold; -ENOMEM; the errno of opening or reading.
 */
int file_read_fd(struct buf *out, int fd) __attribute__((warn_unused_result));
int file_read(struct buf *out, const char *path) __attribute__((warn_unused_result));

/* All n bytes at the descriptor's place: 0; -EIO when it takes none; what write(2) says. */
int file_write_fd(int fd, const void *data, size_t n) __attribute__((warn_unused_result));

#endif
