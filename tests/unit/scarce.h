/*
 * Memory that runs out at each piece in turn, for what reads with libraries that don't look. A
 * program with this has a malloc of its own, so it can't be done beside a sanitizer's.
 */
#ifndef CENTION_TESTS_UNIT_SCARCE_H
#define CENTION_TESTS_UNIT_SCARCE_H

#include <stdbool.h>

/*
 * Runs attempt() in a child for each n: the n-th piece of memory that it asks for is refused, and
 * in a second round all from the n-th on. It may fail (below 0), and a library may end the child;
 * what it may not is succeed with something else than right() looks for. The running case fails
 * then, or is skipped where this can't be done.
 */
void scarce_sweep(int (*attempt)(void), bool (*right)(void));

#endif
