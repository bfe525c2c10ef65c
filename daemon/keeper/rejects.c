#include "keeper/rejects.h"

#include <stdio.h>

static struct rejects_user *find(struct rejects *r, uint32_t uid, uint64_t now_us)
{
    struct rejects_user *idle = NULL;

    for (size_t i = 0; i < REJECTS_USERS_MAX; i++) {
        struct rejects_user *u = &r->users[i];

        if (u->began && u->uid == uid)
            return u;
        if (!idle && (u->began == 0 || (u->more == 0 && now_us - u->began >= REJECTS_SECOND)))
            idle = u;
    }
    if (idle) {
        *idle = (struct rejects_user){.uid = uid};
        return idle;
    }
    r->users[REJECTS_USERS_MAX].uid = CLIENT_UID_UNKNOWN;
    return &r->users[REJECTS_USERS_MAX];
}

static void keep_word(char *out, size_t size, struct slice word)
{
    (void)snprintf(out, size, "%.*s", (int)word.len, word.len ? word.data : "");
}

static void count(struct rejects_user *u, const struct reject_request *reject)
{
    u->vouched = reject->client.vouched && (u->vouched || u->more == 0);
    u->more += u->more < UINT32_MAX;
    u->status = reject->status;
    keep_word(u->code, sizeof(u->code), reject->code);
    keep_word(u->name, sizeof(u->name), reject->client.name);
    keep_word(u->user, sizeof(u->user), reject->client.user);
    keep_word(u->via, sizeof(u->via), reject->client.via);
    keep_word(u->exe, sizeof(u->exe), reject->client.exe);
}

/* When the first of the counted ones is to be written; UINT64_MAX: there are none. */
static uint64_t due(const struct rejects *r)
{
    uint64_t at = UINT64_MAX;

    for (size_t i = 0; i <= REJECTS_USERS_MAX; i++)
        if (r->users[i].more && r->users[i].began + REJECTS_SECOND < at)
            at = r->users[i].began + REJECTS_SECOND;
    return at;
}

static void wait(struct rejects *r, uint64_t now_us)
{
    uint64_t at = due(r);

    if (at != UINT64_MAX)
        loop_timer_set(&r->timer, at > now_us ? at - now_us : REJECTS_SECOND);
}

static bool write_user(struct rejects *r, const struct rejects_user *u)
{
    struct reject_request counted = {
        .client = {.name = slice_str(u->name),
                   .uid = u->uid,
                   .user = slice_str(u->user),
                   .exe = slice_str(u->exe),
                   .via = slice_str(u->via),
                   .vouched = u->vouched},
        .status = u->status,
        .code = slice_str(u->code),
        .error = SLICE_LIT("over the limit of records in a second; the last of them is told"),
        .repeated = u->more,
    };

    return r->write(r->arg, &counted);
}

void rejects_flush(struct rejects *r, uint64_t now_us)
{
    for (size_t i = 0; i <= REJECTS_USERS_MAX; i++) {
        struct rejects_user *u = &r->users[i];

        if (u->more && u->began + REJECTS_SECOND <= now_us && write_user(r, u))
            u->more = 0;
    }
}

static void late(void *arg)
{
    struct rejects *r = arg;
    uint64_t now_us = loop_now();

    rejects_flush(r, now_us);
    wait(r, now_us);
}

void rejects_init(struct rejects *r, struct loop *loop,
                  bool (*write)(void *arg, const struct reject_request *counted), void *arg)
{
    *r = (struct rejects){.limit = REJECTS_DEFAULT, .write = write, .arg = arg};
    loop_timer_init(&r->timer, loop, late, r);
}

void rejects_deinit(struct rejects *r)
{
    loop_timer_deinit(&r->timer);
}

bool rejects_take(struct rejects *r, const struct reject_request *reject, bool counted_anyway,
                  uint64_t now_us)
{
    struct rejects_user *u = find(r, reject->client.uid, now_us);

    if (u->began == 0 || now_us - u->began >= REJECTS_SECOND) {
        if (u->more && write_user(r, u))
            u->more = 0;
        u->recorded = 0;
        u->began = now_us;
    }
    if (!counted_anyway && u->more == 0 && u->recorded + 1 < r->limit) {
        u->recorded++;
        return true;
    }
    count(u, reject);
    if (u->more == 1)
        wait(r, now_us);
    return false;
}
