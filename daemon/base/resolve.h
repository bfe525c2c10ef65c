/*
 * Names to addresses without blocking: literals and "localhost" at once, everything else by
 * libevent's resolver. One name is all that an upstream needs, so a resolver is for one name.
 */
#ifndef CENTION_BASE_RESOLVE_H
#define CENTION_BASE_RESOLVE_H

#include "base/loop.h"

#include <netinet/in.h>
#include <sys/socket.h>

enum {
    RESOLVE_MAX = 16, /* addresses */
};

struct resolve_list {
    unsigned n;
    struct {
        union {
            struct sockaddr any;
            struct sockaddr_in in;
            struct sockaddr_in6 in6;
        };
        socklen_t len;
    } address[RESOLVE_MAX];
};

struct resolve;

/* A caller that waits for the addresses. Embed it zeroed but for `done` and `arg`. */
struct resolve_wait {
    /* NULL: the name has no address; `why` says so. Never called from within resolve_get. */
    void (*done)(void *arg, const struct resolve_list *list, const char *why);
    void *arg;
    struct resolve_wait *next, *prev;
};

int resolve_new(struct resolve **out, struct loop *loop, const char *host,
                unsigned port) MUST_CHECK;
void resolve_free(struct resolve *r); /* no callback comes; NULL is allowed */

/* The known addresses when they are fresh, else NULL: `wait` hears of them, unless cancelled. */
const struct resolve_list *resolve_get(struct resolve *r, struct resolve_wait *wait);

/* The addresses of the last look-up that found any, however old; NULL when there was none. */
const struct resolve_list *resolve_last(const struct resolve *r);

/* Whether that is "localhost" (RFC 6761, 6.3) or a loopback address: nothing sent there leaves. */
bool resolve_is_loopback(const char *host);

void resolve_cancel(struct resolve_wait *wait); /* one that does not wait is allowed */

#endif
