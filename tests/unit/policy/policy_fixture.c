#include "unit/policy/policy_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int policy_read(struct policy **out, const char *text, struct err *err)
{
    char path[] = "/tmp/test_policy.XXXXXX";
    struct settings *file = NULL;
    int fd = mkostemp(path, 0), r;

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    r = settings_open_named(&file, path, "keeper.conf", err);
    CU_ASSERT_EQUAL_FATAL(r, 0);
    r = policy_conf_read(settings_root(file), out, err);
    settings_free(file);
    unlink(path);
    return r;
}

struct policy *policy_of(const char *text)
{
    struct policy *policy = NULL;
    struct err err = ERR_INIT;

    CU_ASSERT_EQUAL_FATAL(policy_read(&policy, text, &err), 0);
    return policy;
}
