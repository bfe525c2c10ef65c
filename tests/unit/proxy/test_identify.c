#include "proxy/identify.h"
#include "unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define T128                                                                                       \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"                             \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde="

struct world {
    struct loop *loop;
    struct client *client;
    int fd;
};

static bool on_check(void *arg, const struct http_head *head, struct refusal *why)
{
    (void)arg;
    (void)head;
    (void)why;
    return true;
}

static void on_request(void *arg, struct client *c, const struct http_head *head, struct slice body)
{
    (void)arg;
    (void)c;
    (void)head;
    (void)body;
}

static void on_refused(void *arg, struct client *c, const struct http_head *head,
                       const struct refusal *why)
{
    (void)arg;
    (void)c;
    (void)head;
    (void)why;
}

static void nothing(void *exchange)
{
    (void)exchange;
}

static void on_closed(void *arg, struct client *client)
{
    (void)arg;
    (void)client;
}

static const struct client_handler HANDLER = {on_check, on_request, on_refused, nothing, nothing};

static void begin(struct world *w)
{
    struct client_peer peer = {.via = "unix",
                               .address = "unix:/s",
                               .uid = 7,
                               .pid = 8,
                               .process = {.exe = "/bin/importer", .unit = "i.service"}};
    struct client_limits limits = {512, 1000, 1000000, 1000000, 1000000, 1000000};
    struct client_owner owner = {.closed = on_closed, .arg = NULL};
    int fds[2];

    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    CU_ASSERT_EQUAL_FATAL(loop_new(&w->loop), 0);
    w->fd = fds[1];
    CU_ASSERT_EQUAL_FATAL(
        client_new(&w->client, w->loop, fds[0], &peer, &limits, &HANDLER, NULL, &owner), 0);
}

static void finish(struct world *w)
{
    client_free(w->client);
    loop_free(w->loop);
    (void)close(w->fd);
}

/* The fields are lines without their ends, "" for none. */
static void head_of(char text[2048], struct http_head *head, const char *one, const char *two)
{
    struct http_progress progress = {0};
    const char *why = NULL;
    int n = snprintf(text, 2048, "POST /v1/org HTTP/1.1\r\nHost: h\r\n%s%s%s%s\r\n", one,
                     *one ? "\r\n" : "", two, *two ? "\r\n" : "");

    CU_ASSERT_EQUAL_FATAL(http_request_parse(text, (size_t)n, &progress, head, &why), HTTP_DONE);
}

static void good_tokens(void)
{
    static const struct {
        const char *one, *two, *token;
    } GOOD[] = {
        {"", "", ""},
        {"Authorization: Bearer abc", "", "abc"},
        {"authorization: bearer abc", "", "abc"},
        {"AUTHORIZATION: BEARER   aZ09-._~+/==", "", "aZ09-._~+/=="},
        {"X-Cention-Token: abc", "", "abc"},
        {"x-cention-token:abc  ", "", "abc"},
        {"Authorization: Basic dTpw", "", ""},
        {"Authorization: Basic dTpw", "X-Cention-Token: abc", "abc"},
        {"Authorization: Basic dTpw", "Authorization: Basic dTpw", ""},
        {"Authorization: CENTION1-HMAC-SHA256 id,00", "", ""},
        {"Authorization: Bearerabc", "", ""},
        {"Authorization:", "", ""},
        {"Proxy-Authorization: Bearer abc", "", ""},
        {"X-Cention-Token: " T128, "", T128},
        {"Authorization: Bearer " T128, "", T128},
    };
    struct http_head head;
    struct refusal why;
    char text[2048];
    struct world w;

    begin(&w);
    for (size_t i = 0; i < sizeof(GOOD) / sizeof(GOOD[0]); i++) {
        head_of(text, &head, GOOD[i].one, GOOD[i].two);
        CU_ASSERT(identify_check(&head, &why));
        CU_ASSERT(slice_eq(identify_client(w.client, &head).token, slice_str(GOOD[i].token)));
    }
    finish(&w);
}

static void bad_tokens(void)
{
    static const struct {
        const char *one, *two, *field;
    } BAD[] = {
        {"Authorization: Bearer", "", "Authorization"},
        {"Authorization: Bearer qqq zzz", "", "Authorization"},
        {"Authorization: Bearer\tqqq", "", "Authorization"},
        {"Authorization: Bearer qqq,zzz", "", "Authorization"},
        {"Authorization: Bearer =", "", "Authorization"},
        {"Authorization: Bearer qqq=zzz", "", "Authorization"},
        {"Authorization: Bearer \"qqq\"", "", "Authorization"},
        {"Authorization: Bearer qqq\xc3\xa9", "", "Authorization"},
        {"Authorization: Bearer q" T128, "", "Authorization"},
        {"X-Cention-Token:", "", "X-Cention-Token"},
        {"X-Cention-Token: Bearer qqq", "", "X-Cention-Token"},
        {"X-Cention-Token: q" T128, "", "X-Cention-Token"},
        {"X-Cention-Token: qqq", "X-Cention-Token: qqq", "X-Cention-Token"},
        {"Authorization: Bearer qqq", "Authorization: Bearer qqq", "Authorization"},
        {"Authorization: Basic zzz", "Authorization: Bearer qqq", "Authorization"},
        {"Authorization: Bearer qqq", "Authorization: Basic zzz", "Authorization"},
        {"Authorization: Bearer qqq", "X-Cention-Token: qqq", "X-Cention-Token"},
        {"X-Cention-Token: qqq", "Authorization: Bearer zzz", "Authorization"},
        {"X-Cention-Token: qqq", "Authorization: Bearer", "Authorization"},
    };
    struct http_head head;
    struct refusal why;
    char text[2048];
    struct world w;

    begin(&w);
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        head_of(text, &head, BAD[i].one, BAD[i].two);
        CU_ASSERT_FALSE_FATAL(identify_check(&head, &why));
        CU_ASSERT_EQUAL(why.status, 400);
        CU_ASSERT_STRING_EQUAL(why.code, "bad_request");
        CU_ASSERT_STRING_EQUAL(why.field, BAD[i].field);
        CU_ASSERT_PTR_NULL(strstr(why.text, "qqq"));
        CU_ASSERT_PTR_NULL(strstr(why.text, "zzz"));
        /* The reject record is that of a client without a token. */
        CU_ASSERT_EQUAL(identify_client(w.client, &head).token.len, 0);
    }
    finish(&w);
}

static void the_rest(void)
{
    struct client_identity who;
    struct world w;

    begin(&w);
    who = identify_client(w.client, NULL);
    CU_ASSERT_EQUAL(who.uid, 7);
    CU_ASSERT_EQUAL(who.pid, 8);
    CU_ASSERT(slice_eq(who.exe, SLICE_LIT("/bin/importer")));
    CU_ASSERT(slice_eq(who.unit, SLICE_LIT("i.service")));
    CU_ASSERT(slice_eq(who.via, SLICE_LIT("unix")));
    CU_ASSERT(slice_eq(who.address, SLICE_LIT("unix:/s")));
    CU_ASSERT_EQUAL(who.token.len + who.user.len + who.name.len + who.certificate.len, 0);
    finish(&w);
}

static const struct unit_case CASES[] = {
    {"good tokens", good_tokens},
    {"bad tokens", bad_tokens},
    {"the rest", the_rest},
};

UNIT_MAIN("identify", CASES)
