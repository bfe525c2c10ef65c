#include "base/service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>

int service_sockets(struct service_socket out[SERVICE_SOCKETS_MAX], size_t *n)
{
    char **names = NULL;
    int count = sd_listen_fds_with_names(1, &names), result = 0;

    *n = 0;
    if (count < 0)
        result = count;
    for (int i = 0; i < count && result == 0; i++) {
        int fd = SD_LISTEN_FDS_START + i, flags = fcntl(fd, F_GETFL);

        if (i >= SERVICE_SOCKETS_MAX) {
            result = -E2BIG;
        } else if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0) {
            result = -ENOTSOCK;
        } else if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
            result = -errno;
        } else {
            out[i].fd = fd;
            (void)snprintf(out[i].name, sizeof(out[i].name), "%s", names ? names[i] : "");
            *n = (size_t)i + 1;
        }
    }
    for (int i = 0; names && i < count; i++)
        free(names[i]);
    free(names);
    return result;
}

void service_ready(const char *status)
{
    (void)sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void service_status(const char *status)
{
    (void)sd_notifyf(0, "STATUS=%s", status);
}

void service_reloading(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
                     (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
}

void service_stopping(void)
{
    (void)sd_notify(0, "STOPPING=1");
}

uint64_t service_watchdog_us(void)
{
    uint64_t us = 0;

    return sd_watchdog_enabled(1, &us) > 0 ? us : 0;
}

void service_alive(void)
{
    (void)sd_notify(0, "WATCHDOG=1");
}

static void watchdog_speak(void *arg)
{
    struct watchdog *w = arg;

    if (!w->well || w->well(w->arg, w->every_us))
        service_alive();
    loop_timer_set(&w->timer, w->every_us);
}

void watchdog_start(struct watchdog *w, struct loop *loop)
{
    w->every_us = service_watchdog_us() / 2;
    loop_timer_init(&w->timer, loop, watchdog_speak, w);
    if (w->every_us)
        watchdog_speak(w);
}

void watchdog_stop(struct watchdog *w)
{
    loop_timer_deinit(&w->timer);
}
