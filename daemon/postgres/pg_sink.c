#include "postgres/pg_sink.h"

#include <errno.h>
#include <libpq-fe.h>

int pg_sink_new(struct sink **out, const struct pg_sink_options *options, struct err *err)
{
    (void)out;
    (void)options;
    return err_set(err, -ENOSYS, "libpq %d", PQlibVersion());
}
