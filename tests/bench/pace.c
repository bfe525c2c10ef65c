/*
 * Work of a fixed amount, of the kind that is measured (bytes looked at, branches, small copies)
 * but none of the project's own code. The least of some rounds, as for what is measured.
 */
#include "bench/pace.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    ROUNDS = 15,
    TIMES = 10000,
    BYTES = 1024,
    TRIES = 5,
};

/* Nanoseconds of one look at the text on that machine, an EPYC with nothing else to do. */
static const double NOMINAL_NS = 1000;

static double now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Words, numbers and the rest, copied apart. */
static size_t look(const char *text, char *out)
{
    size_t n = 0, words = 0;

    for (size_t i = 0; i < BYTES; i++) {
        size_t from = i;

        while (i < BYTES && ((text[i] >= 'a' && text[i] <= 'z') || text[i] == '_'))
            i++;
        if (i > from) {
            memcpy(out + n, text + from, i - from);
            n += i - from;
            words++;
        }
    }
    return n + words;
}

double pace_factor(void)
{
    static const char PATTERN[] = "{\"active\": true, \"anonymize_day\": 365, \"name\": \"new\"}, ";
    static char text[BYTES], out[BYTES];
    volatile size_t sink = 0;
    double least = 0;

    for (size_t i = 0; i < BYTES; i++)
        text[i] = PATTERN[i % (sizeof(PATTERN) - 1)];
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns(), ns;

        for (int i = 0; i < TIMES; i++)
            sink += look(text, out);
        ns = (now_ns() - start) / TIMES;
        least = least == 0 || ns < least ? ns : least;
    }
    printf("pace: %.0f ns, where the limits were set %.0f ns\n", least, NOMINAL_NS);
    return least > NOMINAL_NS ? least / NOMINAL_NS : 1;
}

int pace_tries(int (*once)(int argc, char **argv), int argc, char **argv)
{
    int r = 1;

    for (int i = 0; i < TRIES && r != 0; i++)
        r = once(argc, argv);
    return r;
}
