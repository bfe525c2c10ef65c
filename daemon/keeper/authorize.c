#include "keeper/authorize.h"

#include "base/log.h"
#include "base/loop.h"

#include <stdio.h>

int permit_who(const struct policy *policy, struct wire_client *who)
{
    int found = policy_who(policy, who);

    who->name = policy_name(policy, found);
    return found;
}

/* 0, or why the policy is against it. */
static enum wire_reason ask_policy(struct permit *out, const struct policy *policy, int who,
                                   const struct wire_sign *sign)
{
    struct policy_request request = {
        .method = sign->method,
        .workspace = sign->workspace,
        .path = sign->path,
        .n_fields = sign->n_fields,
        .fields = sign->fields,
    };
    struct policy_decision d = policy_decide(policy, who, &request);

    if (d.verdict == POLICY_ALLOWED)
        return 0;
    if (d.verdict == POLICY_UNKNOWN_CLIENT) {
        policy_say_unknown(out->text, &sign->client);
        return WIRE_REASON_UNKNOWN_CLIENT;
    }
    policy_say_forbidden(out->text, policy, who, &request, &d);
    return WIRE_REASON_FORBIDDEN;
}

void permit_request(struct permit *out, struct policy *policy, int who, const struct keystore *keys,
                    const struct wire_sign *sign, const struct keystore_key **key)
{
    out->reason = ask_policy(out, policy, who, sign);
    if (out->reason)
        return;
    *key = keystore_find(keys, sign->workspace);
    if (!*key) {
        (void)snprintf(out->text, sizeof(out->text), "no key is configured for workspace \"%.*s\"",
                       (int)sign->workspace.len, sign->workspace.data);
        out->reason = WIRE_REASON_FORBIDDEN;
    } else if (!policy_take(policy, who, loop_now())) {
        policy_say_limit(out->text, policy, who);
        out->reason = WIRE_REASON_OVERLOADED;
    }
}

struct wire_reject permit_record(const struct wire_sign *sign, enum wire_reason reason,
                                 const char *text)
{
    static const struct {
        unsigned status;
        const char *code;
    } REASONS[] = {
        [WIRE_REASON_FORBIDDEN] = {403, "forbidden"},
        [WIRE_REASON_AUDIT] = {503, "audit_unavailable"},
        [WIRE_REASON_MALFORMED] = {400, "bad_request"},
        [WIRE_REASON_OVERLOADED] = {503, "overloaded"},
        [WIRE_REASON_UNKNOWN_CLIENT] = {401, "unknown_client"},
    };

    return (struct wire_reject){
        .request_id = sign->request_id,
        .client = sign->client,
        .method = sign->method,
        .workspace = sign->workspace,
        .path = sign->path,
        .status = REASONS[reason].status,
        .code = slice_str(REASONS[reason].code),
        .error = slice_str(text),
    };
}

void permit_log(const struct wire_sign *sign, const char *text)
{
    log_warning("refused", "id=%s client=%s workspace=%s why=%s", log_quote(sign->request_id).text,
                log_quote(sign->client.name).text, log_quote(sign->workspace).text,
                log_quote(slice_str(text)).text);
}
