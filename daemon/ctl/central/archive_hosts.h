/* The table of `audit verify --from`: a row for each log. */
#ifndef CENTION_CTL_CENTRAL_ARCHIVE_HOSTS_H
#define CENTION_CTL_CENTRAL_ARCHIVE_HOSTS_H

#include "ctl/central/archive_check.h"

struct archive_host {
    char *host; /* owned */
    struct seal_key log;
    uint64_t records, head, signed_seq; /* 0: none */
    char time[SEAL_TIME];               /* zeros: not known */
    uint64_t time_us;
    unsigned kinds; /* what was found: 1 << enum finding_kind */
};

struct archive_hosts {
    struct archive_host *list;
    size_t n;
};

/* NULL when out of memory; valid until the next one. */
struct archive_host *archive_hosts_add(struct archive_hosts *all, const char *host,
                                       const struct seal_key *log) MUST_CHECK;
void archive_hosts_deinit(struct archive_hosts *all); /* a zeroed one is allowed */

/* Ages are those at `now_us` (microseconds since 1970). */
void archive_hosts_print(const struct archive_hosts *all, uint64_t now_us, FILE *to);

/* A span in a few characters: 90s, 15m, 26h, 12d. */
void archive_hosts_span(char out[24], uint64_t us);

#endif
