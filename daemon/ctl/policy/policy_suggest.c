/*
 * Reads what was done, and writes the policy that allows just that: for each client the products of
 * workspaces, methods and paths that hold nothing it did not do, but for the numbers in paths.
 */
#include "audit/requests.h"
#include "ctl/audit/audit_history.h"
#include "ctl/audit/audit_log.h"
#include "ctl/command/ctl.h"
#include "ctl/command/show.h"
#include "ctl/policy/policy_seen.h"
#include "ctl/policy/policy_write.h"
#include "policy/policy_conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char HELP[] =
    "usage: cention-proxyctl policy suggest [-c keeper.conf] [DIRECTORY | FILE...]\n"
    "\n"
    "Prints `clients` and `rules` for keeper.conf: the narrowest that allow every request in the\n"
    "audit log that the upstream answered 2xx, with numbers in paths as :id. Clients that\n"
    "keeper.conf has already are printed as they are there; others are known by their uid. "
    "Without\n"
    "a directory or file: the log that keeper.conf names. The log is not proved: `audit verify`\n"
    "does that.\n"
    "\n"
    "  -c, --config FILE  keeper.conf\n"
    "  -h, --help         print this\n"
    "\n"
    "Exit status: 0 printed, 1 nothing to go by, damaged records were skipped, or failed, 2 "
    "usage,\n"
    "78 bad configuration.\n";

struct suggest {
    struct requests open;
    struct audit_facts facts;
    struct policy_seen seen;
};

static int on_outcome(struct suggest *s, struct slice bytes, const struct open_request *open)
{
    int r = audit_facts_read(&s->facts, bytes);

    if (r == 0 && audit_effect_of(&s->facts) != AUDIT_EFFECT_DONE)
        return 0;
    if (r == 0)
        r = audit_facts_read(&s->facts, open->record);
    if (r == 0)
        r = policy_seen_add(&s->seen, &s->facts);
    return r == -EBADMSG ? AUDIT_READ_DAMAGED : r;
}

static int on_record(void *arg, const struct line *line, struct slice bytes)
{
    struct suggest *s = arg;
    struct open_request *open;
    int r;

    if (line->type == LINE_INTENT)
        return requests_open(&s->open, line->seq, line->id, bytes) ? 0 : -ENOMEM;
    if (line->type != LINE_OUTCOME)
        return 0;
    open = requests_close(&s->open, line->intent, line->id);
    if (!open)
        return 0; /* its intent is not at hand */
    r = on_outcome(s, bytes, open);
    free(open);
    return r;
}

static int suggest(const struct audit_log *log, const struct policy *known)
{
    struct suggest s = {.seen = {.known = known}};
    struct audit_read read = {.each = on_record, .arg = &s};
    struct err err = ERR_INIT;
    int r = audit_read_log(&read, log, &err), code = CTL_DONE;

    if (r < 0)
        code = show_failure(err.text[0] ? err.text : strerror(-r), CTL_FAILED);
    else if (!policy_write(stdout, &s.seen))
        code = show_failure("no request was answered 2xx by which a client could be known",
                            CTL_FAILED);
    requests_deinit(&s.open);
    audit_facts_deinit(&s.facts);
    policy_seen_deinit(&s.seen);
    return read.damaged ? CTL_FAILED : code;
}

int policy_suggest_main(int argc, char **argv)
{
    const char *conf = NULL, *used;
    struct policy *known = NULL;
    struct audit_log log;
    struct err err = ERR_INIT;
    const struct ctl_option option = {"config", 'c', .text = &conf};
    int code = ctl_options(&option, 1, HELP, argc, argv, NULL), r;

    if (code != CTL_GO_ON)
        return code;
    used = conf ? conf : CENTION_SYSCONFDIR "/keeper.conf";
    r = policy_load(&known, used, &err);
    /* A log that was copied elsewhere comes without one. */
    if (r < 0 && (conf || argc == optind || (r != -ENOENT && r != -EACCES)))
        return show_failure(err.text, CTL_CONFIG);
    if (audit_log_open(&log, argv + optind, argc - optind, used, &err) < 0) {
        policy_free(known);
        return show_failure(err.text, argc == optind ? CTL_CONFIG : CTL_FAILED);
    }
    code = suggest(&log, known);
    audit_log_deinit(&log);
    policy_free(known);
    return code;
}
