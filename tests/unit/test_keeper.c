/*
 * The keeper with a real audit log, fed through socket pairs: each test plays the proxies. A turn
 * of the loop is taken by hand, so that a test decides what arrives together.
 */
#include "base/log.h"
#include "keeper/command.h"
#include "keeper/door.h"
#include "keeper/keeper.h"
#include "unit/unit.h"
#include "wire/codec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct fixture {
    char folder[32];
    struct loop *loop;
    struct audit *audit;
    struct signer *signer;
    struct keeper *keeper;
};

struct proxy {
    int fd;
    struct buf in;
    struct wire_field fields[WIRE_FIELDS_MAX];
    struct wire_message m;
    size_t used; /* bytes of the message in m */
};

static unsigned syncs, writes;
static bool fail_sync, fail_write;

static ssize_t test_write(int fd, const void *data, size_t n)
{
    writes++;
    errno = ENOSPC;
    return fail_write ? -1 : write(fd, data, n);
}

static int test_sync(int fd)
{
    syncs++;
    errno = EIO;
    return fail_sync ? -1 : fdatasync(fd);
}

static const struct audit_io IO = {test_write, test_sync};

static const char *in_folder(const struct fixture *f, const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", f->folder, name);
    return path;
}

static struct keystore *load_keys(const struct fixture *f, const char *text)
{
    struct keystore *keys = NULL;
    struct err err = ERR_INIT;
    int fd = open(in_folder(f, "keys"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    CU_ASSERT_EQUAL_FATAL(keystore_load(&keys, in_folder(f, "keys"), &err), 0);
    return keys;
}

#define KEYS                                                                                       \
    "keys = ( { workspace = \"space\"; access_key_id = \"xyz\"; access_key_secret = \"secret\"; "  \
    "}, "                                                                                          \
    "{ workspace = \"old\"; access_key_id = \"o1\"; access_key_secret = \"os\"; } );"

static void setup(struct fixture *f)
{
    struct err err = ERR_INIT;

    log_set_level(LOG_LEVEL_ERROR);
    fail_sync = fail_write = false;
    *f = (struct fixture){.folder = "/tmp/test_keeper.XXXXXX"};
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(f->folder));
    CU_ASSERT_EQUAL_FATAL(keystore_init(&err), 0);
    CU_ASSERT_EQUAL_FATAL(loop_new(&f->loop), 0);
    /* A stopped loop still runs its hooks once when it is asked to run: see turn(). */
    loop_stop(f->loop);
    CU_ASSERT_EQUAL_FATAL(signer_new(&f->signer), 0);
    CU_ASSERT_EQUAL_FATAL(audit_open(&f->audit, f->folder, &IO, &err), 0);
    CU_ASSERT_EQUAL(audit_begin(f->audit, "1", 1, &err), 0);
    CU_ASSERT_EQUAL_FATAL(keeper_new(&f->keeper, f->loop, f->audit, f->signer, load_keys(f, KEYS)),
                          0);
    CU_ASSERT_EQUAL(keeper_begin(f->keeper), 0);
    syncs = writes = 0;
}

static void cleanup(struct fixture *f)
{
    static const char *const NAMES[] = {"keys", ".lock", "audit-1.jsonl", "audit-1.jsonl.torn"};

    keeper_free(f->keeper);
    audit_free(f->audit);
    signer_free(f->signer);
    loop_free(f->loop);
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
        unlink(in_folder(f, NAMES[i]));
    CU_ASSERT_EQUAL(rmdir(f->folder), 0);
}

/* One turn: what arrived is handled, then the hooks. */
static void turn(const struct fixture *f)
{
    CU_ASSERT(event_base_loop(loop_base(f->loop), EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
    CU_ASSERT_EQUAL(loop_run(f->loop), 0);
}

static void put(const struct proxy *p, const struct wire_message *m)
{
    struct buf out = BUF_INIT(WIRE_MESSAGE_MAX + 64);

    CU_ASSERT_EQUAL_FATAL(codec_encode(&out, m), 0);
    CU_ASSERT_EQUAL(send(p->fd, out.data, buf_len(&out), MSG_NOSIGNAL), (ssize_t)buf_len(&out));
    buf_deinit(&out);
}

/* The next message, or NULL when there is none now. Valid until the next call. */
static const struct wire_message *next(struct proxy *p)
{
    const char *why = NULL;

    buf_consume(&p->in, p->used);
    p->used = 0;
    for (;;) {
        int r = codec_decode(buf_slice(&p->in), &p->m, p->fields, &p->used, &why);

        CU_ASSERT_NOT_EQUAL(r, CODEC_BAD);
        if (r == CODEC_DONE)
            return &p->m;
        p->used = 0;
        if (r != CODEC_PARTIAL || buf_recv(&p->in, p->fd, 65536) <= 0)
            return NULL;
    }
}

/* Whether the keeper has closed the link, with nothing left to read. */
static bool ended(struct proxy *p)
{
    char byte;

    return next(p) == NULL && recv(p->fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static struct proxy *arrive(const struct fixture *f)
{
    struct proxy *p = calloc(1, sizeof(*p));
    int ends[2], room = 1024 * 1024;

    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
                          0);
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
    p->fd = ends[0];
    p->in = BUF_INIT(WIRE_MESSAGE_MAX + 65536);
    keeper_arrived(f->keeper, ends[1]);
    return p;
}

static void leave(struct proxy *p)
{
    close(p->fd);
    buf_deinit(&p->in);
    free(p);
}

/* Arrived and greeted. */
static struct proxy *greet(const struct fixture *f)
{
    struct wire_message hello = {.type = WIRE_HELLO, .version = WIRE_VERSION};
    struct proxy *p = arrive(f);
    const struct wire_message *m;

    put(p, &hello);
    turn(f);
    m = next(p);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL(m->type, WIRE_WELCOME);
    CU_ASSERT_EQUAL(m->state.audit_ok, !fail_sync);
    return p;
}

static struct wire_message sign_message(uint64_t id)
{
    static const struct wire_field FIELDS[] = {
        {SLICE_LIT("login_name"), SLICE_LIT("admin")},
        {SLICE_LIT("user_name"), SLICE_LIT("myusername")},
    };

    return (struct wire_message){
        .type = WIRE_SIGN,
        .sign = {.id = id,
                 .request_id = SLICE_LIT("req-1"),
                 .client = {.uid = WIRE_UID_UNKNOWN, .via = SLICE_LIT("tcp")},
                 .method = SLICE_LIT("PUT"),
                 .workspace = SLICE_LIT("space"),
                 .path = SLICE_LIT("/v1/agent/1"),
                 .n_fields = 2,
                 .fields = FIELDS},
    };
}

static struct wire_message outcome_message(uint64_t id)
{
    return (struct wire_message){
        .type = WIRE_OUTCOME,
        .outcome = {.id = id, .status = 200, .sent = WIRE_SENT_ALL, .duration_us = 5}};
}

static void put_sign(const struct proxy *p, uint64_t id)
{
    struct wire_message m = sign_message(id);

    put(p, &m);
}

static void put_outcome(const struct proxy *p, uint64_t id)
{
    struct wire_message m = outcome_message(id);

    put(p, &m);
}

static void expect_signed(struct proxy *p, uint64_t id)
{
    static const char SIGNATURE[] =
        "51ef4e9b5e789026e0ba176481f64149e7bf3df1fb5e605bdcceea8003768e9f";
    const struct wire_message *m = next(p);

    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL_FATAL(m->type, WIRE_SIGNED);
    CU_ASSERT_EQUAL(m->signed_.id, id);
    CU_ASSERT(slice_eq(m->signed_.key_id, SLICE_LIT("xyz")));
    CU_ASSERT(slice_eq(m->signed_.signature, slice_str(SIGNATURE)));
}

static void expect_refused(struct proxy *p, uint64_t id, enum wire_reason reason)
{
    const struct wire_message *m = next(p);

    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL_FATAL(m->type, WIRE_REFUSED);
    CU_ASSERT_EQUAL(m->refused.id, id);
    CU_ASSERT_EQUAL(m->refused.reason, reason);
    CU_ASSERT(m->refused.text.len > 0);
}

static void expect_recorded(struct proxy *p, uint64_t id, uint32_t durable)
{
    const struct wire_message *m = next(p);

    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL_FATAL(m->type, WIRE_RECORDED);
    CU_ASSERT_EQUAL(m->recorded.id, id);
    CU_ASSERT_EQUAL(m->recorded.durable, durable);
}

/* How often the log has the text. */
static unsigned logged(const struct fixture *f, const char *what)
{
    size_t n = 0;
    char *text = unit_file(in_folder(f, "audit-1.jsonl"), &n), *p = text;
    unsigned count = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    /* The one secret of the tests and the beginning of its signature. */
    CU_ASSERT_PTR_NULL(strstr(text, "secret"));
    CU_ASSERT_PTR_NULL(strstr(text, "51ef4e9b"));
    while ((p = strstr(p, what))) {
        p++;
        count++;
    }
    free(text);
    return count;
}

static void test_sign(void)
{
    struct fixture f;
    struct proxy *p;

    setup(&f);
    p = greet(&f);
    put_sign(p, 10);
    turn(&f);
    expect_signed(p, 10);
    CU_ASSERT_EQUAL(syncs, 1);
    CU_ASSERT_EQUAL(
        logged(&f, "\"type\":\"intent\",\"id\":\"req-1\",\"client\":{\"via\":\"tcp\"},\"method\":"
                   "\"PUT\",\"workspace\":\"space\",\"path\":\"/v1/agent/1\",\"fields\":{"
                   "\"login_name\":\"admin\",\"user_name\":\"myusername\"},\"key\":\"xyz\"}"),
        1);
    put_outcome(p, 10);
    turn(&f);
    expect_recorded(p, 10, 1);
    CU_ASSERT_EQUAL(syncs, 2);
    CU_ASSERT_EQUAL(logged(&f, "\"type\":\"outcome\",\"id\":\"req-1\",\"status\":200,\"sent\":"
                               "\"all\",\"duration_us\":5}"),
                    1);
    /* The id may be used again, and only once at a time. */
    put_outcome(p, 10);
    turn(&f);
    expect_recorded(p, 10, 0);
    CU_ASSERT_EQUAL(keeper_signatures(f.keeper), 1);
    leave(p);
    cleanup(&f);
}

/* Whatever comes in one turn, from whichever link, costs one write and one sync. */
static void test_group_commit(void)
{
    enum { EACH = 50 };
    struct fixture f;
    struct proxy *a, *b;

    setup(&f);
    a = greet(&f);
    b = greet(&f);
    for (uint64_t i = 1; i <= EACH; i++) {
        put_sign(a, i);
        put_sign(b, i);
    }
    turn(&f);
    CU_ASSERT_EQUAL(syncs, 1);
    CU_ASSERT_EQUAL(writes, 1);
    for (uint64_t i = 1; i <= EACH; i++) {
        expect_signed(a, i);
        expect_signed(b, i);
    }
    for (uint64_t i = 1; i <= EACH; i++)
        put_outcome(a, i);
    turn(&f);
    CU_ASSERT_EQUAL(syncs, 2);
    for (uint64_t i = 1; i <= EACH; i++)
        expect_recorded(a, i, 1);
    leave(a);
    leave(b);
    cleanup(&f);
}

static void test_greeting(void)
{
    struct wire_message m = {.type = WIRE_HELLO, .version = WIRE_VERSION + 1};
    struct fixture f;
    struct proxy *p;

    setup(&f);
    p = arrive(&f);
    put_sign(p, 1);
    turn(&f);
    CU_ASSERT(ended(p));
    leave(p);
    p = arrive(&f);
    put(p, &m);
    turn(&f);
    CU_ASSERT(ended(p));
    leave(p);
    p = greet(&f);
    m.version = WIRE_VERSION;
    put(p, &m);
    turn(&f);
    CU_ASSERT(ended(p));
    leave(p);
    CU_ASSERT_EQUAL(logged(&f, "\"intent\""), 0);
    cleanup(&f);
}

/* A bad message ends its link; the other one goes on. */
static void test_bad_message(void)
{
    struct wire_message backwards = {.type = WIRE_RECORDED, .recorded = {1, 1}};
    struct fixture f;
    struct proxy *good, *bad;

    setup(&f);
    good = greet(&f);
    bad = greet(&f);
    put(bad, &backwards);
    turn(&f);
    CU_ASSERT(ended(bad));
    leave(bad);
    bad = greet(&f);
    put_sign(bad, 1);
    CU_ASSERT_EQUAL(send(bad->fd, "\xff\xff\xff\xff\x03\0\0\0", 8, 0), 8);
    put_sign(good, 1);
    turn(&f);
    /* The signature was made but its link is gone: the request gets its outcome. */
    CU_ASSERT(ended(bad));
    expect_signed(good, 1);
    CU_ASSERT_EQUAL(logged(&f, "\"intent\""), 2);
    CU_ASSERT_EQUAL(
        logged(&f, "\"id\":\"req-1\",\"sent\":\"unknown\",\"error\":\"the proxy went away\"}"), 1);
    leave(bad);
    leave(good);
    cleanup(&f);
}

static void test_malformed(void)
{
    static const struct wire_field ORDER[] = {{SLICE_LIT("b"), SLICE_LIT("1")},
                                              {SLICE_LIT("a"), SLICE_LIT("2")}};
    static const struct wire_field TWICE[] = {{SLICE_LIT("a"), SLICE_LIT("1")},
                                              {SLICE_LIT("a"), SLICE_LIT("2")}};
    static const struct wire_field BAD_NAME[] = {{SLICE_LIT("\xff"), SLICE_LIT("1")}};
    static const struct wire_field BAD_VALUE[] = {{SLICE_LIT("a"), SLICE_LIT("\xc0\x80")}};
    static const struct wire_field *const FIELDS[] = {ORDER, TWICE, BAD_NAME, BAD_VALUE};
    static const char *const PATHS[] = {"", "/v2/org", "/v1/a:b", "/v1/..", "/v1//a", "/v1/%41"};
    static const char *const WORKSPACES[] = {"", "a:b", "..", "a/b"};
    static const char *const METHODS[] = {"", "GET", "post", "POST "};
    static const char *const IDS[] = {"", "a b", "a\"", "\xc3\xa5"};
    unsigned n = 0;
    struct fixture f;
    struct proxy *p;

    setup(&f);
    p = greet(&f);
    for (unsigned kind = 0; kind < 5; kind++) {
        for (unsigned i = 0; i < (kind == 0 ? 6 : 4); i++) {
            struct wire_message m = sign_message(++n);

            if (kind == 0)
                m.sign.path = slice_str(PATHS[i]);
            else if (kind == 1)
                m.sign.workspace = slice_str(WORKSPACES[i]);
            else if (kind == 2)
                m.sign.method = slice_str(METHODS[i]);
            else if (kind == 3)
                m.sign.request_id = slice_str(IDS[i]);
            else {
                m.sign.fields = FIELDS[i];
                m.sign.n_fields = i < 2 ? 2 : 1;
            }
            put(p, &m);
        }
    }
    turn(&f);
    CU_ASSERT_EQUAL(syncs, 1);
    for (unsigned i = 1; i <= n; i++)
        expect_refused(p, i, WIRE_REASON_MALFORMED);
    CU_ASSERT_EQUAL(logged(&f, "\"type\":\"reject\""), n);
    CU_ASSERT_EQUAL(logged(&f, "\"status\":400,\"code\":\"bad_request\""), n);
    CU_ASSERT_EQUAL(logged(&f, "\"intent\""), 0);
    /* The link is as good as before. */
    put_sign(p, 1);
    turn(&f);
    expect_signed(p, 1);
    leave(p);
    cleanup(&f);
}

static void test_duplicate_id(void)
{
    struct fixture f;
    struct proxy *a, *b;

    setup(&f);
    a = greet(&f);
    b = greet(&f);
    put_sign(a, 1);
    put_sign(a, 1);
    put_sign(b, 1); /* ids are each link's own */
    turn(&f);
    expect_signed(a, 1);
    expect_refused(a, 1, WIRE_REASON_MALFORMED);
    expect_signed(b, 1);
    put_sign(a, 1);
    put_outcome(a, 1);
    put_sign(a, 1);
    turn(&f);
    expect_refused(a, 1, WIRE_REASON_MALFORMED);
    expect_recorded(a, 1, 1);
    expect_signed(a, 1);
    leave(a);
    leave(b);
    cleanup(&f);
}

/* An outcome can't be told before the signature was given out. */
static void test_early_outcome(void)
{
    struct fixture f;
    struct proxy *p;

    setup(&f);
    p = greet(&f);
    put_sign(p, 1);
    put_outcome(p, 1);
    turn(&f);
    expect_recorded(p, 1, 0);
    expect_signed(p, 1);
    CU_ASSERT_EQUAL(logged(&f, "\"outcome\""), 0);
    leave(p);
    cleanup(&f);
}

static void test_no_key(void)
{
    struct wire_message m = sign_message(3);
    struct fixture f;
    struct proxy *p;

    setup(&f);
    p = greet(&f);
    m.sign.workspace = SLICE_LIT("elsewhere");
    put(p, &m);
    turn(&f);
    CU_ASSERT_EQUAL(syncs, 1);
    expect_refused(p, 3, WIRE_REASON_FORBIDDEN);
    CU_ASSERT(
        slice_eq(p->m.refused.text, SLICE_LIT("no key is configured for workspace \"elsewhere\"")));
    CU_ASSERT_EQUAL(
        logged(&f, "\"type\":\"reject\",\"id\":\"req-1\",\"client\":{\"via\":\"tcp\"},\"method\":"
                   "\"PUT\",\"workspace\":\"elsewhere\",\"path\":\"/v1/agent/1\",\"status\":403,"
                   "\"code\":\"forbidden\",\"error\":\"no key is configured for workspace "
                   "\\\"elsewhere\\\"\"}"),
        1);
    leave(p);
    cleanup(&f);
}

static void test_reject_and_ping(void)
{
    struct wire_message reject = {.type = WIRE_REJECT,
                                  .reject = {.id = 8,
                                             .request_id = SLICE_LIT("r"),
                                             .client = {.uid = 7},
                                             .status = 404,
                                             .code = SLICE_LIT("unknown_endpoint"),
                                             .error = SLICE_LIT("no")}};
    struct wire_message ping = {.type = WIRE_PING, .id = 77};
    const struct wire_message *m;
    struct fixture f;
    struct proxy *p;

    setup(&f);
    p = greet(&f);
    put(p, &reject);
    turn(&f);
    expect_recorded(p, 8, 1);
    CU_ASSERT_EQUAL(logged(&f, "\"type\":\"reject\",\"id\":\"r\",\"client\":{\"uid\":7},\"status\":"
                               "404,\"code\":\"unknown_endpoint\",\"error\":\"no\"}"),
                    1);
    put(p, &ping);
    turn(&f);
    m = next(p);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL(m->type, WIRE_STATE);
    CU_ASSERT_EQUAL(m->state.id, 77);
    CU_ASSERT_EQUAL(m->state.audit_ok, 1);
    CU_ASSERT_EQUAL(m->state.records, 4); /* start, two keys, one reject */
    CU_ASSERT_EQUAL(m->state.syncs, 3);
    CU_ASSERT_EQUAL(m->state.signatures, 0);
    leave(p);
    cleanup(&f);
}

static void test_link_drop(void)
{
    struct wire_message m = sign_message(2);
    struct fixture f;
    struct proxy *p;

    setup(&f);
    p = greet(&f);
    put_sign(p, 1);
    m.sign.request_id = SLICE_LIT("req-2");
    put(p, &m);
    turn(&f);
    expect_signed(p, 1);
    expect_signed(p, 2);
    put_outcome(p, 1);
    turn(&f);
    leave(p);
    turn(&f);
    CU_ASSERT_EQUAL(logged(&f, "\"type\":\"outcome\""), 2);
    CU_ASSERT_EQUAL(logged(&f, "\"id\":\"req-2\",\"sent\":\"unknown\",\"error\":"
                               "\"the proxy went away\"}"),
                    1);
    /* Asked and gone in the same turn. */
    p = greet(&f);
    put_sign(p, 1);
    leave(p);
    turn(&f);
    turn(&f);
    CU_ASSERT_EQUAL(logged(&f, "\"type\":\"intent\""), 3);
    CU_ASSERT_EQUAL(logged(&f, "\"sent\":\"unknown\""), 2);
    cleanup(&f);
}

/* No record, no signature: not for those of the turn, nor for any after it. */
static void expect_refusals(struct fixture *f, struct proxy *p)
{
    struct wire_message reject = {.type = WIRE_REJECT,
                                  .reject = {.id = 5, .client = {.uid = 1}, .status = 400}};
    struct wire_message ping = {.type = WIRE_PING, .id = 6};
    const struct wire_message *m;
    unsigned w, s;

    put_sign(p, 2);
    put_sign(p, 3);
    put_outcome(p, 1);
    turn(f);
    /* In the order of the questions: all of them waited for the same commit. */
    expect_refused(p, 2, WIRE_REASON_AUDIT);
    expect_refused(p, 3, WIRE_REASON_AUDIT);
    expect_recorded(p, 1, 0);
    fail_write = fail_sync = false;
    w = writes;
    s = syncs;
    put_sign(p, 4);
    put(p, &reject);
    put(p, &ping);
    turn(f);
    expect_refused(p, 4, WIRE_REASON_AUDIT);
    expect_recorded(p, 5, 0);
    m = next(p);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL(m->state.audit_ok, 0);
    CU_ASSERT(m->state.reason.len > 0);
    CU_ASSERT_EQUAL(m->state.signatures, 1);
    keeper_stop(f->keeper);
    CU_ASSERT_EQUAL(writes, w);
    CU_ASSERT_EQUAL(syncs, s);
}

static void test_sync_failure(void)
{
    struct fixture f;
    struct proxy *p;

    setup(&f);
    p = greet(&f);
    put_sign(p, 1);
    turn(&f);
    expect_signed(p, 1);
    fail_sync = true;
    expect_refusals(&f, p);
    leave(p);
    cleanup(&f);
}

static void test_write_failure(void)
{
    struct fixture f;
    struct proxy *p;

    setup(&f);
    p = greet(&f);
    put_sign(p, 1);
    turn(&f);
    expect_signed(p, 1);
    fail_write = true;
    expect_refusals(&f, p);
    CU_ASSERT_EQUAL(logged(&f, "\"intent\""), 1);
    leave(p);
    cleanup(&f);
}

static void test_reload(void)
{
    struct fixture f;
    struct proxy *p;

    setup(&f);
    p = greet(&f);
    CU_ASSERT_EQUAL(logged(&f, "\"event\":\"loaded\""), 2);
    put_sign(p, 1);
    CU_ASSERT(event_base_loop(loop_base(f.loop), EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
    /* In the middle of a turn, with an answer waiting. */
    keeper_reload(
        f.keeper,
        load_keys(&f, "keys = ( { workspace = \"space\"; access_key_id = \"xyz\"; "
                      "access_key_secret = \"other\"; }, { workspace = \"new\"; access_key_id = "
                      "\"n1\"; access_key_secret = \"ns\"; } );"));
    turn(&f);
    expect_signed(p, 1);
    CU_ASSERT_EQUAL(
        logged(&f, "\"type\":\"key\",\"workspace\":\"old\",\"key\":\"o1\",\"event\":\"removed\"}"),
        1);
    CU_ASSERT_EQUAL(logged(&f, "\"workspace\":\"space\",\"key\":\"xyz\",\"event\":\"replaced\"}"),
                    1);
    CU_ASSERT_EQUAL(logged(&f, "\"workspace\":\"new\",\"key\":\"n1\",\"event\":\"loaded\"}"), 1);
    CU_ASSERT_EQUAL(logged(&f, "\"type\":\"config\",\"result\":\"applied\"}"), 1);
    put_sign(p, 2);
    turn(&f);
    CU_ASSERT_PTR_NOT_NULL_FATAL(next(p));
    CU_ASSERT_EQUAL(p->m.type, WIRE_SIGNED);
    CU_ASSERT_NOT_EQUAL(p->m.signed_.signature.data[0], '5');
    keeper_reload_refused(f.keeper, "keys.conf:3: wrong");
    turn(&f);
    CU_ASSERT_EQUAL(logged(&f, "\"result\":\"refused\",\"error\":\"keys.conf:3: wrong\"}"), 1);
    leave(p);
    cleanup(&f);
}

static void test_stop(void)
{
    struct fixture f;
    struct proxy *p;

    setup(&f);
    p = greet(&f);
    put_sign(p, 1);
    turn(&f);
    expect_signed(p, 1);
    keeper_stop(f.keeper);
    keeper_stop(f.keeper);
    CU_ASSERT(ended(p));
    CU_ASSERT_EQUAL(logged(&f, "\"sent\":\"unknown\",\"error\":\"the keeper stopped before the "
                               "outcome was known\"}"),
                    1);
    CU_ASSERT_EQUAL(logged(&f, "\"type\":\"stop\"}"), 1);
    leave(p);
    cleanup(&f);
}

static void test_many_links(void)
{
    struct proxy *all[KEEPER_LINKS_MAX], *more;
    struct fixture f;

    setup(&f);
    for (unsigned i = 0; i < KEEPER_LINKS_MAX; i++)
        all[i] = greet(&f);
    more = arrive(&f);
    CU_ASSERT(ended(more));
    leave(more);
    leave(all[7]);
    turn(&f);
    all[7] = greet(&f);
    put_sign(all[7], 1);
    turn(&f);
    expect_signed(all[7], 1);
    for (unsigned i = 0; i < KEEPER_LINKS_MAX; i++)
        leave(all[i]);
    turn(&f);
    cleanup(&f);
}

/* A peer that never reads is let go; the keeper's memory stays bounded. */
static void test_deaf_peer(void)
{
    struct wire_message ping = {.type = WIRE_PING, .id = 1};
    struct fixture f;
    struct proxy *deaf, *good;
    struct buf out = BUF_INIT(1024 * 1024);
    bool gone = false;

    setup(&f);
    deaf = greet(&f);
    good = greet(&f);
    for (unsigned i = 0; i < 1000; i++)
        CU_ASSERT_EQUAL(codec_encode(&out, &ping), 0);
    for (unsigned i = 0; i < 20000 && !gone; i++) {
        ssize_t n = send(deaf->fd, out.data, buf_len(&out), MSG_NOSIGNAL);

        CU_ASSERT(n < 0 || (size_t)n == buf_len(&out) || n % 16 == 0);
        gone = n < 0 && errno == EPIPE;
        turn(&f);
    }
    CU_ASSERT(gone);
    put_sign(good, 1);
    turn(&f);
    expect_signed(good, 1);
    buf_deinit(&out);
    leave(deaf);
    leave(good);
    cleanup(&f);
}

static void arrived(void *arg, int fd)
{
    ++*(unsigned *)arg;
    close(fd);
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

    strcpy(address.sun_path, path);
    r = connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
    close(fd);
    return r;
}

static void test_door(void)
{
    struct door *a = NULL, *b = NULL;
    struct err err = ERR_INIT;
    struct fixture f;
    unsigned n = 0;
    char path[128];
    struct stat st;

    setup(&f);
    strcpy(path, in_folder(&f, "sock"));
    CU_ASSERT_EQUAL_FATAL(door_open(&a, f.loop, path, 0640, arrived, &n, &err), 0);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0640);
    CU_ASSERT_EQUAL(connect_to(path), 0);
    turn(&f);
    CU_ASSERT_EQUAL(n, 1);
    /* One that answers is left alone. */
    CU_ASSERT_EQUAL(door_open(&b, f.loop, path, 0600, arrived, &n, &err), -EADDRINUSE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "another keeper"));
    /* One that doesn't is replaced; the first one then keeps its hands off the second's. */
    CU_ASSERT_EQUAL(rename(path, in_folder(&f, "moved")), 0);
    CU_ASSERT_EQUAL_FATAL(door_open(&b, f.loop, path, 0600, arrived, &n, &err), 0);
    door_close(a);
    CU_ASSERT_EQUAL(connect_to(path), 0);
    CU_ASSERT_EQUAL(rename(in_folder(&f, "moved"), path), 0);
    CU_ASSERT_EQUAL(connect_to(path), -ECONNREFUSED);
    door_close(b);
    CU_ASSERT_EQUAL_FATAL(door_open(&a, f.loop, path, 0600, arrived, &n, &err), 0);
    CU_ASSERT_EQUAL(connect_to(path), 0);
    door_close(a);
    CU_ASSERT_EQUAL(access(path, F_OK), -1);
    door_close(NULL);
    /* Not a socket; no folder; too long. */
    CU_ASSERT_EQUAL(door_open(&a, f.loop, in_folder(&f, "keys"), 0600, arrived, &n, &err), -EEXIST);
    CU_ASSERT_EQUAL(door_open(&a, f.loop, in_folder(&f, "no/x"), 0600, arrived, &n, &err), -ENOENT);
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    CU_ASSERT_EQUAL(door_open(&a, f.loop, path, 0600, arrived, &n, &err), -ENAMETOOLONG);
    cleanup(&f);
}

struct end {
    struct loop *loop;
    int code;
    bool stopped;
};

static void on_end(void *arg, int code, bool stopped)
{
    struct end *e = arg;

    e->code = code;
    e->stopped = stopped;
    loop_stop(e->loop);
}

/* Runs `sh -c script`; stops it when `stop`. */
static struct end run_command(const char *script, bool stop)
{
    char *argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", (char *)(uintptr_t)script,
                    NULL};
    struct command *c = NULL;
    struct err err = ERR_INIT;
    struct end e = {.code = -1};

    log_set_level(LOG_LEVEL_ERROR);
    CU_ASSERT_EQUAL_FATAL(loop_new(&e.loop), 0);
    CU_ASSERT_EQUAL_FATAL(command_start(&c, e.loop, argv, on_end, &e, &err), 0);
    if (stop)
        command_stop(c);
    CU_ASSERT_EQUAL(loop_run(e.loop), 0);
    command_free(c);
    loop_free(e.loop);
    return e;
}

static void test_command(void)
{
    char *missing[] = {(char *)(uintptr_t) "/none/program", NULL};
    struct command *c = NULL;
    struct err err = ERR_INIT;
    struct loop *loop = NULL;
    struct end e;
    int leak;

    e = run_command("exit 7", false);
    CU_ASSERT_EQUAL(e.code, 7);
    CU_ASSERT_FALSE(e.stopped);
    e = run_command("kill -9 $$", false);
    CU_ASSERT_EQUAL(e.code, 137);
    CU_ASSERT_FALSE(e.stopped);
    e = run_command("exec sleep 60", true);
    CU_ASSERT_EQUAL(e.code, 128 + SIGTERM);
    CU_ASSERT(e.stopped);
    /* A TERM that nobody here sent is the command's own end. */
    e = run_command("kill -TERM $$", false);
    CU_ASSERT_EQUAL(e.code, 128 + SIGTERM);
    CU_ASSERT_FALSE(e.stopped);
    /* Default signals, no descriptor of ours, no folder of secrets. */
    leak = dup2(STDIN_FILENO, 99);
    CU_ASSERT_EQUAL(leak, 99);
    signal(SIGPIPE, SIG_IGN);
    setenv("CREDENTIALS_DIRECTORY", "/x", 1);
    e = run_command("test -z \"$CREDENTIALS_DIRECTORY\" && "
                    "test ! -e /proc/$$/fd/99 && "
                    "grep -q '^SigIgn:.*0000000$' /proc/$$/status",
                    false);
    CU_ASSERT_EQUAL(e.code, 0);
    unsetenv("CREDENTIALS_DIRECTORY");
    signal(SIGPIPE, SIG_DFL);
    close(leak);

    CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
    CU_ASSERT_EQUAL(command_start(&c, loop, missing, on_end, &e, &err), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/none/program: can't be started"));
    loop_free(loop);
    command_free(NULL);
}

static const struct unit_case CASES[] = {
    {"sign and outcome", test_sign},
    {"one commit for all of a turn", test_group_commit},
    {"greeting", test_greeting},
    {"a bad message", test_bad_message},
    {"malformed requests", test_malformed},
    {"an id in use", test_duplicate_id},
    {"an early outcome", test_early_outcome},
    {"no key", test_no_key},
    {"reject and ping", test_reject_and_ping},
    {"a link that drops", test_link_drop},
    {"a failed sync", test_sync_failure},
    {"a failed write", test_write_failure},
    {"reload", test_reload},
    {"stop", test_stop},
    {"as many links as there may be", test_many_links},
    {"a peer that doesn't read", test_deaf_peer},
    {"the door", test_door},
    {"the command", test_command},
};

UNIT_MAIN("keeper", CASES)
