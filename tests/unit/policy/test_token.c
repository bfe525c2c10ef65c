#include "policy/token.h"
#include "unit/unit.h"

#include <string.h>

/* python3 -c "import hashlib; print(hashlib.sha256(bytes(range(16)) + b'cpt_token').hexdigest())"
 */
#define SALT "000102030405060708090a0b0c0d0e0f"
#define HASH "e1a8f76dabf0a31227d40568657c389e6a8a52d8079b53bc7af431178d4b66d6"

static void test_known(void)
{
    struct token_hash h;
    char text[TOKEN_HASH_TEXT + 1];

    CU_ASSERT_TRUE_FATAL(token_hash_read(&h, "sha256:" SALT ":" HASH));
    CU_ASSERT_TRUE(token_is(&h, SLICE_LIT("cpt_token")));
    CU_ASSERT_FALSE(token_is(&h, SLICE_LIT("cpt_tokem")));
    CU_ASSERT_FALSE(token_is(&h, SLICE_LIT("cpt_toke")));
    CU_ASSERT_FALSE(token_is(&h, SLICE_LIT("cpt_token ")));
    CU_ASSERT_FALSE(token_is(&h, SLICE_LIT("")));
    CU_ASSERT_FALSE(token_is(&h, SLICE_LIT(HASH)));
    token_hash_text(text, &h);
    CU_ASSERT_STRING_EQUAL(text, "sha256:" SALT ":" HASH);
}

static void test_form(void)
{
    static const char *const BAD[] = {
        "",
        "cpt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "sha256:",
        "sha256:" SALT,
        "sha256:" SALT ":",
        "sha256:" SALT ":" HASH "0",
        "sha256:" SALT "0:" HASH,
        "sha256:" SALT ";" HASH,
        "SHA256:" SALT ":" HASH,
        "sha512:" SALT ":" HASH,
        "sha256:000102030405060708090A0B0C0D0E0F:" HASH,
        "sha256:00010203040506070809 a0b0c0d0e0f:" HASH,
    };
    struct token_hash h;

    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
        CU_ASSERT_FALSE(token_hash_read(&h, BAD[i]));
}

static void test_new(void)
{
    char a[TOKEN_TEXT + 1], b[TOKEN_TEXT + 1];
    struct token_hash ha, hb;

    CU_ASSERT_EQUAL_FATAL(token_new(a, &ha), 0);
    CU_ASSERT_EQUAL_FATAL(token_new(b, &hb), 0);
    CU_ASSERT_EQUAL(strlen(a), TOKEN_TEXT);
    CU_ASSERT_EQUAL(strncmp(a, "cpt_", 4), 0);
    CU_ASSERT_EQUAL(
        strspn(a + 4, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 43);
    CU_ASSERT_STRING_NOT_EQUAL(a, b);
    CU_ASSERT_NOT_EQUAL(memcmp(ha.salt, hb.salt, TOKEN_SALT), 0);
    CU_ASSERT_TRUE(token_is(&ha, slice_str(a)));
    CU_ASSERT_TRUE(token_is(&hb, slice_str(b)));
    CU_ASSERT_FALSE(token_is(&ha, slice_str(b)));
    CU_ASSERT_FALSE(token_is(&hb, slice_str(a)));
}

static void test_long(void)
{
    char text[TOKEN_MAX + 1];
    struct token_hash h = {{0}, {0}};

    memset(text, 'x', sizeof(text));
    CU_ASSERT_FALSE(token_is(&h, slice_of(text, TOKEN_MAX)));
    CU_ASSERT_FALSE(token_is(&h, slice_of(text, TOKEN_MAX + 1)));
}

static const struct unit_case CASES[] = {
    {"a known hash", test_known},
    {"what is no hash", test_form},
    {"new ones", test_new},
    {"long ones", test_long},
};

UNIT_MAIN("token", CASES)
