#include "audit/chain.h"
#include "base/hex.h"
#include "unit/unit.h"

/* The figures are those of another SHA-256 (Python's hashlib). */
static void test_hash(void)
{
    struct chain *chain = NULL;
    struct chain_hash hash = {{0}};
    char text[CHAIN_HASH_HEX];

    CU_ASSERT_EQUAL_FATAL(chain_new(&chain), 0);
    CU_ASSERT_EQUAL(chain_hash(chain, &hash, SLICE_LIT("{\"seq\":1"), &hash), 0);
    hex_put(text, hash.bytes, CHAIN_HASH);
    CU_ASSERT(
        memcmp(text, "f2da1867b25d4d449aadcc739cbc71aed562e8ff41ff064bd9f50ead2ec0279e", 64) == 0);
    CU_ASSERT_EQUAL(chain_hash(chain, &hash, SLICE_NULL, &hash), 0);
    hex_put(text, hash.bytes, CHAIN_HASH);
    CU_ASSERT(
        memcmp(text, "b97e104e98eb25f45b95f537ab3b748327d579577d55e37b869f32cf4acb60ab", 64) == 0);
    chain_free(chain);
    chain_free(NULL);
}

static const struct unit_case CASES[] = {
    {"two links", test_hash},
};

UNIT_MAIN("chain", CASES)
