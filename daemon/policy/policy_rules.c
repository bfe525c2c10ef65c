#include "policy/policy_rules.h"

#include "policy/path.h"

#include <errno.h>
#include <stdlib.h>

unsigned policy_method(struct slice method)
{
    if (slice_eq(method, SLICE_LIT("POST")))
        return POLICY_POST;
    if (slice_eq(method, SLICE_LIT("PUT")))
        return POLICY_PUT;
    return slice_eq(method, SLICE_LIT("DELETE")) ? POLICY_DELETE : 0;
}

int policy_words_add(struct policy_words *words, const char *word)
{
    struct slice *grown = reallocarray(words->list, words->n + 1, sizeof(*grown));
    char *copy = strdup(word);

    if (grown)
        words->list = grown;
    if (!grown || !copy) {
        free(copy);
        return -ENOMEM;
    }
    words->list[words->n++] = slice_str(copy);
    return 0;
}

bool policy_words_has(const struct policy_words *words, struct slice word)
{
    for (size_t i = 0; i < words->n; i++)
        if (slice_eq(words->list[i], word))
            return true;
    return false;
}

static bool path_allowed(const struct policy_rule *rule, struct slice path)
{
    for (size_t i = 0; i < rule->paths.n; i++) {
        struct slice pattern = rule->paths.list[i];
        size_t literal = rule->literal[i];

        /* Most paths differ at the end of what is literal. */
        if (path.len >= literal && pattern.data[literal - 1] == path.data[literal - 1] &&
            memcmp(pattern.data, path.data, literal) == 0 &&
            path_matches(pattern, path, PATH_WORD_NUMBER))
            return true;
    }
    return rule->paths.n == 0;
}

/* The request's field of that name, or NULL. */
static const struct request_field *field_of(const struct policy_request *request, struct slice name)
{
    size_t low = 0, high = request->n_fields;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = slice_cmp(request->fields[middle].name, name);

        if (order == 0)
            return &request->fields[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool value_allowed(const struct policy_field *f, const struct request_field *field)
{
    for (size_t i = 0; i < f->n_values; i++)
        if (f->values[i].type == field->type && slice_eq(f->values[i].text, field->value))
            return true;
    return f->n_values == 0;
}

static bool is_listed(const struct policy_rule *rule, struct slice name)
{
    for (size_t i = 0; i < rule->n_fields; i++)
        if (slice_eq(rule->fields[i].name, name))
            return true;
    return false;
}

static enum policy_miss fields_miss(const struct policy_rule *rule,
                                    const struct policy_request *request, struct slice *field)
{
    for (size_t i = 0; i < rule->n_fields; i++) {
        const struct policy_field *f = &rule->fields[i];
        const struct request_field *there = field_of(request, f->name);

        *field = f->name;
        if (!there && f->required)
            return POLICY_MISS_FIELD;
        if (there && !value_allowed(f, there))
            return POLICY_MISS_VALUE;
    }
    for (uint32_t i = 0; rule->closed && i < request->n_fields; i++) {
        *field = request->fields[i].name;
        if (!is_listed(rule, *field))
            return POLICY_MISS_OTHER;
    }
    return POLICY_MISS_NOTHING;
}

enum policy_miss policy_rule_miss(const struct policy_rule *rule, int client, unsigned method,
                                  const struct policy_request *request, struct slice *field)
{
    if (client < 0 || (!rule->everyone && !(rule->clients[client / 64] >> (client % 64) & 1)))
        return POLICY_MISS_CLIENT;
    if (rule->workspaces.n && !policy_words_has(&rule->workspaces, request->workspace))
        return POLICY_MISS_WORKSPACE;
    if (!(rule->methods & method))
        return POLICY_MISS_METHOD;
    if (!path_allowed(rule, request->path))
        return POLICY_MISS_PATH;
    if (rule->vouched && !request->vouched)
        return POLICY_MISS_VOUCHED;
    return fields_miss(rule, request, field);
}

static void words_deinit(struct policy_words *words)
{
    for (size_t i = 0; i < words->n; i++)
        free((char *)words->list[i].data);
    free(words->list);
}

void policy_rules_deinit(struct policy_rules *rules)
{
    for (size_t i = 0; i < rules->n; i++) {
        struct policy_rule *r = &rules->list[i];

        words_deinit(&r->workspaces);
        words_deinit(&r->paths);
        free(r->literal);
        for (size_t k = 0; k < r->n_fields; k++) {
            free((char *)r->fields[k].name.data);
            for (size_t v = 0; v < r->fields[k].n_values; v++)
                free((char *)r->fields[k].values[v].text.data);
            free(r->fields[k].values);
        }
        free(r->fields);
    }
    free(rules->list);
    *rules = (struct policy_rules){0};
}
