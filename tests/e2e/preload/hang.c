/*
 * Makes one thread of the proxy hang when the test says so: CENTION_PRELOAD_HANG is a file of two
 * numbers that the test maps, too. The first is written there: 0, or which of the threads beside
 * the first, as they came to wait for events, is to hang; the second is here: 1 while it does.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile uint32_t *state;
static uint32_t threads;
static _Thread_local uint32_t mine;
static int (*real)(int, struct epoll_event *, int, int);

__attribute__((constructor)) static void init(void)
{
    const char *path = getenv("CENTION_PRELOAD_HANG");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *map = mmap(NULL, 2 * sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    real = (int (*)(int, struct epoll_event *, int, int))(uintptr_t)dlsym(RTLD_NEXT, "epoll_wait");
    if (fd < 0 || map == MAP_FAILED || !real)
        abort();
    (void)close(fd);
    state = map;
}

int epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
    if (gettid() != getpid() && !mine)
        mine = __atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED);
    while (mine && state[0] == mine) {
        state[1] = 1;
        (void)poll(NULL, 0, 5);
    }
    state[1] &= state[0] != 0;
    return real(fd, events, max, timeout);
}
