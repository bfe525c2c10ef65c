/*
 * Fuzzes the whole keeper with what a proxy might send: one link for each input, on a keeper that
 * goes on from input to input. The first byte says how the rest is taken: bit 0, HELLO is sent in
 * front; bit 1, the input is a list of (type, u16 length, payload), framed rightly here; the other
 * bits, in how many pieces it arrives.
 *
 * Beside not crashing: every answer decodes; nothing is signed but what was asked for in order,
 * with a key of its workspace and that key's signature; no answer and no record holds a secret, no
 * record a signature; and the audit log, verified after every so many inputs and at the end, is
 * sound, has an intent for each signature and an outcome for each intent.
 */
#include "api/string_to_sign.h"
#include "audit/verify.h"
#include "base/log.h"
#include "fuzz/must.h"
#include "keeper/keeper.h"
#include "wall/codec.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    LIFE = 400, /* inputs of one keeper, then its log is verified and a new one begins */
};

#define SECRET "fuzzed-secret-that-is-nowhere"
#define KEYS                                                                                       \
    "keys = ( { workspace = \"space\"; access_key_id = \"xyz\"; access_key_secret = \"" SECRET     \
    "\"; } );"

static struct {
    char folder[32], log[48], keys[48];
    struct loop *loop;
    struct audit *audit;
    struct signer *signer;
    struct keeper *keeper;
    uint64_t inputs, signatures;
    char last[SIGNER_HEX + 1]; /* the newest signature; "" when there is none */
} k;

static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

static const struct audit_io IO = {.write = write, .sync = no_sync};

static void begin(void)
{
    static const struct audit_options OPTIONS = {.io = &IO};
    struct keystore *keys = NULL;
    struct err err = ERR_INIT;

    k.signatures = 0;
    k.last[0] = '\0';
    (void)snprintf(k.log, sizeof(k.log), "%s/log", k.folder);
    must(mkdir(k.log, 0700) == 0);
    must(loop_new(&k.loop) == 0 && signer_new(&k.signer) == 0);
    must(audit_open(&k.audit, k.log, &OPTIONS, &err) == 0 &&
         audit_begin(k.audit, "fuzz", 1, &err) == 0);
    must(keystore_load(&keys, k.keys, false, &err) == 0);
    must(keeper_new(&k.keeper, k.loop, k.audit, k.signer, keys) == 0 &&
         keeper_begin(k.keeper) == 0);
}

/* ---- the end of a keeper ---- */

struct found {
    uint64_t intents, outcomes;
};

static void check_line(struct verify *v, struct found *found, struct slice line)
{
    must(verify_line(v, line) == NULL);
    must(!memmem(line.data, line.len, SECRET, strlen(SECRET)));
    must(!k.last[0] || !memmem(line.data, line.len, k.last, SIGNER_HEX));
    found->intents += memmem(line.data, line.len, "\"type\":\"intent\"", 15) != NULL;
    found->outcomes += memmem(line.data, line.len, "\"type\":\"outcome\"", 16) != NULL;
}

static void check_file(const char *path)
{
    struct found found = {0};
    struct verify v;
    FILE *f = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    ssize_t n;

    must(f && verify_init(&v) == 0);
    while ((n = getline(&line, &room, f)) > 0) {
        must(line[n - 1] == '\n');
        check_line(&v, &found, slice_of(line, (size_t)n - 1));
    }
    must(verify_end(&v) == NULL && found.intents >= k.signatures &&
         found.intents == found.outcomes);
    verify_deinit(&v);
    free(line);
    (void)fclose(f);
}

static void end(void)
{
    char path[512];
    struct dirent *entry;
    DIR *dir;

    if (!k.keeper)
        return;
    keeper_stop(k.keeper);
    must(audit_state(k.audit).ok);
    keeper_free(k.keeper);
    audit_free(k.audit);
    signer_free(k.signer);
    loop_free(k.loop);
    k.keeper = NULL;
    must((dir = opendir(k.log)) != NULL);
    while ((entry = readdir(dir))) {
        (void)snprintf(path, sizeof(path), "%s/%s", k.log, entry->d_name);
        if (strcmp(entry->d_name, "audit-1.jsonl") == 0)
            check_file(path);
        (void)unlink(path);
    }
    (void)closedir(dir);
    must(rmdir(k.log) == 0);
}

static void last(void)
{
    end();
    (void)unlink(k.keys);
    (void)rmdir(k.folder);
}

static void first(void)
{
    struct err err = ERR_INIT;
    unsigned char byte;
    int fd;

    /* The last log is verified at exit, after OpenSSL would have put its tools away. */
    must(OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL) == 1);
    (void)signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_ERROR);
    (void)strcpy(k.folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/fuzz_keeper.XXXXXX"
                                                         : "/tmp/fuzz_keeper.XXXXXX");
    must(mkdtemp(k.folder) != NULL);
    (void)snprintf(k.keys, sizeof(k.keys), "%s/keys", k.folder);
    fd = open(k.keys, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, KEYS, strlen(KEYS)) == (ssize_t)strlen(KEYS) && close(fd) == 0);
    /* In the secure heap, which the leak check doesn't look into, OpenSSL's generators look lost.
     */
    must(RAND_bytes(&byte, 1) == 1 && RAND_priv_bytes(&byte, 1) == 1);
    must(keystore_init(&err) == 0);
    must(atexit(last) == 0);
}

/* ---- one proxy ---- */

static void turn(void)
{
    must(event_base_loop(loop_base(k.loop), EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
    loop_stop(k.loop); /* the hooks of the turn, and no further one */
    must(loop_run(k.loop) == 0);
}

/* What arrives: the input, framed when it is to be. */
static void compose(struct buf *out, const uint8_t *data, size_t size)
{
    struct wire_message hello = {.type = WIRE_HELLO, .version = WIRE_VERSION};
    uint8_t how = data[0];

    if (how & 1)
        must(codec_encode(out, &hello) == 0);
    data++;
    size--;
    if (!(how & 2)) {
        must(buf_append(out, data, size) == 0);
        return;
    }
    while (size >= 3) {
        size_t n = data[1] | (size_t)data[2] << 8;
        uint8_t header[WIRE_HEADER] = {0};

        if (n > size - 3)
            n = size - 3;
        header[0] = (uint8_t)n;
        header[1] = (uint8_t)(n >> 8);
        header[4] = data[0];
        must(buf_append(out, header, sizeof(header)) == 0 && buf_append(out, data + 3, n) == 0);
        data += 3 + n;
        size -= 3 + n;
    }
}

static bool in_order(const struct request_field *fields, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        if (slice_cmp(fields[i - 1].name, fields[i].name) >= 0)
            return false;
    return true;
}

static bool signature_of(const struct sign_request *sign, const struct request_field *fields,
                         const struct wire_signed *answer)
{
    struct buf text = BUF_INIT(WIRE_MESSAGE_MAX * 2);
    char hex[SIGNER_HEX];
    bool right;

    must(string_to_sign(&text, answer->key_id, sign->workspace, sign->path, fields,
                        sign->n_fields) == 0);
    must(signer_sign(k.signer, slice_str(SECRET), buf_slice(&text), hex) == 0);
    right = slice_eq(answer->signature, slice_of(hex, sizeof(hex)));
    buf_deinit(&text);
    return right;
}

/* Whether the input holds a SIGN with this id, in order, for the key's workspace, that the
 * signature is right for. */
static bool asked_for(struct slice sent, const struct wire_signed *answer)
{
    static struct wire_space space;
    struct wire_message m;
    const char *why;
    size_t used;

    while (codec_decode(sent, &m, &space, &used, &why) == CODEC_DONE) {
        if (m.type == WIRE_SIGN && m.sign.id == answer->id &&
            slice_eq(m.sign.workspace, SLICE_LIT("space")) &&
            in_order(space.fields, m.sign.n_fields) && signature_of(&m.sign, space.fields, answer))
            return true;
        sent = slice_of(sent.data + used, sent.len - used);
    }
    return false;
}

static void check_answers(struct slice got, struct slice sent)
{
    static struct wire_space space;
    struct wire_message m;
    const char *why;
    size_t used, n = 0;

    must(!memmem(got.data, got.len, SECRET, strlen(SECRET)));
    while (got.len) {
        must(codec_decode(got, &m, &space, &used, &why) == CODEC_DONE);
        must((m.type == WIRE_WELCOME) == (n++ == 0));
        if (m.type == WIRE_SIGNED) {
            must(slice_eq(m.signed_.key_id, SLICE_LIT("xyz")) && asked_for(sent, &m.signed_));
            memcpy(k.last, m.signed_.signature.data, SIGNER_HEX);
            k.signatures++;
        }
        got = slice_of(got.data + used, got.len - used);
    }
}

static void collect(struct buf *got, int fd)
{
    while (buf_recv(got, fd, 65536) > 0)
        ;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf sent = BUF_INIT(WIRE_MESSAGE_MAX * 2), got = BUF_INIT(WIRE_MESSAGE_MAX * 2);
    size_t at = 0, step;
    int ends[2];

    if (size == 0)
        return 0;
    if (!k.folder[0])
        first();
    if (!k.keeper)
        begin();
    compose(&sent, data, size);
    step = buf_len(&sent) / (1 + (data[0] >> 2) % 8) + 1;
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    keeper_arrived(k.keeper, ends[1]);
    while (at < buf_len(&sent)) {
        size_t n = buf_len(&sent) - at < step ? buf_len(&sent) - at : step;
        ssize_t w = send(ends[0], buf_slice(&sent).data + at, n, MSG_NOSIGNAL);

        turn();
        collect(&got, ends[0]);
        if (w <= 0)
            break; /* the keeper has ended the link */
        at += (size_t)w;
    }
    turn();
    collect(&got, ends[0]);
    check_answers(buf_slice(&got), buf_slice(&sent));
    (void)close(ends[0]);
    turn();
    turn();
    must(keeper_pending(k.keeper) == 0 && audit_state(k.audit).ok);
    buf_deinit(&sent);
    buf_deinit(&got);
    if (++k.inputs % LIFE == 0)
        end();
    return 0;
}
