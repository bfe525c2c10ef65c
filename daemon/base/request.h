/*
 * A request as every part speaks of it: who asks, for what, with which values. It crosses the wall,
 * the policy judges it, the audit log records it. Everything is borrowed from the caller.
 */
#ifndef CENTION_BASE_REQUEST_H
#define CENTION_BASE_REQUEST_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    REQUEST_BODY_MAX = 8 * 1024 * 1024, /* the largest limits.body_bytes that fits a message */
    REQUEST_FIELDS_MAX = 4096,
    REQUEST_PROBLEMS_MAX = 16, /* that are recorded; further ones are counted */
    REQUEST_ID_MAX = 128,
    REQUEST_WORKSPACE_MAX = 64,
    REQUEST_PATH_MAX = 1024,
    REQUEST_METHOD_MAX = 32,
    REQUEST_NAME_MAX = 256,                 /* client name, exe, address, key id */
    REQUEST_TEXT_MAX = 1024,                /* error sentences */
    REQUEST_ANSWER_MAX = 64 * 1024,         /* bytes of an answer that are looked at */
    REQUEST_ANSWER_FIELDS_MAX = 128 * 1024, /* bytes of its names and values, 12 more for each */
    REQUEST_SHA256 = 32,
};

#define CLIENT_UID_UNKNOWN UINT32_MAX

/*
 * Who asks, as far as known; empty slices and CLIENT_UID_UNKNOWN / 0 where not. uid, token and
 * certificate are what the keeper finds the client by; the rest is information, and the proxy's
 * word.
 */
struct client_identity {
    struct slice name; /* in records: what the keeper's configuration calls the client */
    uint32_t uid;      /* CLIENT_UID_UNKNOWN when not known */
    struct slice user;
    uint32_t pid; /* 0 when not known */
    struct slice exe;
    struct slice via;         /* "tcp", "unix" */
    struct slice address;     /* peer's address and port, or the socket's path */
    struct slice unit;        /* of the service manager */
    struct slice certificate; /* the name in the client's TLS certificate, verified */
    struct slice token;       /* as it was sent: a secret, never recorded or logged */
    uint32_t has_socket;      /* 1: there is `socket`; else 0 */
    int socket;   /* the client's accepted connection: the keeper asks the kernel of it */
    bool vouched; /* uid and pid are what the kernel told the keeper, not the proxy's */
};

/* What a value is in JSON (RFC 8259, 3). The signature doesn't tell; the policy asks. */
enum request_type {
    REQUEST_STRING,
    REQUEST_NUMBER,
    REQUEST_BOOLEAN,
    REQUEST_NULL,
    REQUEST_ARRAY,
    REQUEST_OBJECT,
    REQUEST_TYPES,
};

struct request_field {
    struct slice name, value; /* UTF-8, may hold NUL; the canonical value as it is signed */
    uint32_t type;            /* enum request_type */
};

/* What the API description forbids of a request, and was let through or refused for. */
struct request_problem {
    struct slice field; /* its path; empty when it is about the whole request */
    struct slice code, error;
};

struct sign_request {
    uint64_t id;
    struct slice request_id; /* X-Request-Id */
    struct client_identity client;
    struct slice method, workspace, path;
    uint32_t n_fields;
    const struct request_field *fields; /* names strictly ascending by bytes */
    uint32_t n_problems;
    const struct request_problem *problems; /* of a request that is signed all the same */
    uint32_t problems_total;                /* n_problems, and those that are not listed */
};

/*
 * The upstream's answer, as far as it goes on record. Its members are those of a JSON object in
 * canonical form, as a request's are.
 */
struct request_answer {
    uint32_t what;       /* REQUEST_ANSWER_...; 0: there was none, and nothing else is said */
    struct slice object; /* the api-path of what was made, changed or deleted; empty: not known */
    uint32_t n_fields;
    const struct request_field *fields; /* names strictly ascending by bytes */
    struct slice error;                 /* what a 4xx or 5xx says in `error` */
    uint64_t bytes;                     /* of the body, as far as it had come */
    struct slice sha256;                /* of these; REQUEST_SHA256 bytes, raw */
    uint32_t n_problems;
    const struct request_problem *problems; /* in what it differs from the API description */
    uint32_t problems_total;
};

/* Bits of request_answer.what. */
enum {
    REQUEST_ANSWER_THERE = 1,
    REQUEST_ANSWER_OBJECT = 2, /* `fields` are all members of the body */
    REQUEST_ANSWER_CUT = 4,    /* the connection ended before the body did */
    REQUEST_ANSWER_MORE = 8,   /* the body is longer: REQUEST_ANSWER_MAX bytes are told of */
};

struct reject_request {
    uint64_t id;
    struct slice request_id;
    struct client_identity client;
    struct slice method, workspace, path; /* empty where it never got that far */
    uint32_t status;
    struct slice code, error, field;
    uint32_t n_problems;
    const struct request_problem *problems;
    uint32_t problems_total; /* n_problems, and those that are not listed */
    uint32_t repeated;       /* in records: of so many refusals that have no record of their own */
};

#endif
