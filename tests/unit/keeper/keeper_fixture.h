/*
 * The keeper with a real audit log, fed through socket pairs: each test plays the proxies. A turn
 * of the loop is taken by hand, so that a test decides what arrives together.
 */
#ifndef CENTION_TESTS_UNIT_KEEPER_KEEPER_FIXTURE_H
#define CENTION_TESTS_UNIT_KEEPER_KEEPER_FIXTURE_H

#include "keeper/keeper.h"
#include "unit/unit.h"
#include "wall/codec.h"

struct fixture {
    char folder[32];
    struct loop *loop;
    struct audit *audit;
    struct signer *signer;
    struct keeper *keeper;
};

struct proxy {
    int fd;
    struct buf in;
    struct wire_space space;
    struct wire_message m;
    size_t used; /* bytes of the message in m */
};

/* What the audit log's disk did, and is to do. */
extern unsigned syncs, writes;
extern bool fail_sync, fail_write;
extern struct audit_options keeper_audit; /* of the next setup */

const char *in_folder(const struct fixture *f, const char *name);
struct keystore *load_keys(const struct fixture *f, const char *text);
void setup(struct fixture *f);
void cleanup(struct fixture *f);
void turn(const struct fixture *f);
void put(const struct proxy *p, const struct wire_message *m);
void put_with(const struct proxy *p, const struct wire_message *m, int socket);
const struct wire_message *next(struct proxy *p);
bool ended(struct proxy *p);
struct proxy *arrive(const struct fixture *f);
void leave(struct proxy *p);
struct proxy *greet(const struct fixture *f);
struct wire_message sign_message(uint64_t id);
struct wire_message outcome_message(uint64_t id);
void put_sign(const struct proxy *p, uint64_t id);
void put_outcome(const struct proxy *p, uint64_t id);
void expect_signed(struct proxy *p, uint64_t id);
void expect_refused(struct proxy *p, uint64_t id, enum wire_reason reason);
void expect_recorded(struct proxy *p, uint64_t id, uint32_t durable);
unsigned logged(const struct fixture *f, const char *what);

#endif
