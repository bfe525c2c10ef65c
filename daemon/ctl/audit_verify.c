#include "base/file.h"
#include "ctl/audit.h"
#include "ctl/audit_log.h"
#include "ctl/ctl.h"
#include "ctl/show.h"
#include "trail/head.h"
#include "trail/identity.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char HELP[] =
    "usage: cention-proxyctl audit verify [OPTION...] [DIRECTORY | FILE...]\n"
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
    "Exit status: 0 sound, whole and up to the head; 1 broken; 2 sound, but what may have been "
    "cut\n"
    "off its end can't be proved (no head, or records after it), or usage; 78 bad configuration.\n";

struct options {
    const char *conf;
    struct verify_head head;
    struct seal_key pin;
    bool has_head, has_pin;
};

/* 0 to go on, or -1 with the exit code in *code. */
static int read_head(struct options *o, const char *path, int *code)
{
    struct buf text = BUF_INIT(65536);
    char message[512];
    int r = file_read(&text, path);
    const char *why = r < 0 ? strerror(-r) : head_read(buf_slice(&text), &o->head);

    buf_deinit(&text);
    o->has_head = true;
    if (!why)
        return 0;
    (void)snprintf(message, sizeof(message), "%s: %s", path, why);
    *code = show_failure(message, CTL_FAILED);
    return -1;
}

static int parse(int argc, char **argv, struct options *o, int *code)
{
    static const struct option OPTIONS[] = {
        {"key", required_argument, NULL, 'k'},
        {"head", required_argument, NULL, 'H'},
        {"config", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;

    *o = (struct options){.conf = CENTION_SYSCONFDIR "/keeper.conf"};
    *code = CTL_USAGE;
    while ((c = getopt_long(argc, argv, "c:h", OPTIONS, NULL)) != -1) {
        switch (c) {
        case 'k':
            if (!identity_read(&o->pin, optarg)) {
                (void)show_failure("--key: must be a public key of 64 hexadecimal digits",
                                   CTL_USAGE);
                return -1;
            }
            o->has_pin = true;
            break;
        case 'H':
            if (read_head(o, optarg, code) < 0)
                return -1;
            break;
        case 'c':
            o->conf = optarg;
            break;
        case 'h':
            (void)fputs(HELP, stdout);
            *code = CTL_DONE;
            return -1;
        default:
            (void)fputs(HELP, stderr);
            return -1;
        }
    }
    return 0;
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
    if (v->head_seen) {
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
    v.head = o->has_head ? &o->head : NULL;
    r = audit_log_verify(log, 0, &v, show ? bar : NULL, &shown, &err);
    if (show)
        (void)fprintf(stderr, "\r%*s\r", BAR + 8, "");
    code = r < 0 ? show_failure(err.text, CTL_FAILED) : print_sound(&v);
    verify_deinit(&v);
    return code;
}

int audit_verify_main(int argc, char **argv)
{
    struct options o;
    struct audit_log log;
    struct err err = ERR_INIT;
    int code;

    if (parse(argc, argv, &o, &code) < 0)
        return code;
    if (audit_log_open(&log, argv + optind, argc - optind, o.conf, &err) < 0)
        return show_failure(err.text, argc == optind ? CTL_CONFIG : CTL_FAILED);
    code = verify_log(&o, &log);
    audit_log_deinit(&log);
    return code;
}
