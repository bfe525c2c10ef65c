#include "central/nats/js_read.h"

#include "central/nats/js_link.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum {
    STALL_MS = 10000, /* for the next message of a stream that has more */
};

struct js_archive {
    struct archive archive;
    struct js_url url;
    struct js_link link;
};

static struct js_archive *js_archive_of(struct archive *archive)
{
    return (struct js_archive *)archive;
}

static const char *js_archive_prefix(const struct js_archive *c)
{
    return c->url.stream ? c->url.stream : JS_PREFIX;
}

/* After a call of the library that failed. */
static int js_archive_fail(const struct js_archive *c, struct err *err, natsStatus status,
                           const char *what)
{
    char why[SHIP_WHY];

    js_link_why(&c->link, status, what, why);
    return err_set(err, -EIO, "%s", why);
}

static void js_archive_close(struct archive *archive)
{
    struct js_archive *c = js_archive_of(archive);

    if (!c)
        return;
    js_link_close(&c->link);
    js_url_deinit(&c->url);
    free(c);
}

static int js_archive_connect(struct js_archive *c, struct err *err)
{
    struct js_link_options options = {
        .ca = c->url.ca, .credentials = c->url.credentials, .name = "cention-proxyctl"};
    char why[SHIP_WHY] = "";
    int r = -ENOTCONN;

    for (size_t i = 0; i < c->url.n && r < 0; i++)
        r = js_link_open(&c->link, &c->url.servers[i], &options, why);
    return r < 0 ? err_set(err, r, "%s", why) : 0;
}

static int js_archive_open(struct archive **out, const char *url, struct err *err)
{
    struct js_archive *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return err_set(err, -ENOMEM, "no memory");
    c->archive.kind = &JS_ARCHIVE;
    r = js_url_parse(&c->url, url, true, err);
    if (r == 0)
        r = js_archive_connect(c, err);
    if (r < 0) {
        js_archive_close(&c->archive);
        return r;
    }
    *out = &c->archive;
    return 0;
}

/* ---- single messages ---- */

/* The place that a message claims for its record; false, and zeros, when it is none of the log. */
static bool js_archive_place(natsMsg *msg, const struct seal_key *log, struct ship_place *place)
{
    struct seal_key of;
    const char *id = NULL;

    if (natsMsgHeader_Get(msg, JS_HEADER_ID, &id) == NATS_OK && js_id_read(id, &of, place) &&
        memcmp(&of, log, sizeof(of)) == 0)
        return true;
    *place = (struct ship_place){0};
    return false;
}

static void js_archive_host(natsMsg *msg, char host[JS_HOST])
{
    const char *name = NULL;

    js_host_write(host, natsMsgHeader_Get(msg, JS_HEADER_HOST, &name) == NATS_OK ? name : "");
}

/* One message's seq in the log; 0: none, or it isn't there. */
static int js_archive_seq(struct js_archive *c, const char *stream, uint64_t number,
                          const struct seal_key *log, uint64_t *seq, char host[JS_HOST],
                          struct err *err)
{
    natsMsg *msg = NULL;
    jsErrCode code = 0;
    struct ship_place place;
    natsStatus s = js_GetMsg(&msg, c->link.js, stream, number, NULL, &code);

    *seq = 0;
    host[0] = '\0';
    if (s != NATS_OK && code == JSNoMessageFoundErr)
        return 0;
    if (s != NATS_OK)
        return js_archive_fail(c, err, s, stream);
    (void)js_archive_place(msg, log, &place);
    js_archive_host(msg, host);
    natsMsg_Destroy(msg);
    *seq = place.seq;
    return 0;
}

/* ---- logs ---- */

/* Whether a log's stream has the log's subject, and no other: the log then. */
static bool js_archive_subject(struct js_archive *c, const jsStreamConfig *config,
                               struct seal_key *log)
{
    struct seal_key of;
    char name[JS_STREAM];

    if (config->SubjectsLen != 1 || !js_subject_read(config->Subjects[0], &of))
        return false;
    js_stream_name(name, js_archive_prefix(c), &of);
    if (strcmp(name, config->Name) != 0)
        return false;
    *log = of;
    return true;
}

static int js_archive_log(struct js_archive *c, const char *stream, struct archive_log *out,
                          char host[JS_HOST], struct err *err)
{
    jsStreamInfo *info = NULL;
    jsStreamState state = {0};
    jsErrCode code = 0;
    char other[JS_HOST];
    natsStatus s = js_GetStreamInfo(&info, c->link.js, stream, NULL, &code);
    int r;

    if (s != NATS_OK)
        return js_archive_fail(c, err, s, stream);
    if (!js_archive_subject(c, info->Config, &out->log))
        out->wrong = "its stream has not its subject, and no other: as its subjects are now, its "
                     "records can't be told from others";
    state = info->State;
    jsStreamInfo_Destroy(info);
    out->records = state.Msgs;
    if (state.Msgs == 0 || out->wrong)
        return 0;
    r = js_archive_seq(c, stream, state.FirstSeq, &out->log, &out->first, other, err);
    return r < 0 ? r : js_archive_seq(c, stream, state.LastSeq, &out->log, &out->last, host, err);
}

static int js_archive_logs(struct archive *archive,
                           int (*each)(void *arg, const struct archive_log *log), void *arg,
                           struct err *err)
{
    struct js_archive *c = js_archive_of(archive);
    jsStreamNamesList *names = NULL;
    jsErrCode code = 0;
    natsStatus s = js_StreamNames(&names, c->link.js, NULL, &code);
    int r = 0;

    if (s == NATS_NOT_FOUND)
        return 0;
    if (s != NATS_OK)
        return js_archive_fail(c, err, s, "asking for the streams");
    for (int i = 0; i < names->Count && r == 0; i++) {
        char host[JS_HOST] = "";
        struct archive_log log = {.host = host};

        if (!js_stream_read(js_archive_prefix(c), names->List[i], &log.log))
            continue;
        r = js_archive_log(c, names->List[i], &log, host, err);
        if (r == 0)
            r = each(arg, &log);
    }
    jsStreamNamesList_Destroy(names);
    return r;
}

/* ---- a whole stream ---- */

struct js_reading {
    struct js_archive *c;
    const char *stream, *subject;
    /* A message, and the centre's time for it in microseconds. */
    int (*each)(struct js_reading *reading, natsMsg *msg, uint64_t received_us);
    /* Of records. */
    const struct seal_key *log;
    uint64_t first;
    int (*record)(void *arg, const struct archive_record *record);
    int (*alarm)(void *arg, const struct archive_alarm *alarm);
    void *arg;
};

/* The stream's last messages may be gone; that they don't come is no trouble then. */
static int js_reading_stalled(struct js_reading *reading, uint64_t last, struct err *err)
{
    natsMsg *msg = NULL;
    jsErrCode code = 0;
    natsStatus s = js_GetMsg(&msg, reading->c->link.js, reading->stream, last, NULL, &code);

    natsMsg_Destroy(msg);
    if (s != NATS_OK && code == JSNoMessageFoundErr)
        return 0;
    return js_archive_fail(reading->c, err, NATS_TIMEOUT, reading->stream);
}

/* A reader may be served by a replica that is behind, so it is the number that ends it. */
static int js_reading_messages(struct js_reading *reading, natsSubscription *sub, uint64_t last,
                               struct err *err)
{
    bool more = true;
    int r = 0;

    while (more && r == 0) {
        natsMsg *msg = NULL;
        jsMsgMetaData *meta = NULL;
        natsStatus s = natsSubscription_NextMsg(&msg, sub, STALL_MS);

        if (s == NATS_TIMEOUT)
            return js_reading_stalled(reading, last, err);
        if (s == NATS_OK)
            s = natsMsg_GetMetaData(&meta, msg);
        if (s == NATS_OK) {
            more = meta->Sequence.Stream < last;
            r = reading->each(reading, msg, (uint64_t)meta->Timestamp / 1000);
        } else {
            r = js_archive_fail(reading->c, err, s, reading->stream);
        }
        jsMsgMetaData_Destroy(meta);
        natsMsg_Destroy(msg);
    }
    return r;
}

/* All messages from number `start` to `last`, in order. */
static int js_reading_run(struct js_reading *reading, uint64_t start, uint64_t last,
                          struct err *err)
{
    natsSubscription *sub = NULL;
    jsSubOptions options;
    jsErrCode code = 0;
    natsStatus s;
    int r;

    (void)jsSubOptions_Init(&options);
    options.Stream = reading->stream;
    options.Ordered = true;
    options.Config.DeliverPolicy = js_DeliverByStartSequence;
    options.Config.OptStartSeq = start;
    s = js_SubscribeSync(&sub, reading->c->link.js, reading->subject, NULL, &options, &code);
    if (s == NATS_OK) /* the server's flow control is the limit */
        s = natsSubscription_SetPendingLimits(sub, -1, -1);
    if (s != NATS_OK)
        r = js_archive_fail(reading->c, err, s, reading->stream);
    else
        r = js_reading_messages(reading, sub, last, err);
    js_link_forget(&reading->c->link, sub);
    return r;
}

/* > 0: there is no such stream. */
static int js_archive_state(struct js_archive *c, const char *stream, jsStreamState *state,
                            struct err *err)
{
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;
    natsStatus s = js_GetStreamInfo(&info, c->link.js, stream, NULL, &code);

    if (s != NATS_OK && code == JSStreamNotFoundErr)
        return 1;
    if (s != NATS_OK)
        return js_archive_fail(c, err, s, stream);
    *state = info->State;
    jsStreamInfo_Destroy(info);
    return 0;
}

/* The number of the first message whose record is `first` or behind it. Gaps only make the log's
 * numbers grow faster than the stream's. */
static int js_reading_start(struct js_reading *reading, const jsStreamState *state, uint64_t *start,
                            struct err *err)
{
    uint64_t low = state->FirstSeq, high = state->LastSeq + 1;

    *start = low;
    if (reading->first <= 1 || state->NumDeleted > 0)
        return 0;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2, seq;
        char host[JS_HOST];
        int r = js_archive_seq(reading->c, reading->stream, middle, reading->log, &seq, host, err);

        if (r < 0)
            return r;
        if (seq == 0)
            return 0; /* not what a stream should hold: all of it is shown */
        if (seq < reading->first)
            low = middle + 1;
        else
            high = middle;
    }
    *start = low;
    return 0;
}

static int js_reading_record(struct js_reading *reading, natsMsg *msg, uint64_t received_us)
{
    char host[JS_HOST];
    struct ship_place place;
    bool known = js_archive_place(msg, reading->log, &place);
    struct archive_record record = {
        .epoch = place.epoch,
        .seq = place.seq,
        .hash = place.hash,
        .host = host,
        .received_us = received_us,
        .line = slice_of(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)),
    };

    if (known && record.seq < reading->first)
        return 0;
    js_archive_host(msg, host);
    return reading->record(reading->arg, &record);
}

static int js_archive_records(struct archive *archive, const struct seal_key *log, uint64_t first,
                              int (*each)(void *arg, const struct archive_record *record),
                              void *arg, struct err *err)
{
    struct js_archive *c = js_archive_of(archive);
    char stream[JS_STREAM], subject[JS_SUBJECT];
    struct js_reading reading = {.c = c,
                                 .stream = stream,
                                 .subject = subject,
                                 .each = js_reading_record,
                                 .log = log,
                                 .first = first,
                                 .record = each,
                                 .arg = arg};
    jsStreamState state = {0};
    uint64_t start = 0;
    int r;

    js_stream_name(stream, js_archive_prefix(c), log);
    js_subject(subject, log);
    r = js_archive_state(c, stream, &state, err);
    if (r != 0 || state.Msgs == 0)
        return r < 0 ? r : 0;
    r = js_reading_start(&reading, &state, &start, err);
    if (r < 0 || start > state.LastSeq)
        return r;
    return js_reading_run(&reading, start, state.LastSeq, err);
}

/* ---- alarms ---- */

static int js_reading_alarm(struct js_reading *reading, natsMsg *msg, uint64_t received_us)
{
    struct seal_key log = {{0}};
    struct js_alarm a;
    struct archive_alarm alarm;

    /* The subject says whose it is: a host's user may publish to no other. */
    (void)js_alarm_subject_read(natsMsg_GetSubject(msg), &log);
    if (!js_alarm_read(slice_of(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)), &a) ||
        memcmp(&a.log, &log, sizeof(log)) != 0) {
        a = (struct js_alarm){
            .log = log, .kind = "unreadable", .why = "a message that is no alarm of this log"};
        js_archive_host(msg, a.host);
    }
    alarm = (struct archive_alarm){.log = a.log,
                                   .host = a.host,
                                   .kind = a.kind,
                                   .here_epoch = a.here.epoch,
                                   .here_seq = a.here.seq,
                                   .there_epoch = a.there.epoch,
                                   .there_seq = a.there.seq,
                                   .here = a.here.hash,
                                   .there = a.there.hash,
                                   .received_us = received_us,
                                   .why = a.why};
    return reading->alarm(reading->arg, &alarm);
}

static int js_archive_alarms(struct archive *archive,
                             int (*each)(void *arg, const struct archive_alarm *alarm), void *arg,
                             struct err *err)
{
    struct js_archive *c = js_archive_of(archive);
    char stream[JS_STREAM];
    struct js_reading reading = {.c = c,
                                 .stream = stream,
                                 .subject = JS_ALARM_ALL,
                                 .each = js_reading_alarm,
                                 .alarm = each,
                                 .arg = arg};
    jsStreamState state = {0};
    int r;

    js_alarm_stream_name(stream, js_archive_prefix(c));
    r = js_archive_state(c, stream, &state, err);
    if (r != 0 || state.Msgs == 0)
        return r < 0 ? r : 0;
    return js_reading_run(&reading, state.FirstSeq, state.LastSeq, err);
}

static const char *const JS_SCHEMES[] = {"nats", "tls", NULL};

const struct archive_kind JS_ARCHIVE = {
    .schemes = JS_SCHEMES,
    .open = js_archive_open,
    .close = js_archive_close,
    .logs = js_archive_logs,
    .records = js_archive_records,
    .alarms = js_archive_alarms,
};
