#include "audit/head.h"

#include "audit/parse.h"
#include "base/hex.h"

#include <errno.h>
#include <inttypes.h>

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
