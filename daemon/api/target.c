#include "api/target.h"

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

static bool is_word(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

static bool is_dots(struct slice s)
{
    return slice_eq(s, SLICE_LIT(".")) || slice_eq(s, SLICE_LIT(".."));
}

bool target_workspace_ok(struct slice workspace)
{
    if (workspace.len == 0 || workspace.len > TARGET_WORKSPACE_MAX || is_dots(workspace))
        return false;
    for (size_t i = 0; i < workspace.len; i++)
        if (!is_word((unsigned char)workspace.data[i]))
            return false;
    return true;
}

bool target_path_ok(struct slice path)
{
    size_t start = 1; /* of the segment; the path begins with a slash */

    if (path.len < 4 || path.len > TARGET_PATH_MAX || memcmp(path.data, "/v1/", 4) != 0)
        return false;
    for (size_t i = 1; i <= path.len; i++) {
        if (i == path.len || path.data[i] == '/') {
            if (i == start || is_dots(slice_of(path.data + start, i - start)))
                return false;
            start = i + 1;
        } else if (!is_word((unsigned char)path.data[i]) && path.data[i] != '~') {
            return false;
        }
    }
    return true;
}
