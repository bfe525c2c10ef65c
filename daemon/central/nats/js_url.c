#include "central/nats/js_url.h"

#include "base/resolve.h"
#include "base/slice.h"
#include "central/nats/js_form.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Takes what stands before the first of `ends` (or all) off *s. */
static struct slice url_until(struct slice *s, const char *ends)
{
    struct slice head;
    size_t n = 0;

    while (n < s->len && !strchr(ends, s->data[n]))
        n++;
    head = slice_of(s->data, n);
    *s = slice_of(s->data + n, s->len - n);
    return head;
}

static bool url_scheme(struct slice *s, struct slice scheme)
{
    if (s->len < scheme.len || !slice_eq(slice_cut(*s, scheme.len), scheme))
        return false;
    *s = slice_of(s->data + scheme.len, s->len - scheme.len);
    return true;
}

static bool url_port(struct slice port, unsigned *out)
{
    unsigned n = 0;

    for (size_t i = 0; i < port.len; i++) {
        if (port.data[i] < '0' || port.data[i] > '9')
            return false;
        n = n * 10 + (unsigned)(port.data[i] - '0');
        if (n > 65535)
            return false;
    }
    *out = n;
    return n > 0;
}

/* `[address]` or a name. */
static bool url_host(struct slice *s, struct slice *host)
{
    static const char ALLOWED[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

    if (s->len > 0 && s->data[0] == '[') {
        *s = slice_of(s->data + 1, s->len - 1);
        *host = url_until(s, "]");
        if (s->len == 0 || host->len == 0)
            return false;
        *s = slice_of(s->data + 1, s->len - 1);
        for (size_t i = 0; i < host->len; i++)
            if (!strchr("0123456789abcdefABCDEF:.", host->data[i]))
                return false;
        return true;
    }
    *host = url_until(s, ":");
    for (size_t i = 0; i < host->len; i++)
        if (!strchr(ALLOWED, host->data[i]))
            return false;
    return host->len > 0;
}

/* One server's text, without its scheme. */
static int url_server(struct js_server *out, struct slice text, bool tls, struct err *err)
{
    struct slice user = SLICE_NULL, host, port = SLICE_LIT("4222");
    const char *at = memrchr(text.data, '@', text.len), *open, *close;

    if (at) {
        user = slice_of(text.data, (size_t)(at - text.data) + 1);
        text = slice_of(at + 1, text.len - user.len);
    }
    if (!url_host(&text, &host))
        return err_set(err, -EINVAL, "a server has no name that can be one");
    out->port = JS_PORT;
    if (text.len > 0) {
        port = slice_of(text.data + 1, text.len - 1);
        if (text.data[0] != ':' || !url_port(port, &out->port))
            return err_set(err, -EINVAL, "a server's port is no number from 1 to 65535");
    }
    open = memchr(host.data, ':', host.len) ? "[" : "";
    close = *open ? "]" : "";
    out->tls = tls;
    if (asprintf(&out->url, "%s%.*s%s%.*s%s:%.*s", tls ? "tls://" : "nats://", (int)user.len,
                 user.len ? user.data : "", open, (int)host.len, host.data, close, (int)port.len,
                 port.data) < 0)
        out->url = NULL;
    if (asprintf(&out->name, "%s%.*s%s:%.*s", open, (int)host.len, host.data, close, (int)port.len,
                 port.data) < 0)
        out->name = NULL;
    out->host = strndup(host.data, host.len);
    if (!out->url || !out->name || !out->host)
        return err_set(err, -ENOMEM, "no memory");
    if (user.len && !tls && !resolve_is_loopback(out->host))
        return err_set(err, -EINVAL,
                       "nats://...@%.64s would send user, password or token in clear text to "
                       "another machine: use tls://",
                       out->host);
    return 0;
}

static int url_servers(struct js_url *out, struct slice list, struct err *err)
{
    bool first_tls = false;
    int r = 0;

    for (bool more = true; more && r == 0;) {
        struct slice one = url_until(&list, ",");
        bool tls;

        more = list.len > 0;
        if (more)
            list = slice_of(list.data + 1, list.len - 1);
        if (out->n == JS_SERVERS_MAX)
            return err_set(err, -EINVAL, "there are more than %d servers", JS_SERVERS_MAX);
        tls = url_scheme(&one, SLICE_LIT("tls://"));
        if (!tls && !url_scheme(&one, SLICE_LIT("nats://"))) {
            if (out->n == 0)
                return err_set(err, -EINVAL, "it doesn't begin with nats:// or tls://");
            tls = first_tls;
        }
        if (out->n == 0)
            first_tls = tls;
        r = url_server(&out->servers[out->n++], one, tls, err);
    }
    return r;
}

static int url_query(struct js_url *out, struct slice query, struct err *err)
{
    while (query.len > 0) {
        struct slice value = url_until(&query, "&");
        char **into = NULL;

        if (query.len > 0)
            query = slice_of(query.data + 1, query.len - 1);
        if (url_scheme(&value, SLICE_LIT("ca=")))
            into = &out->ca;
        else if (url_scheme(&value, SLICE_LIT("credentials=")))
            into = &out->credentials;
        if (!into || *into || value.len == 0)
            return err_set(err, -EINVAL,
                           "behind the ? only ca=FILE and credentials=FILE are known");
        *into = strndup(value.data, value.len);
        if (!*into)
            return err_set(err, -ENOMEM, "no memory");
    }
    return 0;
}

/* The first slash that is not a scheme's, or the question mark (RFC 3986, 3); or NULL. */
static const char *url_path(const char *text)
{
    for (const char *p = text; (p = strpbrk(p, "/?")); p += 2)
        if (*p == '?' || p == text || p[-1] != ':' || p[1] != '/')
            return p;
    return NULL;
}

static int url_stream(struct js_url *out, struct slice path, struct err *err)
{
    struct slice stream = url_until(&path, "?");

    if (stream.len > 0) {
        if (!js_prefix_ok(stream))
            return err_set(err, -EINVAL, "its path is no name of streams");
        out->stream = strndup(stream.data, stream.len);
        if (!out->stream)
            return err_set(err, -ENOMEM, "no memory");
    }
    return path.len > 0 ? url_query(out, slice_of(path.data + 1, path.len - 1), err) : 0;
}

static int url_read(struct js_url *out, const char *text, bool reader, struct err *err)
{
    size_t len = strlen(text);
    const char *path;
    int r;

    if (len > JS_URL_MAX)
        return err_set(err, -EINVAL, "it is longer than %d bytes", JS_URL_MAX);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] <= 0x20 || text[i] == 0x7f)
            return err_set(err, -EINVAL, "it has a space or a control character");
    path = url_path(text);
    if (path && !reader)
        return err_set(err, -EINVAL, "it has a path or a query");
    r = url_servers(out, slice_of(text, path ? (size_t)(path - text) : len), err);
    return r == 0 && path ? url_stream(out, slice_str(path + (*path == '/')), err) : r;
}

int js_url_parse(struct js_url *out, const char *url, bool reader, struct err *err)
{
    int r;

    *out = (struct js_url){0};
    r = url_read(out, url, reader, err);
    if (r < 0)
        js_url_deinit(out);
    return r;
}

static void url_wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

void js_url_deinit(struct js_url *url)
{
    for (size_t i = 0; i < JS_SERVERS_MAX; i++) {
        url_wipe(url->servers[i].url);
        free(url->servers[i].host);
        free(url->servers[i].name);
    }
    free(url->stream);
    free(url->ca);
    free(url->credentials);
    *url = (struct js_url){0};
}
