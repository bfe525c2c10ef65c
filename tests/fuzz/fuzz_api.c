/*
 * Fuzzes the API description's loader and the request target. Beside not crashing: a loaded
 * description finds an instance of each of its paths as that path, every table of a body's schema
 * is in order, and a target that is accepted is made of names that the keeper accepts.
 */
#include "api/api.h"
#include "api/target.h"
#include "fuzz/must.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The template with an id for its parameter. */
static size_t instance(const char *template, char *out)
{
    const char *open = strchr(template, '{'), *close = open ? strchr(open, '}') : NULL;
    size_t head = open ? (size_t)(open - template) : strlen(template), n = head;

    memcpy(out, template, head);
    if (open) {
        must(close != NULL);
        memcpy(out + n, "9007199254740993", 16);
        n += 16;
        memcpy(out + n, close + 1, strlen(close + 1));
        n += strlen(close + 1);
    }
    return n;
}

/* What the description's author would see of a table; `depth` ends a schema within itself. */
static void check_schema(const struct schema *s, unsigned depth)
{
    char text[64];

    must(s->types != 0 && s->minimum <= s->maximum && s->min_length <= s->max_length);
    must(schema_type_text(s, text, sizeof(text)) == strlen(text));
    for (size_t i = 0; i < s->n_choices; i++) {
        must(i == 0 || slice_cmp(s->choices[i - 1].text, s->choices[i].text) <= 0);
        must(schema_has_choice(s, s->choices[i].text, s->choices[i].string));
    }
    for (size_t i = 0; i < s->n_properties; i++) {
        must(i == 0 || slice_cmp(s->properties[i - 1].name, s->properties[i].name) < 0);
        must(schema_find(s, s->properties[i].name) == &s->properties[i]);
        if (depth > 0)
            check_schema(s->properties[i].schema, depth - 1);
    }
    if (s->items && depth > 0)
        check_schema(s->items, depth - 1);
    if (s->anything && depth > 0)
        check_schema(s->anything, depth - 1);
}

static void check_api(const struct api *api)
{
    must(api_count(api) > 0);
    for (size_t i = 0; i < api_count(api); i++) {
        const struct api_path *path = api_at(api, i);
        char out[2048];
        size_t n = instance(api_path_template(path), out);

        must(n > TARGET_PATH_MAX || api_find(api, slice_of(out, n)) == path);
        must(api_methods(path) > 0 && api_allow(api_methods(path))[0]);
        for (unsigned method = API_POST; method <= API_DELETE; method <<= 1)
            if (api_methods(path) & method)
                check_schema(api_body(path, method), 4);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size);
    struct err err = ERR_INIT;
    struct api *api = NULL;
    const char *why = NULL;
    struct target target;
    int r;

    r = api_load(&api, text, &err);
    must(r == 0 ? api != NULL : r == -EINVAL && !api && err.text[0]);
    if (r == 0) {
        check_api(api);
        (void)api_find(api, text);
    }
    api_free(api);
    r = target_parse(text, &target, &why);
    must((r == 0) == (why == NULL));
    if (r == 0)
        must(target_path_ok(target.path) &&
             (target.workspace.len == 0 || target_workspace_ok(target.workspace)));
    return 0;
}
