/* Workers with real threads, without a keeper; one that hangs is tests/e2e/test_workers.py's. */
#include "proxy/workers.h"

#include "unit/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct world {
    char folder[64], conf[96], ca[96];
    struct loop *loop;
    struct worker first;
    struct workers *workers;
    pthread_t thread;
    unsigned drained, ended, reloaded, answered, wanted;
    unsigned running, connections;
    char why[512];
    bool elsewhere; /* something was called in another thread */
};

static void note(struct world *w, unsigned *count)
{
    ++*count;
    w->elsewhere |= !pthread_equal(w->thread, pthread_self());
    if (w->drained + w->ended + w->reloaded + w->answered == w->wanted)
        loop_stop(w->loop);
}

static void on_drained(void *arg, unsigned running, unsigned connections)
{
    struct world *w = arg;

    w->running = running;
    w->connections = connections;
    note(w, &w->drained);
}

static void on_ended(void *arg)
{
    struct world *w = arg;

    CU_ASSERT_EQUAL(w->drained, 1); /* in this order */
    note(w, &w->ended);
}

static void on_reloaded(void *arg, const struct err *err)
{
    struct world *w = arg;

    (void)snprintf(w->why, sizeof(w->why), "%s", err->text);
    note(w, &w->reloaded);
}

static void on_answered(struct workers_question *q)
{
    struct world *w = q->arg;

    note(w, &w->answered);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT(fputs(text, f) >= 0);
    (void)fclose(f);
}

static void write_conf(const struct world *w, unsigned workers, const char *upstream)
{
    char text[1024];

    (void)snprintf(text, sizeof(text),
                   "listen = ( { path = \"%s/http.sock\"; } );\n"
                   "keeper = \"%s/keeper.sock\"; workers = %u;\n"
                   "api = \"" UNIT_SRCDIR "/conf/cention-openapi.json\";\n"
                   "upstream = { url = \"http://127.0.0.1:1\"; %s };\n",
                   w->folder, w->folder, workers, upstream);
    write_file(w->conf, text);
}

static void begin(struct world *w, unsigned workers)
{
    const struct workers_owner owner = {on_drained, on_ended, on_reloaded, w};
    struct err err = ERR_INIT;
    struct setup *setup = NULL;

    *w = (struct world){.folder = "/tmp/test_crew_XXXXXX", .thread = pthread_self()};
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(w->folder));
    (void)snprintf(w->conf, sizeof(w->conf), "%s/proxy.conf", w->folder);
    (void)snprintf(w->ca, sizeof(w->ca), "%s/ca.pem", w->folder);
    write_conf(w, workers, "max_connections = 10;");
    CU_ASSERT_EQUAL_FATAL(loop_new(&w->loop), 0);
    CU_ASSERT_EQUAL_FATAL(setup_load(&setup, w->loop, w->conf, 0, &err), 0);
    w->first = (struct worker){.loop = w->loop};
    CU_ASSERT_EQUAL_FATAL(worker_open(&w->first, setup, &err), 0);
    CU_ASSERT_EQUAL_FATAL(clients_listen(w->first.api, &setup->conf.listen[0], &err), 0);
    CU_ASSERT_EQUAL_FATAL(workers_new(&w->workers, &w->first, 10, &owner, &err), 0);
}

static void start(struct world *w)
{
    struct err err = ERR_INIT;

    CU_ASSERT_EQUAL_FATAL(workers_start(w->workers, &err), 0);
    workers_go(w->workers);
}

static void finish(struct world *w)
{
    workers_end(w->workers);
    workers_free(w->workers);
    worker_close(&w->first);
    loop_free(w->loop);
    CU_ASSERT_FALSE(w->elsewhere);
    unit_remove(w->folder);
}

static void late(void *arg)
{
    loop_stop(arg);
    CU_FAIL("it takes too long");
}

/* Until so many more callbacks have come. */
static void wait_for(struct world *w, unsigned n)
{
    struct loop_timer end;

    w->wanted = w->drained + w->ended + w->reloaded + w->answered + n;
    loop_timer_init(&end, w->loop, late, w->loop);
    loop_timer_set(&end, 20000000);
    CU_ASSERT_EQUAL(loop_run(w->loop), 0);
    loop_timer_deinit(&end);
}

static void one_worker_has_no_crew(void)
{
    struct report sum = {0};
    struct err err = ERR_INIT;
    struct world w;

    begin(&w, 1);
    CU_ASSERT_PTR_NULL(w.workers);
    CU_ASSERT_EQUAL(workers_start(w.workers, &err), 0);
    workers_go(w.workers);
    workers_report(w.workers, &sum);
    CU_ASSERT_EQUAL(workers_workers(w.workers), 1);
    CU_ASSERT_EQUAL(workers_hung(w.workers), 0);
    CU_ASSERT(workers_well(w.workers, 1));
    finish(&w);
}

static void questions(void)
{
    struct workers_question q[3];
    struct report sum = {.trouble = ""};
    struct world w;

    begin(&w, 4);
    CU_ASSERT_EQUAL(workers_workers(w.workers), 4);
    start(&w);
    for (unsigned i = 0; i < 3; i++)
        q[i] = (struct workers_question){on_answered, &w, NULL};
    workers_ask(w.workers, &q[0]);
    workers_ask(w.workers, &q[1]); /* after the round began: the next one's */
    CU_ASSERT_EQUAL(w.answered, 0);
    wait_for(&w, 1);
    workers_ask(w.workers, &q[2]);
    wait_for(&w, 2);
    CU_ASSERT_EQUAL(w.answered, 3);
    CU_ASSERT_EQUAL(workers_hung(w.workers), 0);
    workers_report(w.workers, &sum);
    CU_ASSERT_STRING_EQUAL(sum.trouble, "keeper_unavailable");
    for (unsigned i = 1; i < 4; i++)
        CU_ASSERT_EQUAL(workers_accepts(w.workers, i), 0);
    finish(&w);
}

/* Between two of the watchdog's words every worker has to answer. */
static void well(void)
{
    struct world w;

    begin(&w, 2);
    CU_ASSERT(workers_well(w.workers, 1000)); /* asks; nobody runs yet */
    (void)usleep(2000);
    CU_ASSERT_FALSE(workers_well(w.workers, 1000));
    start(&w);
    for (unsigned i = 0; i < 1000 && !workers_well(w.workers, 1000); i++) {
        struct workers_question q = {on_answered, &w, NULL};

        workers_ask(w.workers, &q);
        wait_for(&w, 1);
    }
    CU_ASSERT(workers_well(w.workers, 1000000));
    finish(&w);
}

static void reload(void)
{
    struct err err = ERR_INIT;
    struct setup *fresh = NULL;
    struct world w;

    begin(&w, 3);
    start(&w);
    write_conf(&w, 3, "max_connections = 5;");
    CU_ASSERT_EQUAL_FATAL(setup_load(&fresh, w.loop, w.conf, 3, &err), 0);
    workers_reload(w.workers, fresh, 7, true);
    CU_ASSERT_EQUAL(w.reloaded, 0);
    wait_for(&w, 1);
    CU_ASSERT_STRING_EQUAL(w.why, "");
    worker_use(&w.first, fresh);
    finish(&w);
}

/* What only turns out when each makes its own: all drop it. */
static void reload_refused(void)
{
    struct err err = ERR_INIT;
    struct setup *fresh = NULL;
    char more[160];
    struct world w;
    size_t n;
    char *ca = unit_file("/etc/ssl/certs/ca-certificates.crt", &n);

    if (!ca) {
        unit_skip("no CA certificates are installed");
        return;
    }
    begin(&w, 3);
    start(&w);
    write_file(w.ca, ca);
    free(ca);
    (void)snprintf(more, sizeof(more), "url = \"https://127.0.0.1:1\"; ca_file = \"%s\";", w.ca);
    write_conf(&w, 3, "");
    {
        char text[1024];

        (void)snprintf(text, sizeof(text),
                       "workers = 3; api = \"" UNIT_SRCDIR "/conf/cention-openapi.json\";\n"
                       "upstream = { %s };\n",
                       more);
        write_file(w.conf, text);
    }
    CU_ASSERT_EQUAL_FATAL(setup_load(&fresh, w.loop, w.conf, 3, &err), 0);
    (void)unlink(w.ca);
    for (unsigned i = 0; i < 2; i++) { /* and may be tried again */
        workers_reload(w.workers, fresh, 7, false);
        wait_for(&w, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(w.why, "ca_file"));
    }
    setup_unref(fresh);
    finish(&w);
}

static void drain(void)
{
    struct world w;

    begin(&w, 3);
    start(&w);
    workers_drain(w.workers);
    CU_ASSERT_EQUAL(w.drained, 0);
    wait_for(&w, 2);
    CU_ASSERT_EQUAL(w.drained, 1);
    CU_ASSERT_EQUAL(w.ended, 1);
    CU_ASSERT_EQUAL(w.running, 0);
    CU_ASSERT_EQUAL(w.connections, 0);
    workers_hurry(w.workers); /* too late, and harmless */
    workers_hurry(w.workers);
    finish(&w);
}

/* As when the sandbox can't be entered; and a question that nobody answers any more is told. */
static void never_let_go(void)
{
    struct workers_question q[2];
    struct err err = ERR_INIT;
    struct world w;

    begin(&w, 3);
    CU_ASSERT_EQUAL_FATAL(workers_start(w.workers, &err), 0);
    for (unsigned i = 0; i < 2; i++) {
        q[i] = (struct workers_question){on_answered, &w, NULL};
        workers_ask(w.workers, &q[i]);
    }
    finish(&w);
    CU_ASSERT_EQUAL(w.answered, 2);
}

static const struct unit_case CASES[] = {
    {"one worker has no crew", one_worker_has_no_crew},
    {"questions", questions},
    {"well", well},
    {"reload", reload},
    {"a reload that one refuses", reload_refused},
    {"drain", drain},
    {"never let go", never_let_go},
};
UNIT_MAIN("workers", CASES)
