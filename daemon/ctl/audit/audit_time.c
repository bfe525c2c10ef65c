#include "ctl/audit/audit_time.h"

#include "audit/record.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum {
    DATE = 10,     /* bytes of YYYY-MM-DD */
    SECONDS = 19,  /* bytes up to the seconds' end */
    FRACTION = 20, /* where its digits begin */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Whether the text begins with the shape's first n bytes, `d` being any digit. */
static bool has_shape(const char *text, const char *shape, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (shape[i] == 'd' ? !is_digit(text[i]) : text[i] != shape[i])
            return false;
    return true;
}

static unsigned number(const char *digits, unsigned n)
{
    unsigned v = 0;

    while (n--)
        v = v * 10 + (unsigned)(*digits++ - '0');
    return v;
}

static bool is_day(const char *text)
{
    static const unsigned char DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned year = number(text, 4), month = number(text + 5, 2), day = number(text + 8, 2);
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return month >= 1 && month <= 12 && day >= 1 &&
           day <= DAYS[month - 1] + (unsigned)(month == 2 && leap);
}

/* The fraction and the zone behind the seconds; its digits go to `micro`. */
static bool take_end(const char *s, char micro[6])
{
    unsigned n = 0;

    if (*s == '.') {
        for (s++; is_digit(*s) && n < 9; s++, n++)
            if (n < 6)
                micro[n] = *s;
        if (n == 0)
            return false;
    }
    return (*s == 'Z' || *s == 'z') && s[1] == '\0';
}

static int parse_age(char out[SEAL_TIME], const char *text, uint64_t now_us)
{
    static const struct {
        char unit;
        uint64_t seconds;
    } UNITS[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    uint64_t n = 0;
    size_t digits = 0;

    for (; is_digit(text[digits]); digits++) {
        if (digits == 9)
            return -EINVAL;
        n = n * 10 + (uint64_t)(text[digits] - '0');
    }
    if (digits == 0 || text[digits] == '\0' || text[digits + 1] != '\0')
        return -EINVAL;
    for (size_t i = 0; i < sizeof(UNITS) / sizeof(UNITS[0]); i++) {
        uint64_t age = n * UNITS[i].seconds * 1000000;

        if (text[digits] != UNITS[i].unit)
            continue;
        record_time(out, age < now_us ? now_us - age : 0);
        return 0;
    }
    return -EINVAL;
}

int audit_time_parse(char out[SEAL_TIME], const char *text, uint64_t now_us)
{
    char time[SEAL_TIME + 1] = "0000-00-00T00:00:00.000000Z";
    size_t n = strlen(text);

    if (n < DATE || !has_shape(text, "dddd-dd-dd", DATE))
        return parse_age(out, text, now_us);
    if (!is_day(text))
        return -EINVAL;
    memcpy(time, text, DATE);
    if (n > DATE) {
        if (n <= SECONDS || (text[DATE] != 'T' && text[DATE] != 't' && text[DATE] != ' ') ||
            !has_shape(text + DATE + 1, "dd:dd:dd", SECONDS - DATE - 1) ||
            number(text + 11, 2) > 23 || number(text + 14, 2) > 59 || number(text + 17, 2) > 60 ||
            !take_end(text + SECONDS, time + FRACTION))
            return -EINVAL;
        memcpy(time + DATE + 1, text + DATE + 1, SECONDS - DATE - 1);
    }
    memcpy(out, time, SEAL_TIME);
    return 0;
}

uint64_t audit_time_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
