/*
 * The upstream's address as the administrator writes it: https://host[:port], or http:// to a
 * loopback address for tests. Nothing else of a URL has a meaning here, so nothing else is taken.
 */
#ifndef CENTION_PROXY_UPSTREAM_URL_H
#define CENTION_PROXY_UPSTREAM_URL_H

#include "base/err.h"

#include <stdbool.h>

struct url {
    bool tls;
    bool literal;   /* host is an IP address */
    char host[256]; /* terminated; without brackets */
    unsigned port;
    char authority[272]; /* for Host and CONNECT: with brackets, with the port unless default */
};

/* -EINVAL with err filled. `plain_anywhere` also takes http:// to any host (an HTTP proxy). */
int url_parse(struct url *out, const char *text, bool plain_anywhere, struct err *err) MUST_CHECK;

#endif
