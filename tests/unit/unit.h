/*
 * The frame of every unit test program: a list of named cases run by CUnit, and one closing line
 * `unit NAME: N passed, N failed, N skipped` that tests/check.sh adds up.
 */
#ifndef CENTION_TESTS_UNIT_UNIT_H
#define CENTION_TESTS_UNIT_UNIT_H

#include <CUnit/CUnit.h>
#include <stddef.h>
#include <stdint.h>

struct unit_case {
    const char *name;
    void (*run)(void);
};

/* Runs all cases, or those whose name contains argv[1]. Returns the program's exit code. */
int unit_main(int argc, char **argv, const char *suite, const struct unit_case *cases, size_t n);

/* Counts the running case as skipped and says why; the case should then return. */
void unit_skip(const char *why);

/*
 * Copies n bytes so that they end right before a page that can't be read: reading one byte too
 * many ends the test. Free with unit_guard_free.
 */
char *unit_guard(const void *data, size_t n);
void unit_guard_free(char *guarded, size_t n);

/* A whole file in memory (terminated beyond *n), or NULL when it can't be read. Free with free. */
char *unit_file(const char *path, size_t *n);

/* Removes a folder and the files in it. */
void unit_remove(const char *folder);

#define UNIT_MAIN(suite, cases)                                                                    \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return unit_main(argc, argv, suite, cases, sizeof(cases) / sizeof((cases)[0]));            \
    }

#endif
