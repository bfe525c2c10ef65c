/*
 * The administrator's rules (`audit.fields` of keeper.conf) for how field values are kept in the
 * audit log: per endpoint and field path. The first rule that matches decides.
 *
 * A field's value is one string in the log, as it is signed, whatever is nested in it. So a rule
 * on a part of it ("server_emails[].name") is a rule on all of it ("server_emails").
 */
#ifndef CENTION_KEEPER_REDACTION_REDACTION_RULES_H
#define CENTION_KEEPER_REDACTION_REDACTION_RULES_H

#include "audit/record.h"
#include "base/slice.h"

enum {
    REDACTION_RULES_MAX = 256,
    REDACTION_RULE_TEXT_MAX = 256, /* bytes of a field path */
};

struct redaction_rules;

/* Whose fields a rule is about. */
enum redaction_in {
    REDACTION_REQUEST,
    REDACTION_ANSWER,
    REDACTION_BOTH,
};

/* As the administrator wrote it. */
struct redaction_rule_text {
    const char *method; /* NULL: any */
    const char *path;   /* api-path (policy/path.h), PATH_WORD_ANY; NULL: any */
    const char *field;  /* path of a field, "[]", "[*]" or "[0]" for an index; "*": every field */
    enum record_keep keep;
    enum redaction_in in;
};

struct redaction_rule {
    char *method, *path; /* NULL: any */
    char *field;         /* of the body's object; NULL: every one */
    enum record_keep keep;
    enum redaction_in in;
};

int redaction_rules_new(struct redaction_rules **out) MUST_CHECK; /* -ENOMEM */
void redaction_rules_free(struct redaction_rules *rules);         /* NULL is allowed */

/*
 * Appends a rule, copied. -EINVAL with *where the wrong setting ("method", "path", "field" or
 * "keep") and *why a static sentence; -ENOMEM.
 */
int redaction_rules_add(struct redaction_rules *rules, const struct redaction_rule_text *rule,
                        const char **where, const char **why) MUST_CHECK;

/* The rules for one request's fields, or its answer's, in order, into room for REDACTION_RULES_MAX:
 * how many. NULL has none.
 */
size_t redaction_rules_select(const struct redaction_rules *rules, enum redaction_in of,
                              struct slice method, struct slice path,
                              const struct redaction_rule **out);

/* The first of them for the field of the body's object, or NULL. */
const struct redaction_rule *redaction_rules_find(const struct redaction_rule *const *selected,
                                                  size_t n, struct slice name);

#endif
