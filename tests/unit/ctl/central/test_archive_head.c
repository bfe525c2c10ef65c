#include "audit/verify.h"
#include "ctl/central/archive_head.h"
#include "unit/central/archive_fixture.h"

#include <errno.h>
#include <stdlib.h>

static char folder[64];
static struct fake f;

static void setup(void)
{
    fake_begin(&f, folder, 8);
}

static void cleanup(void)
{
    fake_end(&f, folder);
}

static int head(struct verify *v, uint64_t last, struct err *err)
{
    char host[] = "web1";
    struct archive_entry entry = {.log = f.rows[0].log, .host = host, .first = 1, .last = last};

    *err = ERR_INIT;
    return archive_head(v, &f.archive, &entry, err);
}

static void test_newest(void)
{
    struct buf text = BUF_INIT(4096);
    struct verify_head read;
    struct verify v;
    struct err err;

    setup();
    /* Whether the centre says where the log ends or not. */
    for (unsigned i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL_FATAL(head(&v, i ? f.n : UINT64_MAX, &err), 0);
        CU_ASSERT_EQUAL(v.seal.seq, f.n - 1);
        buf_reset(&text, 0);
        CU_ASSERT_EQUAL(head_write(&text, &v), 0);
        CU_ASSERT_PTR_NULL(head_read(buf_slice(&text), &read));
        CU_ASSERT_EQUAL(read.seq, f.n - 1);
        verify_deinit(&v);
    }
    buf_deinit(&text);
    cleanup();
}

static void test_none(void)
{
    struct verify v;
    struct err err;

    setup();
    while (f.n > 3)
        fake_delete(&f, f.n - 1);
    CU_ASSERT_EQUAL(head(&v, UINT64_MAX, &err), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "no signature"));
    verify_deinit(&v);
    f.rows[2].line[40] ^= 1;
    CU_ASSERT_EQUAL(head(&v, UINT64_MAX, &err), -EBADMSG);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "seq 3: broken"));
    verify_deinit(&v);
    f.rows[2].line[40] ^= 1;
    f.fail = -EPIPE;
    CU_ASSERT_EQUAL(head(&v, UINT64_MAX, &err), -EPIPE);
    verify_deinit(&v);
    cleanup();
}

static const struct unit_case CASES[] = {{"newest", test_newest}, {"none", test_none}};

UNIT_MAIN("archive_head", CASES)
