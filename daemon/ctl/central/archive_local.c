#include "ctl/central/archive_local.h"

#include "audit/line.h"

int archive_local_open(struct archive_local *l, const char *directory, struct err *err)
{
    *l = (struct archive_local){0};
    return folder_log_open(&l->log, directory, "local", err);
}

void archive_local_deinit(struct archive_local *l)
{
    folder_log_free(l->log);
    l->log = NULL;
}

void archive_local_begin(struct archive_local *l, void (*found)(void *arg, const struct finding *),
                         void *arg, struct err *err)
{
    l->here = true;
    l->found = found;
    l->arg = arg;
    l->err = err;
}

static void flush(struct archive_local *l)
{
    struct finding g = {.kind = FINDING_REWRITTEN,
                        .log = folder_log_identity(l->log),
                        .host = folder_log_host(l->log),
                        .first = l->held.first,
                        .last = l->held.last,
                        .what = l->held.what};

    if (l->held.what)
        l->found(l->arg, &g);
    l->held.what = NULL;
}

static void find(struct archive_local *l, uint64_t seq, const char *what)
{
    if (l->held.what != what || l->held.last + 1 != seq) {
        flush(l);
        l->held.what = what;
        l->held.first = seq;
    }
    l->held.last = seq;
}

/* All records of a place at the centre are known: one of them must be this host's. */
static void close_place(struct archive_local *l)
{
    if (l->place && l->found_here && !l->same)
        find(l, l->place, "this host's log has another record there than the centre");
    else if (l->place && !l->found_here && !l->lost_from && l->place >= folder_log_first(l->log))
        find(l, l->place, "this host's log has no such record any more");
    l->place = 0;
}

/* Up to the local record of that seq, or behind where it should be. */
static int advance(struct archive_local *l, uint64_t seq)
{
    while (!l->end && (!l->has || l->due.seq < seq)) {
        int r = folder_log_next(l->log, &l->due, l->err);

        if (r < 0)
            return r;
        l->has = r == 1;
        l->end = r == 0;
        if (l->has)
            l->last = l->due.seq;
    }
    return 0;
}

int archive_local_record(struct archive_local *l, const struct archive_record *record)
{
    int r;

    if (record->seq != l->place) {
        close_place(l);
        r = advance(l, record->seq);
        if (r < 0)
            return r;
        if (l->end && !l->lost_from)
            l->lost_from = record->seq;
        l->place = record->seq;
        l->found_here = l->has && l->due.seq == record->seq;
        l->same = false;
    }
    if (l->found_here && slice_eq(l->due.line, record->line))
        l->same = true;
    return 0;
}

static void count_behind(struct archive_local *l)
{
    struct line line;

    if (l->behind++ == 0 && !line_read(l->due.line, &line))
        memcpy(l->behind_since, line.time.data, SEAL_TIME);
}

static void find_truncated(struct archive_local *l, uint64_t archive_last)
{
    struct finding g = {
        .kind = FINDING_TRUNCATED,
        .log = folder_log_identity(l->log),
        .host = folder_log_host(l->log),
        .first = l->lost_from,
        .last = archive_last,
        .what = "this host's log ends before them, the centre has them: its end was cut off",
    };

    l->found(l->arg, &g);
}

int archive_local_end(struct archive_local *l)
{
    uint64_t archive_last = l->place;
    int r = 0;

    close_place(l);
    flush(l);
    if (l->lost_from) {
        find_truncated(l, archive_last);
        return 0;
    }
    if (l->has && l->due.seq > archive_last)
        count_behind(l);
    while ((r = folder_log_next(l->log, &l->due, l->err)) == 1) {
        l->last = l->due.seq;
        if (l->due.seq > archive_last)
            count_behind(l);
    }
    return r;
}
