/*
 * The one file of the room that knows json-c, and only while it loads: what stays is one sorted
 * table of paths and the text behind it. The document is first read by our own scanner, which
 * refuses what json-c would let through (duplicate keys, the last of which it would silently take).
 *
 * A path's normal form has `{}` for each parameter. A request's path is brought to the same form
 * by replacing the segments that are ids, and looked up by halving; that a literal segment is no
 * id is checked at load, so the form is unambiguous.
 */
#include "message/api.h"

#include "message/canon.h"
#include "message/name.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    API_TEXT_MAX = 4 * 1024 * 1024, /* bytes */
    API_PATHS_MAX = 4096,
    ID_DIGITS_MAX = 19,
    /* A parameter of one byte becomes two, and each has a slash. */
    NORMAL_MAX = TARGET_PATH_MAX + TARGET_PATH_MAX / 2 + 1,
    POINTER_MAX = 200, /* bytes of a JSON pointer that an error shows */
};

struct api_path {
    struct slice normal;  /* "/v1/org/{}" */
    const char *template; /* "/v1/org/{id}" */
    unsigned methods;
};

struct api {
    size_t n;
    struct api_path paths[]; /* ascending by normal form */
};

/* Where in the document the loader is, as a JSON pointer (RFC 6901). */
struct at {
    struct json_object *root;
    struct err *err;
    char pointer[POINTER_MAX];
};

static const struct {
    const char *key; /* in the description */
    struct slice name;
    unsigned bit;
} METHODS[] = {
    {"post", {"POST", 4}, API_POST},
    {"put", {"PUT", 3}, API_PUT},
    {"delete", {"DELETE", 6}, API_DELETE},
};

enum {
    N_METHODS = sizeof(METHODS) / sizeof(METHODS[0]),
};

void api_free(struct api *api)
{
    if (!api)
        return;
    for (size_t i = 0; i < api->n; i++) {
        free((char *)api->paths[i].normal.data);
        free((char *)api->paths[i].template);
    }
    free(api);
}

static bool is_id(const char *p, size_t len)
{
    if (len == 0 || len > ID_DIGITS_MAX || (p[0] == '0' && len > 1))
        return false;
    for (size_t i = 0; i < len; i++)
        if (p[i] < '0' || p[i] > '9')
            return false;
    return true;
}

/*
 * The normal form of a request's path in `out`, which has room for NORMAL_MAX bytes. The path
 * begins with a slash and is no longer than TARGET_PATH_MAX.
 */
static size_t normalize(struct slice path, char *out)
{
    size_t n = 0, start = 1;

    for (size_t i = 1; i <= path.len; i++) {
        const char *segment = path.data + start;

        if (i < path.len && path.data[i] != '/')
            continue;
        out[n++] = '/';
        if (is_id(segment, i - start)) {
            out[n++] = '{';
            out[n++] = '}';
        } else {
            memcpy(out + n, segment, i - start);
            n += i - start;
        }
        start = i + 1;
    }
    return n;
}

const struct api_path *api_find(const struct api *api, struct slice path)
{
    char form[NORMAL_MAX];
    size_t low = 0, high = api->n;
    struct slice normal;

    if (path.len == 0 || path.len > TARGET_PATH_MAX || path.data[0] != '/' ||
        memchr(path.data, '{', path.len))
        return NULL;
    normal = slice_of(form, normalize(path, form));
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int r = slice_cmp(normal, api->paths[middle].normal);

        if (r == 0)
            return &api->paths[middle];
        if (r < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

size_t api_count(const struct api *api)
{
    return api->n;
}

const struct api_path *api_at(const struct api *api, size_t i)
{
    return &api->paths[i];
}

const char *api_path_template(const struct api_path *path)
{
    return path->template;
}

unsigned api_methods(const struct api_path *path)
{
    return path->methods;
}

unsigned api_method_of(struct slice name)
{
    for (size_t i = 0; i < N_METHODS; i++)
        if (slice_eq(name, METHODS[i].name))
            return METHODS[i].bit;
    return 0;
}

const char *api_allow(unsigned methods)
{
    static const char *const ALLOW[] = {
        "",       "POST",         "PUT",         "POST, PUT",
        "DELETE", "POST, DELETE", "PUT, DELETE", "POST, PUT, DELETE",
    };

    return ALLOW[methods & (API_POST | API_PUT | API_DELETE)];
}

/* Goes down to a member; the pointer is cut, never broken, when it gets too long. */
static struct at down(const struct at *at, const char *key)
{
    struct at to = *at;
    size_t n = strlen(to.pointer);

    if (n < sizeof(to.pointer) - 1)
        to.pointer[n++] = '/';
    for (; *key && n < sizeof(to.pointer) - 2; key++) {
        unsigned char c = (unsigned char)*key;

        if (c == '~' || c == '/') {
            to.pointer[n++] = '~';
            to.pointer[n++] = c == '~' ? '0' : '1';
        } else {
            to.pointer[n++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
        }
    }
    to.pointer[n] = '\0';
    return to;
}

static int fail(const struct at *at, const char *text)
{
    return err_set(at->err, -EINVAL, "%s: %s", at->pointer[0] ? at->pointer : "/", text);
}

/* The member of an object, or NULL with err filled when it is missing or of another type. */
static struct json_object *want(const struct at *at, struct json_object *in, const char *key,
                                enum json_type type)
{
    struct at to = down(at, key);
    struct json_object *found = NULL;

    if (!json_object_object_get_ex(in, key, &found))
        (void)fail(&to, "is missing");
    else if (!json_object_is_type(found, type))
        (void)err_set(at->err, -EINVAL, "%s: must be of type %s", to.pointer,
                      json_type_to_name(type));
    else
        return found;
    return NULL;
}

static bool is_string(struct json_object *in, const char *key, const char *value)
{
    struct json_object *found = NULL;

    return json_object_object_get_ex(in, key, &found) &&
           json_object_is_type(found, json_type_string) &&
           strcmp(json_object_get_string(found), value) == 0;
}

/* Follows a parameter's reference; only into this document's /components/parameters. */
static struct json_object *resolve(struct at *at, struct json_object *parameter)
{
    static const char PREFIX[] = "#/components/parameters/";
    struct json_object *ref = NULL, *in;
    struct at to = {.root = at->root, .err = at->err};
    const char *target;

    if (!json_object_object_get_ex(parameter, "$ref", &ref))
        return parameter;
    target = json_object_get_string(ref);
    if (!json_object_is_type(ref, json_type_string) ||
        strncmp(target, PREFIX, sizeof(PREFIX) - 1) != 0 ||
        strpbrk(target + sizeof(PREFIX) - 1, "/~%")) {
        to = down(at, "$ref");
        (void)fail(&to, "only references to #/components/parameters/NAME are supported here");
        return NULL;
    }
    in = want(&to, at->root, "components", json_type_object);
    to = down(&to, "components");
    in = in ? want(&to, in, "parameters", json_type_object) : NULL;
    to = down(&to, "parameters");
    in = in ? want(&to, in, target + sizeof(PREFIX) - 1, json_type_object) : NULL;
    *at = down(&to, target + sizeof(PREFIX) - 1);
    return in;
}

/* A parameter must be what api_find matches: a required integer in the path. */
static int check_parameter(const struct at *at, struct json_object *parameter, const char *name)
{
    struct json_object *required, *schema;
    struct at to;

    if (!is_string(parameter, "name", name)) {
        to = down(at, "name");
        return fail(&to, "the path has no parameter of this name");
    }
    if (!is_string(parameter, "in", "path")) {
        to = down(at, "in");
        return fail(&to, "only parameters in the path are supported");
    }
    required = want(at, parameter, "required", json_type_boolean);
    if (!required)
        return -EINVAL;
    if (!json_object_get_boolean(required)) {
        to = down(at, "required");
        return fail(&to, "a path parameter must be required");
    }
    schema = want(at, parameter, "schema", json_type_object);
    if (!schema)
        return -EINVAL;
    if (!is_string(schema, "type", "integer")) {
        to = down(at, "schema");
        to = down(&to, "type");
        return fail(&to, "only integer path parameters are supported");
    }
    return 0;
}

/* The parameters of a path item: exactly the one that its template names, or none. */
static int check_parameters(const struct at *at, struct json_object *item, const char *name)
{
    struct json_object *list = NULL, *parameter;
    struct at to = down(at, "parameters");

    if (!json_object_object_get_ex(item, "parameters", &list))
        return name[0] ? fail(&to, "is missing: it must describe the path's parameter") : 0;
    if (!name[0])
        return fail(&to, "the path has no parameters");
    if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) != 1)
        return fail(&to, "must be an array of one, the path's parameter");
    to = down(&to, "0");
    parameter = json_object_array_get_idx(list, 0);
    if (!json_object_is_type(parameter, json_type_object))
        return fail(&to, "must be an object");
    parameter = resolve(&to, parameter);
    return parameter ? check_parameter(&to, parameter, name) : -EINVAL;
}

static int check_operation(const struct at *at, struct json_object *operation)
{
    static const char *const REFUSED[] = {"$ref", "parameters", "servers", "callbacks"};

    if (!json_object_is_type(operation, json_type_object))
        return fail(at, "must be an object");
    for (size_t i = 0; i < sizeof(REFUSED) / sizeof(REFUSED[0]); i++)
        if (json_object_object_get_ex(operation, REFUSED[i], NULL)) {
            struct at to = down(at, REFUSED[i]);

            return fail(&to, "is not supported in an operation");
        }
    return want(at, operation, "responses", json_type_object) ? 0 : -EINVAL;
}

/* What a path item may hold beside its methods and its parameters. */
static bool is_comment(const char *key)
{
    return strcmp(key, "summary") == 0 || strcmp(key, "description") == 0 ||
           strncmp(key, "x-", 2) == 0;
}

static int load_methods(const struct at *at, struct json_object *item, unsigned *methods)
{
    json_object_object_foreach(item, key, value)
    {
        struct at to = down(at, key);
        size_t i = 0;
        int r;

        if (is_comment(key) || strcmp(key, "parameters") == 0)
            continue;
        while (i < N_METHODS && strcmp(key, METHODS[i].key) != 0)
            i++;
        if (i == N_METHODS)
            return fail(&to, "is not supported: only post, put and delete are forwarded");
        r = check_operation(&to, value);
        if (r < 0)
            return r;
        *methods |= METHODS[i].bit;
    }
    return *methods ? 0 : fail(at, "has no method");
}

/*
 * An instance of the template in `out` (room for TARGET_PATH_MAX bytes and one) with 0 for its
 * parameter, whose name goes to `name` (room for as many; "" when there is none).
 */
static int instance(const struct at *at, const char *template, char *out, char *name)
{
    size_t n = 0;

    name[0] = '\0';
    if (strlen(template) > TARGET_PATH_MAX)
        return fail(at, "the path is longer than 1024 bytes");
    while (*template) {
        size_t len = strcspn(template + 1, "/");
        const char *segment = template + 1;

        if (*template != '/')
            return fail(at, "a path begins with a slash");
        out[n++] = '/';
        if (len > 2 && segment[0] == '{' && segment[len - 1] == '}') {
            if (name[0])
                return fail(at, "more than one parameter in a path is not supported");
            memcpy(name, segment + 1, len - 2);
            name[len - 2] = '\0';
            out[n++] = '0';
        } else {
            if (is_id(segment, len))
                return fail(at, "a segment that is a number is not supported: use a parameter");
            memcpy(out + n, segment, len);
            n += len;
        }
        template += 1 + len;
    }
    out[n] = '\0';
    return target_path_ok(slice_of(out, n))
               ? 0
               : fail(at, "not an api-path: /v1/..., segments of letters, digits, '.', '_', '~' "
                          "and '-', or {name}");
}

static int load_path(const struct at *at, const char *template, struct json_object *item,
                     struct api_path *path)
{
    char out[TARGET_PATH_MAX + 1], name[TARGET_PATH_MAX + 1], normal[NORMAL_MAX];
    int r;

    r = instance(at, template, out, name);
    if (r < 0)
        return r;
    if (!json_object_is_type(item, json_type_object))
        return fail(at, "must be an object");
    path->template = strdup(template);
    path->normal = slice_str(strndup(normal, normalize(slice_str(out), normal)));
    if (!path->template || !path->normal.data)
        return -ENOMEM;
    r = check_parameters(at, item, name);
    return r < 0 ? r : load_methods(at, item, &path->methods);
}

static int by_normal(const void *a, const void *b)
{
    const struct api_path *one = a, *other = b;

    return slice_cmp(one->normal, other->normal);
}

static int load_paths(const struct at *at, struct json_object *paths, struct api *api)
{
    json_object_object_foreach(paths, key, item)
    {
        struct at to = down(at, key);
        int r;

        if (strncmp(key, "x-", 2) == 0)
            continue;
        r = load_path(&to, key, item, &api->paths[api->n++]);
        if (r < 0)
            return r;
    }
    if (api->n == 0)
        return fail(at, "has no path");
    qsort(api->paths, api->n, sizeof(api->paths[0]), by_normal);
    for (size_t i = 1; i < api->n; i++)
        if (by_normal(&api->paths[i - 1], &api->paths[i]) == 0) {
            struct at to = down(at, api->paths[i].template);

            return err_set(at->err, -EINVAL, "%s: matches the same requests as %s", to.pointer,
                           api->paths[i - 1].template);
        }
    return 0;
}

static int load_root(struct api **out, struct json_object *root, struct err *err)
{
    struct at at = {.root = root, .err = err}, to;
    struct json_object *version, *paths;
    struct api *api;
    size_t n;
    int r;

    version = want(&at, root, "openapi", json_type_string);
    if (!version)
        return -EINVAL;
    to = down(&at, "openapi");
    if (strncmp(json_object_get_string(version), "3.1.", 4) != 0)
        return fail(&to, "only OpenAPI 3.1 is supported");
    paths = want(&at, root, "paths", json_type_object);
    if (!paths)
        return -EINVAL;
    to = down(&at, "paths");
    n = (size_t)json_object_object_length(paths);
    if (n > API_PATHS_MAX)
        return fail(&to, "has more than 4096 paths");
    api = calloc(1, sizeof(*api) + n * sizeof(api->paths[0]));
    if (!api)
        return -ENOMEM;
    r = load_paths(&to, paths, api);
    if (r == 0)
        *out = api;
    else
        api_free(api);
    return r;
}

/* What json-c would accept or misread without a word: duplicate keys, bad UTF-8, NUL in keys. */
static int check_text(struct slice json, struct err *err)
{
    struct canon canon;
    struct canon_error why;
    int r;

    if (json.len > API_TEXT_MAX)
        return err_set(err, -EINVAL, "the API description is longer than 4 MiB");
    if (json.len == 0)
        return err_set(err, -EINVAL, "the API description is empty");
    if (memmem(json.data, json.len, "\\u0000", 6))
        return err_set(err, -EINVAL, "the API description holds \\u0000");
    canon_init(&canon);
    r = canon_body(&canon, json, CANON_FLATTEN, &why);
    canon_deinit(&canon);
    return r == CANON_BAD ? err_set(err, -EINVAL, "%s", why.text) : r;
}

int api_load(struct api **out, struct slice json, struct err *err)
{
    struct json_tokener *tokener;
    struct json_object *root;
    int r;

    r = check_text(json, err);
    if (r < 0)
        return r;
    tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
    if (!tokener)
        return -ENOMEM;
    root = json_tokener_parse_ex(tokener, json.data, (int)json.len);
    r = root ? load_root(out, root, err)
             : err_set(err, -EINVAL, "the API description can't be read: %s",
                       json_tokener_error_desc(json_tokener_get_error(tokener)));
    json_object_put(root);
    json_tokener_free(tokener);
    return r;
}
