/*
 * The memory of the bodies that are under way. Each connection has UPLOAD_FREE bytes for itself;
 * what its buffer takes beyond that comes out of one budget. Where that is used up, an upload
 * waits, and TCP holds its sender back; when it has waited a moment, the upload that has gone on
 * least recently is given up for it.
 */
#ifndef CENTION_PROXY_FRONT_UPLOADS_H
#define CENTION_PROXY_FRONT_UPLOADS_H

#include "base/loop.h"

enum {
    UPLOAD_FREE = 128 * 1024, /* bytes of a connection's buffer that count for nothing */
    UPLOAD_PATIENCE = 200000, /* microseconds that an upload waits before another is given up */
};

struct uploads;

/* A connection's part; embed it zeroed but for the callbacks and `arg`. */
struct upload {
    struct upload *next, *prev; /* among those that hold, or that wait; NULL: neither */
    size_t held, wanted;        /* bytes of the budget */
    uint64_t moved;             /* when it last went on, or began to wait */
    void (*go)(void *arg);      /* there is room now */
    void (*give_up)(void *arg); /* it is the oldest: it ends, and gives back what it holds */
    void *arg;
};

int uploads_new(struct uploads **out, struct loop *loop, size_t budget) MUST_CHECK;
void uploads_free(struct uploads *uploads); /* NULL is allowed */

void uploads_set(struct uploads *uploads, size_t budget); /* from now on */

/*
 * The buffer is going to have so many bytes. False: it has to wait until `go`, and must not read
 * meanwhile. Also says that the upload goes on.
 */
bool uploads_take(struct uploads *uploads, struct upload *upload, size_t buffer) MUST_CHECK;

/* The buffer has so many bytes now; 0: the upload is over, or gone. */
void uploads_give(struct uploads *uploads, struct upload *upload, size_t buffer);

#endif
