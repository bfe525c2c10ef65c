/*
 * One log's conversation with its stream, from a connection's beginning to the first trouble:
 * blocking, for the worker's thread. A message is stored only as the one that it was numbered to be
 * (Nats-Expected-Last-Sequence), so one that failed takes all behind it along. After a failure
 * nothing in flight is trusted: the next session begins where the stream ends.
 */
#ifndef CENTION_CENTRAL_NATS_JS_SESSION_H
#define CENTION_CENTRAL_NATS_JS_SESSION_H

#include "central/nats/js_flight.h"
#include "central/nats/js_link.h"

struct js_session_options {
    const struct js_url *url;
    const char *prefix;
    unsigned replicas;
    const char *credentials, *ca; /* or NULL */
    const struct seal_key *log;
    const char *host;
};

struct js_session {
    struct js_session_options options;
    struct js_link link;
    natsSubscription *answers;
    char stream[JS_STREAM], alarm_stream[JS_STREAM];
    char subject[JS_SUBJECT], reply_prefix[JS_SUBJECT];
    char reply[JS_SUBJECT]; /* of this session, without the number */
    char host[JS_HOST];
    size_t server;     /* to be tried next */
    uint64_t known;    /* the stream's last message, as far as any session saw */
    uint64_t shrunk;   /* since when the stream ends before that; 0: it doesn't */
    uint64_t progress; /* when the last answer came, or the first of those in flight went */
    struct js_flight flight;
    /* Of JS_CONFLICT. */
    struct ship_place here, there;
};

enum {
    JS_ACKNOWLEDGED = 1,
    JS_CONFLICT, /* another record stands where one in flight belongs */
};

/* Everything in the options stays valid as long as it is used. */
void js_session_init(struct js_session *s, const struct js_session_options *options);

/* Tries the next server. 0; -ENOTCONN with why filled. */
int js_session_connect(struct js_session *s, char why[SHIP_WHY]) MUST_CHECK;

/* Checks the streams, or makes them, and asks for the last record; all zeros: there is none. 0;
 * -EIO with why filled. */
int js_session_begin(struct js_session *s, struct ship_place *head, char why[SHIP_WHY]) MUST_CHECK;

/* Not when the flight is full. 0; -EMSGSIZE: no server takes so long a one, and it was not sent;
 * -EIO. why is filled. */
int js_session_send(struct js_session *s, const struct ship_place *place, struct slice line,
                    char why[SHIP_WHY]) MUST_CHECK;

/*
 * Takes the answers that are there, waiting up to ms for the first. 0; JS_ACKNOWLEDGED with the
 * seq up to which all is stored; JS_CONFLICT or -EIO with why filled, and *seq above 0 when
 * something was acknowledged before.
 */
int js_session_answers(struct js_session *s, int64_t ms, uint64_t *seq,
                       char why[SHIP_WHY]) MUST_CHECK;

/* Waits until it is kept. 0, -EIO with why filled. */
int js_session_alarm(struct js_session *s, const struct ship_alarm *alarm,
                     char why[SHIP_WHY]) MUST_CHECK;

void js_session_end(struct js_session *s); /* may be called at any time */

#endif
