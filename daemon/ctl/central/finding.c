#include "ctl/central/finding.h"

#include "audit/seal.h"
#include "ctl/command/show.h"

#include <inttypes.h>
#include <stdlib.h>

const char *finding_name(enum finding_kind kind)
{
    static const char *const NAMES[] = {
        [FINDING_GAP] = "gap",
        [FINDING_FORK] = "fork",
        [FINDING_ALTERED] = "altered",
        [FINDING_BROKEN] = "broken",
        [FINDING_TRUNCATED] = "truncated",
        [FINDING_REWRITTEN] = "rewritten",
        [FINDING_ALARM] = "alarm",
        [FINDING_SILENT] = "silent",
        [FINDING_STOPPED] = "stopped",
        [FINDING_UNKNOWN] = "unknown",
        [FINDING_MISSING] = "missing",
        [FINDING_UNPROVED] = "unproved",
    };

    return NAMES[kind];
}

void finding_log(char out[FINDING_LOG], const struct seal_key *log)
{
    char text[IDENTITY_TEXT];

    identity_text(text, log);
    (void)snprintf(out, FINDING_LOG, "%.*s", FINDING_LOG - 1, text);
}

void findings_deinit(struct findings *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->lines[i]);
    free(f->lines);
    *f = (struct findings){0};
}

static void keep(struct findings *f, char *line)
{
    if (line && f->n == f->room) {
        size_t room = f->room ? 2 * f->room : 16;
        char **grown = reallocarray(f->lines, room, sizeof(*grown));

        if (grown) {
            f->lines = grown;
            f->room = room;
        }
    }
    if (line && f->n < f->room) {
        f->lines[f->n++] = line;
        return;
    }
    free(line);
    f->failed = true;
}

static char *text_of(const struct finding *g)
{
    char log[FINDING_LOG], *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);

    if (!f)
        return NULL;
    finding_log(log, g->log);
    (void)fprintf(f, "%s: %s", finding_name(g->kind), g->host && g->host[0] ? g->host : "-");
    if (g->other && g->other[0] && strcmp(g->other, g->host ? g->host : "") != 0)
        (void)fprintf(f, " and %s", g->other);
    (void)fprintf(f, ", log %s", log);
    if (g->first)
        (void)fprintf(f, ", seq %" PRIu64, g->first);
    if (g->last > g->first)
        (void)fprintf(f, " to %" PRIu64, g->last);
    if (g->time)
        (void)fprintf(f, ", %.*s", SEAL_TIME, g->time);
    (void)fprintf(f, ": %s", g->what);
    if (fclose(f) == 0)
        return text;
    free(text);
    return NULL;
}

static void close_log(struct findings *f)
{
    char log[FINDING_LOG], *text = NULL;

    if (f->of_log <= FINDING_MOST)
        return;
    finding_log(log, &f->log);
    if (asprintf(&text, "%" PRIu64 " more of log %s", f->of_log - FINDING_MOST, log) < 0)
        text = NULL;
    keep(f, text);
}

void findings_add(struct findings *f, const struct finding *g)
{
    if (f->all && memcmp(&f->log, g->log, sizeof(f->log)) != 0) {
        close_log(f);
        f->of_log = 0;
    }
    f->log = *g->log;
    f->all++;
    f->of_log++;
    if (f->of_log <= FINDING_MOST && f->n < FINDING_ALL)
        keep(f, text_of(g));
}

void findings_print(const struct findings *f, FILE *to)
{
    for (size_t i = 0; i < f->n; i++) {
        show_message(to, f->lines[i]);
        (void)fputc('\n', to);
    }
    if (f->of_log > FINDING_MOST) {
        char log[FINDING_LOG];

        finding_log(log, &f->log);
        (void)fprintf(to, "%" PRIu64 " more of log %s\n", f->of_log - FINDING_MOST, log);
    }
    if (f->n >= FINDING_ALL)
        (void)fprintf(to, "%" PRIu64 " in all; not all of them are listed\n", f->all);
    if (f->failed)
        (void)fputs("more could not be kept: out of memory\n", to);
}
