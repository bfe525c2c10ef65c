/*
 * The room for a request's decisions is taken once: nothing is allocated for a request, and a
 * page of it that no request needs is never touched.
 */
#include "keeper/redaction/redaction.h"

#include "audit/private_value.h"
#include "keeper/redaction/fields_key.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>

#define WITHHELD SLICE_LIT("(withheld: the field is kept from the log)")

struct redaction {
    struct mac *mac;
    const struct redaction_rules *rules;
    char key_id[MAC_KEY_ID];
    bool created;
    const struct redaction_rule *selected[REDACTION_RULES_MAX]; /* for the present request */
    size_t n_selected;
    struct record_form forms[REQUEST_FIELDS_MAX];
    struct request_problem problems[REQUEST_PROBLEMS_MAX];
};

int redact_open(struct redaction **out, int directory, const char *path, struct err *err)
{
    unsigned char key[MAC_KEY];
    struct redaction *v = calloc(1, sizeof(*v));
    int r;

    if (!v)
        return err_set(err, -ENOMEM, "out of memory");
    r = fields_key_get(directory, path, key, &v->created, err);
    if (r == 0) {
        r = mac_new(&v->mac, key);
        if (r == 0)
            r = mac_key_id(v->mac, v->key_id);
        if (r < 0)
            (void)err_set(err, r, "%s/" MAC_KEY_FILE ": the key can't be used", path);
    }
    OPENSSL_cleanse(key, sizeof(key));
    if (r < 0)
        redact_free(v);
    else
        *out = v;
    return r;
}

void redact_free(struct redaction *v)
{
    if (!v)
        return;
    mac_free(v->mac);
    free(v);
}

void redact_use(struct redaction *v, const struct redaction_rules *rules)
{
    v->rules = rules;
}

struct slice redact_key_id(const struct redaction *v)
{
    return slice_of(v->key_id, sizeof(v->key_id));
}

bool redact_key_created(const struct redaction *v)
{
    return v->created;
}

static void select_rules(struct redaction *v, enum redaction_in of, struct slice method,
                         struct slice path)
{
    v->n_selected = redaction_rules_select(v->rules, of, method, path, v->selected);
}

static const struct redaction_rule *rule_for(const struct redaction *v, struct slice name)
{
    return redaction_rules_find(v->selected, v->n_selected, name);
}

static enum record_keep keep_of(const struct redaction *v, const struct request_field *field)
{
    const struct redaction_rule *rule = rule_for(v, field->name);

    if (rule)
        return rule->keep;
    if (private_nothing(field->value))
        return RECORD_PLAIN;
    return private_name(field->name) || private_value(field->value) ? RECORD_MAC : RECORD_PLAIN;
}

/* ---- texts ---- */

struct slice redact_text(struct slice text)
{
    return private_text(text) ? WITHHELD : text;
}

/*
 * The sentence about the field at `path`. That begins with the name of the body's member, which may
 * have dots in it: every beginning that could be the name is asked for.
 */
static struct slice text_about(const struct redaction *v, struct slice path, struct slice text)
{
    bool by_name = false;

    for (size_t n = 1; n <= path.len; n++) {
        struct slice name = slice_of(path.data, n);
        const struct redaction_rule *rule;

        if (n < path.len && path.data[n] != '.' && path.data[n] != '[')
            continue;
        rule = rule_for(v, name);
        if (rule)
            return rule->keep == RECORD_PLAIN ? text : WITHHELD;
        by_name = by_name || private_name(name);
    }
    return by_name ? WITHHELD : redact_text(text);
}

static const struct request_problem *problems(struct redaction *v,
                                              const struct request_problem *list, uint32_t n)
{
    assert(n <= REQUEST_PROBLEMS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        v->problems[i] = list[i];
        v->problems[i].error = text_about(v, list[i].field, list[i].error);
    }
    return v->problems;
}

/* ---- requests and answers ---- */

/* Decides on each field, into v->forms. */
static int forms(struct redaction *v, const struct request_field *fields, uint32_t n)
{
    int r = 0;

    assert(n <= REQUEST_FIELDS_MAX);
    for (uint32_t i = 0; r == 0 && i < n; i++) {
        v->forms[i].keep = keep_of(v, &fields[i]);
        if (v->forms[i].keep == RECORD_MAC)
            r = mac_field(v->mac, fields[i].value, v->forms[i].mac);
    }
    return r;
}

int redact_intent(struct redaction *v, const struct sign_request *in, struct sign_request *out,
                  struct record_redaction *how)
{
    int r;

    select_rules(v, REDACTION_REQUEST, in->method, in->path);
    *out = *in;
    out->problems = problems(v, in->problems, in->n_problems);
    how->forms = v->forms;
    r = mac_body(v->mac, in->fields, in->n_fields, how->body_mac);
    return r < 0 ? r : forms(v, in->fields, in->n_fields);
}

int redact_answer(struct redaction *v, struct slice method, struct slice path,
                  struct request_answer *answer, const struct record_form **how)
{
    select_rules(v, REDACTION_ANSWER, method, path);
    answer->problems = problems(v, answer->problems, answer->n_problems);
    if (answer->error.len)
        answer->error = text_about(v, SLICE_LIT("error"), answer->error);
    *how = v->forms;
    return forms(v, answer->fields, answer->n_fields);
}

void redact_reject(struct redaction *v, const struct reject_request *in, struct reject_request *out)
{
    select_rules(v, REDACTION_REQUEST, in->method, in->path);
    *out = *in;
    out->problems = problems(v, in->problems, in->n_problems);
    out->error = text_about(v, in->field, in->error);
}
