#include "central/pages.h"

#include <errno.h>

enum {
    HOST = 256, /* bytes of a host's name, terminator included */
    PAGES_MAX = 1024 * 1024 * 1024,
};

struct page_record {
    struct archive_record record; /* its line and host follow, without their pointers */
    char host[HOST];
};

void pages_init(struct pages *p, struct archive *archive, const struct seal_key *log, size_t most)
{
    *p = (struct pages){
        .archive = archive, .log = *log, .most = most, .first = 1, .bytes = BUF_INIT(PAGES_MAX)};
}

void pages_deinit(struct pages *p)
{
    buf_deinit(&p->bytes);
}

/* A page ends between two numbers: records of one number stay together. */
static int add_record(void *arg, const struct archive_record *record)
{
    struct page_record kept = {.record = *record};
    struct pages *p = arg;
    int r;

    if (record->seq < p->first || record->seq < p->taken)
        return 0;
    if (buf_len(&p->bytes) >= p->most && record->seq > p->taken) {
        p->first = record->seq;
        p->full = true;
        return -ECANCELED;
    }
    if (record->host)
        (void)memccpy(kept.host, record->host, '\0', HOST - 1);
    p->taken = record->seq;
    r = buf_append(&p->bytes, &kept, sizeof(kept));
    return r < 0 ? r : buf_append_slice(&p->bytes, record->line);
}

static int load(struct pages *p, struct err *err)
{
    uint64_t first = p->first;
    int r;

    if (first == 0)
        return 0;
    p->full = false;
    p->taken = 0;
    r = p->archive->kind->records(p->archive, &p->log, first, add_record, p, err);
    if (p->full)
        return 0;
    p->first = 0;
    return r;
}

int pages_next(struct pages *p, struct archive_record *out, struct err *err)
{
    struct page_record kept;
    int r = 0;

    if (buf_len(&p->bytes) == 0)
        r = load(p, err);
    if (r < 0)
        return err->text[0] ? r : err_set(err, r, "%s", strerror(-r));
    if (buf_len(&p->bytes) == 0)
        return 0;
    memcpy(&kept, buf_slice(&p->bytes).data, sizeof(kept));
    *out = kept.record;
    out->host = buf_slice(&p->bytes).data + offsetof(struct page_record, host);
    out->line.data = buf_slice(&p->bytes).data + sizeof(kept);
    /* Consumed bytes stay in place until something is appended. */
    buf_consume(&p->bytes, sizeof(kept) + kept.record.line.len);
    return 1;
}
