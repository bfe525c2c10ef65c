/*
 * Fuzzes what comes from a centre. The first byte says what the rest is:
 *   v  what a centre holds, by lines: records, `#host`, `!kind|why` (an alarm), `~` and three bytes
 *      (what is wrong beside the next record), `=` (a head was taken of the last record); an empty
 *      line stands between logs. It is verified, and the report printed. The second byte: bit 0,
 *      the hashes are made right; bit 1, with a file of identities; bit 2, which is learned.
 *   i  a file of expected identities
 * Beside not crashing: a log without a finding is one that audit/verify.h accepts from its first
 * record on, and the other way round; findings are bounded; nothing that a terminal could take for
 * a command is printed; what was learned can be read again.
 */
#include "audit/record.h"
#include "base/hex.h"
#include "ctl/central/archive_check.h"
#include "ctl/central/archive_verify.h"
#include "ctl/central/identities.h"
#include "ctl/command/ctl.h"
#include "fuzz/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    ROWS = 200,
    ALARMS = 16,
    HEADS = 8,
};

/* ---- a centre ---- */

struct row {
    struct seal_key log;
    struct archive_record record;
    char *bytes, *host; /* owned */
};

struct made {
    struct archive archive;
    struct chain *chain;
    struct row rows[ROWS];
    size_t n;
    struct archive_alarm alarms[ALARMS];
    size_t n_alarms;
    struct verify_head heads[HEADS];
    size_t n_heads;
    /* Of the next record: */
    struct seal_key log;
    struct slice host;
    uint64_t epoch;
    signed char spoil[3]; /* what is added to its seq and epoch, and its hash is changed by */
    bool righted, fresh;
};

static bool same_log(const struct seal_key *a, const struct seal_key *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static bool is_first(const struct made *m, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (same_log(&m->rows[k].log, &m->rows[i].log))
            return false;
    return true;
}

static int made_logs(struct archive *archive, int (*each)(void *arg, const struct archive_log *log),
                     void *arg, struct err *err)
{
    struct made *m = (struct made *)archive;
    int r = 0;

    (void)err;
    for (size_t i = 0; r == 0 && i < m->n; i++) {
        struct archive_log log = {
            .log = m->rows[i].log,
            .host = m->rows[i].host,
            .records = UINT64_MAX,
            .first = m->rows[i].record.seq,
            .last = UINT64_MAX,
            .wrong = m->rows[i].record.epoch == UINT64_MAX ? "nobody can ask for it" : NULL,
        };

        if (is_first(m, i))
            r = each(arg, &log);
    }
    return r;
}

static int made_records(struct archive *archive, const struct seal_key *log, uint64_t first,
                        int (*each)(void *arg, const struct archive_record *record), void *arg,
                        struct err *err)
{
    struct made *m = (struct made *)archive;
    int r = 0;

    (void)err;
    (void)first;
    for (size_t i = 0; r == 0 && i < m->n; i++)
        if (same_log(&m->rows[i].log, log))
            r = each(arg, &m->rows[i].record);
    return r;
}

static int made_alarms(struct archive *archive,
                       int (*each)(void *arg, const struct archive_alarm *alarm), void *arg,
                       struct err *err)
{
    struct made *m = (struct made *)archive;
    int r = 0;

    (void)err;
    for (size_t i = 0; r == 0 && i < m->n_alarms; i++)
        r = each(arg, &m->alarms[i]);
    return r;
}

static const struct archive_kind MADE = {
    .logs = made_logs, .records = made_records, .alarms = made_alarms};

/* What lies behind the chain is reached by lines whose hash is made right. */
static void right(const struct made *m, char *bytes, size_t n)
{
    struct chain_hash hash = {{0}};
    struct record_segment s;
    struct line line;

    if (n < CHAIN_TAIL)
        return;
    if (!m->fresh)
        hash = m->rows[m->n - 1].record.hash;
    else if (!line_read(slice_of(bytes, n), &line) && !line_segment(&line, &s))
        hash = s.previous;
    must(chain_hash(m->chain, &hash, slice_of(bytes, n - CHAIN_TAIL), &hash) == 0);
    memcpy(bytes + n - CHAIN_TAIL, ",\"h\":\"", 6);
    hex_put(bytes + n - CHAIN_TAIL + 6, hash.bytes, CHAIN_HASH);
    memcpy(bytes + n - 2, "\"}", 2);
}

static void add_record(struct made *m, struct slice bytes)
{
    struct row *row = &m->rows[m->n];
    struct record_segment s;
    struct line line;

    if (m->n == ROWS)
        return;
    *row = (struct row){.bytes = must_copy(bytes), .host = must_copy(m->host)};
    bytes.len = strlen(row->bytes);
    if (m->righted)
        right(m, row->bytes, bytes.len);
    row->record =
        (struct archive_record){.host = row->host, .line = slice_of(row->bytes, bytes.len)};
    if (!line_read(row->record.line, &line)) {
        if (line.type == LINE_SEGMENT && !line_segment(&line, &s)) {
            m->epoch = s.epoch;
            m->log = m->fresh ? s.log : m->log;
        }
        row->record.seq = line.seq;
        row->record.epoch = m->epoch;
        row->record.hash = line.hash;
        m->epoch += line.type == LINE_EPOCH;
    }
    row->log = m->log;
    row->record.seq += (uint64_t)m->spoil[0];
    row->record.epoch += (uint64_t)m->spoil[1];
    row->record.hash.bytes[0] ^= (unsigned char)m->spoil[2];
    memset(m->spoil, 0, sizeof(m->spoil));
    m->fresh = false;
    m->n++;
}

static void add_alarm(struct made *m, struct slice text)
{
    char *kind = must_copy(text), *why = strchr(kind, '|');
    struct archive_alarm *alarm = &m->alarms[m->n_alarms];

    if (why)
        *why = '\0';
    if (m->n_alarms == ALARMS || !why) {
        free(kind);
        return;
    }
    *alarm = (struct archive_alarm){.log = m->log, .kind = kind, .why = why + 1};
    alarm->host = why + 1;
    alarm->here_seq = alarm->received_us = text.len * UINT64_C(1000000000000);
    m->n_alarms++;
}

static void add_head(struct made *m)
{
    const struct row *last = m->n ? &m->rows[m->n - 1] : NULL;

    if (last && m->n_heads < HEADS)
        m->heads[m->n_heads++] =
            (struct verify_head){last->log, last->record.seq, last->record.hash};
}

static void add_line(struct made *m, struct slice line)
{
    struct slice rest = line.len ? slice_of(line.data + 1, line.len - 1) : line;

    if (line.len == 0) {
        m->fresh = true;
        m->log.bytes[0]++;
    } else if (line.data[0] == '#') {
        m->host = rest;
    } else if (line.data[0] == '!') {
        add_alarm(m, rest);
    } else if (line.data[0] == '~') {
        memcpy(m->spoil, rest.data, rest.len < 3 ? rest.len : 3);
    } else if (line.data[0] == '=') {
        add_head(m);
    } else {
        add_record(m, line);
    }
}

static void make(struct made *m, struct slice all, bool righted)
{
    *m = (struct made){.archive.kind = &MADE, .righted = righted, .fresh = true, .epoch = 1};
    must(chain_new(&m->chain) == 0);
    while (all.len) {
        const char *newline = memchr(all.data, '\n', all.len);
        size_t n = newline ? (size_t)(newline - all.data) : all.len;

        add_line(m, slice_of(all.data, n));
        n += newline ? 1 : 0;
        all = slice_of(all.data + n, all.len - n);
    }
}

static void unmake(struct made *m)
{
    for (size_t i = 0; i < m->n; i++) {
        free(m->rows[i].bytes);
        free(m->rows[i].host);
    }
    for (size_t i = 0; i < m->n_alarms; i++)
        free((char *)(uintptr_t)m->alarms[i].kind);
    chain_free(m->chain);
}

/* ---- its verification ---- */

static void count(void *arg, const struct finding *finding)
{
    must(finding->what && finding->what[0] && finding_name(finding->kind));
    must(finding->last >= finding->first);
    ++*(size_t *)arg;
}

/* Whether the log is what a keeper writes and the columns are its own, by the plain verifier. */
static bool is_sound(const struct made *m, const struct seal_key *log)
{
    struct verify v;
    bool sound = true;

    must(verify_init(&v) == 0);
    for (size_t i = 0; sound && i < m->n; i++) {
        const struct archive_record *r = &m->rows[i].record;
        struct line line;

        if (!same_log(&m->rows[i].log, log))
            continue;
        sound = !line_read(r->line, &line) && line.seq == r->seq && (v.begun || r->seq == 1) &&
                chain_same(&line.hash, &r->hash);
        if (sound && line.type == LINE_SEGMENT)
            verify_segment(&v);
        sound = sound && !verify_line(&v, r->line) && same_log(&v.log, log) &&
                v.epoch - (line.type == LINE_EPOCH) == r->epoch;
    }
    verify_deinit(&v);
    return sound;
}

static void check_log(struct made *m, const struct seal_key *log)
{
    size_t findings = 0;
    struct archive_check_options options = {
        .log = *log, .first = 1, .found = count, .arg = &findings};
    struct archive_check c;

    must(archive_check_init(&c, &options) == 0);
    for (size_t i = 0; i < m->n; i++)
        if (same_log(&m->rows[i].log, log))
            must(archive_check_record(&c, &m->rows[i].record) == 0);
    archive_check_end(&c);
    must(findings <= 6 * c.records + 4);
    must((findings == 0) == is_sound(m, log));
    must(findings || verify_unsigned(&c.v) <= c.records);
    archive_check_deinit(&c);
}

/* One character of UTF-8, shortest form; 0 when it is none. */
static size_t character(const unsigned char *p, uint32_t *c)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    *c = n == 1 ? p[0] : p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        *c = *c << 6 | (p[i] & 0x3f);
    }
    return n;
}

/* Lines of text: no control, nothing invisible, nothing that turns what stands behind it. */
static size_t harmless_lines(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t lines = 0, n;
    uint32_t c;

    for (; *p; p += n) {
        n = character(p, &c);
        must(n > 0 && (c >= 0x20 || c == '\n') && !(c >= 0x7f && c < 0xa0));
        must(!(c >= 0x200b && c <= 0x200f) && !(c >= 0x2028 && c <= 0x202e) &&
             !(c >= 0x2060 && c <= 0x206f) && c != 0xfeff);
        lines += c == '\n';
    }
    return lines;
}

static const char *file_of(const void *data, size_t n)
{
    static char path[32];
    static int fd = -1;

    if (fd < 0) {
        fd = memfd_create("identities", MFD_CLOEXEC);
        must(fd >= 0);
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    }
    must(ftruncate(fd, 0) == 0 && (n == 0 || pwrite(fd, data, n, 0) == (ssize_t)n));
    return path;
}

static void report(struct made *m, bool expected, bool learn)
{
    struct archive_verify_options options = {
        .archive = &m->archive,
        .identities = expected ? file_of("", 0) : NULL,
        .learn = expected && learn,
        .heads = m->heads,
        .n_heads = m->n_heads,
        .now_us = UINT64_C(1796000000000000),
    };
    struct identities all;
    struct err err = ERR_INIT;
    char *text = NULL;
    size_t n = 0, most = 8 + 2 * m->n_alarms + m->n_heads, found = 0;
    FILE *out = open_memstream(&text, &n);
    int code;

    must(out != NULL);
    code = archive_verify(&options, out, &err);
    must(fclose(out) == 0);
    must(code == CTL_DONE || code == CTL_FAILED || code == CTL_USAGE);
    for (size_t i = 0; i < m->n; i++)
        if (is_first(m, i)) {
            most += 2 + 2 * (FINDING_MOST + 1);
            found += !is_sound(m, &m->rows[i].log);
        }
    must(harmless_lines(text) <= most && strlen(text) == n);
    must(m->n || m->n_heads || m->n_alarms || code == CTL_USAGE);
    must(!found || code == CTL_FAILED || (expected && learn));
    free(text);
    if (expected) {
        must(identities_read(&all, options.identities, &err) == 0);
        identities_deinit(&all);
    }
}

static void verify(struct slice in)
{
    static struct made m;
    unsigned how = in.len ? (unsigned char)in.data[0] : 0;

    make(&m, in.len ? slice_of(in.data + 1, in.len - 1) : in, how & 1);
    for (size_t i = 0; i < m.n; i++)
        if (is_first(&m, i))
            check_log(&m, &m.rows[i].log);
    report(&m, how & 2, how & 4);
    unmake(&m);
}

/* ---- expected identities ---- */

static void check_same(const struct identity *a, const struct identity *b)
{
    must(same_log(&a->log, &b->log) && strcmp(a->name, b->name) == 0);
    must(a->first == b->first && a->has_hash == b->has_hash);
    must(!a->has_hash || chain_same(&a->hash, &b->hash));
}

/* One that is added is there, and leaves the others as they are. */
static void expected(struct slice in)
{
    const char *path = file_of(in.data, in.len);
    char name[] = "learned";
    struct identity one = {.log = {{0x5a}}, .name = name, .first = 7, .has_hash = true};
    struct identities all, again;
    struct err err = ERR_INIT;

    if (identities_read(&all, path, &err) < 0) {
        must(all.n == 0);
        must_print(err.text);
        return;
    }
    for (size_t i = 0; i < all.n; i++)
        must(identities_find(&all, &all.list[i].log) == &all.list[i] && all.list[i].first > 0);
    if (!identities_find(&all, &one.log)) {
        must(identities_append(&all, path, &one, &err) == 0);
        must(identities_read(&again, path, &err) == 0 && again.n == all.n);
        for (size_t i = 0; i < all.n; i++)
            check_same(&all.list[i], &again.list[i]);
        identities_deinit(&again);
    }
    identities_deinit(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size && data[0] == 'v')
        verify(slice_of(data + 1, size - 1));
    else if (size && data[0] == 'i')
        expected(slice_of(data + 1, size - 1));
    return 0;
}
