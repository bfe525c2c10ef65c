/*
 * Which values and texts are treated as an e-mail address or a phone number when no rule says
 * anything about their field. Pure functions of bytes, linear in their length.
 *
 * An e-mail address is found anywhere in a value. A phone number is found
 *   - anywhere, when it begins with `+` that no letter or digit precedes;
 *   - as a whole value, or as a whole part of a nested one (between `,` `:` `;` `"` or line ends),
 *     when it begins with 0;
 * and has 7 to 15 digits and otherwise only spaces, brackets ( ) and `-`. A date is none. Numbers
 * in another shape (no leading 0 or +, dots) aren't found: a rule can name their field.
 */
#ifndef CENTION_AUDIT_PRIVATE_VALUE_H
#define CENTION_AUDIT_PRIVATE_VALUE_H

#include "base/slice.h"

/* Whether a canonical value holds an address or a number. */
bool private_value(struct slice value);

/*
 * Whether a sentence about a value does: quoted values in it are JSON as it came in, so escapes
 * are read, and may be cut off with "...".
 */
bool private_text(struct slice text);

/*
 * Whether a field of this name holds one: the API document's own fields, and any whose name has
 * "email", "e_mail", "e-mail", "phone" or "mobile" in it, in any case.
 */
bool private_name(struct slice name);

/* A value that reveals nothing, whatever its field is called: empty, `true`, `false` or `null`. */
bool private_nothing(struct slice value);

#endif
