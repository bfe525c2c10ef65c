/*
 * Arbitrary bytes as a stream of wire messages: whatever decodes must encode to the same bytes.
 */
#include "wall/codec.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wire_space space;
    struct slice rest = slice_of(data, size);
    struct wire_message m;
    const char *why;
    size_t used;

    while (codec_decode(rest, &m, &space, &used, &why) == CODEC_DONE) {
        struct buf again = BUF_INIT(WIRE_MESSAGE_MAX * 2);

        if (m.type == WIRE_SIGN)
            m.sign.fields = space.fields;
        if (used > rest.len || codec_encode(&again, &m) != 0 ||
            !slice_eq(buf_slice(&again), slice_of(rest.data, used)))
            abort();
        buf_deinit(&again);
        rest = slice_of(rest.data + used, rest.len - used);
    }
    return 0;
}
