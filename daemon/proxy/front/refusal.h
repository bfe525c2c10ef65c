/*
 * A request that the daemon answers itself, with the status table's status and code and a sentence
 * that says what to do.
 */
#ifndef CENTION_PROXY_FRONT_REFUSAL_H
#define CENTION_PROXY_FRONT_REFUSAL_H

#include "base/attributes.h"

#include <stdbool.h>

struct refusal {
    unsigned status;
    const char *code;    /* static, from the status table */
    const char *allow;   /* static; the Allow field of a 405, else NULL */
    const char *outcome; /* static: "not-sent" or "unknown" */
    char field[128];     /* path of the field that is wrong; "" when none */
    char text[512];      /* terminated */
};

/* Fills *r for a request of which nothing was sent. Returns false: "don't go on". */
bool refuse(struct refusal *r, unsigned status, const char *code, const char *format, ...)
    PRINTF_LIKE(4, 5);

#endif
