/*
 * `cention-proxyctl explain`: what the daemon would sign for a request, step by step, with no key
 * and no network. For those who compare their own client with the daemon, or a refused signature
 * with the document.
 */
#ifndef CENTION_CTL_API_EXPLAIN_H
#define CENTION_CTL_API_EXPLAIN_H

/* Returns an enum ctl_exit. */
int explain_main(int argc, char **argv);

#endif
