/*
 * The proxy's sandbox: the files and ports that its settings need.
 */
#ifndef CENTION_PROXY_PROXY_SANDBOX_H
#define CENTION_PROXY_PROXY_SANDBOX_H

#include "proxy/proxy_conf.h"
#include "sandbox/sandbox.h"

/*
 * Enters the sandbox's first half, unless the settings turn it off; sandbox_calls, when all threads
 * are there, is the other. Files: reads the folders of the settings,
 * the API description, the CA store, the listeners' certificates, /etc (name servers, hosts) and
 * /proc, removes its sockets. Ports: the upstream's, or that of the proxy before it, and DNS when a
 * name has to be looked up. *kept is filled, and owned by the caller. -errno with err filled.
 */
int proxy_sandbox(struct sandbox *kept, const struct proxy_conf *conf, const char *conf_path,
                  struct err *err) MUST_CHECK;

/* For a reload: -EPERM with err filled when new settings need a port that is out of reach. */
int proxy_sandbox_fits(const struct sandbox *kept, const struct proxy_conf *conf,
                       struct err *err) MUST_CHECK;

#endif
