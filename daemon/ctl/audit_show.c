/*
 * Reads the log once, holds the intents that were asked for until their outcomes come, and gives
 * the pairs to be printed: memory for open requests and for -n, not for the log.
 */
#include "ctl/audit.h"
#include "ctl/audit_filter.h"
#include "ctl/audit_follow.h"
#include "ctl/audit_pairs.h"
#include "ctl/audit_print.h"
#include "ctl/audit_time.h"
#include "ctl/ctl.h"
#include "ctl/show.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char HELP[] =
    "usage: cention-proxyctl audit show [OPTION...] [DIRECTORY | FILE...]\n"
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
    "      --status LIST    404, 4xx, none (no answer), with commas between them\n"
    "      --id ID          the X-Request-Id\n"
    "      --type LIST      types of records (request: intent, outcome and reject)\n"
    "      --text TEXT      somewhere in the record, ASCII letters in either case\n"
    "  -n, --last N         the last N only\n"
    "  -f, --follow         go on as records come, until SIGINT or SIGTERM\n"
    "      --all            checkpoint, epoch and segment records, too\n"
    "      --json, --table  in this form wherever the output goes\n"
    "  -c, --config FILE    keeper.conf\n"
    "  -h, --help           print this\n"
    "\n"
    "Exit status: 0 shown, 1 damaged records were skipped, or failed, 2 usage, 78 bad "
    "configuration.\n";

struct options {
    const char *conf;
    struct audit_filter filter;
    bool all, follow, json, table, keep;
    size_t last;
};

/* ---- the command line ---- */

static int usage(const char *name, const char *words)
{
    char message[256];

    (void)snprintf(message, sizeof(message), "%s: %s", name, words);
    return show_failure(message, CTL_USAGE);
}

static int set_time(char out[SEAL_TIME], bool *has, const char *name, const char *text)
{
    if (audit_time_parse(out, text, audit_time_now()) < 0)
        return usage(name, "must be a time (2026-11-24T09:15:02Z), a date, or an age like 15m");
    *has = true;
    return CTL_DONE;
}

static int set_last(struct options *o, const char *text)
{
    char *end = NULL;
    unsigned long long n = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;

    if (!end || *end || n > SIZE_MAX / sizeof(void *))
        return usage("-n", "must be a number");
    o->keep = true;
    o->last = (size_t)n;
    return CTL_DONE;
}

enum {
    SINCE = 256,
    UNTIL,
    CLIENT,
    WORKSPACE,
    METHOD,
    PATH,
    STATUS,
    ID,
    TYPE,
    TEXT,
    ALL,
    JSON,
    TABLE
};

/* CTL_DONE, or the exit code. */
static int set(struct options *o, int option, char *value)
{
    struct audit_filter *f = &o->filter;
    struct slice *texts[] = {
        [CLIENT - SINCE] = &f->client, [WORKSPACE - SINCE] = &f->workspace,
        [METHOD - SINCE] = &f->method, [PATH - SINCE] = &f->path,
        [ID - SINCE] = &f->id,         [TYPE - SINCE] = &f->types,
        [TEXT - SINCE] = &f->text,
    };

    switch (option) {
    case SINCE:
        return set_time(f->since, &f->has_since, "--since", value);
    case UNTIL:
        return set_time(f->until, &f->has_until, "--until", value);
    case STATUS:
        if (audit_filter_add_status(f, value) < 0)
            return usage("--status", "must be like 404, 4xx or none, with commas between them");
        return CTL_DONE;
    case ALL:
        o->all = true;
        return CTL_DONE;
    case JSON:
    case TABLE:
        o->json = option == JSON;
        o->table = option == TABLE;
        return CTL_DONE;
    case 'n':
        return set_last(o, value);
    case 'f':
        o->follow = true;
        return CTL_DONE;
    case 'c':
        o->conf = value;
        return CTL_DONE;
    default:
        if (value[0] == '\0')
            return usage("an option's value", "must not be empty");
        *texts[option - SINCE] = slice_str(value);
        return CTL_DONE;
    }
}

/* 0 to go on, or -1 with the exit code in *code. */
static int parse(int argc, char **argv, struct options *o, int *code)
{
    static const struct option OPTIONS[] = {
        {"since", required_argument, NULL, SINCE},
        {"until", required_argument, NULL, UNTIL},
        {"client", required_argument, NULL, CLIENT},
        {"workspace", required_argument, NULL, WORKSPACE},
        {"method", required_argument, NULL, METHOD},
        {"path", required_argument, NULL, PATH},
        {"status", required_argument, NULL, STATUS},
        {"id", required_argument, NULL, ID},
        {"type", required_argument, NULL, TYPE},
        {"text", required_argument, NULL, TEXT},
        {"last", required_argument, NULL, 'n'},
        {"follow", no_argument, NULL, 'f'},
        {"all", no_argument, NULL, ALL},
        {"json", no_argument, NULL, JSON},
        {"table", no_argument, NULL, TABLE},
        {"config", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;

    *o = (struct options){.conf = CENTION_SYSCONFDIR "/keeper.conf"};
    while ((c = getopt_long(argc, argv, "n:fc:h", OPTIONS, NULL)) != -1) {
        if (c == 'h' || c == '?') {
            (void)fputs(HELP, c == 'h' ? stdout : stderr);
            *code = c == 'h' ? CTL_DONE : CTL_USAGE;
            return -1;
        }
        *code = set(o, c, optarg);
        if (*code != CTL_DONE)
            return -1;
    }
    return 0;
}

/* ---- records ---- */

struct show {
    const struct options *o;
    struct audit_pairs open;
    struct audit_facts facts;
    struct audit_print print;
};

/* In JSON lines, only the records of the types that were asked for. */
static int print(struct show *s, struct slice first, struct slice second)
{
    if (!s->print.as_table && !audit_filter_type(&s->o->filter, SLICE_LIT("intent")))
        first = SLICE_NULL;
    if (!s->print.as_table && !audit_filter_type(&s->o->filter, SLICE_LIT("outcome")))
        second = SLICE_NULL;
    return first.len || second.len ? audit_print(&s->print, first, second) : 0;
}

/* Decodes a record into s->facts. 0, AUDIT_READ_DAMAGED or -errno. */
static int decode(struct show *s, struct slice bytes)
{
    int r = audit_facts_read(&s->facts, bytes);

    return r == -EBADMSG ? AUDIT_READ_DAMAGED : r;
}

static int on_intent(struct show *s, const struct line *line, struct slice bytes)
{
    const struct audit_filter *f = &s->o->filter;
    bool wanted = audit_filter_line(f, line) && (audit_filter_type(f, SLICE_LIT("intent")) ||
                                                 audit_filter_type(f, SLICE_LIT("outcome")));
    struct audit_open *open;
    int r = wanted ? decode(s, bytes) : 0, text = 0;

    if (r != 0)
        return r;
    wanted = wanted && audit_filter_record(f, &s->facts);
    if (wanted)
        text = audit_filter_text(f, line->covered);
    if (text < 0)
        return text;
    open = audit_pairs_open(&s->open, line->id, wanted ? bytes : SLICE_NULL);
    if (!open)
        return -ENOMEM;
    open->wanted = wanted;
    open->has_text = text;
    return 0;
}

/* Of a request whose intent has passed, or is not at hand (`intent` is empty then). */
static int on_end(struct show *s, const struct line *line, struct slice bytes, struct slice intent,
                  bool has_text)
{
    const struct audit_filter *f = &s->o->filter;
    int r = decode(s, bytes);

    if (r != 0 || !audit_filter_status(f, s->facts.status))
        return r;
    if (intent.len == 0 && (!audit_filter_record(f, &s->facts) || !audit_filter_line(f, line) ||
                            !audit_filter_type(f, line->word)))
        return 0;
    r = has_text ? 1 : audit_filter_text(f, line->covered);
    return r == 1 ? print(s, intent, bytes) : r;
}

static int on_outcome(struct show *s, const struct line *line, struct slice bytes)
{
    struct audit_open *open = audit_pairs_close(&s->open, line->id);
    int r = 0;

    if (!open)
        return on_end(s, line, bytes, SLICE_NULL, false);
    if (open->wanted)
        r = on_end(s, line, bytes, open->record, open->has_text);
    free(open);
    return r;
}

static bool is_hidden(const struct options *o, enum line_type type)
{
    return !o->all && o->filter.types.len == 0 &&
           (type == LINE_CHECKPOINT || type == LINE_EPOCH || type == LINE_SEGMENT);
}

static int on_other(struct show *s, const struct line *line, struct slice bytes)
{
    const struct audit_filter *f = &s->o->filter;
    int r;

    if (is_hidden(s->o, line->type) || !audit_filter_type(f, line->word) ||
        !audit_filter_line(f, line))
        return 0;
    r = decode(s, bytes);
    if (r != 0 || !audit_filter_record(f, &s->facts))
        return r;
    /* A record that isn't about a request has no status, not even none. */
    if (f->by_status && (!audit_filter_status(f, s->facts.status) ||
                         (s->facts.status == 0 && !slice_eq(line->word, SLICE_LIT("reject")))))
        return 0;
    r = audit_filter_text(f, line->covered);
    return r == 1 ? audit_print(&s->print, bytes, SLICE_NULL) : r;
}

static int on_record(void *arg, const struct line *line, struct slice bytes)
{
    struct show *s = arg;

    if (s->o->follow && audit_follow_ended())
        return -ECANCELED;
    if (line->type == LINE_INTENT)
        return on_intent(s, line, bytes);
    if (line->type == LINE_OUTCOME)
        return on_outcome(s, line, bytes);
    return on_other(s, line, bytes);
}

/* Requests without an outcome at the log's end. */
static int show_open(struct show *s)
{
    const struct audit_filter *f = &s->o->filter;
    bool asked = audit_filter_status(f, 0) && audit_filter_type(f, SLICE_LIT("intent"));
    int r = 0;

    for (const struct audit_open *o = s->open.first; asked && r == 0 && o; o = o->after)
        if (o->wanted && o->has_text)
            r = print(s, o->record, SLICE_NULL);
    return r;
}

static int run(struct show *s, struct audit_read *read, const struct audit_log *log,
               struct err *err)
{
    struct audit_segment newest = AUDIT_SEGMENT_INIT;
    int r = audit_read_log(read, log, &newest, err);

    if (r == 0 && s->o->follow)
        r = audit_print_kept(&s->print);
    if (r == 0 && s->o->follow)
        r = audit_follow(read, &newest, err);
    audit_segment_close(&newest);
    if (r == 0 || r == -ECANCELED)
        r = show_open(s);
    return r == 0 ? audit_print_kept(&s->print) : r;
}

static size_t terminal_width(void)
{
    struct winsize size;

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

static int show(const struct options *o, const struct audit_log *log)
{
    bool terminal = isatty(STDOUT_FILENO);
    struct show s = {
        .o = o,
        .print = {.as_table = o->table || (terminal && !o->json),
                  .terminal = terminal,
                  .keep = o->keep,
                  .most = o->last,
                  .table = {.to = stdout,
                            .width = terminal ? terminal_width() : 0,
                            .colour = show_colour()}},
    };
    struct audit_read read = {.each = on_record, .arg = &s};
    struct err err = ERR_INIT;
    int r;

    if (o->follow)
        audit_follow_signals();
    r = run(&s, &read, log, &err);
    audit_pairs_deinit(&s.open);
    audit_facts_deinit(&s.facts);
    audit_print_deinit(&s.print);
    (void)fflush(stdout);
    if (r < 0)
        return show_failure(err.text[0] ? err.text : strerror(-r), CTL_FAILED);
    return read.damaged ? CTL_FAILED : CTL_DONE;
}

int audit_show_main(int argc, char **argv)
{
    struct options o;
    struct audit_log log;
    struct err err = ERR_INIT;
    int code;

    if (parse(argc, argv, &o, &code) < 0)
        return code;
    if (audit_log_open(&log, argv + optind, argc - optind, o.conf, &err) < 0)
        return show_failure(err.text, argc == optind ? CTL_CONFIG : CTL_FAILED);
    code = show(&o, &log);
    audit_log_deinit(&log);
    return code;
}
