/*
 * The keeper believes the proxy nothing that it can check itself. Field names are not signed, so
 * their order is all that ties values to them: two equal names, or names out of order, would let
 * one string to sign stand for two requests.
 */
#include "keeper/check.h"

#include "api/name.h"
#include "audit/record.h"

static bool method_ok(struct slice method)
{
    return slice_eq(method, SLICE_LIT("POST")) || slice_eq(method, SLICE_LIT("PUT")) ||
           slice_eq(method, SLICE_LIT("DELETE"));
}

static const char *check_fields(const struct wire_field *fields, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0 && slice_cmp(fields[i - 1].name, fields[i].name) >= 0)
            return "the field names are not in strictly ascending order";
        if (!record_text_ok(fields[i].name))
            return "a field name is not valid UTF-8";
        if (!record_text_ok(fields[i].value))
            return "a field value is not valid UTF-8";
    }
    return NULL;
}

const char *check_sign(const struct wire_sign *sign)
{
    if (!record_request_id_ok(sign->request_id))
        return "the request id is not 1 to 128 of A-Z a-z 0-9 . _ : + / = @ -";
    if (!method_ok(sign->method))
        return "the method is none of POST, PUT, DELETE";
    if (!target_workspace_ok(sign->workspace))
        return "the workspace is malformed";
    if (!target_path_ok(sign->path))
        return "the api-path is malformed";
    return check_fields(sign->fields, sign->n_fields);
}
