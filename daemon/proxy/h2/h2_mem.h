/*
 * Memory for one HTTP/2 session of the library: every block is wiped when it is given back or
 * moved, because header blocks hold Authorization, which never expires. Small blocks are kept for
 * the next request: the library takes some twenty for each.
 */
#ifndef CENTION_PROXY_H2_H2_MEM_H
#define CENTION_PROXY_H2_H2_MEM_H

#include <nghttp2/nghttp2.h>

struct h2_mem;

/* NULL: out of memory. */
struct h2_mem *h2_mem_new(void);

/* After the session. NULL is allowed. */
void h2_mem_free(struct h2_mem *mem);

/* For the session; lives as long as `mem`. */
nghttp2_mem *h2_mem_calls(struct h2_mem *mem);

#endif
