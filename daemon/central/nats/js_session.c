#include "central/nats/js_session.h"

#include "audit/parse.h"
#include "central/nats/js_ack.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum {
    PATIENCE_US = 10 * 1000 * 1000, /* for a stream that ends before what it had acknowledged */
    ANSWER_US = 5 * 1000 * 1000,    /* for the next acknowledgement */
};

static int session_trouble(struct js_session *s, natsStatus status, const char *what, char *why)
{
    js_link_why(&s->link, status, what, why);
    return -EIO;
}

/* An error at message `number`: is another record in its place? */
static int session_refused(struct js_session *s, uint64_t number, const struct js_ack *ack,
                           char *why)
{
    const struct ship_place *ours = js_flight_at(&s->flight, number);

    if (ack->code == JS_WRONG_LAST_SEQUENCE &&
        js_link_place(&s->link, s->stream, number, s->options.log, &s->there, why) == 0 &&
        s->there.seq == ours->seq &&
        (s->there.epoch != ours->epoch || !chain_same(&s->there.hash, &ours->hash))) {
        s->here = *ours;
        js_why(why, "the stream %s has another record %" PRIu64, s->stream, ours->seq);
        return JS_CONFLICT;
    }
    js_why(why, "%s refuses record %" PRIu64 ": %s", s->stream, ours->seq, ack->why);
    return -EIO;
}

static int session_answer(struct js_session *s, natsMsg *msg, uint64_t *seq, char *why)
{
    const char *subject = natsMsg_GetSubject(msg), *dot = strrchr(subject, '.');
    struct slice number_text = slice_str(dot ? dot + 1 : subject);
    uint64_t number = 0;
    struct js_ack ack;

    if (!parse_number(&number_text, &number) || !js_flight_at(&s->flight, number))
        return 0; /* nobody asked for it */
    if (!js_ack_read(slice_of(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)), &ack)) {
        js_why(why, "%s answers what can't be read", s->stream);
        return -EIO;
    }
    if (ack.failed)
        return session_refused(s, number, &ack, why);
    if (ack.seq != number) {
        js_why(why, "%s has record %" PRIu64 " as its message %" PRIu64 ", not %" PRIu64, s->stream,
               js_flight_at(&s->flight, number)->seq, ack.seq, number);
        return -EIO;
    }
    s->progress = loop_now();
    if (!js_flight_in(&s->flight, number, seq))
        return 0;
    s->known = s->flight.done;
    return JS_ACKNOWLEDGED;
}

int js_session_answers(struct js_session *s, int64_t ms, uint64_t *seq, char why[SHIP_WHY])
{
    *seq = 0;
    for (; js_flight_n(&s->flight) > 0; ms = 0) {
        natsMsg *msg = NULL;
        natsStatus status = natsSubscription_NextMsg(&msg, s->answers, ms);
        int r;

        if (status == NATS_TIMEOUT)
            break;
        if (status != NATS_OK)
            return session_trouble(s, status, "waiting for acknowledgements", why);
        r = session_answer(s, msg, seq, why);
        natsMsg_Destroy(msg);
        if (r < 0 || r == JS_CONFLICT)
            return r;
    }
    if (js_link_broken(&s->link))
        return session_trouble(s, NATS_CONNECTION_CLOSED, "shipping", why);
    if (js_flight_n(&s->flight) > 0 && loop_now() > s->progress + ANSWER_US) {
        js_why(why, "%s acknowledges nothing for %d s", s->stream, ANSWER_US / 1000 / 1000);
        return -EIO;
    }
    return *seq > 0 ? JS_ACKNOWLEDGED : 0;
}

static natsStatus session_publish(struct js_session *s, const struct ship_place *place,
                                  struct slice line)
{
    char id[JS_ID], last[24], reply[JS_SUBJECT + 24];
    uint64_t number;
    natsMsg *msg = NULL;
    natsStatus status;

    if (js_flight_n(&s->flight) == 0)
        s->progress = loop_now();
    number = js_flight_push(&s->flight, place);
    js_id_write(id, s->options.log, place);
    (void)snprintf(last, sizeof(last), "%" PRIu64, number - 1);
    (void)snprintf(reply, sizeof(reply), "%s.%" PRIu64, s->reply, number);
    status = natsMsg_Create(&msg, s->subject, reply, line.data, (int)line.len);
    if (status == NATS_OK)
        status = natsMsgHeader_Set(msg, JS_HEADER_ID, id);
    if (status == NATS_OK)
        status = natsMsgHeader_Set(msg, JS_HEADER_LAST, last);
    if (status == NATS_OK)
        status = natsMsgHeader_Set(msg, JS_HEADER_HOST, s->host);
    if (status == NATS_OK)
        status = natsConnection_PublishMsg(s->link.nc, msg);
    natsMsg_Destroy(msg);
    return status;
}

int js_session_send(struct js_session *s, const struct ship_place *place, struct slice line,
                    char why[SHIP_WHY])
{
    natsStatus status = session_publish(s, place, line);

    if (status == NATS_OK)
        return 0;
    if (status != NATS_MAX_PAYLOAD)
        return session_trouble(s, status, "shipping", why);
    s->flight.next--; /* it was not sent */
    js_why(why,
           "record %" PRIu64 " has %zu bytes: with its headers that is above max_payload "
           "(%" PRId64 ") of %s, which must be raised",
           place->seq, line.len, natsConnection_GetMaxPayload(s->link.nc), s->link.server->name);
    return -EMSGSIZE;
}

int js_session_alarm(struct js_session *s, const struct ship_alarm *alarm, char why[SHIP_WHY])
{
    struct buf text = BUF_INIT(JS_ALARM_MAX);
    char subject[JS_SUBJECT];
    natsMsg *msg = NULL, *answer = NULL;
    struct js_ack ack = {0};
    natsStatus status = NATS_NO_MEMORY;

    js_alarm_subject(subject, s->options.log, alarm);
    if (js_alarm_write(&text, s->options.log, s->host, alarm) == 0)
        status = natsMsg_Create(&msg, subject, NULL, buf_slice(&text).data, (int)buf_len(&text));
    if (status == NATS_OK)
        status = natsMsgHeader_Set(msg, JS_HEADER_SUBJECT, "0");
    if (status == NATS_OK)
        status = natsMsgHeader_Set(msg, JS_HEADER_HOST, s->host);
    if (status == NATS_OK)
        status = natsConnection_RequestMsg(&answer, s->link.nc, msg, JS_ASK_MS);
    natsMsg_Destroy(msg);
    buf_deinit(&text);
    if (status != NATS_OK)
        return session_trouble(s, status, "keeping an alarm", why);
    if (!js_ack_read(slice_of(natsMsg_GetData(answer), (size_t)natsMsg_GetDataLength(answer)),
                     &ack))
        (void)snprintf(ack.why, sizeof(ack.why), "an answer that can't be read");
    natsMsg_Destroy(answer);
    /* The wrong sequence is that of one that is there already. */
    if (ack.seq > 0 || ack.code == JS_WRONG_LAST_SEQUENCE)
        return 0;
    js_why(why, "%s keeps no alarm: %s", s->alarm_stream, ack.why);
    return -EIO;
}

int js_session_connect(struct js_session *s, char why[SHIP_WHY])
{
    const struct js_url *url = s->options.url;
    struct js_link_options options = {
        .credentials = s->options.credentials,
        .ca = s->options.ca,
        .reply = s->reply_prefix,
        .name = s->host,
    };
    size_t server = s->server;

    s->server = (server + 1) % url->n;
    return js_link_open(&s->link, &url->servers[server], &options, why);
}

static int session_listen(struct js_session *s, char *why)
{
    natsInbox *inbox = NULL;
    char subject[JS_SUBJECT + 2];
    natsStatus status;

    /* Each session has answers of its own. */
    status = natsInbox_Create(&inbox);
    if (status == NATS_OK) {
        const char *unique = strrchr(inbox, '.');

        (void)snprintf(s->reply, sizeof(s->reply), "%.*s.%s", JS_SUBJECT / 2, s->reply_prefix,
                       unique ? unique + 1 : inbox);
        (void)snprintf(subject, sizeof(subject), "%s.*", s->reply);
        status = natsConnection_SubscribeSync(&s->answers, s->link.nc, subject);
    }
    natsInbox_Destroy(inbox);
    return status == NATS_OK ? 0 : session_trouble(s, status, "subscribing", why);
}

/* Where the stream ends. */
static int session_position(struct js_session *s, struct ship_place *head, char *why)
{
    uint64_t last = 0, ignored;
    int r;

    r = js_link_stream(&s->link, s->alarm_stream, JS_ALARM_ALL, s->options.replicas, true, &ignored,
                       why);
    if (r == 0)
        r = js_link_stream(&s->link, s->stream, s->subject, s->options.replicas, true, &last, why);
    if (r < 0)
        return r;
    /* A server that took over may still be reading what the one before it acknowledged. */
    if (last < s->known) {
        uint64_t now = loop_now();

        if (s->shrunk == 0)
            s->shrunk = now;
        if (now < s->shrunk + PATIENCE_US) {
            js_why(why, "%s ends with message %" PRIu64 ", but had acknowledged %" PRIu64,
                   s->stream, last, s->known);
            return -EIO;
        }
    }
    s->shrunk = 0;
    s->known = last;
    *head = (struct ship_place){0};
    if (last > 0)
        r = js_link_place(&s->link, s->stream, last, s->options.log, head, why);
    js_flight_reset(&s->flight, last);
    return r;
}

int js_session_begin(struct js_session *s, struct ship_place *head, char why[SHIP_WHY])
{
    int r = session_listen(s, why);

    if (r == 0)
        r = session_position(s, head, why);
    if (r == 0 && js_link_broken(&s->link)) /* such as a forbidden subscription */
        r = session_trouble(s, NATS_CONNECTION_CLOSED, "beginning", why);
    return r;
}

void js_session_init(struct js_session *s, const struct js_session_options *options)
{
    *s = (struct js_session){.options = *options};
    js_stream_name(s->stream, options->prefix, options->log);
    js_alarm_stream_name(s->alarm_stream, options->prefix);
    js_subject(s->subject, options->log);
    js_reply_prefix(s->reply_prefix, options->log);
    js_host_write(s->host, options->host);
}

void js_session_end(struct js_session *s)
{
    js_link_stop(&s->link);
    natsSubscription_Destroy(s->answers);
    s->answers = NULL;
    js_link_close(&s->link);
}
