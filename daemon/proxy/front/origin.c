/*
 * The checks don't depend on each other: Host is what stops rebinding, where a page's request looks
 * like one to its own server, the rest what stops requests across sites, where Host is right. A
 * Host without a port is taken as good as one with the listener's: browsers leave out port 80 only,
 * other clients leave it out as they like, and it is the name that a page can't choose.
 */
#include "proxy/front/origin.h"

#include <errno.h>
#include <stdio.h>

enum {
    SHOWN_MAX = 100, /* bytes of a client's value that a text shows */
};

static bool is_digits(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
    return s.len > 0;
}

/* Splits at the colon before the port; *has_port says whether there is one. */
static struct slice split(struct slice host, struct slice *port, bool *has_port)
{
    const char *from =
        host.len && host.data[0] == '[' ? memchr(host.data, ']', host.len) : host.data;
    size_t at = from ? (size_t)(from - host.data) : 0;
    const char *colon = host.len ? memchr(host.data + at, ':', host.len - at) : NULL;

    *has_port = colon != NULL;
    *port = SLICE_NULL;
    if (!colon)
        return host;
    at = (size_t)(colon - host.data);
    *port = slice_of(colon + 1, host.len - at - 1);
    return slice_of(host.data, at);
}

static bool is_name(struct slice name)
{
    static const char DIGITS[] = "0123456789abcdefABCDEF:.";

    if (name.len > 3 && name.data[0] == '[' && name.data[name.len - 1] == ']') {
        for (size_t i = 1; i < name.len - 1; i++)
            if (!memchr(DIGITS, name.data[i], sizeof(DIGITS) - 1))
                return false;
        return true;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];

        if (!(c >= '0' && c <= '9') && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && c != '-' &&
            c != '.' && c != '_')
            return false;
    }
    return name.len > 0 && name.data[0] != '.' && name.data[name.len - 1] != '.';
}

static bool is_port(struct slice port)
{
    unsigned long value = 0;

    if (!is_digits(port) || port.len > 5 || port.data[0] == '0')
        return false;
    for (size_t i = 0; i < port.len; i++)
        value = value * 10 + (unsigned long)(port.data[i] - '0');
    return value <= 65535;
}

int origin_hosts_add(struct origin_hosts *hosts, const char *host)
{
    struct slice all = slice_str(host), port;
    bool has_port;
    struct slice name = split(all, &port, &has_port);

    if (all.len > ORIGIN_HOST_MAX || !is_name(name) || (has_port && !is_port(port)))
        return -EINVAL;
    if (hosts->n == ORIGIN_HOSTS_MAX)
        return -E2BIG;
    memcpy(hosts->hosts[hosts->n++], host, all.len + 1);
    return 0;
}

static bool is_served(const struct origin_hosts *hosts, unsigned port, struct slice host)
{
    char own[8];
    struct slice asked;
    bool has_port;
    struct slice name = split(host, &asked, &has_port);
    bool own_port;

    (void)snprintf(own, sizeof(own), "%u", port);
    own_port = !has_port || (port && slice_eq(asked, slice_str(own)));
    for (unsigned i = 0; i < hosts->n; i++) {
        struct slice served = slice_str(hosts->hosts[i]);

        if (slice_eq_nocase(host, served) || (own_port && slice_eq_nocase(name, served)))
            return true;
    }
    return false;
}

/* A value of the client's as a text may show it. */
struct shown {
    char text[SHOWN_MAX + 4];
};

static struct shown show(struct slice s)
{
    struct shown out;
    size_t n = 0;

    for (; n < s.len && n < SHOWN_MAX; n++) {
        char c = s.data[n];

        out.text[n] = c >= ' ' && c < 0x7f && c != '"' && c != '\\' ? c : '?';
    }
    (void)snprintf(out.text + n, sizeof(out.text) - n, "%s", n < s.len ? "..." : "");
    return out;
}

/* The page's origin; its path and query are nobody's business. */
static struct slice origin_of(struct slice url)
{
    const char *authority = url.len ? memmem(url.data, url.len, "://", 3) : NULL;
    size_t at = authority ? (size_t)(authority - url.data) + 3 : 0;

    while (at < url.len && url.data[at] != '/' && url.data[at] != '?' && url.data[at] != '#')
        at++;
    return slice_of(url.data, at);
}

static bool begins(struct slice name, struct slice with)
{
    return name.len > with.len && slice_eq_nocase(slice_of(name.data, with.len), with);
}

enum mark {
    MARK_NONE,
    MARK_OF_A_PAGE,
    MARK_WITH_ORIGIN, /* and *why tells which page */
};

static enum mark mark_of(struct slice name, struct slice value, struct refusal *why)
{
    if (slice_eq_nocase(name, SLICE_LIT("origin")) || slice_eq_nocase(name, SLICE_LIT("referer"))) {
        refuse(why, 403, "forbidden",
               "web pages may not call this service: the request has the field %.*s \"%s\"",
               (int)name.len, name.data, show(origin_of(value)).text);
        return MARK_WITH_ORIGIN;
    }
    if (slice_eq_nocase(name, SLICE_LIT("sec-fetch-site"))) {
        if (slice_eq(value, SLICE_LIT("none")))
            return MARK_NONE;
        refuse(why, 403, "forbidden",
               "web pages may not call this service: the request has the field %.*s \"%s\"",
               (int)name.len, name.data, show(value).text);
        return MARK_OF_A_PAGE;
    }
    if (begins(name, SLICE_LIT("access-control-request-")) ||
        begins(name, SLICE_LIT("sec-websocket-"))) {
        refuse(why, 403, "forbidden",
               "web pages may not call this service: the request has the field %s",
               show(name).text);
        return MARK_OF_A_PAGE;
    }
    return MARK_NONE;
}

bool origin_check(const struct origin_hosts *hosts, unsigned port, const struct http_head *head,
                  struct refusal *why)
{
    const struct http_field *host = http_field(head, SLICE_LIT("host"));
    enum mark mark = MARK_NONE;

    if (!host || !is_served(hosts, port, host->value))
        return refuse(why, 403, "forbidden",
                      "the Host \"%s\" is not one of this service's names; call it by one of "
                      "them, or add this one to the setting `hosts`",
                      show(host ? host->value : SLICE_NULL).text);
    for (size_t i = 0; i < head->n_fields && mark != MARK_WITH_ORIGIN; i++) {
        enum mark m = mark_of(head->fields[i].name, head->fields[i].value, why);

        mark = m > mark ? m : mark;
    }
    return mark == MARK_NONE;
}
