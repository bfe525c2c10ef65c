/*
 * The newest checkpoint, verified as far back as the segment that it stands in; and the identity,
 * which every segment's header repeats.
 */
#include "audit/seal.h"
#include "audit/verify.h"
#include "ctl/audit/audit_log.h"
#include "ctl/central/archive_head.h"
#include "ctl/central/archive_open.h"
#include "ctl/command/ctl.h"
#include "ctl/command/show.h"

#include <stdio.h>
#include <unistd.h>

static const char HEAD_HELP[] =
    "usage: cention-proxyctl audit head [-c FILE] [DIRECTORY | FILE...]\n"
    "       cention-proxyctl audit head --from URL [--log DIGITS]\n"
    "\n"
    "Prints the newest signature over the audit log as one line of JSON. Keep it where whoever "
    "has\n"
    "this machine can't change it: `audit verify --head` then proves that no record up to it is\n"
    "missing. Without an argument: the log that keeper.conf names.\n"
    "\n"
    "      --from URL     that of every log at a centre (postgresql://..., nats://..., dir:PATH), "
    "one\n"
    "                     a line\n"
    "      --log DIGITS   only of the logs whose identity begins so\n"
    "  -c, --config FILE  keeper.conf\n"
    "  -h, --help         print this\n"
    "\n"
    "Exit status: 0 printed, 1 broken or no signature yet, 2 usage, 78 bad configuration.\n";

static const char IDENTITY_HELP[] =
    "usage: cention-proxyctl audit identity [-c FILE] [DIRECTORY | FILE...]\n"
    "\n"
    "Prints the log's identity, the public key of its first epoch, for `audit verify --key`. Keep "
    "it\n"
    "elsewhere. Without an argument: that of the log that keeper.conf names.\n"
    "\n"
    "  -c, --config FILE  keeper.conf\n"
    "  -h, --help         print this\n"
    "\n"
    "Exit status: 0 printed, 1 the log is broken, 2 usage, 78 bad configuration.\n";

struct options {
    const char *conf, *from;
    struct slice log;
};

/* CTL_GO_ON, or the exit code. A centre's heads can be asked for, its identities not. */
static int parse(int argc, char **argv, const char *help, struct options *o)
{
    const struct ctl_option options[] = {{"config", 'c', .text = &o->conf},
                                         {"from", 0, .text = &o->from},
                                         {"log", 0, .slice = &o->log}};
    int code;

    *o = (struct options){.conf = CENTION_SYSCONFDIR "/keeper.conf"};
    code = ctl_options(options, help == HEAD_HELP ? 3 : 1, help, argc, argv, NULL);
    if (code == CTL_GO_ON && (o->from ? optind < argc : o->log.len > 0))
        code = ctl_usage(help);
    return code;
}

static int print_head(const struct verify *v)
{
    struct buf out = BUF_INIT(4096);
    int r = head_write(&out, v);

    if (r == 0)
        (void)fwrite(out.data + out.head, 1, buf_len(&out), stdout);
    buf_deinit(&out);
    return r == 0 ? CTL_DONE
                  : show_failure("the log holds no signature yet: try again in a second", 1);
}

static int print_identity(const struct verify *v)
{
    char text[IDENTITY_TEXT];

    identity_text(text, &v->log);
    (void)puts(text);
    return CTL_DONE;
}

/* The newest of every log at a centre; of one that has none, why. */
static int print_heads(const struct options *o)
{
    struct archive_entries logs = {0};
    struct archive *archive = NULL;
    struct err err = ERR_INIT;
    int code = CTL_DONE;

    if (archive_open(&archive, o->from, &err) < 0)
        return show_failure(err.text, CTL_FAILED);
    if (archive_entries_read(&logs, archive, o->log, &err) < 0)
        code = show_failure(err.text, CTL_FAILED);
    else if (logs.n == 0)
        code = show_failure("the centre has no such log", CTL_FAILED);
    for (size_t i = 0; i < logs.n; i++) {
        char why[sizeof(err.text) + 300];
        struct verify v;

        err = ERR_INIT;
        if (archive_head(&v, archive, &logs.list[i], &err) < 0) {
            (void)snprintf(why, sizeof(why), "%.255s: %s", logs.list[i].host, err.text);
            code = show_failure(why, CTL_FAILED);
        } else if (print_head(&v) != CTL_DONE) {
            code = CTL_FAILED;
        }
        verify_deinit(&v);
    }
    archive_entries_deinit(&logs);
    archive_close(archive);
    return code;
}

/* Verifies the newest segment, with the one before it when it holds no signature yet. */
static int with_end(int argc, char **argv, const char *help, int (*print)(const struct verify *v))
{
    struct verify v = {0};
    struct audit_log log;
    struct err err = ERR_INIT;
    struct options o;
    int code = parse(argc, argv, help, &o), r = 0;

    if (code != CTL_GO_ON)
        return code;
    if (o.from)
        return print_heads(&o);
    if (audit_log_open(&log, argv + optind, argc - optind, o.conf, &err) < 0)
        return show_failure(err.text, argc == optind ? CTL_CONFIG : CTL_FAILED);
    for (size_t back = 1; r == 0 && !v.sealed && back <= 2; back++) {
        verify_deinit(&v);
        r = verify_init(&v);
        if (r == 0)
            r = audit_log_verify(&log, back, &v, NULL, NULL, &err);
    }
    code = r < 0 ? show_failure(err.text[0] ? err.text : "out of memory", CTL_FAILED) : print(&v);
    verify_deinit(&v);
    audit_log_deinit(&log);
    return code;
}

int audit_head_main(int argc, char **argv)
{
    return with_end(argc, argv, HEAD_HELP, print_head);
}

int audit_identity_main(int argc, char **argv)
{
    return with_end(argc, argv, IDENTITY_HELP, print_identity);
}
