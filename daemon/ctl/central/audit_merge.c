#include "ctl/central/audit_merge.h"

#include "audit/line.h"
#include "central/pages.h"

#include <errno.h>
#include <stdlib.h>

enum {
    AHEAD_ALL = 64 * 1024 * 1024, /* bytes that are read ahead, of all logs together, */
    AHEAD_MOST = 1024 * 1024,     /* and of one */
};

struct source {
    struct pages pages;
    size_t of; /* its place in the list */
    struct archive_record due;
    char time[SEAL_TIME]; /* of the one that is due; zeros are before all times */
};

/* A heap: the one that is due first stands first. */
struct merge {
    struct source *all;
    struct source **heap;
    size_t n;
};

static bool before(const struct source *a, const struct source *b)
{
    int r = memcmp(a->time, b->time, SEAL_TIME);

    return r ? r < 0 : a->of < b->of;
}

static void sink(struct merge *m, size_t i)
{
    for (;;) {
        size_t child = 2 * i + 1, least = i;
        struct source *moved = m->heap[i];

        for (size_t k = child; k < child + 2 && k < m->n; k++)
            if (before(m->heap[k], m->heap[least]))
                least = k;
        if (least == i)
            return;
        m->heap[i] = m->heap[least];
        m->heap[least] = moved;
        i = least;
    }
}

/* 1: another record is due; 0: the log has ended. */
static int fill(struct source *s, struct err *err)
{
    int r = pages_next(&s->pages, &s->due, err);
    struct line line;

    if (r <= 0)
        return r;
    if (line_read(s->due.line, &line))
        memset(s->time, 0, SEAL_TIME);
    else
        memcpy(s->time, line.time.data, SEAL_TIME);
    return 1;
}

static int begin(struct merge *m, struct archive *archive, const struct archive_entries *logs,
                 struct err *err)
{
    size_t ahead = AHEAD_ALL / (logs->n ? logs->n : 1);
    int r = 0;

    for (size_t i = 0; r >= 0 && i < logs->n; i++) {
        struct source *s = &m->all[i];

        s->of = i;
        pages_init(&s->pages, archive, &logs->list[i].log, ahead < AHEAD_MOST ? ahead : AHEAD_MOST);
        r = fill(s, err);
        if (r == 1)
            m->heap[m->n++] = s;
    }
    for (size_t i = m->n / 2; i-- > 0;)
        sink(m, i);
    return r < 0 ? r : 0;
}

static int run(struct merge *m, int (*each)(void *arg, size_t of, const struct archive_record *r),
               void *arg, struct err *err)
{
    int r = 0;

    while (r == 0 && m->n) {
        struct source *s = m->heap[0];

        r = each(arg, s->of, &s->due);
        if (r == 0)
            r = fill(s, err);
        if (r < 0)
            break;
        if (r == 0)
            m->heap[0] = m->heap[--m->n];
        r = 0;
        sink(m, 0);
    }
    return r;
}

int audit_merge(struct archive *archive, const struct archive_entries *logs,
                int (*each)(void *arg, size_t of, const struct archive_record *record), void *arg,
                struct err *err)
{
    struct merge m = {.all = calloc(logs->n + 1, sizeof(*m.all)),
                      .heap = calloc(logs->n + 1, sizeof(struct source *))};
    int r =
        m.all && m.heap ? begin(&m, archive, logs, err) : err_set(err, -ENOMEM, "out of memory");

    if (r == 0)
        r = run(&m, each, arg, err);
    for (size_t i = 0; m.all && i < logs->n; i++)
        pages_deinit(&m.all[i].pages);
    free(m.all);
    free(m.heap);
    return r;
}
