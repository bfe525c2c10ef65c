/*
 * What a request to sign must look like, whoever asks. The proxy has checked the same, so anything
 * else means that it has a defect or is in the wrong hands.
 */
#ifndef CENTION_KEEPER_CHECK_H
#define CENTION_KEEPER_CHECK_H

#include "wall/wire.h"

/*
 * NULL, or a static sentence: the request id, the method (POST, PUT, DELETE), the workspace or the
 * api-path is out of its grammar, names don't ascend strictly, or names or values aren't UTF-8.
 */
const char *check_sign(const struct wire_sign *sign) __attribute__((warn_unused_result));

#endif
