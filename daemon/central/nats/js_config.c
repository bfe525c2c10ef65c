#include "central/nats/js_config.h"

#include <string.h>

void js_config_make(jsStreamConfig *out, const char *name, const char **subjects, unsigned replicas)
{
    static const int64_t WINDOW = INT64_C(120) * 1000 * 1000 * 1000; /* nanoseconds */

    (void)jsStreamConfig_Init(out);
    out->Name = name;
    out->Subjects = subjects;
    out->SubjectsLen = 1;
    out->Retention = js_LimitsPolicy;
    out->MaxConsumers = -1;
    out->MaxMsgs = -1;
    out->MaxBytes = -1;
    out->MaxMsgsPerSubject = -1;
    out->MaxMsgSize = -1;
    out->Discard = js_DiscardNew;
    out->Storage = js_FileStorage;
    out->Replicas = replicas;
    out->Duplicates = WINDOW;
    out->DenyDelete = true;
    out->DenyPurge = true;
}

const char *js_config_check(const jsStreamConfig *c, const char *subject, unsigned replicas)
{
    if (c->SubjectsLen != 1 || strcmp(c->Subjects[0], subject) != 0)
        return "its subject is another, or not the only one";
    if (c->Mirror || c->SourcesLen > 0)
        return "it takes its messages from another stream";
    if (c->Sealed)
        return "it is sealed";
    if (c->NoAck)
        return "it acknowledges nothing";
    if (c->Storage != js_FileStorage)
        return "it is kept in memory, not in files";
    if (c->Replicas < (int64_t)replicas)
        return "it has fewer replicas than are set";
    if (c->Retention != js_LimitsPolicy)
        return "its retention isn't by limits: it drops what was read";
    if (c->MaxAge > 0)
        return "it drops messages by age (max_age)";
    if (c->MaxMsgsPerSubject > 0)
        return "it drops messages by number (max_msgs_per_subject)";
    if ((c->MaxMsgs > 0 || c->MaxBytes > 0) && c->Discard != js_DiscardNew)
        return "it drops old messages at its limit (discard is not new)";
    if (!c->DenyDelete)
        return "its messages may be deleted (deny_delete is off)";
    if (!c->DenyPurge)
        return "its messages may be purged (deny_purge is off)";
    if (c->AllowRollup)
        return "its messages may be rolled up (allow_rollup_hdrs is on)";
    return NULL;
}
