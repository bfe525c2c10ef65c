/*
 * A record's members, decoded: what the filters and the table look at. A member that is missing or
 * of another type than expected is as if it were not there: records of later versions are shown as
 * far as they are understood.
 */
#ifndef CENTION_CTL_AUDIT_AUDIT_FACTS_H
#define CENTION_CTL_AUDIT_AUDIT_FACTS_H

#include "base/slice.h"

#include <json-c/json.h>
#include <stdint.h>

/* Zeroed at first, then read into again and again; the slices are valid until the next read. */
struct audit_facts {
    struct json_tokener *tokener;
    struct json_object *doc;    /* the whole record */
    struct json_object *fields; /* of an intent, or NULL */
    struct json_object *answer; /* of an outcome, or NULL */

    struct slice time, type, id;
    struct slice name, user, address; /* of the client */
    bool has_uid;
    uint64_t uid;
    struct slice method, workspace, path;
    uint32_t status; /* 0: none */
    struct slice sent, code, error;
    struct slice object, answer_error;
    bool timed;
    uint64_t duration_us; /* microseconds */
};

/* 0; -EBADMSG when the bytes are no JSON object; -ENOMEM. */
int audit_facts_read(struct audit_facts *facts, struct slice bytes) MUST_CHECK;
void audit_facts_deinit(struct audit_facts *facts); /* a zeroed one is allowed */

/* A request that creates an object: its path is where, and the outcome says which. */
bool audit_facts_creates(const struct audit_facts *request);

/*
 * Whether an intent's path is `object`, or may have created it: an object that a POST made is below
 * the path of the POST. The workspace is not looked at.
 */
bool audit_facts_may_be(const struct audit_facts *request, struct slice object);

/* A string's bytes; the empty slice for anything else, NULL too. */
struct slice audit_facts_text(struct json_object *value);

/*
 * What a field was set to. Its value may have been left out of the log, or be kept as a keyed hash
 * (a mac), which tells whether two values are equal and nothing else.
 */
enum audit_value_kind {
    AUDIT_VALUE_TEXT,
    AUDIT_VALUE_MAC,     /* {"mac":"64 digits"} */
    AUDIT_VALUE_OMITTED, /* {"omitted":true} */
    AUDIT_VALUE_OTHER,   /* not known to this version: the value as JSON */
};

struct audit_value {
    enum audit_value_kind kind;
    struct slice text; /* the value, the mac's digits, or JSON; valid as long as the object is */
};

struct audit_value audit_value_of(struct json_object *value);

#endif
