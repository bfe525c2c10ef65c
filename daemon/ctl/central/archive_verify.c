#include "ctl/central/archive_verify.h"

#include "audit/record.h"
#include "audit/seal.h"
#include "ctl/central/archive_check.h"
#include "ctl/central/archive_entries.h"
#include "ctl/central/archive_hosts.h"
#include "ctl/central/archive_local.h"
#include "ctl/central/identities.h"
#include "ctl/command/ctl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEARTBEAT_S = 3600, /* of a log that doesn't say, or says what no keeper takes: */
    DAY_S = 86400,
    AHEAD_S = 300,  /* that a host's clock may be */
    SLACK_S = 10,   /* beside a tenth of the heartbeat */
    HASH_SHOWN = 4, /* bytes of a hash */
};

struct run {
    const struct archive_verify_options *o;
    FILE *out;
    struct err *err;
    struct identities expected;
    struct verify_head *heads; /* a copy, by log and seq */
    struct archive_hosts hosts;
    struct findings found, unproved;
    struct findings strange;    /* of logs that nobody expects: those can't crowd out the others */
    struct archive_local local; /* its log is NULL when there is none */

    /* The log that is read: */
    struct archive_check check;
    bool is_local, is_strange;
    uint64_t before; /* proofs of retired segments are looked at up to here */
    unsigned kinds;
};

/* ---- findings ---- */

static void found(void *arg, const struct finding *g)
{
    struct run *run = arg;

    run->kinds |= 1u << g->kind;
    findings_add(run->is_strange               ? &run->strange
                 : g->kind == FINDING_UNPROVED ? &run->unproved
                                               : &run->found,
                 g);
}

static void find(struct run *run, enum finding_kind kind, uint64_t first, uint64_t last,
                 const char *what)
{
    const struct archive_check *c = &run->check;
    struct finding g = {.kind = kind,
                        .log = &c->o.log,
                        .host = c->host,
                        .first = first,
                        .last = last,
                        .time = c->time[0] ? c->time : NULL,
                        .what = what};

    found(run, &g);
}

/* ---- one log ---- */

static int on_record(void *arg, const struct archive_record *record)
{
    struct run *run = arg;
    int r = archive_check_record(&run->check, record);

    return r == 0 && run->is_local ? archive_local_record(&run->local, record) : r;
}

static int on_retired(void *arg, struct slice line)
{
    struct run *run = arg;

    return archive_check_retired(&run->check, line, run->before);
}

static int by_log(const void *a, const void *b)
{
    const struct verify_head *x = a, *y = b;
    int r = memcmp(&x->log, &y->log, sizeof(x->log));

    return r ? r : (x->seq > y->seq) - (x->seq < y->seq);
}

static int sort_heads(struct run *run)
{
    size_t n = run->o->n_heads;

    run->heads = calloc(n + 1, sizeof(*run->heads));
    if (!run->heads)
        return err_set(run->err, -ENOMEM, "out of memory");
    if (n) {
        memcpy(run->heads, run->o->heads, n * sizeof(*run->heads));
        qsort(run->heads, n, sizeof(*run->heads), by_log);
    }
    return 0;
}

static void take_heads(const struct run *run, struct archive_check_options *options)
{
    size_t i = 0, n = 0;

    while (i < run->o->n_heads && memcmp(&run->heads[i].log, &options->log, SEAL_KEY) != 0)
        i++;
    while (i + n < run->o->n_heads && memcmp(&run->heads[i + n].log, &options->log, SEAL_KEY) == 0)
        n++;
    options->heads = run->heads + i;
    options->n_heads = n;
}

/* The host's clock and the centre's may differ: what says more is believed. */
static uint64_t last_us(const struct archive_check *c)
{
    return c->received_us && c->received_us < c->time_us ? c->received_us : c->time_us;
}

static uint64_t since(const struct run *run, uint64_t us)
{
    return run->o->now_us > us ? run->o->now_us - us : 0;
}

static void check_pulse(struct run *run)
{
    const struct archive_check *c = &run->check;
    uint64_t beat = c->heartbeat_s && c->heartbeat_s <= DAY_S ? c->heartbeat_s : HEARTBEAT_S;
    uint64_t most = run->o->has_silent ? run->o->silent_s : beat + beat / 10 + SLACK_S;
    uint64_t quiet = since(run, last_us(c));
    char what[160], span[24];

    archive_hosts_span(span, quiet);
    if (c->stopped) {
        (void)snprintf(what, sizeof(what),
                       "the keeper was stopped %s ago and has not started again", span);
        find(run, FINDING_STOPPED, c->seq, c->seq, what);
    } else if (quiet / 1000000 >= most) {
        (void)snprintf(what, sizeof(what),
                       "nothing came for %s; at most %" PRIu64 " s may pass without a record", span,
                       most);
        find(run, FINDING_SILENT, c->seq, c->seq, what);
    }
    if (last_us(c) > run->o->now_us + AHEAD_S * UINT64_C(1000000))
        find(run, FINDING_UNPROVED, c->seq, c->seq,
             "its time is yet to come: until then nobody sees whether the log is silent");
}

static void check_proved(struct run *run)
{
    const struct archive_check *c = &run->check;
    uint64_t loose = verify_unsigned(&c->v);

    if (archive_check_unproved(c))
        find(run, FINDING_UNPROVED, c->first, c->first,
             "the log begins there: what its header says of key and hash is only given");
    else if (c->given)
        find(run, FINDING_UNPROVED, c->given, c->seq,
             "behind what is wrong there their key is only given: nothing proves that these "
             "records are the log's own");
    if (loose && since(run, c->loose_us) > SLACK_S * UINT64_C(1000000))
        find(run, FINDING_UNPROVED, c->seq - loose + 1, c->seq,
             "nothing signs the last records, though there was time to: the end may have been cut "
             "off or forged");
    if (c->o.n_heads && !c->heads_seen && c->o.heads[c->o.n_heads - 1].seq < c->first)
        find(run, FINDING_UNPROVED, c->o.heads[0].seq, c->o.heads[c->o.n_heads - 1].seq,
             "the head's record is older than the first one here");
}

static void check_identity(struct run *run, const struct identity *known)
{
    const struct archive_check *c = &run->check;
    char text[IDENTITY_TEXT], what[256];

    identity_text(text, &c->o.log);
    if (known && strcmp(known->name, c->host) != 0)
        (void)snprintf(what, sizeof(what), "this identity is expected of %.100s, not of this host",
                       known->name);
    else if (!known)
        (void)snprintf(what, sizeof(what), "nobody expects the identity %s", text);
    else
        return;
    find(run, FINDING_UNKNOWN, 0, 0, what);
}

/* A log of a known host with another identity is never learned: a forged log looks like that. */
#define HARMLESS (1u << FINDING_UNPROVED | 1u << FINDING_SILENT | 1u << FINDING_STOPPED)

static bool may_learn(const struct run *run)
{
    const struct archive_check *c = &run->check;

    return run->o->learn && !(run->kinds & ~HARMLESS) && c->seq && identities_name_ok(c->host) &&
           !identities_find_name(&run->expected, c->host);
}

static int learn(struct run *run)
{
    struct archive_check *c = &run->check;
    struct identity one = {.log = c->o.log,
                           .name = c->host,
                           .first = c->first,
                           .hash = c->first_hash,
                           .has_hash = c->first > 1,
                           .seen = true};

    (void)fprintf(run->out, "learned: the identity of %s\n", c->host);
    return identities_append(&run->expected, run->o->identities, &one, run->err);
}

static int read_log(struct run *run, const struct archive_entry *entry)
{
    struct archive *archive = run->o->archive;
    int r = 0;

    if (entry->wrong) /* the others are read all the same */
        return 0;
    run->before = entry->first;
    if (archive->kind->retired && entry->first > 1)
        r = archive->kind->retired(archive, &entry->log, on_retired, run, run->err);
    if (r == 0)
        r = archive->kind->records(archive, &entry->log, 1, on_record, run, run->err);
    if (r < 0)
        return run->err->text[0] ? r : err_set(run->err, r, "%s", strerror(-r));
    archive_check_end(&run->check);
    return run->is_local ? archive_local_end(&run->local) : 0;
}

static int tell_host(struct run *run, const struct archive_entry *entry)
{
    const struct archive_check *c = &run->check;
    struct archive_host *h =
        archive_hosts_add(&run->hosts, c->host[0] ? c->host : entry->host, &entry->log);

    if (!h)
        return err_set(run->err, -ENOMEM, "out of memory");
    h->records = c->records;
    h->head = c->seq;
    h->signed_seq = c->v.sealed ? c->v.seal.seq : 0;
    memcpy(h->time, c->time, SEAL_TIME);
    h->time_us = c->time_us;
    h->kinds = run->kinds;
    return 0;
}

/* What the log as a whole tells, once it was read. */
static int judge(struct run *run, const struct archive_entry *entry, const struct identity *known)
{
    if (run->check.seq == 0) {
        (void)snprintf(run->check.host, sizeof(run->check.host), "%s",
                       known ? known->name : entry->host);
        find(run, entry->wrong ? FINDING_BROKEN : FINDING_MISSING, 0, 0,
             entry->wrong ? entry->wrong
                          : "the centre knows of this log, and has no record of it: they were "
                            "deleted");
        return 0;
    }
    check_pulse(run);
    check_proved(run);
    if (!known && may_learn(run))
        return learn(run);
    if (run->o->identities)
        check_identity(run, known);
    return 0;
}

/* A log that may be learned is not a finding. */
static bool is_strange(const struct run *run, const struct identity *known)
{
    return run->o->identities && !run->o->learn && !known;
}

static int check_log(struct run *run, const struct archive_entry *entry)
{
    struct identity *known = identities_find(&run->expected, &entry->log);
    struct archive_check_options options = {
        .log = entry->log,
        .first = known           ? known->first
                 : run->o->learn ? UINT64_MAX
                                 : 1,
        .has_first_hash = known && known->has_hash,
        .retires = run->o->archive->kind->retired,
        .found = found,
        .arg = run,
    };
    int r;

    take_heads(run, &options);
    if (known) {
        options.first_hash = known->hash;
        known->seen = true;
    }
    run->kinds = 0;
    run->is_strange = is_strange(run, known);
    run->is_local =
        run->local.log && memcmp(folder_log_identity(run->local.log), &entry->log, SEAL_KEY) == 0;
    if (run->is_local)
        archive_local_begin(&run->local, found, run, run->err);
    r = archive_check_init(&run->check, &options);
    r = r < 0 ? err_set(run->err, r, "out of memory") : read_log(run, entry);
    if (r == 0)
        r = judge(run, entry, known);
    if (r == 0)
        r = tell_host(run, entry);
    archive_check_deinit(&run->check);
    return r;
}

/* ---- findings from outside the logs ---- */

static void put_place(FILE *f, const char *where, uint64_t epoch, uint64_t seq,
                      const struct chain_hash *hash)
{
    (void)fprintf(f, "%s epoch %" PRIu64 " seq %" PRIu64 " (", where, epoch, seq);
    for (size_t i = 0; i < HASH_SHOWN; i++)
        (void)fprintf(f, "%02x", hash->bytes[i]);
    (void)fputc(')', f);
}

static int on_alarm(void *arg, const struct archive_alarm *alarm)
{
    struct run *run = arg;
    char time[SEAL_TIME], *what = NULL;
    size_t n = 0;
    struct finding g = {.kind = FINDING_ALARM, .log = &alarm->log, .host = alarm->host};
    FILE *f;

    if (!archive_entry_matches(&alarm->log, run->o->log))
        return 0;
    f = open_memstream(&what, &n);
    if (!f)
        return -ENOMEM;
    (void)fprintf(f, "%s%s, told by its shipper: ", alarm->kind,
                  strcmp(alarm->kind, "conflict") == 0 ? " (a fork)" : "");
    put_place(f, "on the host", alarm->here_epoch, alarm->here_seq, &alarm->here);
    put_place(f, ", at the centre", alarm->there_epoch, alarm->there_seq, &alarm->there);
    if (alarm->why && alarm->why[0])
        (void)fprintf(f, ": %s", alarm->why);
    if (fclose(f) != 0) {
        free(what);
        return -ENOMEM;
    }
    if (alarm->received_us) {
        record_time(time, alarm->received_us);
        g.time = time;
    }
    g.what = what;
    run->is_strange = is_strange(run, identities_find(&run->expected, &alarm->log));
    found(run, &g);
    for (size_t i = 0; i < run->hosts.n; i++)
        if (memcmp(&run->hosts.list[i].log, &alarm->log, sizeof(alarm->log)) == 0)
            run->hosts.list[i].kinds |= 1u << FINDING_ALARM;
    free(what);
    return 0;
}

static void find_missing(struct run *run, const struct seal_key *log, const char *host,
                         const char *what)
{
    struct finding g = {.kind = FINDING_MISSING, .log = log, .host = host, .what = what};

    found(run, &g);
}

static void check_missing(struct run *run)
{
    const struct archive_verify_options *o = run->o;

    run->is_strange = false;
    for (size_t i = 0; i < run->expected.n; i++) {
        const struct identity *one = &run->expected.list[i];

        if (!one->seen && archive_entry_matches(&one->log, o->log))
            find_missing(run, &one->log, one->name, "the centre has no record of this host's log");
    }
    for (size_t i = 0; i < o->n_heads; i++) {
        const struct seal_key *log = &run->heads[i].log;
        bool there = !archive_entry_matches(log, o->log);

        /* They are sorted: once for each log. */
        there |= i > 0 && memcmp(&run->heads[i - 1].log, log, SEAL_KEY) == 0;
        for (size_t k = 0; k < run->hosts.n; k++)
            there |= memcmp(&run->hosts.list[k].log, log, SEAL_KEY) == 0;
        if (!there)
            find_missing(run, log, NULL,
                         "a head was taken of this log, and the centre has no record of it");
    }
    if (run->local.log && !run->local.here)
        find_missing(run, folder_log_identity(run->local.log), folder_log_host(run->local.log),
                     "the centre has no record of this host's log");
}

/* ---- the whole ---- */

static int read_files(struct run *run)
{
    const struct archive_verify_options *o = run->o;
    int r = sort_heads(run);

    if (r == 0 && o->identities)
        r = identities_read(&run->expected, o->identities, run->err);
    if (r == -ENOENT && o->learn) {
        r = 0;
        run->err->text[0] = '\0';
    }
    return r;
}

static int read_all(struct run *run)
{
    struct archive *archive = run->o->archive;
    struct archive_entries logs = {0};
    int r = 0;

    if (run->o->directory)
        r = archive_local_open(&run->local, run->o->directory, run->err);
    if (r == 0)
        r = archive_entries_read(&logs, archive, run->o->log, run->err);
    for (size_t i = 0; r == 0 && i < logs.n; i++)
        r = check_log(run, &logs.list[i]);
    archive_entries_deinit(&logs);
    if (r == 0) { /* alarms last: hosts may leave as many as they like */
        check_missing(run);
        r = archive->kind->alarms(archive, on_alarm, run, run->err);
        if (r < 0 && run->err->text[0] == '\0')
            (void)err_set(run->err, r, "the centre's alarms: %s", strerror(-r));
    }
    return r;
}

static void print_local(const struct run *run)
{
    const struct archive_local *l = &run->local;

    if (!l->log || !l->here)
        return;
    if (l->behind == 0)
        (void)fprintf(run->out,
                      "The centre is not behind this host's log, which ends at seq %" PRIu64 ".\n",
                      l->last);
    else
        (void)fprintf(run->out,
                      "The centre is %" PRIu64 " records behind this host's log, which ends at "
                      "seq %" PRIu64 "; the first of them is from %.*s.\n",
                      l->behind, l->last, SEAL_TIME, l->behind_since);
}

static int conclude(struct run *run, int r)
{
    FILE *out = run->out;

    archive_hosts_print(&run->hosts, run->o->now_us, out);
    findings_print(&run->found, out);
    findings_print(&run->strange, out);
    findings_print(&run->unproved, out);
    print_local(run);
    if (run->found.all || run->strange.all)
        return CTL_FAILED;
    if (r < 0)
        return CTL_USAGE;
    if (run->hosts.n == 0)
        (void)fputs("The centre has no such log: nothing is proved.\n", out);
    if (run->hosts.n == 0 || run->unproved.all)
        return CTL_USAGE;
    if (!run->o->identities)
        (void)fputs("Nothing was found. Whose logs these are was not asked: see --identities.\n",
                    out);
    else
        (void)fputs("Nothing was found.\n", out);
    return CTL_DONE;
}

int archive_verify(const struct archive_verify_options *options, FILE *out, struct err *err)
{
    struct run run = {.o = options, .out = out, .err = err};
    int code, r;

    err->text[0] = '\0';
    r = read_files(&run);
    if (r < 0) {
        code = CTL_CONFIG;
    } else {
        r = read_all(&run);
        code = conclude(&run, r);
    }
    identities_deinit(&run.expected);
    archive_local_deinit(&run.local);
    free(run.heads);
    archive_hosts_deinit(&run.hosts);
    findings_deinit(&run.found);
    findings_deinit(&run.unproved);
    findings_deinit(&run.strange);
    return code;
}
