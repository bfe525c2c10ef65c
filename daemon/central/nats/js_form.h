/*
 * The forms that a log has in NATS JetStream (doc/central.md): one stream for each log, called
 * PREFIX_ and the first 16 digits of the log, with the one subject `cention.audit.` and the log's
 * 64 digits; a record's line is a message's payload, its place the message's id. Evidence is in the
 * stream PREFIX_ALARMS, each piece under a subject of its own, so that it is there once.
 */
#ifndef CENTION_CENTRAL_NATS_JS_FORM_H
#define CENTION_CENTRAL_NATS_JS_FORM_H

#include "base/buf.h"
#include "central/sink.h"

#define JS_PREFIX         "CENTION_AUDIT" /* of streams, when nothing else is set */
#define JS_AUDIT          "cention.audit."
#define JS_ALARM          "cention.alarm."
#define JS_ALARM_ALL      JS_ALARM ">"
#define JS_REPLY          "cention.reply." /* where answers to a host are sent */
#define JS_HEADER_ID      "Nats-Msg-Id"
#define JS_HEADER_LAST    "Nats-Expected-Last-Sequence"
#define JS_HEADER_HOST    "Cention-Host"
#define JS_HEADER_SUBJECT "Nats-Expected-Last-Subject-Sequence"

enum {
    JS_PREFIX_MAX = 64,
    JS_STREAM = JS_PREFIX_MAX + 1 + 16 + 1, /* with the terminator, as all below */
    JS_SUBJECT = 256,
    JS_ID = SEAL_KEY_HEX + 1 + 20 + 1 + 20 + 1 + CHAIN_HASH_HEX + 1,
    JS_HOST = 256,
    JS_ALARM_MAX = 2048, /* bytes of an alarm's text */
};

/* 1 to JS_PREFIX_MAX letters, digits, - and _ */
bool js_prefix_ok(struct slice prefix);

void js_stream_name(char out[JS_STREAM], const char *prefix, const struct seal_key *log);
void js_alarm_stream_name(char out[JS_STREAM], const char *prefix);
/* Whether it may be a log's stream under this prefix, by its name, and the 16 digits of its log
 * that stand there; the rest becomes zeros. */
bool js_stream_read(const char *prefix, const char *name, struct seal_key *log);
void js_subject(char out[JS_SUBJECT], const struct seal_key *log);
/* The log that a stream's subject names. */
bool js_subject_read(const char *subject, struct seal_key *log);
void js_reply_prefix(char out[JS_SUBJECT], const struct seal_key *log);

/* `log/epoch/seq/hash` */
void js_id_write(char out[JS_ID], const struct seal_key *log, const struct ship_place *place);
bool js_id_read(const char *id, struct seal_key *log, struct ship_place *place);

/* A host's name as a header may have it: printable ASCII, neither space nor quote. */
void js_host_write(char out[JS_HOST], const char *host);

/* The subject of one piece of evidence: the same for the same kind and places. */
void js_alarm_subject(char out[JS_SUBJECT], const struct seal_key *log,
                      const struct ship_alarm *alarm);
/* Whose log a piece of evidence is about; false for another subject. */
bool js_alarm_subject_read(const char *subject, struct seal_key *log);

struct js_alarm {
    struct seal_key log;
    char host[JS_HOST];
    char kind[16];
    struct ship_place here, there;
    char why[SHIP_WHY];
};

/* {"log":"64 digits","host":"NAME","kind":"WORD","here_epoch":E,"here_seq":S,"here_hash":"64
 * digits","there_epoch":E,"there_seq":S,"there_hash":"64 digits","why":"a sentence"}; of the texts
 * what is not printable ASCII is a ?, quotes and backslashes are a '. 0, -ENOMEM. */
int js_alarm_write(struct buf *out, const struct seal_key *log, const char *host,
                   const struct ship_alarm *alarm) MUST_CHECK;
bool js_alarm_read(struct slice text, struct js_alarm *out);

#endif
