/*
 * What stays of a description is one sorted table of paths and the schemas behind it. A path's
 * normal form has `{}` for each parameter. A request's path is brought to the same form by
 * replacing the segments that are ids, and looked up by halving; that a literal segment is no id
 * is checked at load, so the form is unambiguous.
 */
#include "api/api.h"

#include "api/api_table.h"

#include <stdlib.h>

enum {
    ID_DIGITS_MAX = 19,
};

static const struct slice METHODS[API_METHODS] = {{"POST", 4}, {"PUT", 3}, {"DELETE", 6}};

static void call_deinit(struct api_call *call)
{
    free(call->summary);
    free(call->operation);
    for (unsigned i = 0; i < call->n_answers; i++) {
        free(call->answers[i].member);
        free(call->answers[i].operation);
    }
}

void api_free(struct api *api)
{
    if (!api)
        return;
    for (size_t i = 0; i < api->n; i++) {
        free((char *)api->paths[i].normal.data);
        free((char *)api->paths[i].template);
        for (unsigned m = 0; m < API_METHODS; m++)
            call_deinit(&api->paths[i].calls[m]);
    }
    schemas_free(&api->schemas);
    free(api);
}

bool api_is_id(const char *p, size_t len)
{
    if (len == 0 || len > ID_DIGITS_MAX || (p[0] == '0' && len > 1))
        return false;
    for (size_t i = 0; i < len; i++)
        if (p[i] < '0' || p[i] > '9')
            return false;
    return true;
}

size_t api_normalize(struct slice path, char *out)
{
    size_t n = 0, start = 1;

    for (size_t i = 1; i <= path.len; i++) {
        const char *segment = path.data + start;

        if (i < path.len && path.data[i] != '/')
            continue;
        out[n++] = '/';
        if (api_is_id(segment, i - start)) {
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
    char form[API_NORMAL_MAX];
    size_t low = 0, high = api->n;
    struct slice normal;

    if (path.len == 0 || path.len > TARGET_PATH_MAX || path.data[0] != '/' ||
        memchr(path.data, '{', path.len))
        return NULL;
    normal = slice_of(form, api_normalize(path, form));
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

/* The index of one method's bit. */
static unsigned index_of(unsigned method)
{
    unsigned i = 0;

    while (i + 1 < API_METHODS && method >> i != 1)
        i++;
    return i;
}

const struct schema *api_body(const struct api_path *path, unsigned method)
{
    return path->calls[index_of(method)].body;
}

const struct api_answer *api_answer(const struct api_path *path, unsigned method, unsigned status)
{
    const struct api_call *call = &path->calls[index_of(method)];
    const struct api_answer *any = NULL;

    for (unsigned i = 0; i < call->n_answers; i++) {
        if (call->answers[i].status == status)
            return &call->answers[i];
        if (call->answers[i].status == status / 100)
            any = &call->answers[i];
    }
    return any;
}

size_t api_object(const struct api_answer *answer, struct slice value, char *out)
{
    const char *begin = answer->object ? strchr(answer->object, '{') : NULL;
    size_t before, after;

    if (!begin || !api_is_id(value.data, value.len))
        return 0;
    before = (size_t)(begin - answer->object);
    begin = strchr(begin, '}') + 1;
    after = strlen(begin);
    if (before + value.len + after > TARGET_PATH_MAX)
        return 0;
    memcpy(out, answer->object, before);
    memcpy(out + before, value.data, value.len);
    memcpy(out + before + value.len, begin, after);
    return before + value.len + after;
}

const char *api_summary(const struct api_path *path, unsigned method)
{
    const char *summary = path->calls[index_of(method)].summary;

    return summary ? summary : "";
}

unsigned api_method_of(struct slice name)
{
    for (unsigned i = 0; i < API_METHODS; i++)
        if (slice_eq(name, METHODS[i]))
            return 1u << i;
    return 0;
}

const char *api_method_name(unsigned method)
{
    return METHODS[index_of(method)].data;
}

const char *api_allow(unsigned methods)
{
    static const char *const ALLOW[] = {
        "",       "POST",         "PUT",         "POST, PUT",
        "DELETE", "POST, DELETE", "PUT, DELETE", "POST, PUT, DELETE",
    };

    return ALLOW[methods & (API_POST | API_PUT | API_DELETE)];
}
