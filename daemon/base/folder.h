/* Going through the names in a directory. Blocks: never for a request. */
#ifndef CENTION_BASE_FOLDER_H
#define CENTION_BASE_FOLDER_H

/*
 * Calls for every name in the open directory, in no order, until one call returns not 0: that, 0,
 * or -errno. What is added or removed meanwhile may be seen or not.
 */
int folder_each(int directory, int (*each)(void *arg, const char *name), void *arg)
    __attribute__((warn_unused_result));

#endif
