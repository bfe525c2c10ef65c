#include "unit/keeper/keeper_fixture.h"

#include "base/log.h"

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

unsigned syncs, writes;
bool fail_sync, fail_write;

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

static const struct audit_io KEEPER_IO = {.write = test_write, .sync = test_sync};
struct audit_options keeper_audit = {.io = &KEEPER_IO};

const char *in_folder(const struct fixture *f, const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", f->folder, name);
    return path;
}

struct keystore *load_keys(const struct fixture *f, const char *text)
{
    struct keystore *keys = NULL;
    struct err err = ERR_INIT;
    int fd = open(in_folder(f, "keys"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    CU_ASSERT_EQUAL_FATAL(keystore_load(&keys, in_folder(f, "keys"), true, &err), 0);
    return keys;
}

#define KEYS                                                                                       \
    "keys = ( { workspace = \"space\"; access_key_id = \"xyz\"; access_key_secret = \"secret\"; "  \
    "}, "                                                                                          \
    "{ workspace = \"old\"; access_key_id = \"o1\"; access_key_secret = \"os\"; } );"

static struct policy anyone = {.anyone = true};

void setup(struct fixture *f)
{
    struct err err = ERR_INIT;

    log_set_level(LOG_LEVEL_ERROR);
    fail_sync = fail_write = false;
    *f = (struct fixture){.folder = "/tmp/test_keeper.XXXXXX"};
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(f->folder));
    CU_ASSERT_EQUAL_FATAL(keystore_init(&err), 0);
    CU_ASSERT_EQUAL_FATAL(loop_new(&f->loop), 0);
    CU_ASSERT_EQUAL_FATAL(signer_new(&f->signer), 0);
    CU_ASSERT_EQUAL_FATAL(audit_open(&f->audit, f->folder, &keeper_audit, &err), 0);
    CU_ASSERT_EQUAL(audit_begin(f->audit, "1", 1, &err), 0);
    CU_ASSERT_EQUAL_FATAL(keeper_new(&f->keeper, f->loop, f->audit, f->signer, load_keys(f, KEYS)),
                          0);
    keeper_reject_limit(f->keeper, 1000000);
    keeper_policy(f->keeper, &anyone);
    CU_ASSERT_EQUAL(keeper_begin(f->keeper), 0);
    syncs = writes = 0;
}

void cleanup(struct fixture *f)
{
    keeper_free(f->keeper);
    audit_free(f->audit);
    signer_free(f->signer);
    loop_free(f->loop);
    unit_remove(f->folder);
}

/* What arrived is handled, then the hooks; once more, because the keeper looks for more first. */
void turn(const struct fixture *f)
{
    for (int i = 0; i < 2; i++) {
        CU_ASSERT(event_base_loop(loop_base(f->loop), EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
        /* A loop that was stopped before it runs still runs its hooks. */
        loop_stop(f->loop);
        CU_ASSERT_EQUAL(loop_run(f->loop), 0);
    }
}

void put(const struct proxy *p, const struct wire_message *m)
{
    struct buf out = BUF_INIT(WIRE_MESSAGE_MAX + 64);

    CU_ASSERT_EQUAL_FATAL(codec_encode(&out, m), 0);
    CU_ASSERT_EQUAL(send(p->fd, out.data, buf_len(&out), MSG_NOSIGNAL), (ssize_t)buf_len(&out));
    buf_deinit(&out);
}

/* A SIGN with the client's socket. */
void put_with(const struct proxy *p, const struct wire_message *m, int socket)
{
    struct buf out = BUF_INIT(WIRE_MESSAGE_MAX + 64);
    struct wire_message with = *m;
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct iovec data;
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};

    with.sign.client.has_socket = 1;
    memcpy(CMSG_DATA(&control.header), &socket, sizeof(socket));
    CU_ASSERT_EQUAL_FATAL(codec_encode(&out, &with), 0);
    data = (struct iovec){out.data, buf_len(&out)};
    CU_ASSERT_EQUAL(sendmsg(p->fd, &message, MSG_NOSIGNAL), (ssize_t)buf_len(&out));
    buf_deinit(&out);
}

/* The next message, or NULL when there is none now. Valid until the next call. */
const struct wire_message *next(struct proxy *p)
{
    const char *why = NULL;

    buf_consume(&p->in, p->used);
    p->used = 0;
    for (;;) {
        int r = codec_decode(buf_slice(&p->in), &p->m, &p->space, &p->used, &why);

        CU_ASSERT_NOT_EQUAL(r, CODEC_BAD);
        if (r == CODEC_DONE)
            return &p->m;
        p->used = 0;
        if (r != CODEC_PARTIAL || buf_recv(&p->in, p->fd, 65536) <= 0)
            return NULL;
    }
}

/* Whether the keeper has closed the link, with nothing left to read. */
bool ended(struct proxy *p)
{
    char byte;

    return next(p) == NULL && recv(p->fd, &byte, 1, MSG_DONTWAIT) == 0;
}

struct proxy *arrive(const struct fixture *f)
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

void leave(struct proxy *p)
{
    close(p->fd);
    buf_deinit(&p->in);
    free(p);
}

/* Arrived and greeted. */
struct proxy *greet(const struct fixture *f)
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

struct wire_message sign_message(uint64_t id)
{
    static const struct request_field FIELDS[] = {
        {SLICE_LIT("login_name"), SLICE_LIT("admin"), REQUEST_STRING},
        {SLICE_LIT("user_name"), SLICE_LIT("myusername"), REQUEST_STRING},
    };

    return (struct wire_message){
        .type = WIRE_SIGN,
        .sign = {.id = id,
                 .request_id = SLICE_LIT("req-1"),
                 .client = {.uid = CLIENT_UID_UNKNOWN, .via = SLICE_LIT("tcp")},
                 .method = SLICE_LIT("PUT"),
                 .workspace = SLICE_LIT("space"),
                 .path = SLICE_LIT("/v1/agent/1"),
                 .n_fields = 2,
                 .fields = FIELDS},
    };
}

struct wire_message outcome_message(uint64_t id)
{
    return (struct wire_message){
        .type = WIRE_OUTCOME,
        .outcome = {.id = id, .status = 200, .sent = WIRE_SENT_ALL, .duration_us = 5}};
}

void put_sign(const struct proxy *p, uint64_t id)
{
    struct wire_message m = sign_message(id);

    put(p, &m);
}

void put_outcome(const struct proxy *p, uint64_t id)
{
    struct wire_message m = outcome_message(id);

    put(p, &m);
}

void expect_signed(struct proxy *p, uint64_t id)
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

void expect_refused(struct proxy *p, uint64_t id, enum wire_reason reason)
{
    const struct wire_message *m = next(p);

    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL_FATAL(m->type, WIRE_REFUSED);
    CU_ASSERT_EQUAL(m->refused.id, id);
    CU_ASSERT_EQUAL(m->refused.reason, reason);
    CU_ASSERT(m->refused.text.len > 0);
}

void expect_recorded(struct proxy *p, uint64_t id, uint32_t durable)
{
    const struct wire_message *m = next(p);

    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL_FATAL(m->type, WIRE_RECORDED);
    CU_ASSERT_EQUAL(m->recorded.id, id);
    CU_ASSERT_EQUAL(m->recorded.durable, durable);
}

/* How often the log has the text. */
unsigned logged(const struct fixture *f, const char *what)
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
