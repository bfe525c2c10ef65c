/*
 * Writes an audit log of so many records as the keeper would, pairs of an intent with a dozen
 * fields and its outcome, for measuring what reads it.
 *
 *     make_log DIRECTORY RECORDS [SEGMENT_BYTES]
 */
#include "base/log.h"
#include "keeper/audit/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PAIRS = 500, /* made durable together */
};

static int add_pair(struct audit *a, uint64_t i)
{
    static struct request_field fields[] = {
        {SLICE_LIT("active"), SLICE_LIT("true")},
        {SLICE_LIT("anonymize_day"), SLICE_LIT("365")},
        {SLICE_LIT("bright_settings.language_code"), SLICE_LIT("SE")},
        {SLICE_LIT("external_id"), SLICE_LIT("123456")},
        {SLICE_LIT("name"), SLICE_LIT("new organisation")},
        {SLICE_LIT("time_zone"), SLICE_LIT("CET")},
        {SLICE_LIT("working_time_data.Friday.start"), SLICE_LIT("09:00")},
        {SLICE_LIT("working_time_data.Friday.end"), SLICE_LIT("18:00")},
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
    int r = audit_intent(a, &sign, SLICE_LIT("AKID1234"));

    return r < 0 ? r : audit_outcome(a, &outcome);
}

int main(int argc, char **argv)
{
    struct audit_options options = {.segment_bytes = argc > 3 ? strtoull(argv[3], NULL, 10) : 0};
    uint64_t pairs = argc > 2 ? strtoull(argv[2], NULL, 10) / 2 : 0;
    struct audit *a = NULL;
    struct err err = ERR_INIT;
    int r;

    if (pairs == 0) {
        (void)fprintf(stderr, "usage: make_log DIRECTORY RECORDS [SEGMENT_BYTES]\n");
        return 2;
    }
    log_set_level(LOG_LEVEL_ERROR);
    r = audit_open(&a, argv[1], &options, &err);
    if (r == 0)
        r = audit_begin(a, "bench", 1, &err);
    for (uint64_t i = 0; r == 0 && i < pairs; i++) {
        r = add_pair(a, i);
        if (r == 0 && (i + 1) % PAIRS == 0 && (r = audit_commit(a)) == 0 && audit_due(a) == 0)
            r = audit_tend(a, UINT64_MAX);
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
