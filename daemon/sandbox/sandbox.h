/*
 * The sandbox of a daemon: what the process may still ask of the kernel after it has opened what it
 * needs, and before it reads the first outside byte. Two layers: a list of system calls (seccomp.c)
 * and a list of folders and ports (landlock.c). Neither can be left again.
 */
#ifndef CENTION_SANDBOX_SANDBOX_H
#define CENTION_SANDBOX_SANDBOX_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum sandbox_role {
    SANDBOX_PROXY,
    SANDBOX_KEEPER,
    SANDBOX_SHIPPER,
    SANDBOX_READER, /* the child that reads keys.conf */
};

enum sandbox_access {
    SANDBOX_READ,   /* a file, or everything below a folder */
    SANDBOX_WRITE,  /* files in a folder: make, read, write, rename, remove */
    SANDBOX_REMOVE, /* files in a folder, nothing else */
};

enum {
    SANDBOX_PATHS_MAX = 192,
    SANDBOX_PORTS_MAX = 64,
    SANDBOX_DNS_PORT =
        53, /* Landlock does not cover UDP; TCP is for answers that are too long for it */
};

struct sandbox_path {
    char *path; /* owned */
    enum sandbox_access access;
};

/* Everything that a process keeps. Zeroed, with the role set, it keeps no path and no port. */
struct sandbox {
    enum sandbox_role role;
    struct sandbox_path paths[SANDBOX_PATHS_MAX];
    unsigned n_paths;
    uint16_t ports[SANDBOX_PORTS_MAX]; /* of TCP, host byte order: may be connected to */
    unsigned n_ports;
    bool any_port; /* each may be connected to; none may be listened on */
    pid_t command; /* the one process that may be sent a signal; 0: none */
    bool off;      /* nothing is entered */
    /* Set by sandbox_files: */
    int landlock; /* the kernel's version; 0: none */
    bool files_confined, ports_confined;
};

/*
 * Keeps a path, which is copied; one that does not exist when the sandbox is entered is left out.
 * -ENOMEM, or -ENOSPC when there are too many.
 */
int sandbox_keep(struct sandbox *c, const char *path, enum sandbox_access access) MUST_CHECK;

/* Keeps the folder of a file and, when the file is reached by links, that of what they lead to. */
int sandbox_keep_folder(struct sandbox *c, const char *file, enum sandbox_access access) MUST_CHECK;

/*
 * Keeps what is read to find servers and to trust them: the resolver's settings and the system's
 * CA store, or those that $SSL_CERT_FILE and $SSL_CERT_DIR name. As sandbox_keep.
 */
int sandbox_keep_network(struct sandbox *c) MUST_CHECK;

/* Keeps a TCP port to connect to, once; -ENOSPC when there are too many. */
int sandbox_keep_port(struct sandbox *c, unsigned port) MUST_CHECK;
void sandbox_deinit(struct sandbox *c);

/*
 * Enters the sandbox and logs one line about it. No new privileges must be set (process_harden). A
 * kernel without Landlock is no error; one without seccomp is: -errno with err filled, and the
 * process may be half confined and has to end. With sanitizers in the build nothing is entered, and
 * the line says so.
 */
int sandbox_enter(struct sandbox *c, struct err *err) MUST_CHECK;

/*
 * The same in two steps, for a process with threads: files and ports of the calling thread and of
 * those that it makes from then on, then the system calls of all threads that there are. Outside
 * bytes wait until the second has been made.
 */
int sandbox_files(struct sandbox *c, struct err *err) MUST_CHECK;
int sandbox_calls(struct sandbox *c, struct err *err) MUST_CHECK;

/*
 * For a reload: whether the process can still connect to a port, and a line of log when `why` may
 * be due to a file that is not in a kept folder.
 */
bool sandbox_has_port(const struct sandbox *c, unsigned port);
void sandbox_explain(const struct sandbox *c, const struct err *why);

/*
 * The seccomp filter of SANDBOX_READER, for a child that only reads, parses and tells. -errno with
 * err filled: the child has to give up. Does nothing in a build with sanitizers.
 */
int sandbox_reader(struct err *err) MUST_CHECK;

/* Logs that the sandbox was turned off; the steps above then do nothing. */
void sandbox_off(struct sandbox *c);

/* True when this build enters no sandbox (sanitizers need system calls and files of their own). */
bool sandbox_built_without(void);

#endif
