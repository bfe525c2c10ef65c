/*
 * Asks the policy what the keeper would ask it, and says which rule decides, by its line.
 */
#include "api/canon.h"
#include "api/target.h"
#include "ctl/command/ctl.h"
#include "ctl/command/show.h"
#include "policy/policy_conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char HELP[] =
    "usage: cention-proxyctl policy test [OPTION...] --client NAME METHOD PATH\n"
    "\n"
    "Says whether the client of that name in keeper.conf may make the call, by which rule, or "
    "what\n"
    "each of its rules misses. PATH is /v1/... or /s/WORKSPACE/v1/...\n"
    "\n"
    "      --client NAME         the client\n"
    "  -w, --workspace NAME      the workspace of a PATH that names none\n"
    "      --field NAME=VALUE    a field of the body, its value in JSON; what is no JSON is a\n"
    "                            string; may be repeated. Without any, some field is meant\n"
    "      --vouched             the call comes over the Unix socket, where the keeper itself "
    "asks\n"
    "                            the kernel for the uid (vouched = \"kernel\")\n"
    "  -c, --config FILE         keeper.conf\n"
    "  -h, --help                print this\n"
    "\n"
    "Exit status: 0 allowed, 1 denied, 2 usage, 78 bad configuration.\n";

enum {
    FIELDS_MAX = 256,
};

struct options {
    const char *conf, *client;
    struct policy_request request;
    struct request_field fields[FIELDS_MAX];
};

static int usage(const char *why, const char *what)
{
    char text[512];

    (void)snprintf(text, sizeof(text), "%s: %s", what, why);
    return show_failure(text, CTL_USAGE);
}

static int by_name(const void *a, const void *b)
{
    return slice_cmp(((const struct request_field *)a)->name,
                     ((const struct request_field *)b)->name);
}

/* Reads the value as a member of a body; false when it is no JSON. What it holds is kept to the
 * end.
 */
static bool read_json(struct request_field *out, const char *value)
{
    struct canon *canon = malloc(sizeof(*canon));
    struct canon_error why;
    char *body = NULL;
    bool good;

    if (!canon || asprintf(&body, "{\"x\":%s}", value) < 0) {
        free(canon);
        return false;
    }
    canon_init(canon);
    good = canon_body(canon, slice_str(body), CANON_FLATTEN, &why) == 0 && canon->n == 1;
    if (good) {
        out->value = slice_of(strndup(canon->fields[0].value.data, canon->fields[0].value.len),
                              canon->fields[0].value.len);
        out->type = canon->fields[0].type;
        good = out->value.data != NULL;
    }
    canon_deinit(canon);
    free(canon);
    free(body);
    return good;
}

static int add_field(void *arg, const char *text)
{
    struct options *o = arg;
    const char *equals = strchr(text, '=');
    struct request_field *field;

    if (!equals || equals == text)
        return usage("--field is NAME=VALUE", text);
    if (o->request.n_fields == FIELDS_MAX)
        return usage("there are too many fields", text);
    field = &o->fields[o->request.n_fields++];
    field->name = slice_of(text, (size_t)(equals - text));
    if (!read_json(field, equals + 1)) {
        field->value = slice_str(strdup(equals + 1));
        field->type = REQUEST_STRING;
    }
    return field->value.data ? CTL_DONE : usage("out of memory", text);
}

static void free_fields(struct options *o)
{
    for (uint32_t i = 0; i < o->request.n_fields; i++)
        free((char *)o->fields[i].value.data);
}

static int check_fields(struct options *o)
{
    qsort(o->fields, o->request.n_fields, sizeof(o->fields[0]), by_name);
    for (uint32_t i = 1; i < o->request.n_fields; i++)
        if (by_name(&o->fields[i - 1], &o->fields[i]) == 0)
            return usage("a field is given twice", o->fields[i].name.data);
    o->request.fields = o->fields;
    return CTL_DONE;
}

static int read_call(struct options *o, const char *method, const char *path)
{
    struct target target;
    const char *why = NULL;

    o->request.method = slice_str(method);
    if (!policy_method(o->request.method))
        return usage("the method is POST, PUT or DELETE", method);
    if (target_parse(slice_str(path), &target, &why) != 0)
        return usage(why, path);
    o->request.path = target.path;
    if (target.workspace.len && o->request.workspace.len &&
        !slice_eq(target.workspace, o->request.workspace))
        return usage("the path names another workspace than --workspace", path);
    if (target.workspace.len)
        o->request.workspace = target.workspace;
    if (!target_workspace_ok(o->request.workspace))
        return usage("give a workspace, with --workspace or as /s/WORKSPACE/v1/...", path);
    return check_fields(o);
}

/* CTL_GO_ON, or the exit code. */
static int parse(int argc, char **argv, struct options *o)
{
    const struct ctl_option options[] = {{"client", 0, .text = &o->client},
                                         {"workspace", 'w', .slice = &o->request.workspace},
                                         {"field", 0, .set = add_field},
                                         {"vouched", 0, .flag = &o->request.vouched},
                                         {"config", 'c', .text = &o->conf}};
    int code;

    *o = (struct options){.conf = CENTION_SYSCONFDIR "/keeper.conf"};
    code = ctl_options(options, sizeof(options) / sizeof(options[0]), HELP, argc, argv, o);
    if (code != CTL_GO_ON)
        return code;
    if (!o->client || argc - optind != 2)
        return ctl_usage(HELP);
    code = read_call(o, argv[optind], argv[optind + 1]);
    return code == CTL_DONE ? CTL_GO_ON : code;
}

static void show_call(const struct options *o)
{
    (void)printf("%s %s in workspace %.*s", o->request.method.data, o->request.path.data,
                 (int)o->request.workspace.len, o->request.workspace.data);
}

static void show_miss(const struct options *o, const struct policy_rule *rule,
                      enum policy_miss miss, struct slice field)
{
    static const char *const WORDS[] = {
        [POLICY_MISS_CLIENT] = "it is for other clients",
        [POLICY_MISS_WORKSPACE] = "the workspace is none of its workspaces",
        [POLICY_MISS_METHOD] = "the method is none of its methods",
        [POLICY_MISS_PATH] = "the path is none of its paths",
        [POLICY_MISS_VOUCHED] = "it is for calls over the Unix socket (--vouched)",
    };

    (void)printf("  %s:%u: ", o->conf, rule->line);
    if (miss == POLICY_MISS_FIELD || miss == POLICY_MISS_VALUE || miss == POLICY_MISS_OTHER) {
        (void)fputs("the field ", stdout);
        (void)show_text(stdout, field);
        (void)puts(miss == POLICY_MISS_FIELD   ? " is required"
                   : miss == POLICY_MISS_VALUE ? " has none of its values"
                                               : " is none of its fields");
    } else {
        (void)puts(WORDS[miss]);
    }
}

static int denied(const struct options *o, const struct policy *policy, int client)
{
    unsigned method = policy_method(o->request.method);

    (void)printf("denied (403 forbidden): client %s may not ", o->client);
    show_call(o);
    (void)puts("; the rules:");
    for (size_t i = 0; i < policy->rules.n; i++) {
        const struct policy_rule *rule = &policy->rules.list[i];
        struct slice field = SLICE_NULL;
        enum policy_miss miss = policy_rule_miss(rule, client, method, &o->request, &field);

        show_miss(o, rule, miss, field);
    }
    return CTL_FAILED;
}

static int unknown(const struct options *o, const struct policy *policy)
{
    (void)fputs("denied (401 unknown_client): ", stdout);
    show_message(stdout, o->conf);
    (void)fputs(" has no client \"", stdout);
    (void)show_text(stdout, slice_str(o->client));
    (void)fputs("\"; it has", stdout);
    for (size_t i = 0; i < policy->clients.n; i++)
        (void)printf("%s %s", i ? "," : "", policy->clients.list[i].name);
    (void)puts("");
    return CTL_FAILED;
}

static int decide(struct options *o, const struct policy *policy)
{
    int client = policy_clients_named(&policy->clients, o->client);
    struct policy_decision d;

    if (client != POLICY_NOBODY && policy->clients.list[client].vouched)
        o->request.vouched = true;
    d = policy_decide(policy, client, &o->request);
    if (policy->anyone) {
        (void)puts("allowed: clients = \"anyone\"; everyone may make every call");
        return CTL_DONE;
    }
    if (d.verdict == POLICY_UNKNOWN_CLIENT)
        return unknown(o, policy);
    if (d.verdict == POLICY_FORBIDDEN)
        return denied(o, policy, client);
    (void)printf("allowed: client %s (%s:%u) may ", o->client, o->conf,
                 policy->clients.list[client].line);
    show_call(o);
    if (d.rule)
        (void)printf(", by the rule %s:%u\n", o->conf, d.rule->line);
    else
        (void)puts("; there are no rules, and every known client may make every call");
    return CTL_DONE;
}

int policy_test_main(int argc, char **argv)
{
    struct policy *policy = NULL;
    struct err err = ERR_INIT;
    struct options o;
    int code = parse(argc, argv, &o);

    if (code == CTL_GO_ON && policy_load(&policy, o.conf, &err) < 0)
        code = show_failure(err.text, CTL_CONFIG);
    if (code == CTL_GO_ON && policy_conf_missing(policy)) {
        (void)err_set(&err, -EINVAL, "%s: clients: %s", o.conf, policy_conf_missing(policy));
        code = show_failure(err.text, CTL_CONFIG);
    }
    if (code == CTL_GO_ON)
        code = decide(&o, policy);
    policy_free(policy);
    free_fields(&o);
    return code;
}
