#include "exchange/setup.h"

#include "base/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SETUP_API_MAX = 16 * 1024 * 1024, /* bytes of the description */
};

static int read_whole(struct buf *out, const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), r = 0;
    ssize_t n = 1;

    if (fd < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    while (r == 0 && n > 0) {
        r = buf_reserve(out, 64 * 1024);
        if (r < 0) {
            (void)err_set(err, r, "%s: larger than %d bytes", path, SETUP_API_MAX);
            break;
        }
        n = read(fd, buf_space(out), 64 * 1024);
        if (n < 0)
            r = err_set(err, -errno, "%s: %s", path, strerror(errno));
        else
            buf_commit(out, (size_t)n);
    }
    (void)close(fd);
    return r;
}

static int load_api(struct setup *s, struct err *err)
{
    struct buf text = BUF_INIT(SETUP_API_MAX);
    int r = read_whole(&text, s->conf.api, err);

    if (r == 0) {
        struct err why = ERR_INIT;

        r = api_load(&s->api, buf_slice(&text), &why);
        if (r != 0)
            r = err_set(err, r < 0 ? r : -EINVAL, "%.200s: %.300s", s->conf.api, why.text);
    }
    buf_deinit(&text);
    return r;
}

/* What a setting led to is told with the file and the line of the setting. */
static int blame(struct setup *s, const char *setting, int r, struct err *err)
{
    struct err why = *err;

    if (r < 0)
        (void)settings_fail(settings_root(s->conf.file), setting, err, "%s", why.text);
    return r;
}

static void setup_free(void *arg)
{
    struct setup *s = arg;

    upstream_free(s->upstream);
    api_free(s->api);
    proxy_conf_deinit(&s->conf);
    free(s);
}

int setup_load(struct setup **out, struct loop *loop, const char *path, struct err *err)
{
    struct setup *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return err_set(err, -ENOMEM, "out of memory");
    s->refs = 1;
    s->loop = loop;
    s->last = (struct loop_hook){.run = setup_free, .arg = s};
    r = proxy_conf_load(&s->conf, path, err);
    if (r == 0)
        r = blame(s, "api", load_api(s, err), err);
    if (r == 0)
        r = blame(s, "upstream", upstream_new(&s->upstream, loop, &s->conf.upstream, err), err);
    if (r < 0) {
        setup_unref(s);
        return r;
    }
    *out = s;
    return 0;
}

struct setup *setup_ref(struct setup *s)
{
    s->refs++;
    return s;
}

void setup_unref(struct setup *s)
{
    if (s && --s->refs == 0)
        loop_defer(s->loop, &s->last);
}
