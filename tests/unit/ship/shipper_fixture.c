#include "unit/ship/shipper_fixture.h"

#include "base/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct loop *loop;
struct fake_archive *archive;
struct fake_sink *fake;
struct shipper *shipper;
struct audit *audit;
int state_fd;
uint64_t cursor_us;

static struct audit_options options;
static char state[] = "/tmp/test_shipper.XXXXXX";

int start(void)
{
    const struct shipper_options o = {
        .name = "archive",
        .host = "here",
        .receipt = true,
        .log = identity(),
        .audit = audit_fd,
        .state = state_fd,
        .suspect_us = 20000,
        .stopped_us = 30000,
        .retry_us = 20000,
        .cursor_us = cursor_us,
    };
    struct err err = ERR_INIT;

    fake = fake_new(loop, archive);
    return shipper_new(&shipper, loop, &o, &fake->sink, &err);
}

void open_all(void)
{
    setup();
    strcpy(state + strlen(state) - 6, "XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(state));
    state_fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cursor_us = 10000;
    options = (struct audit_options){0};
    audit = keep(&options);
    pairs(audit, 5);
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
    archive = calloc(1, sizeof(*archive));
    CU_ASSERT_PTR_NOT_NULL_FATAL(archive);
    CU_ASSERT_EQUAL_FATAL(start(), 0);
}

void close_all(void)
{
    CU_ASSERT_FALSE(archive->double_or_gap);
    shipper_free(shipper);
    shipper = NULL;
    loop_free(loop);
    free(archive);
    audit_free(audit);
    close(state_fd);
    unit_remove(state);
    cleanup();
}

struct shipper_report report(void)
{
    struct shipper_report r;

    shipper_report(&r, shipper);
    return r;
}

bool has_all(void *arg)
{
    (void)arg;
    return archive->n && archive->records[archive->n - 1].seq == audit_seq(audit) &&
           report().acknowledged == audit_seq(audit);
}

bool read_receipt(struct receipt *out)
{
    struct buf text = BUF_INIT(RECEIPT_MAX);
    char path[128];
    bool good;

    snprintf(path, sizeof(path), "%s/archive.receipt", state);
    good = file_read(&text, path) == 0 && !receipt_read(buf_slice(&text), out);
    buf_deinit(&text);
    return good;
}

bool receipt_has_all(void *arg)
{
    struct receipt r;

    (void)arg;
    return read_receipt(&r) && r.seq == audit_seq(audit);
}
