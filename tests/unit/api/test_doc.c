/*
 * An administrator's JSON: what is refused before json-c sees it, where a place says it is, and
 * where references lead.
 */
#include "api/doc.h"

#include "unit/scarce.h"
#include "unit/unit.h"

#include "api/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* The text lies right before an unreadable page, as json-c is given a length. */
static int open_text(struct doc *doc, const char *text, struct err *err)
{
    size_t n = strlen(text);
    char *guarded = unit_guard(text, n);
    int r;

    *err = (struct err)ERR_INIT;
    r = doc_open(doc, slice_of(guarded, n), err);
    unit_guard_free(guarded, n);
    return r;
}

static void refused(void)
{
    static const struct {
        const char *text, *why;
    } T[] = {
        {"", "empty"},
        {"{\"a\":1", "line 1, column 7"},
        {"{\n  \"a\":1,\n  \"a\":2}", "line 3, column 3"},
        {"{\"a\":{\"b\":1,\"\\u0062\":2}}", "column 13"},
        {"[]", "object"},
        {"{} {}", "column 4"},
        {"{\"a\":\"\\u0000\"}", "\\u0000"},
        {"{\"a\":\"\377\"}", "UTF-8"},
        {"\357\273\277{}", "line 1"},
        {"{\"a\":NaN}", "line 1"},
        {"{/**/}", "line 1"},
        {"{'a':1}", "line 1"},
    };
    struct err err;
    struct doc doc;

    for (size_t i = 0; i < N(T); i++) {
        CU_ASSERT_EQUAL(open_text(&doc, T[i].text, &err), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, T[i].why));
        if (!strstr(err.text, T[i].why))
            printf("\n    %s: %s", T[i].text, err.text);
    }
}

static void too_long(void)
{
    size_t n = DOC_TEXT_MAX + 1;
    char *text = malloc(n);
    struct err err = ERR_INIT;
    struct doc doc;

    memset(text, ' ', n);
    memcpy(text, "{}", 2);
    CU_ASSERT_EQUAL(doc_open(&doc, slice_of(text, n), &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "4 MiB"));
    CU_ASSERT_EQUAL(doc_open(&doc, slice_of(text, n - 1), &err), 0);
    json_object_put(doc.root);
    free(text);
}

static void as_deep_as_a_body(void)
{
    char text[JSON_DEPTH_MAX * 8];
    struct err err;
    struct doc doc;

    for (int depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        size_t n = 0;

        for (int i = 0; i < depth; i++)
            n += (size_t)sprintf(text + n, "{\"d\":");
        text[n++] = '1';
        for (int i = 0; i < depth; i++)
            text[n++] = '}';
        text[n] = '\0';
        CU_ASSERT_EQUAL(open_text(&doc, text, &err), depth > JSON_DEPTH_MAX ? -EINVAL : 0);
        if (depth == JSON_DEPTH_MAX)
            json_object_put(doc.root);
    }
}

static void places(void)
{
    struct err err;
    struct doc doc, at;

    CU_ASSERT_EQUAL_FATAL(
        open_text(&doc, "{\"a/b\":{\"~\":[true,\"x\"]},\"n\":null,\"\":1,\"c\\u0001\":2}", &err),
        0);
    CU_ASSERT_STRING_EQUAL(doc.pointer, "");
    at = doc_member(&doc, "a/b");
    CU_ASSERT_STRING_EQUAL(at.pointer, "/a~1b");
    at = doc_member(&at, "~");
    at = doc_element(&at, 1);
    CU_ASSERT_STRING_EQUAL(at.pointer, "/a~1b/~0/1");
    CU_ASSERT_STRING_EQUAL(doc_text(&at), "x");
    CU_ASSERT(doc_is(&at, json_type_string));
    CU_ASSERT_EQUAL(doc_want(&at, json_type_string), 0);
    CU_ASSERT_EQUAL(doc_want(&at, json_type_int), -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "/a~1b/~0/1: must be of type int");
    CU_ASSERT_EQUAL(doc_fail(&doc, "is %s", "odd"), -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "/: is odd");

    /* places that do not exist */
    at = doc_member(&doc, "z");
    CU_ASSERT_PTR_NULL(at.value);
    CU_ASSERT_STRING_EQUAL(at.pointer, "/z");
    CU_ASSERT_STRING_EQUAL(doc_text(&at), "");
    CU_ASSERT_EQUAL(doc_want(&at, json_type_string), -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "/z: is missing");
    at = doc_element(&at, 0);
    at = doc_member(&at, "y");
    CU_ASSERT_PTR_NULL(at.value);
    CU_ASSERT_STRING_EQUAL(at.pointer, "/z/0/y");
    at = doc_element(&doc, 7);
    CU_ASSERT_PTR_NULL(at.value);
    at = doc_member(&doc, "n");
    CU_ASSERT_PTR_NULL(at.value);
    at = doc_member(&doc, "");
    CU_ASSERT_STRING_EQUAL(at.pointer, "/");
    CU_ASSERT_PTR_NOT_NULL(at.value);
    at = doc_member(&doc, "c\001");
    CU_ASSERT_STRING_EQUAL(at.pointer, "/c?");
    json_object_put(doc.root);
}

/* A pointer that gets too long is cut; nothing is written behind it. */
static void long_pointer(void)
{
    char key[DOC_POINTER_MAX * 2 + 1], text[DOC_POINTER_MAX * 2 + 16];
    struct err err;
    struct doc doc, at;

    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    sprintf(text, "{\"%s\":{\"x\":1}}", key);
    CU_ASSERT_EQUAL_FATAL(open_text(&doc, text, &err), 0);
    for (size_t skip = 0; skip < sizeof(key); skip++) {
        at = doc_member(&doc, key + skip);
        CU_ASSERT_EQUAL(at.value != NULL, skip == 0);
        at = doc_member(&at, "~");
        at = doc_element(&at, 123456);
        CU_ASSERT(strlen(at.pointer) < sizeof(at.pointer));
    }
    json_object_put(doc.root);
}

static void references(void)
{
    static const struct {
        const char *ref, *wanted; /* what is there; NULL: refused */
    } T[] = {
        {"#/a", "\"here\""},
        {"#/o/b~1c", "1"},
        {"#/o/~0", "2"},
        {"#/l/1", "\"second\""},
        {"#/to", "\"here\""},
        {"#/l/2", NULL},
        {"#/l/x", NULL},
        {"#/l/1x", NULL},
        {"#/l/-1", NULL},
        {"#/l/", NULL},
        {"#/l/18446744073709551616", NULL},
        {"#/a/b", NULL},
        {"#/none", NULL},
        {"#", NULL},
        {"", NULL},
        {"#a", NULL},
        {"/a", NULL},
        {"other.json#/a", NULL},
        {"#/o/~2", NULL},
        {"#/o/~", NULL},
        {"#/o/%7E", NULL},
        {"#/circle", NULL},
        {"#/start", NULL},
    };
    char text[512];
    struct err err;
    struct doc doc, at;

    for (size_t i = 0; i < N(T); i++) {
        int r;

        sprintf(text,
                "{\"a\":\"here\",\"o\":{\"b/c\":1,\"~\":2},\"l\":[\"first\",\"second\"],"
                "\"to\":{\"$ref\":\"#/a\"},\"circle\":{\"$ref\":\"#/circle\"},"
                "\"start\":{\"$ref\":\"%s\"}}",
                T[i].ref);
        CU_ASSERT_EQUAL_FATAL(open_text(&doc, text, &err), 0);
        at = doc_member(&doc, "start");
        r = doc_follow(&at);
        CU_ASSERT_EQUAL(r, T[i].wanted ? 0 : -EINVAL);
        if (r == 0 && T[i].wanted)
            CU_ASSERT_STRING_EQUAL(json_object_to_json_string_ext(at.value, JSON_C_TO_STRING_PLAIN),
                                   T[i].wanted);
        if (r != 0)
            CU_ASSERT(strncmp(err.text, "/", 1) == 0 && strstr(err.text, "$ref") != NULL);
        if ((r == 0) != (T[i].wanted != NULL))
            printf("\n    %s: %d %s", T[i].ref, r, err.text);
        json_object_put(doc.root);
    }
}

static void all_references(void)
{
    static const struct {
        const char *text, *why;
    } T[] = {
        {"{\"a\":{\"$ref\":\"#/b\"},\"b\":1}", NULL},
        {"{\"a\":[1,{\"x\":{\"$ref\":\"#/c\"}}],\"b\":1}", "/a/1/x/$ref: "},
        {"{\"a\":{\"$ref\":1}}", "/a/$ref: "},
        {"{\"a\":{\"$ref\":\"#/b\",\"type\":\"x\"},\"b\":1}", "/a/type: "},
        {"{\"a\":{\"$ref\":\"#/b\",\"description\":\"x\",\"x-mine\":1},\"b\":1}", NULL},
    };
    struct err err;
    struct doc doc;

    for (size_t i = 0; i < N(T); i++) {
        struct doc at;
        int r;

        CU_ASSERT_EQUAL_FATAL(open_text(&doc, T[i].text, &err), 0);
        r = doc_check_references(&doc);
        at = doc_member(&doc, "a");
        if (r == 0 && doc_is(&at, json_type_object))
            r = doc_follow(&at);
        CU_ASSERT_EQUAL(r, T[i].why ? -EINVAL : 0);
        CU_ASSERT(!T[i].why || strncmp(err.text, T[i].why, strlen(T[i].why)) == 0);
        if (T[i].why && strncmp(err.text, T[i].why, strlen(T[i].why)) != 0)
            printf("\n    %s: %s", T[i].text, err.text);
        json_object_put(doc.root);
    }
}

static const char SCARCE[] =
    "{\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":80},\"id\":{\"type\":\"integer\"}"
    "},"
    "\"required\":[\"name\",\"id\"],\"additionalProperties\":false,\"n\":1.5,\"no\":null}";

static struct doc scarce;
static struct err scarce_err;

static int open_scarce(void)
{
    return doc_open(&scarce, slice_of(SCARCE, sizeof(SCARCE) - 1), &scarce_err);
}

static bool all_there(void)
{
    return strcmp(json_object_to_json_string_ext(scarce.root, JSON_C_TO_STRING_PLAIN), SCARCE) == 0;
}

static void memory_runs_out(void)
{
    scarce_sweep(open_scarce, all_there);
}

static const struct unit_case CASES[] = {
    {"refused", refused},
    {"too long", too_long},
    {"as deep as a body", as_deep_as_a_body},
    {"places", places},
    {"long pointer", long_pointer},
    {"references", references},
    {"all references", all_references},
    {"memory runs out", memory_runs_out},
};

UNIT_MAIN("doc", CASES)
