/*
 * How the values of a request are kept in the audit log: plain, as a keyed hash, or not at all.
 * The administrator's rules decide first (veil_rules.h); where they say nothing, e-mail addresses
 * and phone numbers become hashes (audit/private_value.h) and everything else stays plain.
 *
 * Sentences about a value can quote it. They are withheld when their field is kept in any other
 * way than plain, or when they hold an address or a number themselves. Names of fields, paths,
 * request ids and who called are always written as they are.
 */
#ifndef CENTION_KEEPER_REDACTION_H
#define CENTION_KEEPER_REDACTION_H

#include "audit/mac.h"
#include "base/err.h"
#include "keeper/redaction_rules.h"

struct veil;

/*
 * Reads the key of the audit directory, or makes one (fields_key.h). Without rules until
 * veil_use. -errno with err filled.
 */
int veil_open(struct veil **out, int directory, const char *path, struct err *err)
    __attribute__((warn_unused_result));
void veil_free(struct veil *veil); /* wipes the key; NULL is fine */

/* From now on these rules, borrowed until the next call or the end; NULL: none. */
void veil_use(struct veil *veil, const struct veil_rules *rules);

struct slice veil_key_id(const struct veil *veil); /* MAC_KEY_ID digits */
bool veil_key_created(const struct veil *veil);    /* by veil_open */

/*
 * What is to be recorded of a request that is signed: *out is *in but for the texts of problems,
 * and *how says how its values are kept. Both are valid until the next call. 0, or -ENOMEM.
 */
int veil_intent(struct veil *veil, const struct wire_sign *in, struct wire_sign *out,
                struct record_veil *how) __attribute__((warn_unused_result));

/* And of one that is refused: *out is *in but for the texts. Valid until the next call. */
void veil_reject(struct veil *veil, const struct wire_reject *in, struct wire_reject *out);

/* A sentence that belongs to no field: itself, or the one that it is withheld. */
struct slice veil_text(struct slice text);

#endif
