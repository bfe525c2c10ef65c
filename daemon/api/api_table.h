/*
 * How a loaded description is kept. Private to api.c and api_load.c.
 */
#ifndef CENTION_API_API_TABLE_H
#define CENTION_API_API_TABLE_H

#include "api/api.h"
#include "api/target.h"

enum {
    API_METHODS = 3,
    API_ANSWERS_MAX = 4, /* of a call, for 2XX statuses */
    /* A parameter of one byte becomes two, and each has a slash. */
    API_NORMAL_MAX = TARGET_PATH_MAX + TARGET_PATH_MAX / 2 + 1,
};

struct api_call {
    const struct schema *body;
    char *summary, *operation; /* its operationId; NULL: none */
    struct api_answer answers[API_ANSWERS_MAX];
    unsigned n_answers;
};

struct api_path {
    struct slice normal;  /* "/v1/org/{}" */
    const char *template; /* "/v1/org/{id}" */
    unsigned methods;
    struct api_call calls[API_METHODS]; /* in the order of their bits */
};

struct api {
    struct schemas schemas;
    size_t n;
    struct api_path paths[]; /* ascending by normal form */
};

/* 0 or [1-9][0-9]{0,18}: what a path parameter stands for. */
bool api_is_id(const char *p, size_t len);

/*
 * The normal form of a request's path in `out`, which has room for API_NORMAL_MAX bytes; its
 * length. The path begins with a slash and is no longer than TARGET_PATH_MAX.
 */
size_t api_normalize(struct slice path, char *out);

#endif
