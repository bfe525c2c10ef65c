#include "audit/parse.h"
#include "audit/seal.h"
#include "audit/verify.h"
#include "base/file.h"
#include "ctl/audit/audit_filter.h"
#include "ctl/audit/audit_log.h"
#include "ctl/central/archive_open.h"
#include "ctl/central/archive_verify.h"
#include "ctl/command/ctl.h"
#include "ctl/command/show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char HELP[] =
    "usage: cention-proxyctl audit verify [OPTION...] [DIRECTORY | FILE...]\n"
    "       cention-proxyctl audit verify --from URL [OPTION...] [DIRECTORY]\n"
    "\n"
    "Verifies an audit log: every record's hash and number, the segments' links, the signatures "
    "and\n"
    "their keys, intents and outcomes. Without an argument: the log that keeper.conf names.\n"
    "\n"
    "      --key KEY      the log must have this public key: its identity (see `audit identity`)\n"
    "                     or that of any epoch in it\n"
    "      --head FILE    the log must hold the record that this head (see `audit head`) signed\n"
    "  -c, --config FILE  keeper.conf\n"
    "  -h, --help         print this\n"
    "\n"
    "With --from it verifies every host's log as it arrived at a centre, and says what is "
    "missing,\n"
    "altered, there twice, silent or not expected. URL: postgresql://..., nats://..., or dir:PATH, "
    "a\n"
    "folder with a copy of each host's log in a folder of its own. DIRECTORY, this host's own log, "
    "is\n"
    "compared with what the centre has of it.\n"
    "\n"
    "      --identities FILE  lines `IDENTITY NAME`: the logs that are expected; others, and "
    "those\n"
    "                         without a record, are findings\n"
    "      --learn            add the sound logs of new hosts to that file\n"
    "      --silent SECONDS   so long may no log be without a record (without: its heartbeat and a "
    "tenth)\n"
    "      --head FILE        may hold several heads, one a line\n"
    "      --log DIGITS       only the logs whose identity begins so\n"
    "\n"
    "Exit status: 0 sound, whole and up to the head; 1 broken; 2 sound, but what may have been "
    "cut\n"
    "off its end can't be proved (no head, or records after it), or usage; 78 bad configuration. "
    "With\n"
    "--from: 0 nothing found, 1 findings, 2 something is unproved or can't be read, or usage, 78 "
    "bad\n"
    "file of identities.\n";

enum {
    HEADS_MOST = 16 * 1024 * 1024, /* bytes of a file of heads */
};

struct options {
    const char *conf, *from, *identities;
    struct verify_head *heads;
    size_t n_heads;
    struct seal_key pin;
    bool has_pin, learn, has_silent;
    uint64_t silent_s;
    struct slice log;
};

static int add_head(struct options *o, const struct verify_head *head)
{
    struct verify_head *grown = reallocarray(o->heads, o->n_heads + 1, sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    o->heads = grown;
    o->heads[o->n_heads++] = *head;
    return 0;
}

/* NULL, or why. One for each line. */
static const char *add_heads(struct options *o, struct slice text)
{
    const char *why = text.len ? NULL : "it is no head";

    while (!why && text.len) {
        const char *end = memchr(text.data, '\n', text.len);
        size_t n = end ? (size_t)(end - text.data) + 1 : text.len;
        struct verify_head head;

        why = head_read(slice_of(text.data, n), &head);
        if (!why && add_head(o, &head) < 0)
            why = "out of memory";
        text = slice_of(text.data + n, text.len - n);
    }
    return why;
}

static int read_heads(void *arg, const char *path)
{
    struct options *o = arg;
    struct buf text = BUF_INIT(HEADS_MOST);
    char message[512];
    int r = file_read(&text, path);
    const char *why = r < 0 ? strerror(-r) : add_heads(o, buf_slice(&text));

    buf_deinit(&text);
    if (!why)
        return CTL_DONE;
    (void)snprintf(message, sizeof(message), "%s: %s", path, why);
    return show_failure(message, CTL_FAILED);
}

static int set_key(void *arg, const char *text)
{
    struct options *o = arg;

    o->has_pin = true;
    return identity_read(&o->pin, text)
               ? CTL_DONE
               : show_failure("--key: must be a public key of 64 hexadecimal digits", CTL_USAGE);
}

static int set_silent(void *arg, const char *text)
{
    struct options *o = arg;
    struct slice s = slice_str(text);

    o->has_silent = true;
    if (!parse_number(&s, &o->silent_s) || s.len || o->silent_s == 0)
        return show_failure("--silent: must be a number of seconds", CTL_USAGE);
    return CTL_DONE;
}

static int set_log(void *arg, const char *text)
{
    struct options *o = arg;

    o->log = slice_str(text);
    if (o->log.len == 0 || strspn(text, "0123456789abcdefABCDEF-") != o->log.len)
        return show_failure("--log: must be the first digits of an identity", CTL_USAGE);
    return CTL_DONE;
}

/* CTL_DONE, or the exit code: what doesn't go together. */
static int check(const struct options *o, int n)
{
    const char *why = NULL;

    if (!o->from && (o->identities || o->learn || o->has_silent || o->log.len))
        why = "--identities, --learn, --silent and --log are for a centre: they need --from";
    else if (!o->from && o->n_heads > 1)
        why = "--head: one log has one head; several are for --from";
    else if (o->from && o->has_pin)
        why = "--key is for one log: name those at a centre with --identities";
    else if (o->from && o->learn && !o->identities)
        why = "--learn needs --identities";
    else if (o->from && n > 1)
        why = "--from: give this host's one directory, or none";
    return why ? show_failure(why, CTL_USAGE) : CTL_DONE;
}

/* CTL_GO_ON, or the exit code. */
static int parse(int argc, char **argv, struct options *o)
{
    const struct ctl_option options[] = {
        {"key", 0, .set = set_key},      {"head", 0, .set = read_heads},
        {"from", 0, .text = &o->from},   {"identities", 0, .text = &o->identities},
        {"learn", 0, .flag = &o->learn}, {"silent", 0, .set = set_silent},
        {"log", 0, .set = set_log},      {"config", 'c', .text = &o->conf},
    };
    int code;

    *o = (struct options){.conf = CENTION_SYSCONFDIR "/keeper.conf"};
    code = ctl_options(options, sizeof(options) / sizeof(options[0]), HELP, argc, argv, o);
    if (code != CTL_GO_ON)
        return code;
    code = check(o, argc - optind);
    return code == CTL_DONE ? CTL_GO_ON : code;
}

/* ---- progress ---- */

enum {
    BAR = 40,
    BAR_FROM = 32 * 1024 * 1024, /* bytes; less is done at once */
};

static void bar(void *arg, uint64_t done, uint64_t all)
{
    int *shown = arg, percent = all ? (int)(done * 100 / all) : 100, n;

    percent = percent > 100 ? 100 : percent; /* a log that grows meanwhile */
    if (percent == *shown)
        return;
    *shown = percent;
    n = percent * BAR / 100;
    (void)fprintf(stderr, "\r[%.*s%*s] %3d%%", n, "########################################",
                  BAR - n, "", percent);
    (void)fflush(stderr);
}

/* ---- what was found ---- */

static void print_identity(const char *label, const struct seal_key *key)
{
    char text[IDENTITY_TEXT];

    identity_text(text, key);
    (void)printf("%-10s %s\n", label, text);
}

/* The head's checkpoint is the log's last record. */
static bool ends_at_head(const struct verify *v)
{
    return v->head_seen && v->sealed && v->seal.seq == v->head->seq &&
           v->next_seq - 1 == v->seal.seq + 1;
}

static int print_end(const struct verify *v)
{
    uint64_t after = v->next_seq - 1;

    if (ends_at_head(v)) {
        (void)printf(
            "The log is whole: it ends with the checkpoint that the head was taken from.\n");
        return CTL_DONE;
    }
    if (v->head && v->head_seen) {
        (void)printf("Proved to be whole up to seq %" PRIu64
                     " by the head. Of what followed, seq %" PRIu64 " to %" PRIu64
                     " are sound, but\nnothing proves that none were cut off after "
                     "them.\n",
                     v->head->seq, v->head->seq + 1, after);
        return CTL_USAGE;
    }
    if (v->head) {
        (void)printf("The head's record was retired: it proves nothing about what is left. Take a "
                     "newer one.\n");
        return CTL_USAGE;
    }
    (void)printf("The end can't be proved: without a head that was kept elsewhere (`audit head`) "
                 "nothing shows\nthat no records were cut off after seq %" PRIu64 ".\n",
                 after);
    return CTL_USAGE;
}

static int print_sound(const struct verify *v)
{
    uint64_t loose = verify_unsigned(v), open = v->open.n + v->strays;

    (void)printf("sound: %" PRIu64 " records, seq %" PRIu64 " to %" PRIu64 ", %" PRIu64
                 " segments, %" PRIu64 " epochs, %" PRIu64 " signatures\n",
                 v->records, v->first_seq, v->next_seq - 1, v->segments, v->epochs, v->checkpoints);
    print_identity("identity", &v->log);
    (void)printf("%-10s %.*s\n", "until", SEAL_TIME, v->last_time);
    if (open)
        (void)printf("%" PRIu64 " requests have no outcome yet.\n", open);
    if (loose)
        (void)printf("The last %" PRIu64 " records are not signed: they could have been forged.\n",
                     loose);
    if (v->proved)
        (void)printf("Records before seq %" PRIu64 " were retired; the keys and the hash before it "
                     "are proved from the log's first header.\n",
                     v->first_seq);
    else if (v->first_seq > 1)
        (void)printf("Records before seq %" PRIu64 " are not at hand; their hash is taken from the "
                     "first header.\n",
                     v->first_seq);
    if (!v->pin && !v->head)
        (void)printf("No key was given: compare the identity with the one that you kept.\n");
    return print_end(v);
}

static int verify_log(const struct options *o, const struct audit_log *log)
{
    struct verify v;
    struct err err = ERR_INIT;
    bool show = isatty(STDERR_FILENO) && log->bytes >= BAR_FROM;
    int shown = -1, r = verify_init(&v), code;

    if (r < 0)
        return show_failure("out of memory", CTL_FAILED);
    v.pin = o->has_pin ? &o->pin : NULL;
    v.head = o->n_heads ? &o->heads[0] : NULL;
    r = audit_log_verify(log, 0, &v, show ? bar : NULL, &shown, &err);
    if (show)
        (void)fprintf(stderr, "\r%*s\r", BAR + 8, "");
    code = r < 0 ? show_failure(err.text, CTL_FAILED) : print_sound(&v);
    verify_deinit(&v);
    return code;
}

static int verify_archive(const struct options *o, const char *directory)
{
    struct archive_verify_options options = {
        .directory = directory,
        .identities = o->identities,
        .learn = o->learn,
        .heads = o->heads,
        .n_heads = o->n_heads,
        .log = o->log,
        .has_silent = o->has_silent,
        .silent_s = o->silent_s,
        .now_us = audit_time_now(),
    };
    struct err err = ERR_INIT;
    int code;

    if (archive_open(&options.archive, o->from, &err) < 0)
        return show_failure(err.text, CTL_USAGE);
    code = archive_verify(&options, stdout, &err);
    archive_close(options.archive);
    (void)fflush(stdout);
    return err.text[0] ? show_failure(err.text, code) : code;
}

static int verify_local(const struct options *o, char **arguments, int n)
{
    struct audit_log log;
    struct err err = ERR_INIT;
    int code;

    if (audit_log_open(&log, arguments, n, o->conf, &err) < 0)
        return show_failure(err.text, n == 0 ? CTL_CONFIG : CTL_FAILED);
    code = verify_log(o, &log);
    audit_log_deinit(&log);
    return code;
}

int audit_verify_main(int argc, char **argv)
{
    struct options o;
    int code = parse(argc, argv, &o);

    if (code == CTL_GO_ON)
        code = o.from ? verify_archive(&o, argv[optind])
                      : verify_local(&o, argv + optind, argc - optind);
    free(o.heads);
    return code;
}
