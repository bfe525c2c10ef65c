/*
 * From an OpenAPI document to the table. What isn't understood is an error with its place: a
 * description that says more than the daemon checks would be a false promise.
 */
#include "api/api_table.h"

#include "base/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    API_PATHS_MAX = 4096,
};

static const char *const METHOD_KEYS[API_METHODS] = {"post", "put", "delete"};

static bool one_of(const char *const *words, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(key, words[i]) == 0)
            return true;
    return doc_is_comment(key);
}

/* Members that aren't in the list, and no words for people, are errors. */
static int only(const struct doc *at, const char *const *words, size_t n)
{
    int r = doc_want(at, json_type_object);

    if (r < 0)
        return r;
    json_object_object_foreach(at->value, key, value)
    {
        struct doc to = doc_member(at, key);

        (void)value;
        if (!one_of(words, n, key))
            return doc_fail(&to, "is not supported here");
    }
    return 0;
}

#define ONLY(at, words) only((at), (words), sizeof(words) / sizeof((words)[0]))

/* A parameter must be what api_find matches: a required integer in the path. */
static int check_parameter(const struct doc *at, const char *name)
{
    static const char *const KNOWN[] = {"name", "in", "required", "schema", "deprecated"};
    struct doc to = doc_member(at, "name");
    int r = ONLY(at, KNOWN);

    if (r < 0)
        return r;
    if (strcmp(doc_text(&to), name) != 0)
        return doc_fail(&to, "the path has no parameter of this name");
    to = doc_member(at, "in");
    if (strcmp(doc_text(&to), "path") != 0)
        return doc_fail(&to, "only parameters in the path are supported");
    to = doc_member(at, "required");
    r = doc_want(&to, json_type_boolean);
    if (r == 0 && !json_object_get_boolean(to.value))
        r = doc_fail(&to, "a path parameter must be required");
    if (r < 0)
        return r;
    to = doc_member(at, "schema");
    r = doc_want(&to, json_type_object);
    if (r == 0)
        r = doc_follow(&to);
    if (r < 0)
        return r;
    to = doc_member(&to, "type");
    return strcmp(doc_text(&to), "integer") == 0
               ? 0
               : doc_fail(&to, "only integer path parameters are supported");
}

/* The parameters of a path item: exactly the one that its template names, or none. */
static int check_parameters(const struct doc *item, const char *name)
{
    struct doc to = doc_member(item, "parameters");
    int r;

    if (!to.value)
        return name[0] ? doc_fail(&to, "is missing: it must describe the path's parameter") : 0;
    if (!name[0])
        return doc_fail(&to, "the path has no parameters");
    if (!doc_is(&to, json_type_array) || json_object_array_length(to.value) != 1)
        return doc_fail(&to, "must be an array of one, the path's parameter");
    to = doc_element(&to, 0);
    r = doc_want(&to, json_type_object);
    if (r == 0)
        r = doc_follow(&to);
    return r == 0 ? check_parameter(&to, name) : r;
}

/* The schema below a `content` that holds application/json and nothing else. */
static int load_content(struct api *api, const struct schema **out, const struct doc *content)
{
    static const char *const TYPES[] = {"application/json"};
    static const char *const KNOWN[] = {"schema"};
    struct doc to;
    int r = ONLY(content, TYPES);

    if (r < 0)
        return r;
    to = doc_member(content, "application/json");
    r = ONLY(&to, KNOWN);
    if (r < 0)
        return r;
    to = doc_member(&to, "schema");
    return schema_load(&api->schemas, out, &to);
}

/* A call without a requestBody takes no field at all. */
static int load_body(struct api *api, struct api_call *call, const struct doc *operation)
{
    static const char *const KNOWN[] = {"required", "content"};
    struct doc to = doc_member(operation, "requestBody"), content;
    int r;

    call->body = &SCHEMA_NOTHING;
    if (!to.value)
        return 0;
    r = doc_want(&to, json_type_object);
    if (r == 0)
        r = doc_follow(&to);
    if (r == 0)
        r = ONLY(&to, KNOWN);
    if (r < 0)
        return r;
    content = doc_member(&to, "content");
    r = load_content(api, &call->body, &content);
    if (r < 0)
        return r;
    if (call->body->types != SCHEMA_OBJECT) {
        to = doc_member(&content, "application/json");
        to = doc_member(&to, "schema");
        return doc_fail(&to, "a body must be of type object and nothing else");
    }
    return 0;
}

/* The member that "$response.body#/MEMBER" names (OpenAPI 3.1, "Runtime Expressions"). */
static int load_member(char **out, const struct doc *at)
{
    static const char BODY[] = "$response.body#/";
    const char *text = doc_text(at), *name = text + sizeof(BODY) - 1;

    if (strncmp(text, BODY, sizeof(BODY) - 1) != 0 || !*name || strpbrk(name, "/~"))
        return doc_fail(at, "only a member of the answer is supported: $response.body#/NAME");
    *out = strdup(name);
    return *out ? 0 : -ENOMEM;
}

/* Which object the answer is about: the link to a call of its path (OpenAPI 3.1, "Link Object"). */
static int load_links(struct api_answer *answer, const struct doc *response)
{
    static const char *const KNOWN[] = {"operationId", "parameters"};
    struct doc links = doc_member(response, "links"), link = links, to;
    int r;

    if (!links.value)
        return 0;
    if (!doc_is(&links, json_type_object) || json_object_object_length(links.value) != 1)
        return doc_fail(&links, "must be an object with one link, the answer's object");
    {
        json_object_object_foreach(links.value, name, value)
        {
            (void)value;
            link = doc_member(&links, name);
        }
    }
    r = ONLY(&link, KNOWN);
    to = doc_member(&link, "operationId");
    if (r == 0)
        r = doc_want(&to, json_type_string);
    if (r < 0)
        return r;
    answer->operation = strdup(doc_text(&to));
    to = doc_member(&link, "parameters");
    if (!doc_is(&to, json_type_object) || json_object_object_length(to.value) != 1)
        return doc_fail(&to, "must be an object with the path's parameter");
    json_object_object_foreach(to.value, name, value)
    {
        struct doc member = doc_member(&to, name);

        (void)value;
        r = load_member(&answer->member, &member);
    }
    return r == 0 && !answer->operation ? -ENOMEM : r;
}

/* The statuses of a success: 2 for "2XX", 201 for "201"; 0 for others, which are only checked. */
static unsigned success(const char *key)
{
    if (strcmp(key, "2XX") == 0)
        return 2;
    return strlen(key) == 3 && key[0] == '2' && strspn(key, "0123456789") == 3
               ? (unsigned)strtoul(key, NULL, 10)
               : 0;
}

static int load_response(struct api *api, struct api_call *call, struct doc *to, const char *key)
{
    struct api_answer *answer;
    struct api_answer ignored = {.status = success(key)};
    struct doc content;
    int r = doc_want(to, json_type_object);

    if (r == 0)
        r = doc_follow(to);
    if (r < 0)
        return r;
    if (ignored.status && call->n_answers == API_ANSWERS_MAX)
        return doc_fail(to, "more than %d kinds of success are not supported", API_ANSWERS_MAX);
    answer = ignored.status ? &call->answers[call->n_answers++] : &ignored;
    answer->status = ignored.status;
    content = doc_member(to, "content");
    if (content.value)
        r = load_content(api, &answer->schema, &content);
    return r == 0 && answer != &ignored ? load_links(answer, to) : r;
}

static int load_responses(struct api *api, struct api_call *call, const struct doc *operation)
{
    struct doc list = doc_member(operation, "responses");
    int r = doc_want(&list, json_type_object);

    if (r < 0)
        return r;
    json_object_object_foreach(list.value, key, value)
    {
        struct doc to = doc_member(&list, key);

        (void)value;
        r = load_response(api, call, &to, key);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The path of the call with that operationId; NULL. */
static const char *path_of(const struct api *api, const char *operation)
{
    for (size_t i = 0; i < api->n; i++)
        for (unsigned m = 0; m < API_METHODS; m++)
            if (api->paths[i].calls[m].operation &&
                strcmp(api->paths[i].calls[m].operation, operation) == 0)
                return api->paths[i].template;
    return NULL;
}

/* When all calls are known: where the links lead. */
static int resolve_links(const struct api *api, struct api_call *call, const struct doc *paths)
{
    for (unsigned i = 0; i < call->n_answers; i++) {
        struct api_answer *answer = &call->answers[i];

        if (!answer->operation)
            continue;
        answer->object = path_of(api, answer->operation);
        if (!answer->object || !strchr(answer->object, '{'))
            return doc_fail(paths,
                            "a link leads to %s, which is no call of a path with a parameter",
                            answer->operation);
    }
    return 0;
}

static int load_operation(struct api *api, struct api_call *call, const struct doc *at)
{
    static const char *const KNOWN[] = {"tags",        "operationId", "externalDocs", "deprecated",
                                        "requestBody", "responses",   "security"};
    struct doc summary = doc_member(at, "summary");
    int r = ONLY(at, KNOWN);

    if (r == 0 && summary.value)
        r = doc_want_line(&summary);
    if (r < 0)
        return r;
    call->summary = strdup(doc_text(&summary));
    summary = doc_member(at, "operationId");
    call->operation = summary.value ? strdup(doc_text(&summary)) : NULL;
    if (!call->summary || (summary.value && !call->operation))
        return -ENOMEM;
    r = load_body(api, call, at);
    return r == 0 ? load_responses(api, call, at) : r;
}

static int load_methods(struct api *api, struct api_path *path, const struct doc *item)
{
    json_object_object_foreach(item->value, key, value)
    {
        struct doc to = doc_member(item, key);
        unsigned i = 0;
        int r;

        (void)value;
        if (doc_is_comment(key) || strcmp(key, "parameters") == 0)
            continue;
        while (i < API_METHODS && strcmp(key, METHOD_KEYS[i]) != 0)
            i++;
        if (i == API_METHODS)
            return doc_fail(&to, "is not supported: only post, put and delete are forwarded");
        r = load_operation(api, &path->calls[i], &to);
        if (r < 0)
            return r;
        path->methods |= 1u << i;
    }
    return path->methods ? 0 : doc_fail(item, "has no method");
}

/*
 * An instance of the template in `out` (room for TARGET_PATH_MAX bytes and one) with 0 for its
 * parameter, whose name goes to `name` (room for as many; "" when there is none).
 */
static int instance(const struct doc *at, const char *template, char *out, char *name)
{
    size_t n = 0;

    name[0] = '\0';
    if (strlen(template) > TARGET_PATH_MAX)
        return doc_fail(at, "the path is longer than 1024 bytes");
    while (*template) {
        size_t len = strcspn(template + 1, "/");
        const char *segment = template + 1;

        if (*template != '/')
            return doc_fail(at, "a path begins with a slash");
        out[n++] = '/';
        if (len > 2 && segment[0] == '{' && segment[len - 1] == '}') {
            if (name[0])
                return doc_fail(at, "more than one parameter in a path is not supported");
            memcpy(name, segment + 1, len - 2);
            name[len - 2] = '\0';
            out[n++] = '0';
        } else {
            if (api_is_id(segment, len))
                return doc_fail(at, "a segment that is a number is not supported: use a parameter");
            memcpy(out + n, segment, len);
            n += len;
        }
        template += 1 + len;
    }
    out[n] = '\0';
    return target_path_ok(slice_of(out, n))
               ? 0
               : doc_fail(at,
                          "not an api-path: /v1/..., segments of letters, digits, '.', '_', '~' "
                          "and '-', or {name}");
}

static int load_path(struct api *api, const char *template, const struct doc *at)
{
    char out[TARGET_PATH_MAX + 1], name[TARGET_PATH_MAX + 1], normal[API_NORMAL_MAX];
    struct api_path *path = &api->paths[api->n++];
    int r;

    r = instance(at, template, out, name);
    if (r < 0)
        return r;
    r = doc_want(at, json_type_object);
    if (r < 0)
        return r;
    path->template = strdup(template);
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): api_free has it by `path` */
    path->normal = slice_str(strndup(normal, api_normalize(slice_str(out), normal)));
    if (!path->template || !path->normal.data)
        return -ENOMEM;
    r = check_parameters(at, name);
    return r < 0 ? r : load_methods(api, path, at);
}

static int by_normal(const void *a, const void *b)
{
    const struct api_path *one = a, *other = b;

    return slice_cmp(one->normal, other->normal);
}

static int load_paths(struct api *api, const struct doc *paths)
{
    json_object_object_foreach(paths->value, key, item)
    {
        struct doc to = doc_member(paths, key);
        int r;

        (void)item;
        if (strncmp(key, "x-", 2) == 0)
            continue;
        r = load_path(api, key, &to);
        if (r < 0)
            return r;
    }
    if (api->n == 0)
        return doc_fail(paths, "has no path");
    for (size_t i = 0; i < api->n; i++)
        for (unsigned m = 0; m < API_METHODS; m++) {
            int r = resolve_links(api, &api->paths[i].calls[m], paths);

            if (r < 0)
                return r;
        }
    qsort(api->paths, api->n, sizeof(api->paths[0]), by_normal);
    for (size_t i = 1; i < api->n; i++)
        if (by_normal(&api->paths[i - 1], &api->paths[i]) == 0) {
            struct doc to = doc_member(paths, api->paths[i].template);

            return doc_fail(&to, "matches the same requests as %s", api->paths[i - 1].template);
        }
    return 0;
}

/* Also those that no call uses, so that a broken one is found now. */
static int load_components(struct api *api, const struct doc *root)
{
    struct doc list = doc_member(root, "components");

    if (!list.value)
        return 0;
    list = doc_member(&list, "schemas");
    if (!doc_is(&list, json_type_object))
        return list.value ? doc_want(&list, json_type_object) : 0;
    json_object_object_foreach(list.value, key, value)
    {
        struct doc to = doc_member(&list, key);
        const struct schema *schema;
        int r = schema_load(&api->schemas, &schema, &to);

        (void)value;
        if (r < 0)
            return r;
    }
    return 0;
}

static int load_root(struct api **out, const struct doc *root)
{
    static const char *const KNOWN[] = {"openapi",  "info",  "jsonSchemaDialect",
                                        "servers",  "paths", "components",
                                        "security", "tags",  "externalDocs"};
    struct doc to = doc_member(root, "openapi"), paths = doc_member(root, "paths");
    struct api *api;
    size_t n;
    int r = ONLY(root, KNOWN);

    if (r == 0)
        r = doc_want(&to, json_type_string);
    if (r == 0 && strncmp(doc_text(&to), "3.1.", 4) != 0)
        r = doc_fail(&to, "only OpenAPI 3.1 is supported");
    if (r == 0)
        r = doc_want(&paths, json_type_object);
    if (r == 0)
        r = doc_check_references(root);
    if (r < 0)
        return r;
    n = (size_t)json_object_object_length(paths.value);
    if (n > API_PATHS_MAX)
        return doc_fail(&paths, "has more than %d paths", API_PATHS_MAX);
    api = calloc(1, sizeof(*api) + n * sizeof(api->paths[0]));
    if (!api)
        return -ENOMEM;
    r = load_components(api, root);
    if (r == 0)
        r = load_paths(api, &paths);
    if (r == 0)
        *out = api;
    else
        api_free(api);
    return r;
}

int api_load(struct api **out, struct slice json, struct err *err)
{
    struct doc root;
    int r = doc_open(&root, json, err);

    if (r < 0)
        return r;
    r = load_root(out, &root);
    json_object_put(root.root);
    return r;
}

/* ---- the description as a file ---- */

#ifndef CENTION_DATADIR
#define CENTION_DATADIR "/usr/share/cention-proxy"
#endif

static const char INSTALLED[] = CENTION_DATADIR "/cention-openapi.json";

void api_file_default(char out[PATH_MAX])
{
    static const char *const PLACES[] = {"../conf", "../../conf"};
    char exe[PATH_MAX / 2], *slash;
    ssize_t n;

    (void)snprintf(out, PATH_MAX, "%s", INSTALLED);
    if (access(out, F_OK) == 0)
        return;
    n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    exe[n > 0 ? n : 0] = '\0';
    slash = strrchr(exe, '/');
    for (unsigned i = 0; slash && i < sizeof(PLACES) / sizeof(PLACES[0]); i++) {
        *slash = '\0';
        (void)snprintf(out, PATH_MAX, "%s/%s/cention-openapi.json", exe, PLACES[i]);
        if (access(out, F_OK) == 0)
            return;
    }
    (void)snprintf(out, PATH_MAX, "%s", INSTALLED);
}

int api_file_load(struct api **out, const char *path, struct err *err)
{
    struct buf text = BUF_INIT(DOC_TEXT_MAX + 1);
    struct err why = ERR_INIT;
    int r = file_read(&text, path);

    if (r == 0)
        r = api_load(out, buf_slice(&text), &why);
    else
        (void)err_set(&why, r, "%s", r == -EFBIG ? "longer than 4 MiB" : strerror(-r));
    buf_deinit(&text);
    return r < 0 ? err_set(err, r, "%.128s: %.370s", path, why.text[0] ? why.text : "out of memory")
                 : 0;
}
