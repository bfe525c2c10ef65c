/*
 * A line is believed only when it is whole, and a part of one at the end of a plain file is read
 * again each time: a keeper that was killed leaves it, and the next one cuts it off.
 *
 * A segment is complete once the next one has its header, which names the last record before it. A
 * successor without a header doesn't count: a crash in the middle of a rotation leaves one, and
 * the segment before it goes on.
 */
#include "ship/tail_parts.h"

#include "base/loop.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LIST_US =
        1000000, /* how often the folder is looked through for a successor of another number */
    KEEP_BYTES = 4 * 1024 * 1024, /* of the buffer, after a longer line */
};

int tail_init(struct tail *t, int directory, const struct seal_key *log)
{
    *t = (struct tail){.directory = directory,
                       .log = *log,
                       .source = SOURCE_INIT,
                       .in = BUF_INIT(SEGMENT_LINE + SEGMENT_READ)};
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
    source_close(&t->source);
    buf_deinit(&t->in);
    chain_free(t->chain);
    free(t->records);
    t->records = NULL;
}

void tail_rest(struct tail *t)
{
    source_close(&t->source);
    buf_reset(&t->in, 0);
    t->given = 0;
    t->next = 0;
}

int tail_say(struct tail *t, int answer, const char *format, ...)
{
    char name[SEGMENT_NAME];
    va_list args;
    int n;

    segment_file_name(name, t->source.first, t->source.packed);
    n = t->source.fd < 0 ? 0 : snprintf(t->why, sizeof(t->why), "%s: ", name);
    va_start(args, format);
    (void)vsnprintf(t->why + n, sizeof(t->why) - (size_t)n, format, args);
    va_end(args);
    return answer;
}

int tail_open(struct tail *t, uint64_t first, bool trusting)
{
    int r = source_open(&t->source, t->directory, first);

    buf_reset(&t->in, KEEP_BYTES);
    t->given = 0;
    t->next = 0;
    t->boundary = true;
    t->trusting = trusting;
    return r;
}

int tail_line(struct tail *t, size_t from, struct slice *out)
{
    size_t searched = from;

    for (;;) {
        struct slice held = buf_slice(&t->in);
        const char *newline =
            held.len > searched ? memchr(held.data + searched, '\n', held.len - searched) : NULL;
        ssize_t n;

        if (newline) {
            *out = slice_of(held.data + from, (size_t)(newline - held.data) - from);
            return out->len > SEGMENT_LINE ? -ENOBUFS : 1;
        }
        searched = held.len;
        n = source_read(&t->source, &t->in, SEGMENT_READ);
        if (n <= 0)
            return (int)n;
    }
}

int tail_damage(struct tail *t, int failed)
{
    if (failed == -EBADMSG)
        return tail_say(t, TAIL_BROKEN, "the compressed file is damaged");
    if (failed == -ENOBUFS)
        return tail_say(t, TAIL_BROKEN, "the line behind record %" PRIu64 " is too long",
                        t->last.seq);
    return failed;
}

int tail_header(struct tail *t, uint64_t first, struct line *line, struct record_segment *out)
{
    struct source source = SOURCE_INIT;
    struct buf in = BUF_INIT(SEGMENT_READ);
    const char *newline = NULL, *why;
    int r = source_open(&source, t->directory, first);
    ssize_t n;

    if (r < 0)
        return r;
    n = source_read(&source, &in, SEGMENT_READ / 2);
    if (n > 0)
        newline = memchr(buf_slice(&in).data, '\n', buf_len(&in));
    if (newline) {
        struct slice bytes = buf_slice(&in);

        bytes.len = (size_t)(newline - bytes.data);
        why = line_read(bytes, line);
        if (!why && (line->type != LINE_SEGMENT || line->seq != first))
            why = "the segment doesn't begin with its header";
        if (!why)
            why = line_segment(line, out);
        if (!why && out->previous_seq + 1 != first)
            why = "its header doesn't fit its name";
        r = why ? tail_say(t, TAIL_BROKEN, "segment %" PRIu64 ": %s", first, why) : 1;
        /* Into bytes that are gone by then. */
        line->covered = line->rest = line->word = line->time = SLICE_NULL;
    } else {
        r = n < 0 ? tail_damage(t, (int)n) : 0;
    }
    source_close(&source);
    buf_deinit(&in);
    return r;
}

int tail_identity(struct seal_key *out, int directory)
{
    struct tail t = {.directory = directory, .source = SOURCE_INIT};
    struct record_segment header;
    struct segments all;
    struct line line;
    int r = segments_list(&all, directory);

    if (r < 0)
        return r;
    r = all.n ? tail_header(&t, all.first[0], &line, &header) : 0;
    segments_deinit(&all);
    if (r == 1)
        *out = header.log;
    return r == 1 ? 0 : r == 0 ? -ENOENT : r == TAIL_BROKEN ? -EBADMSG : r;
}

/* What the header of a segment must say, and says of what is before it. */
static int check_header(struct tail *t, const struct line *line, struct ship_place *before,
                        uint64_t *epoch)
{
    struct record_segment header;
    const char *why = line->type == LINE_SEGMENT ? line_segment(line, &header)
                                                 : "the segment doesn't begin with its header";

    if (why)
        return tail_say(t, TAIL_BROKEN, "%s", why);
    if (memcmp(header.log.bytes, t->log.bytes, SEAL_KEY) != 0)
        return tail_say(t, TAIL_FOREIGN, "it is of another log");
    if (line->seq != t->source.first)
        return tail_say(t, TAIL_BROKEN, "its header doesn't fit its name");
    if (!t->trusting && (header.previous_seq != before->seq || header.epoch != *epoch ||
                         !chain_same(&header.previous, &before->hash)))
        return tail_say(t, TAIL_BROKEN, "its header doesn't follow record %" PRIu64, before->seq);
    *before = (struct ship_place){0, header.previous_seq, header.previous};
    *epoch = header.epoch;
    return 0;
}

int tail_accept(struct tail *t, struct slice bytes, struct line *line)
{
    struct ship_place before = t->last;
    uint64_t epoch = t->epoch;
    struct chain_hash hash;
    const char *why = line_read(bytes, line);
    int r;

    if (why)
        return tail_say(t, TAIL_BROKEN, "behind record %" PRIu64 ": %s", t->last.seq, why);
    r = t->boundary ? check_header(t, line, &before, &epoch) : 0;
    if (r != 0)
        return r;
    if (!t->boundary && line->type == LINE_SEGMENT)
        return tail_say(t, TAIL_BROKEN, "a second header behind record %" PRIu64, t->last.seq);
    if (line->seq != before.seq + 1)
        return tail_say(t, TAIL_BROKEN, "record %" PRIu64 " is followed by %" PRIu64, before.seq,
                        line->seq);
    r = chain_hash(t->chain, &before.hash, line->covered, &hash);
    if (r < 0)
        return r;
    if (!chain_same(&hash, &line->hash))
        return tail_say(t, TAIL_BROKEN, "record %" PRIu64 " doesn't follow the one before",
                        line->seq);
    t->last = (struct ship_place){epoch, line->seq, hash};
    t->last_type = line->type;
    t->epoch = epoch + (line->type == LINE_EPOCH);
    t->boundary = t->trusting = false;
    return 0;
}

/* ---- reading on ---- */

/* The number of the next segment that is there, by its likely name or by looking through the
 * folder; 0: none. */
static int find_next(struct tail *t, bool surely, uint64_t *next)
{
    uint64_t now = loop_now();
    struct source source = SOURCE_INIT;
    struct segments all;
    int r = source_open(&source, t->directory, t->last.seq + 1);

    source_close(&source);
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
        if (all.first[i] > t->source.first)
            *next = all.first[i];
    segments_deinit(&all);
    return 0;
}

/* The segment is complete, and all of it has been read. */
static int move_on(struct tail *t)
{
    struct record_segment header;
    struct line line;
    uint64_t next = t->next;
    bool gap;
    int r = tail_header(t, next, &line, &header);

    if (r != 1) /* it was there a moment ago */
        return r == 0 || r == -ENOENT ? TAIL_LOST : r;
    gap = header.previous_seq > t->last.seq;
    if (header.previous_seq < t->last.seq)
        return tail_say(t, TAIL_BROKEN, "segment %" PRIu64 " begins before its end", next);
    if (gap) {
        (void)tail_say(t, 0, "records %" PRIu64 " to %" PRIu64 " are gone", t->last.seq + 1,
                       header.previous_seq);
        t->here = (struct ship_place){header.epoch, line.seq, line.hash};
    }
    r = tail_open(t, next, gap);
    if (r < 0)
        return r == -ENOENT ? TAIL_LOST : r;
    return gap ? TAIL_GONE : TAIL_BUSY;
}

/* Nothing more is in the file. */
static int at_end(struct tail *t)
{
    struct record_segment header;
    enum source_trouble trouble;
    struct line line;
    uint64_t next;
    int r;

    if (buf_len(&t->in) && (t->source.packed || t->next))
        return tail_say(t, TAIL_BROKEN, "it ends in the middle of a line");
    source_back(&t->source, buf_len(&t->in));
    buf_reset(&t->in, KEEP_BYTES);
    if (t->next)
        return move_on(t);
    trouble = source_check(&t->source, t->directory);
    if (trouble == SOURCE_ANOTHER)
        return tail_say(t, TAIL_LOST, "another file has its name");
    if (trouble == SOURCE_SHORTER)
        return tail_say(t, TAIL_LOST, "it is shorter than what was read");
    /* A finished segment loses its name when it was compressed or retired; the live one never. */
    r = find_next(t, trouble == SOURCE_NO_NAME, &next);
    if (r == 0 && next == 0 && trouble == SOURCE_NO_NAME)
        return tail_say(t, TAIL_LOST, "it was taken away");
    if (r < 0 || next == 0)
        return r < 0 ? r : TAIL_END;
    r = tail_header(t, next, &line, &header);
    if (r != 1)
        return r == 0 || r == -ENOENT ? TAIL_END : r;
    /* Now it is known to be complete; what came since the last look has to be read first. */
    t->next = next;
    return TAIL_BUSY;
}

/* Makes the batch of the n records whose lines are at the offsets kept in their slices. */
static int give(struct tail *t, struct ship_batch *batch, size_t n, size_t bytes, size_t taken)
{
    const char *base = buf_slice(&t->in).data;
    int r = source_sync(&t->source);

    if (r < 0)
        return tail_say(t, r, "records can't be made durable: %s", strerror(-r));
    for (size_t i = 0; i < n; i++) {
        t->records[i].line.data = base;
        base += t->records[i].line.len + 1;
    }
    t->given = taken;
    *batch = (struct ship_batch){t->records, n, bytes};
    return TAIL_BATCH;
}

/* A buffer that one long line made large is given back. */
static int shrink(struct tail *t)
{
    struct buf less = BUF_INIT(t->in.max);
    int r;

    if (t->in.cap <= KEEP_BYTES || buf_len(&t->in) > SHIP_BATCH_BYTES)
        return 0;
    r = buf_append_slice(&less, buf_slice(&t->in));
    if (r < 0)
        return r;
    buf_deinit(&t->in);
    t->in = less;
    return 0;
}

int tail_next(struct tail *t, struct ship_batch *batch)
{
    size_t n = 0, bytes = 0, taken = 0;
    struct slice text;
    struct line line;
    int r;

    t->why[0] = '\0';
    buf_consume(&t->in, t->given);
    t->given = 0;
    r = shrink(t);
    if (r < 0)
        return r;
    while (n < SHIP_BATCH_RECORDS && (n == 0 || bytes < SHIP_BATCH_BYTES)) {
        r = tail_line(t, taken, &text);
        if (r != 1 || (n && bytes + text.len > SHIP_BATCH_BYTES))
            break;
        r = tail_accept(t, text, &line);
        if (r != 0)
            break;
        t->last_time = line_time(&line);
        t->records[n++] = (struct ship_record){t->last, text};
        bytes += text.len;
        taken += text.len + 1;
    }
    /* What is wrong behind good records is told when it is their turn. */
    if (n)
        return give(t, batch, n, bytes, taken);
    return r == 0 ? at_end(t) : tail_damage(t, r);
}
