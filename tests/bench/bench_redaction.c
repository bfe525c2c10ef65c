/*
 * What keeping values from the log costs a request: processor time of redact_intent() on a body of
 * about 600 bytes with 8 fields, three of them addresses or numbers. Prints the least and the
 * median of some rounds; fails when the least is above the limit that the project gives itself,
 * times this machine's pace (pace.h),
 * except in a sanitized build.
 */
#include "base/asan.h"
#include "bench/pace.h"
#include "keeper/redaction/redaction.h"

#include "unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    ROUNDS = 15,
    TIMES = 10000,    /* calls in a round */
    LIMIT_NS = 10000, /* for one request */
};

#if CENTION_ASAN
static const bool SANITIZED = true;
#else
static const bool SANITIZED = false;
#endif

#define TEXT                                                                                       \
    "Everything that customers of the northern region write to us, by post, chat or voice, is "    \
    "answered here within two working days, at the latest on the third one of them, all year."

/* Names and values have about 600 bytes together. */
static const struct request_field FIELDS[] = {
    {SLICE_LIT("active"), SLICE_LIT("true"), REQUEST_STRING},
    {SLICE_LIT("agent_groups"), SLICE_LIT("1:API Agents,2:Night shift,3:Back office,4:Weekend"),
     REQUEST_STRING},
    {SLICE_LIT("description"), SLICE_LIT(TEXT), REQUEST_STRING},
    {SLICE_LIT("external_forward_number"), SLICE_LIT("+46 70 123 45 67"), REQUEST_STRING},
    {SLICE_LIT("name"), SLICE_LIT("Customer care, the northern region (and islands)"),
     REQUEST_STRING},
    {SLICE_LIT("reply_to_email_address"), SLICE_LIT("reply-to@example.com"), REQUEST_STRING},
    {SLICE_LIT("server_emails"), SLICE_LIT("-1:s1@example.com:1,-1:s2@example.com:2"),
     REQUEST_STRING},
    {SLICE_LIT("working_time_data"),
     SLICE_LIT("18:00:09:00:true:18:00:09:00:true:18:00:09:00:true:18:00:09:00:true:18:00:09:00:"
               "true:18:00:09:00:true:18:00:09:00:true:18:00:09:00:true"),
     REQUEST_STRING},
};

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The least of some rounds; negative when a call failed. */
static double measure(struct redaction *redaction, const struct sign_request *sign)
{
    double ns[ROUNDS];
    struct sign_request out;
    struct record_redaction how;

    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();

        for (int i = 0; i < TIMES; i++)
            if (redact_intent(redaction, sign, &out, &how) < 0)
                return -1;
        ns[round] = (now_ns() - start) / TIMES;
    }
    qsort(ns, ROUNDS, sizeof(ns[0]), ascending);
    printf("%-10s %6.0f ns at least, %6.0f ns median (%d rounds of %d)\n", "veil_intent", ns[0],
           ns[ROUNDS / 2], ROUNDS, TIMES);
    return ns[0];
}

static int once(int argc, char **argv)
{
    char folder[] = "/tmp/bench_redaction.XXXXXX";
    struct sign_request sign = {.method = SLICE_LIT("PUT"),
                                .path = SLICE_LIT("/v1/area/7"),
                                .n_fields = sizeof(FIELDS) / sizeof(FIELDS[0]),
                                .fields = FIELDS};
    struct redaction *redaction = NULL;
    struct err err = ERR_INIT;
    size_t bytes = 0;
    double least = -1, limit;
    int directory;

    (void)argc;
    (void)argv;
    if (!mkdtemp(folder))
        return 1;
    directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < sign.n_fields; i++)
        bytes += FIELDS[i].name.len + FIELDS[i].value.len;
    if (redact_open(&redaction, directory, folder, &err) == 0) {
        printf("%u fields, %zu bytes\n", sign.n_fields, bytes);
        least = measure(redaction, &sign);
    }
    redact_free(redaction);
    (void)unlinkat(directory, MAC_KEY_FILE, 0);
    (void)close(directory);
    (void)rmdir(folder);
    limit = LIMIT_NS * pace_factor();
    if (least > limit && !SANITIZED)
        printf("veil_intent takes more than %.0f ns\n", limit);
    return least < 0 || (least > limit && !SANITIZED);
}

int main(int argc, char **argv)
{
    return pace_tries(once, argc, argv);
}
