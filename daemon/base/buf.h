/*
 * A byte queue in one block: bytes are appended at the tail and consumed from the head. It grows
 * by doubling up to a hard limit and never past it, so that no peer can make it take more.
 * A `secret` buffer wipes every byte that it gives up (consumed, moved, freed).
 */
#ifndef CENTION_BASE_BUF_H
#define CENTION_BASE_BUF_H

#include "base/slice.h"

#include <stdarg.h>
#include <stdint.h>
#include <sys/types.h>

struct buf {
    char *data;
    size_t head, tail; /* data[head..tail) is held */
    size_t cap;
    size_t max; /* bytes; appending past it is -ENOBUFS */
    bool secret;
};

#define BUF_INIT(max_)        ((struct buf){.max = (max_)})
#define BUF_INIT_SECRET(max_) ((struct buf){.max = (max_), .secret = true})

void buf_deinit(struct buf *b);

static inline size_t buf_len(const struct buf *b)
{
    return b->tail - b->head;
}

/* Never NULL: an empty buffer without a block is an empty string. */
static inline struct slice buf_slice(const struct buf *b)
{
    return slice_of(b->data ? b->data + b->head : "", b->tail - b->head);
}

/* How many bytes its block has, or would have, with room for n more; n is at most its max. */
size_t buf_cap_for(const struct buf *b, size_t n);

/* buf_reserve when there is no room yet. */
int buf_grow(struct buf *b, size_t n) MUST_CHECK;

/* Makes room for n more bytes; -ENOBUFS past max, -ENOMEM. May move the data. */
MUST_CHECK static inline int buf_reserve(struct buf *b, size_t n)
{
    return b->data && b->cap - b->tail >= n ? 0 : buf_grow(b, n);
}

/* Where to write after buf_reserve; buf_commit then counts the written bytes in. */
static inline char *buf_space(struct buf *b)
{
    return b->data + b->tail;
}

static inline void buf_commit(struct buf *b, size_t n)
{
    b->tail += n;
}

MUST_CHECK static inline int buf_append(struct buf *b, const void *data, size_t n)
{
    int r = n ? buf_reserve(b, n) : 0;

    if (n == 0 || r < 0)
        return r;
    memcpy(b->data + b->tail, data, n);
    b->tail += n;
    return 0;
}

MUST_CHECK static inline int buf_append_slice(struct buf *b, struct slice s)
{
    return buf_append(b, s.data, s.len);
}

/* A number in decimal digits. */
int buf_append_number(struct buf *b, uint64_t number) MUST_CHECK;
int buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3) MUST_CHECK;

/* Drops n bytes (at most all) from the head. */
void buf_consume(struct buf *b, size_t n);

/* Drops everything; gives a block of more than `keep` bytes back to the allocator. */
void buf_reset(struct buf *b, size_t keep);

/*
 * One recv(2) of at most `most` bytes (bounded by max). > 0: bytes read; 0: end of stream;
 * -EAGAIN: nothing now; -ENOBUFS: no room below max; other negative errno: the socket failed.
 */
ssize_t buf_recv(struct buf *b, int fd, size_t most) MUST_CHECK;

/* One send(2) of what is held; consumes what went. >= 0 bytes sent (-EAGAIN: none went now). */
ssize_t buf_send(struct buf *b, int fd) MUST_CHECK;

#endif
