#include "unit/central/archive_fixture.h"

#include "base/log.h"
#include "central/folders/folder_log.h"
#include "keeper/audit/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void request(struct audit *a, const char *id)
{
    struct sign_request sign = {.request_id = slice_str(id), .client = {.uid = CLIENT_UID_UNKNOWN}};
    struct record_outcome o = {.request_id = slice_str(id), .status = 200, .sent = "all"};

    CU_ASSERT_EQUAL(audit_intent(a, &sign, SLICE_LIT("k")), 0);
    o.intent = audit_last_intent(a);
    CU_ASSERT_EQUAL(audit_outcome(a, &o), 0);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    CU_ASSERT_EQUAL(audit_tend(a), 0);
}

void made_more(const char *folder, unsigned requests, const char *id, bool stop)
{
    struct audit_options options = {.segment_bytes = 2048};
    struct err err = ERR_INIT;
    struct audit *a = NULL;

    log_set_level(LOG_LEVEL_ERROR);
    CU_ASSERT_EQUAL_FATAL(audit_open(&a, folder, &options, &err), 0);
    CU_ASSERT_EQUAL(audit_begin(a, "1", 2, &err), 0);
    for (unsigned i = 0; i < requests; i++)
        request(a, id);
    if (stop)
        CU_ASSERT_EQUAL(audit_stop(a), 0);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    audit_free(a);
}

void made_log(char folder[64], unsigned requests, bool stop)
{
    strcpy(folder, "/tmp/test_centre.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    made_more(folder, requests, "id", stop);
}

void made_copy(const char *from, char to[64])
{
    char command[256];

    strcpy(to, "/tmp/test_centre.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(to));
    snprintf(command, sizeof(command), "cp -p %s/* %s/.[a-z]* %s/", from, from, to);
    CU_ASSERT_EQUAL_FATAL(system(command), 0);
}

static bool is_there(const struct fake *f, const struct row *row)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->rows[i].line, row->line) == 0)
            return true;
    return false;
}

void fake_load(struct fake *f, const char *folder, const char *host)
{
    struct archive_record record;
    struct folder_log *log = NULL;
    struct err err = ERR_INIT;

    CU_ASSERT_EQUAL_FATAL(folder_log_open(&log, folder, host, &err), 0);
    while (folder_log_next(log, &record, &err) == 1) {
        struct row row = {.log = *folder_log_identity(log),
                          .epoch = record.epoch,
                          .seq = record.seq,
                          .hash = record.hash,
                          .host = host,
                          .line = strndup(record.line.data, record.line.len)};

        CU_ASSERT_FATAL(f->n < ROWS);
        if (is_there(f, &row))
            free(row.line);
        else
            f->rows[f->n++] = row;
    }
    folder_log_free(log);
    fake_sort(f);
}

static int by_place(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int r = memcmp(&x->log, &y->log, sizeof(x->log));

    if (r == 0)
        r = (x->seq > y->seq) - (x->seq < y->seq);
    if (r == 0)
        r = (x->epoch > y->epoch) - (x->epoch < y->epoch);
    return r ? r : strcmp(x->host, y->host);
}

void fake_sort(struct fake *f)
{
    qsort(f->rows, f->n, sizeof(f->rows[0]), by_place);
}

void fake_delete(struct fake *f, size_t i)
{
    free(f->rows[i].line);
    f->n--;
    memmove(f->rows + i, f->rows + i + 1, (f->n - i) * sizeof(f->rows[0]));
}

struct row *fake_double(struct fake *f, size_t i)
{
    CU_ASSERT_FATAL(f->n < ROWS);
    memmove(f->rows + i + 1, f->rows + i, (f->n - i) * sizeof(f->rows[0]));
    f->n++;
    f->rows[i + 1].line = strdup(f->rows[i].line);
    return &f->rows[i + 1];
}

/* ---- as a centre ---- */

static int fake_logs(struct archive *archive, int (*each)(void *arg, const struct archive_log *log),
                     void *arg, struct err *err)
{
    struct fake *f = (struct fake *)archive;
    struct archive_log empty = {.log = {{0xee}}, .host = "empty", .wrong = f->wrong};
    int r = f->has_empty ? each(arg, &empty) : 0;

    (void)err;
    for (size_t i = 0, end; r == 0 && i < f->n; i = end) {
        struct archive_log log = {.log = f->rows[i].log, .host = f->rows[i].host};

        for (end = i; end < f->n && memcmp(&f->rows[end].log, &log.log, SEAL_KEY) == 0; end++)
            log.last = f->rows[end].seq;
        log.records = end - i;
        log.first = f->rows[i].seq;
        r = each(arg, &log);
    }
    return r;
}

static int fake_records(struct archive *archive, const struct seal_key *log, uint64_t first,
                        int (*each)(void *arg, const struct archive_record *record), void *arg,
                        struct err *err)
{
    struct fake *f = (struct fake *)archive;
    int r = 0;

    for (size_t i = 0; r == 0 && i < f->n; i++) {
        const struct row *row = &f->rows[i];
        struct archive_record record = {.epoch = row->epoch,
                                        .seq = row->seq,
                                        .hash = row->hash,
                                        .host = row->host,
                                        .received_us = row->received_us,
                                        .line = slice_str(row->line)};

        if (row->seq >= first && memcmp(&row->log, log, SEAL_KEY) == 0)
            r = each(arg, &record);
    }
    return r == 0 && f->fail ? err_set(err, f->fail, "the centre went away") : r;
}

static int fake_alarms(struct archive *archive,
                       int (*each)(void *arg, const struct archive_alarm *alarm), void *arg,
                       struct err *err)
{
    struct fake *f = (struct fake *)archive;
    int r = 0;

    (void)err;
    for (size_t i = 0; r == 0 && i < f->n_alarms; i++)
        r = each(arg, &f->alarms[i]);
    for (unsigned i = 0; r == 0 && i < f->flood; i++) {
        struct archive_alarm alarm = f->alarms[0];

        alarm.log = (struct seal_key){{(unsigned char)(i % 2 + 1)}};
        r = each(arg, &alarm);
    }
    return r;
}

static const struct archive_kind FAKE = {
    .logs = fake_logs, .records = fake_records, .alarms = fake_alarms};

void fake_init(struct fake *f)
{
    *f = (struct fake){.archive.kind = &FAKE};
}

void fake_deinit(struct fake *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->rows[i].line);
    f->n = 0;
}

void fake_begin(struct fake *f, char folder[64], unsigned requests)
{
    made_log(folder, requests, true);
    fake_init(f);
    fake_load(f, folder, "web1");
}

void fake_end(struct fake *f, const char *folder)
{
    fake_deinit(f);
    unit_remove(folder);
}
