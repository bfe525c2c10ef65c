#include "proxy/proxy_sandbox.h"

#include "proxy/upstream/url.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A socket's file is removed at the end, a certificate is read again at a reload. */
static int keep_listener(struct sandbox *kept, const struct listener_conf *l)
{
    const char *const files[] = {l->certificate, l->key, l->client_ca};
    int r = l->path ? sandbox_keep_folder(kept, l->path, SANDBOX_REMOVE) : 0;

    for (unsigned i = 0; r == 0 && i < sizeof(files) / sizeof(files[0]); i++)
        if (files[i])
            r = sandbox_keep_folder(kept, files[i], SANDBOX_READ);
    return r;
}

static int keep_files(struct sandbox *kept, const struct proxy_conf *conf, const char *conf_path)
{
    int r = sandbox_keep_folder(kept, conf_path, SANDBOX_READ);

    if (r == 0)
        r = sandbox_keep_folder(kept, conf->api, SANDBOX_READ);
    if (r == 0 && *conf->upstream.ca_file)
        r = sandbox_keep_folder(kept, conf->upstream.ca_file, SANDBOX_READ);
    /* The system's CA store, too: a reload may go back to it. */
    if (r == 0)
        r = sandbox_keep_network(kept);
    /* The units of local clients (front/process); others' secrets there are closed to the confined.
     */
    if (r == 0)
        r = sandbox_keep(kept, "/proc", SANDBOX_READ);
    for (unsigned i = 0; r == 0 && i < conf->n_listen; i++)
        r = keep_listener(kept, &conf->listen[i]);
    if (r == 0)
        r = keep_listener(kept, &conf->admin);
    return r;
}

/* Where the settings make the proxy connect to: the HTTP proxy when there is one. */
static int first_hop(struct url *out, const struct upstream_conf *u, struct err *err)
{
    return *u->proxy ? url_parse(out, u->proxy, true, err) : url_parse(out, u->url, false, err);
}

int proxy_sandbox(struct sandbox *kept, const struct proxy_conf *conf, const char *conf_path,
                  struct err *err)
{
    struct url hop;
    int r;

    *kept = (struct sandbox){.role = SANDBOX_PROXY};
    if (!conf->sandbox) {
        sandbox_off(kept);
        return 0;
    }
    r = first_hop(&hop, &conf->upstream, err);
    if (r < 0)
        return r;
    r = keep_files(kept, conf, conf_path);
    if (r == 0)
        r = sandbox_keep_port(kept, hop.port);
    if (r == 0 && !hop.literal)
        r = sandbox_keep_port(kept, SANDBOX_DNS_PORT);
    return r < 0 ? err_set(err, r, "sandbox: %s", strerror(-r)) : sandbox_files(kept, err);
}

int proxy_sandbox_fits(const struct sandbox *kept, const struct proxy_conf *conf, struct err *err)
{
    struct url hop;
    int r = first_hop(&hop, &conf->upstream, err);

    if (r < 0 || sandbox_has_port(kept, hop.port))
        return r;
    return err_set(err, -EPERM,
                   "upstream: port %u is none of those that the sandbox was entered with; restart "
                   "instead",
                   hop.port);
}
