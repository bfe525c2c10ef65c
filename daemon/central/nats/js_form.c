#include "central/nats/js_form.h"

#include "audit/parse.h"
#include "base/hex.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    SHORT = 16, /* digits of a log in a stream's name */
};

bool js_prefix_ok(struct slice prefix)
{
    return slice_is_name(prefix, JS_PREFIX_MAX, "-_");
}

void js_stream_name(char out[JS_STREAM], const char *prefix, const struct seal_key *log)
{
    char digits[SHORT];

    hex_put(digits, log->bytes, SHORT / 2);
    (void)snprintf(out, JS_STREAM, "%.*s_%.*s", JS_PREFIX_MAX, prefix, SHORT, digits);
}

void js_alarm_stream_name(char out[JS_STREAM], const char *prefix)
{
    (void)snprintf(out, JS_STREAM, "%.*s_ALARMS", JS_PREFIX_MAX, prefix);
}

bool js_stream_read(const char *prefix, const char *name, struct seal_key *log)
{
    struct slice s = slice_str(name);

    *log = (struct seal_key){0};
    return parse_literal(&s, slice_str(prefix)) && parse_literal(&s, SLICE_LIT("_")) &&
           hex_get(log->bytes, SHORT / 2, s);
}

static void form_subject(char out[JS_SUBJECT], const char *before, const struct seal_key *log,
                         size_t bytes)
{
    char digits[SEAL_KEY_HEX];

    hex_put(digits, log->bytes, bytes);
    (void)snprintf(out, JS_SUBJECT, "%s%.*s", before, (int)(2 * bytes), digits);
}

void js_subject(char out[JS_SUBJECT], const struct seal_key *log)
{
    form_subject(out, JS_AUDIT, log, SEAL_KEY);
}

bool js_subject_read(const char *subject, struct seal_key *log)
{
    struct slice s = slice_str(subject);

    return parse_literal(&s, SLICE_LIT(JS_AUDIT)) && hex_get(log->bytes, SEAL_KEY, s);
}

void js_reply_prefix(char out[JS_SUBJECT], const struct seal_key *log)
{
    form_subject(out, JS_REPLY, log, SHORT / 2);
}

void js_id_write(char out[JS_ID], const struct seal_key *log, const struct ship_place *place)
{
    char digits[SEAL_KEY_HEX], hash[CHAIN_HASH_HEX];

    hex_put(digits, log->bytes, SEAL_KEY);
    hex_put(hash, place->hash.bytes, CHAIN_HASH);
    (void)snprintf(out, JS_ID, "%.*s/%" PRIu64 "/%" PRIu64 "/%.*s", SEAL_KEY_HEX, digits,
                   place->epoch, place->seq, CHAIN_HASH_HEX, hash);
}

bool js_id_read(const char *id, struct seal_key *log, struct ship_place *place)
{
    struct slice s = slice_str(id);

    return s.len > SEAL_KEY_HEX && hex_get(log->bytes, SEAL_KEY, slice_cut(s, SEAL_KEY_HEX)) &&
           (s = slice_of(s.data + SEAL_KEY_HEX, s.len - SEAL_KEY_HEX),
            parse_literal(&s, SLICE_LIT("/"))) &&
           parse_number(&s, &place->epoch) && parse_literal(&s, SLICE_LIT("/")) &&
           parse_number(&s, &place->seq) && parse_literal(&s, SLICE_LIT("/")) &&
           hex_get(place->hash.bytes, CHAIN_HASH, s);
}

/* At most size - 1 bytes of it. */
static void form_text(char *out, size_t size, const char *text, bool spaces)
{
    size_t n = 0;

    for (; text && text[n] && n + 1 < size; n++) {
        unsigned char c = (unsigned char)text[n];

        out[n] = c == '"' || c == '\\'                           ? '\''
                 : c < 0x20 || c > 0x7e || (c == ' ' && !spaces) ? '?'
                                                                 : (char)c;
    }
    out[n] = '\0';
}

void js_host_write(char out[JS_HOST], const char *host)
{
    form_text(out, JS_HOST, host, false);
}

void js_alarm_subject(char out[JS_SUBJECT], const struct seal_key *log,
                      const struct ship_alarm *alarm)
{
    char digits[SEAL_KEY_HEX], here[SHORT], there[SHORT];

    hex_put(digits, log->bytes, SEAL_KEY);
    hex_put(here, alarm->here.hash.bytes, SHORT / 2);
    hex_put(there, alarm->there.hash.bytes, SHORT / 2);
    (void)snprintf(out, JS_SUBJECT, JS_ALARM "%.*s.%s.%" PRIu64 "-%.*s.%" PRIu64 "-%.*s",
                   SEAL_KEY_HEX, digits, ship_alarm_name(alarm->kind), alarm->here.seq, SHORT, here,
                   alarm->there.seq, SHORT, there);
}

bool js_alarm_subject_read(const char *subject, struct seal_key *log)
{
    struct slice s = slice_str(subject);

    return parse_literal(&s, SLICE_LIT(JS_ALARM)) && s.len >= SEAL_KEY_HEX &&
           hex_get(log->bytes, SEAL_KEY, slice_cut(s, SEAL_KEY_HEX)) &&
           (s.len == SEAL_KEY_HEX || s.data[SEAL_KEY_HEX] == '.');
}

int js_alarm_write(struct buf *out, const struct seal_key *log, const char *host,
                   const struct ship_alarm *alarm)
{
    char digits[SEAL_KEY_HEX], here[CHAIN_HASH_HEX], there[CHAIN_HASH_HEX];
    char name[JS_HOST], why[SHIP_WHY];

    hex_put(digits, log->bytes, SEAL_KEY);
    hex_put(here, alarm->here.hash.bytes, CHAIN_HASH);
    hex_put(there, alarm->there.hash.bytes, CHAIN_HASH);
    js_host_write(name, host);
    form_text(why, sizeof(why), alarm->why, true);
    return buf_printf(out,
                      "{\"log\":\"%.*s\",\"host\":\"%s\",\"kind\":\"%s\",\"here_epoch\":%" PRIu64
                      ",\"here_seq\":%" PRIu64 ",\"here_hash\":\"%.*s\",\"there_epoch\":%" PRIu64
                      ",\"there_seq\":%" PRIu64 ",\"there_hash\":\"%.*s\",\"why\":\"%s\"}",
                      SEAL_KEY_HEX, digits, name, ship_alarm_name(alarm->kind), alarm->here.epoch,
                      alarm->here.seq, CHAIN_HASH_HEX, here, alarm->there.epoch, alarm->there.seq,
                      CHAIN_HASH_HEX, there, why);
}

/* Text that another may have written: one line of printable ASCII that fits. */
static bool form_take_text(struct slice *s, char *out, size_t size)
{
    struct slice text;

    if (!parse_quoted(s, &text) || text.len >= size)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] < 0x20 || (unsigned char)text.data[i] > 0x7e)
            return false;
    memcpy(out, text.data, text.len);
    out[text.len] = '\0';
    return true;
}

bool js_alarm_read(struct slice s, struct js_alarm *out)
{
    *out = (struct js_alarm){0};
    return parse_literal(&s, SLICE_LIT("{\"log\":\"")) && parse_hex(&s, out->log.bytes, SEAL_KEY) &&
           parse_literal(&s, SLICE_LIT(",\"host\":\"")) &&
           form_take_text(&s, out->host, sizeof(out->host)) &&
           parse_literal(&s, SLICE_LIT(",\"kind\":\"")) &&
           form_take_text(&s, out->kind, sizeof(out->kind)) &&
           parse_literal(&s, SLICE_LIT(",\"here_epoch\":")) && parse_number(&s, &out->here.epoch) &&
           parse_literal(&s, SLICE_LIT(",\"here_seq\":")) && parse_number(&s, &out->here.seq) &&
           parse_literal(&s, SLICE_LIT(",\"here_hash\":\"")) &&
           parse_hex(&s, out->here.hash.bytes, CHAIN_HASH) &&
           parse_literal(&s, SLICE_LIT(",\"there_epoch\":")) &&
           parse_number(&s, &out->there.epoch) && parse_literal(&s, SLICE_LIT(",\"there_seq\":")) &&
           parse_number(&s, &out->there.seq) &&
           parse_literal(&s, SLICE_LIT(",\"there_hash\":\"")) &&
           parse_hex(&s, out->there.hash.bytes, CHAIN_HASH) &&
           parse_literal(&s, SLICE_LIT(",\"why\":\"")) &&
           form_take_text(&s, out->why, sizeof(out->why)) && slice_eq(s, SLICE_LIT("}"));
}
