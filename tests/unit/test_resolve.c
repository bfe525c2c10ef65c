#include "unit/unit.h"
#include "upstream/resolve.h"

#include <arpa/inet.h>

struct heard {
    struct loop *loop;
    int times;
    unsigned addresses;
    const char *why;
};

static void done(void *arg, const struct resolve_list *list, const char *why)
{
    struct heard *h = arg;

    h->times++;
    h->addresses = list ? list->n : 0;
    h->why = why;
    loop_stop(h->loop);
}

static void known(const char *host, unsigned n)
{
    struct loop *loop;
    struct resolve *r;
    struct resolve_wait wait = {.done = done};
    const struct resolve_list *list;

    CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
    CU_ASSERT_EQUAL_FATAL(resolve_new(&r, loop, host, 443), 0);
    list = resolve_get(r, &wait);
    CU_ASSERT_PTR_NOT_NULL_FATAL(list);
    CU_ASSERT_EQUAL(list->n, n);
    CU_ASSERT_EQUAL(ntohs(list->address[0].in.sin_port), 443);
    resolve_free(r);
    loop_free(loop);
}

static void literals_and_localhost_at_once(void)
{
    known("127.0.0.1", 1);
    known("::1", 1);
    known("localhost", 2);
}

/* There is no such name and perhaps no name server: either way an answer comes, and no block. */
static void a_name_that_is_not_there(void)
{
    struct heard h = {0};
    struct resolve *r;
    struct resolve_wait wait = {.done = done, .arg = &h};
    struct loop_timer watchdog;

    CU_ASSERT_EQUAL_FATAL(loop_new(&h.loop), 0);
    CU_ASSERT_EQUAL_FATAL(resolve_new(&r, h.loop, "no-such-name.invalid", 443), 0);
    CU_ASSERT_PTR_NULL(resolve_get(r, &wait));
    loop_timer_init(&watchdog, h.loop, (void (*)(void *))loop_stop, h.loop);
    loop_timer_set(&watchdog, 1000000);
    CU_ASSERT_EQUAL(loop_run(h.loop), 0);
    CU_ASSERT(h.times <= 1);
    if (h.times)
        CU_ASSERT_EQUAL(h.addresses, 0);
    loop_timer_deinit(&watchdog);
    resolve_free(r);
    loop_free(h.loop);
}

static void a_cancelled_wait_hears_nothing(void)
{
    struct heard h = {0};
    struct resolve *r;
    struct resolve_wait wait = {.done = done, .arg = &h};

    CU_ASSERT_EQUAL_FATAL(loop_new(&h.loop), 0);
    CU_ASSERT_EQUAL_FATAL(resolve_new(&r, h.loop, "no-such-name.invalid", 443), 0);
    CU_ASSERT_PTR_NULL(resolve_get(r, &wait));
    resolve_cancel(&wait);
    resolve_cancel(&wait);
    resolve_free(r);
    loop_free(h.loop);
    CU_ASSERT_EQUAL(h.times, 0);
}

static const struct unit_case CASES[] = {
    {"literals and localhost at once", literals_and_localhost_at_once},
    {"a name that is not there", a_name_that_is_not_there},
    {"a cancelled wait hears nothing", a_cancelled_wait_hears_nothing},
};
UNIT_MAIN("resolve", CASES)
