/*
 * Ships segments of an audit log into an archive by the sink alone, as a shipper would, and tells
 * each event in a line:
 *
 *     pg_drive [-s] [-x] [-h HOST] [-p PASSFILE] [-t TIMEOUT_MS] [-b RECORDS] [-m MAX] URL
 * SEGMENT...
 *
 *     ready EPOCH SEQ HASH | ack SEQ | conflict SEQ HASH SEQ HASH | lost WHY | refused WHY | done
 *
 * -s: a standby is required; -x: ends when all is acknowledged, else at the end of its input; -m:
 * at most so many records. A conflict is told to the archive as an alarm. Without a second thread
 * and without knowledge of the log but what the lines say.
 */
#include "base/file.h"
#include "postgres/pg_sink.h"
#include "trail/hex.h"
#include "trail/line.h"

#include <errno.h>
#include <inttypes.h>
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
    bool stopped, ends;
    struct event input;
};

static const char *digits(const struct chain_hash *hash)
{
    static char text[2][2 * CHAIN_HASH + 1];
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
    d->next = head->seq < d->first ? 0 : (size_t)(head->seq - d->first + 1);
    d->flying = 0;
    if (head->seq >= d->last)
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

static void on_input(evutil_socket_t fd, short what, void *arg)
{
    struct drive *d = arg;
    char byte;

    (void)what;
    if (read((int)fd, &byte, 1) <= 0)
        loop_stop(d->loop);
}

static int read_records(struct drive *d, size_t max)
{
    struct slice text = buf_slice(&d->text);
    struct record_segment header;
    struct line line;
    uint64_t epoch = 0;
    const char *end;
    size_t room = 0;

    for (; (end = memchr(text.data, '\n', text.len)) && d->n < max;
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
    (void)event_assign(&d->input, loop_base(d->loop), STDIN_FILENO, EV_READ | EV_PERSIST, on_input,
                       d);
    if (r == 0 && !d->ends)
        (void)event_add(&d->input, NULL);
    if (r == 0)
        r = loop_run(d->loop);
    d->sink->kind->free(d->sink);
    (void)event_del(&d->input);
    return r;
}

int main(int argc, char **argv)
{
    struct drive d = {.text = BUF_INIT(SIZE_MAX / 4), .batch = SHIP_BATCH_RECORDS};
    struct pg_sink_options options = {0};
    const char *host = "host";
    size_t max = SIZE_MAX;
    int option, r = 0;

    while ((option = getopt(argc, argv, "sxh:p:t:b:m:")) != -1) {
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
        case 'm':
            max = strtoull(optarg, NULL, 10);
            break;
        default:
            return 2;
        }
    }
    if (argc - optind < 2)
        return 2;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    options.url = argv[optind];
    for (int i = optind + 1; r == 0 && i < argc; i++)
        r = file_read(&d.text, argv[i]);
    if (r == 0)
        r = read_records(&d, max);
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
