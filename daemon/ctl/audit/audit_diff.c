#include "ctl/audit/audit_diff.h"

#include "ctl/audit/audit_filter.h"
#include "ctl/audit/audit_found.h"
#include "ctl/command/ctl.h"
#include "ctl/command/show.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static const char HELP[] =
    "usage: cention-proxyctl audit diff [OPTION...] ID [DIRECTORY | FILE...]\n"
    "\n"
    "Shows what the change with this X-Request-Id set, against the values that were set last of "
    "the\n"
    "same object (same workspace and path), and who set those. It knows only what went through "
    "this\n"
    "proxy, and proves nothing: `audit verify` does. Without a directory or file: the log that\n"
    "keeper.conf names.\n"
    "\n"
    "      --time TIME    ids may repeat: the newest with this id up to TIME\n"
    "                     (2026-11-24T09:15:02.123456Z, a date, or an age like 2h)\n"
    "      --all          the unchanged fields, too\n"
    "      --json         print one JSON object\n"
    "  -c, --config FILE  keeper.conf\n"
    "  -h, --help         print this\n"
    "\n"
    "Exit status: 0 shown, 1 no such request, damaged records were skipped, or failed, 2 usage,\n"
    "78 bad configuration.\n";

/* ---- what comes of it ---- */

static const char *result_of(const struct audit_found *d, const struct audit_facts *outcome)
{
    if (!d->intent)
        return "refused";
    if (!d->outcome)
        return "open";
    switch (audit_effect_of(outcome)) {
    case AUDIT_EFFECT_DONE:
        return "done";
    case AUDIT_EFFECT_NONE:
        return outcome->status ? "failed" : "not-sent";
    case AUDIT_EFFECT_DOUBT:
        break;
    }
    return "unknown";
}

static const char *compare(struct json_object *old, struct json_object *new)
{
    struct audit_value a, b;

    if (!old)
        return "first";
    a = audit_value_of(old);
    b = audit_value_of(new);
    if (a.kind != b.kind || a.kind == AUDIT_VALUE_OMITTED)
        return "unclear";
    return slice_eq(a.text, b.text) ? "unchanged" : "changed";
}

static void put(struct json_object *to, const char *name, struct json_object *value)
{
    if (value)
        (void)json_object_object_add(to, name, json_object_get(value));
}

static void put_field(struct json_object *fields, const char *name, struct json_object *known,
                      struct json_object *new)
{
    struct json_object *field = json_object_new_object();
    struct json_object *old = audit_history_get(known, "value");

    (void)json_object_object_add(field, "field", json_object_new_string(name));
    (void)json_object_object_add(field, "state",
                                 json_object_new_string(new ? compare(old, new) : "deleted"));
    put(field, "old", old);
    put(field, "new", new);
    put(field, "set_by", audit_history_get(known, "by"));
    put(field, "maybe", audit_history_get(known, "maybe"));
    (void)json_object_array_add(fields, field);
}

static struct json_object *fields_of(const struct audit_found *d)
{
    struct json_object *fields = json_object_new_array();
    struct json_object *of = d->target.fields;

    if (d->intent && slice_eq(d->target.method, SLICE_LIT("DELETE"))) {
        json_object_object_foreach(d->history.fields, name, known)
            put_field(fields, name, known, NULL);
    } else if (of) {
        json_object_object_foreach(of, name, new)
            put_field(fields, name, audit_history_get(d->history.fields, name), new);
    }
    return fields;
}

static struct json_object *other_times(const struct audit_found *d)
{
    struct json_object *times = json_object_new_array();
    char shown[SEAL_TIME] = {0};
    uint64_t n = d->found < AUDIT_FOUND_TIMES + 1 ? d->found : AUDIT_FOUND_TIMES + 1;
    bool skipped = false;

    if (d->target.time.len == SEAL_TIME)
        memcpy(shown, d->target.time.data, SEAL_TIME);
    for (uint64_t i = d->found - n; i < d->found; i++) {
        const char *time = d->times[i % (AUDIT_FOUND_TIMES + 1)];

        if (!skipped && memcmp(time, shown, SEAL_TIME) == 0)
            skipped = true;
        else
            (void)json_object_array_add(times, json_object_new_string_len(time, SEAL_TIME));
    }
    return times;
}

static struct json_object *result(const struct audit_found *d, const struct audit_facts *outcome)
{
    static const char *const COPIED[] = {"id",        "seq",  "time", "client", "method",
                                         "workspace", "path", "code", "error"};
    struct json_object *all = json_object_new_object(), *status;

    for (size_t i = 0; i < sizeof(COPIED) / sizeof(COPIED[0]); i++)
        put(all, COPIED[i], audit_history_get(d->target.doc, COPIED[i]));
    status = audit_history_get(d->intent ? outcome->doc : d->target.doc, "status");
    put(all, "status", status);
    if (d->intent) {
        put(all, "error", audit_history_get(outcome->doc, "error"));
        put(all, "answer_error", audit_history_get(outcome->doc, "answer_error"));
    }
    if (d->object.len)
        (void)json_object_object_add(
            all, "object", json_object_new_string_len(d->object.data, (int)d->object.len));
    put(all, "created_by", d->made);
    (void)json_object_object_add(all, "result", json_object_new_string(result_of(d, outcome)));
    (void)json_object_object_add(all, "fields", fields_of(d));
    put(all, "deleted_before", d->history.deleted);
    put(all, "maybe_deleted_before", d->history.maybe_deleted);
    put(all, "overlapping", d->overlapping);
    (void)json_object_object_add(all, "others", json_object_new_uint64(d->found - 1));
    (void)json_object_object_add(all, "other_times", other_times(d));
    (void)json_object_object_add(all, "first_seq", json_object_new_uint64(d->first_seq));
    return all;
}

/* ---- the command line ---- */

static int set_time(void *arg, const char *value)
{
    struct audit_found *d = arg;

    d->has_time = audit_time_parse(d->time, value, audit_time_now()) == 0;
    return d->has_time ? CTL_DONE : ctl_usage(HELP);
}

int audit_diff_main(int argc, char **argv)
{
    struct audit_diff_form form = {.terminal = isatty(STDOUT_FILENO)};
    struct audit_found d = {0};
    struct json_object *all;
    bool damaged;
    struct audit_log log;
    struct err err = ERR_INIT;
    const char *conf = CENTION_SYSCONFDIR "/keeper.conf";
    const struct ctl_option options[] = {{"time", 0, .set = set_time},
                                         {"all", 0, .flag = &form.all},
                                         {"json", 0, .flag = &form.json},
                                         {"config", 'c', .text = &conf}};
    int code = ctl_options(options, sizeof(options) / sizeof(options[0]), HELP, argc, argv, &d);
    int files, r;

    if (code != CTL_GO_ON)
        return code;
    if (optind == argc)
        return ctl_usage(HELP);
    form.colour = show_colour();
    d.id = slice_str(argv[optind++]);
    files = argc - optind;
    if (audit_log_open(&log, argv + optind, files, conf, &err) < 0)
        return show_failure(err.text, files ? CTL_FAILED : CTL_CONFIG);
    r = audit_found_read(&d, &log, &damaged, &err);
    code = damaged ? CTL_FAILED : CTL_DONE;
    if (r == 0) {
        all = result(&d, &d.done);
        audit_diff_print(all, &form);
        (void)json_object_put(all);
    } else {
        code = show_failure(err.text[0] ? err.text : strerror(-r), CTL_FAILED);
    }
    audit_found_deinit(&d);
    audit_log_deinit(&log);
    return code;
}
