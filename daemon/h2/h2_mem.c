/*
 * The library doesn't say how long a block is when it frees one, so each carries its length in
 * front.
 */
#include "h2/h2_mem.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct block {
    _Alignas(max_align_t) size_t len;
    _Alignas(max_align_t) unsigned char data[];
};

static struct block *block_of(void *data)
{
    return (struct block *)((unsigned char *)data - offsetof(struct block, data));
}

static void *mem_malloc(size_t len, void *arg)
{
    struct block *b = len <= SIZE_MAX - sizeof(*b) ? malloc(sizeof(*b) + len) : NULL;

    (void)arg;
    if (!b)
        return NULL;
    b->len = len;
    return b->data;
}

static void mem_free(void *data, void *arg)
{
    struct block *b;

    (void)arg;
    if (!data)
        return;
    b = block_of(data);
    explicit_bzero(b->data, b->len);
    free(b);
}

static void *mem_calloc(size_t n, size_t size, void *arg)
{
    void *data = size == 0 || n <= SIZE_MAX / size ? mem_malloc(n * size, arg) : NULL;

    if (data)
        memset(data, 0, n * size);
    return data;
}

static void *mem_realloc(void *data, size_t len, void *arg)
{
    size_t have = data ? block_of(data)->len : 0;
    void *moved;

    if (data && len <= have && len > have / 2)
        return data;
    moved = mem_malloc(len, arg);
    if (!moved)
        return NULL;
    if (have)
        memcpy(moved, data, have < len ? have : len);
    mem_free(data, arg);
    return moved;
}

nghttp2_mem *h2_mem(void)
{
    static nghttp2_mem mem = {NULL, mem_malloc, mem_free, mem_calloc, mem_realloc};

    return &mem;
}
