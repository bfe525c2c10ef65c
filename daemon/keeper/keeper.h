/*
 * The keeper's side of the wall: takes the proxies' requests, records them, and signs. It
 * understands the messages of wire.h and nothing else; any other message ends the link it came on,
 * and only that link.
 *
 * No answer leaves before the records that it speaks of are durable. All answers of a turn wait
 * for one commit of the audit log; when that fails, each of them becomes a refusal.
 */
#ifndef CENTION_KEEPER_KEEPER_H
#define CENTION_KEEPER_KEEPER_H

#include "base/loop.h"
#include "keeper/audit/audit.h"
#include "keeper/keystore.h"
#include "keeper/signer.h"
#include "policy/policy.h"

enum {
    KEEPER_LINKS_MAX =
        256, /* a proxy has one for each worker, 64 at most, and may overlap another */
};

struct keeper;

/* The loop, audit and signer outlive the keeper; the keys are taken over. -ENOMEM: they aren't. */
int keeper_new(struct keeper **out, struct loop *loop, struct audit *audit,
               const struct signer *signer, struct keystore *keys) MUST_CHECK;

/* Records every key as loaded and commits. -EIO when that fails. */
int keeper_begin(struct keeper *keeper) MUST_CHECK;

/*
 * `failed` is called once, from the loop, when the audit log takes nothing new any more; proxies
 * have the reason by then. The caller ends the keeper; keeper_pending says how many requests still
 * owe an outcome.
 */
void keeper_on_failure(struct keeper *keeper, void (*failed)(void *arg), void *arg);
size_t keeper_pending(const struct keeper *keeper);

/*
 * Who may have what signed, from now on: borrowed until the next call. What the clients of the
 * policy before have left of their limits goes on. Without it nobody may do anything.
 */
void keeper_policy(struct keeper *keeper, struct policy *policy);

/* How many refusals of a user are recorded in a second, from now on; REJECTS_DEFAULT before. */
void keeper_reject_limit(struct keeper *keeper, unsigned limit);

/* A new connection of a proxy; takes over the non-blocking descriptor. */
void keeper_arrived(struct keeper *keeper, int fd);

/*
 * New keys in place of the old, taken over: what was asked before is answered with the old ones,
 * the difference is recorded, then they are swapped.
 */
void keeper_reload(struct keeper *keeper, struct keystore *keys);

/* A reload that was refused: the old keys and settings stay, and the log says why. */
void keeper_reload_refused(struct keeper *keeper, const char *why);

/*
 * Ends every link, records an outcome for what was pending and the end itself, commits. Call it
 * when the loop has ended, so that answers which were due have left. Further calls do nothing.
 */
void keeper_stop(struct keeper *keeper);

void keeper_free(struct keeper *keeper); /* without records; NULL is allowed */

/* Signatures given out since the start. */
uint64_t keeper_signatures(const struct keeper *keeper);

#endif
