/*
 * One connection to one server, and what is asked of it: all of it blocking, for a thread that may.
 * It doesn't connect again by itself: what was sent over a connection that ended is never sent by
 * the library once more. No function of ours is called from the library's threads.
 *
 * The library opens itself, and stays open until the process ends: its nats_Close frees what
 * belongs to libcrypto, whose own clean-up at exit then reads freed memory (libnats 3.4.1, OpenSSL
 * 3.0). Its thread for answers may outlive the connection: who has opened a link ends with
 * base/process.h (process_exit).
 */
#ifndef CENTION_CENTRAL_NATS_JS_LINK_H
#define CENTION_CENTRAL_NATS_JS_LINK_H

#include "base/slice.h"
#include "central/nats/js_form.h"
#include "central/nats/js_url.h"

#include <nats/nats.h>

enum {
    JS_CONNECT_MS = 2000, /* for a server to be there */
    JS_ASK_MS = 3000,     /* for it to answer */
};

struct js_link_options {
    const char *credentials, *ca; /* files, or NULL */
    const char *reply;            /* subjects of answers begin with it; NULL: the library's own */
    const char *name;             /* as the server's monitoring shows it */
};

struct js_link {
    natsConnection *nc;
    jsCtx *js;
    const struct js_server *server; /* the caller's */
};

/* A sentence in printable ASCII, cut to fit. */
void js_why(char why[SHIP_WHY], const char *format, ...) PRINTF_LIKE(2, 3);

/* 0; -ENOTCONN with why filled: a sentence with the server's name. */
int js_link_open(struct js_link *out, const struct js_server *server,
                 const struct js_link_options *options, char why[SHIP_WHY]) MUST_CHECK;
void js_link_close(struct js_link *link); /* a zeroed one is allowed */

/* The connection ends, and with it the thread that delivers what comes; the link is still to be
 * closed. */
void js_link_stop(struct js_link *link);

/*
 * Ends a subscription; NULL is allowed. libnats 3.4.1 may still be delivering to one that is
 * destroyed (nats.c, issue 637), and then waits for ever or crashes: so it is destroyed only when
 * the thread that delivers has passed it, at worst because the connection was ended. For the same
 * reason requests have to be made in the library's newer style, without a subscription each.
 */
void js_link_forget(struct js_link *link, natsSubscription *sub);

/* What went wrong in a call of this thread just now: what the server forbade, if it did, else the
 * library's words for it. */
void js_link_why(const struct js_link *link, natsStatus status, const char *what,
                 char why[SHIP_WHY]);

/* It has ended, or the server forbade something. */
bool js_link_broken(const struct js_link *link);

/*
 * The stream is there and set up as it must be; it is made when it is missing and `make` is set.
 * *last is its last message's number, 0: it is empty. -EIO with why filled.
 */
int js_link_stream(const struct js_link *link, const char *stream, const char *subject,
                   unsigned replicas, bool make, uint64_t *last, char why[SHIP_WHY]) MUST_CHECK;

/* The record that a message of the stream holds: its id and line agree. -EIO with why filled. */
int js_link_place(const struct js_link *link, const char *stream, uint64_t number,
                  const struct seal_key *log, struct ship_place *out,
                  char why[SHIP_WHY]) MUST_CHECK;

/* One that is made; name and subject stay the caller's, as does *subjects, which holds one. */
void js_config_make(jsStreamConfig *out, const char *name, const char **subjects,
                    unsigned replicas);

/* NULL, or a static sentence: why records must not be sent to one that is set up like this. */
const char *js_config_check(const jsStreamConfig *config, const char *subject, unsigned replicas);

#endif
