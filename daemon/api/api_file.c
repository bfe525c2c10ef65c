#include "api/api_file.h"

#include "base/file.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#ifndef CENTION_DATADIR
#define CENTION_DATADIR "/usr/share/cention-proxy"
#endif

static const char INSTALLED[] = CENTION_DATADIR "/cention-openapi.json";

void api_file_default(char out[PATH_MAX])
{
    static const char *const PLACES[] = {"../conf", "../../conf"};
    char exe[PATH_MAX / 2], *slash;
    ssize_t n;

    (void)snprintf(out, PATH_MAX, "%s", INSTALLED);
    if (access(out, F_OK) == 0)
        return;
    n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    exe[n > 0 ? n : 0] = '\0';
    slash = strrchr(exe, '/');
    for (unsigned i = 0; slash && i < sizeof(PLACES) / sizeof(PLACES[0]); i++) {
        *slash = '\0';
        (void)snprintf(out, PATH_MAX, "%s/%s/cention-openapi.json", exe, PLACES[i]);
        if (access(out, F_OK) == 0)
            return;
    }
    (void)snprintf(out, PATH_MAX, "%s", INSTALLED);
}

int api_file_load(struct api **out, const char *path, struct err *err)
{
    struct buf text = BUF_INIT(DOC_TEXT_MAX + 1);
    struct err why = ERR_INIT;
    int r = file_read(&text, path);

    if (r == 0)
        r = api_load(out, buf_slice(&text), &why);
    else
        (void)err_set(&why, r, "%s", r == -EFBIG ? "longer than 4 MiB" : strerror(-r));
    buf_deinit(&text);
    return r < 0 ? err_set(err, r, "%.128s: %.370s", path, why.text[0] ? why.text : "out of memory")
                 : 0;
}
