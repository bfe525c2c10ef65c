/*
 * What a service manager offers: readiness notification (sd_notify(3)) and inherited sockets
 * (sd_listen_fds(3)). This is the one place that knows libsystemd. Without a manager every call
 * is harmless.
 */
#ifndef CENTION_BASE_SERVICE_H
#define CENTION_BASE_SERVICE_H

#include <stddef.h>

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

#endif
