/* What can't be set up is told; handshakes are in tests/e2e/test_listen_tls.py. */
#include "proxy/tls/tls.h"
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/test_tls_server.XXXXXX";

static const char *in_folder(const char *name)
{
    static char paths[4][128];
    static unsigned i;
    char *path = paths[i++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

/* A self-signed certificate, by the command line: false when that is not there. */
static bool make(void)
{
    char command[512];

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(command, sizeof(command),
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
             "-subj /CN=me -keyout %s/key -out %s/cert 2>/dev/null && chmod 0600 %s/key",
             folder, folder, folder);
    return system(command) == 0;
}

static int setup(struct tls_context **c, const char *cert, const char *key, const char *ca,
                 const char *words)
{
    struct err err = ERR_INIT;
    int r = tls_context_server(c, cert, key, ca, &err);

    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, words));
    return r;
}

static void test_files(void)
{
    struct tls_context *c = NULL;
    const char *cert, *key, *empty;
    struct tls *t = NULL;
    char name[64];
    FILE *f;
    int fds[2];

    if (!make()) {
        unit_skip("no openssl command");
        return;
    }
    cert = in_folder("cert");
    key = in_folder("key");
    empty = in_folder("empty");
    f = fopen(empty, "w");
    fclose(f);
    CU_ASSERT_EQUAL(setup(&c, "/none", key, cert, "certificate: /none"), -EINVAL);
    CU_ASSERT_EQUAL(setup(&c, cert, "/none", cert, "key: /none"), -ENOENT);
    CU_ASSERT_EQUAL(setup(&c, cert, key, "/none", "client_ca: /none"), -EINVAL);
    CU_ASSERT_EQUAL(setup(&c, cert, key, empty, "client_ca: "), -EINVAL);
    CU_ASSERT_EQUAL(setup(&c, empty, key, cert, "certificate: "), -EINVAL);
    CU_ASSERT_EQUAL(chmod(key, 0644), 0);
    CU_ASSERT_EQUAL(setup(&c, cert, key, cert, "chmod 0600"), -EPERM);
    CU_ASSERT_EQUAL(chmod(key, 0640), 0);
    CU_ASSERT_EQUAL(setup(&c, cert, key, cert, ""), 0);
    /* Before a handshake there is no name. */
    CU_ASSERT_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    CU_ASSERT_EQUAL_FATAL(tls_new(&t, c, fds[0]), 0);
    CU_ASSERT_EQUAL(tls_handshake(t), TLS_WANT_READ);
    CU_ASSERT_FALSE(tls_peer_name(t, name, sizeof(name)));
    CU_ASSERT_EQUAL(write(fds[1], "GET / HTTP/1.1\r\n\r\n", 18), 18);
    CU_ASSERT_EQUAL(tls_handshake(t), TLS_FAILED);
    CU_ASSERT(strlen(tls_error(t)) > 0);
    tls_free(t);
    tls_context_free(c);
    close(fds[0]);
    close(fds[1]);
    unit_remove(folder);
}

static const struct unit_case CASES[] = {
    {"files", test_files},
};

UNIT_MAIN("tls_server", CASES)
