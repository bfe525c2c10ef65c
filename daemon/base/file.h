/*
 * Reading a small file whole, writing all of a block, copying a part of a file, and going through
 * the names in a directory. Everything here blocks: it is not for the path of a request.
 */
#ifndef CENTION_BASE_FILE_H
#define CENTION_BASE_FILE_H

#include "base/buf.h"

/*
 * Appends all that can be read from the descriptor, or from the file at `path`. 0; -EFBIG when it
 * is more than `out` may hold; -ENOMEM; the errno of opening or reading.
 */
int file_read_fd(struct buf *out, int fd) MUST_CHECK;
int file_read(struct buf *out, const char *path) MUST_CHECK;

/* All n bytes at the descriptor's place: 0; -EIO when it takes none; what write(2) says. */
int file_write_fd(int fd, const void *data, size_t n) MUST_CHECK;

/*
 * Writes bytes [offset, offset + n) of `from` at the place of `to`. 0; -EIO when there are fewer;
 * what read(2) or write(2) says.
 */
int file_copy_fd(int to, int from, uint64_t offset, uint64_t n) MUST_CHECK;

/*
 * Calls for every name in the open directory, in no order, until one call returns not 0: that, 0,
 * or -errno. What is added or removed meanwhile may be seen or not.
 */
int folder_each(int directory, int (*each)(void *arg, const char *name), void *arg) MUST_CHECK;

#endif
