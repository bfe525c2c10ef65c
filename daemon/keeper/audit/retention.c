#include "keeper/audit/retention.h"

#include "audit/compress.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LOOK_US = 60000000, /* how often for old age, and after a failure */
    LINES = 256,        /* of a segment that is retired, read in one step */
};

static const char TEMPORARY[] = ".packing";

/* ---- what stays of retired segments ---- */

static void retired_chain_close(struct retired_chain *p)
{
    if (p->fd >= 0)
        (void)close(p->fd);
    p->fd = -1;
}

enum {
    TAIL = 8 * 1024, /* bytes at the end that hold the last line, and a truncated one behind it */
};

/* Finds the last whole line; what stands behind it was never made durable. */
static int settle(struct retired_chain *p)
{
    char tail[TAIL];
    struct stat st;
    struct line line;
    off_t from;
    ssize_t n;
    const char *end, *begin;

    if (fstat(p->fd, &st) < 0)
        return -errno;
    from = st.st_size > TAIL ? st.st_size - TAIL : 0;
    n = pread(p->fd, tail, sizeof(tail), from);
    if (n < 0)
        return -errno;
    end = memrchr(tail, '\n', (size_t)n);
    if (!end)
        return from == 0 && ftruncate(p->fd, 0) == 0 ? 0 : -EBADMSG;
    if (ftruncate(p->fd, from + (end + 1 - tail)) < 0)
        return -errno;
    begin = memrchr(tail, '\n', (size_t)(end - tail));
    begin = begin ? begin + 1 : tail;
    if (line_read(slice_of(begin, (size_t)(end - begin)), &line))
        return -EBADMSG;
    p->last_seq = line.seq;
    return 0;
}

/* Opens or makes it durably and cuts off a truncated line. -EBADMSG: it is not such a file. */
static int retired_chain_open(struct retired_chain *p, int directory)
{
    int r;

    *p = (struct retired_chain){.fd = openat(directory, SEGMENTS_RETIRED,
                                             O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                                             0640)};
    if (p->fd < 0)
        return -errno;
    r = fchmod(p->fd, 0640) < 0 || fsync(directory) < 0 ? -errno : settle(p);
    if (r < 0)
        retired_chain_close(p);
    return r;
}

/* Appends a header or epoch record's line, unless it is in already. */
static int retired_chain_add(struct retired_chain *p, struct slice bytes, const struct line *line)
{
    int r;

    if (line->seq <= p->last_seq)
        return 0;
    r = file_write_fd(p->fd, bytes.data, bytes.len);
    if (r == 0)
        r = file_write_fd(p->fd, "\n", 1);
    if (r == 0)
        p->last_seq = line->seq;
    return r;
}

/* Makes it durable and closes it. */
static int retired_chain_finish(struct retired_chain *p)
{
    int r = fsync(p->fd) < 0 ? -errno : 0;

    retired_chain_close(p);
    return r;
}

/* ---- the state ---- */

bool retention_same(const struct retention_options *x, const struct retention_options *y)
{
    return x->compress == y->compress && x->keep_segments == y->keep_segments &&
           x->keep_age_us == y->keep_age_us && x->keep_bytes == y->keep_bytes;
}

void retention_init(struct retention *a, const struct retention_options *options, int directory,
                    const char *path)
{
    *a = (struct retention){.options = *options,
                            .directory = directory,
                            .path = path,
                            .from = -1,
                            .to = -1,
                            .reader = SEGMENT_READER_INIT,
                            .chain = {.fd = -1}};
}

/* Back to IDLE, whatever was under way. */
static void rest(struct retention *a)
{
    compressor_free(a->compressor);
    a->compressor = NULL;
    segment_reader_close(&a->reader);
    retired_chain_close(&a->chain);
    if (a->from >= 0)
        (void)close(a->from);
    if (a->to >= 0)
        (void)close(a->to);
    a->from = a->to = -1;
    a->state = RETENTION_IDLE;
}

void retention_deinit(struct retention *a)
{
    rest(a);
}

void retention_wake(struct retention *a)
{
    a->look_at = 0;
}

static bool wanted(const struct retention_options *o)
{
    return o->compress || o->keep_segments || o->keep_age_us || o->keep_bytes;
}

uint64_t retention_due(const struct retention *a)
{
    uint64_t now = loop_now();

    if (a->state != RETENTION_IDLE)
        return 0;
    if (!wanted(&a->options) || a->look_at == UINT64_MAX)
        return UINT64_MAX;
    return a->look_at > now ? a->look_at - now : 0;
}

static int give_up(struct retention *a, const char *what, const char *why)
{
    log_warning("audit_archive", "segment=%s/audit-%" PRIu64 ".jsonl%s why=\"%s: %s\"", a->path,
                a->first, a->packed ? ".zst" : "", what, why);
    (void)unlinkat(a->directory, TEMPORARY, 0);
    rest(a);
    a->look_at = loop_now() + LOOK_US;
    return 0;
}

/* ---- compressing ---- */

static int begin_packing(struct retention *a, uint64_t first)
{
    int r;

    a->first = first;
    a->packed = false;
    a->state = RETENTION_PACKING;
    (void)unlinkat(a->directory, TEMPORARY, 0);
    a->from = segment_open(a->directory, first, false);
    a->to = a->from < 0 ? -1
                        : openat(a->directory, TEMPORARY,
                                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0440);
    if (a->from < 0)
        r = a->from;
    else
        r = a->to < 0 || fchmod(a->to, 0440) < 0 ? -errno
                                                 : compressor_new(&a->compressor, a->from, a->to);
    return r < 0 ? give_up(a, "it can't be compressed", strerror(-r)) : 0;
}

/* A crash in between leaves both forms; the compressed one is made again then. */
static int finish_packing(struct retention *a)
{
    char plain[SEGMENT_NAME], packed[SEGMENT_NAME];
    struct stat before = {0}, after = {0};

    segment_file_name(plain, a->first, false);
    segment_file_name(packed, a->first, true);
    if (fsync(a->to) < 0 || fstat(a->from, &before) < 0 || fstat(a->to, &after) < 0 ||
        renameat(a->directory, TEMPORARY, a->directory, packed) < 0 || fsync(a->directory) < 0 ||
        unlinkat(a->directory, plain, 0) < 0 || fsync(a->directory) < 0)
        return give_up(a, "it can't be compressed", strerror(errno));
    log_info("audit_compressed", "segment=%s/%s bytes=%lld of=%lld", a->path, packed,
             (long long)after.st_size, (long long)before.st_size);
    rest(a);
    retention_wake(a);
    return 0;
}

static int pack(struct retention *a)
{
    int r = compressor_step(a->compressor);

    if (r < 0)
        return give_up(a, "it can't be compressed", strerror(-r));
    return r ? 0 : finish_packing(a);
}

/* ---- retiring ---- */

/* When the segment began; 0 when that isn't known. */
static uint64_t began(const struct retention *a, uint64_t first)
{
    struct segment_reader reader = SEGMENT_READER_INIT;
    struct slice bytes;
    struct line line;
    uint64_t time = 0;

    if (segment_reader_open(&reader, a->directory, first) == 0 &&
        segment_read(&reader, &bytes) == 1 && !line_read(bytes, &line))
        time = line_time(&line);
    segment_reader_close(&reader);
    return time;
}

/* Why the oldest of the segments has to go, or NULL. Its last record is older than the next one's
 * first, and younger than nothing that matters. */
static const char *too_much(const struct retention *a, const struct segments *s)
{
    const struct retention_options *o = &a->options;
    uint64_t bytes = 0, next;

    if (o->keep_segments && s->n > o->keep_segments)
        return "count";
    for (size_t i = 0; o->keep_bytes && i < s->n; i++)
        bytes += segment_size(a->directory, s->first[i], s->packed[i]);
    if (bytes > o->keep_bytes)
        return "size";
    next = o->keep_age_us ? began(a, s->first[1]) : 0;
    return next && loop_wall() > next + o->keep_age_us ? "age" : NULL;
}

static int begin_retiring(struct retention *a, const struct segments *s, const char *reason)
{
    int r;

    a->first = s->first[0];
    a->packed = s->packed[0];
    a->last = s->first[1] - 1;
    a->reason = reason;
    a->end = (struct line){0};
    r = segment_reader_open(&a->reader, a->directory, a->first);
    if (r < 0)
        return give_up(a, "it can't be retired", strerror(-r));
    a->state = RETENTION_RETIRING;
    r = retired_chain_open(&a->chain, a->directory);
    return r < 0 ? give_up(a, "it can't be retired: " SEGMENTS_RETIRED, strerror(-r)) : 0;
}

/* The segment goes only after its `retired` record and its part of the proof are durable. */
static int finish_retiring(struct retention *a, struct ledger *ledger, uint64_t covered)
{
    struct record_retired retired = {
        .first = a->first, .last = a->last, .hash = a->end.hash, .reason = a->reason};
    char name[SEGMENT_NAME];
    struct draft d;
    int r;

    if (a->end.seq != a->last || a->end.type != LINE_EPOCH)
        return give_up(a, "it can't be retired", "it doesn't end as a finished segment does");
    if (a->last > covered)
        return give_up(a, "it can't be retired", "a receipt that covered it is gone");
    r = retired_chain_finish(&a->chain);
    if (r < 0)
        return give_up(a, "it can't be retired: " SEGMENTS_RETIRED, strerror(-r));
    segment_file_name(name, a->first, a->packed);
    d = ledger_draft(ledger);
    r = ledger_add(ledger, LEDGER_NEW, &d,
                   record_retired(&ledger->batch, &d.head, slice_str(name), &retired));
    if (r == 0)
        r = ledger_commit(ledger);
    if (r < 0)
        return ledger->state == LEDGER_FAILED ? -EIO
                                              : give_up(a, "it can't be retired", strerror(-r));
    if (unlinkat(a->directory, name, 0) < 0 || fsync(a->directory) < 0)
        return give_up(a, "it can't be removed", strerror(errno));
    log_info("audit_retired", "segment=%s/%s reason=%s", a->path, name, a->reason);
    rest(a);
    retention_wake(a);
    return 0;
}

/* Gathers what has to stay. */
static int retire(struct retention *a, struct ledger *ledger, uint64_t covered)
{
    struct slice bytes = SLICE_NULL;
    struct line line;
    int r = 1;

    for (int i = 0; r == 1 && i < LINES; i++) {
        int added = 0;

        r = segment_read(&a->reader, &bytes);
        if (r != 1)
            break;
        if (line_read(bytes, &line))
            return give_up(a, "it can't be retired", "it is damaged");
        if (line.seq == 1 || line.type == LINE_EPOCH)
            added = retired_chain_add(&a->chain, bytes, &line);
        if (added < 0)
            return give_up(a, "it can't be retired: " SEGMENTS_RETIRED, strerror(-added));
        a->end = (struct line){.seq = line.seq, .type = line.type, .hash = line.hash};
    }
    if (r < 0)
        return give_up(a, "it can't be retired", strerror(-r));
    return r ? 0 : finish_retiring(a, ledger, covered);
}

/* ---- deciding ---- */

/* Whether the oldest one, which has to go, is covered by every receipt that is waited for. */
static bool covers(struct retention *a, const struct segments *s, uint64_t covered)
{
    char name[SEGMENT_NAME];

    if (s->first[1] - 1 <= covered)
        return true;
    if (!a->waits) {
        segment_file_name(name, s->first[0], s->packed[0]);
        log_warning("audit_retention",
                    "segment=%s/%s last=%" PRIu64 " covered=%" PRIu64
                    " why=\"it would be retired, but waits for receipts\"",
                    a->path, name, s->first[1] - 1, covered);
    }
    a->waits = true;
    return false;
}

static int look(struct retention *a, uint64_t active, uint64_t oldest_open, uint64_t covered)
{
    struct segments s = {0};
    const char *reason;
    int r = segments_list(&s, a->directory);

    a->look_at = a->options.keep_age_us ? loop_now() + LOOK_US : UINT64_MAX;
    if (r < 0) {
        a->first = active;
        r = give_up(a, "the directory can't be read", strerror(-r));
    } else if (s.n > 1 && s.first[s.n - 1] == active) {
        reason = s.first[1] <= oldest_open ? too_much(a, &s) : NULL;
        if (!reason)
            a->waits = false;
        else if (!covers(a, &s, covered))
            reason = NULL;
        if (reason)
            r = begin_retiring(a, &s, reason);
        for (size_t i = 0; !reason && a->options.compress && i < s.n - 1; i++)
            if (!s.packed[i]) {
                r = begin_packing(a, s.first[i]);
                break;
            }
    }
    segments_deinit(&s);
    return r;
}

int retention_step(struct retention *a, struct ledger *ledger, uint64_t active,
                   uint64_t oldest_open, uint64_t covered)
{
    switch (a->state) {
    case RETENTION_PACKING:
        return pack(a);
    case RETENTION_RETIRING:
        return retire(a, ledger, covered);
    default:
        return look(a, active, oldest_open, covered);
    }
}
