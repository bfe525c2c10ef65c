/*
 * One object's requests: what made it, every change and deletion, and what was refused, of this
 * host's log or of all logs of a centre, in the order in which they ended.
 */
#ifndef CENTION_CTL_AUDIT_AUDIT_OBJECT_H
#define CENTION_CTL_AUDIT_AUDIT_OBJECT_H

#include "audit/requests.h"
#include "central/archive.h"
#include "ctl/audit/audit_facts.h"
#include "ctl/audit/audit_log.h"

/* A request of the object. `end` is NULL while it has no outcome, and of a refusal of the daemon.
 */
struct audit_object_event {
    const char *host; /* NULL: this one */
    const struct audit_facts *request, *end;
    uint64_t seq; /* of the request's record */
};

struct audit_object {
    struct slice path;      /* set before reading: the object's, */
    struct slice workspace; /* and its workspace; empty: any */
    int (*each)(void *arg, const struct audit_object_event *event); /* 0 or -errno */
    void *arg;

    struct audit_facts request, end; /* private, as the next two */
    struct requests open;            /* of this host's log */
    bool damaged;                    /* something was skipped and reported */
};

/* One of `log` and `archive` is given. 0; what `each` said, or -errno with err filled. */
int audit_object_read(struct audit_object *o, const struct audit_log *log, struct archive *archive,
                      struct err *err) MUST_CHECK;
void audit_object_deinit(struct audit_object *o);

/*
 * The object that the newest request with that X-Request-Id made or was about, to be freed; -ENOENT
 * when there is none, or when a creation's answer didn't say.
 */
int audit_object_of(char **path, struct slice id, const struct audit_log *log,
                    struct archive *archive, struct err *err) MUST_CHECK;

#endif
