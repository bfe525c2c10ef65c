/*
 * The JSON Schema keyword `pattern` (Validation 2020-12, 6.3.3): a documented subset of ECMA-262
 * regular expressions, compiled when a description is loaded to a deterministic automaton. A match
 * looks up a table once per character, never goes back and allocates nothing: a hostile text can't
 * make it slow, and a hostile pattern is refused.
 *
 * A pattern is printable ASCII. It may hold, with ECMA-262's meaning (flags: u only):
 *
 *   abc          literals: any character but ^ $ \ . * + ? ( ) [ ] { } |
 *   .            any character but \n, \r, U+2028 and U+2029
 *   [abc] [a-z]  classes; [^...] is any character but those. Inside, only ] and \ and a - between
 *                two characters are special; escapes work as outside
 *   \d \D        [0-9] and any character but those
 *   \w \W        [A-Za-z0-9_] and any character but those
 *   \s \S        space, \t \n \v \f \r and any character but those. ECMA-262 counts U+00A0, U+FEFF,
 *                U+2028, U+2029 and the Unicode spaces as \s; here they are \S
 *   \t \n \v \f \r, and \ before any of ^ $ \ . * + ? ( ) [ ] { } | / - (ECMA-262 takes \- outside
 *                of a class only without flag u)
 *   (...) (?:...) groups, at most 32 inside each other; | alternatives, which may be empty
 *   * + ? {n} {n,} {n,m}   quantifiers; n and m are at most 255
 *   ^ $          start and end of the text, not of a line: $ doesn't match before a final \n.
 *                They may stand anywhere, but not be quantified
 *
 * Everything else is an error that names it: lazy quantifiers, back references, look-ahead and
 * look-behind, \b \B, \0, \c, \x, \u, \p, named groups, [] and [^], a bare ] { or }.
 */
#ifndef CENTION_API_PATTERN_H
#define CENTION_API_PATTERN_H

#include "base/err.h"
#include "base/slice.h"

enum {
    PATTERN_SOURCE_MAX = 1024, /* bytes */
    PATTERN_STATES_MAX = 1000, /* of the automaton; half a MB at the very worst */
};

struct pattern;

/*
 * Compiles; nothing of `source` is needed afterwards. -EINVAL with err saying what is wrong, not
 * supported or "too complex", and at which character of the pattern (from 1) where there is one;
 * -ENOMEM. *out is set only on success. Takes some 10 ms at the worst. Free with pattern_free.
 */
int pattern_new(struct pattern **out, struct slice source, struct err *err) MUST_CHECK;
void pattern_free(struct pattern *pattern); /* NULL is fine */

/*
 * Whether the pattern matches anywhere in the text (it isn't anchored by itself). The text is valid
 * UTF-8; in one that isn't, each stray byte counts as a character. Time is linear in the text.
 */
bool pattern_match(const struct pattern *pattern, struct slice text);

#endif
