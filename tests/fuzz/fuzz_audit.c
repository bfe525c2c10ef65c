/*
 * Fuzzes the audit log's verifier: the input is a log, an empty line standing between segments.
 * Each line is read as it is, and once more with a hash that is right, so that what lies behind the
 * chain is reached too; and as what stays of retired segments, the same two ways. Beside not
 * crashing: what is accepted is numbered without a gap, and is all accounted for. The whole input
 * is also read as a head.
 */
#include "audit/verify.h"

#include "base/hex.h"
#include "fuzz/must.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(struct verify *v, struct slice bytes)
{
    uint64_t seq = v->next_seq, records = v->records;
    bool begun = v->begun;
    struct line line;
    const char *why = verify_line(v, bytes);

    must(!why || why[0]);
    must(v->records == records + (why ? 0 : 1));
    if (why)
        return;
    must(!line_read(bytes, &line) && line.covered.len + CHAIN_TAIL == bytes.len);
    must(!begun || line.seq == seq);
    must(v->next_seq == line.seq + 1 && chain_same(&v->last, &line.hash));
}

static void feed_proof(struct verify *v, struct slice bytes)
{
    uint64_t seq = v->chain_seq;
    struct line line;

    if (v->begun)
        return;
    if (!verify_retired(v, bytes, UINT64_MAX))
        must(!line_read(bytes, &line) && line.seq > seq && v->chain_seq == line.seq);
}

/* The hash before a header is the one that it names itself. */
static struct chain_hash before(const struct verify *v, struct slice bytes)
{
    struct record_segment s;
    struct line line;

    if (!v->begun && !line_read(bytes, &line) && !line_segment(&line, &s))
        return s.previous;
    return v->last;
}

/* An epoch names it too, and the first header follows nothing. */
static struct chain_hash before_proof(struct slice bytes)
{
    unsigned char signature[SEAL_SIGNATURE];
    struct seal_key next;
    struct seal seal = {.epoch = 0};
    struct line line;

    if (!line_read(bytes, &line) && line.type == LINE_EPOCH &&
        !line_seal(&line, &seal, &next, signature))
        return seal.hash;
    return (struct chain_hash){{0}};
}

static void righted(struct verify *v, struct slice bytes, struct chain_hash previous,
                    void (*one)(struct verify *v, struct slice bytes))
{
    struct chain_hash hash;
    char *copy;

    if (bytes.len < CHAIN_TAIL)
        return;
    copy = malloc(bytes.len);
    must(copy != NULL);
    memcpy(copy, bytes.data, bytes.len);
    must(chain_hash(v->chain, &previous, slice_of(copy, bytes.len - CHAIN_TAIL), &hash) == 0);
    memcpy(copy + bytes.len - CHAIN_TAIL, ",\"h\":\"", 6);
    hex_put(copy + bytes.len - CHAIN_TAIL + 6, hash.bytes, CHAIN_HASH);
    memcpy(copy + bytes.len - 2, "\"}", 2);
    one(v, slice_of(copy, bytes.len));
    free(copy);
}

static void feed_right(struct verify *v, struct slice bytes)
{
    righted(v, bytes, before(v, bytes), feed);
}

static void feed_right_proof(struct verify *v, struct slice bytes)
{
    righted(v, bytes, before_proof(bytes), feed_proof);
}

static void run(struct slice all, void (*one)(struct verify *v, struct slice bytes))
{
    struct verify v;

    must(verify_init(&v) == 0);
    while (all.len) {
        const char *newline = memchr(all.data, '\n', all.len);
        size_t n = newline ? (size_t)(newline - all.data) : all.len;

        if (n == 0)
            verify_segment(&v);
        else
            one(&v, slice_of(all.data, n));
        n += newline ? 1 : 0;
        all = slice_of(all.data + n, all.len - n);
    }
    must((verify_end(&v) == NULL) <= v.begun);
    must(!v.begun || verify_unsigned(&v) <= v.records);
    verify_deinit(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct verify_head head;

    run(slice_of(data, size), feed);
    run(slice_of(data, size), feed_right);
    run(slice_of(data, size), feed_proof);
    run(slice_of(data, size), feed_right_proof);
    must(size == 0 || data[0] == '{' || head_read(slice_of(data, size), &head));
    if (size && data[0] == '{' && !head_read(slice_of(data, size), &head))
        must(size > 2 * SEAL_SIGNATURE);
    return 0;
}
