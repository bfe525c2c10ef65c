/* The examples of FIPS 180-4 (its appendix of old), and that one object serves again and again. */
#include "proxy/tls/sha256.h"

#include "base/hex.h"
#include "unit/unit.h"

static void examples(void)
{
    static const struct {
        const char *text, *digits;
    } CASES[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    struct sha256 *s = NULL;

    CU_ASSERT_EQUAL_FATAL(sha256_new(&s), 0);
    for (size_t i = 0; i < 2 * sizeof(CASES) / sizeof(CASES[0]); i++) {
        unsigned char out[SHA256_BYTES], known[SHA256_BYTES];

        CU_ASSERT_EQUAL(sha256_of(s, slice_str(CASES[i / 2].text), out), 0);
        CU_ASSERT(hex_get(known, SHA256_BYTES, slice_str(CASES[i / 2].digits)));
        CU_ASSERT_EQUAL(memcmp(out, known, SHA256_BYTES), 0);
    }
    CU_ASSERT_EQUAL(sha256_of(s, SLICE_NULL, (unsigned char[SHA256_BYTES]){0}), 0);
    sha256_free(s);
    sha256_free(NULL);
}

static const struct unit_case CASES[] = {{"examples", examples}};

UNIT_MAIN("sha256", CASES)
