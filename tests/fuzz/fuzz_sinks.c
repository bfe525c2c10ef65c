/*
 * Fuzzes what the rooms of PostgreSQL and NATS JetStream read. The first byte says what the rest
 * is:
 *   a  JetStream's answer to a message
 *   f  a message's id, a subject, an alarm's text
 *   c  how a stream is set up
 *   u  the servers' URL
 *   p  a connection string of PostgreSQL
 * Beside not crashing: what is read as a form is written the same again, and what is written can
 * be read; a stream that is accepted loses nothing; a server's URL means the same when it stands
 * alone; a connection string that is taken holds no password; no refusal is more than a sentence.
 */
#include "config.h"

#include "audit/seal.h"
#include "base/buf.h"
#include "fuzz/must.h"
#ifdef CENTION_NATS
#include "central/nats/js_ack.h"
#include "central/nats/js_form.h"
#include "central/nats/js_link.h"
#include "central/nats/js_url.h"
#endif
#ifdef CENTION_POSTGRESQL
#include "central/postgres/pg_target.h"

#include <libpq-fe.h>
#endif

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- JetStream ---- */

#ifdef CENTION_NATS
static void acknowledged(struct slice in)
{
    struct js_ack ack;

    if (js_ack_read(in, &ack))
        must(ack.failed == (ack.seq == 0));
    must(memchr(ack.why, '\0', sizeof(ack.why)) != NULL);
    must_print(ack.why);
}

static void check_id(const char *text)
{
    struct ship_place place;
    struct seal_key log;
    char out[JS_ID], name[JS_SUBJECT];

    if (js_id_read(text, &log, &place)) {
        js_id_write(out, &log, &place);
        must(strcmp(out, text) == 0);
    }
    if (js_subject_read(text, &log)) {
        js_subject(name, &log);
        must(strcmp(name, text) == 0);
        js_stream_name(name, JS_PREFIX, &log);
        must(js_stream_read(JS_PREFIX, name, &log));
    }
    must(!js_stream_read(JS_PREFIX, text, &log) || js_prefix_ok(slice_str(text)));
}

static void check_alarm_read(struct slice in)
{
    struct buf out = BUF_INIT(2 * JS_ALARM_MAX);
    struct js_alarm alarm;

    if (!js_alarm_read(in, &alarm))
        return;
    must_print(alarm.host);
    must_print(alarm.kind);
    must_print(alarm.why);
    for (unsigned k = SHIP_TRUNCATED; k <= SHIP_BEHIND; k++) {
        struct ship_alarm told = {k, alarm.here, alarm.there, alarm.why};

        if (strcmp(ship_alarm_name(k), alarm.kind) != 0 || strchr(alarm.host, ' ') ||
            strpbrk(alarm.host, "\\") || strpbrk(alarm.why, "\\"))
            continue;
        must(js_alarm_write(&out, &alarm.log, alarm.host, &told) == 0);
        must(slice_eq(buf_slice(&out), in));
    }
    buf_deinit(&out);
}

/* Of any text something is made that can be read again. */
static void check_alarm_write(const char *text)
{
    static const struct seal_key LOG = {{1}};
    struct ship_alarm told = {strlen(text) % (SHIP_BEHIND + 1), {1, 2, {{3}}}, {4, 5, {{6}}}, text};
    struct buf out = BUF_INIT(2 * JS_ALARM_MAX);
    char subject[JS_SUBJECT];
    struct js_alarm alarm;

    must(js_alarm_write(&out, &LOG, text, &told) == 0 && buf_len(&out) <= JS_ALARM_MAX);
    must(js_alarm_read(buf_slice(&out), &alarm) && memcmp(&alarm.log, &LOG, sizeof(LOG)) == 0);
    must(strcmp(alarm.kind, ship_alarm_name(told.kind)) == 0 && alarm.there.seq == 5);
    must(strlen(alarm.why) == strnlen(text, SHIP_WHY - 1));
    js_alarm_subject(subject, &LOG, &told);
    must_print(subject);
    buf_deinit(&out);
}

static void forms(struct slice in)
{
    char *text = must_copy(in);

    check_id(text);
    check_alarm_read(in);
    check_alarm_write(text);
    free(text);
}

/* What is accepted loses nothing, whatever else it says. */
static void configured(struct slice in)
{
    unsigned char b[16] = {0};
    const char *subjects[] = {"cention.audit.x"};
    jsStreamSource source;
    jsStreamConfig c;
    const char *why;

    memcpy(b, in.len ? in.data : "", in.len < sizeof(b) ? in.len : sizeof(b));
    js_config_make(&c, "S", subjects, 1 + b[0] % 5);
    must(!js_config_check(&c, subjects[0], 1 + b[0] % 5));
    c.MaxAge = (signed char)b[1];
    c.MaxMsgs = (signed char)b[2];
    c.MaxBytes = (signed char)b[3];
    c.MaxMsgsPerSubject = (signed char)b[4];
    c.Discard = b[5] & 1 ? js_DiscardOld : js_DiscardNew;
    c.Storage = b[5] & 2 ? js_MemoryStorage : js_FileStorage;
    c.Mirror = b[5] & 4 ? &source : NULL;
    c.DenyDelete = !(b[5] & 8);
    c.DenyPurge = !(b[5] & 16);
    c.AllowRollup = b[5] & 32;
    c.Sealed = b[5] & 64;
    c.NoAck = b[5] & 128;
    c.Replicas = (signed char)b[6];
    c.SourcesLen = b[7];
    c.SubjectsLen = b[8] < 3 ? 1 : 0;
    c.Retention = (jsRetentionPolicy)(b[9] % 3);
    why = js_config_check(&c, subjects[0], 1 + b[0] % 5);
    must(!why || why[0]);
    must(why || (c.Storage == js_FileStorage && c.DenyDelete && c.DenyPurge && !c.AllowRollup &&
                 c.MaxAge <= 0 && c.MaxMsgsPerSubject <= 0 && c.Replicas > b[0] % 5));
    must(why || c.Discard == js_DiscardNew || (c.MaxMsgs <= 0 && c.MaxBytes <= 0));
}

static void check_server(const struct js_server *s)
{
    struct js_url again;
    struct err err = ERR_INIT;

    must(s->host[0] && !strchr(s->name, '@') && !strchr(s->host, '@'));
    must(strncmp(s->url, s->tls ? "tls://" : "nats://", s->tls ? 6 : 7) == 0);
    if (strlen(s->url) > JS_URL_MAX)
        return;
    must(js_url_parse(&again, s->url, false, &err) == 0 && again.n == 1);
    must(strcmp(again.servers[0].url, s->url) == 0 && again.servers[0].tls == s->tls);
    must(strcmp(again.servers[0].name, s->name) == 0);
    must(strcmp(again.servers[0].host, s->host) == 0);
    js_url_deinit(&again);
}

static void check_url(const char *text, bool reader)
{
    struct js_url url;
    struct err err = ERR_INIT;

    if (js_url_parse(&url, text, reader, &err) < 0) {
        must(url.n == 0 && err.text[0] && strlen(err.text) < 240);
        must_print(err.text);
        return;
    }
    must(url.n >= 1 && url.n <= JS_SERVERS_MAX);
    for (size_t i = 0; i < url.n; i++)
        check_server(&url.servers[i]);
    must(!url.stream || js_prefix_ok(slice_str(url.stream)));
    must(reader || (!url.stream && !url.ca && !url.credentials));
    js_url_deinit(&url);
}

static void url(struct slice in)
{
    char *text = must_copy(in);

    check_url(text, false);
    check_url(text, true);
    free(text);
}
#endif

/* ---- PostgreSQL ---- */

#ifdef CENTION_POSTGRESQL
static void must_hold_no_password(const char *text)
{
    PQconninfoOption *options = PQconninfoParse(text, NULL);

    must(options != NULL);
    for (const PQconninfoOption *o = options; o->keyword; o++)
        must(!o->val || !strstr(o->keyword, "password"));
    PQconninfoFree(options);
}

static void target(struct slice in)
{
    const char *keywords[PG_KEYWORDS_MAX], *values[PG_KEYWORDS_MAX];
    char *text = must_copy(in);
    struct pg_target t;
    struct err err = ERR_INIT;

    if (pg_target_read(&t, text, in.len % 2 ? "/pass" : NULL, false, &err) < 0) {
        must(err.text[0] && strlen(err.text) < 240);
        must_print(err.text);
    } else {
        must(t.n_hosts >= 1 && t.n_hosts <= PG_HOSTS_MAX && t.timeout >= 1 && t.timeout <= 3600);
        for (unsigned i = 0; i < t.n_hosts; i++) {
            unsigned n = 0;

            must(!t.hosts[i].look_up || (t.hosts[i].host && !t.hosts[i].hostaddr));
            pg_target_keywords(&t, &t.hosts[i], NULL, keywords, values);
            while (keywords[n])
                must(values[n++] != NULL && n < PG_KEYWORDS_MAX);
        }
        must_hold_no_password(text);
    }
    pg_target_free(&t);
    free(text);
}
#endif

/* The last part is there in any build. */
static void nothing(struct slice in)
{
    (void)in;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        char what;
        void (*run)(struct slice in);
    } PARTS[] = {
#ifdef CENTION_NATS
        {'a', acknowledged}, {'f', forms}, {'c', configured}, {'u', url},
#endif
#ifdef CENTION_POSTGRESQL
        {'p', target},
#endif
        {'-', nothing},
    };

    for (size_t i = 0; size && i < sizeof(PARTS) / sizeof(PARTS[0]); i++)
        if (data[0] == PARTS[i].what)
            PARTS[i].run(slice_of(data + 1, size - 1));
    return 0;
}
