#include "ship/newest.h"

#include "audit/line.h"
#include "audit/segments.h"
#include "base/buf.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    END_BYTES = 64 * 1024, /* of the file's end that are read at first */
};

/* The last whole line of these bytes: 0, or -ENOENT. */
static int last_line(struct newest *out, const char *data, size_t n)
{
    const char *end = n ? memrchr(data, '\n', n) : NULL;
    const char *before = end && end > data ? memrchr(data, '\n', (size_t)(end - data)) : NULL;
    struct line line;

    if (!before) /* the line's beginning isn't among them, or it may be the file's first */
        return -ENOENT;
    before++;
    if (line_read(slice_of(before, (size_t)(end - before)), &line))
        return -ENOENT;
    out->seq = line.seq;
    out->time_us = line_time(&line);
    return 0;
}

/* With so many bytes of the end, or twice as many and so on. */
static int look_in(struct newest *out, int fd)
{
    struct buf in = BUF_INIT(SEGMENT_LINE + 2 * END_BYTES);
    struct stat st;
    size_t want = END_BYTES, size;
    int r = fstat(fd, &st) < 0 ? -errno : -ENOENT;

    for (bool all = false; r == -ENOENT && !all; want *= 2) {
        char *text;
        ssize_t n;

        size = (uint64_t)st.st_size < want ? (size_t)st.st_size : want;
        all = size == (uint64_t)st.st_size || want > SEGMENT_LINE;
        buf_reset(&in, 0);
        if (buf_reserve(&in, size + 1) < 0)
            break;
        text = buf_space(&in);
        /* A newline before the first line, so that it is seen as one. */
        text[0] = '\n';
        n = pread(fd, text + 1, size, st.st_size - (off_t)size);
        if (n < 0)
            r = -errno;
        else if (size == (uint64_t)st.st_size)
            r = last_line(out, text, (size_t)n + 1);
        else
            r = last_line(out, text + 1, (size_t)n);
    }
    buf_deinit(&in);
    return r;
}

int newest_look(struct newest *out, int directory)
{
    struct segments all;
    int r = segments_list(&all, directory);
    size_t i = r == 0 ? all.n : 0;

    if (r < 0)
        return r;
    r = -ENOENT;
    /* The active one may have no record yet. Compressed ones are finished: only a log that is
     * nobody's ends with one, and that isn't worth unpacking it. */
    for (unsigned tries = 0; r == -ENOENT && i > 0 && tries < 2; tries++) {
        int fd;

        i--;
        fd = all.packed[i] ? -1 : segment_open(directory, all.first[i], false);
        if (fd < 0)
            continue;
        r = look_in(out, fd);
        (void)close(fd);
    }
    segments_deinit(&all);
    return r;
}
