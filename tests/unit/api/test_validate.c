/*
 * Validation against a table of (schema, body, what is reported), the limits of a report, and the
 * shipped description with the API document's example. Bodies lie right before an unreadable page.
 */
#include "api/validate.h"

#include "unit/unit.h"

#include "api/canon.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* A schema with its document closed again, and what a body must pass through first. */
struct checker {
    struct schemas all;
    const struct schema *schema;
    struct canon canon;
    struct validate_report report;
};

static void open_checker(struct checker *c, const char *schema)
{
    struct err err = ERR_INIT;
    struct doc doc;

    memset(c, 0, sizeof(*c));
    CU_ASSERT_EQUAL_FATAL(doc_open(&doc, slice_str(schema), &err), 0);
    if (schema_load(&c->all, &c->schema, &doc) < 0) {
        printf("\n    %s: %s", schema, err.text);
        CU_FAIL_FATAL("the schema can't be loaded");
    }
    json_object_put(doc.root);
    canon_init(&c->canon);
}

static void close_checker(struct checker *c)
{
    canon_deinit(&c->canon);
    validate_report_deinit(&c->report);
    schemas_free(&c->all);
}

static bool whole(const char *text)
{
    size_t n = strlen(text), step = 1;

    for (size_t i = 0; i < n && step > 0; i += step)
        step = utf8_len((const unsigned char *)text + i, n - i);
    return step > 0;
}

/* Checks one body; the texts of the report are whole lines of UTF-8. */
static void run(struct checker *c, const char *body, size_t n)
{
    char *guarded = unit_guard(body, n);
    struct slice s = slice_of(guarded, n);
    struct canon_error why;
    int r = canon_body(&c->canon, s, CANON_FLATTEN, &why);

    if (r != 0)
        printf("\n    %.*s: %s", (int)n, body, why.text);
    CU_ASSERT_EQUAL_FATAL(r, 0);
    CU_ASSERT_EQUAL(validate(c->schema, &c->canon.tape, s, &c->report), 0);
    unit_guard_free(guarded, n);
    CU_ASSERT(c->report.n <= c->report.total && c->report.n <= VALIDATE_PROBLEMS_MAX);
    for (size_t i = 0; i < c->report.n; i++) {
        const struct validate_problem *p = &c->report.problems[i];

        CU_ASSERT(whole(p->field) && whole(p->text));
        CU_ASSERT(strlen(p->field) < sizeof(p->field) && strlen(p->text) < sizeof(p->text));
        CU_ASSERT_EQUAL(strncmp(p->text, p->field, strlen(p->field)), 0);
        for (const char *at = p->text; *at; at++)
            CU_ASSERT((unsigned char)*at >= 0x20);
    }
}

/* "CODE FIELD: SENTENCE" of each problem, a line each; "" when there is none. */
static const char *report_text(const struct checker *c)
{
    static char out[4096];
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < c->report.n && n < sizeof(out); i++)
        n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s %s", i ? "\n" : "",
                              c->report.problems[i].code, c->report.problems[i].text);
    return out;
}

#define O(members)                                                                                 \
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{" members "}}"
#define A(type) O("\"a\":{\"type\":" type "}")

static const struct {
    const char *schema, *body, *wanted;
} T[] = {
    /* types */
    {A("\"string\""), "{\"a\":\"\"}", ""},
    {A("\"string\""), "{\"a\":1}", "invalid_field a: 1 is not accepted; expected a string"},
    {A("\"string\""), "{\"a\":null}", "invalid_field a: null is not accepted; expected a string"},
    {A("\"string\""), "{\"a\":[\"x\"]}",
     "invalid_field a: an array is not accepted; expected a string"},
    {A("\"string\""), "{\"a\":{}}",
     "invalid_field a: an object is not accepted; expected a string"},
    {A("\"boolean\""), "{\"a\":true}", ""},
    {A("\"boolean\""), "{\"a\":false}", ""},
    {A("\"boolean\""), "{\"a\":\"true\"}",
     "invalid_field a: the string \"true\" is not accepted; expected true or false"},
    {A("\"boolean\""), "{\"a\":0}", "invalid_field a: 0 is not accepted; expected true or false"},
    {A("\"null\""), "{\"a\":null}", ""},
    {A("\"null\""), "{\"a\":0}", "invalid_field a: 0 is not accepted; expected null"},
    {A("[\"string\",\"null\"]"), "{\"a\":null}", ""},
    {A("[\"string\",\"null\"]"), "{\"a\":\"\\u006eull\"}", ""},
    {A("[\"integer\",\"boolean\"]"), "{\"a\":\"x\"}",
     "invalid_field a: the string \"x\" is not accepted; expected true or false or an integer"},
    {A("\"object\""), "{\"a\":{\"b\":[1,{}]}}", ""},
    {A("\"array\""), "{\"a\":[1,\"x\",null,[],{}]}", ""},
    {A("\"array\""), "{\"a\":{}}", "invalid_field a: an object is not accepted; expected an array"},
    {A("\"string\""), "{}", ""},
    {A("\"string\""), "[]", NULL}, /* canon's to refuse */

    /* integers */
    {A("\"integer\""), "{\"a\":0}", ""},
    {A("\"integer\""), "{\"a\":-1}", ""},
    {A("\"integer\""), "{\"a\":9223372036854775807}", ""},
    {A("\"integer\""), "{\"a\":-9223372036854775808}", ""},
    {A("\"integer\""), "{\"a\":9223372036854775808}",
     "invalid_field a: 9223372036854775808 does not fit an integer of 64 bits"},
    {A("\"integer\""), "{\"a\":-9223372036854775809}",
     "invalid_field a: -9223372036854775809 does not fit an integer of 64 bits"},
    {A("\"integer\""), "{\"a\":18446744073709551616}",
     "invalid_field a: 18446744073709551616 does not fit an integer of 64 bits"},
    {A("\"integer\""), "{\"a\":-0}", "invalid_field a: -0 has a sign; expected 0"},
    {A("\"integer\""), "{\"a\":1.0}",
     "invalid_field a: 1.0 is no whole number written plainly; expected an integer without a "
     "fraction or an exponent"},
    {A("\"integer\""), "{\"a\":1e3}",
     "invalid_field a: 1e3 is no whole number written plainly; expected an integer without a "
     "fraction or an exponent"},
    {A("\"integer\""), "{\"a\":\"1\"}",
     "invalid_field a: the string \"1\" is not accepted; expected an integer"},

    /* bounds */
    {O("\"a\":{\"type\":\"integer\",\"minimum\":-1,\"maximum\":3}"), "{\"a\":-1}", ""},
    {O("\"a\":{\"type\":\"integer\",\"minimum\":-1,\"maximum\":3}"), "{\"a\":3}", ""},
    {O("\"a\":{\"type\":\"integer\",\"minimum\":-1,\"maximum\":3}"), "{\"a\":-2}",
     "invalid_field a: -2 is too small; expected -1 or more"},
    {O("\"a\":{\"type\":\"integer\",\"minimum\":-1,\"maximum\":3}"), "{\"a\":4}",
     "invalid_field a: 4 is too large; expected 3 or less"},
    {O("\"a\":{\"type\":\"integer\",\"maximum\":9007199254740993}"), "{\"a\":9007199254740993}",
     ""},
    {O("\"a\":{\"type\":\"integer\",\"maximum\":9007199254740993}"), "{\"a\":9007199254740994}",
     "invalid_field a: 9007199254740994 is too large; expected 9007199254740993 or less"},

    /* numbers */
    {A("\"number\""), "{\"a\":1.5e300}", ""},
    {A("\"number\""), "{\"a\":1e999}", ""},
    {A("\"number\""), "{\"a\":-0}", ""},
    {A("\"number\""), "{\"a\":123456789012345678901234567890}", ""},
    {A("\"number\""), "{\"a\":\"1\"}",
     "invalid_field a: the string \"1\" is not accepted; expected a number"},
    {O("\"a\":{\"type\":\"number\",\"minimum\":0,\"maximum\":10}"), "{\"a\":10}", ""},
    {O("\"a\":{\"type\":\"number\",\"minimum\":0,\"maximum\":10}"), "{\"a\":1e1}", ""},
    {O("\"a\":{\"type\":\"number\",\"minimum\":0,\"maximum\":10}"), "{\"a\":10.5}",
     "invalid_field a: 10.5 is too large; expected 10 or less"},
    {O("\"a\":{\"type\":\"number\",\"minimum\":0,\"maximum\":10}"), "{\"a\":-0.5}",
     "invalid_field a: -0.5 is too small; expected 0 or more"},
    {O("\"a\":{\"type\":\"number\",\"minimum\":0,\"maximum\":10}"), "{\"a\":1e999}",
     "invalid_field a: 1e999 is too large; expected 10 or less"},
    {O("\"a\":{\"type\":\"number\",\"maximum\":10}"),
     "{\"a\":0.000000000000000000000000000000000000000000000000000000000000000000001}",
     "invalid_field a: 0.00000000000000000000000000000000000000000000000000000000000000... is too "
     "long to be compared with its bounds"},

    /* closed lists */
    {O("\"a\":{\"type\":\"string\",\"enum\":[\"SE\",\"EN\"]}"), "{\"a\":\"SE\"}", ""},
    {O("\"a\":{\"type\":\"string\",\"enum\":[\"SE\",\"EN\"]}"), "{\"a\":\"\\u0053E\"}", ""},
    {O("\"a\":{\"type\":\"string\",\"enum\":[\"SE\",\"EN\"]}"), "{\"a\":\"se\"}",
     "invalid_field a: \"se\" is not accepted; expected one of \"EN\", \"SE\""},
    {O("\"a\":{\"type\":\"string\",\"enum\":[\"SE\",\"EN\"]}"), "{\"a\":\"SEN\"}",
     "invalid_field a: \"SEN\" is not accepted; expected one of \"EN\", \"SE\""},
    {O("\"a\":{\"type\":\"string\",\"enum\":[\"SE\"]}"), "{\"a\":\"\"}",
     "invalid_field a: \"\" is not accepted; expected \"SE\""},
    {O("\"a\":{\"type\":\"string\",\"title\":\"language\",\"enum\":[\"SE\"]}"), "{\"a\":\"XX\"}",
     "invalid_field a: \"XX\" is not a known language; expected one of \"SE\""},
    {O("\"a\":{\"type\":[\"string\",\"integer\"],\"enum\":[\"1\",2]}"), "{\"a\":\"1\"}", ""},
    {O("\"a\":{\"type\":[\"string\",\"integer\"],\"enum\":[\"1\",2]}"), "{\"a\":2}", ""},
    {O("\"a\":{\"type\":[\"string\",\"integer\"],\"enum\":[\"1\",2]}"), "{\"a\":1}",
     "invalid_field a: 1 is not accepted; expected one of \"1\", 2"},
    {O("\"a\":{\"type\":[\"string\",\"integer\"],\"enum\":[\"1\",2]}"), "{\"a\":\"2\"}",
     "invalid_field a: \"2\" is not accepted; expected one of \"1\", 2"},
    {O("\"a\":{\"type\":[\"boolean\",\"null\"],\"enum\":[true,null]}"), "{\"a\":null}", ""},
    {O("\"a\":{\"type\":[\"boolean\",\"null\"],\"enum\":[true,null]}"), "{\"a\":false}",
     "invalid_field a: false is not accepted; expected one of null, true"},

    /* lengths count characters */
    {O("\"a\":{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}"), "{\"a\":\"ab\"}", ""},
    {O("\"a\":{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}"),
     "{\"a\":\"\303\245\303\244\303\266\"}", ""},
    {O("\"a\":{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}"),
     "{\"a\":\"\\u00e5\\ud83d\\ude00\"}", ""},
    {O("\"a\":{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}"), "{\"a\":\"\\n\"}",
     "invalid_field a: \"\\n\" has 1 characters; expected at least 2"},
    {O("\"a\":{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}"), "{\"a\":\"abcd\"}",
     "invalid_field a: \"abcd\" has 4 characters; expected at most 3"},

    /* patterns */
    {O("\"a\":{\"type\":\"string\",\"pattern\":\"^[0-9]+$\"}"), "{\"a\":\"12\"}", ""},
    {O("\"a\":{\"type\":\"string\",\"pattern\":\"^[0-9]+$\"}"), "{\"a\":\"\\u0031\"}", ""},
    {O("\"a\":{\"type\":\"string\",\"pattern\":\"^[0-9]+$\"}"), "{\"a\":\"1x\"}",
     "invalid_field a: \"1x\" does not match ^[0-9]+$"},
    {O("\"a\":{\"type\":\"string\",\"title\":\"time\",\"pattern\":\"^[0-9]+$\"}"), "{\"a\":\"\"}",
     "invalid_field a: \"\" is no time; expected to match ^[0-9]+$"},

    /* objects */
    {A("\"string\""), "{\"b\":1}", "unknown_field b: is not known here; expected one of a"},
    {A("\"string\""), "{\"A\":\"\"}", "unknown_field A: is not known here; expected one of a"},
    {A("\"string\""), "{\"\\u0061\":1}", "invalid_field a: 1 is not accepted; expected a string"},
    {A("\"string\""), "{\"\":1}", "unknown_field : is not known here; expected one of a"},
    {A("\"string\""), "{\"x\\ny\":1}", "unknown_field x\\ny: is not known here; expected one of a"},
    {A("\"string\""), "{\"x\\u0000\":1}",
     "unknown_field x\\u0000: is not known here; expected one of a"},
    {"{\"type\":\"object\",\"additionalProperties\":false}", "{\"a\":1}",
     "unknown_field a: is not known: no field is expected here"},
    {"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}}", "{\"a\":1,\"b\":2}",
     ""},
    {"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}}",
     "{\"a\":1,\"b\":\"2\"}",
     "invalid_field b: the string \"2\" is not accepted; expected an integer"},
    {"{\"type\":\"object\",\"additionalProperties\":true}", "{\"a\":1,\"b\":\"2\"}", ""},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}}}", "{\"b\":\"2\"}", ""},

    /* what is required, in the order of names */
    {"{\"type\":\"object\",\"properties\":{\"b\":{\"type\":\"integer\"},\"a\":{\"type\":\"string\"}"
     "},"
     "\"required\":[\"b\",\"a\"]}",
     "{}",
     "missing_field a: is required and not there; expected a string\n"
     "missing_field b: is required and not there; expected an integer"},
    {"{\"type\":\"object\",\"properties\":{\"b\":{\"type\":\"integer\"},\"a\":{\"type\":\"string\"}"
     "},"
     "\"required\":[\"b\",\"a\"]}",
     "{\"\\u0062\":1,\"c\":2}", "missing_field a: is required and not there; expected a string"},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},\"required\":[\"a\"]}",
     "{\"a\":null}", "invalid_field a: null is not accepted; expected a string"},
    {O("\"o\":{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":{\"type\":\"string\"}"
       "}}"),
     "{\"o\":{}}", "missing_field o.a: is required and not there; expected a string"},
    {O("\"o\":{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":{\"type\":\"string\"}"
       "}}"),
     "{}", ""},

    /* paths, and every problem in the order of the body */
    {O("\"l\":{\"type\":\"array\",\"items\":" O("\"id\":{\"type\":\"integer\"}") "}"),
     "{\"l\":[{\"id\":1},{\"id\":\"x\"},7,{\"ix\":0}]}",
     "invalid_field l[1].id: the string \"x\" is not accepted; expected an integer\n"
     "invalid_field l[2]: 7 is not accepted; expected an object\n"
     "unknown_field l[3].ix: is not known here; expected one of id"},
    {O("\"l\":{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}"
       "}"),
     "{\"l\":[[1],[2,null]]}", "invalid_field l[1][1]: null is not accepted; expected an integer"},
    {O("\"d\":" O("\"Friday\":" O("\"end\":{\"type\":\"string\"}"))),
     "{\"d\":{\"Friday\":{\"end\":1}}}",
     "invalid_field d.Friday.end: 1 is not accepted; expected a string"},
    {O("\"a\":{\"type\":\"string\"},\"b\":{\"type\":\"string\"}"), "{\"b\":1,\"a\":2}",
     "invalid_field b: 1 is not accepted; expected a string\n"
     "invalid_field a: 2 is not accepted; expected a string"},

    /* a schema within itself */
    {"{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"v\":{\"type\":"
     "\"integer\"},"
     "\"next\":{\"$ref\":\"#/properties/"
     "self\"},\"self\":{\"type\":\"object\",\"additionalProperties\":"
     "false,\"properties\":{\"v\":{\"type\":\"integer\"},\"next\":{\"$ref\":\"#/properties/"
     "self\"}}}}}",
     "{\"next\":{\"next\":{\"next\":{\"v\":1.5}}}}",
     "invalid_field next.next.next.v: 1.5 is no whole number written plainly; expected an integer "
     "without a fraction or an exponent"},
};

static void table(void)
{
    for (size_t i = 0; i < N(T); i++) {
        struct checker c;

        if (!T[i].wanted)
            continue;
        open_checker(&c, T[i].schema);
        run(&c, T[i].body, strlen(T[i].body));
        CU_ASSERT_STRING_EQUAL(report_text(&c), T[i].wanted);
        if (strcmp(report_text(&c), T[i].wanted) != 0)
            printf("\n    %s\n    got    %s\n    wanted %s", T[i].body, report_text(&c),
                   T[i].wanted);
        CU_ASSERT_EQUAL(c.report.n, c.report.total);
        close_checker(&c);
    }
}

/* More mistakes than a report lists are counted; the report is good for the next body. */
static void many(void)
{
    enum { WRONG = 3000 };
    char *body = malloc(8 * WRONG + 16);
    size_t n = 0;
    struct checker c;

    open_checker(&c, O("\"a\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"));
    n += (size_t)sprintf(body, "{\"a\":[");
    for (unsigned i = 0; i < WRONG; i++)
        n += (size_t)sprintf(body + n, "%s%u", i ? "," : "", i);
    n += (size_t)sprintf(body + n, "]}");
    run(&c, body, n);
    CU_ASSERT_EQUAL(c.report.total, WRONG);
    CU_ASSERT_EQUAL(c.report.n, VALIDATE_PROBLEMS_MAX);
    CU_ASSERT_STRING_EQUAL(c.report.problems[255].field, "a[255]");
    CU_ASSERT_EQUAL(validate_add(&c.report, "invalid_field", "a", "a: %s", "one more"), 0);
    CU_ASSERT_EQUAL(c.report.total, WRONG + 1);
    CU_ASSERT_EQUAL(c.report.n, VALIDATE_PROBLEMS_MAX);
    run(&c, "{\"a\":[\"x\"]}", 11);
    CU_ASSERT_EQUAL(c.report.total, 0);
    CU_ASSERT_EQUAL(validate_add(&c.report, "invalid_field", "a", "a: %s", "one"), 0);
    CU_ASSERT_STRING_EQUAL(report_text(&c), "invalid_field a: one");
    close_checker(&c);
    free(body);
}

/* Texts that don't fit are cut between characters, whatever their length. */
static void cut(void)
{
    struct checker c;
    char body[4096], key[1024];

    open_checker(&c, "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\","
                     "\"additionalProperties\":{\"type\":\"integer\"}}}");
    for (size_t len = 1; len < 200; len++) {
        size_t n = 0;

        for (size_t i = 0; i < len; i++)
            n += (size_t)sprintf(key + n, "%s", i % 3 ? "\303\245" : "\360\237\230\200");
        n = (size_t)sprintf(body, "{\"%s\":{\"k\":\"%s\"}}", key, key);
        run(&c, body, n);
        CU_ASSERT_EQUAL(c.report.total, 1);
        CU_ASSERT_EQUAL(
            strncmp(c.report.problems[0].field, key, strlen(key) < 100 ? strlen(key) : 100), 0);
    }
    close_checker(&c);
}

/* As deep as JSON may be. */
static void deep(void)
{
    struct checker c;
    char body[JSON_DEPTH_MAX * 16], wanted[JSON_DEPTH_MAX * 4];
    size_t n = 0, m = 0;

    open_checker(&c,
                 "{\"type\":[\"object\",\"string\"],\"additionalProperties\":{\"$ref\":\"#/x-s\"},"
                 "\"x-s\":{\"type\":[\"object\",\"string\"],\"additionalProperties\":{\"$ref\":"
                 "\"#/x-s\"}}}");
    for (int i = 0; i < JSON_DEPTH_MAX; i++) {
        n += (size_t)sprintf(body + n, "{\"d\":");
        m += (size_t)sprintf(wanted + m, "%sd", i ? "." : "");
    }
    n += (size_t)sprintf(body + n, "true");
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        body[n++] = '}';
    run(&c, body, n);
    CU_ASSERT_EQUAL(c.report.total, 1);
    CU_ASSERT_STRING_EQUAL(c.report.problems[0].field, wanted);
    close_checker(&c);
}

/* A description with as many properties as it may have finds each of them and no other. */
static void wide(void)
{
    char *schema = malloc(SCHEMA_PROPERTIES_MAX * 48 + 64), body[64];
    size_t n = 0;
    struct checker c;

    n += (size_t)sprintf(schema,
                         "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{");
    for (int i = 0; i < SCHEMA_PROPERTIES_MAX; i++)
        n += (size_t)sprintf(schema + n, "%s\"p%d\":{\"type\":\"integer\",\"minimum\":%d}",
                             i ? "," : "", i, i);
    sprintf(schema + n, "}}");
    open_checker(&c, schema);
    CU_ASSERT_EQUAL(c.schema->n_properties, SCHEMA_PROPERTIES_MAX);
    for (int i = 0; i < SCHEMA_PROPERTIES_MAX; i++) {
        run(&c, body, (size_t)sprintf(body, "{\"p%d\":%d}", i, i));
        CU_ASSERT_EQUAL(c.report.total, 0);
        run(&c, body, (size_t)sprintf(body, "{\"p%d\":%d}", i, i - 1));
        CU_ASSERT_EQUAL(c.report.total, 1);
        run(&c, body, (size_t)sprintf(body, "{\"q%d\":%d}", i, i));
        CU_ASSERT_STRING_EQUAL(c.report.problems[0].code, "unknown_field");
    }
    close_checker(&c);
    free(schema);
}

static const struct unit_case CASES[] = {
    {"table", table}, {"many", many}, {"cut", cut}, {"deep", deep}, {"wide", wide},
};

UNIT_MAIN("validate", CASES)
