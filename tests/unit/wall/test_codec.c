#include "unit/unit.h"
#include "wall/codec.h"

#include <errno.h>
#include <stdlib.h>

static struct wire_space space;

static const struct request_field TWO[] = {{{"areas", 5}, {"1,2", 3}, REQUEST_ARRAY},
                                           {{"name", 4}, {"", 0}, REQUEST_STRING}};

static const struct request_problem THREE[] = {{{"a.b", 3}, {"invalid_field", 13}, {"no", 2}},
                                               {{"", 0}, {"unknown_endpoint", 16}, {"not", 3}},
                                               {{"c", 1}, {"missing_field", 13}, {"", 0}}};

static const struct client_identity WHO = {.name = {"app", 3},
                                           .uid = 1000,
                                           .user = {"u", 1},
                                           .pid = 77,
                                           .exe = {"/bin/x", 6},
                                           .via = {"unix", 4},
                                           .address = {"unix:/s", 7},
                                           .unit = {"a.service", 9},
                                           .certificate = {"site-1", 6},
                                           .token = {"t0ken", 5}};

static const struct wire_receipt SINKS[WIRE_RECEIPTS_MAX] = {{{"archive", 7}, 12, 3000000},
                                                             {{"b", 1}, UINT64_MAX, 0}};

static const char HEX[] = "a66f0f836c075414e525052df5af4bc7e84b7a67a3518ad88f70e0c83f72c8ce";

/* One of each type, every field set. */
static size_t samples(struct wire_message out[11])
{
    size_t n = 0;

    out[n++] = (struct wire_message){.type = WIRE_HELLO, .version = WIRE_VERSION};
    out[n++] = (struct wire_message){.type = WIRE_WELCOME,
                                     .state = {.id = 0, .audit_ok = 1, .records = 5, .syncs = 3}};
    out[n++] = (struct wire_message){.type = WIRE_SIGN,
                                     .sign = {.id = UINT64_MAX,
                                              .request_id = SLICE_LIT("req-1"),
                                              .client = WHO,
                                              .method = SLICE_LIT("POST"),
                                              .workspace = SLICE_LIT("televox"),
                                              .path = SLICE_LIT("/v1/tag"),
                                              .n_fields = 2,
                                              .fields = TWO,
                                              .n_problems = 2,
                                              .problems = THREE}};
    out[n++] = (struct wire_message){
        .type = WIRE_SIGNED,
        .signed_ = {.id = 9, .key_id = SLICE_LIT("xyz"), .signature = {HEX, WIRE_SIGNATURE}}};
    out[n++] = (struct wire_message){
        .type = WIRE_REFUSED,
        .refused = {.id = 9, .reason = WIRE_REASON_AUDIT, .text = SLICE_LIT("disk full")}};
    out[n++] = (struct wire_message){
        .type = WIRE_OUTCOME,
        .outcome = {.id = 9,
                    .status = 599,
                    .sent = WIRE_SENT_PARTIAL,
                    .duration_us = 1234567890123,
                    .error = SLICE_LIT("why"),
                    .answer = {.what = REQUEST_ANSWER_THERE | REQUEST_ANSWER_OBJECT,
                               .object = SLICE_LIT("/v1/tag/7"),
                               .n_fields = 2,
                               .fields = TWO,
                               .error = SLICE_LIT("taken"),
                               .bytes = 1234567890123,
                               .sha256 = {HEX, REQUEST_SHA256},
                               .n_problems = 3,
                               .problems = THREE,
                               .problems_total = 9}}};
    out[n++] = (struct wire_message){.type = WIRE_REJECT,
                                     .reject = {.id = 9,
                                                .request_id = SLICE_LIT("r"),
                                                .client = WHO,
                                                .method = SLICE_LIT("GET"),
                                                .path = SLICE_LIT("/x"),
                                                .status = 404,
                                                .code = SLICE_LIT("unknown_endpoint"),
                                                .error = SLICE_LIT("no"),
                                                .field = SLICE_LIT("a.b"),
                                                .n_problems = 3,
                                                .problems = THREE}};
    out[n++] = (struct wire_message){.type = WIRE_RECORDED, .recorded = {.id = 9, .durable = 1}};
    out[n++] = (struct wire_message){.type = WIRE_PING, .id = 4};
    out[n++] = (struct wire_message){.type = WIRE_STATE,
                                     .state = {.id = 4,
                                               .audit_ok = 0,
                                               .reason = SLICE_LIT("full"),
                                               .signatures = 1,
                                               .waiting = 7,
                                               .quota = 9,
                                               .n_receipts = 2,
                                               .receipts = SINKS}};
    out[n++] = (struct wire_message){
        .type = WIRE_REFUSED,
        .refused = {.id = 9, .reason = WIRE_REASON_UNKNOWN_CLIENT, .text = SLICE_LIT("who?")}};
    return n;
}

static void every_message_there_and_back(void)
{
    struct wire_message all[11];
    size_t n = samples(all);

    for (size_t i = 0; i < n; i++) {
        struct buf once = BUF_INIT(65536), twice = BUF_INIT(65536);
        struct wire_message m;
        const char *why = NULL;
        size_t used = 0;

        CU_ASSERT_EQUAL_FATAL(codec_encode(&once, &all[i]), 0);
        CU_ASSERT_EQUAL_FATAL(codec_decode(buf_slice(&once), &m, &space, &used, &why), CODEC_DONE);
        CU_ASSERT_EQUAL(used, buf_len(&once));
        CU_ASSERT_EQUAL(m.type, all[i].type);
        CU_ASSERT_EQUAL_FATAL(codec_encode(&twice, &m), 0);
        CU_ASSERT_TRUE(slice_eq(buf_slice(&once), buf_slice(&twice)));
        buf_deinit(&once);
        buf_deinit(&twice);
    }
}

static void what_is_signed_crosses_whole(void)
{
    struct wire_message all[11], m;
    struct buf b = BUF_INIT(65536);
    const char *why = NULL;
    size_t used = 0;

    (void)samples(all);
    CU_ASSERT_EQUAL_FATAL(codec_encode(&b, &all[2]), 0);
    CU_ASSERT_EQUAL_FATAL(codec_decode(buf_slice(&b), &m, &space, &used, &why), CODEC_DONE);
    CU_ASSERT_EQUAL(m.sign.id, UINT64_MAX);
    CU_ASSERT_TRUE(slice_eq(m.sign.request_id, SLICE_LIT("req-1")));
    CU_ASSERT_EQUAL(m.sign.client.uid, 1000);
    CU_ASSERT_EQUAL(m.sign.client.pid, 77);
    CU_ASSERT_TRUE(slice_eq(m.sign.client.address, SLICE_LIT("unix:/s")));
    CU_ASSERT_TRUE(slice_eq(m.sign.client.unit, SLICE_LIT("a.service")));
    CU_ASSERT_TRUE(slice_eq(m.sign.client.certificate, SLICE_LIT("site-1")));
    CU_ASSERT_TRUE(slice_eq(m.sign.client.token, SLICE_LIT("t0ken")));
    CU_ASSERT_TRUE(slice_eq(m.sign.path, SLICE_LIT("/v1/tag")));
    CU_ASSERT_EQUAL(m.sign.n_fields, 2);
    CU_ASSERT_TRUE(slice_eq(m.sign.fields[0].value, SLICE_LIT("1,2")));
    CU_ASSERT_TRUE(slice_eq(m.sign.fields[1].name, SLICE_LIT("name")));
    CU_ASSERT_EQUAL(m.sign.fields[1].value.len, 0);
    CU_ASSERT_EQUAL(m.sign.n_problems, 2);
    CU_ASSERT_TRUE(slice_eq(m.sign.problems[0].field, SLICE_LIT("a.b")));
    CU_ASSERT_TRUE(slice_eq(m.sign.problems[1].code, SLICE_LIT("unknown_endpoint")));
    CU_ASSERT_TRUE(slice_eq(m.sign.problems[1].error, SLICE_LIT("not")));
    buf_deinit(&b);
}

/* A message cut anywhere is partial; one whose length says less than its fields is bad. */
static void cut_at_every_byte(void)
{
    struct wire_message all[11];
    size_t n = samples(all);

    for (size_t i = 0; i < n; i++) {
        struct buf b = BUF_INIT(65536);
        size_t len;

        CU_ASSERT_EQUAL_FATAL(codec_encode(&b, &all[i]), 0);
        len = buf_len(&b);
        for (size_t cut = 0; cut < len; cut++) {
            char *g = unit_guard(buf_slice(&b).data, cut);
            struct wire_message m;
            const char *why = NULL;
            size_t used = 0;

            CU_ASSERT_EQUAL(codec_decode(slice_of(g, cut), &m, &space, &used, &why), CODEC_PARTIAL);
            if (cut >= WIRE_HEADER) {
                uint32_t shorter = (uint32_t)(cut - WIRE_HEADER);

                for (unsigned k = 0; k < 4; k++)
                    g[k] = (char)(shorter >> (8 * k));
                CU_ASSERT_EQUAL(codec_decode(slice_of(g, cut), &m, &space, &used, &why), CODEC_BAD);
                CU_ASSERT_PTR_NOT_NULL(why);
            }
            unit_guard_free(g, cut);
        }
        buf_deinit(&b);
    }
}

static void as_many_receipts_as_there_may_be(void)
{
    struct wire_message m = {.type = WIRE_STATE,
                             .state = {.waiting = 5,
                                       .quota = 6,
                                       .n_receipts = WIRE_RECEIPTS_MAX,
                                       .receipts = SINKS}},
                        out;
    struct buf b = BUF_INIT(1 << 16);
    const char *why = NULL;
    size_t used = 0, number;

    CU_ASSERT_EQUAL_FATAL(codec_encode(&b, &m), 0);
    CU_ASSERT_EQUAL_FATAL(codec_decode(buf_slice(&b), &out, &space, &used, &why), CODEC_DONE);
    CU_ASSERT_EQUAL(out.state.waiting, 5);
    CU_ASSERT_EQUAL(out.state.quota, 6);
    CU_ASSERT_EQUAL_FATAL(out.state.n_receipts, WIRE_RECEIPTS_MAX);
    CU_ASSERT_TRUE(slice_eq(out.state.receipts[0].name, SLICE_LIT("archive")));
    CU_ASSERT_EQUAL(out.state.receipts[0].records, 12);
    CU_ASSERT_EQUAL(out.state.receipts[0].age_us, 3000000);
    CU_ASSERT_EQUAL(out.state.receipts[1].records, UINT64_MAX);
    /* One more than fits, whatever follows. */
    number = WIRE_HEADER + 8 + 4 + 4 + 5 * 8;
    CU_ASSERT_EQUAL_FATAL(b.data[b.head + number], WIRE_RECEIPTS_MAX);
    b.data[b.head + number]++;
    CU_ASSERT_EQUAL(codec_decode(buf_slice(&b), &out, &space, &used, &why), CODEC_BAD);
    buf_deinit(&b);
    m.state.n_receipts++;
    CU_ASSERT_EQUAL(codec_encode(&b, &m), -EMSGSIZE);
    buf_deinit(&b);
}

static int decode(const char *data, size_t len)
{
    struct wire_message m;
    const char *why = NULL;
    size_t used = 0;

    return codec_decode(slice_of(data, len), &m, &space, &used, &why);
}

static void hostile_bytes(void)
{
    static const struct {
        const char *data;
        size_t len;
    } BAD[] = {
        {"\0\0\0\0\0\0\0\0", 8},                                      /* no type */
        {"\0\0\0\0\x63\0\0\0", 8},                                    /* unknown type */
        {"\x08\0\0\0\x09\1\0\0AAAAAAAA", 16},                         /* reserved bytes set */
        {"\xff\xff\xff\xff\x09\0\0\0", 8},                            /* too long */
        {"\1\0\x90\0\x09\0\0\0", 8},                                  /* one byte too long */
        {"\x09\0\0\0\x09\0\0\0AAAAAAAAB", 17},                        /* one byte left over */
        {"\x0c\0\0\0\x08\0\0\0AAAAAAAA\2\0\0\0", 20},                 /* durable = 2 */
        {"\x0c\0\0\0\x05\0\0\0AAAAAAAA\x09\0\0\0", 20},               /* reason = 9 */
        {"\x10\0\0\0\x05\0\0\0AAAAAAAA\1\0\0\0\xff\xff\xff\xff", 24}, /* string too long */
        {"\x10\0\0\0\x04\0\0\0AAAAAAAA\0\0\0\0\0\0\0\0", 24},         /* no signature */
    };

    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
        CU_ASSERT_EQUAL(decode(BAD[i].data, BAD[i].len), CODEC_BAD);
    CU_ASSERT_EQUAL(decode("", 0), CODEC_PARTIAL);
}

static void limits_hold_when_encoding(void)
{
    static char much[REQUEST_TEXT_MAX + 1];
    struct wire_message all[11], m;
    struct buf b = BUF_INIT(65536);

    memset(much, 'a', sizeof(much));
    (void)samples(all);
    CU_ASSERT_EQUAL(buf_append(&b, "kept", 4), 0);
    m = all[2];
    m.sign.request_id = slice_of(much, REQUEST_ID_MAX + 1);
    CU_ASSERT_EQUAL(codec_encode(&b, &m), -EMSGSIZE);
    m = all[2];
    m.sign.path = slice_of(much, sizeof(much));
    CU_ASSERT_EQUAL(codec_encode(&b, &m), -EMSGSIZE);
    m = all[2];
    m.sign.n_fields = REQUEST_FIELDS_MAX + 1;
    CU_ASSERT_EQUAL(codec_encode(&b, &m), -EMSGSIZE);
    m = all[2];
    m.sign.n_problems = REQUEST_PROBLEMS_MAX + 1;
    CU_ASSERT_EQUAL(codec_encode(&b, &m), -EMSGSIZE);
    m = all[6];
    m.reject.n_problems = REQUEST_PROBLEMS_MAX + 1;
    CU_ASSERT_EQUAL(codec_encode(&b, &m), -EMSGSIZE);
    m = all[5];
    m.outcome.error = slice_of(much, sizeof(much));
    CU_ASSERT_EQUAL(codec_encode(&b, &m), -EMSGSIZE);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&b), SLICE_LIT("kept")));
    buf_deinit(&b);
}

static void a_small_buffer_is_left_as_it_was(void)
{
    struct wire_message all[11];
    struct buf b = BUF_INIT(40);

    (void)samples(all);
    CU_ASSERT_EQUAL(codec_encode(&b, &all[2]), -ENOBUFS);
    CU_ASSERT_EQUAL(buf_len(&b), 0);
    buf_deinit(&b);
}

/* The list's length stands before it: one too many is bad, whatever follows. */
static void as_many_problems_as_a_report_lists(void)
{
    static struct request_problem all[REQUEST_PROBLEMS_MAX];
    struct wire_message m = {.type = WIRE_REJECT,
                             .reject = {.id = 1, .status = 422, .problems = all}},
                        out;
    struct buf b = BUF_INIT(1 << 20);
    const char *why = NULL;
    size_t used = 0, empty;

    CU_ASSERT_EQUAL_FATAL(codec_encode(&b, &m), 0);
    empty = buf_len(&b);
    buf_consume(&b, buf_len(&b));
    m.reject.n_problems = REQUEST_PROBLEMS_MAX;
    for (size_t i = 0; i < REQUEST_PROBLEMS_MAX; i++)
        all[i] = (struct request_problem){slice_of(HEX, i % 65), slice_of(HEX, i % 7), {HEX, 3}};
    CU_ASSERT_EQUAL_FATAL(codec_encode(&b, &m), 0);
    CU_ASSERT_EQUAL_FATAL(codec_decode(buf_slice(&b), &out, &space, &used, &why), CODEC_DONE);
    CU_ASSERT_EQUAL(out.reject.n_problems, REQUEST_PROBLEMS_MAX);
    for (size_t i = 0; i < REQUEST_PROBLEMS_MAX; i++)
        CU_ASSERT(slice_eq(out.reject.problems[i].field, all[i].field) &&
                  slice_eq(out.reject.problems[i].code, all[i].code));
    /* The number is the last thing of a message without problems. */
    CU_ASSERT_EQUAL_FATAL((unsigned char)b.data[b.head + empty - 3], REQUEST_PROBLEMS_MAX >> 8);
    b.data[b.head + empty - 4] = 1;
    CU_ASSERT_EQUAL(codec_decode(buf_slice(&b), &out, &space, &used, &why), CODEC_BAD);
    buf_deinit(&b);
}

static const struct unit_case CASES[] = {
    {"every message there and back", every_message_there_and_back},
    {"what is signed crosses whole", what_is_signed_crosses_whole},
    {"cut at every byte", cut_at_every_byte},
    {"as many problems as a report lists", as_many_problems_as_a_report_lists},
    {"as many receipts as there may be", as_many_receipts_as_there_may_be},
    {"hostile bytes", hostile_bytes},
    {"limits hold when encoding", limits_hold_when_encoding},
    {"a small buffer is left as it was", a_small_buffer_is_left_as_it_was},
};
UNIT_MAIN("codec", CASES)
