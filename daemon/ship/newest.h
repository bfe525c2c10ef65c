/*
 * The last whole record in the audit folder, read without verifying: a sink's lag is measured
 * against it.
 */
#ifndef CENTION_SHIP_NEWEST_H
#define CENTION_SHIP_NEWEST_H

#include "base/attributes.h"

#include <stdint.h>

struct newest {
    uint64_t seq;
    uint64_t time_us; /* since 1970, UTC, microseconds */
};

/* 0; -ENOENT when there is none; -errno. *out is left alone then. */
int newest_look(struct newest *out, int directory) MUST_CHECK;

#endif
