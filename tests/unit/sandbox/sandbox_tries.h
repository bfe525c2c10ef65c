/*
 * What test_confine tries in a sandbox, and what should come of it.
 */
#ifndef CENTION_TESTS_UNIT_SANDBOX_SANDBOX_TRIES_H
#define CENTION_TESTS_UNIT_SANDBOX_SANDBOX_TRIES_H

#include <stdbool.h>
#include <sys/types.h>

enum tries_result {
    TRY_UNTRIED,
    TRY_DONE,
    TRY_DENIED,
    TRY_KILLED,
    TRY_BROKEN, /* it failed in another way than by being denied */
};

struct tries_door {
    int fd, fd6; /* listening on loopback; fd6 is -1 without IPv6 */
    unsigned port;
};

/* Opened before the sandbox, as a daemon does. */
struct tries_scene {
    char folder[64]; /* conf/ keys/ api/ ca/ run/ audit/ state/ other/, each with a file */
    char audit[128];
    struct tries_door upstream, other;
    int tcp, tcp6; /* unconnected sockets */
    int shell;     /* audit/audit-1.jsonl, open for appending */
    pid_t parent;  /* the test, which is not confined */
    pid_t command; /* a process that the keeper may end */
    int landlock;  /* the kernel's version; 0: none */
};

struct
try {
    const char *name;
    int (*run)(const struct tries_scene *s); /* 0 or an errno */
    enum tries_result expected[3];           /* of the proxy, the keeper, the shipper */
    int landlock;                            /* tried from this version on */
    bool v6;
};

/* Ends with a nameless one. */
extern const struct try TRIES[];

int tries_open(struct tries_scene *s);
/* Puts back what a try may have changed. */
void tries_reset(struct tries_scene *s);
void tries_close(struct tries_scene *s);

#endif
