/*
 * From the description's JSON to tables. A schema is entered in the list before its members are
 * read, so one that refers to itself finds itself; one that is referred to twice is made once.
 */
#include "api/schema.h"

#include <errno.h>
#include <stdlib.h>

struct loading {
    struct schemas *all;
    struct schema *schema;
    const struct doc *at; /* the schema's place */
};

struct keyword {
    const char *name;
    unsigned types; /* that it can have an effect on */
    int (*load)(struct loading *l, const struct doc *value);
};

static const struct {
    const char *word;
    unsigned type;
} TYPE_WORDS[] = {
    {"null", SCHEMA_NULL},     {"boolean", SCHEMA_BOOLEAN}, {"integer", SCHEMA_INTEGER},
    {"number", SCHEMA_NUMBER}, {"string", SCHEMA_STRING},   {"array", SCHEMA_ARRAY},
    {"object", SCHEMA_OBJECT},
};

enum {
    N_TYPE_WORDS = sizeof(TYPE_WORDS) / sizeof(TYPE_WORDS[0]),
    BOUND_MAX_BITS = 53, /* a bound for numbers with fractions is exact up to here */
};

static int copy_text(struct slice *out, const struct doc *value)
{
    int r = doc_want_line(value);

    if (r < 0)
        return r;
    *out = slice_str(strdup(doc_text(value)));
    return out->data ? 0 : -ENOMEM;
}

static int load_type(unsigned *types, const struct doc *value)
{
    const char *word = doc_text(value);

    for (size_t i = 0; i < N_TYPE_WORDS; i++)
        if (strcmp(word, TYPE_WORDS[i].word) == 0) {
            *types |= TYPE_WORDS[i].type;
            return 0;
        }
    return doc_fail(value, "must be one of null, boolean, integer, number, string, array, object, "
                           "or an array of those");
}

static int load_types(struct loading *l)
{
    struct doc value = doc_member(l->at, "type");
    int r = 0;

    if (!value.value)
        return doc_fail(&value, "is missing: each schema here must name its type");
    if (!doc_is(&value, json_type_array))
        return load_type(&l->schema->types, &value);
    for (size_t i = 0; r == 0 && i < json_object_array_length(value.value); i++) {
        struct doc one = doc_element(&value, i);

        r = load_type(&l->schema->types, &one);
    }
    if (r == 0 && l->schema->types == 0)
        return doc_fail(&value, "names no type");
    return r;
}

static int load_title(struct loading *l, const struct doc *value)
{
    return copy_text(&l->schema->title, value);
}

static int load_items(struct loading *l, const struct doc *value)
{
    return schema_load(l->all, &l->schema->items, value);
}

static int load_property(struct loading *l, const struct doc *value, const char *name)
{
    struct schema_property *p = &l->schema->properties[l->schema->n_properties];
    size_t len = strlen(name);

    if (len > SCHEMA_NAME_MAX)
        return doc_fail(value, "a name longer than %d bytes is not supported", SCHEMA_NAME_MAX);
    if (!doc_is_line(name))
        return doc_fail(value, "the name holds a control character");
    p->name = slice_of(strdup(name), len);
    if (!p->name.data)
        return -ENOMEM;
    l->schema->n_properties++;
    return schema_load(l->all, &p->schema, value);
}

static int by_name(const void *a, const void *b)
{
    const struct schema_property *one = a, *other = b;

    return slice_cmp(one->name, other->name);
}

static int load_properties(struct loading *l, const struct doc *value)
{
    struct schema *s = l->schema;
    int r = doc_want(value, json_type_object);
    size_t n;

    if (r < 0)
        return r;
    n = (size_t)json_object_object_length(value->value);
    if (n > SCHEMA_PROPERTIES_MAX)
        return doc_fail(value, "has more than %d properties", SCHEMA_PROPERTIES_MAX);
    s->properties = calloc(n + 1, sizeof(*s->properties));
    if (!s->properties)
        return -ENOMEM;
    json_object_object_foreach(value->value, key, member)
    {
        struct doc at = doc_member(value, key);

        (void)member;
        r = load_property(l, &at, key);
        if (r < 0)
            return r;
    }
    qsort(s->properties, s->n_properties, sizeof(s->properties[0]), by_name);
    return schema_index(s) ? 0 : -ENOMEM;
}

/* After `properties`, wherever it stands in the file. */
static int load_required(struct loading *l, const struct doc *value)
{
    int r = doc_want(value, json_type_array);

    for (size_t i = 0; r == 0 && i < json_object_array_length(value->value); i++) {
        struct doc one = doc_element(value, i);
        struct schema_property *p;

        r = doc_want(&one, json_type_string);
        if (r < 0)
            return r;
        p = (struct schema_property *)schema_find(l->schema, slice_str(doc_text(&one)));
        if (!p)
            return doc_fail(&one, "\"%.64s\" is not in `properties`", doc_text(&one));
        if (p->required)
            return doc_fail(&one, "\"%.64s\" is named twice", doc_text(&one));
        p->required = true;
        l->schema->n_required++;
    }
    return r;
}

static int load_additional(struct loading *l, const struct doc *value)
{
    if (!doc_is(value, json_type_boolean))
        return schema_load(l->all, &l->schema->anything, value);
    l->schema->closed = !json_object_get_boolean(value->value);
    return 0;
}

/* json-c turns an integer that doesn't fit into the last one that does. */
static bool clamped(const struct doc *value)
{
    int64_t v = doc_is(value, json_type_int) ? json_object_get_int64(value->value) : 0;

    return v == INT64_MAX || v == INT64_MIN;
}

static int load_bound(const struct loading *l, const struct doc *value, int64_t *out)
{
    int r = doc_is(value, json_type_int) ? 0 : doc_fail(value, "must be a whole number");
    int64_t most = (int64_t)1 << BOUND_MAX_BITS;

    if (r < 0)
        return r;
    *out = json_object_get_int64(value->value);
    if (clamped(value))
        return doc_fail(value, "does not fit 64 bits: leave it out");
    if ((l->schema->types & SCHEMA_NUMBER) && (*out > most || *out < -most))
        return doc_fail(value, "a bound for numbers must lie between -2^53 and 2^53");
    return 0;
}

static int load_minimum(struct loading *l, const struct doc *value)
{
    return load_bound(l, value, &l->schema->minimum);
}

static int load_maximum(struct loading *l, const struct doc *value)
{
    return load_bound(l, value, &l->schema->maximum);
}

static int load_length(const struct doc *value, uint32_t *out)
{
    int64_t v = doc_is(value, json_type_int) ? json_object_get_int64(value->value) : -1;

    if (v < 0 || v > INT32_MAX)
        return doc_fail(value, "must be a whole number of characters, 0 or more");
    *out = (uint32_t)v;
    return 0;
}

static int load_min_length(struct loading *l, const struct doc *value)
{
    return load_length(value, &l->schema->min_length);
}

static int load_max_length(struct loading *l, const struct doc *value)
{
    return load_length(value, &l->schema->max_length);
}

static int load_pattern(struct loading *l, const struct doc *value)
{
    struct err why = ERR_INIT;
    int r = copy_text(&l->schema->pattern_text, value);

    if (r < 0)
        return r;
    r = pattern_new(&l->schema->pattern, l->schema->pattern_text, &why);
    return r == -EINVAL ? doc_fail(value, "%.300s", why.text) : r;
}

static unsigned type_of(const struct doc *value)
{
    switch (json_object_get_type(value->value)) {
    case json_type_null:
        return SCHEMA_NULL;
    case json_type_boolean:
        return SCHEMA_BOOLEAN;
    case json_type_int:
        return SCHEMA_INTEGER | SCHEMA_NUMBER;
    case json_type_string:
        return SCHEMA_STRING;
    default:
        return 0;
    }
}

static int by_choice(const void *a, const void *b)
{
    const struct schema_choice *one = a, *other = b;
    int r = slice_cmp(one->text, other->text);

    return r ? r : one->string - other->string;
}

static int load_enum(struct loading *l, const struct doc *value)
{
    struct schema *s = l->schema;
    int r = doc_want(value, json_type_array);
    size_t n;

    if (r < 0)
        return r;
    n = json_object_array_length(value->value);
    if (n == 0)
        return doc_fail(value, "holds no value");
    s->choices = calloc(n, sizeof(*s->choices));
    if (!s->choices)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct doc one = doc_element(value, i);
        unsigned type = type_of(&one);
        const char *text;

        if (type == 0)
            return doc_fail(&one, "only strings, whole numbers, true, false and null are "
                                  "supported in an enum");
        if (!(type & s->types))
            return doc_fail(&one, "is not of the schema's type");
        if (clamped(&one))
            return doc_fail(&one, "does not fit 64 bits");
        if (type == SCHEMA_STRING && (r = doc_want_line(&one)) < 0)
            return r;
        text = one.value ? json_object_get_string(one.value) : "null";
        s->choices[i].string = type == SCHEMA_STRING;
        s->choices[i].text = slice_str(strdup(text));
        s->n_choices++;
        if (!s->choices[i].text.data)
            return -ENOMEM;
    }
    qsort(s->choices, n, sizeof(s->choices[0]), by_choice);
    for (size_t i = 1; i < n; i++)
        if (by_choice(&s->choices[i - 1], &s->choices[i]) == 0)
            return doc_fail(value, "holds \"%.64s\" twice", s->choices[i].text.data);
    return 0;
}

static int load_nothing(struct loading *l, const struct doc *value)
{
    (void)l;
    (void)value;
    return 0;
}

/* In the order in which they must be read: what is required must be known. */
static const struct keyword KEYWORDS[] = {
    {"type", ~0u, load_nothing},
    {"title", ~0u, load_title},
    {"items", SCHEMA_ARRAY, load_items},
    {"properties", SCHEMA_OBJECT, load_properties},
    {"required", SCHEMA_OBJECT, load_required},
    {"additionalProperties", SCHEMA_OBJECT, load_additional},
    {"minimum", SCHEMA_INTEGER | SCHEMA_NUMBER, load_minimum},
    {"maximum", SCHEMA_INTEGER | SCHEMA_NUMBER, load_maximum},
    {"minLength", SCHEMA_STRING, load_min_length},
    {"maxLength", SCHEMA_STRING, load_max_length},
    {"pattern", SCHEMA_STRING, load_pattern},
    {"enum", ~0u, load_enum},
    {"default", ~0u, load_nothing},
    {"deprecated", ~0u, load_nothing},
    {"readOnly", ~0u, load_nothing},
    {"writeOnly", ~0u, load_nothing},
};

enum {
    N_KEYWORDS = sizeof(KEYWORDS) / sizeof(KEYWORDS[0]),
};

static int check_keyword(const struct loading *l, const char *key)
{
    struct doc at = doc_member(l->at, key);

    for (size_t i = 0; i < N_KEYWORDS; i++) {
        if (strcmp(key, KEYWORDS[i].name) != 0)
            continue;
        return KEYWORDS[i].types & l->schema->types
                   ? 0
                   : doc_fail(&at, "has no effect on the schema's type");
    }
    if (doc_is_comment(key))
        return 0;
    return doc_fail(&at, "this keyword is not supported; supported are type, properties, required, "
                         "additionalProperties, enum, pattern, minimum, maximum, items, minLength, "
                         "maxLength and $ref");
}

static int check_bounds(const struct loading *l)
{
    const struct schema *s = l->schema;
    struct doc at = doc_member(l->at, "maximum");

    if (s->minimum > s->maximum)
        return doc_fail(&at, "is below the minimum");
    at = doc_member(l->at, "maxLength");
    return s->min_length > s->max_length ? doc_fail(&at, "is below minLength") : 0;
}

static int load_keywords(struct loading *l)
{
    int r = load_types(l);

    if (r < 0)
        return r;
    json_object_object_foreach(l->at->value, key, value)
    {
        (void)value;
        r = check_keyword(l, key);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < N_KEYWORDS; i++) {
        struct doc at = doc_member(l->at, KEYWORDS[i].name);

        if (!json_object_object_get_ex(l->at->value, KEYWORDS[i].name, NULL))
            continue;
        r = KEYWORDS[i].load(l, &at);
        if (r < 0)
            return r;
    }
    return check_bounds(l);
}

int schema_load(struct schemas *all, const struct schema **out, const struct doc *at)
{
    struct doc target = *at;
    struct loading l = {.all = all, .at = &target};
    int r = doc_want(&target, json_type_object);

    if (r == 0)
        r = doc_follow(&target);
    if (r == 0)
        r = doc_want(&target, json_type_object);
    if (r < 0)
        return r;
    for (struct schema *s = all->first; s; s = s->next)
        if (s->source == target.value) {
            *out = s;
            return 0;
        }
    l.schema = calloc(1, sizeof(*l.schema));
    if (!l.schema)
        return -ENOMEM;
    *l.schema = (struct schema){.minimum = INT64_MIN,
                                .maximum = INT64_MAX,
                                .max_length = UINT32_MAX,
                                .source = target.value,
                                .next = all->first};
    all->first = l.schema;
    *out = l.schema;
    if (all->depth == SCHEMA_DEPTH_MAX)
        return doc_fail(&target, "more than %d schemas are inside each other", SCHEMA_DEPTH_MAX);
    all->depth++;
    r = load_keywords(&l);
    all->depth--;
    return r;
}
