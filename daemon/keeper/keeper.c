/*
 * One peer for each link. During a turn messages only add records to the audit log's batch and
 * answers to a list; the hook at the end of the turn commits the batch and then sends the answers.
 * A peer may end at any moment: its answers in the list lose their peer and are skipped. Whether a
 * request is to be signed is decided in authorize.
 */
#include "keeper/keeper.h"

#include "base/log.h"
#include "keeper/answers.h"
#include "keeper/audit/pending.h"
#include "keeper/authorize.h"
#include "keeper/rejects.h"
#include "keeper/signer.h"
#include "keeper/state.h"
#include "wall/link.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    KEEPER_GREETING_US = 10000000, /* a peer that doesn't greet by then goes */
};

struct peer {
    struct keeper *keeper;
    struct peer *next, **link_to_us;
    struct link *link;
    struct loop_timer greeting;
    struct pending pending;
    bool greeted;
    struct ucred client;
};

struct keeper {
    struct loop *loop;
    struct audit *audit;
    struct keystore *keys;
    struct user_map users;
    struct policy *policy; /* NULL: nobody may do anything */
    struct loop_hook commit;
    struct group_commit group_commit;
    struct loop_hook tend;       /* after the answers have left */
    struct loop_timer tend_time; /* what the audit log has to do by the clock */
    struct peer *peers;
    size_t n_peers;
    struct answers answers;
    struct signing signing;
    struct rejects rejects;
    uint64_t signatures;
    void (*failed)(void *arg); /* NULL once called */
    void *failed_arg;
    bool status_ok, status_passing, status_reason; /* what the proxies know of the audit log */
    bool stopped;
};

/* ---- peers ---- */

static void orphan(void *arg, const struct pending_request *request)
{
    struct keeper *k = arg;
    struct record_outcome o = {
        .request_id = request->request_id,
        .intent = request->seq,
        .sent = "unknown",
        .error = k->stopped ? SLICE_LIT("the keeper stopped before the outcome was known")
                            : SLICE_LIT("the proxy went away"),
    };

    if (audit_outcome(k->audit, &o) < 0)
        log_error("outcome_lost", "id=%.*s", (int)o.request_id.len, o.request_id.data);
}

/* The one way a link ends. Frees the peer. */
static void peer_end(struct peer *p, const char *why)
{
    struct keeper *k = p->keeper;

    log_info("link_closed", "uid=%u pid=%d unanswered=%zu why=\"%s\"", (unsigned)p->client.uid,
             (int)p->client.pid, p->pending.n, why);
    answers_forget(&k->answers, p);
    pending_each(&p->pending, orphan, k);
    if (p->pending.n)
        loop_defer(k->loop, &k->commit);
    pending_deinit(&p->pending);
    loop_timer_deinit(&p->greeting);
    link_free(p->link);
    *p->link_to_us = p->next;
    if (p->next)
        p->next->link_to_us = p->link_to_us;
    k->n_peers--;
    free(p);
}

/* False when the peer is gone because it doesn't read. */
static bool peer_send(struct peer *p, const struct wire_message *m)
{
    if (link_send(p->link, m) == 0)
        return true;
    peer_end(p, "it doesn't read its answers");
    return false;
}

static void peer_closed(void *arg, const char *why)
{
    peer_end(arg, why);
}

static void peer_late(void *arg)
{
    peer_end(arg, "it did not greet in time");
}

/* ---- answers ---- */

/* After answers_reserve: leaves once the turn's records are durable. */
static struct answer *answer_later(struct peer *p, enum wire_type type, uint64_t id)
{
    struct keeper *k = p->keeper;

    loop_defer(k->loop, &k->commit);
    return answers_add(&k->answers, p, type, id);
}

static void refuse_now(struct peer *p, uint64_t id, enum wire_reason reason, struct slice text)
{
    struct wire_message m = {.type = WIRE_REFUSED,
                             .refused = {.id = id, .reason = reason, .text = text}};

    (void)peer_send(p, &m);
}

static void refuse_unrecorded(struct peer *p, uint64_t id)
{
    refuse_now(p, id, WIRE_REASON_AUDIT, state_refusal(p->keeper->audit));
}

static void recorded_now(struct peer *p, uint64_t id, bool durable)
{
    struct wire_message m = {.type = WIRE_RECORDED, .recorded = {.id = id, .durable = durable}};

    (void)peer_send(p, &m);
}

static void send_signed(struct answer *a)
{
    struct peer *p = a->peer;
    struct wire_message m = {
        .type = WIRE_SIGNED,
        .signed_ = {a->id, a->key->id, slice_of(a->signature, sizeof(a->signature))},
    };

    a->request->answered = true;
    p->keeper->signatures++;
    (void)peer_send(p, &m);
}

/* The commit failed: there is no intent, so nothing is pending and nothing was signed. */
static void send_unsigned(struct answer *a)
{
    pending_remove(&a->peer->pending, a->request);
    refuse_unrecorded(a->peer, a->id);
}

static void answer_send(struct answer *a, bool durable)
{
    if (!a->peer)
        return;
    if (a->type == WIRE_RECORDED)
        recorded_now(a->peer, a->id, durable);
    else if (a->type == WIRE_REFUSED)
        refuse_now(a->peer, a->id, a->reason, slice_str(a->text));
    else if (durable)
        send_signed(a);
    else
        send_unsigned(a);
}

static void send_state(struct peer *p, enum wire_type type, uint64_t id)
{
    struct state s;

    state_make(&s, type, id, p->keeper->audit, p->keeper->signatures);
    (void)peer_send(p, &s.message);
}

/* Trouble with the audit log is reported at once, not with the next ping: there may be none. */
static void report_trouble(struct keeper *k)
{
    struct audit_state s = audit_state(k->audit);
    bool reason = s.reason[0] != '\0';
    struct peer *next;

    if (s.ok == k->status_ok && s.passing == k->status_passing && reason == k->status_reason)
        return;
    k->status_ok = s.ok;
    k->status_passing = s.passing;
    k->status_reason = reason;
    for (struct peer *p = k->peers; p; p = next) {
        next = p->next;
        if (p->greeted)
            send_state(p, WIRE_STATE, 0);
    }
    if (!s.ok && !s.passing && k->failed) {
        void (*failed)(void *arg) = k->failed;

        k->failed = NULL;
        failed(k->failed_arg);
    }
}

/* One write, one sync, then every answer. */
static void keeper_commit(struct keeper *k)
{
    bool durable = audit_commit(k->audit) == 0;

    k->group_commit = (struct group_commit){0};
    for (size_t i = 0; i < k->answers.n; i++)
        answer_send(&k->answers.list[i], durable);
    answers_clear(&k->answers);
    report_trouble(k);
    if (!k->stopped)
        loop_defer(k->loop, &k->tend);
}

/* The end of a turn that brought records. */
static void keeper_turn(void *arg)
{
    struct keeper *k = arg;
    size_t open = keeper_pending(k), asked = k->answers.n_signed;

    if (!group_commit_more(&k->group_commit, k->answers.n, open > asked ? open - asked : 0,
                           loop_now())) {
        keeper_commit(k);
        return;
    }
    (void)sched_yield(); /* to a proxy that has more for us, if it is on this processor */
    loop_defer_next(k->loop, &k->commit);
}

/* Signatures over the log, new epochs and segments; no answer waits for them. */
static void keeper_tend(void *arg)
{
    struct keeper *k = arg;
    uint64_t due = audit_due(k->audit);

    if (due == 0)
        due = audit_tend(k->audit) < 0 ? UINT64_MAX : audit_due(k->audit);
    report_trouble(k);
    if (due == UINT64_MAX)
        loop_timer_clear(&k->tend_time);
    else
        loop_timer_set(&k->tend_time, due ? due : 1);
}

/* ---- messages ---- */

/* Refusals that were only counted. */
static bool write_counted(void *arg, const struct reject_request *counted)
{
    struct keeper *k = arg;

    if (!audit_state(k->audit).ok || audit_reject(k->audit, counted) < 0)
        return false;
    loop_defer(k->loop, &k->commit);
    return true;
}

/*
 * Records a refusal, or counts it, and answers: REFUSED for that reason, or RECORDED with none (the
 * proxy has refused by itself).
 */
static void record_refusal(struct peer *p, int client, const struct reject_request *reject,
                           enum wire_reason reason)
{
    struct keeper *k = p->keeper;
    /* Refusals use up the client's rate; one that is over it had its turn already. */
    bool over_rate =
        reason != WIRE_REASON_OVERLOADED && !policy_take(k->policy, client, loop_now());
    char *copy = NULL;
    struct answer *a;

    if (!rejects_take(&k->rejects, reject, over_rate, loop_now())) {
        if (reason)
            refuse_now(p, reject->id, reason, reject->error);
        else
            recorded_now(p, reject->id, true); /* as a number, soon */
        return;
    }
    if (reason)
        authorize_log(reject);
    if ((reason && !(copy = strndup(reject->error.data, reject->error.len))) ||
        answers_reserve(&k->answers) < 0 || audit_reject(k->audit, reject) < 0) {
        free(copy);
        if (reason)
            refuse_unrecorded(p, reject->id);
        else
            recorded_now(p, reject->id, false);
        return;
    }
    a = answer_later(p, reason ? WIRE_REFUSED : WIRE_RECORDED, reject->id);
    a->reason = reason;
    a->text = copy;
}

/* A reject record of our own making, and REFUSED once it is durable. */
static void refuse(struct peer *p, int client, const struct sign_request *sign,
                   enum wire_reason reason, const char *text)
{
    struct reject_request reject = authorize_record(sign, reason, text);

    record_refusal(p, client, &reject, reason);
}

static void accept_sign(struct peer *p, int client, const struct sign_request *sign,
                        const struct keystore_key *key)
{
    struct keeper *k = p->keeper;
    char signature[WIRE_SIGNATURE];
    struct pending_request *request;
    struct answer *a;

    if (answers_reserve(&k->answers) < 0 ||
        signing_request(&k->signing, sign, key, signature) < 0 ||
        pending_add(&p->pending, sign, WIRE_PENDING_MAX, &request) < 0) {
        explicit_bzero(signature, sizeof(signature));
        refuse(p, client, sign, WIRE_REASON_OVERLOADED, "the keeper is out of memory");
        return;
    }
    if (audit_intent(k->audit, sign, key->id) < 0) {
        pending_remove(&p->pending, request);
        explicit_bzero(signature, sizeof(signature));
        refuse_unrecorded(p, sign->id);
        return;
    }
    request->seq = audit_last_intent(k->audit);
    a = answer_later(p, WIRE_SIGNED, sign->id);
    a->key = key;
    a->request = request;
    memcpy(a->signature, signature, sizeof(a->signature));
    explicit_bzero(signature, sizeof(signature));
}

static void on_sign(struct peer *p, const struct sign_request *in)
{
    struct keeper *k = p->keeper;
    struct sign_request sign = *in;
    const struct keystore_key *key = NULL;
    struct authorization authorization;
    const char *why;
    int client;

    if (!audit_state(k->audit).ok) {
        refuse_unrecorded(p, in->id);
        return;
    }
    client = authorize_client(k->policy, &k->users, &sign.client);
    why = check_sign(&sign);
    if (!why)
        why = pending_refusal(&p->pending, sign.id, WIRE_PENDING_MAX);
    if (why) {
        refuse(p, client, &sign, WIRE_REASON_MALFORMED, why);
        return;
    }
    authorize_request(&authorization, k->policy, client, k->keys, &sign, &key);
    if (authorization.reason)
        refuse(p, client, &sign, authorization.reason, authorization.text);
    else
        accept_sign(p, client, &sign, key);
}

static void on_outcome(struct peer *p, const struct wire_outcome *outcome)
{
    static const char *const SENT[] = {"none", "partial", "all"};
    struct pending_request *request = pending_find(&p->pending, outcome->id);
    struct record_outcome o = {
        .status = outcome->status,
        .timed = true,
        .duration_us = outcome->duration_us,
        .error = outcome->error,
        .answer = outcome->answer,
    };

    if (!request || !request->answered) {
        log_warning("unknown_outcome", "pid=%d id=%" PRIu64, (int)p->client.pid, outcome->id);
        recorded_now(p, outcome->id, false);
        return;
    }
    o.request_id = request->request_id;
    o.intent = request->seq;
    o.method = request->method;
    o.path = request->path;
    o.sent = SENT[outcome->sent]; /* in range: the codec sees to it */
    if (answers_reserve(&p->keeper->answers) < 0 || audit_outcome(p->keeper->audit, &o) < 0) {
        log_error("outcome_lost", "id=%.*s", (int)o.request_id.len, o.request_id.data);
        pending_remove(&p->pending, request);
        recorded_now(p, outcome->id, false);
        return;
    }
    pending_remove(&p->pending, request);
    (void)answer_later(p, WIRE_RECORDED, outcome->id);
}

static void on_reject(struct peer *p, const struct reject_request *in)
{
    struct keeper *k = p->keeper;
    struct reject_request reject = *in;
    int client = authorize_client(k->policy, &k->users, &reject.client);
    char text[POLICY_TEXT_MAX];

    if (authorize_hides(k->policy, client, &reject, text))
        record_refusal(p, client, &reject, WIRE_REASON_UNKNOWN_CLIENT);
    else
        record_refusal(p, client, &reject, 0);
}

static void on_hello(struct peer *p, uint32_t version)
{
    char why[96];

    if (version != WIRE_VERSION) {
        (void)snprintf(why, sizeof(why), "it speaks version %u, not %d", version, WIRE_VERSION);
        peer_end(p, why);
        return;
    }
    p->greeted = true;
    loop_timer_clear(&p->greeting);
    send_state(p, WIRE_WELCOME, 0);
}

/* All that a proxy may ask for. */
static void peer_message(void *arg, const struct wire_message *m)
{
    struct peer *p = arg;

    if (p->greeted != (m->type != WIRE_HELLO)) {
        peer_end(p, p->greeted ? "it greeted twice" : "it did not greet first");
        return;
    }
    switch (m->type) {
    case WIRE_HELLO:
        on_hello(p, m->version);
        break;
    case WIRE_SIGN:
        on_sign(p, &m->sign);
        break;
    case WIRE_OUTCOME:
        on_outcome(p, &m->outcome);
        break;
    case WIRE_REJECT:
        on_reject(p, &m->reject);
        break;
    case WIRE_PING:
        send_state(p, WIRE_STATE, m->id);
        break;
    default:
        peer_end(p, "it sent what only a keeper may send");
    }
}

static const struct link_events PEER_EVENTS = {peer_message, peer_closed, NULL};

void keeper_arrived(struct keeper *k, int fd)
{
    struct peer *p;

    if (k->n_peers >= KEEPER_LINKS_MAX || k->stopped) {
        log_warning("link_refused", "why=\"%d links are open\"", KEEPER_LINKS_MAX);
        (void)close(fd);
        return;
    }
    p = calloc(1, sizeof(*p));
    if (!p) {
        (void)close(fd);
        return;
    }
    p->keeper = k;
    unix_peer(fd, &p->client);
    if (link_new(&p->link, k->loop, fd, &PEER_EVENTS, p) < 0) {
        log_error("link_refused", "why=\"%s\"", "out of memory");
        free(p);
        return;
    }
    loop_timer_init(&p->greeting, k->loop, peer_late, p);
    loop_timer_set(&p->greeting, KEEPER_GREETING_US);
    p->next = k->peers;
    p->link_to_us = &k->peers;
    if (p->next)
        p->next->link_to_us = &p->next;
    k->peers = p;
    k->n_peers++;
    log_info("link_opened", "uid=%u pid=%d", (unsigned)p->client.uid, (int)p->client.pid);
}

/* ---- the keeper as a whole ---- */

int keeper_new(struct keeper **out, struct loop *loop, struct audit *audit,
               const struct signer *signer, struct keystore *keys)
{
    struct keeper *k = calloc(1, sizeof(*k));

    if (!k)
        return -ENOMEM;
    *k = (struct keeper){
        .loop = loop,
        .audit = audit,
        .status_ok = true,
    };
    user_map_read(&k->users);
    signing_init(&k->signing, signer);
    k->keys = keys;
    k->commit = (struct loop_hook){.run = keeper_turn, .arg = k};
    k->tend = (struct loop_hook){.run = keeper_tend, .arg = k};
    loop_timer_init(&k->tend_time, loop, keeper_tend, k);
    rejects_init(&k->rejects, loop, write_counted, k);
    *out = k;
    return 0;
}

void keeper_free(struct keeper *k)
{
    if (!k)
        return;
    loop_cancel(k->loop, &k->commit);
    while (k->peers)
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): peer_end takes it off the list */
        peer_end(k->peers, "the keeper is freed");
    loop_cancel(k->loop, &k->commit);
    loop_cancel(k->loop, &k->tend);
    loop_timer_deinit(&k->tend_time);
    rejects_deinit(&k->rejects);
    answers_deinit(&k->answers);
    signing_deinit(&k->signing);
    keystore_free(k->keys);
    free(k);
}

void keeper_on_failure(struct keeper *k, void (*failed)(void *arg), void *arg)
{
    k->failed = failed;
    k->failed_arg = arg;
}

void keeper_policy(struct keeper *k, struct policy *policy)
{
    policy_continue(policy, k->policy);
    k->policy = policy;
}

void keeper_reject_limit(struct keeper *k, unsigned limit)
{
    k->rejects.limit = limit;
}

size_t keeper_pending(const struct keeper *k)
{
    size_t n = 0;

    for (const struct peer *p = k->peers; p; p = p->next)
        n += p->pending.n;
    return n;
}

uint64_t keeper_signatures(const struct keeper *k)
{
    return k->signatures;
}

static int add_key(void *arg, const struct keystore_key *key, const char *event)
{
    struct keeper *k = arg;

    return audit_key(k->audit, key->workspace, key->id, event);
}

int keeper_begin(struct keeper *k)
{
    for (size_t i = 0; i < keystore_count(k->keys); i++)
        if (add_key(k, keystore_at(k->keys, i), "loaded") < 0)
            return -EIO;
    loop_defer(k->loop, &k->tend);
    return audit_commit(k->audit);
}

void keeper_reload(struct keeper *k, struct keystore *keys)
{
    /* Waiting answers point into the old keys. */
    keeper_commit(k);
    if (keystore_changes(k->keys, keys, add_key, k) < 0 ||
        audit_config(k->audit, "applied", SLICE_NULL) < 0)
        log_error("reload_unrecorded", "%s", "");
    keystore_free(k->keys);
    k->keys = keys;
    loop_defer(k->loop, &k->commit);
}

void keeper_reload_refused(struct keeper *k, const char *why)
{
    if (audit_config(k->audit, "refused", slice_str(why)) < 0)
        log_error("reload_unrecorded", "%s", "");
    loop_defer(k->loop, &k->commit);
}

void keeper_stop(struct keeper *k)
{
    if (k->stopped)
        return;
    k->stopped = true;
    loop_cancel(k->loop, &k->tend);
    loop_timer_clear(&k->tend_time);
    rejects_flush(&k->rejects, UINT64_MAX);
    keeper_commit(k);
    while (k->peers)
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): as above */
        peer_end(k->peers, "the keeper stops");
    if (audit_stop(k->audit) < 0 || audit_commit(k->audit) < 0)
        log_error("stop_unrecorded", "%s", "");
}
