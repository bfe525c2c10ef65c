/*
 * Each member has one piece of mail for each kind of order, which goes there and comes back: so no
 * order needs memory, and one that is still under way is known. The mail's arg is its member; while
 * it is under way what belongs to the order is the receiver's.
 */
#include "proxy/workers.h"

#include "base/log.h"
#include "base/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct member {
    struct workers *workers;
    struct worker worker;
    struct mailbox *box;
    pthread_t thread;
    bool running; /* the thread is there */
    struct mail prepare, use, drain, hurry, end, ended, ask;
    struct setup *fresh; /* with prepare and use; NULL when it could not be made */
    struct err why;
    unsigned n_running, n_connections; /* with drain */
    struct report report;              /* with ask */
    struct report known;               /* what it last answered */
    uint64_t asked_at;                 /* 0: nothing is asked */
    unsigned round;                    /* of the question under way */
    bool hung;
};

enum gate {
    GATE_SHUT,
    GATE_OPEN,
    GATE_NEVER, /* go home */
};

struct workers {
    struct worker *first;
    struct workers_owner owner;
    struct mailbox *box; /* the first worker's */
    struct clients_shared connections;
    pthread_mutex_t lock; /* of the next two */
    pthread_cond_t changed;
    unsigned waiting; /* threads at the gate */
    enum gate gate;

    const struct setup *fresh; /* workers_reload's */
    unsigned max;              /* connections of clients, for all */
    bool renew, keep;
    unsigned reloading, draining, at_work; /* whose mail is not back */
    unsigned n_running, n_connections;     /* what was drained so far */

    struct workers_question *now, *next, **end; /* of this round, and of the one to come */
    unsigned round, awaited;                    /* awaited: answers of this round */
    bool asking;
    struct loop_timer patience;

    unsigned n; /* members */
    struct member members[];
};

static void post_first(struct mail *mail, void (*deliver)(struct mail *mail))
{
    struct member *m = mail->arg;

    mail->deliver = deliver;
    mailbox_post(m->workers->box, mail);
}

static void post_member(struct mail *mail, void (*deliver)(struct mail *mail))
{
    struct member *m = mail->arg;

    mail->deliver = deliver;
    mailbox_post(m->box, mail);
}

/* ---- new settings ---- */

static void reload_used(struct mail *mail)
{
    struct member *m = mail->arg;
    struct workers *c = m->workers;
    struct err none = ERR_INIT;
    const struct err *why = &none;

    if (--c->reloading)
        return;
    for (unsigned i = 0; i < c->n && !c->keep; i++)
        if (c->members[i].why.text[0])
            why = &c->members[i].why;
    c->owner.reloaded(c->owner.arg, why);
}

/* In the member's thread. `keep` and `renew` don't change while the order is under way. */
static void reload_use(struct mail *mail)
{
    struct member *m = mail->arg;

    if (m->workers->keep) {
        worker_use(&m->worker, m->fresh);
        if (m->workers->renew)
            worker_renew(&m->worker);
    } else {
        setup_unref(m->fresh);
    }
    m->fresh = NULL;
    post_first(mail, reload_used);
}

static void reload_prepared(struct mail *mail)
{
    struct member *m = mail->arg;
    struct workers *c = m->workers;

    c->keep &= m->fresh != NULL;
    if (--c->reloading)
        return;
    c->reloading = c->n;
    for (unsigned i = 0; i < c->n; i++)
        post_member(&c->members[i].use, reload_use);
}

/* In the member's thread. */
static void reload_prepare(struct mail *mail)
{
    struct member *m = mail->arg;
    struct workers *c = m->workers;

    m->why = (struct err)ERR_INIT;
    m->fresh = NULL;
    if (setup_share(&m->fresh, c->fresh, m->worker.loop, m->worker.number, &m->why) == 0)
        m->fresh->conf.connections = worker_part(c->max, m->worker.number, c->n + 1);
    post_first(mail, reload_prepared);
}

void workers_reload(struct workers *c, const struct setup *fresh, unsigned connections, bool renew)
{
    c->fresh = fresh;
    c->max = connections;
    c->renew = renew;
    c->keep = true;
    c->reloading = c->n;
    for (unsigned i = 0; i < c->n; i++)
        post_member(&c->members[i].prepare, reload_prepare);
}

/* ---- the end ---- */

static void drain_drained(struct mail *mail)
{
    struct member *m = mail->arg;
    struct workers *c = m->workers;

    c->n_running += m->n_running;
    c->n_connections += m->n_connections;
    if (--c->draining == 0)
        c->owner.drained(c->owner.arg, c->n_running, c->n_connections);
}

/* In the member's thread, as the next three. */
static void drain_begin(struct mail *mail)
{
    struct member *m = mail->arg;

    worker_drain(&m->worker);
    m->n_running = m->worker.proxy.running;
    m->n_connections = clients_count(m->worker.api);
    post_first(mail, drain_drained);
}

static void drain_hurry(struct mail *mail)
{
    struct member *m = mail->arg;

    worker_hurry(&m->worker);
}

static void loop_end(struct mail *mail)
{
    struct member *m = mail->arg;

    loop_stop(m->worker.loop);
}

static void member_home(struct mail *mail);

static void member_ended(void *arg)
{
    struct member *m = arg;

    post_first(&m->ended, member_home);
}

static void member_home(struct mail *mail)
{
    struct member *m = mail->arg;
    struct workers *c = m->workers;

    if (--c->at_work == 0)
        c->owner.ended(c->owner.arg);
}

void workers_drain(struct workers *c)
{
    c->draining = c->at_work = c->n;
    for (unsigned i = 0; i < c->n; i++)
        post_member(&c->members[i].drain, drain_begin);
}

void workers_hurry(struct workers *c)
{
    for (unsigned i = 0; i < c->n; i++)
        if (!c->members[i].hurry.deliver) /* once is enough, and it may be under way */
            post_member(&c->members[i].hurry, drain_hurry);
}

/* ---- questions ---- */

static void ask_begin(struct workers *c);

static void ask_end(struct workers *c)
{
    struct workers_question *q = c->now, *next;

    c->asking = false;
    c->now = NULL;
    loop_timer_clear(&c->patience);
    for (; q; q = next) {
        next = q->next;
        q->answered(q);
    }
    if (c->next && !c->asking)
        ask_begin(c);
}

static void ask_answered(struct mail *mail)
{
    struct member *m = mail->arg;
    struct workers *c = m->workers;

    m->known = m->report;
    m->asked_at = 0;
    if (m->hung)
        log_warning("worker_back", "worker=%u", m->worker.number);
    m->hung = false;
    if (c->asking && m->round == c->round && --c->awaited == 0)
        ask_end(c);
}

/* In the member's thread. */
static void ask_report(struct mail *mail)
{
    struct member *m = mail->arg;

    report_take(&m->report, &m->worker);
    post_first(mail, ask_answered);
}

static void ask_late(void *arg)
{
    struct workers *c = arg;

    for (unsigned i = 0; i < c->n; i++) {
        struct member *m = &c->members[i];

        if (!m->asked_at || m->hung)
            continue;
        m->hung = true;
        log_error("worker_hung", "worker=%u why=\"its loop does not turn\"", m->worker.number);
    }
    ask_end(c);
}

static void ask_begin(struct workers *c)
{
    c->now = c->next;
    c->next = NULL;
    c->end = &c->next;
    c->asking = true;
    c->round++;
    c->awaited = 0;
    for (unsigned i = 0; i < c->n; i++) {
        struct member *m = &c->members[i];

        if (m->asked_at)
            continue;
        m->asked_at = loop_now();
        m->round = c->round;
        c->awaited++;
        post_member(&m->ask, ask_report);
    }
    loop_timer_set(&c->patience, c->awaited ? WORKERS_PATIENCE_US : 0);
}

void workers_ask(struct workers *c, struct workers_question *q)
{
    q->next = NULL;
    *c->end = q;
    c->end = &q->next;
    if (!c->asking)
        ask_begin(c);
}

bool workers_well(void *workers, uint64_t within_us)
{
    struct workers *c = workers;
    uint64_t now = loop_now();

    for (unsigned i = 0; c && i < c->n; i++)
        if (c->members[i].asked_at && now - c->members[i].asked_at > within_us / 2)
            return false;
    if (c && !c->asking)
        ask_begin(c);
    return true;
}

void workers_report(const struct workers *c, struct report *sum)
{
    for (unsigned i = 0; c && i < c->n; i++)
        report_add(sum, &c->members[i].known);
}

uint64_t workers_accepts(const struct workers *c, unsigned number)
{
    return c->members[number - 1].known.accepts;
}

unsigned workers_hung(const struct workers *c)
{
    for (unsigned i = 0; c && i < c->n; i++)
        if (c->members[i].hung)
            return c->members[i].worker.number;
    return 0;
}

unsigned workers_workers(const struct workers *c)
{
    return c ? c->n + 1 : 1;
}

/* ---- threads ---- */

static void *member_run(void *arg)
{
    struct member *m = arg;
    struct workers *c = m->workers;
    char name[16];
    enum gate gate;

    /* A thread's first allocation is made before the sandbox, which then need not allow its system
     * calls. */
    free(calloc(1, 1024));
    (void)snprintf(name, sizeof(name), "worker-%u", m->worker.number);
    (void)pthread_setname_np(pthread_self(), name);
    (void)pthread_mutex_lock(&c->lock);
    c->waiting++;
    (void)pthread_cond_broadcast(&c->changed);
    while (c->gate == GATE_SHUT)
        (void)pthread_cond_wait(&c->changed, &c->lock);
    gate = c->gate;
    (void)pthread_mutex_unlock(&c->lock);
    if (gate == GATE_OPEN && loop_run(m->worker.loop) < 0)
        log_error("loop_failed", "worker=%u", m->worker.number);
    return NULL;
}

static int start_threads(struct workers *c)
{
    int r = 0;

    for (unsigned i = 0; i < c->n && r == 0; i++) {
        r = pthread_create(&c->members[i].thread, NULL, member_run, &c->members[i]);
        c->members[i].running = r == 0;
    }
    return -r;
}

int workers_start(struct workers *c, struct err *err)
{
    static const int OWN[] = {SIGSYS, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    sigset_t all, before;
    int r;

    if (!c)
        return 0;
    log_threads();
    (void)sigfillset(&all);
    for (unsigned i = 0; i < sizeof(OWN) / sizeof(OWN[0]); i++)
        (void)sigdelset(&all, OWN[i]); /* a thread's own faults */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    r = start_threads(c);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r < 0)
        return err_set(err, r, "workers: a thread can't be made: %s", strerror(-r));
    (void)pthread_mutex_lock(&c->lock);
    while (c->waiting < c->n)
        (void)pthread_cond_wait(&c->changed, &c->lock);
    (void)pthread_mutex_unlock(&c->lock);
    return 0;
}

static void set_gate(struct workers *c, enum gate gate)
{
    (void)pthread_mutex_lock(&c->lock);
    c->gate = gate;
    (void)pthread_cond_broadcast(&c->changed);
    (void)pthread_mutex_unlock(&c->lock);
}

void workers_go(struct workers *c)
{
    if (c)
        set_gate(c, GATE_OPEN);
}

void workers_end(struct workers *c)
{
    if (!c)
        return;
    if (c->gate == GATE_SHUT)
        set_gate(c, GATE_NEVER);
    for (unsigned i = 0; i < c->n; i++) {
        struct member *m = &c->members[i];

        if (!m->running)
            continue;
        post_member(&m->end, loop_end);
        (void)pthread_join(m->thread, NULL);
        m->running = false;
        report_take(&m->known, &m->worker);
    }
}

/* ---- beginning and end of all ---- */

static int member_init(struct workers *c, struct member *m, unsigned number, struct err *err)
{
    const struct setup *of = c->first->proxy.setup;
    struct mail *mails[] = {&m->prepare, &m->use,   &m->drain, &m->hurry,
                            &m->end,     &m->ended, &m->ask};
    struct setup *setup = NULL;
    int r;

    for (unsigned i = 0; i < sizeof(mails) / sizeof(mails[0]); i++)
        mails[i]->arg = m;
    m->workers = c;
    m->worker = (struct worker){
        .number = number, .inherited = c->first->inherited, .ended = member_ended, .arg = m};
    if (loop_new(&m->worker.loop) < 0)
        return err_set(err, -ENOMEM, "out of memory");
    r = mailbox_new(&m->box, m->worker.loop);
    if (r < 0)
        return err_set(err, r, "workers: %s", strerror(-r));
    r = setup_share(&setup, of, m->worker.loop, number, err);
    if (r < 0)
        return r;
    setup->conf.connections = worker_part(c->max, number, of->conf.workers);
    r = worker_open(&m->worker, setup, err);
    return r < 0
               ? r
               : clients_share(m->worker.api, c->first->api, of->conf.listen, &c->connections, err);
}

int workers_new(struct workers **out, struct worker *first, unsigned connections,
                const struct workers_owner *owner, struct err *err)
{
    unsigned n = first->proxy.setup->conf.workers - 1;
    struct workers *c;
    int r;

    *out = NULL;
    if (n == 0)
        return 0;
    c = calloc(1, sizeof(*c) + n * sizeof(struct member));
    if (!c)
        return err_set(err, -ENOMEM, "out of memory");
    c->first = first;
    c->owner = *owner;
    c->max = connections;
    c->end = &c->next;
    c->connections.loops = n + 1;
    (void)pthread_mutex_init(&c->lock, NULL);
    (void)pthread_cond_init(&c->changed, NULL);
    loop_timer_init(&c->patience, first->loop, ask_late, c);
    r = mailbox_new(&c->box, first->loop);
    if (r < 0)
        r = err_set(err, r, "workers: %s", strerror(-r));
    for (; r == 0 && c->n < n; c->n++)
        r = member_init(c, &c->members[c->n], c->n + 1, err);
    if (r < 0)
        workers_free(c);
    else
        *out = c;
    return r;
}

static void member_free(struct member *m)
{
    setup_unref(m->fresh);
    if (m->worker.proxy.setup)
        worker_close(&m->worker);
    mailbox_free(m->box);
    loop_free(m->worker.loop);
}

void workers_free(struct workers *c)
{
    if (!c)
        return;
    for (unsigned i = 0; i < c->n; i++)
        member_free(&c->members[i]);
    while (c->now || c->next) {
        struct workers_question *q = c->now ? c->now : c->next;

        *(c->now ? &c->now : &c->next) = q->next;
        q->answered(q);
    }
    loop_timer_deinit(&c->patience);
    mailbox_free(c->box);
    (void)pthread_cond_destroy(&c->changed);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}
