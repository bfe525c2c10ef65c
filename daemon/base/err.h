/*
 * Why something failed, as a sentence for a person. Functions that read what an administrator wrote
 * (configuration, keys, descriptions) take a `struct err *` and fill it when they fail; functions
 * on the request path do not.
 *
 * Return values everywhere: 0 is done; a negative errno means "give up" and is forwarded
 * unchanged; positive values are named by the module and are meant for the caller.
 */
#ifndef CENTION_BASE_ERR_H
#define CENTION_BASE_ERR_H

#include "base/attributes.h"

struct err {
    char text[512]; /* terminated; one line: no control character */
};

#define ERR_INIT ((struct err){{0}})

/* Sets the text, cut to fit. */
void err_text(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

/*
 * err_text, and gives `code`, so that a caller can `return err_set(...)`. A macro, so that
 * compilers and analysers see which code it is.
 */
#define err_set(err, code, ...)                                                                    \
    __extension__({                                                                                \
        int err_code_ = (code);                                                                    \
        err_text((err), __VA_ARGS__);                                                              \
        err_code_;                                                                                 \
    })

#endif
