#include "base/settings.h"
#include "unit/scarce.h"
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64];

static const char *file(const char *text)
{
    FILE *f;

    (void)snprintf(path, sizeof(path), "/tmp/test_settings_XXXXXX");
    f = fdopen(mkstemp(path), "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(fputs(text, f) < 0, 0);
    (void)fclose(f);
    return path;
}

static struct settings *open_good(const char *text)
{
    struct settings *s = NULL;
    struct err err = ERR_INIT;

    CU_ASSERT_EQUAL_FATAL(settings_open(&s, file(text), &err), 0);
    (void)unlink(path);
    return s;
}

static void reads_what_is_there(void)
{
    static const char *const WORDS[] = {"one", "two", NULL};
    struct settings *s = open_good("a = \"text\"; b = true; n = 7; big = 8000000000L; t = 1.5;\n"
                                   "whole = 2; w = \"two\"; g = { x = \"y\"; };\n"
                                   "l = ( { i = 1; }, { i = 2; } );\n");
    struct settings_node root = settings_root(s), g, l;
    const char *text = "default";
    struct err err = ERR_INIT;
    bool flag = false;
    int64_t n = 0;
    uint64_t us = 0;
    unsigned word = 0, count = 0;

    CU_ASSERT_EQUAL(settings_string(root, "a", &text, &err), 0);
    CU_ASSERT_STRING_EQUAL(text, "text");
    CU_ASSERT_EQUAL(settings_string(root, "absent", &text, &err), 0);
    CU_ASSERT_STRING_EQUAL(text, "text");
    CU_ASSERT_EQUAL(settings_bool(root, "b", &flag, &err), 0);
    CU_ASSERT_TRUE(flag);
    CU_ASSERT_EQUAL(settings_integer(root, "n", 0, 10, &n, &err), 0);
    CU_ASSERT_EQUAL(n, 7);
    CU_ASSERT_EQUAL(settings_integer(root, "big", 0, INT64_MAX, &n, &err), 0);
    CU_ASSERT_EQUAL(n, 8000000000);
    CU_ASSERT_EQUAL(settings_seconds(root, "t", 0, 10000000, &us, &err), 0);
    CU_ASSERT_EQUAL(us, 1500000);
    CU_ASSERT_EQUAL(settings_seconds(root, "whole", 0, 10000000, &us, &err), 0);
    CU_ASSERT_EQUAL(us, 2000000);
    CU_ASSERT_EQUAL(settings_choice(root, "w", WORDS, &word, &err), 0);
    CU_ASSERT_EQUAL(word, 1);
    CU_ASSERT_EQUAL(settings_group(root, "g", &g, &err), 0);
    CU_ASSERT_EQUAL(settings_string(g, "x", &text, &err), 0);
    CU_ASSERT_STRING_EQUAL(text, "y");
    CU_ASSERT_EQUAL(settings_list(root, "l", &l, &count, &err), 0);
    CU_ASSERT_EQUAL(count, 2);
    CU_ASSERT_EQUAL(settings_integer(settings_element(l, 1), "i", 0, 9, &n, &err), 0);
    CU_ASSERT_EQUAL(n, 2);
    CU_ASSERT_EQUAL(settings_group(root, "absent", &g, &err), 0);
    CU_ASSERT_PTR_NULL(g.node);
    CU_ASSERT_EQUAL(settings_string(g, "x", &text, &err), 0);
    settings_free(s);
    settings_free(NULL);
}

static void says(int r, const struct err *err, const char *line_and_name)
{
    CU_ASSERT(r < 0);
    if (!strstr(err->text, line_and_name) || strncmp(err->text, path, strlen(path)) != 0)
        CU_FAIL("the message lacks the file, the line or the setting");
}

static void errors_name_file_line_and_setting(void)
{
    static const char *const WORDS[] = {"one", NULL};
    static const char *const KNOWN[] = {"a", "g", "l", NULL};
    struct settings *s = open_good("a = 1;\ng = {\n  x = true;\n};\nl = ( { i = \"z\"; } );\n");
    struct settings_node root = settings_root(s), g, l;
    const char *text;
    struct err err = ERR_INIT;
    uint64_t us;
    unsigned u;
    int64_t n;
    bool b;

    says(settings_string(root, "a", &text, &err), &err, ":1: a: ");
    says(settings_bool(root, "a", &b, &err), &err, ":1: a: ");
    says(settings_integer(root, "a", 2, 9, &n, &err), &err, ":1: a: must be from 2 to 9");
    says(settings_seconds(root, "a", 2000000, 9000000, &us, &err), &err, ":1: a: ");
    says(settings_choice(root, "a", WORDS, &u, &err), &err, ":1: a: ");
    says(settings_group(root, "a", &g, &err), &err, ":1: a: ");
    says(settings_list(root, "g", &l, &u, &err), &err, ":2: g: ");
    CU_ASSERT_EQUAL(settings_group(root, "g", &g, &err), 0);
    says(settings_seconds(g, "x", 0, 1, &us, &err), &err, ":3: g.x: ");
    says(settings_known(g, KNOWN, &err), &err, ":3: g.x: unknown setting; known here: a, g, l");
    CU_ASSERT_EQUAL(settings_known(root, KNOWN, &err), 0);
    CU_ASSERT_EQUAL(settings_list(root, "l", &l, &u, &err), 0);
    says(settings_integer(settings_element(l, 0), "i", 0, 1, &n, &err), &err, ":5: l[0].i: ");
    settings_free(s);
}

static void test_strings(void)
{
    struct settings *s = open_good("one = \"a\";\nlist = ( \"b\", \"c\" );\narray = [ \"d\" ];\n"
                                   "empty = ();\nmixed = ( \"e\", 1 );\nn = 2;\nr = 2.5;\n"
                                   "g = ( {\n x = 1; } );\n");
    struct settings_node root = settings_root(s), list;
    struct err err = ERR_INIT;
    double real = 0;
    unsigned n = 9;

    CU_ASSERT_EQUAL(settings_strings(root, "absent", &list, &n, &err), 0);
    CU_ASSERT_EQUAL(n, 0);
    CU_ASSERT_EQUAL(settings_strings(root, "one", &list, &n, &err), 0);
    CU_ASSERT_EQUAL(n, 1);
    CU_ASSERT_STRING_EQUAL(settings_string_at(list, 0), "a");
    CU_ASSERT_EQUAL(settings_strings(root, "list", &list, &n, &err), 0);
    CU_ASSERT_EQUAL(n, 2);
    CU_ASSERT_STRING_EQUAL(settings_string_at(list, 1), "c");
    CU_ASSERT_EQUAL(settings_strings(root, "array", &list, &n, &err), 0);
    CU_ASSERT_EQUAL(n, 1);
    CU_ASSERT_STRING_EQUAL(settings_string_at(list, 0), "d");
    says(settings_strings(root, "empty", &list, &n, &err), &err, ":4: empty: must not be empty");
    says(settings_strings(root, "mixed", &list, &n, &err), &err,
         ":5: mixed: element 2 must be a string");
    says(settings_strings(root, "n", &list, &n, &err), &err, ":6: n: must be a string, or a list");
    CU_ASSERT_EQUAL(settings_real(root, "absent", 0, 9, &real, &err), 0);
    CU_ASSERT_EQUAL(settings_real(root, "n", 0, 9, &real, &err), 0);
    CU_ASSERT(real > 1.9 && real < 2.1);
    CU_ASSERT_EQUAL(settings_real(root, "r", 0, 9, &real, &err), 0);
    CU_ASSERT(real > 2.4 && real < 2.6);
    says(settings_real(root, "r", 3, 9, &real, &err), &err, ":7: r: must be from 3 to 9");
    says(settings_real(root, "r", 0, 2, &real, &err), &err, ":7: r: must be from 0 to 2");
    says(settings_real(root, "one", 0, 9, &real, &err), &err, ":1: one: must be a number");
    CU_ASSERT_EQUAL(settings_list(root, "g", &list, &n, &err), 0);
    CU_ASSERT_EQUAL(settings_line(list), 8);
    CU_ASSERT_EQUAL(settings_line(settings_element(list, 0)), 8);
    settings_free(s);
}

static void test_texts(void)
{
    struct settings *s = open_good("one = \"a\";\nempty = \"\";\nn = 2;\n");
    struct settings_node root = settings_root(s);
    struct err err = ERR_INIT;
    char *text = NULL;

    CU_ASSERT_EQUAL(settings_text(root, "absent", &text, &err), 0);
    CU_ASSERT_PTR_NULL(text);
    says(settings_text_required(root, "absent", &text, &err), &err, "absent: missing");
    says(settings_text(root, "empty", &text, &err), &err, ":2: empty: must not be empty");
    says(settings_text_required(root, "n", &text, &err), &err, ":3: n: ");
    CU_ASSERT_PTR_NULL(text);
    CU_ASSERT_EQUAL(settings_text_required(root, "one", &text, &err), 0);
    settings_free(s);
    CU_ASSERT_STRING_EQUAL(text, "a"); /* its own */
    free(text);
}

static void refused(const char *text, const char *part)
{
    struct settings *s = NULL;
    struct err err = ERR_INIT;

    CU_ASSERT(settings_open(&s, file(text), &err) < 0);
    if (!strstr(err.text, part))
        CU_FAIL("another message was expected");
    (void)unlink(path);
}

static void files_that_can_t_be_read(void)
{
    struct settings *s = NULL;
    struct err err = ERR_INIT;

    refused("a = 1;\nb = ;\n", ":2: ");
    refused("a = 1;\na = 2;\n", ":2: ");
    refused("a = 1;\n  @include \"/etc/passwd\"\n", ":2: @include");
    CU_ASSERT(settings_open(&s, "/nowhere/proxy.conf", &err) < 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/nowhere/proxy.conf: "));
    CU_ASSERT(settings_open(&s, "/dev/zero", &err) < 0);
    CU_ASSERT(settings_open_named(&s, "/nowhere/x", "shown.conf", &err) < 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "shown.conf: "));
}

static struct settings *scarce;

static int open_scarce(void)
{
    struct err err = ERR_INIT;

    return settings_open(&scarce, path, &err);
}

static bool all_there(void)
{
    static const char *const NAMES[] = {"clients", "rules", "deep", NULL};
    struct settings_node root = settings_root(scarce), clients, rules, list, deep;
    const char *user = "", *name = "", *path_of = "";
    struct err err = ERR_INIT;
    uint64_t us = 0;
    int64_t n = 0;
    unsigned n_clients = 0, n_rules = 0, n_methods = 0;

    return settings_known(root, NAMES, &err) == 0 &&
           settings_list(root, "clients", &clients, &n_clients, &err) == 0 && n_clients == 2 &&
           settings_string(settings_element(clients, 0), "name", &name, &err) == 0 &&
           strcmp(name, "crm") == 0 &&
           settings_string(settings_element(clients, 1), "user", &user, &err) == 0 &&
           strcmp(user, "ivr") == 0 && settings_list(root, "rules", &rules, &n_rules, &err) == 0 &&
           n_rules == 1 &&
           settings_string(settings_element(rules, 0), "path", &path_of, &err) == 0 &&
           strcmp(path_of, "/v1/org") == 0 &&
           settings_list(settings_element(rules, 0), "methods", &list, &n_methods, &err) == 0 &&
           n_methods == 2 && settings_group(root, "deep", &deep, &err) == 0 &&
           settings_integer(deep, "n", 0, 100, &n, &err) == 0 && n == 7 &&
           settings_seconds(deep, "t", 0, 10000000, &us, &err) == 0 && us == 1500000;
}

static void memory_runs_out(void)
{
    (void)file(
        "clients = ( { name = \"crm\"; user = \"crm\"; }, { name = \"ivr\"; user = \"ivr\"; } );\n"
        "rules = ( { client = \"crm\"; methods = (\"POST\", \"PUT\"); path = \"/v1/org\"; } );\n"
        "deep = { n = 7; t = 1.5; yes = true; words = [\"a\", \"b\"]; };\n");
    scarce_sweep(open_scarce, all_there);
    (void)unlink(path);
}

static const struct unit_case CASES[] = {
    {"strings and numbers", test_strings},
    {"texts", test_texts},
    {"reads what is there", reads_what_is_there},
    {"errors name file, line and setting", errors_name_file_line_and_setting},
    {"files that can't be read", files_that_can_t_be_read},
    {"memory runs out", memory_runs_out},
};
UNIT_MAIN("settings", CASES)
