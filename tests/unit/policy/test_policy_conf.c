#include "policy/policy_conf.h"

#include "unit/policy/policy_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A   "clients = ( { name = \"a\"; uid = 1; } );\n"
#define ONE "\nrules = ( { client = \"a\"; "

static void test_all(void)
{
    struct policy *p = policy_of(
        "clients = (\n{ name = \"crm\"; user = \"root\"; group = \"root\"; certificate = \"x\"; "
        "},\n"
        "{ name = \"billing\"; uid = 4294967294L; token = \"" HASH_ONE
        "\"; rate = 20.5; burst = 40; },\n{ name = \"ops\"; group = \"root\"; rate = 2; } );\n"
        "rules = (\n\n{ client = ( \"crm\", \"ops\" ); workspaces = ( \"w\", \"v\" ); methods = "
        "\"PUT\"; paths = ( \"/v1/org\" ); fields = ( { field = \"f\"; values = ( \"1\" ); "
        "required "
        "= true; } ); } );");
    const struct policy_client *c = p->clients.list;
    const struct policy_rule *r = p->rules.list;

    CU_ASSERT_EQUAL_FATAL(p->clients.n, 3);
    CU_ASSERT_STRING_EQUAL(c[0].name, "crm");
    CU_ASSERT_STRING_EQUAL(c[0].user, "root");
    CU_ASSERT(c[0].has_uid && c[0].uid == 0 && c[0].n_members >= 1 && c[0].members[0] == 0);
    CU_ASSERT(!c[0].has_token && !(c[0].rate.per_second > 0) && c[0].line == 2);
    CU_ASSERT(c[1].has_uid && c[1].uid == 4294967294 && c[1].has_token && !c[1].group);
    CU_ASSERT(c[1].rate.per_second > 20.4 && c[1].rate.burst > 39.9 && c[1].line == 3);
    CU_ASSERT(!c[2].has_uid && c[2].rate.burst > 1.9 && c[2].rate.burst < 2.1);
    CU_ASSERT_EQUAL_FATAL(p->rules.n, 1);
    CU_ASSERT(!r->everyone && r->clients[0] == 5 && r->line == 7 && r->methods == POLICY_PUT);
    CU_ASSERT(r->workspaces.n == 2 && r->paths.n == 1 && r->n_fields == 1);
    CU_ASSERT(r->fields[0].required && r->fields[0].n_values == 1);
    policy_free(p);
    p = policy_of("");
    CU_ASSERT(p->clients.n == 0 && p->rules.n == 0);
    policy_free(p);
}

static void test_errors(void)
{
    static const struct {
        const char *text, *says;
    } CASES[] = {
        {"clients = \"a\";", ":1: clients: must be a list of clients, or \"anyone\""},
        {"clients = 1;", ":1: clients: must be a list of groups"},
        {"clients = \"anyone\";\nrules = ( { client = \"*\"; } );", ":2: rules: there are no"},
        {"clients = ();", ":1: clients: must not be empty"},
        {"clients = (\n\"a\" );", "clients: element 1 must be a group"},
        {"clients = (\n{ uid = 1; } );", ":2: clients[0].name: missing"},
        {"clients = (\n{ name = \"\"; uid = 1; } );", ":2: clients[0].name: must not be empty"},
        {"clients = (\n{ name = \"*\"; uid = 1; } );", ":2: clients[0].name: must be 1 to 64 of"},
        {"clients = (\n{ name = \"a\"; } );",
         ":2: clients[0].name: client \"a\" has nothing to be"},
        {"clients = (\n{ name = \"a\"; rate = 1; } );", "has nothing to be known by"},
        {"clients = (\n{ name = \"a\"; uid = 1; x = 1; } );",
         ":2: clients[0].x: unknown setting; known here: name, user, uid, group, token"},
        {"clients = (\n{ name = \"a\"; uid = -1; } );", ":2: clients[0].uid: must be from 0 to"},
        {"clients = (\n{ name = \"a\"; uid = 4294967295L; } );",
         ":2: clients[0].uid: must be from"},
        {"clients = (\n{ name = \"a\"; uid = \"1\"; } );", ":2: clients[0].uid: must be a whole"},
        {"clients = (\n{ name = \"a\"; user = \"root\"; uid = 0; } );",
         ":2: clients[0].uid: `user` says it already"},
        {"clients = (\n{ name = \"a\"; user = \"no-such-user\"; } );",
         ":2: clients[0].user: there is no user \"no-such-user\""},
        {"clients = (\n{ name = \"a\"; group = \"no-such-group\"; } );",
         ":2: clients[0].group: there is no group \"no-such-group\""},
        {"clients = (\n{ name = \"a\"; user = \"\"; } );",
         ":2: clients[0].user: must not be empty"},
        {"clients = (\n{ name = \"a\"; certificate = \"\"; } );", "certificate: must not be empty"},
        {"clients = (\n{ name = \"a\"; token = \"cpt_hidden\"; } );",
         ":2: clients[0].token: is not the hash of a token"},
        {"clients = (\n{ name = \"a\"; token = \"\"; } );", "token: is not the hash of a token"},
        {"clients = (\n{ name = \"a\"; token = \"sha256:hidden\"; } );",
         ":2: clients[0].token: must be \"sha256:\", 32 hexadecimal digits"},
        {"clients = (\n{ name = \"a\"; uid = 1; rate = 0; } );",
         ":2: clients[0].rate: must be from"},
        {"clients = (\n{ name = \"a\"; uid = 1; rate = -1.5; } );", "rate: must be from"},
        {"clients = (\n{ name = \"a\"; uid = 1; rate = \"1\"; } );", "rate: must be a number"},
        {"clients = (\n{ name = \"a\"; uid = 1; rate = 1; burst = 0.5; } );",
         "burst: must be from"},
        {"clients = (\n{ name = \"a\"; uid = 1; burst = 2; } );", "burst: says nothing without"},
        {"clients = (\n{ name = \"a\"; uid = 1; },\n{ name = \"a\"; uid = 2; } );",
         ":3: clients[1].name: client \"a\" is there already, in line 2"},
        {"clients = (\n{ name = \"a\"; user = \"root\"; },\n{ name = \"b\"; uid = 0; } );",
         ":3: clients[1].name: client \"b\" is known by the same as \"a\" in line 2"},
        {"clients = (\n{ name = \"a\"; token = \"" HASH_ONE
         "\"; },\n{ name = \"b\"; token = \"" HASH_ONE "\"; } );",
         "is known by the same as"},
        {"clients = (\n{ name = \"a\"; uid = 1; vouched = \"no\"; } );",
         ":2: clients[0].vouched: \"no\" is none of \"proxy\", \"kernel\""},
        {"clients = (\n{ name = \"a\"; certificate = \"x\"; vouched = \"kernel\"; } );",
         ":2: clients[0].vouched: client \"a\" can't have it and a certificate"},
        {"clients = (\n{ name = \"a\"; uid = 1; },\n{ name = \"b\"; uid = 1; vouched = "
         "\"kernel\"; } );",
         ":3: clients[1].name: client \"b\" is known by the same as"},
        {A "rules = ( { client = \"a\"; vouched = true; } );",
         "rules[0].vouched: must be a string"},
        {"rules = ( { client = \"*\"; } );", ":1: rules: there are no `clients`"},
        {A "rules = ();", ":2: rules: must not be empty"},
        {A "rules = ( { methods = \"PUT\"; } );", ":2: rules[0].client: missing"},
        {A "rules = ( { client = \"b\"; } );", ":2: rules[0].client: there is no client \"b\""},
        {A "rules = ( { client = (); } );", ":2: rules[0].client: must not be empty"},
        {A "rules = ( { client = ( \"a\", 1 ); } );", "client: element 2 must be a string"},
        {A "rules = ( { client = 1; } );", "client: must be a string, or a list of strings"},
        {A "rules = ( { client = ( \"a\", \"a\" ); } );", "client: \"a\" is there twice"},
        {A "rules = ( { client = ( \"a\", \"*\" ); } );", "client: \"*\" is everyone"},
        {A "rules = ( { client = \"a\"; path = \"/v1/org\"; } );",
         ":2: rules[0].path: unknown setting; known here: client, workspaces, methods, paths, "
         "fields"},
        {A ONE "methods = (); } );", ":3: rules[0].methods: must not be empty"},
        {A ONE "methods = ( \"GET\" ); } );", ":3: rules[0].methods: \"GET\" is none of \"POST\""},
        {A ONE "methods = ( \"PUT\", \"PUT\" ); } );", "methods: \"PUT\" is there twice"},
        {A ONE "workspaces = (); } );", "workspaces: must not be empty"},
        {A ONE "workspaces = ( \"a/b\" ); } );", "workspaces: \"a/b\" is not a workspace's name"},
        {A ONE "workspaces = ( \"a\", \"a\" ); } );", "workspaces: \"a\" is there twice"},
        {A ONE "paths = (); } );", "paths: must not be empty"},
        {A ONE "paths = ( \"/org\" ); } );", "paths: \"/org\" is not an api-path"},
        {A ONE "paths = ( \"/v1/org\", \"/v1/org\" ); } );", "paths: \"/v1/org\" is there twice"},
        {A ONE "fields = (); } );", ":3: rules[0].fields: must not be empty"},
        {A ONE "fields = ( { values = ( \"1\" ); } ); } );", "rules[0].fields[0].field: missing"},
        {A ONE "fields = ( { field = \"f\"; } ); } );", "fields[0].values: missing; only with"},
        {A ONE "fields = ( { field = \"f\"; required = false; } ); } );", "values: missing"},
        {A ONE "fields = ( { field = \"f\"; values = (); } ); } );", "values: must not be empty"},
        {A ONE "fields = ( { field = \"f\"; values = ( ( 1 ) ); } ); } );",
         "values: element 1 must be a string, a number"},
        {A ONE "fields = ( { field = \"f\"; values = { type = \"null\"; }; } ); } );",
         "values: must be a value, or a list of values"},
        {A ONE
         "fields = ( { field = \"f\"; values = ( { type = \"int\"; value = \"1\"; } ); } ); } );",
         ".type: \"int\" is none of"},
        {A ONE "fields = ( { field = \"f\"; values = ( { type = \"null\"; } ); } ); } );",
         ".value: missing"},
        {A ONE "fields = ( { field = \"f\"; values = ( { value = \"1\"; } ); } ); } );",
         ".type: missing"},
        {A ONE
         "fields = ( { field = \"f\"; values = ( 1, { type = \"number\"; value = \"1\"; } ); } ); "
         "} );",
         "is there twice"},
        {A ONE "other_fields = 1; } );", "other_fields: must be true or false"},
        {A ONE "fields = ( { field = \"f\"; values = ( \"1\", \"1\" ); } ); } );",
         "is there twice"},
        {A ONE "fields = ( { field = \"f[].g\"; values = \"1\"; } ); } );",
         "fields[0].field: must be the name of a field"},
        {A ONE
         "fields = ( { field = \"f\"; values = \"1\"; }, { field = \"f\"; values = \"2\"; } ); "
         "} );",
         "fields[1].field: \"f\" is there twice"},
        {A ONE "fields = ( { field = \"f\"; value = \"1\"; } ); } );",
         "fields[0].value: unknown setting; known here: field, values, required"},
    };

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct policy *p = (struct policy *)&p;
        struct err err = ERR_INIT;

        if (policy_read(&p, CASES[i].text, &err) == 0)
            printf("\n    %s", CASES[i].text);
        CU_ASSERT(err.text[0] != '\0');
        CU_ASSERT_PTR_NULL(p);
        if (!strstr(err.text, CASES[i].says))
            fprintf(stderr, "%zu: %s\n", i, err.text);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, CASES[i].says));
        CU_ASSERT_EQUAL(strncmp(err.text, "keeper.conf:", 12), 0);
        /* What may be a token is never quoted. */
        CU_ASSERT_PTR_NULL(strstr(err.text, "hidden"));
    }
}

static void test_most(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    struct policy *p = NULL;
    struct err err = ERR_INIT;

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs("clients = ( ", f);
    for (int i = 0; i <= POLICY_CLIENTS_MAX; i++)
        fprintf(f, "%s{ name = \"c%d\"; uid = %d; }", i ? ", " : "", i, i);
    fputs(" );", f);
    fclose(f);
    CU_ASSERT_EQUAL(policy_read(&p, text, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "clients: has more than 256 elements"));
    free(text);
}

static const struct unit_case CASES[] = {
    {"every setting", test_all},
    {"errors", test_errors},
    {"too many", test_most},
};

UNIT_MAIN("policy_conf", CASES)
