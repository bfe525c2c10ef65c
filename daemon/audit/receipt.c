#include "audit/receipt.h"

#include "audit/parse.h"
#include "base/hex.h"

#include <inttypes.h>

bool receipt_name(struct slice name)
{
    return slice_is_name(name, RECEIPT_NAME, "-_");
}

int receipt_write(struct buf *out, const struct receipt *r)
{
    char log[SEAL_KEY_HEX + 1], hash[CHAIN_HASH_HEX + 1];

    hex_put(log, r->log.bytes, SEAL_KEY);
    hex_put(hash, r->hash.bytes, CHAIN_HASH);
    return buf_printf(out,
                      "{\"sink\":\"%s\",\"log\":\"%.*s\",\"epoch\":%" PRIu64 ",\"seq\":%" PRIu64
                      ",\"hash\":\"%.*s\",\"time\":\"%.*s\"}\n",
                      r->sink, SEAL_KEY_HEX, log, r->epoch, r->seq, CHAIN_HASH_HEX, hash, SEAL_TIME,
                      r->time);
}

const char *receipt_read(struct slice s, struct receipt *out)
{
    static const char WHY[] = "it is no receipt";
    struct slice name, time;

    *out = (struct receipt){0};
    if (!parse_literal(&s, SLICE_LIT("{\"sink\":\"")) || !parse_quoted(&s, &name) ||
        !receipt_name(name) || !parse_literal(&s, SLICE_LIT(",\"log\":\"")) ||
        !parse_hex(&s, out->log.bytes, SEAL_KEY) || !parse_literal(&s, SLICE_LIT(",\"epoch\":")) ||
        !parse_number(&s, &out->epoch) || !parse_literal(&s, SLICE_LIT(",\"seq\":")) ||
        !parse_number(&s, &out->seq) || !parse_literal(&s, SLICE_LIT(",\"hash\":\"")) ||
        !parse_hex(&s, out->hash.bytes, CHAIN_HASH) ||
        !parse_literal(&s, SLICE_LIT(",\"time\":\"")) || !parse_quoted(&s, &time) ||
        time.len != SEAL_TIME || !slice_eq(s, SLICE_LIT("}\n")))
        return WHY;
    memcpy(out->sink, name.data, name.len);
    memcpy(out->time, time.data, SEAL_TIME);
    return NULL;
}
