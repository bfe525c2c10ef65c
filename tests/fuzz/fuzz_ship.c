/*
 * Fuzzes what the shipper reads. The first byte says what the rest is:
 *   r  a receipt
 *   d  a request at the admin desk, behind a byte: where it is cut into two
 *   t  an audit folder, behind two bytes: an empty line stands between segments, which are files
 *      named after their first record. First byte: bit 0, the hashes are made right; bit 1, all but
 *      the last segment are compressed; bit 2, the first has the name of a compressed one. Second
 *      byte: where the last one is cut, the rest of it being written later.
 * Beside not crashing: a receipt that is read is written the same again; every request gets one
 * whole answer; what a tail gives out is whole records without a gap, each with the hash that
 * follows from the one before; it is found again by its place, and not by another hash; and what
 * is read while the last segment grows is what is read when it is all there.
 */
#include "audit/compress.h"
#include "audit/receipt.h"
#include "base/hex.h"
#include "fuzz/must.h"
#include "ship/admin_socket.h"
#include "ship/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    SEGMENTS = 8,
    PLACES = 256,
    TURNS = 4 * SEGMENTS + 2 * PLACES, /* answers that a tail may need */
};

static struct {
    char path[32];
    int fd;
    struct chain *chain;
    struct loop *loop;
    struct admin_socket *admin_socket;
    struct sockaddr_un address;
} f;

/* ---- receipts ---- */

static void receipt(struct slice in)
{
    struct buf out = BUF_INIT(2 * RECEIPT_MAX);
    struct receipt r;
    const char *why = receipt_read(in, &r);

    must(!why || why[0]);
    if (!why) {
        must(receipt_name(slice_str(r.sink)));
        must(receipt_write(&out, &r) == 0 && slice_eq(buf_slice(&out), in));
        must(in.len <= RECEIPT_MAX);
    }
    buf_deinit(&out);
}

/* ---- the desk ---- */

static int put(void *arg, enum admin_socket_page page, struct buf *text)
{
    (void)arg;
    must(buf_printf(text, "page %d\n", page) == 0);
    return page == ADMIN_SOCKET_READY ? 503 : 200;
}

static void turn(void)
{
    for (int i = 0; i < 3; i++)
        (void)event_base_loop(loop_base(f.loop), EVLOOP_NONBLOCK);
}

/* The status of one whole answer. */
static int check_answer(const char *answer, size_t n)
{
    const char *end = memmem(answer, n, "\r\n\r\n", 4),
               *length = strstr(answer, "Content-Length: ");
    int status = 0;

    must(sscanf(answer, "HTTP/1.1 %d ", &status) == 1 && end && length && length < end);
    must((size_t)atoi(length + 16) == n - (size_t)(end + 4 - answer));
    return status;
}

static void admin_socket(struct slice in)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    size_t cut = in.len ? (unsigned char)in.data[0] : 0, n = 0;
    char answer[2048];
    ssize_t got;
    int status;

    must(fd >= 0 && connect(fd, (struct sockaddr *)&f.address, sizeof(f.address)) == 0);
    in = in.len ? slice_of(in.data + 1, in.len - 1) : in;
    cut = cut < in.len ? cut : in.len;
    (void)send(fd, in.data, cut, MSG_NOSIGNAL);
    turn();
    (void)send(fd, in.data + cut, in.len - cut, MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
    turn();
    turn();
    while (n < sizeof(answer) - 1 && (got = recv(fd, answer + n, sizeof(answer) - 1 - n, 0)) > 0)
        n += (size_t)got;
    must(got == 0 || errno != EAGAIN); /* the desk has hung up */
    answer[n] = '\0';
    if (n) {
        status = check_answer(answer, n);
        must(status == 200 || status == 400 || status == 404 || status == 405 || status == 503);
        must((status != 200 && status != 503) || memmem(in.data, in.len, "GET /", 5));
    }
    (void)close(fd);
}

/* ---- a folder ---- */

struct segment {
    struct buf text;
    uint64_t first;
    bool packed;
};

static struct segment segments[SEGMENTS];
static size_t n_segments;

/* Appends a line, perhaps with the hash that follows from *hash, and leaves its own there. */
static void add_line(struct buf *to, struct slice bytes, bool right, bool header,
                     struct chain_hash *hash)
{
    struct record_segment s;
    struct line line;
    char *copy = malloc(bytes.len + 1);

    must(copy != NULL);
    memcpy(copy, bytes.data, bytes.len);
    if (right && bytes.len >= CHAIN_TAIL) {
        if (header && !line_read(bytes, &line) && !line_segment(&line, &s))
            *hash = s.previous;
        must(chain_hash(f.chain, hash, slice_of(copy, bytes.len - CHAIN_TAIL), hash) == 0);
        memcpy(copy + bytes.len - CHAIN_TAIL, ",\"h\":\"", 6);
        hex_put(copy + bytes.len - CHAIN_TAIL + 6, hash->bytes, CHAIN_HASH);
        memcpy(copy + bytes.len - 2, "\"}", 2);
    }
    copy[bytes.len] = '\n';
    must(buf_append(to, copy, bytes.len + 1) == 0);
    free(copy);
}

static uint64_t first_of(struct slice bytes, uint64_t otherwise)
{
    struct line line;

    return !line_read(bytes, &line) && line.seq ? line.seq : otherwise;
}

static void split(struct slice all, bool right)
{
    struct chain_hash hash = {{0}};
    struct segment *s = NULL;

    n_segments = 0;
    while (all.len) {
        const char *newline = memchr(all.data, '\n', all.len);
        size_t n = newline ? (size_t)(newline - all.data) : all.len;
        struct slice bytes = slice_of(all.data, n);

        if (n == 0) {
            s = NULL;
        } else if (!s && n_segments == SEGMENTS) {
            break;
        } else {
            bool header = !s;

            if (header) {
                s = &segments[n_segments++];
                *s = (struct segment){.text = BUF_INIT(1024 * 1024)};
                s->first = first_of(bytes, n_segments);
            }
            add_line(&s->text, bytes, right, header && n_segments == 1, &hash);
        }
        n += newline ? 1 : 0;
        all = slice_of(all.data + n, all.len - n);
    }
}

static int file_of(const struct segment *s, int flags)
{
    char name[SEGMENT_NAME];
    int fd;

    segment_file_name(name, s->first, s->packed);
    fd = openat(f.fd, name, flags | O_CLOEXEC, 0600);
    must(fd >= 0);
    return fd;
}

static void put_bytes(int fd, struct slice s)
{
    must(s.len == 0 || write(fd, s.data, s.len) == (ssize_t)s.len);
}

static void put_packed(int fd, struct slice s)
{
    int from = memfd_create("segment", MFD_CLOEXEC), r;
    struct compressor *compressor = NULL;

    must(from >= 0);
    put_bytes(from, s);
    must(lseek(from, 0, SEEK_SET) == 0 && compressor_new(&compressor, from, fd) == 0);
    while ((r = compressor_step(compressor)) == 1)
        ;
    must(r == 0);
    compressor_free(compressor);
    (void)close(from);
}

/* All files; of the last one so many bytes. */
static void put_folder(unsigned how, size_t last)
{
    for (size_t i = 0; i < n_segments; i++) {
        struct segment *s = &segments[i];
        struct slice bytes = buf_slice(&s->text);
        bool pack = how & 2 && i + 1 < n_segments;
        int fd;

        s->packed = pack || (how & 4 && i == 0);
        fd = file_of(s, O_WRONLY | O_CREAT | O_TRUNC);
        if (pack)
            put_packed(fd, bytes);
        else
            put_bytes(fd, i + 1 < n_segments ? bytes : slice_cut(bytes, last));
        (void)close(fd);
    }
}

static void put_rest(size_t from)
{
    const struct segment *s = &segments[n_segments - 1];
    struct slice bytes = buf_slice(&s->text);
    int fd = file_of(s, O_WRONLY | O_APPEND);

    put_bytes(fd, slice_of(bytes.data + from, bytes.len - from));
    (void)close(fd);
}

static void empty_folder(void)
{
    for (size_t i = 0; i < n_segments; i++)
        for (int packed = 0; packed < 2; packed++) {
            char name[SEGMENT_NAME];

            segment_file_name(name, segments[i].first, packed);
            (void)unlinkat(f.fd, name, 0);
        }
}

/* ---- a tail ---- */

struct places {
    struct ship_place list[PLACES];
    uint64_t segment[PLACES]; /* the number of the one that it came from */
    size_t n;
};

static int look(struct tail *t, const struct ship_place *place)
{
    int r = TAIL_BUSY;

    tail_seek(t, place);
    for (int i = 0; i < TURNS && r == TAIL_BUSY; i++)
        r = tail_look(t);
    must(r != TAIL_BUSY && r != TAIL_BATCH);
    must(strnlen(t->why, sizeof(t->why)) < sizeof(t->why));
    must(r < TAIL_GONE || r == TAIL_LOST || t->why[0]);
    return r;
}

static void check_batch(const struct tail *t, const struct ship_batch *batch, struct places *all,
                        bool gap)
{
    must(batch->n >= 1 && batch->n <= SHIP_BATCH_RECORDS);
    for (size_t i = 0; i < batch->n; i++) {
        const struct ship_record *r = &batch->records[i];
        const struct ship_place *before = all->n ? &all->list[all->n - 1] : NULL;
        struct chain_hash hash = {{0}};
        struct line line;

        must(!line_read(r->line, &line) && line.seq == r->place.seq);
        must(chain_same(&line.hash, &r->place.hash));
        if (before && !gap) {
            must(r->place.seq == before->seq + 1 && r->place.epoch >= before->epoch);
            must(chain_hash(f.chain, &before->hash, line.covered, &hash) == 0);
            must(chain_same(&hash, &line.hash));
        }
        must(!gap || line.type == LINE_SEGMENT);
        gap = false;
        must(all->n < PLACES);
        all->segment[all->n] = t->reader.first;
        all->list[all->n++] = r->place;
    }
}

/* Until there is no more: what was answered then. */
static int drink(struct tail *t, struct places *all, bool gap)
{
    struct ship_batch batch;
    int r = TAIL_BUSY;

    for (int i = 0; i < TURNS; i++) {
        r = tail_next(t, &batch);
        if (r == TAIL_BATCH) {
            check_batch(t, &batch, all, gap);
            gap = false;
        } else if (r == TAIL_GONE) {
            gap = true;
        } else if (r != TAIL_BUSY) {
            break;
        }
    }
    must(r == TAIL_END || r == TAIL_BROKEN || r == TAIL_FOREIGN || r == TAIL_LOST);
    must((r != TAIL_BROKEN && r != TAIL_FOREIGN) || t->why[0]);
    return r;
}

static const struct ship_place NOWHERE = {0};

/* What was given out is found by its place, unless a later file claims to have it. */
static void check_found(struct tail *t, const struct places *all, size_t i)
{
    struct ship_place other = all->list[i];

    for (size_t k = 0; k < n_segments; k++)
        if (segments[k].first > all->segment[i] && segments[k].first <= other.seq)
            return;
    must(look(t, &other) == TAIL_FOUND);
    other.hash.bytes[0] ^= 1;
    must(look(t, &other) == TAIL_OTHER && chain_same(&t->here.hash, &all->list[i].hash));
}

static void folder(struct slice in)
{
    static struct places whole, grown;
    unsigned how = in.len > 0 ? (unsigned char)in.data[0] : 0;
    size_t cut = in.len > 1 ? (unsigned char)in.data[1] : 0, last;
    struct seal_key log = {{0}};
    struct tail t;
    int r;

    split(in.len > 2 ? slice_of(in.data + 2, in.len - 2) : SLICE_NULL, how & 1);
    if (n_segments == 0)
        return;
    last = buf_len(&segments[n_segments - 1].text);
    cut = last * cut / 256;
    put_folder(how, SIZE_MAX);
    r = tail_identity(&log, f.fd);
    must(r == 0 || r == -ENOENT || r == -EBADMSG);
    whole.n = grown.n = 0;
    must(tail_init(&t, f.fd, &log) == 0);
    r = look(&t, &NOWHERE);
    if (r == TAIL_FOUND || r == TAIL_GONE) {
        (void)drink(&t, &whole, r == TAIL_GONE);
        for (size_t i = 0; i < whole.n; i += 1 + whole.n / 3)
            check_found(&t, &whole, i);
    }
    put_folder(how, cut);
    r = look(&t, &NOWHERE);
    if (r == TAIL_FOUND || r == TAIL_GONE) {
        r = drink(&t, &grown, r == TAIL_GONE);
        put_rest(cut);
        if (r == TAIL_END)
            (void)drink(&t, &grown, false);
        must(grown.n <= whole.n);
        must(memcmp(grown.list, whole.list, grown.n * sizeof(grown.list[0])) == 0);
    }
    tail_deinit(&t);
    empty_folder();
    for (size_t i = 0; i < n_segments; i++)
        buf_deinit(&segments[i].text);
}

/* ---- the whole ---- */

static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

static void last(void)
{
    admin_socket_close(f.admin_socket);
    loop_free(f.loop);
    chain_free(f.chain);
    (void)close(f.fd);
    (void)rmdir(f.path);
}

static void first(void)
{
    struct err err = ERR_INIT;

    segment_fdatasync = no_sync;
    (void)strcpy(f.path, "/tmp/fuzz_ship.XXXXXX");
    must(mkdtemp(f.path) != NULL);
    f.fd = open(f.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(f.fd >= 0 && chain_new(&f.chain) == 0 && loop_new(&f.loop) == 0);
    f.address.sun_family = AF_UNIX;
    (void)snprintf(f.address.sun_path, sizeof(f.address.sun_path), "%s/admin", f.path);
    must(admin_socket_open(&f.admin_socket, f.loop, f.address.sun_path, put, NULL, &err) == 0);
    (void)atexit(last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!f.chain)
        first();
    if (size && data[0] == 'r')
        receipt(slice_of(data + 1, size - 1));
    else if (size && data[0] == 'd')
        admin_socket(slice_of(data + 1, size - 1));
    else if (size && data[0] == 't')
        folder(slice_of(data + 1, size - 1));
    return 0;
}
