#include "ship/ship_sandbox.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

/* The C library loads what nsswitch.conf names when it looks up a name for the first time; later it
 * could not. */
static void load_resolver(void)
{
    struct addrinfo *found = NULL;

    if (getaddrinfo("localhost", NULL, NULL, &found) == 0)
        freeaddrinfo(found);
}

/*
 * A PostgreSQL URL or string may name files: sslrootcert=/etc/x.pem. Every absolute path behind a =
 * counts, up to what may end it; one that holds other characters is to be given by a setting. The
 * folder of a server's Unix socket (host=) needs nothing: connecting is beyond Landlock.
 */
static int keep_named(struct sandbox *kept, const char *url)
{
    int r = 0;

    for (const char *p = url; r == 0 && (p = strchr(p, '=')); p++) {
        const char *from = p + 1 + (p[1] == '\'');
        size_t n = strcspn(from, " &'\t\n");
        char *path;

        if (*from != '/' || (p - url >= 4 && memcmp(p - 4, "host", 4) == 0))
            continue;
        path = strndup(from, n);
        r = path ? sandbox_keep_folder(kept, path, SANDBOX_READ) : -ENOMEM;
        free(path);
    }
    return r;
}

static int keep_sink(struct sandbox *kept, const struct ship_sink_conf *c)
{
    const char *const files[] = {c->passfile, c->credentials, c->ca};
    int r = c->type == SHIP_POSTGRESQL ? keep_named(kept, c->url) : 0;

    for (unsigned i = 0; r == 0 && i < sizeof(files) / sizeof(files[0]); i++)
        if (files[i])
            r = sandbox_keep_folder(kept, files[i], SANDBOX_READ);
    return r;
}

static int keep_files(struct sandbox *kept, const struct ship_conf *conf, const char *conf_path)
{
    int r = sandbox_keep(kept, conf->audit, SANDBOX_READ);

    if (r == 0)
        r = sandbox_keep(kept, conf->state, SANDBOX_WRITE);
    if (r == 0)
        r = sandbox_keep_folder(kept, conf_path, SANDBOX_READ);
    if (r == 0 && conf->admin)
        r = sandbox_keep_folder(kept, conf->admin, SANDBOX_REMOVE);
    if (r == 0)
        r = sandbox_keep_network(kept);
    for (unsigned i = 0; r == 0 && i < conf->n_sinks; i++)
        r = keep_sink(kept, &conf->sinks[i]);
    return r;
}

int ship_sandbox(struct sandbox *kept, const struct ship_conf *conf, const char *conf_path,
                 struct err *err)
{
    int r;

    kept->role = SANDBOX_SHIPPER;
    if (!conf->sandbox) {
        sandbox_off(kept);
        return 0;
    }
    load_resolver();
    r = keep_files(kept, conf, conf_path);
    if (r == 0)
        r = sandbox_keep_port(kept, SANDBOX_DNS_PORT);
    return r < 0 ? err_set(err, r, "sandbox: %s", strerror(-r)) : sandbox_files(kept, err);
}
