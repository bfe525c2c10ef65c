#include "api/string_to_sign.h"
#include "base/buf.h"
#include "keeper/signer.h"
#include "unit/unit.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The 17 published vectors: what is signed, with which secret, and the result. */
static const struct {
    const char *name, *secret, *text, *signature;
} VECTORS[] = {
    {"doc-org", "secret", "xyz:space:/v1/org/1:myorgname",
     "a66f0f836c075414e525052df5af4bc7e84b7a67a3518ad88f70e0c83f72c8ce"},
    {"doc-array", "secret", "xyz:space:/v1/agent-group/1:1,2,3",
     "76f4e6278b4050ee9db9560a657cced2bca420cfec8a361d0cb630bdb5ea9561"},
    {"doc-agent", "secret", "xyz:space:/v1/agent/1:admin:myusername",
     "51ef4e9b5e789026e0ba176481f64149e7bf3df1fb5e605bdcceea8003768e9f"},
    {"delete-no-body", "secret", "xyz:space:/v1/org/1",
     "2cb2d4813aa556cc8026aacb751df38b5a82e15c022a923dc5850e9088503850"},
    {"empty-object", "secret", "xyz:space:/v1/org/1",
     "2cb2d4813aa556cc8026aacb751df38b5a82e15c022a923dc5850e9088503850"},
    {"empty-values", "secret",
     "xyz:space:/v1/tag::", "34417e816ed3238d07ba4e538c2ba2e17d38c5e39d86ea39a6697d74d062a0c5"},
    {"bool-and-int", "secret", "xyz:space:/v1/org:false:0:a",
     "beb2103e0748c645159bbe2c3261373910c4ee5a4bdb73f4631d5688426ce360"},
    {"unicode", "secret", "xyz:space:/v1/org:G\303\266teborg \303\245\360\237\230\200",
     "ed8b1b80971ac2df4f242102b63c9ab8e9f55a23297d56b0d832bed658d8b26b"},
    {"escapes", "secret", "xyz:space:/v1/area:a\"b\\c\012/d",
     "c4604f78a5304e79dffb1968ee50b3eb70e69855a155462f8016a507a40484ff"},
    {"bytewise-order", "secret", "xyz:space:/v1/area:0:a:1:2:3",
     "478400b17602067fd102d371dfbce06096d3a3150334d7c6ea341bddf024a4f3"},
    {"nested-flatten", "secret", "xyz:space:/v1/org:true:SE:123:n",
     "0fb43fa177bbb5ef2633b4ff90bd15d0e1f3c24f501ea079cbe08bdb64a70f2f"},
    {"nested-json", "secret",
     "xyz:space:/v1/"
     "org:{\"active\":true,\"language_code\":\"SE\",\"survey_reference_code\":\"123\"}:n",
     "141c9f9c5b334330a3209d975b5afaaa564638e1972ada444acb58fe606fd4bd"},
    {"array-of-struct-flatten", "secret", "xyz:space:/v1/area:1:API Agents,2:B:Area 1",
     "eac184ff741231d30e923951313401bab73adfda3fe1c6687a2bd25fcd1d4673"},
    {"array-of-struct-json", "secret",
     "xyz:space:/v1/area:[{\"id\":1,\"name\":\"API Agents\"},{\"id\":2,\"name\":\"B\"}]:Area 1",
     "f79fce57b101a7d58f3ab0299d3cd3c53eca0ee6be7d21adf7e5bd16438460b7"},
    {"working-time", "secret", "xyz:space:/v1/org:n:18:00:09:00:true:18:00:09:00:true",
     "85610d8e235a2da40a159cd9f816a00eee80b3a3d5d3c00f9b23eac76426ac35"},
    {"whitespace", "secret", "xyz:space:/v1/routing/keywords:1,2:account:Subject or text",
     "704163bc51f1164f7c575461605789b528564116d17ccdda0893081dd222023e"},
    {"long-key-id", "s3cr3t/+=", "b1Ze9QZzl_4aVmyKstVd3r7V4pXLkGwoXkN79adh:televox:/v1/org:x",
     "7b548daa66a9d9ba2986e5992992e4855d8a254f533650a78064fdf212b37137"},
};

static void test_vectors(void)
{
    struct signer *s = NULL;

    CU_ASSERT_EQUAL_FATAL(signer_new(&s), 0);
    CU_ASSERT_EQUAL(sizeof(VECTORS) / sizeof(VECTORS[0]), 17);
    for (size_t i = 0; i < sizeof(VECTORS) / sizeof(VECTORS[0]); i++) {
        char hex[SIGNER_HEX];

        CU_ASSERT_EQUAL(
            signer_sign(s, slice_str(VECTORS[i].secret), slice_str(VECTORS[i].text), hex), 0);
        CU_ASSERT_EQUAL(memcmp(hex, VECTORS[i].signature, SIGNER_HEX), 0);
    }
    signer_free(s);
}

/* From values to the signature, as the keeper goes about it. */
static void test_from_fields(void)
{
    static const struct request_field FIELDS[] = {
        {SLICE_LIT("login_name"), SLICE_LIT("admin"), REQUEST_STRING},
        {SLICE_LIT("user_name"), SLICE_LIT("myusername"), REQUEST_STRING},
    };
    struct buf text = BUF_INIT(4096);
    struct signer *s = NULL;
    char hex[SIGNER_HEX];

    CU_ASSERT_EQUAL_FATAL(signer_new(&s), 0);
    CU_ASSERT_EQUAL(string_to_sign(&text, SLICE_LIT("xyz"), SLICE_LIT("space"),
                                   SLICE_LIT("/v1/agent/1"), FIELDS, 2),
                    0);
    CU_ASSERT_EQUAL(signer_sign(s, SLICE_LIT("secret"), buf_slice(&text), hex), 0);
    CU_ASSERT_EQUAL(
        memcmp(hex, "51ef4e9b5e789026e0ba176481f64149e7bf3df1fb5e605bdcceea8003768e9f", 64), 0);
    buf_deinit(&text);
    signer_free(s);
}

/* One signature leaves nothing behind that changes the next. */
static void test_independent(void)
{
    char a[SIGNER_HEX], b[SIGNER_HEX], again[SIGNER_HEX];
    struct signer *s = NULL;

    CU_ASSERT_EQUAL_FATAL(signer_new(&s), 0);
    CU_ASSERT_EQUAL(signer_sign(s, SLICE_LIT("one"), SLICE_LIT("text"), a), 0);
    CU_ASSERT_EQUAL(signer_sign(s, SLICE_LIT("two"), SLICE_LIT("text"), b), 0);
    CU_ASSERT_EQUAL(signer_sign(s, SLICE_LIT("one"), SLICE_LIT("text"), again), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(a, b, SIGNER_HEX), 0);
    CU_ASSERT_EQUAL(memcmp(a, again, SIGNER_HEX), 0);
    signer_free(s);
}

static void test_empty(void)
{
    static const char ZERO[SIGNER_HEX];
    struct signer *s = NULL;
    char hex[SIGNER_HEX];

    CU_ASSERT_EQUAL_FATAL(signer_new(&s), 0);
    memset(hex, 'x', sizeof(hex));
    CU_ASSERT_EQUAL(signer_sign(s, SLICE_NULL, SLICE_LIT("text"), hex), -EINVAL);
    CU_ASSERT_EQUAL(memcmp(hex, ZERO, sizeof(hex)), 0);
    CU_ASSERT_EQUAL(signer_sign(s, SLICE_LIT("k"), SLICE_NULL, hex), 0);
    signer_free(s);
    signer_free(NULL);
}

static const char *text_of(struct json_object *o, const char *name)
{
    struct json_object *value = NULL;

    CU_ASSERT_FATAL(json_object_object_get_ex(o, name, &value));
    return json_object_get_string(value);
}

static struct buf unhex(const char *hex)
{
    struct buf b = BUF_INIT(65536);
    unsigned byte;

    for (; sscanf(hex, "%2x", &byte) == 1; hex += 2) {
        char c = (char)byte;

        CU_ASSERT_EQUAL(buf_append(&b, &c, 1), 0);
    }
    return b;
}

static void wycheproof_case(const struct signer *s, struct json_object *test)
{
    struct buf key = unhex(text_of(test, "key")), text = unhex(text_of(test, "msg"));
    const char *tag = text_of(test, "tag");
    bool valid = strcmp(text_of(test, "result"), "valid") == 0;
    char hex[SIGNER_HEX];

    CU_ASSERT(strlen(tag) <= SIGNER_HEX);
    CU_ASSERT_EQUAL(signer_sign(s, buf_slice(&key), buf_slice(&text), hex), 0);
    CU_ASSERT_EQUAL(memcmp(hex, tag, strlen(tag)) == 0, valid);
    buf_deinit(&key);
    buf_deinit(&text);
}

static void test_wycheproof(void)
{
    const char *shared = getenv("CENTION_SHARED");
    struct json_object *root, *groups = NULL, *tests = NULL;
    struct signer *s = NULL;
    char path[4096];
    size_t n = 0;

    snprintf(path, sizeof(path), "%s/corpora/wycheproof/hmac_sha256_test.json",
             shared ? shared : UNIT_SRCDIR "/../shared");
    root = json_object_from_file(path);
    if (!root) {
        unit_skip("the Wycheproof corpus is not there");
        return;
    }
    CU_ASSERT_EQUAL_FATAL(signer_new(&s), 0);
    CU_ASSERT_FATAL(json_object_object_get_ex(root, "testGroups", &groups));
    for (size_t i = 0; i < json_object_array_length(groups); i++) {
        CU_ASSERT_FATAL(
            json_object_object_get_ex(json_object_array_get_idx(groups, i), "tests", &tests));
        for (size_t k = 0; k < json_object_array_length(tests); k++, n++)
            wycheproof_case(s, json_object_array_get_idx(tests, k));
    }
    CU_ASSERT_EQUAL(n, 174);
    signer_free(s);
    json_object_put(root);
}

static const struct unit_case CASES[] = {
    {"published vectors", test_vectors}, {"from fields", test_from_fields},
    {"independent", test_independent},   {"empty", test_empty},
    {"Wycheproof", test_wycheproof},
};

UNIT_MAIN("signer", CASES)
