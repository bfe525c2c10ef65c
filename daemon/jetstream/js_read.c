#include "jetstream/js_read.h"

const struct centre_kind JS_CENTRE = {0};
