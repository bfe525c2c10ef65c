/*
 * Tickets live in a table of slots; an id is the slot's number and a serial that makes it unique
 * on the link, so an answer finds its ticket without a search and a stale one finds none.
 */
#include "wall/caller.h"

#include "base/log.h"
#include "wall/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    CALLER_RETRY_US = 50000, /* after the first failure; doubles */
    CALLER_RETRY_MAX_US = 1000000,
    CALLER_PING_US = 1000000,
    CALLER_UNSENT = 1024 * 1024,       /* bytes; from there on no work is taken in */
    CALLER_DETAILS = 16 * 1024 * 1024, /* bytes; from there on outcomes tell less of the answer */
    SLOT_BITS = 17,                    /* of an id: the slot */
};

_Static_assert(WIRE_PENDING_MAX <= 1 << SLOT_BITS, "a slot's number must fit an id");

struct caller {
    struct loop *loop;
    struct sockaddr_un address;
    struct unix_users keepers;
    uint64_t timeout_us, retry_us;
    struct link *link;
    struct caller_state state;
    struct loop_timer timer; /* next attempt, or next ping */
    uint64_t heard, asked;   /* when a message last came; when the oldest silence began */
    unsigned unanswered;     /* questions under way, pings too */
    uint64_t serial;
    struct caller_ticket **slots; /* NULL where free */
    uint32_t *free_slots;
    size_t n_slots, n_free;
    struct link_events events;
    void (*room)(void *arg); /* or NULL */
    void *room_arg;
};

static void caller_closed(void *arg, const char *why);
static void caller_message(void *arg, const struct wire_message *m);

/* A keeper that ended because of its audit log said why. */
static bool audit_lost(const struct caller_state *s)
{
    return s->connects && !s->audit_ok;
}

const char *caller_trouble(const struct caller_state *s)
{
    if (audit_lost(s))
        return "audit_unavailable";
    return s->connected ? "" : "keeper_unavailable";
}

static void caller_why(struct caller *c, const char *why)
{
    if (audit_lost(&c->state))
        return;
    (void)snprintf(c->state.reason, sizeof(c->state.reason), "%s", why);
}

static int slots_grow(struct caller *c)
{
    size_t n = c->n_slots ? c->n_slots * 2 : 64;
    struct caller_ticket **slots;
    uint32_t *free_slots;

    if (n > WIRE_PENDING_MAX)
        return -ENOBUFS;
    slots = realloc(c->slots, n * sizeof(struct caller_ticket *));
    if (!slots)
        return -ENOMEM;
    c->slots = slots;
    free_slots = realloc(c->free_slots, n * sizeof(*free_slots));
    if (!free_slots)
        return -ENOMEM;
    c->free_slots = free_slots;
    for (size_t i = n; i > c->n_slots; i--) {
        c->slots[i - 1] = NULL;
        c->free_slots[c->n_free++] = (uint32_t)(i - 1);
    }
    c->n_slots = n;
    return 0;
}

static int ticket_open(struct caller *c, struct caller_ticket *t)
{
    uint32_t slot;

    if (!c->state.connected)
        return -ENOTCONN;
    if (c->n_free == 0) {
        int r = slots_grow(c);

        if (r < 0)
            return r;
    }
    slot = c->free_slots[--c->n_free];
    c->slots[slot] = t;
    t->id = ++c->serial << SLOT_BITS | slot;
    return 0;
}

static void ticket_close(struct caller *c, struct caller_ticket *t)
{
    uint32_t slot = (uint32_t)(t->id & ((1u << SLOT_BITS) - 1));

    c->slots[slot] = NULL;
    c->free_slots[c->n_free++] = slot;
    t->id = 0;
}

static struct caller_ticket *ticket_find(struct caller *c, uint64_t id)
{
    size_t slot = (size_t)(id & ((1u << SLOT_BITS) - 1));

    if (slot >= c->n_slots || !c->slots[slot] || c->slots[slot]->id != id)
        return NULL;
    return c->slots[slot];
}

static int caller_send(struct caller *c, const struct wire_message *m)
{
    int r;

    if (!c->link)
        return -ENOTCONN;
    r = link_send(c->link, m);
    if (r == 0 && c->unanswered++ == 0)
        c->asked = loop_time(c->loop);
    return r;
}

static void caller_room(void *arg)
{
    struct caller *c = arg;

    if (c->room)
        c->room(c->room_arg);
}

/* Every open ticket learns that its answers will not come. */
static void caller_drop(struct caller *c, const char *why)
{
    bool was = c->state.connected;

    link_free(c->link);
    c->link = NULL;
    c->state.connected = false;
    c->unanswered = 0;
    caller_why(c, why);
    if (was)
        log_warning("keeper_lost", "why=\"%s\"", why);
    for (size_t i = 0; i < c->n_slots; i++) {
        struct caller_ticket *t = c->slots[i];

        if (!t)
            continue;
        ticket_close(c, t);
        t->answer(t, NULL);
    }
    loop_timer_set(&c->timer, c->retry_us);
    caller_room(c);
}

/* False, and the reason is kept, when somebody else listens there. */
static bool is_keeper(struct caller *c, int fd)
{
    struct ucred cred;
    char why[256];

    if (unix_users_may_listen(&c->keepers, fd, c->address.sun_path, &cred))
        return true;
    (void)snprintf(why, sizeof(why),
                   "uid %u listens at %s, not %s; if that is right, say so with keeper_user",
                   (unsigned)cred.uid, c->address.sun_path, c->keepers.text);
    if (strcmp(why, c->state.reason) != 0)
        log_error("keeper_refused", "why=\"%s\"", why);
    caller_why(c, why);
    return false;
}

static void caller_connect(struct caller *c)
{
    struct wire_message hello = {.type = WIRE_HELLO, .version = WIRE_VERSION};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    c->retry_us = c->retry_us * 2 > CALLER_RETRY_MAX_US ? CALLER_RETRY_MAX_US : c->retry_us * 2;
    loop_timer_set(&c->timer, c->retry_us);
    if (fd < 0 || connect(fd, (struct sockaddr *)&c->address, sizeof(c->address)) < 0) {
        char why[160];

        (void)snprintf(why, sizeof(why), "no keeper at %s: %s", c->address.sun_path,
                       strerror(errno));
        caller_why(c, why);
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    if (!is_keeper(c, fd)) {
        (void)close(fd);
        return;
    }
    if (link_new(&c->link, c->loop, fd, &c->events, c) < 0)
        return;
    caller_why(c, "the keeper has not answered yet");
    if (caller_send(c, &hello) < 0)
        caller_drop(c, "the greeting could not be sent");
}

static void caller_tick(void *arg)
{
    struct caller *c = arg;
    struct wire_message ping = {.type = WIRE_PING, .id = 0};
    uint64_t now = loop_now();

    if (!c->link) {
        caller_connect(c);
        return;
    }
    if (c->unanswered && now - c->asked > c->timeout_us && now - c->heard > c->timeout_us) {
        caller_drop(c, "the keeper doesn't answer");
        return;
    }
    /* Under load too: the answer carries the keeper's counters. One that is not read yet will do.
     */
    if (c->state.connected && caller_has_room(c) && caller_send(c, &ping) < 0) {
        caller_drop(c, "a question can't be sent");
        return;
    }
    loop_timer_set(&c->timer, c->timeout_us < CALLER_PING_US ? c->timeout_us : CALLER_PING_US);
}

static void note_receipts(struct caller_state *state, const struct wire_state *s)
{
    state->waiting = s->waiting;
    state->quota = s->quota;
    state->n_receipts = s->n_receipts;
    for (unsigned i = 0; i < s->n_receipts; i++) {
        const struct wire_receipt *from = &s->receipts[i];
        struct caller_receipt *to = &state->receipts[i];

        (void)snprintf(to->name, sizeof(to->name), "%.*s", (int)from->name.len,
                       from->name.len ? from->name.data : "");
        to->records = from->records;
        to->age_us = from->age_us;
    }
}

static void caller_note(struct caller *c, const struct wire_state *s)
{
    if (c->state.connected && c->state.audit_ok != (s->audit_ok != 0))
        log_warning("keeper_state", "audit_ok=%u reason=%s", s->audit_ok,
                    log_quote(s->reason).text);
    c->state.audit_ok = s->audit_ok != 0;
    c->state.records = s->records;
    c->state.syncs = s->syncs;
    c->state.signatures = s->signatures;
    note_receipts(&c->state, s);
    (void)snprintf(c->state.reason, sizeof(c->state.reason), "%.*s", (int)s->reason.len,
                   s->reason.len ? s->reason.data : "");
}

static void caller_answer(struct caller *c, uint64_t id, const struct wire_message *m, bool last)
{
    struct caller_ticket *t = ticket_find(c, id);

    if (!t) {
        log_debug("answer_to_nobody", "message=%d", (int)m->type);
        return;
    }
    if (last)
        ticket_close(c, t);
    t->answer(t, m);
}

static void caller_message(void *arg, const struct wire_message *m)
{
    struct caller *c = arg;

    c->heard = loop_time(c->loop);
    if (c->unanswered)
        c->unanswered--;
    c->asked = c->heard;
    if (!c->state.connected && m->type != WIRE_WELCOME) {
        caller_drop(c, "the keeper did not greet");
        return;
    }
    switch (m->type) {
    case WIRE_WELCOME:
        caller_note(c, &m->state);
        c->state.connected = true;
        c->state.connects++;
        c->retry_us = CALLER_RETRY_US;
        log_info("keeper_connected", "socket=%s audit_ok=%u", c->address.sun_path,
                 m->state.audit_ok);
        break;
    case WIRE_STATE:
        caller_note(c, &m->state);
        break;
    case WIRE_SIGNED:
        caller_answer(c, m->signed_.id, m, false);
        break;
    case WIRE_REFUSED:
        caller_answer(c, m->refused.id, m, true);
        break;
    case WIRE_RECORDED:
        caller_answer(c, m->recorded.id, m, true);
        break;
    default:
        caller_drop(c, "the keeper sent what only a proxy may send");
    }
}

static void caller_closed(void *arg, const char *why)
{
    caller_drop(arg, why);
}

int caller_new(struct caller **out, struct loop *loop, const char *path,
               const struct unix_users *keepers, uint64_t timeout_us)
{
    struct caller *c = calloc(1, sizeof(*c));

    if (!c)
        return -ENOMEM;
    if (strlen(path) >= sizeof(c->address.sun_path)) {
        free(c);
        return -ENAMETOOLONG;
    }
    c->loop = loop;
    c->keepers = *keepers;
    c->timeout_us = timeout_us;
    c->retry_us = CALLER_RETRY_US;
    c->events = (struct link_events){caller_message, caller_closed, caller_room};
    c->address.sun_family = AF_UNIX;
    memcpy(c->address.sun_path, path, strlen(path));
    caller_why(c, "the keeper has not answered yet");
    loop_timer_init(&c->timer, loop, caller_tick, c);
    loop_timer_set(&c->timer, 0);
    *out = c;
    return 0;
}

void caller_free(struct caller *c)
{
    if (!c)
        return;
    loop_timer_deinit(&c->timer);
    link_free(c->link);
    free(c->slots);
    free(c->free_slots);
    free(c);
}

const struct caller_state *caller_state(const struct caller *c)
{
    return &c->state;
}

static int caller_open(struct caller *c, struct caller_ticket *t, struct wire_message *m,
                       uint64_t *id)
{
    int r = caller_has_room(c) ? ticket_open(c, t) : -ENOBUFS;

    if (r < 0)
        return r;
    *id = t->id;
    r = caller_send(c, m);
    if (r < 0)
        ticket_close(c, t);
    return r;
}

int caller_sign(struct caller *c, struct caller_ticket *t, struct sign_request *sign)
{
    struct wire_message m = {.type = WIRE_SIGN, .sign = *sign};

    return caller_open(c, t, &m, &m.sign.id);
}

int caller_reject(struct caller *c, struct caller_ticket *t, struct reject_request *reject)
{
    struct wire_message m = {.type = WIRE_REJECT, .reject = *reject};

    return caller_open(c, t, &m, &m.reject.id);
}

int caller_outcome(struct caller *c, struct caller_ticket *t, struct wire_outcome *outcome)
{
    struct wire_message m = {.type = WIRE_OUTCOME, .outcome = *outcome};

    if (t->id == 0)
        return -ENOTCONN;
    m.outcome.id = t->id;
    if (link_unsent(c->link) > CALLER_DETAILS)
        m.outcome.answer =
            (struct request_answer){.what = outcome->answer.what & (uint32_t)~REQUEST_ANSWER_OBJECT,
                                    .bytes = outcome->answer.bytes,
                                    .sha256 = outcome->answer.sha256};
    return caller_send(c, &m);
}

bool caller_has_room(const struct caller *c)
{
    return !c->link || link_unsent(c->link) < CALLER_UNSENT;
}

void caller_on_room(struct caller *c, void (*room)(void *arg), void *arg)
{
    c->room = room;
    c->room_arg = arg;
}

void caller_forget(struct caller *c, struct caller_ticket *t)
{
    if (t->id)
        ticket_close(c, t);
}
