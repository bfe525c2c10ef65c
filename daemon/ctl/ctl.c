#include "ctl/ctl.h"

#include "ctl/show.h"

#include <stdio.h>
#include <string.h>

static void help(const struct ctl_table *t, FILE *to)
{
    (void)fprintf(to, "%s\nCommands (each has its own --help):\n", t->usage);
    for (size_t i = 0; i < t->n; i++)
        (void)fprintf(to, "  %-10s %s\n", t->commands[i].name, t->commands[i].summary);
    (void)fputs(t->end, to);
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
            return t->commands[i].run(argc - 1, argv + 1);
    if (command[0]) {
        (void)fprintf(stderr, "%s: there is no command ", t->of);
        show_message(stderr, command);
        (void)fputs("\n\n", stderr);
    }
    help(t, stderr);
    return CTL_USAGE;
}
