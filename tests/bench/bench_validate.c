/*
 * What validation costs: processor time of validate() on the API document's example organisation,
 * beside that of scanning and canonicalising the same body. Prints the least and the median of
 * some rounds; fails when the least is above the limit that the project gives itself,
 * times this machine's pace (pace.h), except in
 * a sanitized build.
 *
 *     bench_validate [DESCRIPTION]
 */
#include "api/api.h"
#include "api/canon.h"
#include "api/validate.h"
#include "base/asan.h"
#include "bench/pace.h"

#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    ROUNDS = 15,
    TIMES = 20000,   /* calls in a round */
    LIMIT_NS = 2000, /* for one validate() */
};

#if CENTION_ASAN
static const bool SANITIZED = true;
#else
static const bool SANITIZED = false;
#endif

#define DAY(name) "\"" name "\": {\"working\": true, \"start\": \"09:00\", \"end\": \"18:00\"}"

/* From the vendor's document, "Organization", without the id that only answers have. */
static const char ORGANISATION[] =
    "{\"active\": true, \"anonymize_contact\": true, \"anonymize_day\": 365, \"bright_settings\": "
    "{\"active\": true, \"language_code\": \"SE\", \"survey_reference_code\": \"123\"}, "
    "\"external_id\": \"123456\", \"name\": \"new organisation\", \"pro_active_chat\": \"1\", "
    "\"time_zone\": \"CET\", \"working_time_data\": {" DAY("Friday") ", " DAY("Monday") ", " DAY(
        "Saturday") ", " DAY("Thursday") ", " DAY("Tuesday") ", " DAY("Wednesday") "}}";

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

static double show(const char *name, double ns[ROUNDS])
{
    qsort(ns, ROUNDS, sizeof(ns[0]), ascending);
    printf("%-10s %6.0f ns at least, %6.0f ns median (%d rounds of %d)\n", name, ns[0],
           ns[ROUNDS / 2], ROUNDS, TIMES);
    return ns[0];
}

static struct api *load(const char *path)
{
    struct err err = ERR_INIT;
    struct api *api = NULL;
    size_t n = 0;
    char *text = unit_file(path, &n);

    if (!text || api_load(&api, slice_of(text, n), &err) < 0)
        fprintf(stderr, "%s: %s\n", path, text ? err.text : "can't be read");
    free(text);
    return api;
}

static int once(int argc, char **argv)
{
    struct api *api = load(argc > 1 ? argv[1] : UNIT_SRCDIR "/conf/cention-openapi.json");
    struct slice body = slice_str(ORGANISATION);
    const struct api_path *path = api ? api_find(api, slice_str("/v1/org")) : NULL;
    const struct schema *schema = path ? api_body(path, API_POST) : NULL;
    struct validate_report report = {0};
    double canonical[ROUNDS], validated[ROUNDS], least, limit;
    struct canon_error why;
    struct canon canon;
    bool good = schema != NULL;

    canon_init(&canon);
    for (int round = 0; good && round < ROUNDS; round++) {
        double start = now_ns();

        for (int i = 0; i < TIMES && good; i++)
            good = canon_body(&canon, body, CANON_FLATTEN, &why) == 0;
        canonical[round] = (now_ns() - start) / TIMES;
        start = now_ns();
        for (int i = 0; i < TIMES && good; i++)
            good = validate(schema, &canon.tape, body, &report) == 0 && report.total == 0;
        validated[round] = (now_ns() - start) / TIMES;
    }
    if (good) {
        printf("the document's organisation, %zu bytes\n", body.len);
        (void)show("canon_body", canonical);
        least = show("validate", validated);
        limit = LIMIT_NS * pace_factor();
        good = SANITIZED || least <= limit;
        if (!good)
            printf("validate takes more than %.0f ns\n", limit);
    } else {
        puts("the organisation is not accepted");
    }
    canon_deinit(&canon);
    validate_report_deinit(&report);
    api_free(api);
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    return pace_tries(once, argc, argv);
}
