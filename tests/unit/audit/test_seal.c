#include "audit/seal.h"
#include "unit/unit.h"

static void test_all(void)
{
    static const char TEXT[] =
        "00010203-04050607-08090a0b-0c0d0e0f-10111213-14151617-18191a1b-1c1d1eff";
    static const char *const BAD[] = {
        "", "-", "0001",
        "00010203-04050607-08090a0b-0c0d0e0f-10111213"
        "-14151617-18191a1b-1c1d1eff0",
        "g0010203-04050607-08090a0b-0c0d0e0f-10111213-14151617-18191a1b"
        "-1c1d1eff"};
    char text[IDENTITY_TEXT], upper[IDENTITY_TEXT];
    struct seal_key key, back;

    for (unsigned char i = 0; i < SEAL_KEY; i++)
        key.bytes[i] = i;
    key.bytes[31] = 0xff;
    identity_text(text, &key);
    CU_ASSERT_STRING_EQUAL(text, TEXT);
    CU_ASSERT(identity_read(&back, text));
    CU_ASSERT(memcmp(&back, &key, sizeof(key)) == 0);
    for (size_t i = 0; i < sizeof(upper); i++)
        upper[i] = (char)(text[i] >= 'a' ? text[i] - 32 : text[i]);
    CU_ASSERT(identity_read(&back, upper));
    CU_ASSERT(
        identity_read(&back, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff"));
    CU_ASSERT(memcmp(&back, &key, sizeof(key)) == 0);
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
        CU_ASSERT_FALSE(identity_read(&back, BAD[i]));
}

static const struct unit_case CASES[] = {
    {"written and read", test_all},
};

UNIT_MAIN("seal", CASES)
