/*
 * Refuses whatever could send a signature somewhere in plain text, and whatever of a URL would
 * otherwise be ignored without a word.
 */
#include "proxy/upstream/url.h"

#include "base/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool host_ok(const char *host)
{
    struct in6_addr in6;

    if (*host == '\0')
        return false;
    if (strchr(host, ':'))
        return inet_pton(AF_INET6, host, &in6) == 1;
    for (const char *p = host; *p; p++)
        if (!((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
              *p == '-' || *p == '.' || *p == '_'))
            return false;
    return true;
}

/* Splits "host:port", "[v6]:port"; the port stays 0 when there is none. */
static bool split(const char *text, size_t len, struct url *u)
{
    const char *end = text + len, *colon, *host_end;
    const char *host = text;

    if (len && *text == '[') {
        host = text + 1;
        host_end = memchr(host, ']', len - 1);
        if (!host_end || (host_end + 1 < end && host_end[1] != ':'))
            return false;
        colon = host_end + 1 < end ? host_end + 1 : NULL;
        if (!memchr(host, ':', (size_t)(host_end - host)))
            return false;
    } else {
        colon = memchr(text, ':', len);
        host_end = colon ? colon : end;
    }
    if ((size_t)(host_end - host) >= sizeof(u->host))
        return false;
    memcpy(u->host, host, (size_t)(host_end - host));
    if (!colon)
        return true;
    if (end - colon < 2 || end - colon > 6)
        return false;
    for (const char *p = colon + 1; p < end; p++) {
        if (*p < '0' || *p > '9')
            return false;
        u->port = u->port * 10 + (unsigned)(*p - '0');
    }
    return u->port >= 1 && u->port <= 65535;
}

int url_parse(struct url *u, const char *text, bool plain_anywhere, struct err *err)
{
    const char *rest = text;
    struct in_addr in;
    unsigned standard;
    size_t len;
    bool six;

    *u = (struct url){0};
    if (strchr(text, '@')) /* what it holds is not shown */
        return err_set(err, -EINVAL, "a URL can't have a user or a password here");
    if (strncmp(text, "https://", 8) == 0 && !plain_anywhere) {
        u->tls = true;
        rest += 8;
    } else if (strncmp(text, "http://", 7) == 0) {
        rest += 7;
    } else {
        return err_set(err, -EINVAL, "\"%.128s\" must begin with %s", text,
                       plain_anywhere ? "http://" : "https://");
    }
    len = strcspn(rest, "/?#");
    if (rest[len] && strcmp(rest + len, "/") != 0)
        return err_set(err, -EINVAL, "\"%.128s\": only a host and a port belong here, no path",
                       text);
    if (!split(rest, len, u) || !host_ok(u->host))
        return err_set(err, -EINVAL, "\"%.128s\" has no good host and port", text);
    if (!u->tls && !plain_anywhere && !resolve_is_loopback(u->host))
        return err_set(err, -EINVAL,
                       "\"%.128s\": http:// is for loopback addresses only; signatures leave this "
                       "machine over https:// alone",
                       text);
    six = strchr(u->host, ':') != NULL;
    u->literal = six || inet_pton(AF_INET, u->host, &in) == 1;
    standard = u->tls ? 443 : 80;
    if (u->port == 0)
        u->port = standard;
    (void)snprintf(u->authority, sizeof(u->authority), "%s%s%s", six ? "[" : "", u->host,
                   six ? "]" : "");
    if (u->port != standard) {
        size_t n = strlen(u->authority);

        (void)snprintf(u->authority + n, sizeof(u->authority) - n, ":%u", u->port);
    }
    return 0;
}
