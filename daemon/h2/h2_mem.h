/*
 * Memory for the HTTP/2 library: every block is wiped when it is given back or moved, because
 * header blocks hold Authorization, which never expires.
 */
#ifndef CENTION_H2_MEM_H
#define CENTION_H2_MEM_H

#include <nghttp2/nghttp2.h>

/* For any number of sessions; nothing of it is ever written. */
nghttp2_mem *h2_mem(void);

#endif
