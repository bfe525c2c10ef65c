#include "proxy/front/process.h"

#include "base/slice.h"
#include "base/utf8.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CGROUP_TEXT_MAX = 8192,
};

static bool ends_with(struct slice s, struct slice end)
{
    return s.len > end.len && memcmp(s.data + s.len - end.len, end.data, end.len) == 0;
}

static bool is_unit(struct slice s)
{
    return ends_with(s, SLICE_LIT(".service")) || ends_with(s, SLICE_LIT(".scope"));
}

static bool is_printable(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] <= ' ' || s.data[i] > '~')
            return false;
    return true;
}

/* The part of *rest before the next `end`, which is dropped with it. */
static struct slice until(struct slice *rest, char end)
{
    const char *at = memchr(rest->data, end, rest->len);
    struct slice part = slice_of(rest->data, at ? (size_t)(at - rest->data) : rest->len);
    size_t used = part.len + (at ? 1 : 0);

    *rest = slice_of(rest->data + used, rest->len - used);
    return part;
}

static void unit_of_path(struct slice path, char out[PROCESS_TEXT_MAX + 1])
{
    struct slice first = SLICE_NULL, last = SLICE_NULL;

    while (path.len) {
        struct slice part = until(&path, '/');

        if (!is_unit(part))
            continue;
        if (first.len == 0)
            first = part;
        else
            last = part;
    }
    if (first.len == 0 || first.len + 1 + last.len > PROCESS_TEXT_MAX || !is_printable(first) ||
        !is_printable(last))
        return;
    (void)snprintf(out, PROCESS_TEXT_MAX + 1, "%.*s%s%.*s", (int)first.len, first.data,
                   last.len ? "/" : "", (int)last.len, last.len ? last.data : "");
}

void process_unit(const char *text, size_t len, char out[PROCESS_TEXT_MAX + 1])
{
    struct slice rest = slice_of(text, len);

    out[0] = '\0';
    while (rest.len && !out[0]) {
        struct slice line = until(&rest, '\n');
        struct slice number = until(&line, ':'), controllers = until(&line, ':');

        /* The unified hierarchy, or the service manager's own one of old. */
        if ((slice_eq(number, SLICE_LIT("0")) && controllers.len == 0) ||
            slice_eq(controllers, SLICE_LIT("name=systemd")))
            unit_of_path(line, out);
    }
}

static bool is_utf8(const char *text, size_t len)
{
    for (size_t at = 0, n; at < len; at += n)
        if ((n = utf8_len((const unsigned char *)text + at, len - at)) == 0)
            return false;
    return true;
}

static void read_exe(int folder, char out[PROCESS_TEXT_MAX + 1])
{
    ssize_t n = readlinkat(folder, "exe", out, PROCESS_TEXT_MAX + 1);

    if (n < 0 || n > PROCESS_TEXT_MAX || !is_utf8(out, (size_t)n))
        n = 0;
    out[n] = '\0';
}

static void read_unit(int folder, char out[PROCESS_TEXT_MAX + 1])
{
    char text[CGROUP_TEXT_MAX];
    int fd = openat(folder, "cgroup", O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t n;

    if (fd < 0)
        return;
    n = read(fd, text, sizeof(text));
    (void)close(fd);
    if (n > 0 && (size_t)n < sizeof(text))
        process_unit(text, (size_t)n, out);
}

/* The folder stands for one process: reading in it fails once that one is gone. */
static bool is_of(int folder, int pidfd, uint32_t uid)
{
    struct pollfd alive = {.fd = pidfd, .events = POLLIN};
    struct stat st;

    if (pidfd >= 0)
        return poll(&alive, 1, 0) == 0;
    return fstat(folder, &st) == 0 && st.st_uid == uid;
}

void process_describe(struct process *out, uint32_t pid, int pidfd, uint32_t uid)
{
    char path[32];
    int folder;

    *out = (struct process){0};
    if (pid == 0)
        return;
    (void)snprintf(path, sizeof(path), "/proc/%u", pid);
    folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return;
    if (is_of(folder, pidfd, uid)) {
        read_exe(folder, out->exe);
        read_unit(folder, out->unit);
    }
    (void)close(folder);
}
