#include "central/folders/folder_log.h"

#include "audit/line.h"
#include "audit/segments.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    TAIL_WAITS = 20, /* for the rest of a line that is being written: so many times */
    TAIL_WAIT_MS = 50,
};

static const char PROOF[] = "audit-retired.jsonl";

struct folder_log {
    char *path, *host;
    struct seal_key identity;
    uint64_t first; /* of the first segment at the opening */
    uint64_t wanted;

    int fd;           /* of the segment that is read; -1: none */
    uint64_t present; /* its number; 0: none was read since the last seek */
    struct segment_reader reader;
    bool last_look;      /* a later segment is there: this one's end is its end */
    bool torn;           /* what stands behind its last line was given */
    uint64_t epoch, seq; /* of what comes next, as far as that is known */
};

static void leave(struct folder_log *f)
{
    if (f->fd < 0)
        return;
    segment_reader_deinit(&f->reader);
    (void)close(f->fd);
    f->fd = -1;
}

static int failed(const struct folder_log *f, int r, struct err *err)
{
    return err_set(err, r, "%s: %s", f->path, strerror(-r));
}

static int list(const struct folder_log *f, struct segments *out, struct err *err)
{
    int fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? -errno : segments_list(out, fd);

    if (fd >= 0)
        (void)close(fd);
    return r < 0 ? failed(f, r, err) : 0;
}

/* -ENOENT: it was removed, or compressed, just now. */
static int enter(struct folder_log *f, uint64_t number, bool packed)
{
    char name[SEGMENT_NAME], *path = NULL;

    leave(f);
    segment_file_name(name, number, packed);
    if (asprintf(&path, "%s/%s", f->path, name) < 0)
        return -ENOMEM;
    f->fd = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    if (f->fd < 0)
        return -errno;
    segment_reader_init(&f->reader, f->fd);
    f->reader.packed = packed;
    f->present = number;
    f->seq = number;
    f->last_look = f->torn = false;
    return 0;
}

/* The segment that the reading has to go on with: its place in the list, or n. */
static size_t find(const struct folder_log *f, const struct segments *all)
{
    size_t i = 0;

    while (i < all->n && all->first[i] <= f->present)
        i++;
    /* After a seek, the last one that may hold the record. */
    while (f->present == 0 && i + 1 < all->n && all->first[i + 1] <= f->wanted)
        i++;
    return i;
}

/* 1: another segment was entered; 0: there is none. */
static int enter_next(struct folder_log *f, struct err *err)
{
    struct segments all;
    int r = list(f, &all, err);
    size_t i;

    if (r < 0)
        return r;
    i = find(f, &all);
    r = i < all.n ? enter(f, all.first[i], all.packed[i]) : 0;
    if (r == -ENOENT && !all.packed[i])
        r = enter(f, all.first[i], true);
    if (r < 0)
        r = failed(f, r, err);
    else if (i < all.n)
        r = 1;
    segments_deinit(&all);
    return r;
}

/* Whether there is a later segment. */
static int has_next(const struct folder_log *f, struct err *err)
{
    struct segments all;
    int r = list(f, &all, err);

    if (r < 0)
        return r;
    r = all.n && all.first[all.n - 1] > f->present;
    segments_deinit(&all);
    return r;
}

/* The line that stands at the end of the file will be read again. */
static void again(struct segment_reader *r)
{
    if (r->packed)
        return;
    buf_reset(&r->in, SEGMENT_READ);
    r->at = r->next = r->offset;
    r->end = false;
    r->line--;
}

/* One line, waiting for the rest of one that may be under way. */
static int read_line(struct folder_log *f, struct slice *line)
{
    static const struct timespec WAIT = {0, TAIL_WAIT_MS * 1000000L};
    int got = segment_read(&f->reader, line);

    for (unsigned i = 0; got == 0 && line->len && !f->last_look && i < TAIL_WAITS; i++) {
        (void)nanosleep(&WAIT, NULL);
        again(&f->reader);
        got = segment_read(&f->reader, line);
    }
    return got;
}

/* Some records tell in which epoch they were written. */
static void learn_epoch(struct folder_log *f, const struct line *line)
{
    unsigned char signature[SEAL_SIGNATURE];
    struct record_segment segment;
    struct seal_key next;
    struct seal seal;

    if (line->type == LINE_SEGMENT && line_segment(line, &segment) == NULL)
        f->epoch = segment.epoch;
    else if ((line->type == LINE_CHECKPOINT || line->type == LINE_EPOCH) &&
             line_seal(line, &seal, &next, signature) == NULL)
        f->epoch = seal.epoch;
}

static void give(struct folder_log *f, struct slice bytes, struct archive_record *out)
{
    struct line line;
    bool is_record = line_read(bytes, &line) == NULL;

    if (is_record)
        learn_epoch(f, &line);
    if (is_record)
        f->seq = line.seq;
    *out = (struct archive_record){
        .epoch = f->epoch, .seq = f->seq, .hash = line.hash, .host = f->host, .line = bytes};
    if (!is_record)
        out->hash = (struct chain_hash){{0}};
    f->epoch += is_record && line.type == LINE_EPOCH;
    f->seq++;
}

/* At the end of what the segment holds now: 1 when reading goes on, 0 at the log's end. */
static int at_end(struct folder_log *f, struct err *err)
{
    int r;

    if (f->last_look) {
        leave(f);
        return enter_next(f, err);
    }
    /* First the look for a later one: if it is there, this one is complete, and is read on. */
    r = has_next(f, err);
    f->last_look = r == 1;
    again(&f->reader);
    return r;
}

static int next(struct folder_log *f, struct archive_record *out, struct err *err)
{
    struct slice line = SLICE_NULL;
    int r = f->fd < 0 ? enter_next(f, err) : 1;

    while (r == 1) {
        int got = read_line(f, &line);

        if (got == 1 || (got == 0 && line.len && !f->torn)) {
            f->torn = got == 0;
            give(f, line, out);
            return 1;
        }
        if (got == -EBADMSG || got == -ENOBUFS) { /* its damaged rest is one bad record */
            give(f, SLICE_LIT(""), out);
            leave(f);
            return 1;
        }
        r = got < 0 ? failed(f, got, err) : at_end(f, err);
    }
    return r;
}

int folder_log_next(struct folder_log *f, struct archive_record *out, struct err *err)
{
    int r;

    do
        r = next(f, out, err);
    while (r == 1 && out->seq < f->wanted);
    if (r == 1)
        f->wanted = 0; /* from here on as they come */
    return r;
}

void folder_log_seek(struct folder_log *f, uint64_t first)
{
    leave(f);
    f->present = 0;
    f->wanted = first;
    f->epoch = 0;
}

static int learn(struct folder_log *f, struct err *err)
{
    struct segments all = {0};
    int r = list(f, &all, err);

    if (r == 0 && all.n == 0)
        r = err_set(err, -ENOENT, "%s: there is no audit segment", f->path);
    if (r == 0)
        f->first = all.first[0];
    for (size_t i = 0; r == 0 && i < all.n; i++) {
        struct record_segment segment;
        struct slice bytes;
        struct line line;

        if (enter(f, all.first[i], all.packed[i]) < 0 || segment_read(&f->reader, &bytes) != 1 ||
            line_read(bytes, &line) || line.type != LINE_SEGMENT || line_segment(&line, &segment))
            continue;
        f->identity = segment.log;
        break;
    }
    segments_deinit(&all);
    folder_log_seek(f, 0);
    return r;
}

int folder_log_open(struct folder_log **out, const char *path, const char *host, struct err *err)
{
    struct folder_log *f = calloc(1, sizeof(*f));
    int r;

    *out = NULL;
    if (!f)
        return err_set(err, -ENOMEM, "out of memory");
    f->fd = -1;
    f->path = strdup(path);
    f->host = strdup(host);
    r = f->path && f->host ? learn(f, err) : err_set(err, -ENOMEM, "out of memory");
    if (r < 0)
        folder_log_free(f);
    else
        *out = f;
    return r;
}

void folder_log_free(struct folder_log *f)
{
    if (!f)
        return;
    leave(f);
    free(f->path);
    free(f->host);
    free(f);
}

const struct seal_key *folder_log_identity(const struct folder_log *f)
{
    return &f->identity;
}

const char *folder_log_host(const struct folder_log *f)
{
    return f->host;
}

uint64_t folder_log_first(const struct folder_log *f)
{
    return f->first;
}

int folder_log_retired(struct folder_log *f, int (*each)(void *arg, struct slice line), void *arg,
                       struct err *err)
{
    struct segment_reader reader;
    struct slice line;
    char *path = NULL;
    int fd, r = 0, got = 1;

    if (asprintf(&path, "%s/%s", f->path, PROOF) < 0)
        return err_set(err, -ENOMEM, "out of memory");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    if (fd < 0)
        return errno == ENOENT ? 0 : failed(f, -errno, err);
    segment_reader_init(&reader, fd);
    while (r == 0 && (got = segment_read(&reader, &line)) == 1)
        r = each(arg, line);
    segment_reader_deinit(&reader);
    (void)close(fd);
    return r == 0 && got < 0 ? failed(f, got, err) : r;
}
