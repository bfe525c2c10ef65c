/*
 * Runs a fuzz target over files without a fuzzer: each argument is a file or a folder of files.
 * Prints how many ran; fails when there was none. A crash is the finding.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long ran;

static int fail(const char *path)
{
    fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
    return -1;
}

static int run_file(const char *path, size_t size)
{
    uint8_t *data = malloc(size ? size : 1); /* exactly: the sanitizer sees a byte too many */
    FILE *f = fopen(path, "rb");
    int r = -1;

    if (!f || !data || fread(data, 1, size, f) != size) {
        (void)fail(path);
    } else {
        (void)LLVMFuzzerTestOneInput(data, size);
        ran++;
        r = 0;
    }
    if (f)
        (void)fclose(f);
    free(data);
    return r;
}

static int run(const char *path);

static int run_folder(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    char inside[4096];
    int r = 0;

    if (!dir)
        return fail(path);
    while (r == 0 && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(inside, sizeof(inside), "%s/%s", path, entry->d_name);
        r = run(inside);
    }
    (void)closedir(dir);
    return r;
}

static int run(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return fail(path);
    return S_ISDIR(st.st_mode) ? run_folder(path) : run_file(path, (size_t)st.st_size);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (run(argv[i]) < 0)
            return 1;
    printf("replay: %lu inputs\n", ran);
    return ran == 0;
}
