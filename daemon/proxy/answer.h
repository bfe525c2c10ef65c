/*
 * The bytes of answers to clients: those the daemon makes itself, in the API's error shape, and
 * the heads of relayed ones. Pure functions.
 */
#ifndef CENTION_PROXY_ANSWER_H
#define CENTION_PROXY_ANSWER_H

#include "base/buf.h"
#include "http/http_parse.h"
#include "proxy/front/refusal.h"

/* What an answer depends on in the request that it answers. */
struct answer_to {
    struct slice request_id;
    unsigned minor;  /* the client's HTTP/1.minor */
    bool keep_alive; /* whether the connection stays open */
    bool to_head;    /* HEAD: the body is left out (RFC 9110, 9.3.2) */
    uint64_t now_us; /* since 1970: for Date in answers of the daemon (RFC 9110, 6.6.1) */
};

/*
 * A refusal as a whole answer: {"error", "code", "field"?, "outcome", "upstream_status"?}.
 * A 401 carries WWW-Authenticate, "overloaded" Retry-After. upstream_status is left out when 0;
 * `more` are further members, each with its comma before it.
 */
int answer_refusal(struct buf *out, const struct answer_to *to, const struct refusal *why,
                   unsigned upstream_status, struct slice more) MUST_CHECK;

/* Any other whole answer of the daemon. */
int answer_text(struct buf *out, const struct answer_to *to, unsigned status, const char *type,
                struct slice body) MUST_CHECK;

/*
 * The head of a relayed answer: status and reason as the upstream sent them, those of its fields
 * that doc/api.md lists, X-Request-Id (the request's own) and the framing. *chunked says whether
 * the body has to be chunked for this client; *keep_alive whether the connection can stay open (the
 * wish in `to` is a bound).
 */
int answer_head(struct buf *out, const struct answer_to *to, const struct http_head *head,
                bool *chunked, bool *keep_alive) MUST_CHECK;

/* Appends a JSON string in quotes; bytes that are no UTF-8 become '?'. */
int answer_json_string(struct buf *out, struct slice s) MUST_CHECK;

#endif
