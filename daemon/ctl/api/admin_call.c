#include "ctl/api/admin_call.h"

#include "base/settings.h"
#include "http/http_chunked.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    ANSWER_MAX = 4 * 1024 * 1024, /* bytes */
    ANSWER_PIECE = 16 * 1024,
};

static bool place_of(struct admin_place *place, const char *address, unsigned port)
{
    struct in6_addr any;

    *place = (struct admin_place){.port = port};
    (void)snprintf(place->address, sizeof(place->address), "%s", address);
    return port >= 1 && port <= 65535 &&
           (inet_pton(AF_INET, address, &any) == 1 || inet_pton(AF_INET6, address, &any) == 1);
}

bool admin_place_parse(struct admin_place *place, const char *text)
{
    const char *colon = strrchr(text, ':');
    char address[64], *end = NULL;
    unsigned long port;
    size_t len;

    *place = (struct admin_place){0};
    if (*text == '/') {
        if (strlen(text) >= sizeof(place->path))
            return false;
        memcpy(place->path, text, strlen(text));
        return true;
    }
    if (!colon || colon[1] < '0' || colon[1] > '9')
        return false;
    port = strtoul(colon + 1, &end, 10);
    len = (size_t)(colon - text);
    if (*text == '[' && len > 1 && colon[-1] == ']') {
        text++;
        len -= 2;
    }
    if (*end || port > 65535 || len >= sizeof(address))
        return false;
    memcpy(address, text, len);
    address[len] = '\0';
    return place_of(place, address, (unsigned)port);
}

int admin_place_read(struct admin_place *place, const char *conf, struct err *err)
{
    const char *address = NULL, *path = NULL;
    struct settings *file = NULL;
    struct settings_node admin;
    int64_t port = 0;
    int r = settings_open(&file, conf, err);

    if (r < 0)
        return r;
    r = settings_group(settings_root(file), "admin", &admin, err);
    if (r == 0 && !admin.node)
        r = settings_fail(settings_root(file), "admin", err,
                          "there is no admin listener: add one, or use --admin");
    if (r == 0 && (r = settings_string(admin, "address", &address, err)) == 0 &&
        (r = settings_string(admin, "path", &path, err)) == 0)
        r = settings_integer(admin, "port", 0, 65535, &port, err);
    if (r == 0 && !(path ? admin_place_parse(place, path)
                         : address && place_of(place, address, (unsigned)port)))
        r = settings_fail(settings_root(file), "admin", err,
                          "can't be reached: it has no path, or no address with a fixed port; use "
                          "--admin");
    settings_free(file);
    return r;
}

static int dial(const struct admin_place *place, unsigned seconds)
{
    struct timeval limit = {.tv_sec = (time_t)seconds};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)place->port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)place->port)};
    const struct sockaddr *to = (const struct sockaddr *)&in;
    socklen_t len = sizeof(in);
    int fd;

    if (place->path[0]) {
        memcpy(un.sun_path, place->path, sizeof(un.sun_path));
        to = (const struct sockaddr *)&un;
        len = sizeof(un);
    } else if (inet_pton(AF_INET, place->address, &in.sin_addr) != 1) {
        if (inet_pton(AF_INET6, place->address, &in6.sin6_addr) != 1)
            return -EINVAL;
        to = (const struct sockaddr *)&in6;
        len = sizeof(in6);
    }
    fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (connect(fd, to, len) < 0) {
        int r = -errno;

        (void)close(fd);
        return r;
    }
    return fd;
}

static int send_all(int fd, struct slice s)
{
    while (s.len) {
        ssize_t n = send(fd, s.data, s.len, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            s = slice_of(s.data + n, s.len - (size_t)n);
    }
    return 0;
}

/* Until the peer closes: the request asked it to. */
static int receive_all(int fd, struct buf *in)
{
    for (;;) {
        ssize_t n;
        int r = buf_reserve(in, ANSWER_PIECE);

        if (r < 0)
            return r;
        n = recv(fd, buf_space(in), ANSWER_PIECE, 0);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return errno == EAGAIN ? -ETIMEDOUT : -errno;
        if (n > 0)
            buf_commit(in, (size_t)n);
    }
}

/* Head and body of the whole bytes; false when they aren't one whole answer. */
static bool understand(struct buf *in, struct admin_answer *answer)
{
    struct http_progress progress = {0};
    struct http_chunked chunked = {0};
    struct http_head head;
    const char *why = NULL;
    size_t len, surplus = 0;

    if (http_answer_parse(buf_slice(in).data, buf_len(in), false, &progress, &head, &why) !=
        HTTP_DONE)
        return false;
    answer->status = head.status;
    buf_consume(in, head.head_len);
    len = buf_len(in);
    if (head.framing == HTTP_LENGTH && len != head.content_length)
        return false;
    if (head.framing == HTTP_CHUNKED &&
        http_chunked_decode(&chunked, in->data + in->head, &len, &surplus, &why) != HTTP_DONE)
        return false;
    in->tail = in->head + len;
    return true;
}

int admin_call(const struct admin_place *place, struct slice request, unsigned seconds,
               struct admin_answer *answer, struct err *err)
{
    int fd = dial(place, seconds), r;

    *answer = (struct admin_answer){.body = BUF_INIT(ANSWER_MAX)};
    if (fd < 0)
        return err_set(err, fd, "the daemon's admin listener can't be reached: %s", strerror(-fd));
    r = send_all(fd, request);
    if (r == 0)
        r = receive_all(fd, &answer->body);
    (void)close(fd);
    if (r < 0)
        return err_set(err, r, "no answer from the daemon: %s", strerror(-r));
    return understand(&answer->body, answer)
               ? 0
               : err_set(err, -EPROTO, "the daemon's answer is not whole");
}
