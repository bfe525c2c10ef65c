/*
 * How many refusals of a user get a record of their own: at most `limit` records in a second,
 * for each uid. What is over that is counted, and written as one record when the second is over: a
 * client that may do nothing can't fill the audit log.
 */
#ifndef CENTION_KEEPER_REJECTS_H
#define CENTION_KEEPER_REJECTS_H

#include "base/loop.h"
#include "base/request.h"

#include <stdbool.h>

enum {
    REJECTS_USERS_MAX = 64,   /* that are told apart; all others together are one more */
    REJECTS_DEFAULT = 10,     /* records a second */
    REJECTS_SECOND = 1000000, /* microseconds */
    REJECTS_WORD_MAX = 65,    /* bytes of a name, terminator included */
    REJECTS_CODE_MAX = 32,
};

/* One uid in one second. */
struct rejects_user {
    uint32_t uid;
    uint64_t began;    /* the second; microseconds as the caller's clock; 0: never used */
    unsigned recorded; /* in it */
    uint32_t more;     /* that were only counted, and the last one of them: */
    bool vouched;      /* of all that are counted */
    uint32_t status;
    char code[REJECTS_CODE_MAX], name[REJECTS_WORD_MAX], user[REJECTS_WORD_MAX];
    char via[REJECTS_WORD_MAX], exe[REQUEST_NAME_MAX + 1];
};

struct rejects {
    unsigned limit; /* at least 1: of them one stands for all that are only counted */
    bool (*write)(void *arg, const struct reject_request *counted);
    void *arg;
    struct loop_timer timer;
    struct rejects_user users[REJECTS_USERS_MAX + 1];
};

/*
 * `write` takes the record of what was only counted: with `repeated`, who, and the last one's
 * status and code, valid during the call. False: it can't now, and is asked again a second later.
 */
void rejects_init(struct rejects *r, struct loop *loop,
                  bool (*write)(void *arg, const struct reject_request *counted), void *arg);
void rejects_deinit(struct rejects *r); /* what was only counted is lost */

/*
 * Whether this refusal gets a record of its own; else it is counted. `counted_anyway`: it never
 * gets one, because its client is over its own rate. `now_us` is loop_now().
 */
bool rejects_take(struct rejects *r, const struct reject_request *reject, bool counted_anyway,
                  uint64_t now_us) MUST_CHECK;

/* Writes what was counted in seconds that are over by then; UINT64_MAX: all. */
void rejects_flush(struct rejects *r, uint64_t now_us);

#endif
