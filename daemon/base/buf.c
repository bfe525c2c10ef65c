#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    BUF_FIRST = 1024, /* bytes of the first block */
};

static void buf_release(struct buf *b)
{
    if (b->data && b->secret)
        explicit_bzero(b->data, b->cap);
    free(b->data);
    b->data = NULL;
    b->cap = 0;
}

void buf_deinit(struct buf *b)
{
    buf_release(b);
    b->head = b->tail = 0;
}

/* Moves what is held to the front of the block. */
static void buf_compact(struct buf *b)
{
    size_t len = buf_len(b);

    if (b->head == 0)
        return;
    memmove(b->data, b->data + b->head, len);
    if (b->secret)
        explicit_bzero(b->data + len, b->tail - len);
    b->head = 0;
    b->tail = len;
}

size_t buf_cap_for(const struct buf *b, size_t n)
{
    size_t cap = b->cap ? b->cap : BUF_FIRST;

    while (cap < buf_len(b) + n)
        cap *= 2;
    return cap > b->max ? b->max : cap;
}

int buf_grow(struct buf *b, size_t n)
{
    size_t len = buf_len(b), cap;
    char *data;

    if (n > b->max || len > b->max - n)
        return -ENOBUFS;
    if (b->data && b->cap - len >= n && b->head >= len) {
        buf_compact(b);
        return 0;
    }
    cap = buf_cap_for(b, n);
    data = malloc(cap);
    if (!data)
        return -ENOMEM;
    if (b->data)
        memcpy(data, b->data + b->head, len);
    buf_release(b);
    b->data = data;
    b->cap = cap;
    b->head = 0;
    b->tail = len;
    return 0;
}

int buf_append_number(struct buf *b, uint64_t number)
{
    char digits[20];
    size_t n = sizeof(digits);

    do
        digits[--n] = (char)('0' + number % 10);
    while (number /= 10);
    return buf_append(b, digits + n, sizeof(digits) - n);
}

int buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    int n, r;

    va_start(args, format);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        return -EINVAL;
    r = buf_reserve(b, (size_t)n + 1);
    if (r < 0)
        return r;
    va_start(args, format);
    (void)vsnprintf(b->data + b->tail, (size_t)n + 1, format, args);
    va_end(args);
    b->tail += (size_t)n;
    return 0;
}

void buf_consume(struct buf *b, size_t n)
{
    size_t len = buf_len(b);

    if (n > len)
        n = len;
    if (b->secret && n)
        explicit_bzero(b->data + b->head, n);
    b->head += n;
    if (b->head == b->tail)
        b->head = b->tail = 0;
}

void buf_reset(struct buf *b, size_t keep)
{
    buf_consume(b, buf_len(b));
    if (b->cap > keep)
        buf_release(b);
}

ssize_t buf_recv(struct buf *b, int fd, size_t most)
{
    size_t len = buf_len(b);
    ssize_t n;
    int r;

    if (len >= b->max)
        return -ENOBUFS;
    if (most > b->max - len)
        most = b->max - len;
    r = buf_reserve(b, most);
    if (r < 0)
        return r;
    do
        n = recv(fd, b->data + b->tail, most, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    b->tail += (size_t)n;
    return n;
}

ssize_t buf_send(struct buf *b, int fd)
{
    ssize_t n;

    if (buf_len(b) == 0)
        return 0;
    do
        n = send(fd, b->data + b->head, buf_len(b), MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    buf_consume(b, (size_t)n);
    return n;
}
