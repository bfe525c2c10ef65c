#include "audit/compress.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

struct compressor {
    int from, to;
    uint64_t at;
    ZSTD_CCtx *ctx;
    char in[COMPRESS_STEP], out[COMPRESS_STEP];
};

int compressor_new(struct compressor **out, int from, int to)
{
    struct compressor *p = calloc(1, sizeof(*p));

    if (p)
        p->ctx = ZSTD_createCCtx();
    if (!p || !p->ctx || ZSTD_isError(ZSTD_CCtx_setParameter(p->ctx, ZSTD_c_checksumFlag, 1))) {
        compressor_free(p);
        return -ENOMEM;
    }
    p->from = from;
    p->to = to;
    *out = p;
    return 0;
}

void compressor_free(struct compressor *p)
{
    if (!p)
        return;
    (void)ZSTD_freeCCtx(p->ctx);
    free(p);
}

/* Hands over what was read, or with `end` finishes the frame. */
static int compress(struct compressor *p, size_t n, bool end)
{
    ZSTD_inBuffer in = {p->in, n, 0};
    size_t left;

    do {
        ZSTD_outBuffer out = {p->out, sizeof(p->out), 0};
        int r;

        left = ZSTD_compressStream2(p->ctx, &out, &in, end ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left))
            return -ENOMEM;
        r = file_write_fd(p->to, p->out, out.pos);
        if (r < 0)
            return r;
    } while (in.pos < in.size || (end && left));
    return 0;
}

int compressor_step(struct compressor *p)
{
    ssize_t n;
    int r;

    do
        n = pread(p->from, p->in, sizeof(p->in), (off_t)p->at);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    p->at += (uint64_t)n;
    r = compress(p, (size_t)n, n == 0);
    /* Begins to write it out, so that making it durable at the end is short. */
    if (r == 0)
        (void)sync_file_range(p->to, 0, 0, SYNC_FILE_RANGE_WRITE);
    return r < 0 ? r : n > 0;
}

struct decompressor {
    ZSTD_DCtx *ctx;
    ZSTD_inBuffer in;
    bool ended; /* the frame has */
    char block[64 * 1024];
};

int decompressor_new(struct decompressor **out)
{
    struct decompressor *u = calloc(1, sizeof(*u));

    if (u)
        u->ctx = ZSTD_createDCtx();
    if (!u || !u->ctx ||
        ZSTD_isError(ZSTD_DCtx_setParameter(u->ctx, ZSTD_d_windowLogMax, COMPRESS_WINDOW_LOG))) {
        decompressor_free(u);
        return -ENOMEM;
    }
    *out = u;
    return 0;
}

void decompressor_free(struct decompressor *u)
{
    if (!u)
        return;
    (void)ZSTD_freeDCtx(u->ctx);
    free(u);
}

/* The next block of the compressed file: how many bytes. */
static ssize_t more(struct decompressor *u, int fd, uint64_t *at)
{
    ssize_t n;

    do
        n = pread(fd, u->block, sizeof(u->block), (off_t)*at);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    *at += (uint64_t)n;
    u->in = (ZSTD_inBuffer){u->block, (size_t)n, 0};
    return n;
}

ssize_t decompressor_read(struct decompressor *u, int fd, uint64_t *at, void *to, size_t n)
{
    ZSTD_outBuffer out = {to, n, 0};

    while (out.pos == 0) {
        size_t left;

        if (u->in.pos == u->in.size) {
            ssize_t got = more(u, fd, at);

            if (got < 0)
                return got;
            if (got == 0)
                return u->ended ? 0 : -EBADMSG;
        }
        if (u->ended)
            return -EBADMSG;
        left = ZSTD_decompressStream(u->ctx, &out, &u->in);
        if (ZSTD_isError(left))
            return -EBADMSG;
        u->ended = left == 0;
    }
    return (ssize_t)out.pos;
}
