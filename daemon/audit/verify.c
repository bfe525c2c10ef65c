#include "audit/verify.h"

#include "audit/parse.h"
#include "base/hex.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

const char VERIFY_NO_MEMORY[] = "out of memory";

int verify_init(struct verify *v)
{
    *v = (struct verify){.boundary = true};
    return chain_new(&v->chain);
}

void verify_deinit(struct verify *v)
{
    chain_free(v->chain);
    seal_verifier_free(v->verifier);
    requests_deinit(&v->open);
    *v = (struct verify){0};
}

void verify_segment(struct verify *v)
{
    v->boundary = true;
}

static bool same_key(const struct seal_key *a, const struct seal_key *b)
{
    return memcmp(a->bytes, b->bytes, SEAL_KEY) == 0;
}

/* From here on signatures are those of this epoch's key. */
static const char *enter_epoch(struct verify *v, uint64_t epoch, const struct seal_key *key)
{
    int r;

    seal_verifier_free(v->verifier);
    v->verifier = NULL;
    r = seal_verifier_new(&v->verifier, key);
    if (r < 0)
        return r == -ENOMEM ? VERIFY_NO_MEMORY : "the public key is none";
    v->epoch = epoch;
    v->key = *key;
    v->epochs++;
    if (v->pin && same_key(v->pin, key))
        v->pin_seen = true;
    return NULL;
}

/* Requests of which the header says that they are open, and which weren't seen. */
static const char *open_unseen(struct verify *v, const struct record_segment *s)
{
    struct slice list = s->open_text;
    uint64_t seq = 0;

    v->unseen = 0;
    v->strays = s->format == 1 ? s->n_open : 0;
    while (line_open(&list, UINT64_MAX, &seq) == 1) {
        if (!requests_open(&v->open, seq, SLICE_NULL, SLICE_NULL))
            return VERIFY_NO_MEMORY;
        v->unseen++;
    }
    return NULL;
}

/* The first header that is seen: all of it is given, but a new log has only one beginning. */
static const char *begin(struct verify *v, const struct line *line, const struct record_segment *s)
{
    static const struct chain_hash ZEROS;
    const char *why;

    if (s->previous_seq != line->seq - 1)
        return "the header's previous_seq is not the record before";
    if (line->seq == 1 && (s->epoch != 1 || !same_key(&s->log, &s->public_key) || s->n_open ||
                           !chain_same(&s->previous, &ZEROS)))
        return "the header is not that of a new log";
    if (v->chain_seq) {
        if (v->chain_seq != s->previous_seq || !chain_same(&v->chain_hash_before, &s->previous) ||
            !same_key(&v->log, &s->log) || v->epoch != s->epoch ||
            !same_key(&v->key, &s->public_key))
            return "the header doesn't follow what was retired";
        v->proved = true;
    }
    if (v->head && v->head->seq == s->previous_seq) {
        if (!chain_same(&v->head->hash, &s->previous))
            return "the header's previous_hash is not that of the head";
        v->head_seen = true;
    }
    v->begun = true;
    v->log = s->log;
    v->first_seq = v->next_seq = line->seq;
    v->last = s->previous;
    v->before = s->previous;
    why = open_unseen(v, s);
    return why || v->proved ? why : enter_epoch(v, s->epoch, &s->public_key);
}

/* After verify_resume, a header is trusted about what was not read. */
static const char *settle(struct verify *v, const struct record_segment *s)
{
    const char *why;

    requests_deinit(&v->open);
    why = open_unseen(v, s);
    v->adrift = false;
    return why || v->verifier ? why : enter_epoch(v, s->epoch, &s->public_key);
}

/*
 * The header lists the open requests, no more and no less. Behind a segment of format 1 it may list
 * some before the first record that was seen, of which only the number was known.
 */
static const char *same_open(struct verify *v, const struct record_segment *s)
{
    const struct open_request *o = v->open.first;
    struct slice list = s->open_text;
    uint64_t seq = 0;

    if (s->format == 1)
        return s->n_open == v->open.n + v->strays
                   ? NULL
                   : "the header counts other open requests than there are";
    while (line_open(&list, UINT64_MAX, &seq) == 1) {
        if (o && o->seq == seq) {
            o = o->after;
        } else if (v->strays == 0 || seq >= v->first_seq) {
            return "the header lists a request that is not open";
        } else {
            if (!requests_open(&v->open, seq, SLICE_NULL, SLICE_NULL))
                return VERIFY_NO_MEMORY;
            v->unseen++;
            v->strays--;
        }
    }
    v->strays = 0;
    return o ? "the header leaves out a request that is open" : NULL;
}

/* A header that follows a segment. */
static const char *follow(struct verify *v, const struct record_segment *s)
{
    bool unseen = v->adrift && v->resumed == v->next_seq - 1;

    if (!same_key(&s->log, &v->log))
        return "the segment belongs to another log";
    if (s->previous_seq != v->next_seq - 1 || !chain_same(&s->previous, &v->last))
        return "the header doesn't follow the segment before it";
    if (v->last_type != LINE_EPOCH && !unseen)
        return "the segment before it doesn't end with an epoch record";
    if (v->verifier && (s->epoch != v->epoch || !same_key(&s->public_key, &v->key)))
        return "the header's epoch and key are not those that the segment before handed over to";
    if (s->format < v->format)
        return "the segment's format is older than that of the one before it";
    return v->adrift ? settle(v, s) : same_open(v, s);
}

static const char *header(struct verify *v, const struct line *line)
{
    struct record_segment s;
    const char *why;

    if (line->type != LINE_SEGMENT)
        return "a segment must begin with its header";
    why = line_segment(line, &s);
    if (!why)
        why = v->begun ? follow(v, &s) : begin(v, line, &s);
    if (why)
        return why;
    v->boundary = false;
    v->format = s.format;
    v->segments++;
    v->segment_time = line_time(line);
    if (v->epoch_time == 0)
        v->epoch_time = v->segment_time;
    return NULL;
}

/* The header of the log's first segment. */
static const char *begin_proof(struct verify *v, const struct line *line)
{
    static const struct chain_hash ZEROS;
    struct record_segment s;
    struct chain_hash hash;
    const char *why;

    if (line->seq != 1 || line->type != LINE_SEGMENT)
        return "it doesn't begin with the header of a new log";
    why = line_segment(line, &s);
    if (why)
        return why;
    if (s.epoch != 1 || !same_key(&s.log, &s.public_key))
        return "its header is not that of a new log";
    if (chain_hash(v->chain, &ZEROS, line->covered, &hash) < 0)
        return VERIFY_NO_MEMORY;
    if (!chain_same(&hash, &line->hash))
        return "its header was altered";
    v->log = s.log;
    return enter_epoch(v, 1, &s.public_key);
}

static const char *go_on_with_proof(struct verify *v, const struct line *line)
{
    unsigned char signature[SEAL_SIGNATURE];
    struct seal_key next = {{0}};
    struct seal seal = {.log = v->log, .next = &next};
    struct chain_hash hash;
    const char *why;

    if (line->type != LINE_EPOCH || line->seq <= v->chain_seq)
        return "it holds something else than the epochs in their order";
    why = line_seal(line, &seal, &next, signature);
    if (why)
        return why;
    if (seal.epoch != v->epoch || !seal_verify(v->verifier, &seal, signature))
        return "a signature in it is not one of the epoch's key";
    if (chain_hash(v->chain, &seal.hash, line->covered, &hash) < 0)
        return VERIFY_NO_MEMORY;
    if (!chain_same(&hash, &line->hash))
        return "a record in it was altered";
    if (v->head && v->head->seq == seal.seq && !chain_same(&v->head->hash, &seal.hash))
        return "it is not what the head was taken of";
    return enter_epoch(v, seal.epoch + 1, &next);
}

const char *verify_retired(struct verify *v, struct slice bytes, uint64_t before)
{
    struct line line;
    const char *why = line_read(bytes, &line);

    if (!why && line.seq >= before)
        return NULL;
    if (!why)
        why = v->chain_seq ? go_on_with_proof(v, &line) : begin_proof(v, &line);
    if (why)
        return why;
    v->chain_seq = line.seq;
    v->chain_hash_before = line.hash;
    return NULL;
}

static const char *check_seal(struct verify *v, const struct line *line)
{
    unsigned char signature[SEAL_SIGNATURE];
    struct seal_key next = {{0}};
    struct seal seal = {.log = v->log};
    bool epoch = line->type == LINE_EPOCH;
    const char *why = line_seal(line, &seal, &next, signature);

    if (why)
        return why;
    if (epoch)
        seal.next = &next;
    if (!v->verifier && v->adrift)
        v->epoch = seal.epoch;
    if (seal.epoch != v->epoch)
        return "it is signed for an epoch that is not the current one";
    if (!chain_same(&seal.hash, &v->last))
        return "it is signed for another record before it";
    if (!v->verifier && v->adrift)
        return epoch ? enter_epoch(v, seal.epoch + 1, &next) : NULL;
    if (!seal_verify(v->verifier, &seal, signature))
        return "its signature is not one of the epoch's key";
    seal.next = NULL;
    v->sealed = true;
    v->seal = seal;
    v->seal_key = v->key;
    v->seal_hands_over = epoch;
    v->seal_next = epoch ? next : (struct seal_key){{0}};
    memcpy(v->signature, signature, sizeof(signature));
    v->checkpoints++;
    if (epoch)
        v->epoch_time = line_time(line);
    return epoch ? enter_epoch(v, seal.epoch + 1, &next) : NULL;
}

static const char *check_outcome(struct verify *v, const struct line *line)
{
    struct open_request *open;
    const char *why = NULL;

    if (v->format != 1 && line->intent == 0)
        return "an outcome that doesn't say of which intent";
    open = requests_close(&v->open, v->format == 1 ? 0 : line->intent, line->id);
    if (open && open->id.len == 0)
        v->unseen--;
    else if (open && !slice_eq(open->id, line->id))
        why = "an outcome with another id than its intent";
    else if (!open && v->strays)
        v->strays--;
    else if (!open && !v->adrift)
        why = "an outcome without an open intent";
    free(open);
    return why;
}

static const char *check_retired(struct verify *v, const struct line *line)
{
    struct record_retired retired;
    const char *why = line_retired(line, &retired);

    if (why)
        return why;
    if (retired.last >= v->retired)
        v->retired = retired.last;
    if (retired.last == v->first_seq - 1 && !chain_same(&retired.hash, &v->before))
        return "it names another hash for what was before the first segment";
    return NULL;
}

static const char *by_type(struct verify *v, const struct line *line)
{
    switch (line->type) {
    case LINE_SEGMENT:
        return "a segment header in the middle of a segment";
    case LINE_CHECKPOINT:
    case LINE_EPOCH:
        return check_seal(v, line);
    case LINE_INTENT:
        return requests_open(&v->open, line->seq, line->id, SLICE_NULL) ? NULL : VERIFY_NO_MEMORY;
    case LINE_OUTCOME:
        return check_outcome(v, line);
    case LINE_RETIRED:
        return check_retired(v, line);
    case LINE_STOP:
        return v->open.n + v->strays && !v->adrift ? "the log was closed with requests open" : NULL;
    default:
        return NULL;
    }
}

const char *verify_line(struct verify *v, struct slice bytes)
{
    struct chain_hash hash;
    struct line line;
    bool first = v->boundary;
    const char *why = line_read(bytes, &line);

    if (!why && first)
        why = header(v, &line);
    if (why)
        return why;
    if (line.seq != v->next_seq) {
        (void)snprintf(v->why, sizeof(v->why), "its seq is %" PRIu64 ", not %" PRIu64, line.seq,
                       v->next_seq);
        return v->why;
    }
    if (chain_hash(v->chain, &v->last, line.covered, &hash) < 0)
        return VERIFY_NO_MEMORY;
    if (!chain_same(&hash, &line.hash))
        return "its hash is wrong: it, or the record before it, was altered";
    if (!first)
        why = by_type(v, &line);
    if (why)
        return why;
    v->last = hash;
    v->last_type = line.type;
    memcpy(v->last_time, line.time.data, SEAL_TIME);
    v->next_seq++;
    v->records++;
    if (v->head && v->head->seq == line.seq) {
        if (!chain_same(&v->head->hash, &hash))
            return "it is not the record that the head was taken of";
        v->head_seen = true;
    }
    return NULL;
}

void verify_resume(struct verify *v, const struct seal_key *log, uint64_t seq,
                   const struct chain_hash *hash, uint64_t epoch)
{
    if (!v->begun) {
        v->begun = true;
        v->log = *log;
        v->first_seq = seq + 1;
        v->before = *hash;
    }
    if (v->epoch != epoch) {
        seal_verifier_free(v->verifier);
        v->verifier = NULL;
        v->epoch = epoch;
    }
    /* The identity is the first epoch's key. That it is a valid key is checked elsewhere. */
    if (epoch == 1 && !v->verifier && seal_verifier_new(&v->verifier, &v->log) == 0)
        v->key = v->log;
    v->boundary = false;
    v->adrift = true;
    v->resumed = seq;
    v->last = *hash;
    v->last_type = LINE_OTHER;
    v->next_seq = seq + 1;
}

const char *verify_end(struct verify *v)
{
    if (!v->begun)
        return "the log is empty";
    if (v->whole && v->first_seq > 1 && v->retired < v->first_seq - 1) {
        (void)snprintf(v->why, sizeof(v->why),
                       "the log begins with seq %" PRIu64
                       ", and no record says that those before it were retired: they were removed",
                       v->first_seq);
        return v->why;
    }
    if (v->pin && !v->pin_seen)
        return "the pinned key is not a key of this log";
    if (v->head && !same_key(&v->head->log, &v->log))
        return "the head belongs to another log";
    if (v->head && v->head->seq >= v->next_seq) {
        (void)snprintf(v->why, sizeof(v->why),
                       "the log ends at seq %" PRIu64 ", but the head proves records up to %" PRIu64
                       ": the end was cut off",
                       v->next_seq - 1, v->head->seq);
        return v->why;
    }
    if (v->head && !v->head_seen && !v->proved)
        return "the head's record is older than this log's first";
    return NULL;
}

uint64_t verify_unsigned(const struct verify *v)
{
    uint64_t covered = v->sealed ? v->seal.seq : v->first_seq - 1;
    uint64_t last = v->next_seq - 1;

    if (v->last_type == LINE_CHECKPOINT || v->last_type == LINE_EPOCH)
        return 0;
    /* The record of a signature is itself determined by what it signs. */
    return last - covered - (v->sealed ? 1 : 0);
}

struct digits {
    char text[2 * SEAL_SIGNATURE + 1];
};

static struct digits digits(const unsigned char *bytes, size_t n)
{
    struct digits d = {{0}};

    hex_put(d.text, bytes, n);
    return d;
}

int head_write(struct buf *out, const struct verify *v)
{
    const struct seal *s = &v->seal;
    int r;

    if (!v->sealed)
        return -ENOENT;
    r = buf_printf(out,
                   "{\"log\":\"%s\",\"epoch\":%" PRIu64 ",\"seq\":%" PRIu64
                   ",\"hash\":\"%s\",\"time\":\"%.*s\",\"public_key\":\"%s\"",
                   digits(s->log.bytes, SEAL_KEY).text, s->epoch, s->seq,
                   digits(s->hash.bytes, CHAIN_HASH).text, SEAL_TIME, s->time,
                   digits(v->seal_key.bytes, SEAL_KEY).text);
    if (r == 0 && v->seal_hands_over)
        r = buf_printf(out, ",\"next_key\":\"%s\"", digits(v->seal_next.bytes, SEAL_KEY).text);
    if (r == 0)
        r = buf_printf(out, ",\"signature\":\"%s\"}\n", digits(v->signature, SEAL_SIGNATURE).text);
    return r;
}

const char *head_read(struct slice s, struct verify_head *out)
{
    unsigned char signature[SEAL_SIGNATURE];
    struct seal_verifier *verifier = NULL;
    struct seal_key key, next;
    struct seal seal = {0};
    bool good;

    if (!parse_literal(&s, SLICE_LIT("{\"log\":\"")) || !parse_hex(&s, seal.log.bytes, SEAL_KEY) ||
        !parse_literal(&s, SLICE_LIT(",\"epoch\":")) || !parse_number(&s, &seal.epoch) ||
        !parse_literal(&s, SLICE_LIT(",\"seq\":")) || !parse_number(&s, &seal.seq) ||
        !parse_literal(&s, SLICE_LIT(",\"hash\":\"")) ||
        !parse_hex(&s, seal.hash.bytes, CHAIN_HASH) ||
        !parse_literal(&s, SLICE_LIT(",\"time\":\"")) || s.len < SEAL_TIME)
        return "it is no head";
    memcpy(seal.time, s.data, SEAL_TIME);
    s = slice_of(s.data + SEAL_TIME, s.len - SEAL_TIME);
    if (!parse_literal(&s, SLICE_LIT("\",\"public_key\":\"")) ||
        !parse_hex(&s, key.bytes, SEAL_KEY))
        return "it is no head";
    if (parse_literal(&s, SLICE_LIT(",\"next_key\":\""))) {
        if (!parse_hex(&s, next.bytes, SEAL_KEY))
            return "it is no head";
        seal.next = &next;
    }
    if (!parse_literal(&s, SLICE_LIT(",\"signature\":\"")) ||
        !parse_hex(&s, signature, SEAL_SIGNATURE) || !parse_literal(&s, SLICE_LIT("}")) ||
        (s.len && !slice_eq(s, SLICE_LIT("\n"))))
        return "it is no head";
    if (seal_verifier_new(&verifier, &key) < 0)
        return "its key is none";
    good = seal_verify(verifier, &seal, signature);
    seal_verifier_free(verifier);
    *out = (struct verify_head){seal.log, seal.seq, seal.hash};
    return good ? NULL : "its signature is wrong: it was altered";
}
