/*
 * What needs no server, and then, with $CENTION_PG_URL (and $CENTION_PG_PASSFILE) for a shipper's
 * role at an empty archive, a real one: tests/e2e/test_pg.py runs it so.
 */
#include "central/postgres/pg_sink.h"

#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORDS = 5000, BATCH = 700 };

struct drive {
    struct loop *loop;
    struct sink *sink;
    struct ship_record records[RECORDS];
    size_t next;
    uint64_t acknowledged;
    unsigned readies, lost, flying, acks;
    bool in_call, over;
    struct ship_place head, here, there;
    char why[SHIP_WHY];
};

static struct drive d; /* large */

static void ship(void)
{
    d.in_call = true;
    while (d.flying < d.sink->kind->window && d.next < RECORDS) {
        struct ship_batch batch = {&d.records[d.next], RECORDS - d.next, 0};

        if (batch.n > BATCH)
            batch.n = BATCH;
        CU_ASSERT_EQUAL_FATAL(d.sink->kind->ship(d.sink, &batch), 0);
        d.next += batch.n;
        d.flying++;
    }
    /* More than the window is not taken. */
    if (d.next < RECORDS) {
        struct ship_batch batch = {&d.records[d.next], 1, 1};

        CU_ASSERT_EQUAL(d.sink->kind->ship(d.sink, &batch), -ENOMEM);
    }
    d.in_call = false;
}

static void on_ready(void *arg, const struct ship_place *head)
{
    CU_ASSERT_PTR_EQUAL(arg, &d);
    CU_ASSERT_FALSE(d.in_call);
    d.readies++;
    d.head = *head;
    d.next = d.over ? 0 : (size_t)head->seq;
    if (d.next == RECORDS)
        loop_stop(d.loop);
    else
        ship();
}

static void on_acknowledged(void *arg, uint64_t seq)
{
    (void)arg;
    CU_ASSERT_FALSE(d.in_call);
    CU_ASSERT_TRUE(seq > d.acknowledged);
    d.acknowledged = seq;
    d.acks++;
    d.flying--;
    if (seq == RECORDS)
        loop_stop(d.loop);
    else
        ship();
}

static void on_conflict(void *arg, const struct ship_place *here, const struct ship_place *there)
{
    struct ship_alarm alarm = {SHIP_CONFLICT, *here, *there, NULL};

    (void)arg;
    d.here = *here;
    d.there = *there;
    CU_ASSERT_EQUAL(d.sink->kind->alarm(d.sink, &alarm), 0);
    d.sink->kind->free(d.sink); /* from within an event */
    d.sink = NULL;
    loop_stop(d.loop);
}

static void on_lost(void *arg, const char *why)
{
    (void)arg;
    CU_ASSERT_FALSE(d.in_call);
    d.lost++;
    (void)snprintf(d.why, sizeof(d.why), "%s", why);
    loop_stop(d.loop);
}

static const struct sink_events EVENTS = {on_ready, on_acknowledged, on_conflict, on_lost};
static const struct seal_key LOG = {{0xab, 0xcd}};

static void run(const char *url)
{
    struct pg_sink_options options = {.url = url, .passfile = getenv("CENTION_PG_PASSFILE")};
    struct err err = ERR_INIT;

    d.readies = d.lost = d.flying = d.acks = 0;
    d.acknowledged = 0;
    CU_ASSERT_EQUAL_FATAL(loop_new(&d.loop), 0);
    CU_ASSERT_EQUAL_FATAL(pg_sink_new(&d.sink, &options, &err), 0);
    CU_ASSERT_STRING_EQUAL(d.sink->kind->name, "postgresql");
    CU_ASSERT_EQUAL_FATAL(d.sink->kind->start(d.sink, d.loop, &LOG, "unit", &EVENTS, &d), 0);
    CU_ASSERT_EQUAL(d.readies + d.lost, 0);
    CU_ASSERT_EQUAL(loop_run(d.loop), 0);
}

static void end(void)
{
    if (d.sink)
        d.sink->kind->free(d.sink);
    loop_free(d.loop);
}

static void test_refused_strings(void)
{
    struct pg_sink_options options = {.url = "postgresql://u:s3cret@h/db"};
    struct sink *sink = NULL;
    struct err err = ERR_INIT;

    CU_ASSERT_EQUAL(pg_sink_new(&sink, &options, &err), -EINVAL);
    CU_ASSERT_PTR_NULL(sink);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "password"));
    CU_ASSERT_PTR_NULL(strstr(err.text, "s3cret"));
}

static void test_without_a_server(void)
{
    struct ship_batch batch = {d.records, 1, 1};
    struct ship_alarm alarm = {.kind = SHIP_MISSING};

    run("host=/nowhere");
    CU_ASSERT_EQUAL(d.lost, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(d.why, "/nowhere"));
    /* What is shipped now is forgotten, as `lost` says. */
    CU_ASSERT_EQUAL(d.sink->kind->ship(d.sink, &batch), 0);
    CU_ASSERT_EQUAL(d.sink->kind->alarm(d.sink, &alarm), 0);
    end();
}

static void test_with_a_server(void)
{
    const char *url = getenv("CENTION_PG_URL");

    if (!url) {
        unit_skip("no $CENTION_PG_URL");
        return;
    }
    for (size_t i = 0; i < RECORDS; i++)
        d.records[i] = (struct ship_record){
            .place = {.epoch = 1 + i / 1000, .seq = i + 1, .hash = {{(unsigned char)i, 7}}},
            .line = SLICE_LIT("{\"seq\":1}")};
    run(url);
    CU_ASSERT_EQUAL(d.head.seq, 0);
    CU_ASSERT_EQUAL(d.acknowledged, RECORDS);
    CU_ASSERT_EQUAL(d.acks, (RECORDS + BATCH - 1) / BATCH);
    CU_ASSERT_EQUAL(d.lost, 0);
    end();
    run(url);
    CU_ASSERT_EQUAL(d.head.seq, RECORDS);
    CU_ASSERT_EQUAL(d.head.epoch, d.records[RECORDS - 1].place.epoch);
    CU_ASSERT_TRUE(chain_same(&d.head.hash, &d.records[RECORDS - 1].place.hash));
    end();
    d.over = true;
    d.records[1234].place.hash.bytes[31] = 1;
    run(url);
    CU_ASSERT_EQUAL(d.acknowledged, BATCH);
    CU_ASSERT_EQUAL(d.here.seq, 1235);
    CU_ASSERT_EQUAL(d.there.seq, 1235);
    CU_ASSERT_EQUAL(d.here.hash.bytes[31], 1);
    CU_ASSERT_EQUAL(d.there.hash.bytes[31], 0);
    end();
}

static const struct unit_case CASES[] = {
    {"refused strings", test_refused_strings},
    {"without a server", test_without_a_server},
    {"with a server", test_with_a_server},
};

UNIT_MAIN("pg_sink", CASES)
