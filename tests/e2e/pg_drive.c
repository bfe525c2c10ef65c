/*
 * Drives what is in daemon/central/postgres by itself. Ships segments of an audit log into an
 * archive, as a shipper would, and tells each event in a line:
 *
 *     pg_drive [-s] [-x] [-o] [-h HOST] [-p PASSFILE] [-t TIMEOUT_MS] [-b RECORDS] URL SEGMENT...
 *
 *     ready EPOCH SEQ HASH | ack SEQ | conflict SEQ HASH SEQ HASH | lost WHY | refused WHY | done
 *
 * -s: a standby is required; -x: ends when all is acknowledged, else with SIGTERM; -o: ships from
 * the first record on, whatever the archive has. A conflict is told to the archive as an alarm.
 *
 *     pg_drive -r URL
 *
 * reads an archive: log LOG HOST FIRST LAST, then its records: record EPOCH SEQ HASH HOST
 * MICROSECONDS LINE; then alarm KIND LOG SEQ SEQ WHY.
 */
#include "audit/line.h"
#include "base/file.h"
#include "base/hex.h"
#include "central/postgres/pg_read.h"
#include "central/postgres/pg_sink.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct drive {
    struct loop *loop;
    struct sink *sink;
    struct buf text;
    struct seal_key log;
    struct ship_record *records;
    size_t n, next; /* next: to be shipped */
    unsigned flying, batch;
    uint64_t first, last;
    bool stopped, ends, over;
    struct event end;
};

static const char *digits(const struct chain_hash *hash)
{
    static char text[2][CHAIN_HASH_HEX + 1];
    static unsigned turn;

    turn ^= 1;
    hex_put(text[turn], hash->bytes, CHAIN_HASH);
    return text[turn];
}

static void ship(struct drive *d)
{
    while (!d->stopped && d->flying < d->sink->kind->window && d->next < d->n) {
        struct ship_batch batch = {.records = &d->records[d->next]};

        while (batch.n < d->batch && d->next + batch.n < d->n &&
               (batch.n == 0 || batch.bytes + batch.records[batch.n].line.len <= SHIP_BATCH_BYTES))
            batch.bytes += batch.records[batch.n++].line.len;
        if (d->sink->kind->ship(d->sink, &batch) < 0)
            return;
        d->next += batch.n;
        d->flying++;
    }
}

static void finish(struct drive *d)
{
    printf("done\n");
    if (d->ends)
        loop_stop(d->loop);
}

static void on_ready(void *arg, const struct ship_place *head)
{
    struct drive *d = arg;

    printf("ready %" PRIu64 " %" PRIu64 " %s\n", head->epoch, head->seq, digits(&head->hash));
    d->next = head->seq < d->first || d->over ? 0 : (size_t)(head->seq - d->first + 1);
    d->flying = 0;
    if (head->seq >= d->last && !d->over)
        finish(d);
    else
        ship(d);
}

static void on_acknowledged(void *arg, uint64_t seq)
{
    struct drive *d = arg;

    printf("ack %" PRIu64 "\n", seq);
    d->flying--;
    if (seq == d->last)
        finish(d);
    else
        ship(d);
}

static void on_conflict(void *arg, const struct ship_place *here, const struct ship_place *there)
{
    struct drive *d = arg;
    struct ship_alarm alarm = {SHIP_CONFLICT, *here, *there, "another record is there"};

    d->stopped = true;
    printf("conflict %" PRIu64 " %s %" PRIu64 " %s\n", here->seq, digits(&here->hash), there->seq,
           digits(&there->hash));
    (void)d->sink->kind->alarm(d->sink, &alarm);
}

static void on_lost(void *arg, const char *why)
{
    struct drive *d = arg;

    d->flying = 0;
    printf("lost %s\n", why);
}

static const struct sink_events EVENTS = {on_ready, on_acknowledged, on_conflict, on_lost};

static void on_end(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    loop_stop(((struct drive *)arg)->loop);
}

static int read_records(struct drive *d)
{
    struct slice text = buf_slice(&d->text);
    struct record_segment header;
    struct line line;
    uint64_t epoch = 0;
    const char *end;
    size_t room = 0;

    for (; (end = memchr(text.data, '\n', text.len));
         text = slice_of(end + 1, text.len - (size_t)(end + 1 - text.data))) {
        struct slice bytes = slice_of(text.data, (size_t)(end - text.data));

        if (line_read(bytes, &line))
            return -EINVAL;
        if (line.type == LINE_SEGMENT) {
            if (line_segment(&line, &header))
                return -EINVAL;
            epoch = header.epoch;
            d->log = header.log;
        }
        if (d->n == room) {
            room = room ? 2 * room : 1024;
            d->records = realloc(d->records, room * sizeof(*d->records));
            if (!d->records)
                return -ENOMEM;
        }
        d->records[d->n++] = (struct ship_record){{epoch, line.seq, line.hash}, bytes};
        epoch += line.type == LINE_EPOCH;
    }
    if (d->n == 0)
        return -EINVAL;
    d->first = d->records[0].place.seq;
    d->last = d->records[d->n - 1].place.seq;
    return 0;
}

static int run(struct drive *d, const struct pg_sink_options *options, const char *host)
{
    struct err err = ERR_INIT;
    int r = pg_sink_new(&d->sink, options, &err);

    if (r < 0) {
        printf("refused %s\n", err.text);
        return r;
    }
    r = d->sink->kind->start(d->sink, d->loop, &d->log, host, &EVENTS, d);
    (void)evsignal_assign(&d->end, loop_base(d->loop), SIGTERM, on_end, d);
    (void)evsignal_add(&d->end, NULL);
    if (r == 0)
        r = loop_run(d->loop);
    d->sink->kind->free(d->sink);
    (void)evsignal_del(&d->end);
    return r;
}

static int print_record(void *arg, const struct archive_record *r)
{
    (void)arg;
    printf("record %" PRIu64 " %" PRIu64 " %s %s %" PRIu64 " %.*s\n", r->epoch, r->seq,
           digits(&r->hash), r->host, r->received_us, (int)r->line.len, r->line.data);
    return 0;
}

struct reading {
    struct archive *archive;
    struct seal_key logs[16];
    unsigned n;
};

static const char *log_digits(const struct seal_key *log)
{
    struct chain_hash hash;

    memcpy(hash.bytes, log->bytes, sizeof(hash.bytes));
    return digits(&hash);
}

static int print_log(void *arg, const struct archive_log *log)
{
    struct reading *r = arg;

    printf("log %s %s %" PRIu64 " %" PRIu64 "\n", log_digits(&log->log), log->host, log->first,
           log->last);
    if (r->n < sizeof(r->logs) / sizeof(r->logs[0]))
        r->logs[r->n++] = log->log;
    return 0;
}

static int print_alarm(void *arg, const struct archive_alarm *a)
{
    (void)arg;
    printf("alarm %s %s %" PRIu64 " %" PRIu64 " %s\n", a->kind, log_digits(&a->log), a->here_seq,
           a->there_seq, a->why);
    return 0;
}

static int stop_reading(void *arg, const struct archive_record *r)
{
    (void)r;
    return ++*(unsigned *)arg == 2 ? -ECANCELED : 0;
}

static int read_archive(const char *url)
{
    struct reading reading = {0};
    struct err err = ERR_INIT;
    int r = PG_ARCHIVE.open(&reading.archive, url, &err);

    if (r == 0)
        r = PG_ARCHIVE.logs(reading.archive, print_log, &reading, &err);
    for (unsigned i = 0; r == 0 && i < reading.n; i++) {
        unsigned n = 0;

        /* That a reading is given up early does no harm to the next. */
        r = PG_ARCHIVE.records(reading.archive, &reading.logs[i], 2, stop_reading, &n, &err);
        if (r == -ECANCELED || r == 0)
            r = PG_ARCHIVE.records(reading.archive, &reading.logs[i], 1, print_record, NULL, &err);
    }
    if (r == 0)
        r = PG_ARCHIVE.alarms(reading.archive, print_alarm, NULL, &err);
    if (r < 0)
        printf("refused %s\n", err.text);
    if (reading.archive)
        PG_ARCHIVE.close(reading.archive);
    return r;
}

int main(int argc, char **argv)
{
    struct drive d = {.text = BUF_INIT(SIZE_MAX / 4), .batch = SHIP_BATCH_RECORDS};
    struct pg_sink_options options = {0};
    const char *host = "host";
    bool reads = false;
    int option, r = 0;

    while ((option = getopt(argc, argv, "sxorh:p:t:b:")) != -1) {
        switch (option) {
        case 's':
            options.standby = true;
            break;
        case 'x':
            d.ends = true;
            break;
        case 'h':
            host = optarg;
            break;
        case 'p':
            options.passfile = optarg;
            break;
        case 't':
            options.timeout_us = strtoull(optarg, NULL, 10) * 1000;
            break;
        case 'b':
            d.batch = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'o':
            d.over = true;
            break;
        case 'r':
            reads = true;
            break;
        default:
            return 2;
        }
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (reads && argc - optind == 1)
        return read_archive(argv[optind]) < 0;
    if (argc - optind < 2)
        return 2;
    options.url = argv[optind];
    for (int i = optind + 1; r == 0 && i < argc; i++)
        r = file_read(&d.text, argv[i]);
    if (r == 0)
        r = read_records(&d);
    if (r == 0)
        r = loop_new(&d.loop);
    if (r == 0)
        r = run(&d, &options, host);
    if (r < 0)
        (void)fprintf(stderr, "pg_drive: %s\n", strerror(-r));
    loop_free(d.loop);
    free(d.records);
    buf_deinit(&d.text);
    return r < 0;
}
