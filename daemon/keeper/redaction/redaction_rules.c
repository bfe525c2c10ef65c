#include "keeper/redaction/redaction_rules.h"

#include "policy/path.h"

#include <errno.h>
#include <stdlib.h>

struct redaction_rules {
    size_t n;
    struct redaction_rule list[REDACTION_RULES_MAX];
};

int redaction_rules_new(struct redaction_rules **out)
{
    *out = calloc(1, sizeof(**out));
    return *out ? 0 : -ENOMEM;
}

static void rule_deinit(struct redaction_rule *r)
{
    free(r->method);
    free(r->path);
    free(r->field);
}

void redaction_rules_free(struct redaction_rules *rules)
{
    for (size_t i = 0; rules && i < rules->n; i++)
        rule_deinit(&rules->list[i]);
    free(rules);
}

/* ---- what a rule may say ---- */

/* "[]", "[*]" or "[0]" at p: its length, or 0. */
static size_t index_at(const char *p)
{
    size_t n = p[1] == '*' ? 1 : strspn(p + 1, "0123456789");

    return p[1 + n] == ']' ? n + 2 : 0;
}

/* Names with any number of indices each, joined by dots. */
static bool field_ok(const char *field)
{
    const char *p = field;

    if (strlen(field) > REDACTION_RULE_TEXT_MAX)
        return false;
    for (;;) {
        size_t n = strcspn(p, ".[]*\"");

        for (size_t i = 0; i < n; i++)
            if ((unsigned char)p[i] < 0x20)
                return false;
        if (n == 0)
            return false;
        for (p += n; *p == '['; p += n)
            if ((n = index_at(p)) == 0)
                return false;
        if (*p != '.')
            return *p == '\0';
        p++;
    }
}

static const char *wrong(const struct redaction_rules *rules,
                         const struct redaction_rule_text *rule, const char **where)
{
    bool every = strcmp(rule->field, "*") == 0;

    *where = "method";
    if (rule->method && strcmp(rule->method, "POST") != 0 && strcmp(rule->method, "PUT") != 0 &&
        strcmp(rule->method, "DELETE") != 0)
        return "must be \"POST\", \"PUT\" or \"DELETE\"";
    *where = "path";
    if (rule->path && !path_pattern_ok(rule->path))
        return "must be an api-path as \"/v1/areas/:id\", with \":word\" or \"*\" for any one "
               "segment";
    *where = "field";
    if (!every && !field_ok(rule->field))
        return "must be the path of a field as \"server_emails[].name\", or \"*\" for every field";
    *where = "keep";
    if (!every && rule->keep == RECORD_PLAIN && rule->field[strcspn(rule->field, ".[")])
        return "a part of a value can't be kept plain by itself: name the whole field, which is "
               "one value in the log";
    *where = "field";
    return rules->n == REDACTION_RULES_MAX ? "there are more than 256 rules" : NULL;
}

int redaction_rules_add(struct redaction_rules *rules, const struct redaction_rule_text *rule,
                        const char **where, const char **why)
{
    struct redaction_rule r = {.keep = rule->keep, .in = rule->in};
    bool every = strcmp(rule->field, "*") == 0;

    *why = wrong(rules, rule, where);
    if (*why)
        return -EINVAL;
    r.method = rule->method ? strdup(rule->method) : NULL;
    r.path = rule->path ? strdup(rule->path) : NULL;
    r.field = every ? NULL : strndup(rule->field, strcspn(rule->field, ".["));
    if ((rule->method && !r.method) || (rule->path && !r.path) || (!every && !r.field)) {
        rule_deinit(&r);
        return -ENOMEM;
    }
    rules->list[rules->n++] = r;
    return 0;
}

/* ---- which rule applies ---- */

size_t redaction_rules_select(const struct redaction_rules *rules, enum redaction_in of,
                              struct slice method, struct slice path,
                              const struct redaction_rule **out)
{
    size_t n = 0;

    for (size_t i = 0; rules && i < rules->n; i++) {
        const struct redaction_rule *r = &rules->list[i];

        if ((r->in == REDACTION_BOTH || r->in == of) &&
            (!r->method || slice_eq(slice_str(r->method), method)) &&
            (!r->path || path_matches(slice_str(r->path), path, PATH_WORD_ANY)))
            out[n++] = r;
    }
    return n;
}

const struct redaction_rule *redaction_rules_find(const struct redaction_rule *const *selected,
                                                  size_t n, struct slice name)
{
    for (size_t i = 0; i < n; i++)
        if (!selected[i]->field || slice_eq(slice_str(selected[i]->field), name))
            return selected[i];
    return NULL;
}
