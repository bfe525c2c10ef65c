#include "ctl/central/archive_hosts.h"

#include "ctl/command/show.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    HOST_MOST = 32, /* columns */
    CELL = 256,
    COLUMNS = 8,
    SECONDS_SHOWN = 19, /* bytes of a time */
};

struct archive_host *archive_hosts_add(struct archive_hosts *all, const char *host,
                                       const struct seal_key *log)
{
    char *name = strdup(host);
    struct archive_host *grown = name ? reallocarray(all->list, all->n + 1, sizeof(*grown)) : NULL;

    if (!grown) {
        free(name);
        return NULL;
    }
    all->list = grown;
    all->list[all->n] = (struct archive_host){.host = name, .log = *log};
    return &all->list[all->n++];
}

void archive_hosts_deinit(struct archive_hosts *all)
{
    for (size_t i = 0; i < all->n; i++)
        free(all->list[i].host);
    free(all->list);
    *all = (struct archive_hosts){0};
}

void archive_hosts_span(char out[24], uint64_t us)
{
    static const struct {
        uint64_t seconds, most;
        char unit;
    } UNITS[] = {{1, 120, 's'}, {60, 7200, 'm'}, {3600, 172800, 'h'}, {86400, UINT64_MAX, 'd'}};
    uint64_t seconds = us / 1000000;
    size_t i = 0;

    while (seconds >= UNITS[i].most)
        i++;
    (void)snprintf(out, 24, "%" PRIu64 "%c", seconds / UNITS[i].seconds, UNITS[i].unit);
}

struct row {
    char cells[COLUMNS][CELL];
};

static const char *const TITLES[COLUMNS] = {"HOST", "LOG", "RECORDS", "HEAD",
                                            "TIME", "AGE", "SIGNED",  "STATUS"};

static void put_number(char cell[CELL], uint64_t number)
{
    (void)snprintf(cell, CELL, "%" PRIu64, number);
}

static void put_host(char cell[CELL], const char *host)
{
    FILE *f = fmemopen(cell, CELL, "w");

    if (!f)
        return;
    if (host[0])
        show_cell_put(f, slice_str(host), HOST_MOST);
    else
        (void)fputc('-', f);
    (void)fclose(f);
    cell[CELL - 1] = '\0';
}

static void put_status(char cell[CELL], unsigned kinds)
{
    size_t n = 0;

    (void)snprintf(cell, CELL, "sound");
    for (unsigned i = 0; i <= FINDING_UNPROVED; i++)
        if (kinds & 1u << i)
            n += (size_t)snprintf(cell + n, CELL - n, "%s%s", n ? "," : "", finding_name(i));
}

static void fill(struct row *r, const struct archive_host *h, uint64_t now_us)
{
    *r = (struct row){0};
    put_host(r->cells[0], h->host);
    finding_log(r->cells[1], &h->log);
    put_number(r->cells[2], h->records);
    put_number(r->cells[3], h->head);
    (void)snprintf(r->cells[4], CELL, "-");
    (void)snprintf(r->cells[5], CELL, "-");
    if (h->time[0]) {
        (void)snprintf(r->cells[4], CELL, "%.*sZ", SECONDS_SHOWN, h->time);
        archive_hosts_span(r->cells[5], now_us > h->time_us ? now_us - h->time_us : 0);
    }
    put_number(r->cells[6], h->signed_seq);
    put_status(r->cells[7], h->kinds);
}

static void print(const char *const cells[], const size_t widths[], FILE *to)
{
    for (size_t i = 0; i + 1 < COLUMNS; i++)
        (void)fprintf(to, "%s%*s", cells[i], (int)(widths[i] - show_cell_width(cells[i]) + 2), "");
    (void)fprintf(to, "%s\n", cells[COLUMNS - 1]);
}

void archive_hosts_print(const struct archive_hosts *all, uint64_t now_us, FILE *to)
{
    size_t widths[COLUMNS];
    struct row row;

    for (size_t i = 0; i < COLUMNS; i++)
        widths[i] = strlen(TITLES[i]);
    /* Twice: for the widths, then for the table. */
    for (size_t pass = 0; pass < 2; pass++) {
        if (pass)
            print(TITLES, widths, to);
        for (size_t k = 0; k < all->n; k++) {
            const char *cells[COLUMNS];

            fill(&row, &all->list[k], now_us);
            for (size_t i = 0; i < COLUMNS; i++) {
                size_t wide = show_cell_width(row.cells[i]);

                cells[i] = row.cells[i];
                widths[i] = wide > widths[i] ? wide : widths[i];
            }
            if (pass)
                print(cells, widths, to);
        }
    }
}
