/*
 * Every byte of a line is accounted for: the hash covers all before it, and its own digits and the
 * end have one form only.
 */
#include "audit/line.h"

#include "audit/parse.h"

static bool parse_time(struct slice *s, struct slice *out)
{
    static const char SHAPE[] = "dddd-dd-ddTdd:dd:dd.ddddddZ";

    if (s->len < SEAL_TIME)
        return false;
    for (size_t i = 0; i < SEAL_TIME; i++) {
        char c = s->data[i];

        if (SHAPE[i] == 'd' ? c < '0' || c > '9' : c != SHAPE[i])
            return false;
    }
    *out = slice_of(s->data, SEAL_TIME);
    *s = slice_of(s->data + SEAL_TIME, s->len - SEAL_TIME);
    return true;
}

static bool is_control(unsigned char c)
{
    return c < 0x20 || c == 0x7f;
}

/* Eight bytes at a time: this is most of what reading costs beside the hash. */
static bool has_control(struct slice s)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;
    size_t i = 0;

    for (; i + 8 <= s.len; i += 8) {
        uint64_t x, del;

        memcpy(&x, s.data + i, 8);
        del = x ^ (ones * 0x7f);
        /* A byte below 0x20 borrows from its high bit; so does a zero byte of `del`. */
        if ((((x - ones * 0x20) & ~x) | ((del - ones) & ~del)) & high)
            return true;
    }
    for (; i < s.len; i++)
        if (is_control((unsigned char)s.data[i]))
            return true;
    return false;
}

/* Splits the end off *bytes. */
static bool parse_end(struct slice *bytes, struct chain_hash *hash)
{
    struct slice end;

    if (bytes->len < CHAIN_TAIL)
        return false;
    bytes->len -= CHAIN_TAIL;
    end = slice_of(bytes->data + bytes->len, CHAIN_TAIL);
    return parse_literal(&end, SLICE_LIT(",\"h\":\"")) &&
           parse_hex(&end, hash->bytes, CHAIN_HASH) && slice_eq(end, SLICE_LIT("}"));
}

static enum line_type type_of(struct slice word)
{
    static const struct {
        struct slice word;
        enum line_type type;
    } TYPES[] = {
        {{"intent", 6}, LINE_INTENT},   {{"outcome", 7}, LINE_OUTCOME},
        {{"segment", 7}, LINE_SEGMENT}, {{"checkpoint", 10}, LINE_CHECKPOINT},
        {{"epoch", 5}, LINE_EPOCH},     {{"stop", 4}, LINE_STOP},
        {{"retired", 7}, LINE_RETIRED},
    };

    for (size_t i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++)
        if (slice_eq(word, TYPES[i].word))
            return TYPES[i].type;
    return LINE_OTHER;
}

const char *line_read(struct slice bytes, struct line *out)
{
    struct slice s;

    *out = (struct line){0};
    if (has_control(bytes))
        return "it holds a control character";
    out->covered = bytes;
    if (!parse_end(&out->covered, &out->hash))
        return "it doesn't end with a record's hash";
    s = out->covered;
    if (!parse_literal(&s, SLICE_LIT("{\"seq\":")) || !parse_number(&s, &out->seq) ||
        !parse_literal(&s, SLICE_LIT(",\"time\":\"")) || !parse_time(&s, &out->time) ||
        !parse_literal(&s, SLICE_LIT("\",\"type\":\"")) || !parse_quoted(&s, &out->word))
        return "it doesn't begin as a record does";
    if (out->word.len == 0)
        return "it has no type";
    for (size_t i = 0; i < out->word.len; i++)
        if (out->word.data[i] < 'a' || out->word.data[i] > 'z')
            return "its type is no word";
    out->type = type_of(out->word);
    if (out->type == LINE_INTENT || out->type == LINE_OUTCOME) {
        if (!parse_literal(&s, SLICE_LIT(",\"id\":\"")) || !parse_quoted(&s, &out->id) ||
            !record_request_id_ok(out->id))
            return "it has no request id";
    }
    if (out->type == LINE_OUTCOME && parse_literal(&s, SLICE_LIT(",\"intent\":")) &&
        !parse_number(&s, &out->intent))
        return "its intent is no number";
    out->rest = s;
    return NULL;
}

static uint64_t digits(const char *s, unsigned n)
{
    uint64_t v = 0;

    while (n--)
        v = v * 10 + (uint64_t)(*s++ - '0');
    return v;
}

uint64_t line_time(const struct line *line)
{
    const char *t = line->time.data;
    uint64_t month = digits(t + 5, 2), year = digits(t, 4) - (month <= 2);
    uint64_t day = digits(t + 8, 2), yoe = year % 400;
    uint64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    uint64_t days = year / 400 * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;

    return (((days * 24 + digits(t + 11, 2)) * 60 + digits(t + 14, 2)) * 60 + digits(t + 17, 2)) *
               1000000 +
           digits(t + 20, 6);
}

int line_open(struct slice *s, uint64_t before, uint64_t *seq)
{
    uint64_t last = *seq;

    if (s->len == 0)
        return 0;
    if (last && !parse_literal(s, SLICE_LIT(",")))
        return -1;
    return parse_number(s, seq) && *seq > last && *seq < before ? 1 : -1;
}

/* How many requests are open: a number in format 1, the list of their intents in format 2. */
static bool parse_open(struct slice *s, const struct line *line, struct record_segment *out)
{
    struct slice list;
    uint64_t seq = 0;
    int r;

    if (out->format == 1)
        return parse_number(s, &out->n_open);
    if (s->len < 2 || s->data[0] != '[' || s->data[s->len - 1] != ']')
        return false;
    list = out->open_text = slice_of(s->data + 1, s->len - 2);
    while ((r = line_open(&list, line->seq, &seq)) == 1)
        out->n_open++;
    s->len = 0;
    return r == 0;
}

const char *line_segment(const struct line *line, struct record_segment *out)
{
    struct slice s = line->rest;
    uint64_t format;

    *out = (struct record_segment){0};
    if (!parse_literal(&s, SLICE_LIT(",\"format\":")) || !parse_number(&s, &format) || format < 1 ||
        format > RECORD_FORMAT)
        return "it is no segment header of format 1 or 2";
    out->format = (unsigned)format;
    if (!parse_literal(&s, SLICE_LIT(",\"log\":\"")) || !parse_hex(&s, out->log.bytes, SEAL_KEY) ||
        !parse_literal(&s, SLICE_LIT(",\"epoch\":")) || !parse_number(&s, &out->epoch) ||
        !parse_literal(&s, SLICE_LIT(",\"public_key\":\"")) ||
        !parse_hex(&s, out->public_key.bytes, SEAL_KEY) ||
        !parse_literal(&s, SLICE_LIT(",\"previous_seq\":")) ||
        !parse_number(&s, &out->previous_seq) ||
        !parse_literal(&s, SLICE_LIT(",\"previous_hash\":\"")) ||
        !parse_hex(&s, out->previous.bytes, CHAIN_HASH) ||
        !parse_literal(&s, SLICE_LIT(",\"open\":")) || !parse_open(&s, line, out) || s.len)
        return "its members are not those of a segment header";
    return NULL;
}

const char *line_retired(const struct line *line, struct record_retired *out)
{
    struct slice s = line->rest;

    *out = (struct record_retired){0};
    if (!parse_literal(&s, SLICE_LIT(",\"first\":")) || !parse_number(&s, &out->first) ||
        !parse_literal(&s, SLICE_LIT(",\"last\":")) || !parse_number(&s, &out->last) ||
        !parse_literal(&s, SLICE_LIT(",\"hash\":\"")) ||
        !parse_hex(&s, out->hash.bytes, CHAIN_HASH) ||
        !parse_literal(&s, SLICE_LIT(",\"segment\":\"")))
        return "it doesn't say what was retired";
    return NULL;
}

const char *line_seal(const struct line *line, struct seal *out, struct seal_key *next,
                      unsigned char signature[SEAL_SIGNATURE])
{
    struct slice s = line->rest;
    bool epoch = line->type == LINE_EPOCH;

    out->seq = line->seq - 1;
    memcpy(out->time, line->time.data, SEAL_TIME);
    if (!parse_literal(&s, SLICE_LIT(",\"epoch\":")) || !parse_number(&s, &out->epoch) ||
        !parse_literal(&s, SLICE_LIT(",\"hash\":\"")) ||
        !parse_hex(&s, out->hash.bytes, CHAIN_HASH) ||
        (epoch && (!parse_literal(&s, SLICE_LIT(",\"next_key\":\"")) ||
                   !parse_hex(&s, next->bytes, SEAL_KEY))) ||
        !parse_literal(&s, SLICE_LIT(",\"signature\":\"")) ||
        !parse_hex(&s, signature, SEAL_SIGNATURE) || s.len)
        return epoch ? "it is no epoch record" : "it is no checkpoint";
    return NULL;
}
