#include "api/target.h"

#include "api/name.h"

static bool has(struct slice s, char c)
{
    return s.len && memchr(s.data, c, s.len);
}

static bool begins(struct slice s, struct slice with)
{
    return s.len >= with.len && memcmp(s.data, with.data, with.len) == 0;
}

int target_parse(struct slice target, struct target *out, const char **why)
{
    static const struct slice PREFIX = {"/s/", 3};

    *out = (struct target){.path = target};
    if (has(target, '?')) {
        *why = "the API has no query strings: send the parameters as JSON in the body";
        return TARGET_BAD_REQUEST;
    }
    if (has(target, '%')) {
        *why = "percent-encoding is refused in the path: the API's paths need none";
        return TARGET_BAD_REQUEST;
    }
    if (begins(target, PREFIX)) {
        const char *rest = target.data + PREFIX.len, *end = target.data + target.len;
        const char *slash = memchr(rest, '/', (size_t)(end - rest));

        if (!slash)
            slash = end;
        out->workspace = slice_of(rest, (size_t)(slash - rest));
        out->path = slice_of(slash, (size_t)(end - slash));
        if (!target_workspace_ok(out->workspace)) {
            *why = "not a workspace: 1 to 64 letters, digits, '.', '_' or '-' follow /s/";
            return TARGET_UNKNOWN;
        }
    }
    if (!target_path_ok(out->path)) {
        *why = "not a path of the API: /v1/... or /s/:workspace/v1/..., without empty or dot "
               "segments";
        return TARGET_UNKNOWN;
    }
    return 0;
}
