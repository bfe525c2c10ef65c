/* The record behind which a sink goes on, and what is found in its place. */
#include "ship/tail.h"

#include "unit/ship/tail_fixture.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void behind_any_record(void)
{
    struct ship_place all[2000];
    struct audit *a;
    size_t n;

    a = read_log(4);
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

static void retired_before_it_was_read(void)
{
    struct ship_place third, last_gone;
    struct audit *a;
    uint64_t first;
    size_t n;

    a = read_log(5);
    n = n_places;
    third = places[2];
    /* The first two go. */
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(unlink(segment_path(segment_count() - 1)), 0);
    first = segment_first(strrchr(segment_path(segment_count() - 1), '/') + 1);
    CU_ASSERT_FATAL(first > 3);
    last_gone = places[first - 2];
    n_places = 0;
    CU_ASSERT_EQUAL(look(&third), TAIL_GONE);
    CU_ASSERT_EQUAL(tail.here.seq, first);
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    CU_ASSERT_EQUAL(n_places, n - first + 1);
    CU_ASSERT_EQUAL(places[0].seq, first);
    n_places = 0;
    CU_ASSERT_EQUAL(look(&NOWHERE), TAIL_GONE);
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    CU_ASSERT_EQUAL(n_places, n - first + 1);
    /* Nothing that wasn't shipped is gone: the header knows the record before it. */
    n_places = 0;
    CU_ASSERT_EQUAL(look(&last_gone), TAIL_FOUND);
    CU_ASSERT_EQUAL(tail.here.epoch, last_gone.epoch);
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    CU_ASSERT_EQUAL(n_places, n - first + 1);
    last_gone.hash.bytes[0] ^= 1;
    CU_ASSERT_EQUAL(look(&last_gone), TAIL_OTHER);
    tail_deinit(&tail);
    audit_free(a);
    cleanup();
}

static void log_that_ends_before(void)
{
    struct ship_place last;
    struct audit *a;
    struct stat st;
    const char *path;

    setup();
    options = (struct audit_options){0};
    a = keep(&options);
    next_segment(a);
    pairs(a, 2);
    begin();
    CU_ASSERT_EQUAL(look(&NOWHERE), TAIL_FOUND);
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    last = places[n_places - 1];
    audit_free(a);
    path = segment_path(0);
    CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(truncate(path, st.st_size - 20), 0);
    CU_ASSERT_EQUAL(tail_next(&tail, &(struct ship_batch){0}), TAIL_LOST);
    CU_ASSERT_EQUAL(look(&last), TAIL_ENDS);
    CU_ASSERT_EQUAL(tail.here.seq, last.seq - 1);
    CU_ASSERT_EQUAL(memcmp(&tail.here, &places[n_places - 2], sizeof(tail.here)), 0);
    /* Even its header is gone: the segment before it is the last one. */
    CU_ASSERT_EQUAL(truncate(path, 20), 0);
    CU_ASSERT_EQUAL(look(&last), TAIL_ENDS);
    CU_ASSERT(tail.here.seq > 0 && tail.here.seq < last.seq - 1);
    /* All of it. */
    CU_ASSERT_EQUAL(unlink(segment_path(0)), 0);
    CU_ASSERT_EQUAL(unlink(segment_path(0)), 0);
    CU_ASSERT_EQUAL(look(&last), TAIL_ENDS);
    CU_ASSERT_EQUAL(look(&NOWHERE), TAIL_END);
    tail_deinit(&tail);
    cleanup();
}

/* Others have their turn meanwhile. */
static void looking_is_bounded(void)
{
    struct ship_place last;
    struct audit *a;
    int r, turns = 0;

    setup();
    options = (struct audit_options){.segment_bytes = 512 * 1024 * 1024};
    a = keep(&options);
    for (int i = 0; i < 10; i++)
        large(a, 400 * 1024);
    begin();
    CU_ASSERT_EQUAL(look(&NOWHERE), TAIL_FOUND);
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    last = places[n_places - 1];
    tail_seek(&tail, &last);
    while ((r = tail_look(&tail)) == TAIL_BUSY)
        turns++;
    CU_ASSERT_EQUAL(r, TAIL_FOUND);
    CU_ASSERT(turns >= 3);
    tail_deinit(&tail);
    audit_free(a);
    cleanup();
}

/* A crash in the middle of a rotation leaves a segment without a header; the one before goes on. */
static void successor_without_header(void)
{
    char name[SEGMENT_NAME];
    struct audit *a;

    setup();
    options = (struct audit_options){.segment_bytes = 1024 * 1024};
    a = keep(&options);
    pairs(a, 2);
    begin();
    CU_ASSERT_EQUAL(look(&NOWHERE), TAIL_FOUND);
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    segment_name(name, audit_seq(a) + 1);
    put_file(name, "{\"seq\":");
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    CU_ASSERT_EQUAL(look(&places[n_places - 1]), TAIL_FOUND);
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    put_file("audit-1000.jsonl", "");
    CU_ASSERT_EQUAL(look(&(struct ship_place){1, 500, {{0}}}), TAIL_ENDS);
    CU_ASSERT_EQUAL(tail.here.seq, n_places);
    CU_ASSERT_EQUAL(unlink(in_folder(name)), 0);
    CU_ASSERT_EQUAL(look(&(struct ship_place){1, 500, {{0}}}), TAIL_ENDS);
    CU_ASSERT_EQUAL(tail.here.seq, n_places);
    CU_ASSERT_EQUAL(unlink(in_folder("audit-1000.jsonl")), 0);
    CU_ASSERT_EQUAL(look(&places[n_places - 1]), TAIL_FOUND);
    pairs(a, 2);
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    CU_ASSERT_EQUAL(n_places, audit_seq(a));
    tail_deinit(&tail);
    audit_free(a);
    cleanup();
}

static const struct unit_case CASES[] = {
    {"retired before it was read", retired_before_it_was_read},
    {"log that ends before", log_that_ends_before},
    {"looking is bounded", looking_is_bounded},
    {"successor without header", successor_without_header},
    {"behind any record", behind_any_record},
};

UNIT_MAIN("tail_look", CASES)
