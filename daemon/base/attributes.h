/* What a declaration says to the compiler, where the standard has no word for it. */
#ifndef CENTION_BASE_ATTRIBUTES_H
#define CENTION_BASE_ATTRIBUTES_H

/* The result matters: not looking at it is a warning. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* Takes a printf format as argument number `format`, and its values from number `first` on. */
#define PRINTF_LIKE(format_, first_) __attribute__((format(printf, format_, first_)))

#endif
