/*
 * The X-Request-Id of a request: the client's own when it can be written anywhere as it is, else
 * one that this process makes. It ties a client's answer to the audit records.
 */
#ifndef CENTION_PROXY_REQUEST_ID_H
#define CENTION_PROXY_REQUEST_ID_H

#include "http/http_parse.h"
#include "wall/wire.h"

/* Ids of our own are START-SERIAL: START is random for each process. */
struct request_ids {
    uint64_t start, serial;
};

int request_ids_init(struct request_ids *ids) MUST_CHECK;

/* Writes the terminated id; `head` may be NULL. */
void request_id_fill(char out[REQUEST_ID_MAX + 1], const struct http_head *head,
                     struct request_ids *ids);

#endif
