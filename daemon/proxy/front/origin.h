/*
 * Refuses requests that a browser sent for a web page: any page can make the browser send requests
 * to localhost, and by DNS rebinding (a page's own name that suddenly means 127.0.0.1) even read
 * the answers. So a request must name one of the configured hosts (RFC 9110, 7.2), which no page
 * can make its browser do for a name of its own, and must carry nothing of what only browsers send
 * on behalf of a page: Origin (RFC 6454), Referer, a Sec-Fetch-Site but `none` (W3C Fetch
 * Metadata), Access-Control-Request-* (Fetch, 4.8) and Sec-WebSocket-* (RFC 6455). Pure functions.
 */
#ifndef CENTION_PROXY_FRONT_ORIGIN_H
#define CENTION_PROXY_FRONT_ORIGIN_H

#include "http/http_parse.h"
#include "proxy/front/refusal.h"

enum {
    ORIGIN_HOSTS_MAX = 32,
    ORIGIN_HOST_MAX = 259, /* bytes of a name of 253 with its port */
};

/* The names that are served; zeroed: none. */
struct origin_hosts {
    unsigned n;
    char hosts[ORIGIN_HOSTS_MAX][ORIGIN_HOST_MAX + 1];
};

/*
 * Adds "name", "1.2.3.4" or "[::1]", with ":port" or without; the bytes are copied. -EINVAL when it
 * is none of these (or ends in a dot), -E2BIG when there are too many.
 */
int origin_hosts_add(struct origin_hosts *hosts, const char *host) MUST_CHECK;

/*
 * True when the request may go on; false with *why filled (403 `forbidden`, naming the Host or the
 * page's origin, cut and in plain ASCII). `port` is the one that the connection came in on, 0 for a
 * Unix socket. A configured host with a port is compared with the whole Host; one without also
 * covers the same name with `port`. Names are compared without case, addresses as they are written.
 */
bool origin_check(const struct origin_hosts *hosts, unsigned port, const struct http_head *head,
                  struct refusal *why);

#endif
