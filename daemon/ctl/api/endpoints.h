#ifndef CENTION_CTL_API_ENDPOINTS_H
#define CENTION_CTL_API_ENDPOINTS_H

/* `cention-proxyctl endpoints`: the calls that the API description allows. */
int endpoints_main(int argc, char **argv);

#endif
