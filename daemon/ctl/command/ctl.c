#include "ctl/command/ctl.h"

#include "ctl/command/show.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static void help(const struct ctl_table *t, FILE *to)
{
    (void)fprintf(to, "%s\nCommands (each has its own --help):\n", t->usage);
    for (size_t i = 0; i < t->n; i++)
        (void)fprintf(to, "  %-10s %s\n", t->commands[i].name, t->commands[i].summary);
    (void)fputs(t->end, to);
}

/* The commands of a group: `cention-proxyctl audit COMMAND`. */
static int dispatch_group(const struct ctl_command *group, int argc, char **argv)
{
    char of[64], usage[96];
    const struct ctl_table table = {
        .of = of, .commands = group->group, .n = group->n, .usage = usage, .end = ""};

    (void)snprintf(of, sizeof(of), "cention-proxyctl: %s", group->name);
    (void)snprintf(usage, sizeof(usage), "usage: cention-proxyctl %s COMMAND [ARGUMENT...]\n",
                   group->name);
    return ctl_dispatch(&table, argc, argv);
}

int ctl_dispatch(const struct ctl_table *t, int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";

    if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0) {
        help(t, stdout);
        return CTL_DONE;
    }
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(command, t->commands[i].name) == 0)
            return t->commands[i].run ? t->commands[i].run(argc - 1, argv + 1)
                                      : dispatch_group(&t->commands[i], argc - 1, argv + 1);
    if (command[0]) {
        (void)fprintf(stderr, "%s: there is no command ", t->of);
        show_message(stderr, command);
        (void)fputs("\n\n", stderr);
    }
    help(t, stderr);
    return CTL_USAGE;
}

int ctl_usage(const char *help_text)
{
    (void)fputs(help_text, stderr);
    return CTL_USAGE;
}

/* `given` is the argument that getopt read last. */
static int bad_option(const char *help_text, int option, const char *given)
{
    (void)fputs("cention-proxyctl: ", stderr);
    show_message(stderr, given);
    (void)fputs(option == ':' ? ": the option wants a value\n\n" : ": there is no such option\n\n",
                stderr);
    return ctl_usage(help_text);
}

static int set_option(const struct ctl_option *o, void *arg)
{
    if (o->flag)
        *o->flag = true;
    else if (o->text)
        *o->text = optarg;
    else if (o->slice)
        *o->slice = slice_str(optarg);
    else
        return o->set(arg, optarg);
    return CTL_DONE;
}

int ctl_options(const struct ctl_option *options, size_t n, const char *help_text, int argc,
                char **argv, void *arg)
{
    struct option longs[CTL_OPTIONS_MAX + 2] = {{"help", no_argument, NULL, 'h'}};
    char letters[2 * CTL_OPTIONS_MAX + 3] = ":h";
    int c, code = CTL_DONE;
    char *end = letters + 2;

    for (size_t i = 0; i < n; i++) {
        bool valued = !options[i].flag;

        longs[i + 1] = (struct option){options[i].name, valued ? required_argument : no_argument,
                                       NULL, 256 + (int)i};
        if (options[i].letter)
            *end++ = options[i].letter;
        if (options[i].letter && valued)
            *end++ = ':';
    }
    opterr = 0;
    while (code == CTL_DONE && (c = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        if (c == 'h')
            return fputs(help_text, stdout) < 0 ? CTL_FAILED : CTL_DONE;
        if (c == '?' || c == ':')
            return bad_option(help_text, c, argv[optind - 1]);
        for (size_t i = 0; i < n; i++)
            if (c == 256 + (int)i || c == options[i].letter)
                code = set_option(&options[i], arg);
    }
    return code == CTL_DONE ? CTL_GO_ON : code;
}
