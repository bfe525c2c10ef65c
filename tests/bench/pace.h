/*
 * How much slower this machine is just now than the one that the limits of the programs beside this
 * file were set on: a neighbour on the same processor may take half of it. 1 at least.
 */
#ifndef CENTION_TESTS_BENCH_PACE_H
#define CENTION_TESTS_BENCH_PACE_H

double pace_factor(void);

/*
 * The result of a program that is too slow on a machine where something else ran meanwhile: it is
 * tried some times, and 0 as soon as one try is 0.
 */
int pace_tries(int (*once)(int argc, char **argv), int argc, char **argv);

#endif
