/*
 * The reason phrases of status codes (RFC 9110, 15), for answers that came without one.
 */
#ifndef CENTION_HTTP_HTTP_REASON_H
#define CENTION_HTTP_HTTP_REASON_H

#include "base/slice.h"

/* Terminated, static; empty (never NULL) for a code that has no phrase here. */
struct slice http_reason(unsigned status);

#endif
