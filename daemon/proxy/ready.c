#include "proxy/ready.h"

#include <string.h>

bool ready_refuse(const struct proxy *proxy, struct refusal *why)
{
    const struct caller_state *keeper = caller_state(proxy->keeper);
    const char *code = caller_trouble(keeper);

    if (strcmp(code, "audit_unavailable") == 0)
        return refuse(why, 503, code, "the audit log can't be written: %s", keeper->reason);
    return refuse(why, 503, "keeper_unavailable", "the keeper can't be reached: %s",
                  keeper->reason);
}

bool ready_for(const struct proxy *proxy, struct refusal *why)
{
    if (proxy->draining)
        return refuse(why, 503, "draining", "the proxy is shutting down; nothing was sent");
    return caller_state(proxy->keeper)->connected || ready_refuse(proxy, why);
}

const char *ready_code(const struct proxy *proxy, const char **reason)
{
    const struct caller_state *keeper = caller_state(proxy->keeper);
    const char *code = caller_trouble(keeper);

    *reason = keeper->reason;
    if (proxy->draining) {
        *reason = "draining: the proxy is shutting down";
        return "draining";
    }
    if (code[0]) {
        *reason = keeper->reason[0] ? keeper->reason : "the keeper is not ready";
        return code;
    }
    /* Requests are served, but someone has to look. */
    return keeper->reason[0] ? "audit_alarm" : "";
}
