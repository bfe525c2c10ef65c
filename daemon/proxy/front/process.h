/*
 * What a process at the other end of a Unix socket runs, as /proc tells it. It is information for
 * the records, not an identity: a process may become another program at any time.
 */
#ifndef CENTION_PROXY_FRONT_PROCESS_H
#define CENTION_PROXY_FRONT_PROCESS_H

#include <stddef.h>
#include <stdint.h>

enum {
    PROCESS_TEXT_MAX = 256, /* bytes, without the terminator */
};

struct process {
    char exe[PROCESS_TEXT_MAX + 1];  /* path of the executable; "" when not known */
    char unit[PROCESS_TEXT_MAX + 1]; /* as process_unit; "" when not known */
};

/*
 * Reads both of the very process that `pidfd` (borrowed) stands for. Where the kernel has none to
 * give (-1), of the one that has the pid now if it belongs to `uid`. What can't be read, is not
 * UTF-8 (the path) or is longer than PROCESS_TEXT_MAX is left empty: the executable of another
 * user's process, as a rule.
 */
void process_describe(struct process *out, uint32_t pid, int pidfd, uint32_t uid);

/*
 * The unit in the text of /proc/PID/cgroup (cgroups(7)): the first *.service or *.scope in its
 * path, which the service manager alone names. When there are more the last one follows after a
 * slash ("user@1000.service/app-mail.scope"); it is named by whoever owns the first one. "" when
 * there is none, or it has characters that no unit has.
 */
void process_unit(const char *text, size_t len, char out[PROCESS_TEXT_MAX + 1]);

#endif
