#include "unit/unit.h"

#include <CUnit/Basic.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    UNIT_SECONDS = 300, /* for a whole program, sanitized and on a slow machine */
};

static unsigned skipped;

void unit_skip(const char *why)
{
    skipped++;
    printf(" SKIPPED: %s ", why);
}

int unit_main(int argc, char **argv, const char *suite, const struct unit_case *cases, size_t n)
{
    const char *wanted = argc > 1 ? argv[1] : "";
    unsigned run, failed;
    CU_pSuite s;

    setvbuf(stdout, NULL, _IOLBF, 0);
    (void)alarm(UNIT_SECONDS); /* a case that hangs fails */
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 1;
    s = CU_add_suite(suite, NULL, NULL);
    for (size_t i = 0; s && i < n; i++)
        if (strstr(cases[i].name, wanted) && !CU_add_test(s, cases[i].name, cases[i].run))
            return 1;
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    run = CU_get_number_of_tests_run();
    failed = CU_get_number_of_tests_failed();
    CU_cleanup_registry();
    printf("\nunit %s: %u passed, %u failed, %u skipped\n", suite, run - failed - skipped, failed,
           skipped);
    return failed || run == 0;
}

char *unit_guard(const void *data, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (n + page - 1) / page * page;
    char *p = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED || mprotect(p + room, page, PROT_NONE) < 0)
        abort();
    if (n)
        memcpy(p + room - n, data, n);
    return p + room - n;
}

void unit_guard_free(char *guarded, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (n + page - 1) / page * page;

    munmap(guarded + n - room, room + page);
}

char *unit_file(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    char *data = NULL;
    long size;

    if (!f)
        return NULL;
    if (fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0 &&
        (data = malloc((size_t)size + 1))) {
        *n = fread(data, 1, (size_t)size, f);
        data[*n] = '\0';
    }
    fclose(f);
    return data;
}

void unit_remove(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (entry->d_type == DT_REG)
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
    CU_ASSERT_EQUAL(rmdir(folder), 0);
}
