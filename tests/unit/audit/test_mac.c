#include "audit/mac.h"
#include "base/hex.h"
#include "unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* The key is the bytes 0 to 31. */
static struct mac *mac(void)
{
    unsigned char key[MAC_KEY];
    struct mac *m = NULL;

    for (unsigned i = 0; i < MAC_KEY; i++)
        key[i] = (unsigned char)i;
    CU_ASSERT_EQUAL_FATAL(mac_new(&m, key), 0);
    return m;
}

static void expect(const unsigned char bytes[MAC_BYTES], const char *digits)
{
    char text[2 * MAC_BYTES + 1] = {0};

    hex_put(text, bytes, MAC_BYTES);
    CU_ASSERT_STRING_EQUAL(text, digits);
}

/* From Python's hmac.new(bytes(range(32)), b"cention-audit-field-1\0" + value, "sha256"). */
static void test_field(void)
{
    static const struct {
        const char *value, *mac;
    } CASES[] = {
        {"", "46a2973f164daa1366ed8bf9cb66fd2c56b0d66828be94c19cfb86dc896ad00c"},
        {"bob@example.com", "2eee348cea34228a1d206ca86f265eeedca1f68cb7fbe98d7a916cb3e6506b2e"},
        {"+46701234567", "2ca6f276451ec9b63ec2f8c72525869026f1751a9e24d15c1716261e151c5549"},
    };
    struct mac *m = mac();
    unsigned char bytes[MAC_BYTES];

    for (int round = 0; round < 2; round++) /* a hash leaves nothing behind */
        for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
            CU_ASSERT_EQUAL(mac_field(m, slice_str(CASES[i].value), bytes), 0);
            expect(bytes, CASES[i].mac);
        }
    mac_free(m);
    mac_free(NULL);
}

/* ... b"cention-audit-body-1\0" + b"".join(struct.pack(">I", len(s)) + s for s in ...) */
static void test_body(void)
{
    static const struct request_field FIELDS[] = {
        {SLICE_LIT("login_name"), SLICE_LIT("admin"), REQUEST_STRING},
        {SLICE_LIT("user_name"), SLICE_LIT(""), REQUEST_STRING},
    };
    static char long_value[5000];
    struct request_field fields[3] = {{SLICE_LIT("a"), SLICE_LIT("1"), REQUEST_STRING}};
    struct mac *m = mac();
    unsigned char bytes[MAC_BYTES];

    CU_ASSERT_EQUAL(mac_body(m, NULL, 0, bytes), 0);
    expect(bytes, "775b35210a989d26e09593dffc53acf3c70a2f27935da72a2bfc27bbc257d18b");
    CU_ASSERT_EQUAL(mac_body(m, FIELDS, 2, bytes), 0);
    expect(bytes, "5d48a94095769f1026f727f7715f8e093a605dc218cfe6e5e25e7fbba91e2b38");
    /* Pieces that are gathered, and one that is too long for it. */
    memset(long_value, 'x', sizeof(long_value));
    fields[1] = (struct request_field){SLICE_LIT("b"), slice_of(long_value, sizeof(long_value)),
                                       REQUEST_STRING};
    fields[2] = (struct request_field){SLICE_LIT("c"), slice_of(long_value, 1000), REQUEST_STRING};
    CU_ASSERT_EQUAL(mac_body(m, fields, 3, bytes), 0);
    expect(bytes, "49b53107e6e262edb8a4dba4f17193b46d365e4a842f86bda0aeb1ab030a5212");
    mac_free(m);
}

/* Where a name ends and its value begins is part of it. */
static void test_body_borders(void)
{
    struct request_field one = {SLICE_LIT("ab"), SLICE_LIT("c"), REQUEST_STRING};
    struct request_field other = {SLICE_LIT("a"), SLICE_LIT("bc"), REQUEST_STRING};
    struct mac *m = mac();
    unsigned char x[MAC_BYTES], y[MAC_BYTES];

    CU_ASSERT_EQUAL(mac_body(m, &one, 1, x), 0);
    CU_ASSERT_EQUAL(mac_body(m, &other, 1, y), 0);
    CU_ASSERT(memcmp(x, y, sizeof(x)) != 0);
    mac_free(m);
}

static void test_key_id(void)
{
    struct mac *m = mac();
    char id[MAC_KEY_ID];

    CU_ASSERT_EQUAL(mac_key_id(m, id), 0);
    CU_ASSERT(slice_eq(slice_of(id, sizeof(id)), SLICE_LIT("1528fd7ff43394e1")));
    mac_free(m);
}

static void test_key_read(void)
{
    unsigned char key[MAC_KEY];

    for (int n = MAC_KEY - 1; n <= MAC_KEY + 1; n++) {
        int fd = memfd_create("key", MFD_CLOEXEC);

        CU_ASSERT_EQUAL(ftruncate(fd, n), 0);
        CU_ASSERT_EQUAL(mac_key_read(fd, key), n == MAC_KEY ? 0 : -EINVAL);
        close(fd);
    }
    CU_ASSERT_EQUAL(mac_key_read(-1, key), -EBADF);
}

static const struct unit_case CASES[] = {
    {"of a value", test_field},
    {"of a body", test_body},
    {"borders in a body", test_body_borders},
    {"of the key", test_key_id},
    {"a key file", test_key_read},
};

UNIT_MAIN("mac", CASES)
