/*
 * A line is believed only when it is whole, and a part of one at the end of a plain file is read
 * again each time: a keeper that was killed leaves it, and the next one cuts it off.
 *
 * A segment is complete once the next one has its header, which names the last record before it. A
 * successor without a header doesn't count: a crash in the middle of a rotation leaves one, and
 * the segment before it goes on.
 */
#include "ship/tail.h"

#include "base/loop.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LIST_US =
        1000000, /* how often the folder is looked through for a successor of another number */
    LOOK_BYTES = 1024 * 1024, /* of lines that one tail_look reads: some milliseconds */
};

int tail_init(struct tail *t, int directory, const struct seal_key *log)
{
    *t = (struct tail){.directory = directory, .log = *log, .reader = SEGMENT_READER_INIT};
    t->records = calloc(SHIP_BATCH_RECORDS, sizeof(*t->records));
    if (t->records && chain_new(&t->chain) == 0)
        return 0;
    free(t->records);
    t->records = NULL;
    return -ENOMEM;
}

void tail_deinit(struct tail *t)
{
    if (!t->records)
        return;
    segment_reader_close(&t->reader);
    chain_free(t->chain);
    free(t->records);
    t->records = NULL;
}

void tail_rest(struct tail *t)
{
    segment_reader_close(&t->reader);
    t->next = 0;
}

static int say(struct tail *t, int answer, const char *format, ...)
{
    char name[SEGMENT_NAME];
    va_list args;
    int n;

    segment_file_name(name, t->reader.first, t->reader.packed);
    n = t->reader.fd < 0 ? 0 : snprintf(t->why, sizeof(t->why), "%s: ", name);
    va_start(args, format);
    (void)vsnprintf(t->why + n, sizeof(t->why) - (size_t)n, format, args);
    va_end(args);
    return answer;
}

/* Goes to the beginning of that segment; `trusting` its header for what is before it. */
static int enter(struct tail *t, uint64_t first, bool trusting)
{
    int r = segment_reader_open(&t->reader, t->directory, first);

    t->next = 0;
    t->boundary = true;
    t->trusting = trusting;
    return r;
}

/* What -errno of reading means: TAIL_BROKEN for damage, the rest as it is. */
static int damage(struct tail *t, int failed)
{
    if (failed == -EBADMSG)
        return say(t, TAIL_BROKEN, "the compressed file is damaged");
    if (failed == -ENOBUFS)
        return say(t, TAIL_BROKEN, "the line behind record %" PRIu64 " is too long", t->last.seq);
    return failed;
}

/* Reads the header of the segment of that number: 1; 0: it has no whole line; TAIL_BROKEN; -errno.
 * Of *line only seq, type and hash are left. */
static int read_header(struct tail *t, uint64_t first, struct line *line,
                       struct record_segment *out)
{
    struct segment_reader reader = SEGMENT_READER_INIT;
    struct slice bytes;
    const char *why;
    int r = segment_reader_open(&reader, t->directory, first);

    if (r < 0)
        return r;
    r = segment_read(&reader, &bytes);
    if (r == 1) {
        why = line_read(bytes, line);
        if (!why && (line->type != LINE_SEGMENT || line->seq != first))
            why = "the segment doesn't begin with its header";
        if (!why)
            why = line_segment(line, out);
        if (!why && out->previous_seq + 1 != first)
            why = "its header doesn't fit its name";
        r = why ? say(t, TAIL_BROKEN, "segment %" PRIu64 ": %s", first, why) : 1;
        /* Into bytes that are gone by then. */
        line->covered = line->rest = line->word = line->time = SLICE_NULL;
    } else if (r < 0) {
        r = damage(t, r);
    }
    segment_reader_close(&reader);
    return r;
}

int tail_identity(struct seal_key *out, int directory)
{
    struct tail t = {.directory = directory, .reader = SEGMENT_READER_INIT};
    struct record_segment header = {0};
    struct segments all;
    struct line line;
    int r = segments_list(&all, directory);

    if (r < 0)
        return r;
    r = all.n ? read_header(&t, all.first[0], &line, &header) : 0;
    segments_deinit(&all);
    if (r == 1)
        *out = header.log;
    return r == 1 ? 0 : r == 0 ? -ENOENT : r == TAIL_BROKEN ? -EBADMSG : r;
}

/* What the header of a segment must say, and says of what is before it. */
static int check_header(struct tail *t, const struct line *line, struct ship_place *before,
                        uint64_t *epoch)
{
    struct record_segment header = {0};
    const char *why = line->type == LINE_SEGMENT ? line_segment(line, &header)
                                                 : "the segment doesn't begin with its header";

    if (why)
        return say(t, TAIL_BROKEN, "%s", why);
    if (memcmp(header.log.bytes, t->log.bytes, SEAL_KEY) != 0)
        return say(t, TAIL_FOREIGN, "it is of another log");
    if (line->seq != t->reader.first)
        return say(t, TAIL_BROKEN, "its header doesn't fit its name");
    if (!t->trusting && (header.previous_seq != before->seq || header.epoch != *epoch ||
                         !chain_same(&header.previous, &before->hash)))
        return say(t, TAIL_BROKEN, "its header doesn't follow record %" PRIu64, before->seq);
    *before = (struct ship_place){0, header.previous_seq, header.previous};
    *epoch = header.epoch;
    return 0;
}

static int accept_line(struct tail *t, struct slice bytes, struct line *line)
{
    struct ship_place before = t->last;
    uint64_t epoch = t->epoch;
    struct chain_hash hash;
    const char *why = line_read(bytes, line);
    int r;

    if (why)
        return say(t, TAIL_BROKEN, "behind record %" PRIu64 ": %s", t->last.seq, why);
    r = t->boundary ? check_header(t, line, &before, &epoch) : 0;
    if (r != 0)
        return r;
    if (!t->boundary && line->type == LINE_SEGMENT)
        return say(t, TAIL_BROKEN, "a second header behind record %" PRIu64, t->last.seq);
    if (line->seq != before.seq + 1)
        return say(t, TAIL_BROKEN, "record %" PRIu64 " is followed by %" PRIu64, before.seq,
                   line->seq);
    r = chain_hash(t->chain, &before.hash, line->covered, &hash);
    if (r < 0)
        return r;
    if (!chain_same(&hash, &line->hash))
        return say(t, TAIL_BROKEN, "record %" PRIu64 " doesn't follow the one before", line->seq);
    t->last = (struct ship_place){epoch, line->seq, hash};
    t->last_type = line->type;
    t->epoch = epoch + (line->type == LINE_EPOCH);
    t->boundary = t->trusting = false;
    return 0;
}

/* ---- finding the record to go on behind ---- */

void tail_seek(struct tail *t, const struct ship_place *place)
{
    tail_rest(t);
    t->sought = *place;
    t->here = t->last = (struct ship_place){0};
    t->under = UINT64_MAX;
    t->listed = 0;
}

/* The record isn't there, but segments behind it are: the first of these. */
static int beyond(struct tail *t, uint64_t first)
{
    struct record_segment header = {0};
    struct line line;
    int r = read_header(t, first, &line, &header);

    if (r == 0) { /* what a crash in a rotation left: it isn't part of the log */
        t->here = t->last;
        return say(t, TAIL_ENDS, "the log ends with record %" PRIu64, t->here.seq);
    }
    if (r != 1)
        return r == -ENOENT ? TAIL_LOST : r;
    if (memcmp(header.log.bytes, t->log.bytes, SEAL_KEY) != 0)
        return say(t, TAIL_FOREIGN, "the folder holds another log");
    r = enter(t, first, true);
    if (r < 0)
        return r == -ENOENT ? TAIL_LOST : r;
    if (header.previous_seq == t->sought.seq) {
        /* A segment's last record is the last act of its epoch. */
        t->here = (struct ship_place){header.epoch - (header.epoch > 1), header.previous_seq,
                                      header.previous};
        t->last = t->here;
        t->epoch = header.epoch;
        return chain_same(&t->here.hash, &t->sought.hash)
                   ? TAIL_FOUND
                   : say(t, TAIL_OTHER, "another record %" PRIu64 " was there", t->here.seq);
    }
    t->here = (struct ship_place){header.epoch, line.seq, line.hash};
    return say(t, TAIL_GONE, "records %" PRIu64 " to %" PRIu64 " are gone", t->sought.seq + 1,
               header.previous_seq);
}

/* From the log's first record on. */
static int from_start(struct tail *t)
{
    int r = enter(t, 1, false);

    t->epoch = 1;
    return r == 0 ? TAIL_FOUND : r == -ENOENT ? TAIL_LOST : r;
}

static int none(struct tail *t)
{
    return t->sought.seq ? say(t, TAIL_ENDS, "the log is gone") : TAIL_END;
}

/* The segment that should hold the record, or what is there instead. */
static int pick(struct tail *t)
{
    struct segments all;
    uint64_t first = 0, behind = 0;
    int r = segments_list(&all, t->directory);

    if (r < 0)
        return r;
    for (size_t i = 0; i < all.n && behind == 0; i++) {
        if (all.first[i] <= t->sought.seq && all.first[i] < t->under)
            first = all.first[i];
        else
            behind = all.first[i];
    }
    segments_deinit(&all);
    if (first == 0 && behind == 1 && t->sought.seq == 0)
        return from_start(t);
    if (first == 0)
        return behind && t->under == UINT64_MAX ? beyond(t, behind) : none(t);
    t->behind = t->under == UINT64_MAX ? behind : 0;
    r = enter(t, first, true);
    return r == 0 ? TAIL_BUSY : r == -ENOENT ? TAIL_LOST : r;
}

/* The segment ends before the record. */
static int ended(struct tail *t, bool partial)
{
    if (partial && t->reader.packed)
        return say(t, TAIL_BROKEN, "it ends in the middle of a line");
    if (t->boundary) { /* no header yet: the segment before it is the last */
        t->under = t->reader.first;
        tail_rest(t);
        return TAIL_BUSY;
    }
    if (t->behind)
        return beyond(t, t->behind);
    t->here = t->last;
    return say(t, TAIL_ENDS, "the log ends with record %" PRIu64, t->here.seq);
}

int tail_look(struct tail *t)
{
    size_t bytes = 0;
    struct slice text;
    struct line line;

    t->why[0] = '\0';
    if (t->reader.fd < 0)
        return pick(t);
    while (bytes < LOOK_BYTES) {
        int r = segment_read(&t->reader, &text);

        if (r == 0)
            return ended(t, text.len > 0);
        if (r < 0)
            return damage(t, r);
        r = accept_line(t, text, &line);
        if (r != 0) {
            t->here = t->last;
            return r;
        }
        bytes += text.len + 1;
        if (t->last.seq == t->sought.seq) {
            t->here = t->last;
            return chain_same(&t->here.hash, &t->sought.hash)
                       ? TAIL_FOUND
                       : say(t, TAIL_OTHER, "another record %" PRIu64 " is there", t->here.seq);
        }
    }
    return TAIL_BUSY;
}

/* ---- reading on ---- */

/* The number of the next segment that is there, by its likely name or by looking through the
 * folder; 0: none. */
static int find_next(struct tail *t, bool surely, uint64_t *next)
{
    uint64_t now = loop_now();
    struct segment_reader reader = SEGMENT_READER_INIT;
    struct segments all;
    int r = segment_reader_open(&reader, t->directory, t->last.seq + 1);

    segment_reader_close(&reader);
    *next = r == 0 && !t->boundary ? t->last.seq + 1 : 0;
    if ((r < 0 && r != -ENOENT) || *next)
        return r;
    if (!surely && t->listed && now - t->listed < LIST_US && t->last_type != LINE_EPOCH)
        return 0;
    t->listed = now;
    r = segments_list(&all, t->directory);
    if (r < 0)
        return r;
    for (size_t i = 0; i < all.n && *next == 0; i++)
        if (all.first[i] > t->reader.first)
            *next = all.first[i];
    segments_deinit(&all);
    return 0;
}

/* The segment is complete, and all of it has been read. */
static int move_on(struct tail *t)
{
    struct record_segment header = {0};
    struct line line;
    uint64_t next = t->next;
    bool gap;
    int r = read_header(t, next, &line, &header);

    if (r != 1) /* it was there a moment ago */
        return r == 0 || r == -ENOENT ? TAIL_LOST : r;
    gap = header.previous_seq > t->last.seq;
    if (header.previous_seq < t->last.seq)
        return say(t, TAIL_BROKEN, "segment %" PRIu64 " begins before its end", next);
    if (gap) {
        (void)say(t, 0, "records %" PRIu64 " to %" PRIu64 " are gone", t->last.seq + 1,
                  header.previous_seq);
        t->here = (struct ship_place){header.epoch, line.seq, line.hash};
    }
    r = enter(t, next, gap);
    if (r < 0)
        return r == -ENOENT ? TAIL_LOST : r;
    return gap ? TAIL_GONE : TAIL_BUSY;
}

/* Nothing more is in the file. */
static int at_end(struct tail *t, bool partial)
{
    struct record_segment header = {0};
    enum segment_trouble trouble;
    struct line line;
    uint64_t next;
    int r;

    if (partial && (t->reader.packed || t->next))
        return say(t, TAIL_BROKEN, "it ends in the middle of a line");
    segment_reader_back(&t->reader);
    if (t->next)
        return move_on(t);
    trouble = segment_check(&t->reader, t->directory);
    if (trouble == SEGMENT_ANOTHER)
        return say(t, TAIL_LOST, "another file has its name");
    if (trouble == SEGMENT_SHORTER)
        return say(t, TAIL_LOST, "it is shorter than what was read");
    /* A finished segment loses its name when it was compressed or retired; the active one never. */
    r = find_next(t, trouble == SEGMENT_NO_NAME, &next);
    if (r == 0 && next == 0 && trouble == SEGMENT_NO_NAME)
        return say(t, TAIL_LOST, "it was taken away");
    if (r < 0 || next == 0)
        return r < 0 ? r : TAIL_END;
    r = read_header(t, next, &line, &header);
    if (r != 1)
        return r == 0 || r == -ENOENT ? TAIL_END : r;
    /* Now it is known to be complete; what came since the last look has to be read first. */
    t->next = next;
    return TAIL_BUSY;
}

/* Makes the batch of the n records, whose lines the reader holds one after the other. */
static int give(struct tail *t, struct ship_batch *batch, size_t n, size_t bytes)
{
    const char *at = segment_held(&t->reader);
    int r = segment_sync(&t->reader);

    if (r < 0)
        return say(t, r, "records can't be made durable: %s", strerror(-r));
    for (size_t i = 0; i < n; i++) {
        t->records[i].line.data = at;
        at += t->records[i].line.len + 1;
    }
    *batch = (struct ship_batch){t->records, n, bytes};
    return TAIL_BATCH;
}

int tail_next(struct tail *t, struct ship_batch *batch)
{
    size_t n = 0, bytes = 0;
    struct slice text;
    struct line line;
    int r;

    t->why[0] = '\0';
    r = segment_release(&t->reader);
    if (r < 0)
        return r;
    while (n < SHIP_BATCH_RECORDS && bytes < SHIP_BATCH_BYTES) {
        r = segment_read_more(&t->reader, &text);
        if (r == 1 && n && bytes + text.len > SHIP_BATCH_BYTES) {
            segment_put_back(&t->reader);
            break;
        }
        if (r == 1)
            r = accept_line(t, text, &line);
        else
            break;
        if (r != 0) {
            segment_put_back(&t->reader);
            break;
        }
        t->last_time = line_time(&line);
        t->records[n++] = (struct ship_record){t->last, text};
        bytes += text.len;
    }
    /* An error behind good records is reported after them. */
    if (n)
        return give(t, batch, n, bytes);
    return r == 0 ? at_end(t, text.len > 0) : damage(t, r);
}
