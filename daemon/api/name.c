#include "api/name.h"

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
