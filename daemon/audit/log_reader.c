#include "audit/log_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t number_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return segment_first(slash ? slash + 1 : path);
}

int log_reader_open(struct log_reader *r, const char *folder)
{
    r->folder = strdup(folder);
    r->directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return !r->folder ? -ENOMEM : r->directory < 0 ? -errno : 0;
}

int log_reader_open_files(struct log_reader *r, char **files, size_t n)
{
    const char *last = files[n - 1], *slash = strrchr(last, '/');

    r->files = files;
    r->n_files = n;
    r->folder = slash ? strndup(last, slash == last ? 1 : (size_t)(slash - last)) : strdup(".");
    if (!r->folder)
        return -ENOMEM;
    if (number_of(last))
        r->directory = open(r->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return 0;
}

void log_reader_close(struct log_reader *r)
{
    segment_reader_close(&r->segment);
    if (r->directory >= 0)
        (void)close(r->directory);
    free(r->folder);
    free(r->path);
    *r = LOG_READER_INIT;
}

void log_reader_skip(struct log_reader *r)
{
    segment_reader_close(&r->segment);
}

void log_reader_seek(struct log_reader *r, uint64_t seq)
{
    segment_reader_close(&r->segment);
    r->number = 0;
    r->file = 0;
    r->wanted = seq;
}

bool log_reader_shrank(const struct log_reader *r)
{
    off_t size = r->segment.packed ? -1 : lseek(r->segment.fd, 0, SEEK_END);

    return size >= 0 && (uint64_t)size < r->segment.next;
}

/* Whether segments of the folder come behind what was read. */
static bool in_folder(const struct log_reader *r)
{
    return r->directory >= 0 && (r->n_files == 0 || (r->follows && r->file == r->n_files));
}

/* The segment of the folder to read next: its number, 0 when there is none. */
static int find_next(const struct log_reader *r, uint64_t *next)
{
    struct segments all;
    size_t i = 0;
    int failed;

    *next = 0;
    if (!in_folder(r))
        return 0;
    failed = segments_list(&all, r->directory);
    if (failed < 0)
        return failed;
    while (i < all.n && all.first[i] <= r->number)
        i++;
    while (r->number == 0 && i + 1 < all.n && all.first[i + 1] <= r->wanted)
        i++;
    if (i < all.n)
        *next = all.first[i];
    segments_deinit(&all);
    return 0;
}

static int set_path(struct log_reader *r, const char *path, uint64_t number, bool packed)
{
    char name[SEGMENT_NAME];

    free(r->path);
    r->path = NULL;
    segment_file_name(name, number, packed);
    if (path)
        r->path = strdup(path);
    else if (asprintf(&r->path, "%s/%s", r->folder, name) < 0)
        r->path = NULL;
    return r->path ? LOG_SEGMENT : -ENOMEM;
}

/* LOG_SEGMENT, LOG_END when there is no other segment, or -errno. */
static int enter_next(struct log_reader *r)
{
    uint64_t next = 0;
    int failed;

    r->complete = r->truncated = false;
    if (r->file < r->n_files) {
        char *path = r->files[r->file++];

        r->number = number_of(path);
        failed = set_path(r, path, 0, false);
        if (failed >= 0)
            failed = segment_reader_open_file(&r->segment, path);
        return failed < 0 ? failed : LOG_SEGMENT;
    }
    failed = find_next(r, &next);
    if (failed < 0 || next == 0)
        return failed;
    r->number = next;
    failed = set_path(r, NULL, next, false);
    if (failed >= 0)
        failed = segment_reader_open(&r->segment, r->directory, next);
    if (failed == 0 && r->segment.packed)
        failed = set_path(r, NULL, next, true);
    return failed < 0 ? failed : LOG_SEGMENT;
}

/* 1 when a later segment is there, so that this one is complete. */
static int find_complete(struct log_reader *r)
{
    uint64_t next;
    int failed = find_next(r, &next);

    r->complete = failed == 0 && (next || r->file < r->n_files);
    return failed < 0 ? failed : r->complete;
}

/* Part of a line is all that is left; or not even a header, in a rotation that is under way. */
static int partial(struct log_reader *r, struct slice *out)
{
    int got = 0;

    if (r->truncated)
        return LOG_END;
    if (!r->complete) {
        if (!r->waits) {
            segment_reader_back(&r->segment);
            return LOG_END;
        }
        got = segment_wait(&r->segment, r->directory, out);
    }
    if (got != 0)
        return got == 1 ? LOG_LINE : got;
    r->truncated = out->len > 0;
    return r->truncated ? LOG_TRUNCATED : LOG_END;
}

int log_reader_next(struct log_reader *r, struct slice *out)
{
    for (;;) {
        int got, later;

        if (r->segment.fd < 0) {
            got = enter_next(r);
            if (got == -ENOENT && r->file == r->n_files && in_folder(r))
                continue; /* it was retired just now */
            return got;
        }
        if (r->truncated && !r->complete) /* the next keeper writes something else in its place */
            segment_reader_back(&r->segment);
        got = segment_read(&r->segment, out);
        if (got == 1)
            r->truncated = false;
        if (got != 0)
            return got == 1 ? LOG_LINE : got;
        if (!r->complete) {
            later = find_complete(r);
            if (later < 0)
                return later;
            if (later)
                continue; /* what was written since the last look has to be read first */
        }
        got = out->len || (r->waits && r->segment.next == 0) ? partial(r, out) : LOG_END;
        if (got != LOG_END || !r->complete)
            return got;
        segment_reader_close(&r->segment);
    }
}
