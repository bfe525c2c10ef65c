/*
 * The API description: which paths exist and which methods each of them takes, read from an
 * OpenAPI 3.1 document in JSON, and what the body of each call must look like (api/schema.h).
 * What the daemon can't honour (another method, a path parameter that is no integer, a reference
 * elsewhere, a keyword that isn't checked) is an error when the file is loaded, never ignored in
 * silence.
 */
#ifndef CENTION_API_API_H
#define CENTION_API_API_H

#include "api/schema.h"
#include "base/err.h"
#include "base/slice.h"

#include <limits.h>

/* Bits: a path's methods are one mask. */
enum api_method {
    API_POST = 1,
    API_PUT = 2,
    API_DELETE = 4,
};

struct api;
struct api_path;

/*
 * Reads a description; nothing of `json` is needed afterwards. -EINVAL with err naming the line or
 * the JSON pointer (RFC 6901) of what is wrong; -ENOMEM. Free with api_free.
 */
int api_load(struct api **out, struct slice json, struct err *err) MUST_CHECK;
void api_free(struct api *api); /* NULL is allowed */

/*
 * The described path that an api-path is an instance of, or NULL; valid as long as `api`. A
 * parameter stands for one segment that is 0 or [1-9][0-9]{0,18}.
 */
const struct api_path *api_find(const struct api *api, struct slice path);

/* How many paths there are, and the i-th in byte order of their normal forms. */
size_t api_count(const struct api *api);
const struct api_path *api_at(const struct api *api, size_t i);

/* As written in the description: "/v1/org/{id}"; terminated, valid as long as the api. */
const char *api_path_template(const struct api_path *path);

/* The methods that the path takes: a mask of enum api_method, never 0. */
unsigned api_methods(const struct api_path *path);

/* What the body of a call must be; of one that takes no body SCHEMA_NOTHING. Never NULL. */
const struct schema *api_body(const struct api_path *path, unsigned method);

/* What an answer must be, and which object it is about. Valid as long as the api. */
struct api_answer {
    unsigned status;             /* 201; 2 stands for every 2XX */
    const struct schema *schema; /* NULL: anything */
    char *member;                /* of the body: says which object; NULL: not known */
    const char *object;          /* the object's path with that for its parameter: "/v1/org/{id}" */
    char *operation;             /* private */
};

/* The described answer for a 2XX status: the one for just that status before that for all; NULL. */
const struct api_answer *api_answer(const struct api_path *path, unsigned method, unsigned status);

/*
 * The path of the object that an answer with that value in `member` is about, in `out`, which has
 * room for TARGET_PATH_MAX bytes: its length, or 0 when the value is no id.
 */
size_t api_object(const struct api_answer *answer, struct slice value, char *out);

/* The description's `summary` of a call; "" when there is none. */
const char *api_summary(const struct api_path *path, unsigned method);

/* The bit of a method's name (methods are case-sensitive, RFC 9110, 9.1), or 0. */
unsigned api_method_of(struct slice name);

const char *api_method_name(unsigned method); /* of one bit; static */

/* The value of an Allow field (RFC 9110, 10.2.1): "POST", "PUT, DELETE"; static. */
const char *api_allow(unsigned methods);

/*
 * The installed description or, for a program that was never installed, the one of the source
 * tree it was built in. The installed place when there is none: loading it will say so.
 */
void api_file_default(char out[PATH_MAX]);

/* err says which file and, of a description that isn't good, where in it. */
int api_file_load(struct api **out, const char *path, struct err *err) MUST_CHECK;

#endif
