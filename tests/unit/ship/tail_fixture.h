/*
 * A place in an audit log as the keeper writes it (ship_fixture.h), and what was read there.
 */
#ifndef CENTION_TESTS_UNIT_SHIP_TAIL_FIXTURE_H
#define CENTION_TESTS_UNIT_SHIP_TAIL_FIXTURE_H

#include "ship/tail.h"
#include "unit/ship/ship_fixture.h"

enum { PLACES = 5000 };

extern struct tail tail;
extern struct audit_options options; /* of the keeper */

/* What came, and where it ended. */
extern struct ship_place places[PLACES];
extern size_t n_places;

extern const struct ship_place NOWHERE; /* before the log's first record */

/* A tail of the folder's log, with nothing read. */
void begin(void);
/* Seeks that record and looks until something but TAIL_BUSY comes. */
int look(const struct ship_place *place);
/* Reads until something but a batch comes. */
int drink(void);

/* A folder with a log of so many finished segments, which its keeper goes on with, and a tail that
 * has read all of it. */
struct audit *read_log(int segments);

/* A record of so many bytes and more. */
void large(struct audit *a, size_t n);

#endif
