/*
 * An audit log in a temporary folder whose writes, syncs and reservations can be made to fail.
 */
#ifndef CENTION_TESTS_UNIT_KEEPER_AUDIT_AUDIT_FIXTURE_H
#define CENTION_TESTS_UNIT_KEEPER_AUDIT_AUDIT_FIXTURE_H

#include "keeper/audit/audit.h"
#include "unit/unit.h"

extern char folder[];
extern unsigned syncs, writes;         /* since open_audit */
extern unsigned fail_sync, fail_write; /* the how many-th fails; 0: none */
extern size_t most;                    /* bytes of one write; 0: any */
extern int write_error;                /* errno of the failing write; 0: it takes nothing */
extern int no_space;                   /* the errno of every reservation; 0: they work */
extern const struct audit_io TEST_IO;
extern const struct audit_options IO; /* with these failures */

void setup(void);
void cleanup(void);
const char *in_folder(const char *name);
void put_file(const char *name, const char *text);
void append(const char *name, const char *text);

#define TIME "\"time\":\"---------------------------\""
#define START                                                                                      \
    "\"type\":\"start\",\"version\":\"1\",\"pid\":2,\"fields_key\":\"----------------\","          \
    "\"heartbeat\":3600}\n"
#define NEW_KEY  "\"type\":\"fields\",\"event\":\"key_created\",\"key_id\":\"----------------\"}\n"
#define MAC_TEXT "----------------------------------------------------------------"

/*
 * The text of a file, with times and what depends on a random key blanked, without hashes and
 * structural lines. Free it.
 */
char *log_text(const char *name);

/* Opened and begun. */
struct audit *open_audit(const struct audit_options *options);
void intent(struct audit *a, const char *id);
void outcome(struct audit *a, const char *id); /* the oldest of that id */
void outcome_of(struct audit *a, const char *id, uint64_t seq);

#endif
