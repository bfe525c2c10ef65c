#include "ctl/audit/audit_centre.h"

#include "ctl/central/audit_merge.h"
#include "ctl/command/show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

struct reading {
    struct audit_centre *centre;
    struct archive_entries logs;
    struct requests *open; /* one for each log */
};

static void report(struct reading *r, const struct archive_record *record, const char *why)
{
    char text[512];

    r->centre->damaged = true;
    (void)snprintf(text, sizeof(text), "%.255s: seq %" PRIu64 ": skipped: %s", record->host,
                   record->seq, why);
    (void)fflush(stdout);
    (void)show_failure(text, 0);
}

static int on_record(void *arg, size_t of, const struct archive_record *record)
{
    struct reading *reading = arg;
    struct audit_centre *centre = reading->centre;
    struct line line;
    const char *why;
    int r;

    if (centre->host && strcmp(centre->host, record->host) != 0)
        return 0;
    why = record->wrong ? record->wrong : line_read(record->line, &line);
    if (why) {
        report(reading, record, why);
        return 0;
    }
    r = centre->each(centre->arg, &reading->open[of], record->host, &line, record->line);
    if (r == AUDIT_READ_DAMAGED)
        report(reading, record, "it is no JSON object");
    return r < 0 ? r : 0;
}

int audit_centre_read(struct audit_centre *centre, struct archive *archive, struct err *err)
{
    struct reading reading = {.centre = centre};
    struct archive_entries *logs = &reading.logs;
    int r = archive_entries_read(logs, archive, centre->log, err);

    for (size_t i = 0; r == 0 && i < logs->n; i++)
        r = archive_entry_sound(&logs->list[i], err);
    if (r == 0) {
        reading.open = calloc(logs->n + 1, sizeof(*reading.open));
        r = reading.open ? audit_merge(archive, logs, on_record, &reading, err) : -ENOMEM;
    }
    for (size_t i = 0; r == 0 && i < logs->n; i++)
        r = centre->end(centre->arg, &reading.open[i], logs->list[i].host);
    for (size_t i = 0; reading.open && i < logs->n; i++)
        requests_deinit(&reading.open[i]);
    free(reading.open);
    archive_entries_deinit(logs);
    return r;
}
