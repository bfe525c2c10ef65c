/*
 * Makes tokens. What is for programs (the token, and the line for keeper.conf) goes to standard
 * output, the words to standard error. The token itself is kept nowhere.
 */
#include "ctl/command/ctl.h"
#include "ctl/command/show.h"
#include "policy/policy.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char HELP[] =
    "usage: cention-proxyctl token new NAME\n"
    "\n"
    "Makes a token for the client NAME and prints two lines: the token, which the client sends as\n"
    "\"Authorization: Bearer TOKEN\" and which is shown this once, and the client for the list\n"
    "`clients` of keeper.conf, with a salted hash of the token.\n"
    "\n"
    "  -h, --help  print this\n"
    "\n"
    "Exit status: 0 printed, 1 failed, 2 usage.\n";

int token_new_main(int argc, char **argv)
{
    char token[TOKEN_TEXT + 1], text[TOKEN_HASH_TEXT + 1];
    struct token_hash hash;
    int code = ctl_options(NULL, 0, HELP, argc, argv, NULL);

    if (code != CTL_GO_ON)
        return code;
    if (optind != argc - 1)
        return ctl_usage(HELP);
    if (!policy_client_name_ok(argv[optind]))
        return show_failure("a client's name is 1 to 64 of A-Z a-z 0-9 . _ @ -", CTL_USAGE);
    if (token_new(token, &hash) < 0)
        return show_failure("the system has no random bytes", CTL_FAILED);
    token_hash_text(text, &hash);
    (void)printf("%s\n{ name = \"%s\"; token = \"%s\"; }\n", token, argv[optind], text);
    explicit_bzero(token, sizeof(token));
    (void)fflush(stdout);
    (void)fputs("The first line is the token: give it to the client, it is shown only now.\n"
                "The second line belongs into `clients` in keeper.conf.\n",
                stderr);
    return CTL_DONE;
}
