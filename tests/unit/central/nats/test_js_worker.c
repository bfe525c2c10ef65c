/*
 * The sink's thread, with a session that does what the test wants: what the loop is told, and the
 * end of a process whose thread hangs in the library. With servers: tests/e2e/test_js.py.
 */
#define JS_PULSE_US 20000
#include "central/nats/js_worker.c"

#include "unit/unit.h"

#include <sys/wait.h>

/* ---- the session ---- */

static atomic_uint connects, ends;
static atomic_bool hangs, refuses;

void js_session_init(struct js_session *s, const struct js_session_options *options)
{
    *s = (struct js_session){.options = *options, .stream = "S"};
}

int js_session_connect(struct js_session *s, char why[SHIP_WHY])
{
    (void)s;
    (void)atomic_fetch_add(&connects, 1);
    while (atomic_load(&hangs))
        (void)pause();
    (void)snprintf(why, SHIP_WHY, "nobody is there");
    return atomic_load(&refuses) ? -ENOTCONN : 0;
}

int js_session_begin(struct js_session *s, struct ship_place *head, char why[SHIP_WHY])
{
    (void)why;
    js_flight_reset(&s->flight, 7);
    *head = (struct ship_place){.epoch = 1, .seq = 7};
    return 0;
}

int js_session_send(struct js_session *s, const struct ship_place *place, struct slice line,
                    char why[SHIP_WHY])
{
    CU_ASSERT_EQUAL(line.len, 4);
    CU_ASSERT_EQUAL(memcmp(line.data, "line", 4), 0);
    (void)why;
    (void)js_flight_push(&s->flight, place);
    return 0;
}

/* All that is in flight, at once. */
int js_session_answers(struct js_session *s, int64_t ms, uint64_t *seq, char why[SHIP_WHY])
{
    (void)ms;
    *seq = 0;
    while (js_flight_n(&s->flight) > 0)
        CU_ASSERT_TRUE(js_flight_in(&s->flight, s->flight.done + 1, seq));
    (void)snprintf(why, SHIP_WHY, "it ended");
    return *seq ? JS_ACKNOWLEDGED : atomic_load(&refuses) ? -EIO : 0;
}

int js_session_alarm(struct js_session *s, const struct ship_alarm *alarm, char why[SHIP_WHY])
{
    (void)s;
    (void)alarm;
    (void)why;
    return 0;
}

void js_session_end(struct js_session *s)
{
    (void)s;
    (void)atomic_fetch_add(&ends, 1);
}

bool js_link_broken(const struct js_link *link)
{
    (void)link;
    return true;
}

/* ---- the loop's side ---- */

static struct loop *loop;
static struct js_worker *worker;
static unsigned readies, losses;
static uint64_t acknowledged;
static char last_why[SHIP_WHY];

static void on_ready(void *arg, const struct ship_place *head)
{
    struct ship_record records[3];

    (void)arg;
    readies++;
    for (size_t i = 0; i < 3; i++)
        records[i] = (struct ship_record){.place = {.epoch = 1, .seq = head->seq + 1 + i},
                                          .line = SLICE_LIT("line")};
    CU_ASSERT_EQUAL(js_worker_ship(worker, &(struct ship_batch){.records = records, .n = 3}), 0);
}

static void on_acknowledged(void *arg, uint64_t seq)
{
    (void)arg;
    acknowledged = seq;
    if (seq == 10)
        atomic_store(&refuses, true); /* the session ends, and the next one doesn't begin */
}

static void on_conflict(void *arg, const struct ship_place *here, const struct ship_place *there)
{
    (void)arg;
    (void)here;
    (void)there;
    CU_FAIL("a conflict");
}

static void on_lost(void *arg, const char *why)
{
    (void)arg;
    (void)snprintf(last_why, sizeof(last_why), "%s", why);
    if (++losses == 2)
        loop_stop(loop);
}

static void start(void)
{
    static const struct sink_events EVENTS = {
        .ready = on_ready,
        .acknowledged = on_acknowledged,
        .conflict = on_conflict,
        .lost = on_lost,
    };
    static struct js_url url = {.n = 1};
    static const struct js_session_options OPTIONS = {.url = &url};

    CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
    CU_ASSERT_EQUAL_FATAL(js_worker_new(&worker, loop, &OPTIONS, &EVENTS, NULL), 0);
}

static void told_in_order(void)
{
    start();
    CU_ASSERT_EQUAL(loop_run(loop), 0);
    CU_ASSERT_EQUAL(readies, 1);
    CU_ASSERT_EQUAL(acknowledged, 10);
    CU_ASSERT_EQUAL(losses, 2);
    CU_ASSERT_STRING_EQUAL(last_why, "nobody is there");
    js_worker_free(worker);
    loop_free(loop);
    CU_ASSERT_EQUAL(atomic_load(&connects), atomic_load(&ends));
    CU_ASSERT(atomic_load(&connects) >= 2);
}

/* As in a library that waits for ever: the process ends instead of waiting with it. */
static void a_thread_that_hangs(void)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        (void)alarm(20);
        log_set_level(LOG_LEVEL_ERROR);
        atomic_store(&hangs, true);
        start();
        _exit(loop_run(loop) == 0 ? 98 : 99);
    }
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE);
}

static const struct unit_case CASES[] = {
    {"told in order", told_in_order},
    {"a thread that hangs", a_thread_that_hangs},
};

UNIT_MAIN("js_worker", CASES)
