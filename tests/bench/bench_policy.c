/*
 * What policy costs a request: processor time of finding the client and deciding, with 20 clients
 * and 50 rules of which the last one allows. With a token every client has one, so that each costs
 * a hash. Prints the least and the median of some rounds; fails when the least is above the limit
 * that the project gives itself, times this machine's pace (pace.h), except in a sanitized build.
 */
#include "base/asan.h"
#include "bench/pace.h"
#include "policy/policy_conf.h"

#include "unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    ROUNDS = 15,
    TIMES = 10000, /* calls in a round */
    CLIENTS = 20,
    RULES = 50,
    PLAIN_NS = 1000, /* for one request */
    TOKEN_NS = 4500, /* 3000 are aimed at; hashes take what the processor takes for them */
};

#if CENTION_ASAN
static const bool SANITIZED = true;
#else
static const bool SANITIZED = false;
#endif

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* A configuration as a busy site's; *token is the last client's. */
static struct policy *load(bool tokens, char token[TOKEN_TEXT + 1])
{
    char path[] = "/tmp/bench_policy.XXXXXX";
    FILE *f = fdopen(mkostemp(path, O_CLOEXEC), "w");
    struct policy *policy = NULL;
    struct settings *file = NULL;
    struct err err = ERR_INIT;

    if (!f)
        return NULL;
    (void)fputs("clients = (\n", f);
    for (int i = 0; i < CLIENTS; i++) {
        struct token_hash hash;
        char text[TOKEN_HASH_TEXT + 1];

        if (token_new(token, &hash) < 0)
            return NULL;
        token_hash_text(text, &hash);
        (void)fprintf(f, "%s{ name = \"c%d\"; ", i ? ", " : "", i);
        if (tokens)
            (void)fprintf(f, "token = \"%s\"; }\n", text);
        else
            (void)fprintf(f, "uid = %d; rate = 1000000.0; }\n", 1000 + i);
    }
    (void)fputs(");\nrules = (\n", f);
    for (int i = 0; i < RULES; i++) /* all but the last are for other fields' values */
        (void)fprintf(f,
                      "%s{ client = \"*\"; workspaces = ( \"second\", \"televox\" ); methods = ( "
                      "\"POST\", \"PUT\" ); paths = ( \"/v1/org/:id\", \"/v1/area%s/:id\" ); "
                      "fields = ( { field = \"organisation_id\"; values = ( \"1\", \"2\" ); } ); "
                      "}\n",
                      i ? ", " : "", i < RULES - 1 ? "s" : "");
    (void)fputs(");\n", f);
    (void)fclose(f);
    if (settings_open(&file, path, &err) < 0 ||
        policy_conf_read(settings_root(file), &policy, &err) < 0)
        (void)fprintf(stderr, "%s\n", err.text);
    settings_free(file);
    (void)unlink(path);
    return policy;
}

/* The least of some rounds; negative when a request was not allowed. */
static double measure(const char *what, struct policy *policy, const struct client_identity *client)
{
    static const struct request_field FIELDS[] = {
        {SLICE_LIT("name"), SLICE_LIT("Customer care"), REQUEST_STRING},
        {SLICE_LIT("organisation_id"), SLICE_LIT("2"), REQUEST_STRING},
        {SLICE_LIT("time_zone"), SLICE_LIT("CET"), REQUEST_STRING},
    };
    struct policy_request request = {
        .method = SLICE_LIT("PUT"),
        .workspace = SLICE_LIT("televox"),
        .path = SLICE_LIT("/v1/area/12345"),
        .n_fields = 3,
        .fields = FIELDS,
    };
    double ns[ROUNDS];

    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();

        for (int i = 0; i < TIMES; i++) {
            int who = policy_client(policy, client);

            if (who != CLIENTS - 1 ||
                policy_decide(policy, who, &request).verdict != POLICY_ALLOWED ||
                !policy_take(policy, who, (uint64_t)(round * TIMES + i) * 100))
                return -1;
        }
        ns[round] = (now_ns() - start) / TIMES;
    }
    qsort(ns, ROUNDS, sizeof(ns[0]), ascending);
    printf("%-10s %6.0f ns at least, %6.0f ns median (%d rounds of %d)\n", what, ns[0],
           ns[ROUNDS / 2], ROUNDS, TIMES);
    return ns[0];
}

static bool good(const char *what, bool tokens, double limit)
{
    char token[TOKEN_TEXT + 1];
    struct policy *policy = load(tokens, token);
    struct client_identity client = {.uid = 1000 + CLIENTS - 1,
                                     .token = tokens ? slice_str(token) : SLICE_NULL};
    double least = policy ? measure(what, policy, &client) : -1;

    policy_free(policy);
    if (least > limit && !SANITIZED)
        printf("%s takes more than %.0f ns\n", what, limit);
    return least >= 0 && (least <= limit || SANITIZED);
}

static int once(int argc, char **argv)
{
    double factor = pace_factor();
    bool plain, token;

    (void)argc;
    (void)argv;
    printf("%d clients, %d rules\n", CLIENTS, RULES);
    plain = good("by uid", false, PLAIN_NS * factor);
    token = good("by token", true, TOKEN_NS * factor);
    return !plain || !token;
}

int main(int argc, char **argv)
{
    return pace_tries(once, argc, argv);
}
