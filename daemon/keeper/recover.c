/*
 * The segment may be of any size, so it is read as a stream; what stays in memory is one line and
 * the requests that are open at that point. They are kept in a balanced tree (tsearch(3)) and not
 * in a hash: clients choose request ids, and a tree has no bad case to aim at.
 *
 * A line that is complete but wrong is never repaired: records were acknowledged after it or
 * someone edited the file, and both are for a person to look at.
 */
#include "keeper/recover.h"

#include "base/buf.h"
#include "keeper/record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    RECOVER_READ = 256 * 1024,           /* bytes of one read */
    RECOVER_LINE_MAX = 64 * 1024 * 1024, /* a record of the longest message, all of it escaped */
};

struct open_request {
    size_t count; /* several requests may use one id */
    size_t len;
    char id[];
};

static struct slice request_id(const struct open_request *o)
{
    return slice_of(o->id, o->len);
}

static int compare(const void *a, const void *b)
{
    return slice_cmp(request_id(a), request_id(b));
}

static struct open_request *request_new(struct slice id)
{
    struct open_request *o = malloc(sizeof(*o) + id.len);

    if (o) {
        *o = (struct open_request){.len = id.len};
        memcpy(o->id, id.data, id.len);
    }
    return o;
}

static int opened(struct recover *r, struct slice id)
{
    struct open_request *o = request_new(id), **found;

    if (!o)
        return -ENOMEM;
    found = tsearch(o, &r->ids, compare);
    if (!found || *found != o)
        free(o);
    if (!found)
        return -ENOMEM;
    (*found)->count++;
    r->orphans++;
    return 0;
}

static int closed(struct recover *r, struct slice id)
{
    struct open_request *key = request_new(id), **found, *o;

    if (!key)
        return -ENOMEM;
    found = tfind(key, &r->ids, compare);
    free(key);
    /* Its intent may be in an older segment. */
    if (!found)
        return 0;
    o = *found;
    r->orphans--;
    if (--o->count == 0) {
        (void)tdelete(o, &r->ids, compare);
        free(o);
    }
    return 0;
}

void recover_deinit(struct recover *r)
{
    tdestroy(r->ids, free);
    *r = (struct recover){0};
}

struct visit {
    int (*each)(void *arg, struct slice request_id);
    void *arg;
    int result;
};

static void visit(const void *node, VISIT order, void *arg)
{
    const struct open_request *o = *(const struct open_request *const *)node;
    struct visit *v = arg;

    if (order != postorder && order != leaf)
        return;
    for (size_t i = 0; i < o->count && v->result >= 0; i++)
        v->result = v->each(v->arg, request_id(o));
}

int recover_each(const struct recover *r, int (*each)(void *arg, struct slice request_id),
                 void *arg)
{
    struct visit v = {each, arg, 0};

    twalk_r(r->ids, visit, &v);
    return v.result < 0 ? v.result : 0;
}

/* NULL, or why the line can't be the next record. */
static const char *next_line(struct recover *r, struct slice line, int *failed)
{
    struct record_line record;
    const char *why = record_read(line, &record);

    if (why)
        return why;
    if (record.seq != r->next_seq)
        return "its seq is not the next one";
    if (slice_eq(record.type, SLICE_LIT("intent")))
        *failed = opened(r, record.id);
    else if (slice_eq(record.type, SLICE_LIT("outcome")))
        *failed = closed(r, record.id);
    r->next_seq++;
    return NULL;
}

/* Takes every whole line out of `in`. *searched: bytes at its start known to hold no newline. */
static int take_lines(struct recover *r, struct buf *in, size_t *searched, const char *name,
                      uint64_t first_seq, struct err *err)
{
    for (;;) {
        struct slice s = buf_slice(in);
        const char *end, *why;
        int failed = 0;

        end = s.len > *searched ? memchr(s.data + *searched, '\n', s.len - *searched) : NULL;
        if (!end) {
            *searched = s.len;
            return 0;
        }
        s.len = (size_t)(end - s.data);
        why = next_line(r, s, &failed);
        if (why)
            return err_set(err, -EBADMSG,
                           "%s: line %" PRIu64 ", byte offset %" PRIu64
                           ": the record is damaged: %s",
                           name, r->next_seq - first_seq + 1, r->good, why);
        if (failed)
            return err_set(err, failed, "%s: %s", name, strerror(-failed));
        r->good += s.len + 1;
        buf_consume(in, s.len + 1);
        *searched = 0;
    }
}

int recover_scan(struct recover *out, int fd, const char *name, uint64_t first_seq, struct err *err)
{
    struct buf in = BUF_INIT(RECOVER_LINE_MAX + RECOVER_READ);
    size_t searched = 0;
    uint64_t at = 0;
    ssize_t n = 1;
    int r = 0;

    *out = (struct recover){.next_seq = first_seq};
    while (r == 0 && n != 0) {
        r = buf_reserve(&in, RECOVER_READ);
        if (r == -ENOBUFS)
            r = err_set(err, -EBADMSG,
                        "%s: byte offset %" PRIu64 ": a line is longer than any record", name,
                        out->good);
        else if (r < 0)
            r = err_set(err, r, "%s: %s", name, strerror(-r));
        if (r < 0)
            break;
        n = pread(fd, buf_space(&in), RECOVER_READ, (off_t)at);
        if (n < 0 && errno != EINTR)
            r = err_set(err, -errno, "%s: %s", name, strerror(errno));
        if (n <= 0)
            continue;
        at += (uint64_t)n;
        buf_commit(&in, (size_t)n);
        r = take_lines(out, &in, &searched, name, first_seq, err);
    }
    out->torn = buf_len(&in);
    buf_deinit(&in);
    return r;
}

/* Copies [from, from + n) of one file to the end of another. */
static int copy(int to, int from, uint64_t offset, uint64_t n)
{
    char block[16 * 1024];

    while (n) {
        size_t want = n < sizeof(block) ? (size_t)n : sizeof(block);
        ssize_t got = pread(from, block, want, (off_t)offset), put = 0;

        if (got <= 0)
            return got < 0 ? -errno : -EIO;
        while (put < got) {
            ssize_t w = write(to, block + put, (size_t)(got - put));

            if (w < 0)
                return -errno;
            put += w;
        }
        offset += (uint64_t)got;
        n -= (uint64_t)got;
    }
    return 0;
}

int recover_cut(const struct recover *r, int directory, int fd, const char *segment,
                struct err *err)
{
    char name[NAME_MAX + 1];
    int to, result = 0;

    if (r->torn == 0)
        return 0;
    if ((size_t)snprintf(name, sizeof(name), "%s.torn", segment) >= sizeof(name))
        return err_set(err, -ENAMETOOLONG, "%s: the name is too long", segment);
    to = openat(directory, name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (to < 0)
        return err_set(err, -errno, "%s: %s", name, strerror(errno));
    result = copy(to, fd, r->good, r->torn);
    if (result == 0 && (fsync(to) < 0 || fsync(directory) < 0 ||
                        ftruncate(fd, (off_t)r->good) < 0 || fsync(fd) < 0))
        result = -errno;
    (void)close(to);
    if (result < 0)
        return err_set(err, result, "%s: the torn end of %s can't be set aside: %s", name, segment,
                       strerror(-result));
    return 0;
}
