#include "proxy/body.h"

#include "base/log.h"
#include "proxy/answer.h"

#include <stdio.h>

static bool out_of_memory(struct refusal *why)
{
    return refuse(why, 503, "overloaded", "out of memory; try again later");
}

/* The fields to sign. */
static bool read_body(struct proxy *proxy, const struct http_head *head, struct slice body,
                      enum canon_nested nested, struct refusal *why)
{
    struct canon_error bad;
    int r;

    if (body.len == 0 && !slice_eq(head->method, SLICE_LIT("DELETE")))
        return refuse(why, 400, "bad_json",
                      "the body is empty; a JSON object is expected, {} at least");
    r = canon_body(&proxy->canon, body, nested, &bad);
    if (r < 0)
        return out_of_memory(why);
    if (r == 0 && !proxy->canon.twins)
        return true;
    refuse(why, 400, "bad_json", "%s", bad.text);
    (void)snprintf(why->field, sizeof(why->field), "%s", bad.field);
    return false;
}

/* What the description says of this request, in proxy->report. */
static int look(struct proxy *proxy, const struct setup *setup, const struct http_head *head,
                const struct target *target, struct slice body)
{
    const struct api_path *path = api_find(setup->api, target->path);
    unsigned method = api_method_of(head->method);

    if (!path)
        return validate_add(&proxy->report, "unknown_endpoint", "",
                            "%.*s is not in the API description", (int)target->path.len,
                            target->path.data);
    if (!(api_methods(path) & method))
        return validate_add(&proxy->report, "method_not_allowed", "",
                            "%.*s can't be called with %.*s", (int)target->path.len,
                            target->path.data, (int)head->method.len, head->method.data);
    return body.len ? validate(api_body(path, method), &proxy->canon.tape, body, &proxy->report)
                    : 0;
}

bool body_check(struct proxy *proxy, const struct setup *setup, const struct http_head *head,
                const struct target *target, struct slice body, enum canon_nested nested,
                struct refusal *why)
{
    const struct validate_report *report = &proxy->report;

    validate_clear(&proxy->report);
    if (!read_body(proxy, head, body, nested, why))
        return false;
    if (setup->conf.validation == PROXY_OFF)
        return true;
    if (look(proxy, setup, head, target, body) < 0)
        return out_of_memory(why);
    if (report->total == 0)
        return true;
    if (setup->conf.validation == PROXY_WARN) {
        log_warning("not_as_described", "path=%s problems=%zu first=%s field=%s",
                    log_quote(target->path).text, report->total, report->problems[0].code,
                    log_quote(slice_str(report->problems[0].field)).text);
        return true;
    }
    refuse(why, 422, report->problems[0].code, "%s", report->problems[0].text);
    (void)snprintf(why->field, sizeof(why->field), "%s", report->problems[0].field);
    return false;
}

uint32_t body_problems(struct proxy *proxy, const struct request_problem **out, uint32_t *total)
{
    const struct validate_report *report = &proxy->report;
    size_t n = report->n < REQUEST_PROBLEMS_MAX ? report->n : REQUEST_PROBLEMS_MAX;

    for (size_t i = 0; i < n; i++)
        proxy->problems[i] = (struct request_problem){slice_str(report->problems[i].field),
                                                      slice_str(report->problems[i].code),
                                                      slice_str(report->problems[i].text)};
    *out = proxy->problems;
    *total = (uint32_t)report->total;
    return (uint32_t)n;
}

int body_errors(struct buf *out, const struct validate_report *report)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < report->n; i++) {
        const struct validate_problem *p = &report->problems[i];

        r = buf_printf(out, "%s{\"field\": ", i ? ", " : ", \"errors\": [");
        if (r == 0)
            r = answer_json_string(out, slice_str(p->field));
        if (r == 0)
            r = buf_printf(out, ", \"code\": \"%s\", \"error\": ", p->code);
        if (r == 0)
            r = answer_json_string(out, slice_str(p->text));
        if (r == 0)
            r = buf_append(out, "}", 1);
    }
    if (r == 0 && report->n)
        r = buf_append(out, "]", 1);
    if (r == 0 && report->total > report->n)
        r = buf_printf(out, ", \"errors_omitted\": %zu", report->total - report->n);
    return r;
}
