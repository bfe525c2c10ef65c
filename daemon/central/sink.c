#include "central/sink.h"

const char *ship_alarm_name(enum ship_alarm_kind kind)
{
    static const char *const NAMES[] = {
        [SHIP_TRUNCATED] = "truncated", [SHIP_REWRITTEN] = "rewritten",
        [SHIP_CONFLICT] = "conflict",   [SHIP_BROKEN] = "broken",
        [SHIP_MISSING] = "missing",     [SHIP_BEHIND] = "behind",
    };

    return NAMES[kind];
}
