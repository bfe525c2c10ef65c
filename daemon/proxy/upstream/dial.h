/*
 * From a name to a stream that is ready for a request: addresses, TCP, the CONNECT proxy if there
 * is one, TLS; each address in turn, all within one deadline. No byte of a request is involved.
 */
#ifndef CENTION_PROXY_UPSTREAM_DIAL_H
#define CENTION_PROXY_UPSTREAM_DIAL_H

#include "base/resolve.h"
#include "proxy/tls/stream.h"
#include "proxy/upstream/url.h"

struct dial_conf {
    struct loop *loop;
    struct resolve *resolve;   /* of the upstream, or of the proxy */
    const char *proxy;         /* its host, for messages; NULL: none */
    struct tls_context *tls;   /* NULL: plain */
    const struct url *through; /* the upstream, when a proxy is asked to CONNECT; else NULL */
    uint64_t timeout_us;
};

struct dial;

/*
 * Called once, never from within dial_start: the stream is taken over, or closed (fd -1) and `why`
 * says what failed last. The dial is gone when this is called.
 */
typedef void (*dial_done)(void *arg, struct stream stream, const char *why);

int dial_start(struct dial **out, const struct dial_conf *conf, dial_done done,
               void *arg) MUST_CHECK;
void dial_cancel(struct dial *dial); /* NULL is allowed */

#endif
