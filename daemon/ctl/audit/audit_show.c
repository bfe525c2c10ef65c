/* Reads this host's log, or those of a centre, once, for what was asked for (audit_select.h). */
#include "ctl/audit/audit_centre.h"
#include "ctl/audit/audit_filter.h"
#include "ctl/audit/audit_log.h"
#include "ctl/audit/audit_select.h"
#include "ctl/central/archive_open.h"
#include "ctl/command/ctl.h"
#include "ctl/command/show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char HELP[] =
    "usage: cention-proxyctl audit show [OPTION...] [DIRECTORY | FILE...]\n"
    "       cention-proxyctl audit show --from URL [OPTION...]\n"
    "\n"
    "Shows what the audit log holds: a table on a terminal, else the records' own bytes, one JSON\n"
    "object a line. A request is its intent and its outcome together, shown when the outcome is "
    "read\n"
    "(intent first), or at the end while it is still open. Without an argument: the log that\n"
    "keeper.conf names. This proves nothing: `audit verify` does.\n"
    "\n"
    "      --since TIME, --until TIME   from, and up to: 2026-11-24T09:15:02Z, 2026-11-24 (its\n"
    "                       beginning, UTC), or an age: 90s, 15m, 2h, 7d, 1w\n"
    "      --client TEXT    the client's name, user, or uid\n"
    "      --workspace NAME\n"
    "      --method METHOD\n"
    "      --path PATH      exactly; `*`, `:word` or `{word}` stand for one segment, and `/**` at "
    "the\n"
    "                       end for that place and all below\n"
    "      --object PATH    made, changed or deleted: as --path, and of a creation from its "
    "answer\n"
    "      --status LIST    404, 4xx, none (no answer), with commas between them\n"
    "      --id ID          the X-Request-Id\n"
    "      --type LIST      types of records (request: intent, outcome and reject)\n"
    "      --text TEXT      somewhere in the record, ASCII letters in either case\n"
    "      --error TEXT     somewhere in the error, of the API or of the daemon\n"
    "  -n, --last N         the last N only\n"
    "  -f, --follow         go on as records come, until SIGINT or SIGTERM\n"
    "      --from URL       show what a centre has of all hosts, by time, with the host's name: in "
    "JSON\n"
    "                       as the first member, `host`, else as the record's own bytes\n"
    "      --host NAME, --log DIGITS    of it only that host, or logs whose identity begins so\n"
    "      --all            checkpoint, epoch and segment records, too\n"
    "      --json, --table  in this form wherever the output goes\n"
    "  -c, --config FILE    keeper.conf\n"
    "  -h, --help           print this\n"
    "\n"
    "Exit status: 0 shown, 1 damaged records were skipped, or failed, 2 usage, 78 bad "
    "configuration.\n";

struct options {
    const char *conf, *from, *host;
    struct slice log;
    struct audit_filter filter;
    bool all, follow, json, table, keep;
    size_t last;
};

/* ---- the command line ---- */

static const char TIME_WANTED[] =
    "must be a time (2026-11-24T09:15:02Z), a date, or an age like 15m";

static int usage(const char *name, const char *words)
{
    char message[256];

    (void)snprintf(message, sizeof(message), "%s: %s", name, words);
    return show_failure(message, CTL_USAGE);
}

static int set_since(void *arg, const char *text)
{
    struct audit_filter *f = &((struct options *)arg)->filter;

    f->has_since = audit_time_parse(f->since, text, audit_time_now()) == 0;
    return f->has_since ? CTL_DONE : usage("--since", TIME_WANTED);
}

static int set_until(void *arg, const char *text)
{
    struct audit_filter *f = &((struct options *)arg)->filter;

    f->has_until = audit_time_parse(f->until, text, audit_time_now()) == 0;
    return f->has_until ? CTL_DONE : usage("--until", TIME_WANTED);
}

static int set_last(void *arg, const char *text)
{
    struct options *o = arg;
    char *end = NULL;
    unsigned long long n = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;

    if (!end || *end || n > SIZE_MAX / sizeof(void *))
        return usage("-n", "must be a number");
    o->keep = true;
    o->last = (size_t)n;
    return CTL_DONE;
}

static int set_status(void *arg, const char *text)
{
    if (audit_filter_add_status(&((struct options *)arg)->filter, text) < 0)
        return usage("--status", "must be like 404, 4xx or none, with commas between them");
    return CTL_DONE;
}

/* CTL_DONE, or the exit code: what doesn't go together. */
static int check(const struct options *o, int n)
{
    if (o->from && o->follow)
        return usage("--follow", "follows this host's log; a centre can only be read");
    if (o->from && n)
        return usage("--from", "shows what a centre has: no directory or file goes with it");
    if (!o->from && (o->host || o->log.len))
        return usage("--host and --log", "are for a centre: they need --from");
    return CTL_DONE;
}

/* CTL_GO_ON, or the exit code. */
static int parse(int argc, char **argv, struct options *o)
{
    struct audit_filter *f = &o->filter;
    struct slice *const texts[] = {&f->client, &f->workspace, &f->method, &f->path, &f->id,
                                   &f->types,  &f->text,      &f->object, &f->error};
    const struct ctl_option options[] = {
        {"since", 0, .set = set_since},      {"until", 0, .set = set_until},
        {"client", 0, .slice = &f->client},  {"workspace", 0, .slice = &f->workspace},
        {"method", 0, .slice = &f->method},  {"path", 0, .slice = &f->path},
        {"status", 0, .set = set_status},    {"id", 0, .slice = &f->id},
        {"type", 0, .slice = &f->types},     {"text", 0, .slice = &f->text},
        {"object", 0, .slice = &f->object},  {"error", 0, .slice = &f->error},
        {"from", 0, .text = &o->from},       {"host", 0, .text = &o->host},
        {"log", 0, .slice = &o->log},        {"last", 'n', .set = set_last},
        {"follow", 'f', .flag = &o->follow}, {"all", 0, .flag = &o->all},
        {"json", 0, .flag = &o->json},       {"table", 0, .flag = &o->table},
        {"config", 'c', .text = &o->conf},
    };
    int code;

    *o = (struct options){.conf = CENTION_SYSCONFDIR "/keeper.conf"};
    code = ctl_options(options, sizeof(options) / sizeof(options[0]), HELP, argc, argv, o);
    if (code != CTL_GO_ON)
        return code;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i]->data && texts[i]->len == 0)
            return usage("an option's value", "must not be empty");
    code = check(o, argc - optind);
    return code == CTL_DONE ? CTL_GO_ON : code;
}

/* ---- this host's log ---- */

struct show {
    const struct options *o;
    struct audit_select select;
};

static int on_record(void *arg, const struct line *line, struct slice bytes)
{
    struct show *s = arg;

    if (s->o->follow && audit_follow_ended())
        return -ECANCELED;
    return audit_select_record(&s->select, line, bytes);
}

static int run(struct show *s, struct audit_read *read, const struct audit_log *log,
               struct err *err)
{
    int r = audit_read_log(read, log, err);

    if (r == 0 && s->o->follow)
        r = audit_print_kept(&s->select.print);
    if (r == 0 && s->o->follow)
        r = audit_follow(read, err);
    audit_read_deinit(read);
    if (r == 0 || r == -ECANCELED)
        r = audit_select_open(&s->select);
    return r;
}

static int show_log(struct show *s, const struct audit_log *log, bool *damaged, struct err *err)
{
    struct audit_read read = {.each = on_record, .arg = s, .follows = s->o->follow};
    struct requests open = {0};
    int r;

    if (s->o->follow)
        audit_follow_signals();
    s->select.open = &open;
    r = run(s, &read, log, err);
    requests_deinit(&open);
    *damaged = read.damaged;
    return r;
}

/* ---- the logs of a centre ---- */

static int on_centre_record(void *arg, struct requests *open, const char *host,
                            const struct line *line, struct slice bytes)
{
    struct show *s = arg;

    s->select.open = open;
    s->select.print.host = host;
    return audit_select_record(&s->select, line, bytes);
}

static int on_centre_end(void *arg, struct requests *open, const char *host)
{
    struct show *s = arg;

    s->select.open = open;
    s->select.print.host = host;
    return audit_select_open(&s->select);
}

static int show_centre(struct show *s, struct archive *archive, bool *damaged, struct err *err)
{
    struct audit_centre centre = {.host = s->o->host,
                                  .log = s->o->log,
                                  .each = on_centre_record,
                                  .end = on_centre_end,
                                  .arg = s};
    int r = audit_centre_read(&centre, archive, err);

    *damaged = centre.damaged;
    return r;
}

/* ---- the whole ---- */

static size_t terminal_width(void)
{
    struct winsize size;

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

/* One of the two is given. */
static int show(const struct options *o, const struct audit_log *log, struct archive *archive)
{
    bool terminal = isatty(STDOUT_FILENO), damaged = false;
    struct show s = {
        .o = o,
        .select = {.filter = &o->filter,
                   .all = o->all,
                   .print = {.as_table = o->table || (terminal && !o->json),
                             .terminal = terminal,
                             .keep = o->keep,
                             .most = o->last,
                             .table = {.to = stdout,
                                       .width = terminal ? terminal_width() : 0,
                                       .colour = show_colour()}}},
    };
    struct err err = ERR_INIT;
    int r;

    r = log ? show_log(&s, log, &damaged, &err) : show_centre(&s, archive, &damaged, &err);
    if (r == 0)
        r = audit_print_kept(&s.select.print);
    audit_select_deinit(&s.select);
    (void)fflush(stdout);
    if (r < 0)
        return show_failure(err.text[0] ? err.text : strerror(-r), CTL_FAILED);
    return damaged ? CTL_FAILED : CTL_DONE;
}

static int show_from(const struct options *o)
{
    struct archive *archive = NULL;
    struct err err = ERR_INIT;
    int code;

    if (archive_open(&archive, o->from, &err) < 0)
        return show_failure(err.text, CTL_FAILED);
    code = show(o, NULL, archive);
    archive_close(archive);
    return code;
}

int audit_show_main(int argc, char **argv)
{
    struct options o;
    struct audit_log log;
    struct err err = ERR_INIT;
    int code = parse(argc, argv, &o);

    if (code != CTL_GO_ON)
        return code;
    if (o.from)
        return show_from(&o);
    if (audit_log_open(&log, argv + optind, argc - optind, o.conf, &err) < 0)
        return show_failure(err.text, argc == optind ? CTL_CONFIG : CTL_FAILED);
    code = show(&o, &log, NULL);
    audit_log_deinit(&log);
    return code;
}
