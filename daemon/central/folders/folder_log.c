#include "central/folders/folder_log.h"

#include "audit/line.h"
#include "audit/log_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct folder_log {
    char *path, *host;
    struct seal_key identity;
    uint64_t first; /* of the first segment at the opening */
    uint64_t wanted;
    struct log_reader reader;
    uint64_t epoch, seq; /* of what comes next, as far as that is known */
};

static int failed(const struct folder_log *f, int r, struct err *err)
{
    return err_set(err, r, "%s: %s", f->path, segment_strerror(r));
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

static void give(struct folder_log *f, struct slice bytes, const char *wrong,
                 struct archive_record *out)
{
    struct line line;
    bool is_record = line_read(bytes, &line) == NULL;

    if (is_record)
        learn_epoch(f, &line);
    if (is_record)
        f->seq = line.seq;
    *out = (struct archive_record){.epoch = f->epoch,
                                   .seq = f->seq,
                                   .hash = line.hash,
                                   .host = f->host,
                                   .line = bytes,
                                   .wrong = wrong};
    if (!is_record)
        out->hash = (struct chain_hash){{0}};
    f->epoch += is_record && line.type == LINE_EPOCH;
    f->seq++;
}

static int next(struct folder_log *f, struct archive_record *out, struct err *err)
{
    struct slice line = SLICE_NULL;
    const char *wrong = NULL;
    int got;

    while ((got = log_reader_next(&f->reader, &line)) == LOG_SEGMENT)
        f->seq = f->reader.number;
    if (got == -EBADMSG || got == -ENOBUFS) { /* its damaged rest is one bad record */
        log_reader_skip(&f->reader);
        line = SLICE_LIT("");
    } else if (segment_is_no_file(got)) { /* so is the whole of it: the other hosts are read on */
        f->seq = f->reader.number;
        line = SLICE_LIT("");
        wrong = segment_strerror(got);
    } else if (got <= 0) {
        return got < 0 ? failed(f, got, err) : 0;
    }
    give(f, line, wrong, out);
    return 1;
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
    log_reader_seek(&f->reader, first);
    f->wanted = first;
    f->epoch = 0;
}

/* From the first segment that has a sound header. */
static void learn_identity(struct folder_log *f, const struct segments *all)
{
    for (size_t i = 0; i < all->n; i++) {
        struct segment_reader reader = SEGMENT_READER_INIT;
        struct record_segment segment;
        struct slice bytes;
        struct line line;
        bool sound = segment_reader_open(&reader, f->reader.directory, all->first[i]) == 0 &&
                     segment_read(&reader, &bytes) == 1 && !line_read(bytes, &line) &&
                     line.type == LINE_SEGMENT && !line_segment(&line, &segment);

        segment_reader_close(&reader);
        if (sound) {
            f->identity = segment.log;
            return;
        }
    }
}

static int learn(struct folder_log *f, struct err *err)
{
    struct segments all = {0};
    int r = log_reader_open(&f->reader, f->path);

    if (r == 0)
        r = segments_list(&all, f->reader.directory);
    if (r < 0)
        return failed(f, r, err);
    f->reader.waits = true;
    f->first = all.n ? all.first[0] : 0;
    if (all.n)
        learn_identity(f, &all);
    else
        r = err_set(err, -ENOENT, "%s: there is no audit segment", f->path);
    segments_deinit(&all);
    return r;
}

int folder_log_open(struct folder_log **out, const char *path, const char *host, struct err *err)
{
    struct folder_log *f = calloc(1, sizeof(*f));
    int r;

    *out = NULL;
    if (!f)
        return err_set(err, -ENOMEM, "out of memory");
    f->reader = LOG_READER_INIT;
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
    log_reader_close(&f->reader);
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
    struct segment_reader reader = SEGMENT_READER_INIT;
    struct slice line;
    int fd = segment_open_path(f->reader.directory, SEGMENTS_RETIRED), r = 0, got = 1;

    if (segment_is_no_file(fd)) /* as good as removed, which the verifier tells */
        return 0;
    if (fd < 0)
        return fd == -ENOENT ? 0 : failed(f, fd, err);
    segment_reader_borrow(&reader, fd, false);
    while (r == 0 && (got = segment_read(&reader, &line)) == 1)
        r = each(arg, line);
    segment_reader_close(&reader);
    (void)close(fd);
    return r == 0 && got < 0 ? failed(f, got, err) : r;
}
