#include "trail/head.h"

#include "trail/hex.h"

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

static bool take(struct slice *s, struct slice lit)
{
    if (s->len < lit.len || memcmp(s->data, lit.data, lit.len) != 0)
        return false;
    *s = slice_of(s->data + lit.len, s->len - lit.len);
    return true;
}

/* `name` with its separator and quotes; then the digits and a quote. */
static bool take_hex(struct slice *s, struct slice name, unsigned char *out, size_t n)
{
    if (!take(s, name) || s->len < 2 * n || !hex_get(out, n, slice_of(s->data, 2 * n)))
        return false;
    *s = slice_of(s->data + 2 * n, s->len - 2 * n);
    return take(s, SLICE_LIT("\""));
}

static bool take_number(struct slice *s, struct slice name, uint64_t *out)
{
    size_t n = 0;

    *out = 0;
    if (!take(s, name))
        return false;
    for (; n < s->len && n < 19 && s->data[n] >= '0' && s->data[n] <= '9'; n++)
        *out = *out * 10 + (uint64_t)(s->data[n] - '0');
    *s = slice_of(s->data + n, s->len - n);
    return n > 0;
}

const char *head_read(struct slice s, struct verify_head *out)
{
    unsigned char signature[SEAL_SIGNATURE];
    struct seal_verifier *verifier = NULL;
    struct seal_key key, next;
    struct seal seal = {0};
    bool good;

    if (!take_hex(&s, SLICE_LIT("{\"log\":\""), seal.log.bytes, SEAL_KEY) ||
        !take_number(&s, SLICE_LIT(",\"epoch\":"), &seal.epoch) ||
        !take_number(&s, SLICE_LIT(",\"seq\":"), &seal.seq) ||
        !take_hex(&s, SLICE_LIT(",\"hash\":\""), seal.hash.bytes, CHAIN_HASH) ||
        !take(&s, SLICE_LIT(",\"time\":\"")) || s.len < SEAL_TIME)
        return "it is no head";
    memcpy(seal.time, s.data, SEAL_TIME);
    s = slice_of(s.data + SEAL_TIME, s.len - SEAL_TIME);
    if (!take_hex(&s, SLICE_LIT("\",\"public_key\":\""), key.bytes, SEAL_KEY))
        return "it is no head";
    if (take_hex(&s, SLICE_LIT(",\"next_key\":\""), next.bytes, SEAL_KEY))
        seal.next = &next;
    if (!take_hex(&s, SLICE_LIT(",\"signature\":\""), signature, SEAL_SIGNATURE) ||
        !take(&s, SLICE_LIT("}")) || (s.len && !slice_eq(s, SLICE_LIT("\n"))))
        return "it is no head";
    if (seal_verifier_new(&verifier, &key) < 0)
        return "its key is none";
    good = seal_verify(verifier, &seal, signature);
    seal_verifier_free(verifier);
    *out = (struct verify_head){seal.log, seal.seq, seal.hash};
    return good ? NULL : "its signature is wrong: it was altered";
}
