#include "central/nats/js_worker.h"

#include "base/log.h"
#include "base/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#ifndef JS_PULSE_US /* a test has less time */
#define JS_PULSE_US 5000000
#endif

enum {
    PULSES = 60, /* of the loop without a sign of the thread: it hangs */
    PAUSE_FIRST_MS = 100,
    PAUSE_LAST_MS = 5000,
    TURN_MS = 20,       /* how long new work may wait while answers are awaited */
    IDLE_MS = 1000,     /* until an idle connection is looked at */
    SENT_AT_ONCE = 128, /* records, until answers are looked at */
    ALARMS = 16,
};

/* A batch's copy: the lines stand behind one another in `bytes`. */
struct job {
    struct job *next;
    size_t n, sent;
    const char *rest; /* of the bytes: the line to be sent next */
    struct {
        struct ship_place place;
        size_t len;
    } records[];
};

struct alarm {
    struct alarm *next;
    struct ship_alarm alarm;
    char why[SHIP_WHY];
};

enum event_kind {
    NOTHING,
    READY,
    CONFLICT,
    LOST,
};

struct worker_event {
    enum event_kind kind;
    struct ship_place here, there;
    char why[SHIP_WHY];
};

struct js_worker {
    const struct sink_events *events;
    void *arg;
    struct mailbox *box;
    struct mail mail;
    pthread_t thread;
    bool *gone; /* the loop's: set when it is freed from within its event */
    struct loop_timer pulse;
    atomic_uint pulses; /* since the thread gave a sign */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under the lock. */
    bool stop;
    bool posted;               /* the mail is on its way */
    struct worker_event event; /* not yet handed to the loop; one at a time */
    bool acked;
    uint64_t acked_seq;
    struct job *jobs, **jobs_end;
    struct alarm *alarms;
    size_t alarms_n;
    natsConnection *nc; /* to be closed by whoever stops */

    /* The thread's own. */
    unsigned pause_ms;
    struct js_session session;
};

/* ---- what both sides do ---- */

static void worker_drop_jobs(struct js_worker *w)
{
    struct job *job;

    while ((job = w->jobs)) {
        w->jobs = job->next;
        free(job);
    }
    w->jobs_end = &w->jobs;
}

static void worker_post(struct js_worker *w)
{
    if (!w->posted) {
        w->posted = true;
        mailbox_post(w->box, &w->mail);
    }
}

/* ---- the loop's side ---- */

static void worker_deliver(struct mail *mail)
{
    struct js_worker *w = mail->arg;
    struct worker_event event;
    uint64_t seq;
    bool acked, gone = false;

    (void)pthread_mutex_lock(&w->lock);
    w->posted = false;
    acked = w->acked;
    seq = w->acked_seq;
    w->acked = false;
    event = w->event;
    if (event.kind != NOTHING) {
        /* What was shipped meanwhile belonged to the session that ended. */
        worker_drop_jobs(w);
    }
    (void)pthread_mutex_unlock(&w->lock);

    w->gone = &gone;
    if (acked)
        w->events->acknowledged(w->arg, seq);
    if (gone)
        return;
    if (event.kind == READY)
        w->events->ready(w->arg, &event.here);
    else if (event.kind == CONFLICT)
        w->events->conflict(w->arg, &event.here, &event.there);
    else if (event.kind == LOST)
        w->events->lost(w->arg, event.why);
    if (gone)
        return;
    w->gone = NULL;
    (void)pthread_mutex_lock(&w->lock);
    if (event.kind != NOTHING) {
        w->event.kind = NOTHING;
        (void)pthread_cond_broadcast(&w->changed);
    }
    (void)pthread_mutex_unlock(&w->lock);
}

int js_worker_ship(struct js_worker *w, const struct ship_batch *batch)
{
    size_t bytes = 0, head = sizeof(struct job);
    struct job *job;
    char *line;

    for (size_t i = 0; i < batch->n; i++)
        bytes += batch->records[i].line.len;
    head += batch->n * sizeof(job->records[0]);
    job = malloc(head + bytes);
    if (!job)
        return -ENOMEM;
    line = (char *)job + head;
    *job = (struct job){.n = batch->n, .rest = line};
    for (size_t i = 0; i < batch->n; i++) {
        struct slice from = batch->records[i].line;

        job->records[i].place = batch->records[i].place;
        job->records[i].len = from.len;
        memcpy(line, from.data, from.len);
        line += from.len;
    }
    (void)pthread_mutex_lock(&w->lock);
    *w->jobs_end = job;
    w->jobs_end = &job->next;
    (void)pthread_cond_broadcast(&w->changed);
    (void)pthread_mutex_unlock(&w->lock);
    return 0;
}

int js_worker_alarm(struct js_worker *w, const struct ship_alarm *alarm)
{
    struct alarm *copy = calloc(1, sizeof(*copy)), **end;
    int r = 0;

    if (!copy)
        return -ENOMEM;
    copy->alarm = *alarm;
    (void)snprintf(copy->why, sizeof(copy->why), "%s", alarm->why);
    copy->alarm.why = copy->why;
    (void)pthread_mutex_lock(&w->lock);
    if (w->alarms_n == ALARMS) {
        r = -ENOBUFS;
    } else {
        for (end = &w->alarms; *end; end = &(*end)->next)
            ;
        *end = copy;
        w->alarms_n++;
        copy = NULL;
        (void)pthread_cond_broadcast(&w->changed);
    }
    (void)pthread_mutex_unlock(&w->lock);
    free(copy);
    return r;
}

/*
 * A thread that hangs in the library can be neither ended nor waited for, and nothing is shipped
 * any more: the process ends, and whoever watches it starts it anew. Pulses count, not the time, in
 * which the whole process may have been stopped.
 */
static void worker_pulse(void *arg)
{
    struct js_worker *w = arg;

    if (atomic_fetch_add(&w->pulses, 1) >= PULSES) {
        log_error("sink_hangs", "why=\"the thread that ships to %s gives no sign: ending\"",
                  w->session.stream);
        _exit(EXIT_FAILURE);
    }
    loop_timer_set(&w->pulse, JS_PULSE_US);
}

/* ---- the thread's side ---- */

static void worker_lives(struct js_worker *w)
{
    atomic_store(&w->pulses, 0);
}

static bool worker_stopping(struct js_worker *w)
{
    bool stop;

    worker_lives(w);
    (void)pthread_mutex_lock(&w->lock);
    stop = w->stop;
    (void)pthread_mutex_unlock(&w->lock);
    return stop;
}

/* Under the lock. */
static void worker_wait(struct js_worker *w, unsigned ms)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    (void)pthread_cond_timedwait(&w->changed, &w->lock, &until);
    worker_lives(w);
}

/* Returns when the loop has had the event and its callback is over. */
static void worker_tell(struct js_worker *w, const struct worker_event *event)
{
    (void)pthread_mutex_lock(&w->lock);
    if (!w->stop) {
        w->event = *event;
        worker_post(w);
    }
    while (!w->stop && w->event.kind != NOTHING)
        (void)pthread_cond_wait(&w->changed, &w->lock);
    (void)pthread_mutex_unlock(&w->lock);
}

static void worker_pause(struct js_worker *w)
{
    uint64_t end = loop_now() + (uint64_t)w->pause_ms * 1000, now;

    (void)pthread_mutex_lock(&w->lock);
    while (!w->stop && (now = loop_now()) < end)
        worker_wait(w, (unsigned)((end - now) / 1000 + 1));
    (void)pthread_mutex_unlock(&w->lock);
    w->pause_ms = w->pause_ms * 2 > PAUSE_LAST_MS ? PAUSE_LAST_MS : w->pause_ms * 2;
}

/* Answers, and what they mean to the loop. */
static int worker_answers(struct js_worker *w, int64_t ms, char *why)
{
    uint64_t seq;
    int r = js_session_answers(&w->session, ms, &seq, why);

    worker_lives(w);
    if (seq > 0) {
        w->pause_ms = PAUSE_FIRST_MS;
        (void)pthread_mutex_lock(&w->lock);
        w->acked = true;
        w->acked_seq = seq;
        worker_post(w);
        (void)pthread_mutex_unlock(&w->lock);
    }
    if (r == JS_CONFLICT) {
        worker_tell(w, &(struct worker_event){
                           .kind = CONFLICT, .here = w->session.here, .there = w->session.there});
        return -EIO;
    }
    return r < 0 ? r : 0;
}

static int worker_send(struct js_worker *w, struct job *job, char *why)
{
    const struct js_flight *flight = &w->session.flight;
    int r = 0;

    while (r == 0 && job->sent < job->n && !worker_stopping(w)) {
        size_t len = job->records[job->sent].len;

        if (job->sent % SENT_AT_ONCE == 0 || js_flight_full(flight)) {
            r = worker_answers(w, js_flight_full(flight) ? TURN_MS : 0, why);
            if (r < 0 || js_flight_full(flight))
                continue;
        }
        r = js_session_send(&w->session, &job->records[job->sent].place, slice_of(job->rest, len),
                            why);
        job->sent++;
        job->rest += len;
    }
    if (r == -EMSGSIZE) { /* those before it shall count */
        char other[SHIP_WHY];

        while (js_flight_n(flight) > 0 && !worker_stopping(w) &&
               worker_answers(w, TURN_MS, other) == 0)
            ;
    }
    return r;
}

/* What is in flight counts first: a centre that keeps no alarm shall not hold up the records. */
static int worker_alarms(struct js_worker *w, char *why)
{
    while (js_flight_n(&w->session.flight) > 0 && !worker_stopping(w)) {
        int r = worker_answers(w, TURN_MS, why);

        if (r < 0)
            return r;
    }
    for (;;) {
        struct alarm *alarm;
        int r;

        (void)pthread_mutex_lock(&w->lock);
        alarm = w->stop ? NULL : w->alarms; /* the first stays until it is kept */
        (void)pthread_mutex_unlock(&w->lock);
        if (!alarm)
            return 0;
        r = js_session_alarm(&w->session, &alarm->alarm, why);
        if (r < 0)
            return r;
        (void)pthread_mutex_lock(&w->lock);
        w->alarms = alarm->next;
        w->alarms_n--;
        (void)pthread_mutex_unlock(&w->lock);
        free(alarm);
    }
}

/* Until there is trouble, or the end. */
static int worker_pump(struct js_worker *w, char *why)
{
    int r = 0;

    while (r == 0) {
        bool stop, alarms;
        struct job *job;

        (void)pthread_mutex_lock(&w->lock);
        if (!w->stop && !w->jobs && !w->alarms && js_flight_n(&w->session.flight) == 0)
            worker_wait(w, IDLE_MS);
        stop = w->stop;
        alarms = w->alarms;
        job = w->jobs;
        if (job) {
            w->jobs = job->next;
            if (!w->jobs)
                w->jobs_end = &w->jobs;
        }
        (void)pthread_mutex_unlock(&w->lock);
        if (stop) {
            free(job);
            return 0;
        }
        if (job)
            r = worker_send(w, job, why);
        free(job);
        if (r == 0 && alarms)
            r = worker_alarms(w, why);
        if (r == 0)
            r = worker_answers(w, job ? 0 : TURN_MS, why);
    }
    return r;
}

static void worker_set_connection(struct js_worker *w, natsConnection *nc)
{
    (void)pthread_mutex_lock(&w->lock);
    w->nc = nc;
    (void)pthread_mutex_unlock(&w->lock);
}

static void worker_session(struct js_worker *w, char *why)
{
    struct worker_event event = {.kind = READY};
    int r = -ENOTCONN;

    for (size_t i = 0; i < w->session.options.url->n && r < 0 && !worker_stopping(w); i++)
        r = js_session_connect(&w->session, why);
    if (r == 0) {
        worker_set_connection(w, w->session.link.nc);
        r = js_session_begin(&w->session, &event.here, why);
    }
    if (r == 0) {
        char ignored[SHIP_WHY];

        worker_tell(w, &event);
        r = worker_pump(w, why);
        if (r < 0 && !js_link_broken(&w->session.link)) { /* what the loop had to say to it */
            js_flight_reset(&w->session.flight, 0);
            (void)worker_alarms(w, ignored);
        }
    }
    worker_set_connection(w, NULL);
    js_session_end(&w->session);
}

static void *worker_run(void *arg)
{
    struct js_worker *w = arg;

    while (!worker_stopping(w)) {
        struct worker_event event = {.kind = LOST};

        worker_session(w, event.why);
        worker_tell(w, &event);
        worker_pause(w);
    }
    return NULL;
}

/* ---- its life ---- */

static int worker_start(struct js_worker *w)
{
    sigset_t all, before;
    int r;

    /* Signals are the loop's, also in the threads that the library makes. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    r = -pthread_create(&w->thread, NULL, worker_run, w);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

static void worker_destroy(struct js_worker *w)
{
    struct alarm *alarm;

    loop_timer_deinit(&w->pulse);
    mailbox_free(w->box);
    worker_drop_jobs(w);
    while ((alarm = w->alarms)) {
        w->alarms = alarm->next;
        free(alarm);
    }
    (void)pthread_cond_destroy(&w->changed);
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
}

int js_worker_new(struct js_worker **out, struct loop *loop,
                  const struct js_session_options *options, const struct sink_events *events,
                  void *arg)
{
    struct js_worker *w = calloc(1, sizeof(*w));
    pthread_condattr_t clock;
    int r;

    if (!w)
        return -ENOMEM;
    w->events = events;
    w->arg = arg;
    w->mail = (struct mail){.deliver = worker_deliver, .arg = w};
    w->jobs_end = &w->jobs;
    w->pause_ms = PAUSE_FIRST_MS;
    js_session_init(&w->session, options);
    loop_timer_init(&w->pulse, loop, worker_pulse, w);
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&w->changed, &clock);
    (void)pthread_condattr_destroy(&clock);
    r = mailbox_new(&w->box, loop);
    if (r == 0)
        r = worker_start(w);
    if (r < 0) {
        worker_destroy(w);
        return r;
    }
    loop_timer_set(&w->pulse, JS_PULSE_US);
    *out = w;
    return 0;
}

void js_worker_free(struct js_worker *w)
{
    if (!w)
        return;
    if (w->gone)
        *w->gone = true;
    (void)pthread_mutex_lock(&w->lock);
    w->stop = true;
    if (w->nc) /* whatever the thread is waiting for there ends */
        natsConnection_Close(w->nc);
    (void)pthread_cond_broadcast(&w->changed);
    (void)pthread_mutex_unlock(&w->lock);
    (void)pthread_join(w->thread, NULL);
    worker_destroy(w);
}
