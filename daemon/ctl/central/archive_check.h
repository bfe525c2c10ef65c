/*
 * One log as a centre has it, verified record by record in memory that doesn't grow with it: what
 * audit/verify.h proves, and what only a centre can show: that what stands beside a line agrees
 * with it, that no record is missing or there twice. Behind each damage it goes on at the next
 * record that fits, so that each is found; neighbours with the same fault are one finding.
 *
 * One altered record is named by its seq when the record behind it follows from the hash that it
 * had.
 */
#ifndef CENTION_CTL_CENTRAL_ARCHIVE_CHECK_H
#define CENTION_CTL_CENTRAL_ARCHIVE_CHECK_H

#include "audit/verify.h"
#include "central/archive.h"
#include "ctl/central/finding.h"

enum {
    ARCHIVE_HOST = 256, /* bytes of a host's name, terminator included; what is longer is cut */
};

struct archive_check_options {
    struct seal_key log;
    uint64_t first;      /* the seq that the log must begin with at the latest; 1 mostly */
    bool has_first_hash; /* and the hash of that record */
    struct chain_hash first_hash;
    bool retires; /* what comes before may be missing when a record says it was retired */
    const struct verify_head *heads; /* of this log, by seq */
    size_t n_heads;
    void (*found)(void *arg, const struct finding *finding);
    void *arg;
};

/* A record and what its line says. */
struct archive_item {
    const struct archive_record *record;
    struct line line;
    bool sound; /* it is a record, of the seq at which it stands */
    const char *why;
};

struct archive_check {
    struct archive_check_options o;
    struct verify v;

    uint64_t records;             /* all that came */
    uint64_t first, seq;          /* the first and the last place; 0: none */
    struct chain_hash first_hash; /* at the first place */
    struct chain_hash hash;       /* at the last place */
    char time[SEAL_TIME];         /* of the last record that is one; zeros: none */
    uint64_t time_us;             /* the same in microseconds since 1970 */
    uint64_t received_us;         /* of the last record, by the centre's clock; 0: not known */
    char host[ARCHIVE_HOST];
    bool stopped;         /* a stop is the last thing that it tells */
    uint64_t heartbeat_s; /* seconds, as the last start says; 0: it doesn't */
    size_t heads_seen;    /* whose record is there, or another at its place */
    uint64_t given;       /* from this record on a key is given: nothing proves it; 0: none is */
    uint64_t loose_us;    /* of the first record that nothing signs yet; 0: there is none */

    /* Private: */
    struct chain *chain;
    size_t heads_past; /* whose seq the reading has passed */
    struct {
        uint64_t first, last;        /* 0: none */
        struct chain_hash hashes[3]; /* that the last one may have had */
        size_t n;
        bool computed; /* the last of the hashes is the one that its bytes have */
        const char *why;
        char time[SEAL_TIME], host[ARCHIVE_HOST];
    } bad;
    uint64_t fork_seq; /* a second record stood there last, of this hash: */
    struct chain_hash fork_hash;
    struct finding held; /* may still become longer; what 0: none */
    char held_time[SEAL_TIME], held_host[ARCHIVE_HOST], held_other[ARCHIVE_HOST], held_what[320];
};

int archive_check_init(struct archive_check *c,
                       const struct archive_check_options *options) MUST_CHECK;
void archive_check_deinit(struct archive_check *c); /* a zeroed one is allowed */

/* A line of what stays of segments that were retired before the record `before`; before all else.
 */
int archive_check_retired(struct archive_check *c, struct slice line, uint64_t before) MUST_CHECK;

/* In the centre's order. 0 or -ENOMEM. */
int archive_check_record(struct archive_check *c, const struct archive_record *record) MUST_CHECK;

/* Behind the last one. */
void archive_check_end(struct archive_check *c);

/* Nothing proves that the first record, its key and the hash before it are the log's. */
bool archive_check_unproved(const struct archive_check *c);

#endif
