#include "ctl/central/archive_head.h"

#include <errno.h>
#include <inttypes.h>

enum {
    WINDOW = 4096, /* records from the end that are looked at first; then more and more */
    WIDER = 8,
};

struct reading {
    struct verify *v;
    struct err *err;
};

/* What stands before the first header can't be verified, and isn't needed. */
static int on_record(void *arg, const struct archive_record *record)
{
    struct reading *r = arg;
    struct line line;
    const char *why = line_read(record->line, &line);

    if (!r->v->begun && (why || line.type != LINE_SEGMENT))
        return 0;
    if (!why && line.type == LINE_SEGMENT)
        verify_segment(r->v);
    why = record->wrong ? record->wrong : verify_line(r->v, record->line);
    if (why == VERIFY_NO_MEMORY)
        return err_set(r->err, -ENOMEM, "%s", why);
    return why ? err_set(r->err, -EBADMSG, "seq %" PRIu64 ": broken: %s", record->seq, why) : 0;
}

static int read_from(struct verify *v, struct archive *archive, const struct seal_key *log,
                     uint64_t first, struct err *err)
{
    struct reading reading = {v, err};
    int r = verify_init(v);

    if (r == 0)
        r = archive->kind->records(archive, log, first, on_record, &reading, err);
    if (r < 0 && err->text[0] == '\0')
        (void)err_set(err, r, "%s", strerror(-r));
    return r;
}

int archive_head(struct verify *v, struct archive *archive, const struct archive_entry *entry,
                 struct err *err)
{
    bool known = entry->last && entry->last != UINT64_MAX;
    uint64_t window = known ? WINDOW : UINT64_MAX, first;
    int r = archive_entry_sound(entry, err);

    *v = (struct verify){0};
    if (r < 0)
        return r;
    do {
        first = known && entry->last > window ? entry->last - window : 1;
        verify_deinit(v);
        r = read_from(v, archive, &entry->log, first, err);
        window *= WIDER;
    } while (r == 0 && !v->sealed && first > 1);
    if (r == 0 && !v->sealed)
        r = err_set(err, -ENOENT, "there is no signature yet");
    return r;
}
