/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Interleavings: tasks as coroutines that may be switched before every access to an entry, run in
 * every order that can make a difference, depth first. Between two switches a task runs alone, so
 * each order is one that CPUs with sequentially consistent memory could take.
 *
 * An access can make a difference if another task accesses the same word and one of the two writes.
 * Which do is learnt on the way, and the search begun again until nothing new is learnt.
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
	unsigned preemptions; /* switches away from a task that could go on, at most, in one run */
	const void *memory; /* EXPLORE_WORDS words at most: accesses elsewhere make no difference */
	size_t bytes;
	void (*begin)(void *cookie);                 /* put the world up */
	void (*task)(void *cookie, unsigned number); /* what a task does */
	void (*moment)(void *cookie); /* before anything else happens: a word has changed */
	bool (*end)(void *cookie);    /* judge; false ends the search */
	void *cookie;
	/* results */
	uint64_t runs;
	bool failed;
};

/* Search. Tasks must not leave the loop by other ways than returning. */
void explore(struct explore *e);

/* In a task: a step that makes a difference to all others, an allocation for one. */
void explore_turn(void);

/* In a task: tell `moment` now if a word has changed since it was last told. */
void explore_settle(void);

/* The switches of the run at hand, as TAP comment. */
void explore_print(void);

#endif
