/*
 * Finding the record behind which a sink goes on. The segment that should hold it is read from its
 * header on, so that its chain is verified; the last record of a segment that is gone is known from
 * the header behind it.
 */
#include "ship/tail_parts.h"

#include <errno.h>
#include <inttypes.h>

enum {
    LOOK_BYTES = 1024 * 1024, /* of lines that one call reads: some milliseconds */
};

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
    struct record_segment header;
    struct line line;
    int r = tail_header(t, first, &line, &header);

    if (r == 0) { /* what a crash in a rotation left: it isn't part of the log */
        t->here = t->last;
        return tail_say(t, TAIL_ENDS, "the log ends with record %" PRIu64, t->here.seq);
    }
    if (r != 1)
        return r == -ENOENT ? TAIL_LOST : r;
    if (memcmp(header.log.bytes, t->log.bytes, SEAL_KEY) != 0)
        return tail_say(t, TAIL_FOREIGN, "the folder holds another log");
    r = tail_open(t, first, true);
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
                   : tail_say(t, TAIL_OTHER, "another record %" PRIu64 " was there", t->here.seq);
    }
    t->here = (struct ship_place){header.epoch, line.seq, line.hash};
    return tail_say(t, TAIL_GONE, "records %" PRIu64 " to %" PRIu64 " are gone", t->sought.seq + 1,
                    header.previous_seq);
}

/* From the log's first record on. */
static int from_start(struct tail *t)
{
    int r = tail_open(t, 1, false);

    t->epoch = 1;
    return r == 0 ? TAIL_FOUND : r == -ENOENT ? TAIL_LOST : r;
}

static int none(struct tail *t)
{
    return t->sought.seq ? tail_say(t, TAIL_ENDS, "the log is gone") : TAIL_END;
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
    r = tail_open(t, first, true);
    return r == 0 ? TAIL_BUSY : r == -ENOENT ? TAIL_LOST : r;
}

/* The segment ends before the record. */
static int ended(struct tail *t)
{
    if (buf_len(&t->in) && t->source.packed)
        return tail_say(t, TAIL_BROKEN, "it ends in the middle of a line");
    if (t->boundary) { /* no header yet: the segment before it is the last */
        t->under = t->source.first;
        tail_rest(t);
        return TAIL_BUSY;
    }
    if (t->behind)
        return beyond(t, t->behind);
    t->here = t->last;
    return tail_say(t, TAIL_ENDS, "the log ends with record %" PRIu64, t->here.seq);
}

int tail_look(struct tail *t)
{
    size_t bytes = 0;
    struct slice text;
    struct line line;

    t->why[0] = '\0';
    if (t->source.fd < 0)
        return pick(t);
    while (bytes < LOOK_BYTES) {
        int r = tail_line(t, 0, &text);

        if (r == 0)
            return ended(t);
        if (r < 0)
            return tail_damage(t, r);
        r = tail_accept(t, text, &line);
        if (r != 0) {
            t->here = t->last;
            return r;
        }
        buf_consume(&t->in, text.len + 1);
        bytes += text.len + 1;
        if (t->last.seq == t->sought.seq) {
            t->here = t->last;
            return chain_same(&t->here.hash, &t->sought.hash)
                       ? TAIL_FOUND
                       : tail_say(t, TAIL_OTHER, "another record %" PRIu64 " is there",
                                  t->here.seq);
        }
    }
    return TAIL_BUSY;
}
