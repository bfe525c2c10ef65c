/*
 * The sandbox of a daemon: what the process may still ask of the kernel after it has opened what it
 * needs, and before it reads the first outside byte. Two layers: a list of system calls (filter.c,
 * seccomp) and a list of folders and ports (fence.c, Landlock). Neither can be left again.
 */
#ifndef CENTION_SANDBOX_SANDBOX_H
#define CENTION_SANDBOX_SANDBOX_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum confine_role {
    CONFINE_PROXY,
    CONFINE_KEEPER,
    CONFINE_SHIPPER,
    CONFINE_READER, /* of keys.conf: reads, tells and ends */
};

enum confine_access {
    CONFINE_READ,   /* a file, or everything below a folder */
    CONFINE_WRITE,  /* files in a folder: make, read, write, rename, remove */
    CONFINE_REMOVE, /* files in a folder, nothing else */
};

enum {
    CONFINE_PATHS_MAX = 192,
    CONFINE_PORTS_MAX = 64,
    CONFINE_DNS_PORT = 53, /* UDP is beyond the fence; for answers that are too long for it */
};

struct confine_path {
    char *path; /* owned */
    enum confine_access access;
};

/* Everything that a process keeps. Zeroed, with the role set, it keeps no path and no port. */
struct confine {
    enum confine_role role;
    struct confine_path paths[CONFINE_PATHS_MAX];
    unsigned n_paths;
    uint16_t ports[CONFINE_PORTS_MAX]; /* of TCP, host byte order: may be connected to */
    unsigned n_ports;
    bool any_port; /* each may be connected to; none may be listened on */
    pid_t command; /* the one process that may be sent a signal; 0: none */
    bool off;      /* nothing is entered */
    /* Set by confine_files: */
    int landlock; /* the kernel's version; 0: none */
    bool files_confined, ports_confined;
};

/*
 * Keeps a path, which is copied; one that does not exist when the sandbox is entered is left out.
 * -ENOMEM, or -ENOSPC when there are too many.
 */
int confine_keep(struct confine *c, const char *path, enum confine_access access)
    __attribute__((warn_unused_result));

/* Keeps the folder of a file and, when the file is reached by links, that of what they lead to. */
int confine_keep_folder(struct confine *c, const char *file, enum confine_access access)
    __attribute__((warn_unused_result));

/*
 * Keeps what is read to find servers and to trust them: the resolver's settings and the system's
 * CA store, or those that $SSL_CERT_FILE and $SSL_CERT_DIR name. As confine_keep.
 */
int confine_keep_network(struct confine *c) __attribute__((warn_unused_result));

/* Keeps a TCP port to connect to, once; -ENOSPC when there are too many. */
int confine_keep_port(struct confine *c, unsigned port) __attribute__((warn_unused_result));
void confine_deinit(struct confine *c);

/*
 * Enters the sandbox and logs one line about it. No new privileges must be set (base/sandbox). A
 * kernel without Landlock is no error; one without seccomp is: -errno with err filled, and the
 * process may be half confined and has to end. With sanitizers in the build nothing is entered,
 * and the line says so.
 */
int confine_enter(struct confine *c, struct err *err) __attribute__((warn_unused_result));

/*
 * The same in two steps, for a process with threads: files and ports of the calling thread and of
 * those that it makes from then on, then the system calls of all threads that there are. Outside
 * bytes wait until the second has been made.
 */
int confine_files(struct confine *c, struct err *err) __attribute__((warn_unused_result));
int confine_calls(struct confine *c, struct err *err) __attribute__((warn_unused_result));

/*
 * For a reload: whether the process can still connect to a port, and a line of log when `why` may
 * be due to a file that is not in a kept folder.
 */
bool confine_has_port(const struct confine *c, unsigned port);
void confine_explain(const struct confine *c, const struct err *why);

/*
 * The filter of CONFINE_READER, for a child that only reads, parses and tells. It is one more
 * layer: a kernel that refuses it leaves the child as it was.
 */
void confine_reader(void);

/* Logs that the sandbox was turned off; the steps above then do nothing. */
void confine_off(struct confine *c);

/* True when this build enters no sandbox (sanitizers need system calls and files of their own). */
bool confine_built_without(void);

#endif
