/*
 * The service manager's interface: readiness notification (sd_notify(3)), inherited sockets
 * (sd_listen_fds(3)) and the watchdog, which watchdog_start feeds. This is the one place that knows
 * libsystemd. Without a manager every call is harmless.
 */
#ifndef CENTION_BASE_SERVICE_H
#define CENTION_BASE_SERVICE_H

#include "base/loop.h"

#include <stddef.h>
#include <stdint.h>

enum {
    SERVICE_SOCKETS_MAX = 16,
};

struct service_socket {
    int fd;        /* listening, close-on-exec, non-blocking */
    char name[64]; /* FileDescriptorName= of the .socket unit; "" when none */
};

/* Takes the inherited listening sockets (the caller owns them) and clears the environment. */
int service_sockets(struct service_socket out[SERVICE_SOCKETS_MAX], size_t *n);

void service_ready(const char *status);
void service_status(const char *status);
void service_reloading(void);
void service_stopping(void);

/*
 * Microseconds within which the manager wants to hear service_alive, again and again; 0 when it
 * doesn't watch this process (sd_watchdog_enabled(3)). Clears the environment of it: a command that
 * we start is not watched and can't speak for us. So the answer is there once.
 */
uint64_t service_watchdog_us(void);
void service_alive(void);

/*
 * Tells the service manager that the event loop still runs, so that a daemon that hangs is
 * restarted (WatchdogSec= of its unit). A timer of the loop itself notifies: a turn that hangs
 * sends nothing.
 */

struct watchdog {
    struct loop_timer timer;
    uint64_t every_us; /* half of what the manager allows; 0 when it doesn't watch */
    /* Whether the other threads are well; NULL: there are none. */
    bool (*well)(void *arg, uint64_t every_us);
    void *arg;
};

/*
 * Notifies at once, then twice in each of the manager's periods, unless `well`, if set by then,
 * returns false. *w is zeroed but for those. Without a manager: nothing.
 */
void watchdog_start(struct watchdog *w, struct loop *loop);
void watchdog_stop(struct watchdog *w); /* before the loop goes; a zeroed one is allowed */

#endif
