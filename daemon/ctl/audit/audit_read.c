#include "ctl/audit/audit_read.h"

#include "ctl/show.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int audit_segment_open(struct audit_segment *s, const char *path, struct err *err)
{
    *s = AUDIT_SEGMENT_INIT;
    s->path = strdup(path);
    if (!s->path)
        return err_set(err, -ENOMEM, "out of memory");
    s->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0) {
        int r = err_set(err, -errno, "%s: %s", path, strerror(errno));

        audit_segment_close(s);
        return r;
    }
    segment_reader_init(&s->reader, s->fd);
    s->reader.packed = segment_packed(path);
    return 0;
}

void audit_segment_close(struct audit_segment *s)
{
    if (s->fd >= 0) {
        segment_reader_deinit(&s->reader);
        (void)close(s->fd);
    }
    free(s->path);
    *s = AUDIT_SEGMENT_INIT;
}

static void report(const struct audit_segment *s, struct audit_read *r, const char *why)
{
    char text[512];

    r->damaged = true;
    if (r->quiet)
        return;
    (void)snprintf(text, sizeof(text), "%s: line %" PRIu64 ", byte offset %" PRIu64 ": skipped: %s",
                   s->path, s->reader.line, s->reader.offset, why);
    (void)fflush(stdout);
    (void)show_failure(text, 0);
}

static int take(const struct audit_segment *s, struct audit_read *r, struct slice bytes)
{
    struct line line;
    const char *why = line_read(bytes, &line);
    int taken;

    if (why) {
        report(s, r, why);
        return 0;
    }
    taken = r->each(r->arg, &line, bytes);
    if (taken == AUDIT_READ_DAMAGED)
        report(s, r, "it is no JSON object");
    return taken < 0 ? taken : 0;
}

/*
 * Forgets the part of a line, so that it is read again from the file: a keeper that starts after a
 * crash takes it away and writes other bytes in its place.
 */
static void again(struct segment_reader *r)
{
    buf_reset(&r->in, SEGMENT_READ);
    r->at = r->offset;
    r->end = false;
    r->line--;
}

int audit_segment_read(struct audit_segment *s, struct audit_read *r, bool newest)
{
    struct slice bytes = SLICE_NULL;
    int got, failed = 0;

    while (failed == 0 && (got = segment_read(&s->reader, &bytes)) == 1)
        failed = take(s, r, bytes);
    if (failed < 0)
        return failed;
    if (got == -ENOBUFS && !newest)
        report(s, r, "a line is longer than any record, and with it the rest of this segment");
    else if (got < 0)
        return got;
    else if (newest)
        again(&s->reader);
    else if (bytes.len)
        report(s, r, "a record without its end");
    return 0;
}

int audit_read_log(struct audit_read *r, const struct audit_log *log, struct audit_segment *newest,
                   struct err *err)
{
    int failed = 0;

    for (size_t i = 0; failed == 0 && i < log->n; i++) {
        bool last = i + 1 == log->n;
        struct audit_segment s;

        failed = audit_segment_open(&s, log->paths[i], err);
        if (failed < 0)
            break;
        failed = audit_segment_read(&s, r, last);
        if (failed < 0)
            (void)err_set(err, failed, "%s: %s", s.path, strerror(-failed));
        if (last && newest && failed == 0)
            *newest = s;
        else
            audit_segment_close(&s);
    }
    return failed;
}
