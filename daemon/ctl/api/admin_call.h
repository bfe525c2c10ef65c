/*
 * One request to the running daemon's admin listener. Blocks, within a time limit.
 */
#ifndef CENTION_CTL_API_ADMIN_CALL_H
#define CENTION_CTL_API_ADMIN_CALL_H

#include "base/buf.h"
#include "base/err.h"

/* Where the listener is: a Unix socket's path, or a numeric address with its port. */
struct admin_place {
    char path[108];
    char address[64];
    unsigned port;
};

struct admin_answer {
    unsigned status;
    struct buf body; /* whole; the caller's to deinit */
};

/* From "/run/x.sock", "127.0.0.1:8081" or "[::1]:8081"; false when it is none of these. */
bool admin_place_parse(struct admin_place *place, const char *text);

/* From the setting `admin` of proxy.conf. -EINVAL or an errno with err filled. */
int admin_place_read(struct admin_place *place, const char *conf, struct err *err) MUST_CHECK;

/*
 * Sends one request and reads its answer; `request` is head and body. A negative errno with err
 * filled when there is no whole answer within `seconds`.
 */
int admin_call(const struct admin_place *place, struct slice request, unsigned seconds,
               struct admin_answer *answer, struct err *err) MUST_CHECK;

#endif
