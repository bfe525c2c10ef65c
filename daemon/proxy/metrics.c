#include "proxy/metrics.h"

int metrics_put(struct buf *out, const char *name, const char *kind, const char *help,
                uint64_t value)
{
    return buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name, kind, name,
                      (unsigned long long)value);
}
