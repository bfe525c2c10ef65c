/*
 * The upstream's answer while it comes in, and what of it goes on record: up to REQUEST_ANSWER_MAX
 * bytes of its body are kept until the outcome is durable.
 */
#ifndef CENTION_PROXY_REPLY_H
#define CENTION_PROXY_REPLY_H

#include "api/target.h"
#include "proxy/exchange.h"
#include "proxy/tls/sha256.h"

struct reply {
    unsigned status; /* 0: no head yet */
    bool encoded;    /* has a Content-Encoding: its body is not looked into */
    struct buf head; /* as the client gets it, until it does */
    bool chunked;    /* the body, for the client */
    struct buf body; /* all of it that has come; may be longer than what is told of */
};

/* How the request that it answers was called. */
struct reply_to {
    struct slice method, path;
    enum canon_nested nested;
};

void reply_init(struct reply *reply);
void reply_deinit(struct reply *reply);

void reply_head(struct reply *reply, const struct http_head *head);

/* Appends a piece of the body. -ENOMEM. */
int reply_add(struct reply *reply, const char *data, size_t len) MUST_CHECK;

/* More has come than is told of: it is recorded as it is. */
bool reply_full(const struct reply *reply);

/* The body is a whole JSON object, so that nothing of it was cut off. */
bool reply_is_whole(struct proxy *proxy, const struct reply *reply);

/* For the client: the head and what is kept of the body, then piece by piece, and the end. */
int reply_put_kept(struct reply *reply, struct buf *out) MUST_CHECK;
int reply_put(const struct reply *reply, struct buf *out, struct slice piece) MUST_CHECK;
int reply_put_end(const struct reply *reply, struct buf *out) MUST_CHECK;

/* What is recorded of it; how it ended is `what`: 0, REQUEST_ANSWER_CUT or _MORE. */
struct reply_facts {
    struct request_answer answer;
    unsigned char sha256[SHA256_BYTES];
    char object[TARGET_PATH_MAX];
};

/*
 * Fills *out, which points into itself, the reply and the proxy's scratch memory, until that is
 * used again. Without memory less is told, and never something wrong.
 */
void reply_facts(struct reply_facts *out, struct proxy *proxy, const struct setup *setup,
                 const struct reply_to *to, const struct reply *reply, uint32_t what);

#endif
