/*
 * Fuzzes the configuration files through settings: the first byte says whose file the rest is. It
 * is loaded as a file is. Beside not crashing: a refusal names the file and is one line, loading
 * twice says the same, and what is accepted keeps the limits that the daemons rely on.
 */
#include "audit/receipt.h"
#include "fuzz/must.h"
#include "keeper/keeper_conf.h"
#include "proxy/proxy_conf.h"
#include "ship/ship_conf.h"
#include "wall/wire.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libconfig's scanner loses the strings that it holds at a syntax error; nothing of ours. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:strbuf_append\nleak:libconfig_yylex\n";
}

static void check_listener(const struct listener_conf *l)
{
    must((l->address != NULL) != (l->path != NULL));
    must(!l->address || (listener_is_loopback(l->address) && l->port <= 65535));
    must(!l->path || (l->path[0] && l->mode <= 0777));
}

static int load_proxy(const char *path, struct err *err)
{
    struct proxy_conf c;
    int r = proxy_conf_load(&c, path, err);

    if (r < 0)
        return r;
    must(c.n_listen >= 1 && c.n_listen <= PROXY_LISTENERS_MAX);
    for (unsigned i = 0; i < c.n_listen; i++)
        check_listener(&c.listen[i]);
    if (c.admin.address || c.admin.path)
        check_listener(&c.admin);
    must(c.keeper && c.keeper[0] && c.workspace && c.api && c.upstream.url);
    must(c.limits.body_bytes <= REQUEST_BODY_MAX && c.limits.header_bytes > 0 && c.connections > 0);
    must(c.limits.header_timeout_us > 0 && c.limits.body_timeout_us > 0 && c.keeper_timeout_us > 0);
    must(c.upstream.connect_timeout_us > 0 && c.upstream.response_timeout_us > 0);
    must(proxy_conf_same_sockets(&c, &c));
    proxy_conf_deinit(&c);
    return 0;
}

static int load_keeper(const char *path, struct err *err)
{
    struct keeper_conf c;
    int r = keeper_conf_load(&c, path, err);

    if (r < 0)
        return r;
    must(c.socket && c.socket[0] && c.keys && c.keys[0] && c.audit_directory && c.fields);
    must((c.socket_mode & ~0660u) == 0 && c.segment_bytes > 0 && c.segment_age_us > 0);
    must(c.heartbeat_us > 0);
    keeper_conf_deinit(&c);
    return 0;
}

static int load_ship(const char *path, struct err *err)
{
    struct ship_conf c = {0};
    int r = ship_conf_load(&c, path, err);

    if (r < 0)
        return r;
    must(c.audit && c.audit[0] && c.state && c.state[0] && c.host && c.host[0]);
    must(c.n_sinks >= 1 && c.n_sinks <= SHIP_SINKS_MAX);
    for (unsigned i = 0; i < c.n_sinks; i++) {
        const struct ship_sink_conf *s = &c.sinks[i];

        must(s->url && receipt_name(slice_str(s->name)));
        must(s->type == SHIP_POSTGRESQL ? !s->stream && !s->credentials
                                        : s->stream && s->replicas >= 1 && !s->receipt);
        for (unsigned k = 0; k < i; k++)
            must(strcmp(s->name, c.sinks[k].name) != 0);
    }
    ship_conf_deinit(&c);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int (*load)(const char *path, struct err *err);
    static int fd = -1;
    static char path[32];
    struct err err = ERR_INIT, again = ERR_INIT;
    int r;

    if (size == 0)
        return 0;
    if (fd < 0) {
        fd = memfd_create("conf", MFD_CLOEXEC);
        must(fd >= 0);
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    }
    must(ftruncate(fd, 0) == 0 &&
         (size == 1 || pwrite(fd, data + 1, size - 1, 0) == (ssize_t)(size - 1)));
    load = data[0] == 's' ? load_ship : data[0] & 1 ? load_keeper : load_proxy;
    r = load(path, &err);
    must(load(path, &again) == r);
    must(strcmp(err.text, again.text) == 0);
    must(r == 0 ||
         (r < 0 && strncmp(err.text, path, strlen(path)) == 0 && !strchr(err.text, '\n')));
    return 0;
}
