/*
 * Targets and the names in them: one spelling each, and every near miss refused.
 */
#include "api/target.h"

#include "unit/unit.h"

#include <stdio.h>
#include <string.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

static int parse(const char *text, struct target *out, char **guarded, size_t *n)
{
    const char *why = NULL;
    int r;

    *n = strlen(text);
    *guarded = unit_guard(text, *n);
    r = target_parse(slice_of(*guarded, *n), out, &why);
    CU_ASSERT((r == 0) == (why == NULL));
    return r;
}

static void accepted(void)
{
    static const struct {
        const char *target, *workspace, *path;
    } WANTED[] = {
        {"/v1/org", "", "/v1/org"},
        {"/v1/org/1", "", "/v1/org/1"},
        {"/s/televox/v1/org/1", "televox", "/v1/org/1"},
        {"/s/a.b_c-D9/v1/routing/keywords/12", "a.b_c-D9", "/v1/routing/keywords/12"},
        {"/s/.../v1/a~b.c_d-e", "...", "/v1/a~b.c_d-e"},
        {"/s/v1/v1/x", "v1", "/v1/x"},
        {"/s/s/v1/...", "s", "/v1/..."},
    };

    for (size_t i = 0; i < N(WANTED); i++) {
        struct target t;
        char *guarded;
        size_t n;

        CU_ASSERT_EQUAL(parse(WANTED[i].target, &t, &guarded, &n), 0);
        CU_ASSERT(slice_eq(t.workspace, slice_str(WANTED[i].workspace)));
        CU_ASSERT(slice_eq(t.path, slice_str(WANTED[i].path)));
        unit_guard_free(guarded, n);
    }
}

static void check_refused(const char *target, int wanted)
{
    struct target t;
    char *guarded;
    size_t n;
    int r = parse(target, &t, &guarded, &n);

    if (r != wanted)
        printf("\n    %s: %d, not %d", target, r, wanted);
    CU_ASSERT_EQUAL(r, wanted);
    unit_guard_free(guarded, n);
}

static void bad_requests(void)
{
    static const char *const BAD[] = {
        "/v1/org?",      "/v1/org?a=b", "/s/w/v1/org?x", "?", "/v1/or%67",      "/v1/%6frg",
        "/s/%77/v1/org", "/v1/org%00",  "/v1/org%2F1",   "%", "/v1/%2e%2e/org", "/v1/org%3Fx"};

    for (size_t i = 0; i < N(BAD); i++)
        check_refused(BAD[i], TARGET_BAD_REQUEST);
}

static void unknown(void)
{
    static const char *const UNKNOWN[] = {"",
                                          "/",
                                          "*",
                                          "v1/org",
                                          "/v1",
                                          "/v1/",
                                          "/v2/org",
                                          "/V1/org",
                                          "/v1org",
                                          "//v1/org",
                                          "/v1//org",
                                          "/v1/org/",
                                          "/v1/org//1",
                                          "/v1/./org",
                                          "/v1/../org",
                                          "/v1/org/.",
                                          "/v1/org/..",
                                          "/v1/org:1",
                                          "/v1/a b",
                                          "/v1/org;a",
                                          "/v1/org,1",
                                          "/v1/org#f",
                                          "/v1/org\\1",
                                          "/v1/\xc3\xa5",
                                          "/v1/{id}",
                                          "/v1/a@b",
                                          "/v1/a+b",
                                          "/v1/a=b",
                                          "/v1/a&b",
                                          "/v1/a!",
                                          "/s",
                                          "/s/",
                                          "/s//v1/org",
                                          "/s/w",
                                          "/s/w/",
                                          "/s/w/v1",
                                          "/s/w/v1/",
                                          "/s/w//v1/org",
                                          "/s/./v1/org",
                                          "/s/../v1/org",
                                          "/s/w:x/v1/org",
                                          "/s/w~/v1/org",
                                          "/s/a b/v1/org",
                                          "/s/w/v2/org",
                                          "/S/w/v1/org",
                                          "/s/w/s/x/v1/org",
                                          "/s/\xc3\xa5/v1/org",
                                          "http://h/v1/org",
                                          "/s/w/org"};

    for (size_t i = 0; i < N(UNKNOWN); i++)
        check_refused(UNKNOWN[i], TARGET_UNKNOWN);
}

static void lengths(void)
{
    char text[TARGET_PATH_MAX + 2], target[sizeof(text) + 16];

    memset(text, 'a', sizeof(text));
    CU_ASSERT(target_workspace_ok(slice_of(text, 1)));
    CU_ASSERT(target_workspace_ok(slice_of(text, 64)));
    CU_ASSERT_FALSE(target_workspace_ok(slice_of(text, 65)));
    CU_ASSERT_FALSE(target_workspace_ok(SLICE_NULL));
    memcpy(text, "/v1/", 4);
    CU_ASSERT(target_path_ok(slice_of(text, TARGET_PATH_MAX)));
    CU_ASSERT_FALSE(target_path_ok(slice_of(text, TARGET_PATH_MAX + 1)));
    CU_ASSERT_FALSE(target_path_ok(SLICE_NULL));
    text[TARGET_PATH_MAX] = '\0';
    snprintf(target, sizeof(target), "/s/w%s", text);
    check_refused(target, 0);
    text[TARGET_PATH_MAX] = 'a';
    text[TARGET_PATH_MAX + 1] = '\0';
    snprintf(target, sizeof(target), "/s/w%s", text);
    check_refused(target, TARGET_UNKNOWN);
}

/* The alphabets, byte by byte. */
static void alphabets(void)
{
    static const char WORD[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    for (unsigned c = 0; c < 256; c++) {
        char workspace[] = "x?x", path[] = "/v1/x?x";
        bool word = c && strchr(WORD, (int)c);

        workspace[1] = path[5] = (char)c;
        CU_ASSERT_EQUAL(target_workspace_ok(slice_of(workspace, 3)), word);
        CU_ASSERT_EQUAL(target_path_ok(slice_of(path, 7)), word || c == '~' || c == '/');
    }
}

static const struct unit_case CASES[] = {
    {"accepted", accepted}, {"bad requests", bad_requests}, {"unknown", unknown},
    {"lengths", lengths},   {"alphabets", alphabets},
};
UNIT_MAIN("target", CASES)
