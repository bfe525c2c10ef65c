#ifndef CENTION_CTL_API_PROBE_H
#define CENTION_CTL_API_PROBE_H

/* `cention-proxyctl probe`: which form of signature the upstream accepts. */
int probe_main(int argc, char **argv);

#endif
