/* The answers of one turn: a list that grows keeps what it held, and nothing is left behind. */
#include "keeper/answers.h"
#include "unit/unit.h"

#include <stdlib.h>
#include <string.h>

static void spy_free(void *block);

/* The file itself is in here, with a free(3) that looks at what it is given. */
#define free(p) spy_free(p)
#include "keeper/answers.c"
#undef free

static const struct answers *watched; /* whose list is looked at; NULL: nobody's */
static size_t given_back, dirty;

static void spy_free(void *block)
{
    if (watched && block && block == watched->list) {
        given_back++;
        for (size_t i = 0; i < watched->room * sizeof(*watched->list); i++)
            dirty += ((const char *)block)[i] != 0;
    }
    free(block);
}

enum {
    FEW = 1000, /* makes the list grow several times, and no busy turn */
    MANY = 5000,
};

static char places[2];

/* Nobody looks into a peer here. */
static struct peer *peer(unsigned i)
{
    return (struct peer *)&places[i];
}

static struct answer *add(struct answers *a, unsigned of, enum wire_type type, uint64_t id)
{
    CU_ASSERT_EQUAL_FATAL(answers_reserve(a), 0);
    CU_ASSERT_FATAL(a->n < a->room);
    return answers_add(a, peer(of), type, id);
}

static void sign(struct answers *a, unsigned of, uint64_t id)
{
    struct answer *answer = add(a, of, WIRE_SIGNED, id);

    memset(answer->signature, (int)('A' + id % 26), sizeof(answer->signature));
}

static void none(void)
{
    struct answers a = {0};

    answers_forget(&a, peer(0));
    answers_clear(&a);
    answers_deinit(&a);
    CU_ASSERT_PTR_NULL(a.list);
    CU_ASSERT_EQUAL(a.n + a.room + a.n_signed, 0);
}

static void a_new_one_is_empty(void)
{
    struct answers a = {0};
    struct answer *answer;

    sign(&a, 0, 1);
    answers_clear(&a);
    answer = add(&a, 1, WIRE_REFUSED, 2);
    CU_ASSERT_PTR_EQUAL(answer, a.list);
    CU_ASSERT_PTR_EQUAL(answer->peer, peer(1));
    CU_ASSERT_EQUAL(answer->type, WIRE_REFUSED);
    CU_ASSERT_EQUAL(answer->id, 2);
    CU_ASSERT_PTR_NULL(answer->text);
    CU_ASSERT_PTR_NULL(answer->key);
    CU_ASSERT_PTR_NULL(answer->request);
    answers_deinit(&a);
}

static void growth_keeps_what_is_there(void)
{
    struct answers a = {0};
    size_t rooms = 0, room = 0;

    for (uint64_t id = 0; id < FEW; id++) {
        sign(&a, id % 2, id);
        rooms += a.room != room;
        room = a.room;
    }
    CU_ASSERT_EQUAL(a.n, FEW);
    CU_ASSERT(rooms > 3 && rooms < 10); /* not one by one */
    for (uint64_t id = 0; id < FEW; id++) {
        const struct answer *answer = &a.list[id];

        CU_ASSERT_EQUAL(answer->id, id);
        CU_ASSERT_PTR_EQUAL(answer->peer, peer(id % 2));
        CU_ASSERT_EQUAL(answer->signature[0], (char)('A' + id % 26));
        CU_ASSERT_EQUAL(answer->signature[WIRE_SIGNATURE - 1], (char)('A' + id % 26));
    }
    answers_deinit(&a);
}

static void room_is_made_once(void)
{
    struct answers a = {0};
    const struct answer *list;

    CU_ASSERT_EQUAL(answers_reserve(&a), 0);
    list = a.list;
    CU_ASSERT_EQUAL(answers_reserve(&a), 0); /* the one before was not used */
    CU_ASSERT_PTR_EQUAL(a.list, list);
    CU_ASSERT_EQUAL(a.n, 0);
    answers_deinit(&a);
}

static void signatures_are_counted(void)
{
    static const enum wire_type TYPES[] = {WIRE_SIGNED, WIRE_REFUSED, WIRE_RECORDED, WIRE_SIGNED};
    struct answers a = {0};

    for (uint64_t i = 0; i < 4; i++)
        (void)add(&a, 0, TYPES[i], i);
    CU_ASSERT_EQUAL(a.n, 4);
    CU_ASSERT_EQUAL(a.n_signed, 2);
    answers_clear(&a);
    CU_ASSERT_EQUAL(a.n_signed, 0);
    answers_deinit(&a);
}

static void a_peer_that_has_gone(void)
{
    struct answers a = {0};

    for (uint64_t id = 0; id < 10; id++)
        sign(&a, id % 2, id);
    answers_forget(&a, peer(1));
    CU_ASSERT_EQUAL(a.n, 10);
    CU_ASSERT_EQUAL(a.n_signed, 10);
    for (uint64_t id = 0; id < 10; id++) {
        CU_ASSERT_EQUAL(a.list[id].id, id);
        CU_ASSERT_PTR_EQUAL(a.list[id].peer, id % 2 ? NULL : peer(0));
    }
    answers_deinit(&a);
}

/* The room stays, and not a byte of what was in it. */
static void clearing_wipes(void)
{
    struct answers a = {0};
    size_t left = 0, room;

    for (uint64_t id = 0; id < FEW; id++)
        sign(&a, 0, id);
    add(&a, 0, WIRE_REFUSED, FEW)->text = strdup("no");
    room = a.room;
    answers_clear(&a);
    CU_ASSERT_EQUAL(a.n, 0);
    CU_ASSERT_EQUAL_FATAL(a.room, room);
    CU_ASSERT_PTR_NOT_NULL_FATAL(a.list);
    for (size_t i = 0; i < room * sizeof(*a.list); i++)
        left += ((const char *)a.list)[i] != 0;
    CU_ASSERT_EQUAL(left, 0);
    answers_deinit(&a);
    CU_ASSERT_PTR_NULL(a.list);
    CU_ASSERT_EQUAL(a.room, 0);
}

/* When a larger block takes its place, and at the end. */
static void what_is_given_back_is_wiped(void)
{
    struct answers a = {0};

    given_back = dirty = 0;
    watched = &a;
    for (uint64_t id = 0; id < FEW; id++)
        sign(&a, 0, id);
    CU_ASSERT(given_back > 3);
    answers_deinit(&a);
    CU_ASSERT(given_back > 4);
    CU_ASSERT_EQUAL(dirty, 0);
    watched = NULL;
}

static void after_a_busy_turn(void)
{
    struct answers a = {0};

    for (uint64_t id = 0; id < MANY; id++)
        sign(&a, 0, id);
    answers_clear(&a);
    CU_ASSERT_PTR_NULL(a.list);
    CU_ASSERT_EQUAL(a.room, 0);
    sign(&a, 0, 1);
    CU_ASSERT_EQUAL(a.n, 1);
    CU_ASSERT(a.room < FEW);
    answers_deinit(&a);
}

static void alone(void)
{
    struct group_commit g = {0};

    CU_ASSERT_FALSE(group_commit_more(&g, 1, 0, 5));
    CU_ASSERT_FALSE(group_commit_more(&g, 0, 9, 5));
    CU_ASSERT_FALSE(group_commit_more(&g, GROUP_COMMIT_ENOUGH, 9, 5));
    CU_ASSERT_EQUAL(g.looks, 0);
}

static void as_long_as_more_comes(void)
{
    struct group_commit g = {0};

    CU_ASSERT(group_commit_more(&g, 1, 9, 5));
    CU_ASSERT(group_commit_more(&g, 2, 8, 5));
    CU_ASSERT(group_commit_more(&g, 5, 5, 5));
    CU_ASSERT_FALSE(group_commit_more(&g, 5, 5, 5));
    g = (struct group_commit){0};
    CU_ASSERT(group_commit_more(&g, 1, 1, 5));
    CU_ASSERT_FALSE(group_commit_more(&g, 2, 0, 5));
}

static void not_for_ever(void)
{
    struct group_commit g = {0};
    size_t n = 1;

    while (n < 1000 && group_commit_more(&g, n, 1, 5))
        n++;
    CU_ASSERT_EQUAL(n, 1 + GROUP_COMMIT_LOOKS);
    g = (struct group_commit){0};
    CU_ASSERT(group_commit_more(&g, 1, 1, 5));
    CU_ASSERT(group_commit_more(&g, 2, 1, 5 + GROUP_COMMIT_US));
    CU_ASSERT_FALSE(group_commit_more(&g, 3, 1, 6 + GROUP_COMMIT_US));
}

static const struct unit_case CASES[] = {
    {"none", none},
    {"a new one is empty", a_new_one_is_empty},
    {"growth keeps what is there", growth_keeps_what_is_there},
    {"room is made once", room_is_made_once},
    {"signatures are counted", signatures_are_counted},
    {"a peer that has gone", a_peer_that_has_gone},
    {"clearing wipes", clearing_wipes},
    {"what is given back is wiped", what_is_given_back_is_wiped},
    {"after a busy turn", after_a_busy_turn},
    {"alone", alone},
    {"as long as more comes", as_long_as_more_comes},
    {"not for ever", not_for_ever},
};

UNIT_MAIN("answers", CASES)
