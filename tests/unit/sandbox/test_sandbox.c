/*
 * Each role's sandbox, entered in a child with typical settings, against what an exploit would try
 * and what the daemon has to go on doing. The table that comes out is printed.
 */
#include "sandbox/sandbox.h"

#include "base/log.h"
#include "base/process.h"
#include "keeper/keeper_sandbox.h"
#include "proxy/proxy_sandbox.h"
#include "ship/ship_sandbox.h"
#include "unit/sandbox/sandbox_tries.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROXY, KEEPER, SHIPPER, ROLES };
static const char *const ROLE[ROLES] = {"proxy", "keeper", "shipper"};

/* `between`: what happens between the two steps of those that have two. */
static int enter(unsigned role, const struct tries_scene *s, void (*between)(void), struct err *err)
{
    struct sandbox kept = {0};
    char conf[300], keys[300], sock[300], api[300], ca[300], state[300], url[64];
    struct proxy_conf proxy = {.sandbox = true, .n_listen = 1};
    struct keeper_conf keeper = {.sandbox = true};
    struct ship_conf ship = {.sandbox = true, .n_sinks = 1, .sinks = {{.type = SHIP_NATS}}};
    int r = process_harden(err);

    (void)snprintf(conf, sizeof(conf), "%s/conf/a.conf", s->folder);
    (void)snprintf(keys, sizeof(keys), "%s/keys/keys.conf", s->folder);
    (void)snprintf(sock, sizeof(sock), "%s/run/http.sock", s->folder);
    (void)snprintf(api, sizeof(api), "%s/api/api.json", s->folder);
    (void)snprintf(ca, sizeof(ca), "%s/ca/ca.pem", s->folder);
    (void)snprintf(state, sizeof(state), "%s/state", s->folder);
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u", s->upstream.port);
    proxy.listen[0].path = sock;
    proxy.api = api;
    proxy.upstream = (struct upstream_conf){.url = url, .ca_file = ca, .proxy = ""};
    keeper.audit_directory = (char *)(uintptr_t)s->audit;
    keeper.keys = keys;
    keeper.socket = sock;
    ship.audit = (char *)(uintptr_t)s->audit;
    ship.state = state;
    ship.admin = sock;
    ship.sinks[0].url = url;
    ship.sinks[0].ca = ca;
    if (role == SHIPPER && sandbox_keep_port(&kept, s->upstream.port) < 0)
        return -ENOSPC;
    log_set_level(LOG_LEVEL_ERROR);
    if (r < 0)
        return r;
    r = role == PROXY    ? proxy_sandbox(&kept, &proxy, conf, err)
        : role == KEEPER ? keeper_sandbox(&kept, &keeper, conf, s->command, err)
                         : ship_sandbox(&kept, &ship, conf, err);
    if (between)
        between();
    if (r == 0 && role != KEEPER)
        r = sandbox_calls(&kept, err);
    sandbox_deinit(&kept);
    return r;
}

static enum tries_result run(unsigned role, const struct tries_scene *s, const struct try *t)
{
    struct err err = ERR_INIT;
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        if (enter(role, s, NULL, &err) < 0) {
            (void)fprintf(stderr, "%s\n", err.text);
            _exit(255);
        }
        _exit(t->run(s));
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return TRY_BROKEN;
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS ? TRY_KILLED : TRY_BROKEN;
    switch (WEXITSTATUS(status)) {
    case 0:
        return TRY_DONE;
    case EPERM:
    case EACCES:
    case EXDEV: /* of a rename into a folder that is out of reach */
    case ENOSYS:
        return TRY_DENIED;
    default:
        return TRY_BROKEN;
    }
}

static void test_roles(void)
{
    static const char *const WORDS[] = {[TRY_DONE] = "allowed",
                                        [TRY_DENIED] = "denied",
                                        [TRY_KILLED] = "killed",
                                        [TRY_BROKEN] = "BROKEN",
                                        [TRY_UNTRIED] = "-"};
    struct tries_scene scene;

    if (sandbox_built_without()) {
        unit_skip("sanitizers: no sandbox in this build");
        return;
    }
    CU_ASSERT_EQUAL_FATAL(tries_open(&scene), 0);
    (void)printf("\n    %-44s %-8s %-8s %-8s\n", "", ROLE[0], ROLE[1], ROLE[2]);
    for (const struct try *t = TRIES; t->name; t++) {
        enum tries_result got[ROLES];

        for (unsigned role = 0; role < ROLES; role++) {
            got[role] = TRY_UNTRIED;
            if (t->expected[role] == TRY_UNTRIED || t->landlock > scene.landlock ||
                (t->v6 && scene.upstream.fd6 < 0))
                continue;
            tries_reset(&scene);
            got[role] = run(role, &scene, t);
            if (got[role] != t->expected[role])
                (void)printf("    %s: %s: %s, not %s\n", ROLE[role], t->name, WORDS[got[role]],
                             WORDS[t->expected[role]]);
            CU_ASSERT_EQUAL(got[role], t->expected[role]);
        }
        (void)printf("    %-44s %-8s %-8s %-8s\n", t->name, WORDS[got[0]], WORDS[got[1]],
                     WORDS[got[2]]);
    }
    if (scene.landlock == 0)
        (void)printf("    SKIPPED: files and ports: this kernel has no Landlock\n");
    tries_close(&scene);
}

/* ---- a thread that is there before the filter ---- */

static struct {
    pthread_t thread;
    sem_t ready, go; /* what a thread begins with is not for a confined one */
    const struct tries_scene *scene;
} worker;

enum { /* what came of it, as bits of an exit code */
       HAS_READ = 1,
       HAS_WRITTEN = 2,
       HAS_LISTENED = 4,
       HAS_A_THREAD = 8,
       NO_FILTER = 16,
};

static void *nothing(void *arg)
{
    return arg;
}

static void *work(void *arg)
{
    char path[300];
    uintptr_t got = 0;
    pthread_t another;

    (void)arg;
    (void)sem_post(&worker.ready);
    (void)sem_wait(&worker.go);
    (void)snprintf(path, sizeof(path), "%s/other/file", worker.scene->folder);
    if (open(path, O_RDONLY | O_CLOEXEC) >= 0 && worker.scene->landlock)
        got |= HAS_READ;
    if (open(path, O_WRONLY | O_CLOEXEC) >= 0)
        got |= HAS_WRITTEN;
    if (listen(worker.scene->tcp, 1) == 0)
        got |= HAS_LISTENED;
    if (pthread_create(&another, NULL, nothing, NULL) == 0)
        got |= HAS_A_THREAD;
    if (prctl(PR_GET_SECCOMP) >= 0) /* allowed without one only */
        got |= NO_FILTER;
    return (void *)got;
}

static void make_thread(void)
{
    (void)sem_init(&worker.ready, 0, 0);
    (void)sem_init(&worker.go, 0, 0);
    if (pthread_create(&worker.thread, NULL, work, NULL) != 0)
        _exit(254);
    (void)sem_wait(&worker.ready);
}

static void test_threads(void)
{
    struct tries_scene scene;
    int status = 0;
    pid_t pid;

    if (sandbox_built_without()) {
        unit_skip("sanitizers: no sandbox in this build");
        return;
    }
    CU_ASSERT_EQUAL_FATAL(tries_open(&scene), 0);
    pid = fork();
    if (pid == 0) {
        struct err err = ERR_INIT;
        void *got = NULL;

        worker.scene = &scene;
        if (enter(0, &scene, make_thread, &err) < 0)
            _exit(255);
        (void)sem_post(&worker.go);
        (void)pthread_join(worker.thread, &got);
        _exit((int)(uintptr_t)got);
    }
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT(WIFEXITED(status));
    CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
    tries_close(&scene);
}

static void test_keep(void)
{
    struct sandbox c = {.role = SANDBOX_PROXY};
    char folder[] = "/tmp/confine-XXXXXX", path[64], link[64];

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/there", folder);
    (void)snprintf(link, sizeof(link), "%s/link", folder);
    CU_ASSERT_EQUAL(symlink("/etc/passwd", link), 0);
    CU_ASSERT_EQUAL(sandbox_keep_folder(&c, path, SANDBOX_READ), 0); /* not there yet */
    CU_ASSERT_EQUAL_FATAL(c.n_paths, 1);
    CU_ASSERT_STRING_EQUAL(c.paths[0].path, folder);
    CU_ASSERT_EQUAL(sandbox_keep_folder(&c, link, SANDBOX_READ), 0);
    CU_ASSERT_EQUAL_FATAL(c.n_paths, 3);
    CU_ASSERT_STRING_EQUAL(c.paths[2].path, "/etc"); /* where the link leads */
    CU_ASSERT_EQUAL(sandbox_keep_folder(&c, "keys.conf", SANDBOX_READ), 0);
    CU_ASSERT_STRING_EQUAL(c.paths[3].path, ".");
    CU_ASSERT_EQUAL(sandbox_keep_folder(&c, "/no-such-file", SANDBOX_READ), 0);
    CU_ASSERT_STRING_EQUAL(c.paths[4].path, "/");
    while (c.n_paths < SANDBOX_PATHS_MAX)
        CU_ASSERT_EQUAL(sandbox_keep(&c, "/", SANDBOX_READ), 0);
    CU_ASSERT_EQUAL(sandbox_keep(&c, "/", SANDBOX_READ), -ENOSPC);
    sandbox_deinit(&c);
    for (unsigned i = 0; i < SANDBOX_PORTS_MAX; i++)
        CU_ASSERT_EQUAL(sandbox_keep_port(&c, 443 + i), 0);
    CU_ASSERT_EQUAL(sandbox_keep_port(&c, 443), 0); /* it is there */
    CU_ASSERT_EQUAL(sandbox_keep_port(&c, 1), -ENOSPC);
    CU_ASSERT(sandbox_has_port(&c, 443) && sandbox_has_port(&c, 1)); /* nothing is entered yet */
    c.ports_confined = true;
    CU_ASSERT(sandbox_has_port(&c, 443) && !sandbox_has_port(&c, 1));
    (void)unlink(link);
    unit_remove(folder);
}

/* A reload must not end with an upstream that can't be reached. */
static void test_fits(void)
{
    struct sandbox kept = {.ports = {443}, .n_ports = 1, .ports_confined = true};
    struct proxy_conf conf = {.upstream = {.url = "https://api.example", .proxy = ""}};
    struct err err = ERR_INIT;

    CU_ASSERT_EQUAL(proxy_sandbox_fits(&kept, &conf, &err), 0);
    conf.upstream.url = "https://api.example:8443";
    CU_ASSERT_EQUAL(proxy_sandbox_fits(&kept, &conf, &err), -EPERM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "8443"));
    conf.upstream.proxy = "http://proxy.example:443"; /* only the proxy is connected to */
    CU_ASSERT_EQUAL(proxy_sandbox_fits(&kept, &conf, &err), 0);
    kept.ports_confined = false;
    conf.upstream.proxy = "";
    CU_ASSERT_EQUAL(proxy_sandbox_fits(&kept, &conf, &err), 0);
}

/* What a PostgreSQL URL names is kept, but for the folder of a server's socket. */
static void test_url(void)
{
    char folder[] = "/tmp/confine-XXXXXX", url[200], root[64];
    struct ship_conf ship = {.sandbox = true, .n_sinks = 1, .sinks = {{.type = SHIP_POSTGRESQL}}};
    struct sandbox kept = {0};
    struct err err = ERR_INIT;
    bool found = false, run = false;
    pid_t pid;
    int status = 0;

    if (sandbox_built_without()) {
        unit_skip("sanitizers: no sandbox in this build");
        return;
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    (void)snprintf(root, sizeof(root), "%s/root.pem", folder);
    (void)snprintf(url, sizeof(url), "host=/run/postgresql sslrootcert='%s'", root);
    ship.audit = ship.state = folder;
    ship.sinks[0].url = url;
    pid = fork();
    if (pid == 0) {
        if (process_harden(&err) < 0 || ship_sandbox(&kept, &ship, "/etc/x.conf", &err) < 0)
            _exit(255);
        for (unsigned i = 0; i < kept.n_paths; i++) {
            /* The third is this one: two are the folders of the settings. */
            found |= i > 1 && strcmp(kept.paths[i].path, folder) == 0;
            run |= strcmp(kept.paths[i].path, "/run") == 0;
        }
        _exit(found + 2 * run + 4 * !sandbox_has_port(&kept, 53));
    }
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT(WIFEXITED(status));
    CU_ASSERT_EQUAL(WEXITSTATUS(status), 1);
    unit_remove(folder);
}

/* Off means off, and is told. */
static void test_off(void)
{
    struct keeper_conf keeper = {.sandbox = false};
    struct proxy_conf proxy = {.sandbox = false};
    struct ship_conf ship = {.sandbox = false};
    struct sandbox kept = {0};
    struct err err = ERR_INIT;
    FILE *status;
    char line[128];
    bool seen = false;

    log_set_level(LOG_LEVEL_ERROR);
    CU_ASSERT_EQUAL(keeper_sandbox(&kept, &keeper, "/x", 0, &err), 0);
    CU_ASSERT_EQUAL(proxy_sandbox(&kept, &proxy, "/x", &err), 0);
    CU_ASSERT_EQUAL(sandbox_calls(&kept, &err), 0);
    CU_ASSERT_EQUAL(ship_sandbox(&kept, &ship, "/x", &err), 0);
    CU_ASSERT_EQUAL(sandbox_calls(&kept, &err), 0);
    CU_ASSERT(sandbox_has_port(&kept, 1));
    status = fopen("/proc/self/status", "re");
    CU_ASSERT_PTR_NOT_NULL_FATAL(status);
    while (fgets(line, sizeof(line), status))
        seen |= strncmp(line, "Seccomp:\t0", 10) == 0;
    (void)fclose(status);
    if (getenv("container") == NULL) /* an outer sandbox may have its own */
        CU_ASSERT(seen);
}

static const struct unit_case CASES[] = {
    {"keep", test_keep}, {"fits", test_fits},   {"off", test_off},
    {"url", test_url},   {"roles", test_roles}, {"threads", test_threads},
};

UNIT_MAIN("sandbox", CASES)
