/*
 * Writes an audit log of so many records as the keeper would, pairs of an intent with a dozen
 * fields and its outcome, for measuring and testing what reads it.
 *
 *     make_log DIRECTORY RECORDS [SEGMENT_BYTES [LONGEST]]
 *
 * With LONGEST the records have 136 to so many bytes, and are written in pieces of up to 8 KiB, so
 * that a reader beside it sees parts of lines.
 */
#include "base/log.h"
#include "keeper/audit/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    PAIRS = 500, /* made durable together */
};

static uint64_t longest, seed = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t dice(uint64_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed >> 32) % below;
}

/* As write(2), of a piece. Others read what is there before the next one. */
static ssize_t write_piece(int fd, const void *data, size_t n)
{
    static const struct timespec PAUSE = {0, 50000};
    size_t piece = 1 + dice(8192);

    (void)nanosleep(&PAUSE, NULL);
    return write(fd, data, n < piece ? n : piece);
}

/* Most are short: one in sixteen may have any length. */
static struct slice filler(void)
{
    static char text[64 * 1024];

    if (longest == 0)
        return SLICE_LIT("new organisation");
    memset(text, 'x', sizeof(text));
    return slice_of(text, dice(16) ? dice(400) : dice(longest - 1000));
}

static int add_pair(struct audit *a, uint64_t i)
{
    static struct request_field fields[] = {
        {SLICE_LIT("active"), SLICE_LIT("true"), REQUEST_STRING},
        {SLICE_LIT("anonymize_day"), SLICE_LIT("365"), REQUEST_STRING},
        {SLICE_LIT("bright_settings.language_code"), SLICE_LIT("SE"), REQUEST_STRING},
        {SLICE_LIT("external_id"), SLICE_LIT("123456"), REQUEST_STRING},
        {SLICE_LIT("name"), SLICE_LIT("new organisation"), REQUEST_STRING},
        {SLICE_LIT("time_zone"), SLICE_LIT("CET"), REQUEST_STRING},
        {SLICE_LIT("working_time_data.Friday.start"), SLICE_LIT("09:00"), REQUEST_STRING},
        {SLICE_LIT("working_time_data.Friday.end"), SLICE_LIT("18:00"), REQUEST_STRING},
    };
    char id[64];
    int n = snprintf(id, sizeof(id), "019abc-%016" PRIx64, i);
    struct slice request_id = slice_of(id, (size_t)n);
    struct sign_request sign = {
        .request_id = request_id,
        .client = {.uid = 1000,
                   .pid = 4711,
                   .exe = SLICE_LIT("/usr/bin/legacy"),
                   .via = SLICE_LIT("unix"),
                   .address = SLICE_LIT("/run/cention-proxy/http.sock")},
        .method = SLICE_LIT("PUT"),
        .workspace = SLICE_LIT("televox"),
        .path = SLICE_LIT("/v1/org/17"),
        .n_fields = sizeof(fields) / sizeof(fields[0]),
        .fields = fields,
    };
    struct record_outcome outcome = {.request_id = request_id,
                                     .status = 200,
                                     .sent = "all",
                                     .timed = true,
                                     .duration_us = 41234};
    int r;

    fields[4].value = filler();
    r = audit_intent(a, &sign, SLICE_LIT("AKID1234"));
    outcome.intent = audit_last_intent(a);
    return r < 0 ? r : audit_outcome(a, &outcome);
}

int main(int argc, char **argv)
{
    static const struct audit_io PIECES = {write_piece, fdatasync, NULL};
    struct audit_options options = {.segment_bytes = argc > 3 ? strtoull(argv[3], NULL, 10) : 0};
    uint64_t pairs = argc > 2 ? strtoull(argv[2], NULL, 10) / 2 : 0;
    struct audit *a = NULL;
    struct err err = ERR_INIT;
    int r;

    longest = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
    if (pairs == 0 || (longest && (longest < 2000 || longest > 60000))) {
        (void)fprintf(stderr, "usage: make_log DIRECTORY RECORDS [SEGMENT_BYTES [LONGEST]]\n");
        return 2;
    }
    if (longest)
        options.io = &PIECES;
    log_set_level(LOG_LEVEL_ERROR);
    r = audit_open(&a, argv[1], &options, &err);
    if (r == 0)
        r = audit_begin(a, "bench", 1, &err);
    for (uint64_t i = 0; r == 0 && i < pairs; i++) {
        r = add_pair(a, i);
        if (r == 0 && (i + 1) % PAIRS == 0 && (r = audit_commit(a)) == 0 && audit_due(a) == 0)
            r = audit_tend(a);
    }
    if (r == 0)
        r = audit_stop(a);
    if (r == 0)
        r = audit_commit(a);
    if (r < 0)
        (void)fprintf(stderr, "make_log: %s\n", err.text[0] ? err.text : audit_state(a).reason);
    audit_free(a);
    return r < 0;
}
