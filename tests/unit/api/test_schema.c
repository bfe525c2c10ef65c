/*
 * Schemas of a description: what is loaded into the tables, and each mistake with the JSON pointer
 * that the error names.
 */
#include "api/schema.h"

#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* The tables outlive the document. */
static int load(struct schemas *all, const struct schema **out, const char *text, struct err *err)
{
    struct doc doc;
    int r;

    *err = (struct err)ERR_INIT;
    *all = (struct schemas){0};
    CU_ASSERT_EQUAL_FATAL(doc_open(&doc, slice_str(text), err), 0);
    r = schema_load(all, out, &doc);
    json_object_put(doc.root);
    return r;
}

static void tables(void)
{
    struct schemas all;
    const struct schema *s = NULL, *size, *list;
    const struct schema_property *p;
    struct err err;

    CU_ASSERT_EQUAL_FATAL(
        load(&all, &s,
             "{\"required\":[\"size\",\"name\"],\"type\":\"object\",\"title\":\"thing\","
             "\"description\":\"words\",\"x-mine\":{\"type\":7},\"additionalProperties\":false,"
             "\"properties\":{\"size\":{\"$ref\":\"#/properties/list/items\"},"
             "\"name\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":9,"
             "\"pattern\":\"^a\",\"enum\":[\"ab\",\"aa\"],\"default\":\"ab\"},"
             "\"list\":{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"minimum\":-1,"
             "\"maximum\":5}}}}",
             &err),
        0);
    CU_ASSERT_EQUAL(s->types, SCHEMA_OBJECT);
    CU_ASSERT_EQUAL(s->n_properties, 3);
    CU_ASSERT_EQUAL(s->n_required, 2);
    CU_ASSERT(s->closed && !s->anything);
    CU_ASSERT(slice_eq(s->title, slice_str("thing")));
    CU_ASSERT(slice_eq(s->properties[0].name, slice_str("list")));
    CU_ASSERT(slice_eq(s->properties[2].name, slice_str("size")));
    CU_ASSERT(!s->properties[0].required && s->properties[1].required);
    size = s->properties[2].schema;
    list = s->properties[0].schema;
    CU_ASSERT_PTR_EQUAL(size, list->items); /* made once */
    CU_ASSERT(size->types == SCHEMA_INTEGER && size->minimum == -1 && size->maximum == 5);
    p = schema_find(s, slice_str("name"));
    CU_ASSERT_PTR_EQUAL(p, &s->properties[1]);
    CU_ASSERT_PTR_NULL(schema_find(s, slice_str("nam")));
    CU_ASSERT_PTR_NULL(schema_find(s, slice_str("")));
    CU_ASSERT_PTR_NULL(schema_find(size, slice_str("name")));
    CU_ASSERT(p->schema->min_length == 1 && p->schema->max_length == 9 && p->schema->pattern);
    CU_ASSERT(schema_has_choice(p->schema, slice_str("aa"), true));
    CU_ASSERT(!schema_has_choice(p->schema, slice_str("aa"), false));
    CU_ASSERT(!schema_has_choice(p->schema, slice_str("a"), true));
    CU_ASSERT(schema_has_choice(size, slice_str("77"), false));
    schemas_free(&all);
    CU_ASSERT_PTR_NULL(all.first);
}

static void type_text(void)
{
    static const struct {
        const char *schema, *wanted;
    } T[] = {
        {"{\"type\":\"string\"}", "string"},
        {"{\"type\":[\"null\",\"integer\",\"string\"]}", "string or integer or null"},
        {"{\"type\":\"array\"}", "array"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}", "array of integer"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":{\"type\":\"boolean\"}}}",
         "array of array of boolean"},
    };

    for (size_t i = 0; i < N(T); i++) {
        struct schemas all;
        const struct schema *s;
        struct err err;
        char full[128], small[8];

        CU_ASSERT_EQUAL_FATAL(load(&all, &s, T[i].schema, &err), 0);
        CU_ASSERT_EQUAL(schema_type_text(s, full, sizeof(full)), strlen(full));
        CU_ASSERT_STRING_EQUAL(full, T[i].wanted);
        schema_type_text(s, small, sizeof(small));
        CU_ASSERT(small[0] && strncmp(small, T[i].wanted, strlen(small)) == 0);
        schemas_free(&all);
    }
}

/* An array of itself: as much as there is room for. */
static void endless_type_text(void)
{
    struct schemas all;
    const struct schema *s;
    struct err err;
    char out[64];

    CU_ASSERT_EQUAL_FATAL(load(&all, &s,
                               "{\"type\":\"array\",\"items\":{\"$ref\":\"#/x-s\"},"
                               "\"x-s\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/x-s\"}}}",
                               &err),
                          0);
    for (size_t size = 1; size <= sizeof(out); size++) {
        size_t n = schema_type_text(s, out, size);

        CU_ASSERT(n == strlen(out) && n < size);
        CU_ASSERT_EQUAL(strncmp(out, "array of array of array", n < 23 ? n : 23), 0);
    }
    schemas_free(&all);
}

static const struct {
    const char *text, *wanted; /* the error's beginning */
} REFUSED[] = {
    {"{}", "/type: is missing"},
    {"{\"type\":\"text\"}", "/type: must be one of"},
    {"{\"type\":7}", "/type: must be one of"},
    {"{\"type\":[]}", "/type: names no type"},
    {"{\"type\":[\"string\",null]}", "/type/1: must be one of"},
    {"{\"type\":\"string\",\"format\":\"date\"}", "/format: this keyword is not supported"},
    {"{\"type\":\"string\",\"const\":\"x\"}", "/const: this keyword is not supported"},
    {"{\"type\":\"string\",\"Pattern\":\"x\"}", "/Pattern: this keyword is not supported"},
    {"{\"type\":\"object\",\"oneOf\":[]}", "/oneOf: this keyword is not supported"},
    {"{\"type\":\"object\",\"patternProperties\":{}}", "/patternProperties: this keyword"},
    {"{\"type\":\"string\",\"minimum\":1}", "/minimum: has no effect"},
    {"{\"type\":\"integer\",\"pattern\":\"x\"}", "/pattern: has no effect"},
    {"{\"type\":\"string\",\"items\":{\"type\":\"string\"}}", "/items: has no effect"},
    {"{\"type\":\"array\",\"properties\":{}}", "/properties: has no effect"},
    {"{\"type\":\"array\",\"items\":true}", "/items: must be of type object"},
    {"{\"type\":\"array\",\"items\":[]}", "/items: must be of type object"},
    {"{\"type\":\"array\",\"items\":{}}", "/items/type: is missing"},
    {"{\"type\":\"object\",\"properties\":[]}", "/properties: must be of type object"},
    {"{\"type\":\"object\",\"properties\":{\"a\":1}}", "/properties/a: must be of type object"},
    {"{\"type\":\"object\",\"properties\":{\"a/b\":{\"type\":\"x\"}}}",
     "/properties/a~1b/type: must be one of"},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/b\"}}}",
     "/properties/a/$ref: \"#/b\""},
    {"{\"type\":\"object\",\"required\":[\"a\"]}", "/required/0: \"a\" is not in `properties`"},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"null\"}},\"required\":\"a\"}",
     "/required: must be of type array"},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"null\"}},\"required\":[\"a\",\"a\"]}",
     "/required/1: \"a\" is named twice"},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"null\"}},\"required\":[1]}",
     "/required/0: must be of type string"},
    {"{\"type\":\"object\",\"additionalProperties\":\"no\"}",
     "/additionalProperties: must be of type object"},
    {"{\"type\":\"object\",\"additionalProperties\":{}}", "/additionalProperties/type: is missing"},
    {"{\"type\":\"integer\",\"minimum\":\"1\"}", "/minimum: must be a whole number"},
    {"{\"type\":\"integer\",\"minimum\":1.5}", "/minimum: must be a whole number"},
    {"{\"type\":\"integer\",\"maximum\":9223372036854775808}", "/maximum: does not fit 64 bits"},
    {"{\"type\":\"integer\",\"minimum\":-99999999999999999999}", "/minimum: does not fit 64 bits"},
    {"{\"type\":\"integer\",\"minimum\":2,\"maximum\":1}", "/maximum: is below the minimum"},
    {"{\"type\":\"number\",\"maximum\":9007199254740993}", "/maximum: a bound for numbers"},
    {"{\"type\":\"string\",\"minLength\":-1}", "/minLength: must be a whole number"},
    {"{\"type\":\"string\",\"maxLength\":2147483648}", "/maxLength: must be a whole number"},
    {"{\"type\":\"string\",\"maxLength\":1,\"minLength\":2}", "/maxLength: is below minLength"},
    {"{\"type\":\"string\",\"pattern\":\"(\"}", "/pattern: "},
    {"{\"type\":\"string\",\"pattern\":7}", "/pattern: must be of type string"},
    {"{\"type\":\"string\",\"enum\":\"a\"}", "/enum: must be of type array"},
    {"{\"type\":\"string\",\"enum\":[]}", "/enum: holds no value"},
    {"{\"type\":\"string\",\"enum\":[\"a\",\"b\",\"a\"]}", "/enum: holds \"a\" twice"},
    {"{\"type\":\"string\",\"enum\":[\"a\",1]}", "/enum/1: is not of the schema's type"},
    {"{\"type\":\"number\",\"enum\":[1.5]}", "/enum/0: only strings, whole numbers"},
    {"{\"type\":\"array\",\"enum\":[[]]}", "/enum/0: only strings, whole numbers"},
    {"{\"type\":\"integer\",\"enum\":[1,99999999999999999999]}", "/enum/1: does not fit 64 bits"},
    {"{\"type\":\"integer\",\"enum\":[18446744073709551615]}", "/enum/0: does not fit 64 bits"},
    {"{\"type\":\"string\",\"title\":\"a\\tb\"}", "/title: must be one line"},
    {"{\"type\":\"string\",\"enum\":[\"a\",\"\\u007f\"]}", "/enum/1: must be one line"},
    {"{\"type\":\"object\",\"properties\":{\"a\\n\":{\"type\":\"null\"}}}",
     "/properties/a?: the name holds a control character"},
    {"{\"type\":\"string\",\"title\":7}", "/title: must be of type string"},
};

static void refused(void)
{
    for (size_t i = 0; i < N(REFUSED); i++) {
        struct schemas all;
        const struct schema *s;
        struct err err;

        CU_ASSERT_EQUAL(load(&all, &s, REFUSED[i].text, &err), -EINVAL);
        CU_ASSERT_EQUAL(strncmp(err.text, REFUSED[i].wanted, strlen(REFUSED[i].wanted)), 0);
        if (strncmp(err.text, REFUSED[i].wanted, strlen(REFUSED[i].wanted)) != 0)
            printf("\n    %s: %s", REFUSED[i].text, err.text);
        schemas_free(&all);
    }
}

/* Schemas that lead to each other without end are an error, not an overrun of the stack. */
static void chain(void)
{
    for (int links = SCHEMA_DEPTH_MAX - 1; links <= SCHEMA_DEPTH_MAX; links++) {
        char *text = malloc((size_t)links * 80 + 256);
        size_t n = (size_t)sprintf(text, "{\"type\":\"array\",\"items\":{\"$ref\":\"#/x-s/1\"},"
                                         "\"x-s\":[0");
        struct schemas all;
        const struct schema *s;
        struct err err;
        int r;

        for (int i = 1; i < links; i++)
            n += (size_t)sprintf(text + n,
                                 ",{\"type\":\"array\",\"items\":{\"$ref\":\"#/x-s/%d\"}}", i + 1);
        sprintf(text + n, ",{\"type\":\"null\"}]}");
        r = load(&all, &s, text, &err);
        CU_ASSERT_EQUAL(r, links < SCHEMA_DEPTH_MAX ? 0 : -EINVAL);
        CU_ASSERT(r == 0 || strstr(err.text, "schemas are inside each other") != NULL);
        schemas_free(&all);
        free(text);
    }
}

static void too_many_properties(void)
{
    char *text = malloc((SCHEMA_PROPERTIES_MAX + 1) * 32 + 64), name[SCHEMA_NAME_MAX + 2];
    size_t n = (size_t)sprintf(text, "{\"type\":\"object\",\"properties\":{");
    struct schemas all;
    const struct schema *s;
    struct err err;

    for (int i = 0; i <= SCHEMA_PROPERTIES_MAX; i++)
        n += (size_t)sprintf(text + n, "%s\"%d\":{\"type\":\"null\"}", i ? "," : "", i);
    sprintf(text + n, "}}");
    CU_ASSERT_EQUAL(load(&all, &s, text, &err), -EINVAL);
    CU_ASSERT_EQUAL(strncmp(err.text, "/properties: has more than", 26), 0);
    schemas_free(&all);

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    for (size_t cut = 0; cut < 2; cut++) {
        sprintf(text, "{\"type\":\"object\",\"properties\":{\"%s\":{\"type\":\"null\"}}}",
                name + cut);
        CU_ASSERT_EQUAL(load(&all, &s, text, &err), cut ? 0 : -EINVAL);
        CU_ASSERT(cut || strstr(err.text, "longer than 128 bytes") != NULL);
        schemas_free(&all);
    }
    free(text);
}

/* Every value of a list of any length is found, and nothing between them. */
static void choices(void)
{
    for (int count = 1; count <= 40; count++) {
        char text[1024], value[16];
        size_t n = (size_t)sprintf(text, "{\"type\":\"string\",\"enum\":[");
        struct schemas all;
        const struct schema *s;
        struct err err;

        for (int i = count; i > 0; i--)
            n += (size_t)sprintf(text + n, "\"%02d\"%s", 2 * i, i > 1 ? "," : "]}");
        CU_ASSERT_EQUAL_FATAL(load(&all, &s, text, &err), 0);
        for (int i = 0; i <= 2 * count + 1; i++) {
            struct slice v = slice_of(value, (size_t)sprintf(value, "%02d", i));

            CU_ASSERT_EQUAL(schema_has_choice(s, v, true), i > 0 && i % 2 == 0);
        }
        schemas_free(&all);
    }
}

static void nothing(void)
{
    CU_ASSERT_PTR_NULL(schema_find(&SCHEMA_NOTHING, slice_str("a")));
    CU_ASSERT(SCHEMA_NOTHING.closed && SCHEMA_NOTHING.types == SCHEMA_OBJECT);
    CU_ASSERT_STRING_EQUAL(schema_type_name(SCHEMA_INTEGER), "an integer");
}

static const struct unit_case CASES[] = {
    {"tables", tables},   {"type text", type_text}, {"endless type text", endless_type_text},
    {"refused", refused}, {"chain", chain},         {"too many properties", too_many_properties},
    {"choices", choices}, {"nothing", nothing},
};

UNIT_MAIN("schema", CASES)
