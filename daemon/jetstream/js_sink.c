#include "jetstream/js_sink.h"

#include <errno.h>
#include <nats/nats.h>

int js_sink_new(struct sink **out, const struct js_sink_options *options, struct err *err)
{
    (void)out;
    (void)options;
    return err_set(err, -ENOSYS, "nats %s", nats_GetVersion());
}
