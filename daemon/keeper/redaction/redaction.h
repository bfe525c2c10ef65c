/*
 * How the values of a request and its answer are kept in the audit log: plain, as a keyed hash, or
 * not at all. The administrator's rules decide first (redaction_rules.h); where they say nothing,
 * e-mail addresses and phone numbers become hashes (audit/private_value.h) and everything else
 * stays plain.
 *
 * Sentences about a value can quote it. They are withheld when their field is kept in any other
 * way than plain, or when they hold an address or a number themselves. Names of fields, paths,
 * request ids and who called are always written as they are.
 */
#ifndef CENTION_KEEPER_REDACTION_REDACTION_H
#define CENTION_KEEPER_REDACTION_REDACTION_H

#include "audit/mac.h"
#include "base/err.h"
#include "keeper/redaction/redaction_rules.h"

struct redaction;

/*
 * Reads the key of the audit directory, or makes one (fields_key.h). Without rules until
 * redact_use. -errno with err filled.
 */
int redact_open(struct redaction **out, int directory, const char *path,
                struct err *err) MUST_CHECK;
void redact_free(struct redaction *redaction); /* wipes the key; NULL is allowed */

/* From now on these rules, borrowed until the next call or the end; NULL: none. */
void redact_use(struct redaction *redaction, const struct redaction_rules *rules);

struct slice redact_key_id(const struct redaction *redaction); /* MAC_KEY_ID digits */
bool redact_key_created(const struct redaction *redaction);    /* by redact_open */

/*
 * What is to be recorded of a request that is signed: *out is *in but for the texts of problems,
 * and *how says how its values are kept. Both are valid until the next call. 0, or -ENOMEM.
 */
int redact_intent(struct redaction *redaction, const struct sign_request *in,
                  struct sign_request *out, struct record_redaction *how) MUST_CHECK;

/*
 * And of the answer to one: replaces the texts in *answer, and *how says how its members are kept.
 * Both are valid until the next call. 0, or -ENOMEM.
 */
int redact_answer(struct redaction *redaction, struct slice method, struct slice path,
                  struct request_answer *answer, const struct record_form **how) MUST_CHECK;

/* And of one that is refused: *out is *in but for the texts. Valid until the next call. */
void redact_reject(struct redaction *redaction, const struct reject_request *in,
                   struct reject_request *out);

/* A sentence that belongs to no field: itself, or the one that it is withheld. */
struct slice redact_text(struct slice text);

#endif
