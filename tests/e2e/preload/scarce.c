/*
 * Refuses memory to a daemon when the test says so: CENTION_PRELOAD_SCARCE is a file of three
 * numbers that the test maps, too: which piece from now on is refused (0: none), whether all after
 * it are, and how many were asked for meanwhile.
 */
#include "scarce_malloc.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile uint64_t *state;

__attribute__((constructor)) static void init(void)
{
    const char *path = getenv("CENTION_PRELOAD_SCARCE");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *map = mmap(NULL, 3 * sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (fd < 0 || map == MAP_FAILED)
        abort();
    (void)close(fd);
    state = map;
}

static bool scarce(void)
{
    uint64_t n;

    if (!state || !state[0])
        return false;
    n = __atomic_add_fetch(&state[2], 1, __ATOMIC_RELAXED);
    return n == state[0] || (state[1] && n > state[0]);
}
