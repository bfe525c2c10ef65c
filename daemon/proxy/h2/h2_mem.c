/*
 * The library doesn't say how long a block is when it frees one, so each carries its length in
 * front. A kept block is wiped; where its content was lies the list's pointer.
 */
#include "proxy/h2/h2_mem.h"

#include "base/asan.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEP = 64, /* bytes; blocks are rounded up to a multiple */
    CLASSES = 16,
    KEEP = CENTION_ASAN ? 0 : 256, /* blocks of each size; none where each use is watched */
};

struct block {
    _Alignas(max_align_t) size_t len;
    _Alignas(max_align_t) unsigned char data[];
};

struct h2_mem {
    nghttp2_mem calls;
    struct block *kept[CLASSES]; /* [i]: of (i + 1) * STEP bytes */
    int n_kept[CLASSES];
};

static struct block *block_of(void *data)
{
    return (struct block *)((unsigned char *)data - offsetof(struct block, data));
}

/* Which list a block of that length belongs to; CLASSES: none. */
static size_t class_of(size_t len)
{
    return len == 0 ? 0 : len <= (size_t)STEP * CLASSES ? (len - 1) / STEP : CLASSES;
}

static void *mem_malloc(size_t len, void *arg)
{
    struct h2_mem *mem = arg;
    size_t class = class_of(len), room = class < CLASSES ? (class + 1) * STEP : len;
    struct block *b;

    if (class < CLASSES && mem->kept[class]) {
        b = mem->kept[class];
        memcpy(&mem->kept[class], b->data, sizeof(struct block *));
        mem->n_kept[class]--;
    } else {
        b = room <= SIZE_MAX - sizeof(*b) ? malloc(sizeof(*b) + room) : NULL;
    }
    if (!b)
        return NULL;
    b->len = len;
    return b->data;
}

static void mem_free(void *data, void *arg)
{
    struct h2_mem *mem = arg;
    struct block *b;
    size_t class;

    if (!data)
        return;
    b = block_of(data);
    class = class_of(b->len);
    explicit_bzero(b->data, b->len);
    if (class == CLASSES || mem->n_kept[class] >= KEEP) {
        free(b);
        return;
    }
    memcpy(b->data, &mem->kept[class], sizeof(struct block *));
    mem->kept[class] = b;
    mem->n_kept[class]++;
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

struct h2_mem *h2_mem_new(void)
{
    struct h2_mem *mem = calloc(1, sizeof(*mem));

    if (mem)
        mem->calls = (nghttp2_mem){mem, mem_malloc, mem_free, mem_calloc, mem_realloc};
    return mem;
}

void h2_mem_free(struct h2_mem *mem)
{
    for (size_t i = 0; mem && i < CLASSES; i++)
        while (mem->kept[i]) {
            struct block *b = mem->kept[i];

            memcpy(&mem->kept[i], b->data, sizeof(struct block *));
            free(b);
        }
    free(mem);
}

nghttp2_mem *h2_mem_calls(struct h2_mem *mem)
{
    return &mem->calls;
}
