#include "unit/ship/tail_fixture.h"

#include <stdlib.h>
#include <string.h>

struct tail tail;
struct audit_options options;

struct ship_place places[PLACES];
size_t n_places;

const struct ship_place NOWHERE = {0};

void begin(void)
{
    const struct seal_key log = identity();

    CU_ASSERT_EQUAL_FATAL(tail_init(&tail, audit_fd, &log), 0);
    n_places = 0;
}

int look(const struct ship_place *place)
{
    int r;

    tail_seek(&tail, place);
    for (int i = 0; i < 1000; i++)
        if ((r = tail_look(&tail)) != TAIL_BUSY)
            return r;
    return TAIL_BUSY;
}

int drink(void)
{
    struct ship_batch batch;
    int r;

    for (int i = 0; i < 10000; i++) {
        r = tail_next(&tail, &batch);
        if (r == TAIL_BATCH) {
            for (size_t k = 0; k < batch.n; k++) {
                CU_ASSERT_FATAL(n_places < PLACES);
                if (n_places)
                    CU_ASSERT_EQUAL(batch.records[k].place.seq, places[n_places - 1].seq + 1);
                CU_ASSERT_EQUAL(batch.records[k].line.data[batch.records[k].line.len - 1], '}');
                places[n_places++] = batch.records[k].place;
            }
        } else if (r != TAIL_BUSY) {
            return r;
        }
    }
    return TAIL_BUSY;
}

struct audit *read_log(int segments)
{
    struct audit *a;

    setup();
    options = (struct audit_options){0};
    a = keep(&options);
    for (int i = 0; i < segments; i++)
        next_segment(a);
    begin();
    CU_ASSERT_EQUAL(look(&NOWHERE), TAIL_FOUND);
    CU_ASSERT_EQUAL(drink(), TAIL_END);
    return a;
}

void large(struct audit *a, size_t n)
{
    char *text = malloc(n);

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    memset(text, 'e', n);
    CU_ASSERT_EQUAL(audit_config(a, "refused", slice_of(text, n)), 0);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    free(text);
}
