/*
 * The JSON Schema keyword `pattern` (Validation 2020-12, 6.3.3): a documented subset of ECMA-262
 * regular expressions, matched by PCRE2 (libpcre2-8) without JIT: no memory is ever executable.
 * This is the one place that knows it. What a description may hold and PCRE2 would read otherwise
 * than ECMA-262 is written anew, or refused when the description is loaded.
 *
 * A pattern is printable ASCII. It may hold, with ECMA-262's meaning (flags: u only):
 *
 *   abc          literals: any character but ^ $ \ . * + ? ( ) [ ] { } |
 *   .            any character but \n, \r, U+2028 and U+2029
 *   [abc] [a-z]  classes; [^...] is any character but those. Inside, only ] and \ and a - between
 *                two characters are special; escapes work as outside
 *   \d \D        [0-9] and any character but those
 *   \w \W        [A-Za-z0-9_] and any character but those
 *   \s \S        ECMA-262's white space and line ends (U+00A0, U+FEFF, U+2028, U+2029 and the
 *                Unicode spaces among them), and any character but those
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
    PATTERN_SOURCE_MAX = 1024,      /* bytes */
    PATTERN_SEARCH_MAX = 64 * 1024, /* bytes of a text for a pattern that does not begin with ^ */
};

enum pattern_answer {
    PATTERN_NO,
    PATTERN_YES,
    PATTERN_UNDECIDED, /* the limits of time or memory were reached */
};

struct pattern;

/*
 * Compiles; nothing of `source` is needed afterwards. -EINVAL with err saying what is wrong, not
 * supported or "too complex", and at which character of the pattern (from 1) where there is one;
 * -ENOMEM. *out is set only on success. Free with pattern_free.
 */
int pattern_new(struct pattern **out, struct slice source, struct err *err) MUST_CHECK;
void pattern_free(struct pattern *pattern); /* NULL is allowed */

/* What matching needs: made at the first match, and used again. One for each thread. */
struct pattern_memory {
    void *data;
};

void pattern_memory_deinit(struct pattern_memory *memory); /* a zeroed one is allowed */

/*
 * Whether the pattern matches anywhere in the text (it isn't anchored by itself), which is valid
 * UTF-8. However hostile pattern and text are, it ends within a tenth of a second.
 */
enum pattern_answer pattern_match(const struct pattern *pattern, struct slice text,
                                  struct pattern_memory *memory);

#endif
