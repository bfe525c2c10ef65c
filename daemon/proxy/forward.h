/*
 * From a client's request to the upstream's: which requests go on at all, and the bytes that go.
 */
#ifndef CENTION_PROXY_FORWARD_H
#define CENTION_PROXY_FORWARD_H

#include "api/target.h"
#include "proxy/front/refusal.h"
#include "proxy/setup.h"
#include "wall/wire.h"

/*
 * Looks at a head before its body is read: path, method, media type. True with *target set (its
 * workspace is the request's or the default); false with *why filled.
 */
bool forward_check(const struct setup *setup, const struct http_head *head, struct target *target,
                   struct refusal *why);

/*
 * The request line and the fields that are passed on, without Authorization and without the empty
 * line; for `body_len` bytes of body.
 */
int forward_head(struct buf *out, const struct setup *setup, const struct http_head *head,
                 const struct target *target, struct slice request_id, size_t body_len) MUST_CHECK;

/* The rest: Authorization (in the document's literal form or not), the empty line, the body. */
int forward_signed(struct buf *out, bool literal, const struct wire_signed *s,
                   struct slice body) MUST_CHECK;

#endif
