/*
 * The API's document leaves two questions open, and only the server can answer them. Each try is a
 * real call through the running daemon, audited like any other, so there are never more than the
 * four combinations, fewer when two of them would sign the same, and the first one that is accepted
 * ends it.
 */

#include "api/canon.h"
#include "api/target.h"
#include "base/file.h"
#include "ctl/api/admin_call.h"
#include "ctl/command/ctl.h"
#include "ctl/command/show.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    PROBE_BODY_MAX = 1024 * 1024, /* bytes */
    PROBE_SECONDS = 120,          /* for one answer; longer than the daemon waits */
    SHOWN_MAX = 200,              /* bytes of an answer's text */
};

static const struct form {
    const char *authorization, *nested;
    bool json;
} FORMS[] = {
    {"scheme", "flatten", false},
    {"scheme", "json", true},
    {"literal", "flatten", false},
    {"literal", "json", true},
};

enum {
    N_FORMS = sizeof(FORMS) / sizeof(FORMS[0]),
};

enum verdict {
    ACCEPTED,
    REFUSED, /* the server said no to the signature, or to something that may be it */
    ENDED,   /* going on makes no sense */
};

struct probe {
    const char *conf, *admin, *path, *file;
    bool yes, dry_run, same; /* same: both nested forms sign the same */
    struct admin_place place;
    struct buf body;
};

static const char HELP[] =
    "usage: cention-proxyctl probe [OPTION...] PATH FILE|-\n"
    "\n"
    "Finds out which settings of `signature` the configured upstream wants. The document of\n"
    "the API leaves two things open: the form of the Authorization header and how a struct\n"
    "in a field is signed. One harmless call is tried in each combination, through the\n"
    "running daemon, until one is accepted: at most four calls, each in the audit.\n"
    "\n"
    "The call is an update (PUT) of the existing object PATH (/s/WORKSPACE/v1/org/1) with the\n"
    "body in FILE (- is standard input): use values that the object has already, one of them\n"
    "a struct such as bright_settings, or the second question can't be answered.\n"
    "\n"
    "  -c, --config FILE   find the admin listener in FILE (default: " CENTION_SYSCONFDIR
    "/proxy.conf)\n"
    "      --admin PLACE   the admin listener: ADDRESS:PORT or a socket's path\n"
    "      --dry-run       show the calls and send nothing\n"
    "  -y, --yes           don't ask before the first call\n"
    "  -h, --help          print this\n"
    "\n"
    "Exit status: 0 found; 1 none was accepted, or it failed; 2 usage; 78 bad configuration.\n";

static int failed(int code, const char *text)
{
    (void)fputs("cention-proxyctl probe: ", stderr);
    show_message(stderr, text);
    (void)fputc('\n', stderr);
    return code;
}

static int read_body(struct probe *p)
{
    struct canon flat, json;
    struct canon_error why;
    int r = strcmp(p->file, "-") == 0 ? file_read_fd(&p->body, STDIN_FILENO)
                                      : file_read(&p->body, p->file);

    if (r < 0)
        return failed(CTL_FAILED, strerror(-r));
    canon_init(&flat);
    canon_init(&json);
    r = canon_body(&flat, buf_slice(&p->body), CANON_FLATTEN, &why);
    if (r == 0)
        r = canon_body(&json, buf_slice(&p->body), CANON_JSON, &why);
    p->same = true;
    for (size_t i = 0; r == 0 && i < flat.n; i++)
        if (!slice_eq(flat.fields[i].value, json.fields[i].value))
            p->same = false;
    canon_deinit(&flat);
    canon_deinit(&json);
    if (r == CANON_BAD)
        return failed(CTL_FAILED, why.text);
    return r < 0 ? failed(CTL_FAILED, strerror(-r)) : CTL_DONE;
}

/* The API's own words for an error, or the daemon's. */
static void show_answer(const struct admin_answer *answer, bool *ours)
{
    struct json_object *root = NULL, *error = NULL;
    struct json_tokener *tokener = json_tokener_new();

    *ours = false;
    if (tokener && buf_len(&answer->body))
        root = json_tokener_parse_ex(tokener, buf_slice(&answer->body).data,
                                     (int)buf_len(&answer->body));
    *ours = root && json_object_is_type(root, json_type_object) &&
            json_object_object_get_ex(root, "code", NULL) &&
            json_object_object_get_ex(root, "outcome", NULL);
    if (root && json_object_is_type(root, json_type_object) &&
        json_object_object_get_ex(root, "error", &error) &&
        json_object_is_type(error, json_type_string)) {
        (void)fputs(": ", stdout);
        (void)show_text(stdout, slice_cut(slice_str(json_object_get_string(error)), SHOWN_MAX));
    }
    json_object_put(root);
    if (tokener)
        json_tokener_free(tokener);
}

static int put_request(const struct probe *p, const struct form *form, struct buf *out)
{
    unsigned char id[8];
    int r;

    if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
        return -EIO;
    r = buf_printf(out,
                   "PUT /probe/%s/%s%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                   "Content-Type: application/json\r\nContent-Length: %zu\r\n"
                   "X-Request-Id: probe-%s-%s-",
                   form->authorization, form->nested, p->path, buf_len(&p->body),
                   form->authorization, form->nested);
    for (size_t i = 0; r == 0 && i < sizeof(id); i++)
        r = buf_printf(out, "%02x", id[i]);
    if (r == 0)
        r = buf_append(out, "\r\n\r\n", 4);
    return r == 0 ? buf_append_slice(out, buf_slice(&p->body)) : r;
}

static enum verdict try_form(const struct probe *p, const struct form *form)
{
    struct buf request = BUF_INIT(PROBE_BODY_MAX + 16384);
    struct admin_answer answer = {0};
    struct err err = ERR_INIT;
    enum verdict verdict = ENDED;
    bool ours;
    int r;

    if (put_request(p, form, &request) < 0)
        r = err_set(&err, -EIO, "the request can't be made");
    else
        r = admin_call(&p->place, buf_slice(&request), PROBE_SECONDS, &answer, &err);
    buf_deinit(&request);
    (void)printf("  authorization = \"%s\", nested = \"%s\"%*s", form->authorization, form->nested,
                 (int)(16 - strlen(form->authorization) - strlen(form->nested)), "");
    if (r < 0) {
        (void)puts("no answer");
        (void)failed(CTL_FAILED, err.text);
    } else {
        (void)printf("%u", answer.status);
        show_answer(&answer, &ours);
        (void)putchar('\n');
        verdict = ours                       ? ENDED
                  : answer.status / 100 == 2 ? ACCEPTED
                  : answer.status / 100 == 4 ? REFUSED
                                             : ENDED;
    }
    (void)fflush(stdout);
    buf_deinit(&answer.body);
    return verdict;
}

static bool confirmed(const struct probe *p)
{
    char line[16];

    if (p->yes)
        return true;
    if (!isatty(STDIN_FILENO)) {
        (void)failed(CTL_USAGE, "there is no terminal to ask at: use --yes");
        return false;
    }
    (void)printf("Send it? Type yes: ");
    (void)fflush(stdout);
    return fgets(line, sizeof(line), stdin) && strcmp(line, "yes\n") == 0;
}

static int run(struct probe *p)
{
    (void)fputs("The call: PUT ", stdout);
    show_message(stdout, p->path);
    (void)printf(" with %zu bytes, signed in at most %d ways:\n", buf_len(&p->body),
                 p->same ? N_FORMS / 2 : N_FORMS);
    if (p->same)
        (void)puts("  (no field holds a struct: both nested forms are the same, and stay open)");
    for (unsigned i = 0; p->dry_run && i < N_FORMS; i++)
        if (!p->same || !FORMS[i].json)
            (void)printf("  authorization = \"%s\", nested = \"%s\"\n", FORMS[i].authorization,
                         FORMS[i].nested);
    if (p->dry_run)
        return CTL_DONE;
    if (!confirmed(p))
        return CTL_USAGE;
    for (unsigned i = 0; i < N_FORMS; i++) {
        enum verdict verdict;

        if (p->same && FORMS[i].json)
            continue;
        verdict = try_form(p, &FORMS[i]);
        if (verdict == ENDED)
            return failed(CTL_FAILED, "stopped here: this answer says nothing about the signature");
        if (verdict == REFUSED)
            continue;
        (void)printf("\nAccepted. In proxy.conf, then reload:\n"
                     "    signature = { authorization = \"%s\"; nested = \"%s\"; };\n",
                     FORMS[i].authorization, FORMS[i].nested);
        if (p->same)
            (void)puts("The nested form is not known yet: probe again with a field that is a "
                       "struct.");
        return CTL_DONE;
    }
    return failed(CTL_FAILED, "no combination was accepted: check that the object exists, that the "
                              "values are its own, and that the key is right");
}

static int prepare(struct probe *p)
{
    struct err err = ERR_INIT;
    struct target target;
    const char *why = NULL;
    int r;

    if (target_parse(slice_str(p->path), &target, &why) != 0)
        return failed(CTL_USAGE, why);
    if (p->admin && !admin_place_parse(&p->place, p->admin))
        return failed(CTL_USAGE, "--admin is ADDRESS:PORT or the path of a socket");
    if (!p->yes && !p->dry_run && strcmp(p->file, "-") == 0)
        return failed(CTL_USAGE, "with the body on standard input, --yes is needed");
    if (!p->admin && !p->dry_run && admin_place_read(&p->place, p->conf, &err) < 0)
        return failed(CTL_CONFIG, err.text);
    r = read_body(p);
    return r == CTL_DONE ? run(p) : r;
}

int probe_main(int argc, char **argv)
{
    struct probe p = {.conf = CENTION_SYSCONFDIR "/proxy.conf", .body = BUF_INIT(PROBE_BODY_MAX)};
    const struct ctl_option options[] = {{"config", 'c', .text = &p.conf},
                                         {"admin", 0, .text = &p.admin},
                                         {"dry-run", 0, .flag = &p.dry_run},
                                         {"yes", 'y', .flag = &p.yes}};
    int r = ctl_options(options, sizeof(options) / sizeof(options[0]), HELP, argc, argv, NULL);

    if (r != CTL_GO_ON)
        return r;
    if (argc - optind != 2)
        return ctl_usage(HELP);
    p.path = argv[optind];
    p.file = argv[optind + 1];
    r = prepare(&p);
    buf_deinit(&p.body);
    return r;
}
