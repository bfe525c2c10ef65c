/*
 * The administrator's rules (`audit.fields` of keeper.conf) for how field values are kept in the
 * audit log: per endpoint and field path. The first rule that matches decides.
 *
 * A field's value is one string in the log, as it is signed, whatever is nested in it. So a rule
 * on a part of it ("server_emails[].name") is a rule on all of it ("server_emails").
 */
#ifndef CENTION_KEEPER_REDACTION_RULES_H
#define CENTION_KEEPER_REDACTION_RULES_H

#include "audit/record.h"
#include "base/slice.h"

enum {
    VEIL_RULES_MAX = 256,
    VEIL_RULE_TEXT_MAX = 256, /* bytes of a field path */
};

struct veil_rules;

/* As the administrator wrote it. */
struct veil_rule_text {
    const char *method; /* NULL: any */
    const char *path;   /* api-path (policy/path.h), PATH_WORD_ANY; NULL: any */
    const char *field;  /* path of a field, "[]", "[*]" or "[0]" for an index; "*": every field */
    enum record_keep keep;
};

struct veil_rule {
    char *method, *path; /* NULL: any */
    char *field;         /* of the body's object; NULL: every one */
    enum record_keep keep;
};

int veil_rules_new(struct veil_rules **out) __attribute__((warn_unused_result)); /* -ENOMEM */
void veil_rules_free(struct veil_rules *rules);                                  /* NULL is fine */

/*
 * Appends a rule, copied. -EINVAL with *where the wrong setting ("method", "path", "field" or
 * "keep") and *why a static sentence; -ENOMEM.
 */
int veil_rules_add(struct veil_rules *rules, const struct veil_rule_text *rule, const char **where,
                   const char **why) __attribute__((warn_unused_result));

/* The rules for one request, in order, into room for VEIL_RULES_MAX: how many. NULL has none. */
size_t veil_rules_select(const struct veil_rules *rules, struct slice method, struct slice path,
                         const struct veil_rule **out);

/* The first of them for the field of the body's object, or NULL. */
const struct veil_rule *veil_rules_find(const struct veil_rule *const *selected, size_t n,
                                        struct slice name);

#endif
