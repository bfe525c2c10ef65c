#include "central/nats/js_link.h"

#include "audit/line.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    WRITE_MS = 5000,
    PING_MS = 10000,
    PINGS_OUT = 2,
    IO_BUFFER = 128 * 1024,
};

void js_why(char why[SHIP_WHY], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, SHIP_WHY, format, args);
    va_end(args);
    for (char *c = why; *c; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
            *c = '?';
}

/* The library's default one writes to standard error. */
static void link_trouble(natsConnection *nc, natsSubscription *sub, natsStatus status, void *arg)
{
    (void)nc;
    (void)sub;
    (void)status;
    (void)arg;
}

static natsStatus link_tls(natsOptions *o, const struct js_server *server, const char *ca)
{
    natsStatus s = natsOptions_SetExpectedHostname(o, server->host);

    /* A server may ask for TLS whatever the URL says: it is verified then, too. */
    if (s == NATS_OK && server->tls)
        s = natsOptions_SetSecure(o, true);
    if (s == NATS_OK && ca)
        s = natsOptions_LoadCATrustedCertificates(o, ca);
    return s;
}

static natsStatus link_options(natsOptions *o, const struct js_server *server,
                               const struct js_link_options *options)
{
    natsStatus s = natsOptions_SetURL(o, server->url);

    if (s == NATS_OK)
        s = link_tls(o, server, options->ca);
    if (s == NATS_OK && options->credentials)
        s = natsOptions_SetUserCredentialsFromFiles(o, options->credentials, NULL);
    if (s == NATS_OK && options->reply)
        s = natsOptions_SetCustomInboxPrefix(o, options->reply);
    if (s == NATS_OK)
        s = natsOptions_SetName(o, options->name);
    if (s == NATS_OK)
        s = natsOptions_SetAllowReconnect(o, false);
    if (s == NATS_OK)
        s = natsOptions_SetTimeout(o, JS_CONNECT_MS);
    if (s == NATS_OK)
        s = natsOptions_SetWriteDeadline(o, WRITE_MS);
    if (s == NATS_OK)
        s = natsOptions_SetPingInterval(o, PING_MS);
    if (s == NATS_OK)
        s = natsOptions_SetMaxPingsOut(o, PINGS_OUT);
    if (s == NATS_OK)
        s = natsOptions_SetIOBufSize(o, IO_BUFFER);
    if (s == NATS_OK)
        s = natsOptions_SetErrorHandler(o, link_trouble, NULL);
    return s;
}

/*
 * libnats (3.4.1) takes a signature whose first byte is 0 for none, and sends CONNECT without it:
 * one of 256 connections with a credentials file is refused. The next has another nonce to sign.
 */
static natsStatus link_connect(natsConnection **out, natsOptions *o, bool signs)
{
    natsStatus s = natsConnection_Connect(out, o);

    for (int i = 0; i < 2 && signs && s == NATS_CONNECTION_AUTH_FAILED; i++)
        s = natsConnection_Connect(out, o);
    return s;
}

int js_link_open(struct js_link *out, const struct js_server *server,
                 const struct js_link_options *options, char why[SHIP_WHY])
{
    natsOptions *o = NULL;
    jsOptions ask;
    natsStatus s;

    *out = (struct js_link){.server = server};
    s = natsOptions_Create(&o);
    if (s == NATS_OK)
        s = link_options(o, server, options);
    if (s == NATS_OK)
        s = link_connect(&out->nc, o, options->credentials != NULL);
    natsOptions_Destroy(o);
    (void)jsOptions_Init(&ask);
    ask.Wait = JS_ASK_MS;
    if (s == NATS_OK)
        s = natsConnection_JetStream(&out->js, out->nc, &ask);
    if (s == NATS_OK)
        return 0;
    js_link_why(out, s, "connecting", why);
    js_link_close(out);
    return -ENOTCONN;
}

void js_link_stop(struct js_link *link)
{
    if (link->nc)
        natsConnection_Close(link->nc);
}

void js_link_forget(struct js_link *link, natsSubscription *sub)
{
    if (!sub)
        return;
    /* The answer to a ping comes to the thread that delivers: it is done with all before it. */
    if (natsSubscription_Unsubscribe(sub) != NATS_OK ||
        natsConnection_FlushTimeout(link->nc, JS_ASK_MS) != NATS_OK)
        js_link_stop(link);
    natsSubscription_Destroy(sub);
}

void js_link_close(struct js_link *link)
{
    jsCtx_Destroy(link->js);
    js_link_stop(link);
    natsConnection_Destroy(link->nc);
    *link = (struct js_link){0};
}

/* Without the place in the library's source that its texts may begin with. */
static const char *link_words(const char *text)
{
    const char *end = text && text[0] == '(' ? strstr(text, "): ") : NULL;

    return end ? end + 3 : text;
}

void js_link_why(const struct js_link *link, natsStatus status, const char *what,
                 char why[SHIP_WHY])
{
    const char *text, *denied = NULL;
    natsStatus last = NATS_OK;

    if (link->nc && natsConnection_GetLastError(link->nc, &denied) == NATS_OK)
        denied = NULL;
    text = nats_GetLastError(&last);
    if (last != status)
        text = NULL;
    if (status == NATS_TIMEOUT)
        text = "no answer in time: the stream, or the cluster, may have no leader";
    else if (status == NATS_NO_RESPONDERS)
        text = "nobody answers: JetStream is off there, or the stream has no leader";
    if (denied && *denied)
        text = denied;
    text = link_words(text);
    if (!text || !*text)
        text = natsStatus_GetText(status);
    js_why(why, "%s (%s): %s", link->server->name, what, text);
}

bool js_link_broken(const struct js_link *link)
{
    const char *text;

    return natsConnection_IsClosed(link->nc) ||
           natsConnection_GetLastError(link->nc, &text) != NATS_OK;
}

static int link_make(const struct js_link *link, const char *stream, const char *subject,
                     unsigned replicas, jsStreamInfo **info, char why[SHIP_WHY])
{
    const char *subjects[] = {subject};
    char what[96];
    jsStreamConfig config;
    jsErrCode code = 0;
    natsStatus s;

    js_config_make(&config, stream, subjects, replicas);
    s = js_AddStream(info, link->js, &config, NULL, &code);
    if (s != NATS_OK && code == JSStreamNameExistErr) /* another made it meanwhile */
        s = js_GetStreamInfo(info, link->js, stream, NULL, &code);
    if (s == NATS_OK)
        return 0;
    (void)snprintf(what, sizeof(what), "making the stream %s", stream);
    js_link_why(link, s, what, why);
    return -EIO;
}

int js_link_stream(const struct js_link *link, const char *stream, const char *subject,
                   unsigned replicas, bool make, uint64_t *last, char why[SHIP_WHY])
{
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;
    const char *wrong;
    natsStatus s = js_GetStreamInfo(&info, link->js, stream, NULL, &code);
    int r = 0;

    if (s != NATS_OK && code == JSStreamNotFoundErr && make) {
        r = link_make(link, stream, subject, replicas, &info, why);
    } else if (s != NATS_OK) {
        char what[96];

        (void)snprintf(what, sizeof(what), "asking for the stream %s", stream);
        js_link_why(link, s, what, why);
        r = -EIO;
    }
    if (r < 0)
        return r;
    wrong = js_config_check(info->Config, subject, replicas);
    if (wrong)
        js_why(why, "the stream %s is not set up for records: %s", stream, wrong);
    *last = info->State.LastSeq;
    jsStreamInfo_Destroy(info);
    return wrong ? -EIO : 0;
}

int js_link_place(const struct js_link *link, const char *stream, uint64_t number,
                  const struct seal_key *log, struct ship_place *out, char why[SHIP_WHY])
{
    natsMsg *msg = NULL;
    jsErrCode code = 0;
    struct seal_key of;
    struct line line;
    const char *id = NULL;
    char what[96];
    natsStatus s = js_GetMsg(&msg, link->js, stream, number, NULL, &code);
    bool good;

    if (s != NATS_OK && code != JSNoMessageFoundErr) {
        (void)snprintf(what, sizeof(what), "reading message %" PRIu64 " of %s", number, stream);
        js_link_why(link, s, what, why);
        return -EIO;
    }
    good = s == NATS_OK && natsMsgHeader_Get(msg, JS_HEADER_ID, &id) == NATS_OK &&
           js_id_read(id, &of, out) && memcmp(&of, log, sizeof(of)) == 0 &&
           !line_read(slice_of(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)), &line) &&
           line.seq == out->seq && chain_same(&line.hash, &out->hash);
    natsMsg_Destroy(msg);
    if (good)
        return 0;
    js_why(why, "message %" PRIu64 " of the stream %s is %s", number, stream,
           s == NATS_OK ? "no record of this log" : "gone");
    return -EIO;
}

void js_config_make(jsStreamConfig *out, const char *name, const char **subjects, unsigned replicas)
{
    static const int64_t WINDOW = INT64_C(120) * 1000 * 1000 * 1000; /* nanoseconds */

    (void)jsStreamConfig_Init(out);
    out->Name = name;
    out->Subjects = subjects;
    out->SubjectsLen = 1;
    out->Retention = js_LimitsPolicy;
    out->MaxConsumers = -1;
    out->MaxMsgs = -1;
    out->MaxBytes = -1;
    out->MaxMsgsPerSubject = -1;
    out->MaxMsgSize = -1;
    out->Discard = js_DiscardNew;
    out->Storage = js_FileStorage;
    out->Replicas = replicas;
    out->Duplicates = WINDOW;
    out->DenyDelete = true;
    out->DenyPurge = true;
}

const char *js_config_check(const jsStreamConfig *c, const char *subject, unsigned replicas)
{
    if (c->SubjectsLen != 1 || strcmp(c->Subjects[0], subject) != 0)
        return "its subject is another, or not the only one";
    if (c->Mirror || c->SourcesLen > 0)
        return "it takes its messages from another stream";
    if (c->Sealed)
        return "it is sealed";
    if (c->NoAck)
        return "it acknowledges nothing";
    if (c->Storage != js_FileStorage)
        return "it is kept in memory, not in files";
    if (c->Replicas < (int64_t)replicas)
        return "it has fewer replicas than are set";
    if (c->Retention != js_LimitsPolicy)
        return "its retention isn't by limits: it drops what was read";
    if (c->MaxAge > 0)
        return "it drops messages by age (max_age)";
    if (c->MaxMsgsPerSubject > 0)
        return "it drops messages by number (max_msgs_per_subject)";
    if ((c->MaxMsgs > 0 || c->MaxBytes > 0) && c->Discard != js_DiscardNew)
        return "it drops old messages at its limit (discard is not new)";
    if (!c->DenyDelete)
        return "its messages may be deleted (deny_delete is off)";
    if (!c->DenyPurge)
        return "its messages may be purged (deny_purge is off)";
    if (c->AllowRollup)
        return "its messages may be rolled up (allow_rollup_hdrs is on)";
    return NULL;
}
