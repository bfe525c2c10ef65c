/*
 * Drives the NATS sink and the reading from NATS without the rest: a log made of numbers, of which
 * as many records exist as standard input has said ("more N", "alarm", "quit"). For test_js.py.
 *
 * js_drive ship URL PREFIX REPLICAS SEED COUNT [OPTION=VALUE ...]
 *     prints `ready SEQ`, `acknowledged SEQ`, `conflict SEQ`, `lost WHY`, `done`; ends at COUNT.
 *     fork=SEQ: records are other ones from there on; bytes=N: length of the filler, of the record
 *     `long` only when that is given; host=NAME; credentials=FILE; ca=FILE
 * js_drive read URL SEED FIRST     checks the chain: `records N first F last L seconds S`
 * js_drive logs URL                `log 64-DIGITS HOST RECORDS FIRST LAST`
 * js_drive alarms URL              `alarm KIND HOST HERE THERE WHY`
 */
#include "audit/line.h"
#include "base/buf.h"
#include "base/hex.h"
#include "base/process.h"
#include "central/nats/js_read.h"
#include "central/nats/js_sink.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct drive {
    struct loop *loop;
    struct sink *sink;
    struct chain *chain;
    struct seal_key log;
    struct chain_hash *hashes; /* [seq] */
    uint64_t count, available, shipped, acknowledged;
    uint64_t fork, longer;
    int bytes;
    bool up, told;
    unsigned open; /* batches not yet acknowledged */
    uint64_t ends[64];
    struct event input;
    struct buf lines;
    uint64_t began;
};

static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "js_drive: %s: %s\n", what, why);
    (void)fflush(stdout);
    quick_exit(2);
}

/* Appends record `seq`, given the one before; its hash goes to `hashes`. */
static void drive_record(struct drive *d, uint64_t seq, struct buf *out)
{
    size_t before = buf_len(out);
    int filler = d->longer == 0 || d->longer == seq ? d->bytes : 0;
    char hash[CHAIN_HASH_HEX];
    struct slice covered;

    if (buf_printf(out,
                   "{\"seq\":%" PRIu64
                   ",\"time\":\"2026-11-24T09:15:02.123456Z\",\"type\":\"note\","
                   "\"text\":\"%s\",\"filler\":\"",
                   seq, d->fork && seq >= d->fork ? "another" : "one") < 0)
        die("record", "no memory");
    for (int i = 0; i < filler; i++)
        if (buf_append(out, "x", 1) < 0)
            die("record", "no memory");
    if (buf_append(out, "\"", 1) < 0)
        die("record", "no memory");
    covered = slice_of(out->data + out->head + before, buf_len(out) - before);
    if (chain_hash(d->chain, &d->hashes[seq - 1], covered, &d->hashes[seq]) < 0)
        die("record", "no hash");
    hex_put(hash, d->hashes[seq].bytes, CHAIN_HASH);
    if (buf_printf(out, ",\"h\":\"%.*s\"}", CHAIN_HASH_HEX, hash) < 0)
        die("record", "no memory");
}

static void drive_ship(struct drive *d)
{
    static struct ship_record records[SHIP_BATCH_RECORDS];
    static size_t starts[SHIP_BATCH_RECORDS + 1];

    while (d->up && d->shipped < d->available && d->open < d->sink->kind->window) {
        struct ship_batch batch = {.records = records};

        buf_reset(&d->lines, SIZE_MAX);
        while (batch.n < SHIP_BATCH_RECORDS && d->shipped + batch.n < d->available &&
               buf_len(&d->lines) < SHIP_BATCH_BYTES) {
            starts[batch.n] = buf_len(&d->lines);
            drive_record(d, d->shipped + batch.n + 1, &d->lines);
            batch.n++;
        }
        batch.bytes = starts[batch.n] = buf_len(&d->lines);
        for (size_t i = 0; i < batch.n; i++) {
            uint64_t seq = d->shipped + i + 1;

            records[i] = (struct ship_record){
                .place = {.epoch = 1, .seq = seq, .hash = d->hashes[seq]},
                .line = slice_of(buf_slice(&d->lines).data + starts[i], starts[i + 1] - starts[i])};
        }
        if (d->sink->kind->ship(d->sink, &batch) < 0)
            die("ship", "failed");
        d->shipped += batch.n;
        d->ends[d->open++] = d->shipped;
    }
}

static void drive_ready(void *arg, const struct ship_place *head)
{
    struct drive *d = arg;

    (void)printf("ready %" PRIu64 "\n", head->seq);
    if (head->seq > d->count || !chain_same(&head->hash, &d->hashes[head->seq])) {
        (void)printf("mismatch %" PRIu64 "\n", head->seq);
        loop_stop(d->loop);
        return;
    }
    d->up = true;
    d->open = 0;
    d->shipped = d->acknowledged = head->seq;
    if (d->shipped == d->count)
        loop_stop(d->loop);
    drive_ship(d);
}

static void drive_acknowledged(void *arg, uint64_t seq)
{
    struct drive *d = arg;
    unsigned n = 0;

    if (!d->up || seq <= d->acknowledged || seq > d->shipped)
        die("acknowledged", "what was not shipped");
    d->acknowledged = seq;
    while (n < d->open && d->ends[n] <= seq)
        n++;
    memmove(d->ends, d->ends + n, (d->open -= n) * sizeof(d->ends[0]));
    if (seq == d->available)
        (void)printf("acknowledged %" PRIu64 "\n", seq);
    if (seq == d->count)
        loop_stop(d->loop);
    drive_ship(d);
}

static void drive_alarm(struct drive *d, enum ship_alarm_kind kind, const struct ship_place *here,
                        const struct ship_place *there)
{
    struct ship_alarm alarm = {
        .kind = kind, .here = *here, .there = *there, .why = "two \"logs\" that can't both be"};

    if (d->sink->kind->alarm(d->sink, &alarm) < 0)
        die("alarm", "failed");
}

static void drive_conflict(void *arg, const struct ship_place *here, const struct ship_place *there)
{
    struct drive *d = arg;

    (void)printf("conflict %" PRIu64 " %d\n", here->seq, chain_same(&here->hash, &there->hash));
    drive_alarm(d, SHIP_CONFLICT, here, there);
    d->up = false;
}

static void drive_lost(void *arg, const char *why)
{
    struct drive *d = arg;

    (void)printf("lost %s\n", why);
    d->up = false;
}

static void drive_input(evutil_socket_t fd, short what, void *arg)
{
    struct drive *d = arg;
    char text[256], *save = NULL;
    ssize_t n = read(fd, text, sizeof(text) - 1);

    (void)what;
    if (n <= 0) {
        (void)event_del(&d->input);
        return;
    }
    text[n] = '\0';
    for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
        if (strncmp(l, "more ", 5) == 0)
            d->available += strtoull(l + 5, NULL, 10);
        else if (strcmp(l, "alarm") == 0)
            drive_alarm(d, SHIP_BEHIND, &(struct ship_place){.epoch = 1, .seq = 1},
                        &(struct ship_place){0});
        else
            loop_stop(d->loop);
    }
    if (d->available > d->count)
        d->available = d->count;
    drive_ship(d);
}

static void drive_log(struct seal_key *log, const char *seed)
{
    memset(log->bytes, atoi(seed), SEAL_KEY);
}

static int drive_sink(int argc, char **argv)
{
    static const struct sink_events EVENTS = {.ready = drive_ready,
                                              .acknowledged = drive_acknowledged,
                                              .conflict = drive_conflict,
                                              .lost = drive_lost};
    struct js_sink_options options = {
        .url = argv[0], .stream = argv[1], .replicas = (unsigned)atoi(argv[2])};
    struct drive d = {.lines = BUF_INIT(64 * 1024 * 1024)};
    const char *host = "here.example";
    struct err err = ERR_INIT;

    drive_log(&d.log, argv[3]);
    d.count = strtoull(argv[4], NULL, 10);
    for (int i = 5; i < argc; i++) {
        char *value = strchr(argv[i], '=');

        if (!value)
            die(argv[i], "no option");
        *value++ = '\0';
        if (strcmp(argv[i], "fork") == 0)
            d.fork = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "long") == 0)
            d.longer = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "bytes") == 0)
            d.bytes = atoi(value);
        else if (strcmp(argv[i], "host") == 0)
            host = value;
        else if (strcmp(argv[i], "ca") == 0)
            options.ca = value;
        else if (strcmp(argv[i], "credentials") == 0)
            options.credentials = value;
        else
            die(argv[i], "unknown");
    }
    d.hashes = calloc(d.count + 1, sizeof(*d.hashes));
    if (!d.hashes || chain_new(&d.chain) < 0 || loop_new(&d.loop) < 0)
        die("ship", "no memory");
    for (uint64_t seq = 1; seq <= d.count; seq++) {
        buf_reset(&d.lines, SIZE_MAX);
        drive_record(&d, seq, &d.lines);
    }
    if (js_sink_new(&d.sink, &options, &err) < 0)
        die("ship", err.text);
    (void)event_assign(&d.input, loop_base(d.loop), 0, EV_READ | EV_PERSIST, drive_input, &d);
    (void)event_add(&d.input, NULL);
    if (d.sink->kind->start(d.sink, d.loop, &d.log, host, &EVENTS, &d) < 0)
        die("ship", "can't start");
    d.began = loop_now();
    if (loop_run(d.loop) < 0)
        die("ship", "the loop failed");
    (void)printf("done %" PRIu64 " seconds %.3f\n", d.acknowledged,
                 (double)(loop_now() - d.began) / 1e6);
    d.sink->kind->free(d.sink);
    (void)event_del(&d.input);
    loop_free(d.loop);
    chain_free(d.chain);
    free(d.hashes);
    buf_deinit(&d.lines);
    return 0;
}

struct reading {
    struct chain *chain;
    struct chain_hash previous;
    uint64_t n, first, last, last_time;
};

static int read_record(void *arg, const struct archive_record *record)
{
    struct reading *r = arg;
    struct chain_hash hash;
    struct line line;

    if (line_read(record->line, &line) || line.seq != record->seq ||
        !chain_same(&line.hash, &record->hash))
        die("read", "no record");
    if (r->n > 0 && record->seq != r->last + 1)
        die("read", "not in order");
    if (r->n > 0 || record->seq == 1) {
        if (chain_hash(r->chain, &r->previous, line.covered, &hash) < 0 ||
            !chain_same(&hash, &record->hash))
            die("read", "another chain");
    } else {
        r->first = record->seq;
    }
    if (record->epoch != 1 || strcmp(record->host, "here.example") != 0 ||
        record->received_us < r->last_time)
        die("read", "epoch, host or time");
    if (r->n++ == 0)
        r->first = record->seq;
    r->last_time = record->received_us;
    r->last = record->seq;
    r->previous = record->hash;
    return 0;
}

static int read_log(void *arg, const struct archive_log *log)
{
    char digits[SEAL_KEY_HEX];

    (void)arg;
    hex_put(digits, log->log.bytes, SEAL_KEY);
    (void)printf("log %.*s %s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", SEAL_KEY_HEX, digits,
                 log->host, log->records, log->first, log->last);
    return 0;
}

static int read_alarm(void *arg, const struct archive_alarm *alarm)
{
    (void)arg;
    if (alarm->received_us == 0)
        die("alarm", "no time");
    (void)printf("alarm %s %s %" PRIu64 " %" PRIu64 " %s\n", alarm->kind, alarm->host,
                 alarm->here_seq, alarm->there_seq, alarm->why);
    return 0;
}

static int drive_read(const char *what, char **argv)
{
    struct archive *archive = NULL;
    struct err err = ERR_INIT;
    struct reading reading = {0};
    struct seal_key log;
    uint64_t began;
    int r;

    if (JS_ARCHIVE.open(&archive, argv[0], &err) < 0)
        die("open", err.text);
    if (strcmp(what, "logs") == 0) {
        r = archive->kind->logs(archive, read_log, NULL, &err);
    } else if (strcmp(what, "alarms") == 0) {
        r = archive->kind->alarms(archive, read_alarm, NULL, &err);
    } else {
        if (chain_new(&reading.chain) < 0)
            die("read", "no memory");
        drive_log(&log, argv[1]);
        began = loop_now();
        r = archive->kind->records(archive, &log, strtoull(argv[2], NULL, 10), read_record,
                                   &reading, &err);
        (void)printf("records %" PRIu64 " first %" PRIu64 " last %" PRIu64 " seconds %.3f\n",
                     reading.n, reading.first, reading.last, (double)(loop_now() - began) / 1e6);
        chain_free(reading.chain);
    }
    if (r < 0)
        die(what, err.text);
    archive->kind->close(archive);
    return 0;
}

static _Noreturn void done(int code)
{
    (void)fflush(stdout);
    process_exit(code);
}

int main(int argc, char **argv)
{
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc >= 7 && strcmp(argv[1], "ship") == 0)
        done(drive_sink(argc - 2, argv + 2));
    if (argc == 5 && strcmp(argv[1], "read") == 0)
        done(drive_read("read", argv + 2));
    if (argc == 3 && (strcmp(argv[1], "logs") == 0 || strcmp(argv[1], "alarms") == 0))
        done(drive_read(argv[1], argv + 2));
    die("usage", "see the top of js_drive.c");
}
