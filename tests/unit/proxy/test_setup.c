/* What workers share of a setup, and what is shared out among them; the rest is tested end to end.
 */
#include "proxy/setup.h"

#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct world {
    struct loop *loop;
    char path[64];
};

static void begin(struct world *w, const char *more)
{
    char text[512];
    int fd, n;

    *w = (struct world){.path = "/tmp/test_setup_XXXXXX"};
    fd = mkstemp(w->path);
    CU_ASSERT_FATAL(fd >= 0);
    n = snprintf(text, sizeof(text),
                 "api = \"" UNIT_SRCDIR "/conf/cention-openapi.json\";\n"
                 "upstream = { url = \"http://127.0.0.1:1\"; %s };\n",
                 more);
    CU_ASSERT_EQUAL(write(fd, text, (size_t)n), n);
    (void)close(fd);
    CU_ASSERT_EQUAL_FATAL(loop_new(&w->loop), 0);
}

static void finish(struct world *w)
{
    loop_free(w->loop);
    (void)unlink(w->path);
}

/* The parts of all workers are the whole, whatever it is; settings and description are the same. */
static void parts(void)
{
    struct setup *s[5] = {NULL};
    struct err err = ERR_INIT;
    unsigned connections = 0, queue = 0;
    struct world w;

    begin(&w, "max_connections = 13; queue = 3; }; workers = 5; signature = { ");
    CU_ASSERT_EQUAL_FATAL(setup_load(&s[0], w.loop, w.path, 0, &err), 0);
    for (unsigned i = 1; i < 5; i++)
        CU_ASSERT_EQUAL_FATAL(setup_share(&s[i], s[0], w.loop, i, &err), 0);
    CU_ASSERT_EQUAL(setup_upstream_connections(s[4]), 13);
    setup_unref(s[0]); /* the others go on */
    for (unsigned i = 1; i < 5; i++) {
        CU_ASSERT_PTR_EQUAL(s[i]->api, s[1]->api);
        CU_ASSERT_PTR_EQUAL(s[i]->conf.upstream.url, s[1]->conf.upstream.url);
        CU_ASSERT(i == 1 || s[i]->upstream != s[1]->upstream);
        CU_ASSERT(s[i]->conf.upstream.max_connections >= 2);
        connections += s[i]->conf.upstream.max_connections;
        queue += s[i]->conf.upstream.queue;
    }
    CU_ASSERT_EQUAL(connections + 3, 13);
    CU_ASSERT_EQUAL(queue + 1, 3);
    for (unsigned i = 1; i < 5; i++)
        setup_unref(s[i]);
    finish(&w);
}

/* A reload is for the workers that there are, whatever the file says. */
static void workers_that_there_are(void)
{
    struct err err = ERR_INIT;
    struct setup *s = NULL;
    struct world w;

    begin(&w, "max_connections = 6;");
    CU_ASSERT_EQUAL_FATAL(setup_load(&s, w.loop, w.path, 3, &err), 0);
    CU_ASSERT_EQUAL(s->conf.upstream.max_connections, 2);
    setup_unref(s);
    s = NULL;
    CU_ASSERT(setup_load(&s, w.loop, w.path, 7, &err) < 0);
    CU_ASSERT_PTR_NULL(s);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "max_connections"));
    finish(&w);
}

static void part(void)
{
    for (unsigned all = 0; all < 200; all++)
        for (unsigned workers = 1; workers <= 64; workers++) {
            unsigned sum = 0, first = setup_part(all, 0, workers);

            for (unsigned i = 0; i < workers; i++) {
                unsigned one = setup_part(all, i, workers);

                sum += one;
                if (one > first || first - one > 1)
                    CU_FAIL("they differ by more than one");
            }
            if (sum != all)
                CU_FAIL("the parts are not the whole");
        }
}

static const struct unit_case CASES[] = {
    {"part", part},
    {"parts", parts},
    {"as many workers as there are", workers_that_there_are},
};
UNIT_MAIN("setup", CASES)
