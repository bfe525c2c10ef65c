#include "base/process.h"

#include "base/asan.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static int usage(const struct process_program *p, const char *what, const char *given)
{
    if (what)
        (void)fprintf(stderr, "%s: %s%s\n", p->name, what, given);
    (void)fputs(p->usage, stderr);
    return EXIT_USAGE;
}

int process_options(struct process_options *out, const struct process_program *p, int argc,
                    char **argv)
{
    static const struct option OPTIONS[] = {{"config", required_argument, NULL, 'c'},
                                            {"test", no_argument, NULL, 't'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'V'},
                                            {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, p->takes_command ? "+c:thV" : "c:thV", OPTIONS, NULL)) !=
           -1) {
        if (c == 'h')
            return fputs(p->usage, stdout) < 0 ? EXIT_FAILED : EXIT_DONE;
        if (c == 'V')
            return printf("%s %s\n", p->name, p->version) < 0 ? EXIT_FAILED : EXIT_DONE;
        if (c == 'c')
            out->conf = optarg;
        else if (c == 't')
            out->test = true;
        else
            return usage(p, NULL, "");
    }
    if (optind == argc)
        return PROCESS_GO_ON;
    if (!p->takes_command)
        return usage(p, "unexpected argument: ", argv[optind]);
    if (out->test)
        return usage(p, "-t takes no command", "");
    if (strcmp(argv[optind - 1], "--") != 0)
        return usage(p, "the command must follow --", "");
    out->command = argv + optind;
    return PROCESS_GO_ON;
}

int process_fail(const struct process_program *p, const struct err *err, int code)
{
    (void)fprintf(stderr, "%s: %s\n", p->name, err->text);
    return code;
}

int process_harden(struct err *err)
{
    struct rlimit none = {0, 0};

    if (setrlimit(RLIMIT_CORE, &none) < 0)
        return err_set(err, -errno, "core dumps can't be turned off: %s", strerror(errno));
#if !CENTION_ASAN
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return err_set(err, -errno, "tracing can't be turned off: %s", strerror(errno));
#endif
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_set(err, -errno, "new privileges can't be given up: %s", strerror(errno));
    return 0;
}

int process_memory_limit(size_t bytes, struct err *err)
{
#if !CENTION_ASAN
    struct rlimit limit;

    if (getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur > bytes) {
        limit.rlim_cur = limit.rlim_max = bytes;
        if (setrlimit(RLIMIT_DATA, &limit) < 0)
            return err_set(err, -errno, "memory can't be limited: %s", strerror(errno));
    }
#else
    (void)bytes;
    (void)err;
#endif
    return 0;
}

/*
 * The usual soft limit, 1,024, exists for programs that use select(2); the hard limit is what the
 * administrator meant. Below both, accepting fewer clients is better than having no descriptor left
 * for the upstream.
 */
unsigned process_descriptors_allow(unsigned wanted)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return wanted;
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
            return wanted;
    }
    return limit.rlim_cur > UINT_MAX ? UINT_MAX : (unsigned)limit.rlim_cur;
}

unsigned process_descriptors_share(unsigned limit, unsigned wanted, unsigned reserve)
{
    unsigned left = limit > 2 * reserve ? limit - reserve : limit / 4;

    if (wanted < left)
        return wanted;
    return left ? left : 1;
}

#if CENTION_ASAN
#include <sanitizer/lsan_interface.h>
#endif

void process_exit(int code)
{
#if CENTION_ASAN
    __lsan_do_leak_check(); /* does not return when it finds one */
#endif
    quick_exit(code);
}
