/* A sink's place in the audit folder, against logs that the keeper's own code writes (and source.c
 * with it). */
#include "ship/tail.h"

#include "audit/compress.h"
#include "unit/ship/tail_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void all_from_the_start(void)
{
    struct audit *a;

    a = read_log(5);
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

/* Both forms of a finished segment, and the change from one to the other under the reader. */
static void compressed_under_it(void)
{
    struct audit *a;
    struct ship_batch batch;

    setup();
    options = (struct audit_options){.retention = {.compress = true}};
    a = keep(&options);
    pairs(a, 3);
    begin();
    CU_ASSERT_EQUAL(look(&NOWHERE), TAIL_FOUND);
    CU_ASSERT_EQUAL(tail_next(&tail, &batch), TAIL_BATCH);
    n_places = 1;
    places[0] = batch.records[batch.n - 1].place;
    for (int i = 0; i < 4; i++)
        next_segment(a);
    CU_ASSERT(access(in_folder("audit-1.jsonl.zst"), R_OK) == 0);
    CU_ASSERT(access(in_folder("audit-1.jsonl"), R_OK) < 0);
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    CU_ASSERT_EQUAL(places[n_places - 1].seq, audit_seq(a));
    /* And all of it again. */
    n_places = 0;
    CU_ASSERT_EQUAL(look(&NOWHERE), TAIL_FOUND);
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    CU_ASSERT_EQUAL(n_places, audit_seq(a));
    /* Behind a record in a compressed one. */
    {
        struct ship_place third = places[2];
        size_t all = n_places;

        n_places = 0;
        CU_ASSERT_EQUAL(look(&third), TAIL_FOUND);
        CU_ASSERT_EQUAL(drink(), TAIL_END);
        CU_ASSERT_EQUAL(n_places, all - 3);
        /* A damaged one. */
        CU_ASSERT_EQUAL(truncate(in_folder("audit-1.jsonl.zst"), 60), 0);
        CU_ASSERT_EQUAL(look(&third), TAIL_BROKEN);
        CU_ASSERT(tail.why[0] != '\0');
    }
    tail_deinit(&tail);
    audit_free(a);
    cleanup();
}

/* Whole as a file, and not as a segment. */
static void compressed_without_its_end(void)
{
    struct compressor *compressor = NULL;
    struct audit *a;
    struct stat st;
    int from, to;

    setup();
    options = (struct audit_options){0};
    a = keep(&options);
    pairs(a, 3);
    begin();
    audit_free(a);
    from = open(in_folder("audit-1.jsonl"), O_RDWR | O_CLOEXEC);
    to = open(in_folder("audit-1.jsonl.zst"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT_FATAL(from >= 0 && to >= 0 && fstat(from, &st) == 0);
    CU_ASSERT_EQUAL(ftruncate(from, st.st_size - 5), 0);
    CU_ASSERT_EQUAL_FATAL(compressor_new(&compressor, from, to), 0);
    while (compressor_step(compressor) == 1)
        ;
    compressor_free(compressor);
    close(from);
    close(to);
    CU_ASSERT_EQUAL(unlink(in_folder("audit-1.jsonl")), 0);
    CU_ASSERT_EQUAL(look(&NOWHERE), TAIL_FOUND);
    CU_ASSERT_EQUAL(drink(), TAIL_BROKEN);
    CU_ASSERT(n_places > 3);
    CU_ASSERT_EQUAL(look(&(struct ship_place){1, 100, {{0}}}), TAIL_BROKEN);
    tail_deinit(&tail);
    cleanup();
}

static void a_gap_while_it_reads(void)
{
    struct audit *a;
    size_t n;

    setup();
    options = (struct audit_options){0};
    a = keep(&options);
    next_segment(a);
    begin();
    CU_ASSERT_EQUAL(look(&NOWHERE), TAIL_FOUND);
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    n = n_places;
    for (int i = 0; i < 3; i++)
        next_segment(a);
    CU_ASSERT_EQUAL(unlink(segment_path(1)), 0);
    CU_ASSERT_EQUAL(unlink(segment_path(1)), 0);
    tail.listed = 0;
    CU_ASSERT_EQUAL(drink(), TAIL_GONE);
    CU_ASSERT(n_places > n); /* the rest of the one that it was in */
    CU_ASSERT(tail.here.seq > places[n_places - 1].seq + 1);
    n_places = 0;
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    CU_ASSERT_EQUAL(places[n_places - 1].seq, audit_seq(a));
    tail_deinit(&tail);
    audit_free(a);
    cleanup();
}

static void taken_away_while_it_reads(void)
{
    char path[256], kept[256];
    struct audit *a;

    setup();
    options = (struct audit_options){0};
    a = keep(&options);
    pairs(a, 2);
    begin();
    CU_ASSERT_EQUAL(look(&NOWHERE), TAIL_FOUND);
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    snprintf(path, sizeof(path), "%s", segment_path(0));
    snprintf(kept, sizeof(kept), "%s", in_folder("kept"));
    CU_ASSERT_EQUAL(rename(path, kept), 0);
    CU_ASSERT_EQUAL(drink(), TAIL_LOST);
    CU_ASSERT_EQUAL(look(&places[n_places - 1]), TAIL_ENDS);
    CU_ASSERT_EQUAL(rename(kept, path), 0);
    CU_ASSERT_EQUAL(look(&places[n_places - 1]), TAIL_FOUND);
    /* The keeper puts a copy back: other inode, same records. */
    CU_ASSERT_EQUAL(unlink(path), 0);
    pairs(a, 1);
    tend(a);
    CU_ASSERT_EQUAL(drink(), TAIL_LOST);
    CU_ASSERT_EQUAL(look(&places[n_places - 1]), TAIL_FOUND);
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    CU_ASSERT_EQUAL(n_places, audit_seq(a));
    tail_deinit(&tail);
    audit_free(a);
    cleanup();
}

static void torn_line_and_the_next_keeper(void)
{
    char name[64];
    struct audit *a;
    size_t n;

    setup();
    options = (struct audit_options){0};
    a = keep(&options);
    pairs(a, 2);
    begin();
    CU_ASSERT_EQUAL(look(&NOWHERE), TAIL_FOUND);
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    n = n_places;
    audit_free(a);
    snprintf(name, sizeof(name), "%s", strrchr(segment_path(0), '/') + 1);
    append(name, "{\"seq\":99,\"time\":\"2026-");
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    CU_ASSERT_EQUAL(n_places, n);
    /* The next keeper cuts it off and writes something else in its place. */
    a = keep(&options);
    pairs(a, 1);
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    CU_ASSERT_EQUAL(n_places, audit_seq(a));
    tail_deinit(&tail);
    audit_free(a);
    cleanup();
}

/* Changes one byte of the newest segment's last record. */
static void spoil(size_t from_end)
{
    const char *path = segment_path(0);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat st;
    char c;

    CU_ASSERT_FATAL(fd >= 0 && fstat(fd, &st) == 0);
    CU_ASSERT_EQUAL(pread(fd, &c, 1, st.st_size - (off_t)from_end), 1);
    c = c == 'x' ? 'y' : 'x';
    CU_ASSERT_EQUAL(pwrite(fd, &c, 1, st.st_size - (off_t)from_end), 1);
    close(fd);
}

static void broken_chain(void)
{
    struct audit *a;
    size_t n;

    setup();
    options = (struct audit_options){0};
    a = keep(&options);
    pairs(a, 2);
    begin();
    CU_ASSERT_EQUAL(look(&NOWHERE), TAIL_FOUND);
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    n = n_places;
    pairs(a, 2);
    spoil(CHAIN_TAIL + 3); /* within the last record's covered bytes */
    CU_ASSERT_EQUAL(drink(), TAIL_BROKEN);
    CU_ASSERT_EQUAL(n_places, n + 3); /* what is good before it */
    CU_ASSERT(strstr(tail.why, "audit-1.jsonl") != NULL);
    /* The record that is sought is itself altered. */
    CU_ASSERT_EQUAL(look(&(struct ship_place){1, audit_seq(a), {{0}}}), TAIL_BROKEN);
    CU_ASSERT_EQUAL(tail.here.seq, audit_seq(a) - 1);
    tail_deinit(&tail);
    audit_free(a);
    cleanup();
}

static void another_log(void)
{
    const struct ship_place place = {1, 2, {{7}}};
    struct audit *a;

    setup();
    options = (struct audit_options){0};
    a = keep(&options);
    pairs(a, 2);
    begin();
    tail.log.bytes[0] ^= 1;
    CU_ASSERT_EQUAL(look(&place), TAIL_FOREIGN);
    CU_ASSERT_EQUAL(look(&NOWHERE), TAIL_FOUND);
    CU_ASSERT_EQUAL(drink(), TAIL_FOREIGN);
    CU_ASSERT_EQUAL(n_places, 0);
    tail_deinit(&tail);
    audit_free(a);
    cleanup();
}

static unsigned synced, sync_fails;

static int count_sync(int fd)
{
    synced++;
    if (sync_fails) {
        sync_fails--;
        errno = EIO;
        return -1;
    }
    return fdatasync(fd);
}

static void nothing_before_it_is_durable(void)
{
    struct ship_batch batch;
    struct audit *a;

    setup();
    options = (struct audit_options){0};
    a = keep(&options);
    pairs(a, 5);
    begin();
    segment_fdatasync = count_sync;
    synced = 0;
    sync_fails = 1;
    CU_ASSERT_EQUAL(look(&NOWHERE), TAIL_FOUND);
    CU_ASSERT_EQUAL(tail_next(&tail, &batch), -EIO);
    CU_ASSERT(strstr(tail.why, "durable") != NULL);
    CU_ASSERT_EQUAL(look(&NOWHERE), TAIL_FOUND);
    CU_ASSERT_EQUAL(tail_next(&tail, &batch), TAIL_BATCH);
    CU_ASSERT_EQUAL(batch.n, audit_seq(a));
    CU_ASSERT_EQUAL(synced, 2);
    /* What comes later needs another. */
    CU_ASSERT_EQUAL(tail_next(&tail, &batch), TAIL_END);
    CU_ASSERT_EQUAL(synced, 2);
    pairs(a, 1);
    CU_ASSERT_EQUAL(tail_next(&tail, &batch), TAIL_BATCH);
    CU_ASSERT_EQUAL(synced, 3);
    segment_fdatasync = fdatasync;
    tail_deinit(&tail);
    audit_free(a);
    cleanup();
}

/* What takes the place of a truncated line is shorter than that was: it was synced with what stood
 * before it, but not as what it is now. */
static void nothing_in_place_of_a_torn_line(void)
{
    char torn[6000] = "{\"seq\":99,\"time\":\"2026-";
    struct ship_batch batch;
    struct audit *a;
    char name[64];

    setup();
    options = (struct audit_options){.segment_bytes = 65536};
    a = keep(&options);
    pairs(a, 2);
    begin();
    audit_free(a);
    snprintf(name, sizeof(name), "%s", strrchr(segment_path(0), '/') + 1);
    memset(torn + strlen(torn), 'x', sizeof(torn) - 1 - strlen(torn));
    append(name, torn);
    segment_fdatasync = count_sync;
    synced = 0;
    sync_fails = 0;
    CU_ASSERT_EQUAL(look(&NOWHERE), TAIL_FOUND);
    CU_ASSERT_EQUAL(tail_next(&tail, &batch), TAIL_BATCH);
    CU_ASSERT_EQUAL(tail_next(&tail, &batch), TAIL_END);
    CU_ASSERT_EQUAL(synced, 1);
    a = keep(&options);
    CU_ASSERT_EQUAL(tail_next(&tail, &batch), TAIL_BATCH);
    CU_ASSERT(batch.bytes < sizeof(torn));
    CU_ASSERT_EQUAL(synced, 2);
    segment_fdatasync = fdatasync;
    tail_deinit(&tail);
    audit_free(a);
    cleanup();
}

static void batches_are_bounded(void)
{
    struct ship_batch batch;
    struct audit *a;
    uint64_t expected = 1;
    unsigned alone = 0, full = 0;
    bool was_long = false;
    int r;

    setup();
    options = (struct audit_options){.segment_bytes = 512 * 1024 * 1024};
    a = keep(&options);
    pairs(a, 1200);
    large(a, 5 * 1024 * 1024);
    for (int i = 0; i < 5; i++)
        large(a, 400 * 1024);
    large(a, SHIP_BATCH_BYTES + 1);
    pairs(a, 1);
    begin();
    CU_ASSERT_EQUAL(look(&NOWHERE), TAIL_FOUND);
    while ((r = tail_next(&tail, &batch)) == TAIL_BATCH) {
        size_t bytes = 0;

        CU_ASSERT_EQUAL(batch.records[0].place.seq, expected);
        for (size_t i = 0; i < batch.n; i++)
            bytes += batch.records[i].line.len;
        CU_ASSERT_EQUAL(bytes, batch.bytes);
        CU_ASSERT(batch.n <= SHIP_BATCH_RECORDS);
        CU_ASSERT(batch.n == 1 || bytes <= SHIP_BATCH_BYTES);
        alone += bytes > SHIP_BATCH_BYTES;
        /* A long line's buffer is given back. */
        CU_ASSERT(!was_long || tail.reader.in.cap <= 4 * 1024 * 1024);
        was_long = bytes > SHIP_BATCH_BYTES;
        full += batch.n == SHIP_BATCH_RECORDS;
        expected += batch.n;
    }
    CU_ASSERT_EQUAL(r, TAIL_END);
    CU_ASSERT_EQUAL(expected, audit_seq(a) + 1);
    CU_ASSERT_EQUAL(alone, 2);
    CU_ASSERT_EQUAL(full, 2);
    tail_deinit(&tail);
    audit_free(a);
    cleanup();
}

static void identity_of_the_folder(void)
{
    struct seal_key log;
    struct audit *a;

    setup();
    audit_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CU_ASSERT_EQUAL(tail_identity(&log, audit_fd), -ENOENT);
    put_file("audit-1.jsonl", "{\"seq\":1");
    CU_ASSERT_EQUAL(tail_identity(&log, audit_fd), -ENOENT); /* being written */
    put_file("audit-1.jsonl", "{\"seq\":1}\n");
    CU_ASSERT_EQUAL(tail_identity(&log, audit_fd), -EBADMSG);
    CU_ASSERT_EQUAL(unlink(in_folder("audit-1.jsonl")), 0);
    options = (struct audit_options){0};
    a = keep(&options);
    CU_ASSERT_EQUAL(tail_identity(&log, audit_fd), 0);
    audit_free(a);
    cleanup();
}

static const struct unit_case CASES[] = {
    {"compressed under it", compressed_under_it},
    {"compressed without its end", compressed_without_its_end},
    {"a gap while it reads", a_gap_while_it_reads},
    {"taken away while it reads", taken_away_while_it_reads},
    {"torn line and the next keeper", torn_line_and_the_next_keeper},
    {"broken chain", broken_chain},
    {"another log", another_log},
    {"nothing before it is durable", nothing_before_it_is_durable},
    {"nothing in place of a torn line", nothing_in_place_of_a_torn_line},
    {"batches are bounded", batches_are_bounded},
    {"identity of the folder", identity_of_the_folder},
    {"all from the start", all_from_the_start},
};

UNIT_MAIN("tail", CASES)
