/*
 * One function in a file of its own: the keeper links this and nothing else of the room, so that
 * the process with the keys holds no JSON parser.
 */
#include "api/string_to_sign.h"

#include <errno.h>
#include <string.h>

/* The caller has reserved the room. */
static void put(struct buf *out, struct slice s)
{
    if (s.len)
        memcpy(buf_space(out), s.data, s.len);
    buf_commit(out, s.len);
}

int string_to_sign(struct buf *out, struct slice key_id, struct slice workspace, struct slice path,
                   const struct request_field *fields, size_t n)
{
    size_t len = 2;
    int r;

    if (__builtin_add_overflow(len, key_id.len, &len) ||
        __builtin_add_overflow(len, workspace.len, &len) ||
        __builtin_add_overflow(len, path.len, &len) || __builtin_add_overflow(len, n, &len))
        return -ENOBUFS;
    for (size_t i = 0; i < n; i++)
        if (__builtin_add_overflow(len, fields[i].value.len, &len))
            return -ENOBUFS;
    r = buf_reserve(out, len);
    if (r < 0)
        return r;
    put(out, key_id);
    put(out, SLICE_LIT(":"));
    put(out, workspace);
    put(out, SLICE_LIT(":"));
    put(out, path);
    for (size_t i = 0; i < n; i++) {
        put(out, SLICE_LIT(":"));
        put(out, fields[i].value);
    }
    return 0;
}
