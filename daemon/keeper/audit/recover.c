/*
 * A complete but wrong line is never repaired: either records after it were acknowledged, or
 * someone edited the file. A person has to look at both.
 *
 * A segment without its header is what a crash in the middle of a rotation leaves. It holds no
 * record, so it is taken away and the segment before it goes on.
 */
#include "keeper/audit/recover.h"

#include "audit/segments.h"
#include "keeper/audit/truncated_tail.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct scan {
    struct recover *r;
    int directory;
    const char *path;
    struct segments segments;
    struct err *err;
};

static int open_one(struct scan *s, uint64_t first, bool packed, int flags)
{
    char name[SEGMENT_NAME];
    struct stat st;
    int fd;

    segment_file_name(name, first, packed);
    fd = openat(s->directory, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return err_set(s->err, -errno, "%s/%s: %s", s->path, name, strerror(errno));
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return fd;
    (void)close(fd);
    return err_set(s->err, -EINVAL, "%s/%s: not a regular file", s->path, name);
}

/* Whether any line from the reader's present one on is a whole record. */
static int record_follows(struct segment_reader *reader, struct slice line)
{
    struct line record;
    int r = 1;

    while (r == 1) {
        if (!line_read(line, &record))
            return 1;
        r = segment_read(reader, &line);
    }
    return r;
}

static int damaged(struct scan *s, uint64_t first, const struct segment_reader *reader,
                   const char *why)
{
    char name[SEGMENT_NAME];

    segment_name(name, first);
    return err_set(s->err, -EBADMSG,
                   "%s/%s: line %" PRIu64 ", byte offset %" PRIu64 ": the record is damaged: %s",
                   s->path, name, reader->line, reader->offset, why);
}

/* Reads one segment into the state of `verify`. In the newest, the end may be truncated. */
static int scan_one(struct scan *s, uint64_t first, bool packed, bool newest)
{
    struct recover *r = s->r;
    struct segment_reader reader = SEGMENT_READER_INIT;
    const char *why = NULL;
    struct slice line = SLICE_NULL;
    uint64_t line_number;
    int fd = open_one(s, first, packed, O_RDONLY), got = 1;

    if (fd < 0)
        return fd;
    segment_reader_borrow(&reader, fd, packed);
    verify_segment(&r->verify);
    while (!why && (got = segment_read(&reader, &line)) == 1)
        why = verify_line(&r->verify, line);
    r->good = reader.offset;
    line_number = reader.line;
    if (why == VERIFY_NO_MEMORY)
        got = err_set(s->err, -ENOMEM, "%s: out of memory", s->path); /* that is no truncated end */
    else if (why)
        got = newest ? record_follows(&reader, line) : 1;
    else if (got == 0 && line.len && !newest) {
        why = "it has no end";
        got = 1;
    }
    reader.line = line_number;
    reader.offset = r->good;
    if (got == 1)
        got = damaged(s, first, &reader, why);
    if (got == -EBADMSG && s->err->text[0] == '\0')
        got = damaged(s, first, &reader, "the compressed file is damaged");
    else if (got == -ENOBUFS)
        got = damaged(s, first, &reader, "a line is longer than any record");
    else if (got < 0 && s->err->text[0] == '\0')
        (void)err_set(s->err, got, "%s: %s", s->path, strerror(-got));
    segment_reader_close(&reader);
    if (got == 0 && newest) {
        struct stat st;

        r->tail = fstat(fd, &st) == 0 ? (uint64_t)st.st_size - r->good : 0;
    }
    (void)close(fd);
    return got;
}

static int cut(struct scan *s, uint64_t first)
{
    char name[SEGMENT_NAME];
    int fd = open_one(s, first, false, O_RDWR), r;

    if (fd < 0)
        return fd;
    segment_name(name, first);
    r = truncated_tail_set_aside(s->directory, name, fd, s->r->good, s->r->tail);
    (void)close(fd);
    if (r < 0)
        return err_set(s->err, r, "%s/%s: its torn end can't be set aside: %s", s->path, name,
                       strerror(-r));
    return 0;
}

/* From segment number `from` to the newest. */
static int scan_from(struct scan *s, size_t from)
{
    struct recover *r = s->r;
    int result;

    verify_deinit(&r->verify);
    result = verify_init(&r->verify);
    if (result < 0)
        return err_set(s->err, result, "out of memory");
    r->first_kept = s->segments.first[from];
    for (size_t i = from; result == 0 && i < s->segments.n; i++)
        result = scan_one(s, s->segments.first[i], s->segments.packed[i], i + 1 == s->segments.n);
    return result;
}

/* The newest segment, and as many before it as its requests reach back. */
static int scan_all(struct scan *s)
{
    struct recover *r = s->r;
    size_t from = s->segments.n - 1;
    int result = scan_from(s, from);

    while (result == 0 && r->verify.begun && (r->verify.strays || r->verify.unseen) && from > 0)
        result = scan_from(s, --from);
    if (result == 0 && r->verify.begun && r->verify.first_seq != s->segments.first[from])
        result = err_set(s->err, -EINVAL, "%s: audit-%" PRIu64 ".jsonl begins with seq %" PRIu64,
                         s->path, s->segments.first[from], r->verify.first_seq);
    return result;
}

static int remove_newest(struct scan *s)
{
    char name[SEGMENT_NAME];

    segment_name(name, s->segments.first[--s->segments.n]);
    if (unlinkat(s->directory, name, 0) < 0 || fsync(s->directory) < 0)
        return err_set(s->err, -errno, "%s/%s: %s", s->path, name, strerror(errno));
    return 0;
}

static int recover_segments(struct scan *s)
{
    struct recover *r = s->r;
    int result = 0;

    while (result == 0) {
        if (s->segments.n == 0) {
            r->fresh = true;
            r->first = 1;
            return 0;
        }
        r->first = s->segments.first[s->segments.n - 1];
        result = scan_all(s);
        if (result == 0 && r->tail)
            result = cut(s, r->first);
        if (result == 0 && r->good)
            return 0;
        if (result == 0 && s->segments.n == 1 && r->first != 1)
            return err_set(s->err, -EINVAL,
                           "%s: audit-%" PRIu64 ".jsonl holds no record and the segments before it "
                           "are gone: the log can't be continued",
                           s->path, r->first);
        if (result == 0)
            result = remove_newest(s);
    }
    return result;
}

int recover_log(struct recover *out, int directory, const char *path, struct err *err)
{
    struct scan s = {.r = out, .directory = directory, .path = path, .err = err};
    int r = segments_list(&s.segments, directory);

    err->text[0] = '\0';
    out->none = s.segments.n == 0;
    r = r < 0 ? err_set(err, r, "%s: %s", path, strerror(-r)) : recover_segments(&s);
    segments_deinit(&s.segments);
    return r;
}

void recover_deinit(struct recover *r)
{
    verify_deinit(&r->verify);
    *r = (struct recover){0};
}
