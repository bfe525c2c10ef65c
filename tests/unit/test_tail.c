/* A sink's place in the audit folder, against logs that the keeper's own code writes (and
 * tail_look.c, source.c with it). */
#include "ship/tail.h"
#include "unit/ship_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct tail tail;
static struct audit_options options;

/* What came, and where it ended. */
static struct ship_place places[5000];
static size_t n_places;

static void begin(void)
{
    const struct seal_key log = identity();

    CU_ASSERT_EQUAL_FATAL(tail_init(&tail, audit_fd, &log), 0);
    n_places = 0;
}

static int look(const struct ship_place *place)
{
    int r;

    tail_seek(&tail, place);
    for (int i = 0; i < 1000; i++)
        if ((r = tail_look(&tail)) != TAIL_BUSY)
            return r;
    return TAIL_BUSY;
}

/* Reads until something but a batch comes. */
static int drink(void)
{
    struct ship_batch batch;
    int r;

    for (int i = 0; i < 10000; i++) {
        r = tail_next(&tail, &batch);
        if (r == TAIL_BATCH) {
            for (size_t k = 0; k < batch.n; k++) {
                CU_ASSERT_FATAL(n_places < sizeof(places) / sizeof(places[0]));
                if (n_places)
                    CU_ASSERT_EQUAL(batch.records[k].place.seq, places[n_places - 1].seq + 1);
                CU_ASSERT_EQUAL(batch.records[k].line.data[batch.records[k].line.len - 1], '}');
                places[n_places++] = batch.records[k].place;
            }
        } else if (r != TAIL_BUSY) {
            return r;
        }
    }
    return TAIL_BUSY;
}

static const struct ship_place NOWHERE = {0};

static void all_from_the_start(void)
{
    struct audit *a;

    setup();
    options = (struct audit_options){0};
    a = keep(&options);
    for (int i = 0; i < 5; i++)
        next_segment(a);
    begin();
    CU_ASSERT_EQUAL(look(&NOWHERE), TAIL_FOUND);
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    CU_ASSERT_EQUAL(n_places, audit_seq(a));
    CU_ASSERT_EQUAL(places[0].epoch, 1);
    CU_ASSERT_EQUAL(places[n_places - 1].epoch, segment_count());
    /* And on, as it grows and rotates. */
    for (int i = 0; i < 3; i++) {
        pairs(a, 3);
        CU_ASSERT_EQUAL(drink(), TAIL_END);
        CU_ASSERT_EQUAL(n_places, audit_seq(a));
        next_segment(a);
    }
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    CU_ASSERT_EQUAL(n_places, audit_seq(a));
    tail_deinit(&tail);
    audit_free(a);
    cleanup();
}

static void behind_any_record(void)
{
    struct ship_place all[2000];
    struct audit *a;
    size_t n;

    setup();
    options = (struct audit_options){0};
    a = keep(&options);
    for (int i = 0; i < 4; i++)
        next_segment(a);
    begin();
    CU_ASSERT_EQUAL(look(&NOWHERE), TAIL_FOUND);
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    n = n_places;
    CU_ASSERT_FATAL(n > 40 && n < 2000);
    memcpy(all, places, n * sizeof(*all));
    for (size_t i = 0; i < n; i++) {
        CU_ASSERT_EQUAL(look(&all[i]), TAIL_FOUND);
        n_places = 0;
        CU_ASSERT_EQUAL(drink(), TAIL_END);
        CU_ASSERT_EQUAL(n_places, n - 1 - i);
        CU_ASSERT_EQUAL(memcmp(places, all + i + 1, n_places * sizeof(*all)), 0);
        /* Another record at that place. */
        all[i].hash.bytes[5] ^= 1;
        CU_ASSERT_EQUAL(look(&all[i]), TAIL_OTHER);
        CU_ASSERT_EQUAL(tail.here.seq, all[i].seq);
        CU_ASSERT_EQUAL(tail.here.epoch, all[i].epoch);
    }
    tail_deinit(&tail);
    audit_free(a);
    cleanup();
}

static const struct unit_case CASES[] = {
    {"all from the start", all_from_the_start},
    {"behind any record", behind_any_record},
};

UNIT_MAIN("tail", CASES)
