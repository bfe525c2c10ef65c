#include "ctl/central/archive_open.h"
#include "unit/central/archive_fixture.h"

#include <errno.h>
#include <stdio.h>

static int opened(const char *url, struct err *err)
{
    struct archive *archive = NULL;
    int r;

    *err = ERR_INIT;
    r = archive_open(&archive, url, err);
    CU_ASSERT_EQUAL(r == 0, archive != NULL);
    CU_ASSERT_EQUAL(r == 0, err->text[0] == '\0');
    archive_close(archive);
    return r;
}

/* Nothing of what may be a password is told. */
static void test_refused(void)
{
    static const char *const URLS[] = {"mysql://eva:secret@db/audit",
                                       "secret",
                                       "",
                                       "host=db password=secret",
                                       "/var/log/secret:postgresql:x",
                                       ":secret",
                                       "dir:",
                                       "file://secret/x",
                                       "dir://secret"};
    struct err err;

    for (size_t i = 0; i < sizeof(URLS) / sizeof(URLS[0]); i++) {
        CU_ASSERT_EQUAL(opened(URLS[i], &err), -EINVAL);
        CU_ASSERT_PTR_NULL(strstr(err.text, "secret"));
    }
    CU_ASSERT_EQUAL(opened("mysql://eva:secret@db/audit", &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "mysql:"));
}

/* Known kinds are told from unknown ones whether they are built in or not. */
static void test_known(void)
{
    struct err err;

    CU_ASSERT_NOT_EQUAL(opened("postgresql://eva:secret@127.0.0.1:1/audit", &err), 0);
    CU_ASSERT_PTR_NULL(strstr(err.text, "secret"));
    CU_ASSERT_PTR_NULL(strstr(err.text, "none of"));
    CU_ASSERT_NOT_EQUAL(opened("nats://eva:secret@127.0.0.1:1", &err), 0);
    CU_ASSERT_PTR_NULL(strstr(err.text, "secret"));
    CU_ASSERT_PTR_NULL(strstr(err.text, "none of"));
}

static void test_folders(void)
{
    char folder[64], url[96];
    struct err err;

    made_log(folder, 1, true);
    snprintf(url, sizeof(url), "dir:%s", folder);
    CU_ASSERT_EQUAL(opened(url, &err), 0);
    snprintf(url, sizeof(url), "DIR://%s", folder);
    CU_ASSERT_EQUAL(opened(url, &err), 0);
    snprintf(url, sizeof(url), "file://%s/", folder);
    CU_ASSERT_EQUAL(opened(url, &err), 0);
    CU_ASSERT_EQUAL(opened("dir:/nowhere/at/all", &err), -ENOENT);
    archive_close(NULL);
    unit_remove(folder);
}

static const struct unit_case CASES[] = {
    {"refused", test_refused}, {"known", test_known}, {"folders", test_folders}};

UNIT_MAIN("archive_open", CASES)
