/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Interleavings: tasks as coroutines that may be switched before every access to an entry, run in
 * every order that can make a difference, depth first, with no bound on how often they are
 * switched. Between two switches a task runs alone, so each order is one that CPUs with
 * sequentially consistent memory could take.
 *
 * Two accesses can make a difference to each other if they are of different tasks and to the same
 * word, and one of them writes. Which words are such is learnt on the way, and the search begun
 * again until nothing new is learnt. Of the orders that differ only in how accesses that make no
 * difference to each other follow, one is run: the one in which the last task comes first (sleep
 * sets: Godefroid, Partial-Order Methods for the Verification of Concurrent Systems, 1996).
 */
#ifndef TESTS_EXPLORE_H
#define TESTS_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPLORE_TASKS 3
#define EXPLORE_WORDS 256

struct explore {
	/* wishes */
	unsigned tasks;
	/* steps after which a task goes on to its end as one step; 0: it never does */
	unsigned steps[EXPLORE_TASKS];
	const void *memory; /* EXPLORE_WORDS words at most: accesses elsewhere make no difference */
	size_t bytes;
	void (*begin)(void *cookie);                 /* put the world up */
	void (*task)(void *cookie, unsigned number); /* what a task does */
	void (*moment)(void *cookie); /* before anything else happens: a word has changed */
	/* a task accesses an entry now, all moments told; NULL: nobody asks */
	void (*access)(void *cookie, unsigned number);
	bool (*end)(void *cookie); /* judge; false ends the search */
	void *cookie;
	/* results */
	uint64_t runs;   /* judged, */
	uint64_t broken; /* and broken off: what would follow had been judged */
	bool failed;
};

/* Search. Tasks must not leave the loop by other ways than returning. */
void explore(struct explore *e);

/* In a task: a step that makes a difference to those of others, an allocation for one. */
void explore_turn(void);

/* In a task: tell `moment` now if a word has changed since it was last told. */
void explore_settle(void);

/* The task that runs. */
unsigned explore_running(void);

/* The order of the run at hand, as TAP comment. */
void explore_print(void);

#endif
