#include "ctl/audit/audit_facts.h"

#include <errno.h>
#include <limits.h>

enum {
    DEPTH = 32, /* arrays and objects inside each other; records have four */
    MAC = 64,   /* digits */
};

static struct json_object *member(struct json_object *of, const char *name)
{
    struct json_object *value = NULL;

    if (json_object_is_type(of, json_type_object))
        (void)json_object_object_get_ex(of, name, &value);
    return value;
}

bool audit_facts_creates(const struct audit_facts *request)
{
    return slice_eq(request->method, SLICE_LIT("POST"));
}

bool audit_facts_may_be(const struct audit_facts *request, struct slice object)
{
    struct slice path = request->path;

    if (!audit_facts_creates(request))
        return slice_eq(path, object);
    return object.len > path.len && object.data[path.len] == '/' &&
           slice_eq(path, slice_cut(object, path.len));
}

struct slice audit_facts_text(struct json_object *value)
{
    if (!json_object_is_type(value, json_type_string))
        return SLICE_NULL;
    return slice_of(json_object_get_string(value), (size_t)json_object_get_string_len(value));
}

static struct slice text(struct json_object *of, const char *name)
{
    return audit_facts_text(member(of, name));
}

static bool number(struct json_object *of, const char *name, uint64_t *out)
{
    struct json_object *value = member(of, name);

    if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
        return false;
    *out = json_object_get_uint64(value);
    return true;
}

static void read_members(struct audit_facts *f)
{
    struct json_object *client = member(f->doc, "client");
    uint64_t status = 0;

    f->fields = member(f->doc, "fields");
    if (!json_object_is_type(f->fields, json_type_object))
        f->fields = NULL;
    f->answer = member(f->doc, "answer");
    if (!json_object_is_type(f->answer, json_type_object))
        f->answer = NULL;
    f->object = text(f->doc, "object");
    f->answer_error = text(f->doc, "answer_error");
    f->time = text(f->doc, "time");
    f->type = text(f->doc, "type");
    f->id = text(f->doc, "id");
    f->name = text(client, "name");
    f->user = text(client, "user");
    f->address = text(client, "address");
    f->has_uid = number(client, "uid", &f->uid);
    f->method = text(f->doc, "method");
    f->workspace = text(f->doc, "workspace");
    f->path = text(f->doc, "path");
    if (number(f->doc, "status", &status) && status <= 999)
        f->status = (uint32_t)status;
    f->sent = text(f->doc, "sent");
    f->code = text(f->doc, "code");
    f->error = text(f->doc, "error");
    f->timed = number(f->doc, "duration_us", &f->duration_us);
}

static void reset(struct audit_facts *f)
{
    struct json_tokener *tokener = f->tokener;

    if (f->doc)
        (void)json_object_put(f->doc);
    *f = (struct audit_facts){.tokener = tokener};
}

int audit_facts_read(struct audit_facts *f, struct slice bytes)
{
    reset(f);
    if (bytes.len > INT_MAX)
        return -EBADMSG;
    if (!f->tokener) {
        f->tokener = json_tokener_new_ex(DEPTH);
        if (!f->tokener)
            return -ENOMEM;
        json_tokener_set_flags(f->tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    }
    json_tokener_reset(f->tokener);
    f->doc = json_tokener_parse_ex(f->tokener, bytes.data, (int)bytes.len);
    if (!json_object_is_type(f->doc, json_type_object) ||
        json_tokener_get_parse_end(f->tokener) != bytes.len) {
        reset(f);
        return -EBADMSG;
    }
    read_members(f);
    return 0;
}

void audit_facts_deinit(struct audit_facts *f)
{
    reset(f);
    if (f->tokener)
        json_tokener_free(f->tokener);
    *f = (struct audit_facts){0};
}

struct audit_value audit_value_of(struct json_object *value)
{
    struct slice mac = text(value, "mac");
    struct audit_value v = {AUDIT_VALUE_TEXT, SLICE_NULL};

    if (json_object_is_type(value, json_type_string)) {
        v.text = audit_facts_text(value);
    } else if (mac.len == MAC) {
        v = (struct audit_value){AUDIT_VALUE_MAC, mac};
    } else if (json_object_get_boolean(member(value, "omitted"))) {
        v.kind = AUDIT_VALUE_OMITTED;
    } else {
        v.kind = AUDIT_VALUE_OTHER;
        v.text = slice_str(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
    }
    return v;
}
