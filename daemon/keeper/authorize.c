#include "keeper/authorize.h"

#include "api/target.h"
#include "audit/record.h"
#include "base/log.h"
#include "base/loop.h"

#include <stdio.h>

/*
 * What the proxy read of the process (its exe and unit) is kept while it speaks of the same one. A
 * proxy that names another user has a defect or is in the wrong hands.
 */
static void ask_kernel(const struct user_map *users, struct client_identity *client)
{
    struct ucred cred;
    uint32_t uid;

    if (!unix_peer_is_accepted(client->socket))
        return;
    unix_peer(client->socket, &cred);
    uid = user_map_uid(users, cred.uid);
    if (uid == CLIENT_UID_UNKNOWN)
        return;
    if (uid != client->uid)
        log_warning("identity_differs", "proxy=%u kernel=%u pid=%d", client->uid, uid,
                    (int)cred.pid);
    if (uid != client->uid || (uint32_t)cred.pid != client->pid)
        client->exe = client->unit = SLICE_NULL;
    client->uid = uid;
    client->pid = cred.pid > 0 ? (uint32_t)cred.pid : 0;
    client->vouched = true;
}

int authorize_client(const struct policy *policy, const struct user_map *users,
                     struct client_identity *client)
{
    int found;

    client->vouched = false;
    if (client->has_socket)
        ask_kernel(users, client);
    found = policy_client(policy, client);
    client->name = policy_name(policy, found);
    return found;
}

/* 0, or why the policy is against it. */
static enum wire_reason ask_policy(struct authorization *out, const struct policy *policy,
                                   int client, const struct sign_request *sign)
{
    struct policy_request request = {
        .method = sign->method,
        .workspace = sign->workspace,
        .path = sign->path,
        .n_fields = sign->n_fields,
        .fields = sign->fields,
        .vouched = sign->client.vouched,
        .bare = sign->n_fields == 0 && !slice_eq(sign->method, SLICE_LIT("DELETE")),
    };
    struct policy_decision d = policy_decide(policy, client, &request);

    if (d.verdict == POLICY_ALLOWED)
        return 0;
    if (d.verdict == POLICY_UNKNOWN_CLIENT) {
        policy_say_unknown(out->text, policy, &sign->client);
        return WIRE_REASON_UNKNOWN_CLIENT;
    }
    policy_say_forbidden(out->text, policy, client, &request, &d);
    return WIRE_REASON_FORBIDDEN;
}

void authorize_request(struct authorization *out, struct policy *policy, int client,
                       const struct keystore *keys, const struct sign_request *sign,
                       const struct keystore_key **key)
{
    out->reason = ask_policy(out, policy, client, sign);
    if (out->reason)
        return;
    *key = keystore_find(keys, sign->workspace);
    if (!*key) {
        (void)snprintf(out->text, sizeof(out->text), "no key is configured for workspace \"%.*s\"",
                       (int)sign->workspace.len, sign->workspace.data);
        out->reason = WIRE_REASON_FORBIDDEN;
    } else if (!policy_take(policy, client, loop_now())) {
        policy_say_limit(out->text, policy, client);
        out->reason = WIRE_REASON_OVERLOADED;
    }
}

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

struct reject_request authorize_record(const struct sign_request *sign, enum wire_reason reason,
                                       const char *text)
{
    return (struct reject_request){
        .id = sign->id,
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

/* What is wrong with its path, its kind or its body. */
static bool about_request(const struct reject_request *reject)
{
    return reject->status == 404 || reject->status == 405 || reject->status == 415 ||
           reject->status == 422 || slice_eq(reject->code, SLICE_LIT("bad_json"));
}

bool authorize_hides(const struct policy *policy, int client, struct reject_request *reject,
                     char text[POLICY_TEXT_MAX])
{
    if ((policy && policy->anyone) || client != POLICY_NOBODY || !about_request(reject))
        return false;
    policy_say_unknown(text, policy, &reject->client);
    reject->status = REASONS[WIRE_REASON_UNKNOWN_CLIENT].status;
    reject->code = slice_str(REASONS[WIRE_REASON_UNKNOWN_CLIENT].code);
    reject->error = slice_str(text);
    reject->field = SLICE_NULL;
    reject->n_problems = reject->problems_total = 0;
    return true;
}

void authorize_log(const struct reject_request *reject)
{
    log_warning("refused", "id=%s client=%s workspace=%s why=%s",
                log_quote(reject->request_id).text, log_quote(reject->client.name).text,
                log_quote(reject->workspace).text, log_quote(reject->error).text);
}

/*
 * The keeper checks whatever it can check itself, even if the proxy has checked it. Field names are
 * not signed, so their order is all that ties values to them: two equal names, or names out of
 * order, would let one string to sign stand for two requests.
 */
static bool method_ok(struct slice method)
{
    return slice_eq(method, SLICE_LIT("POST")) || slice_eq(method, SLICE_LIT("PUT")) ||
           slice_eq(method, SLICE_LIT("DELETE"));
}

static const char *check_fields(const struct request_field *fields, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0 && slice_cmp(fields[i - 1].name, fields[i].name) >= 0)
            return "the field names are not in strictly ascending order";
        if (!record_text_ok(fields[i].name))
            return "a field name is not valid UTF-8";
        if (!record_text_ok(fields[i].value))
            return "a field value is not valid UTF-8";
    }
    return NULL;
}

const char *check_sign(const struct sign_request *sign)
{
    if (!record_request_id_ok(sign->request_id))
        return "the request id is not 1 to 128 of A-Z a-z 0-9 . _ : + / = @ -";
    if (!method_ok(sign->method))
        return "the method is none of POST, PUT, DELETE";
    if (!target_workspace_ok(sign->workspace))
        return "the workspace is malformed";
    if (!target_path_ok(sign->path))
        return "the api-path is malformed";
    return check_fields(sign->fields, sign->n_fields);
}
