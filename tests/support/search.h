/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Breadth-first search: the set of states seen, and those still to be gone on from. */
#ifndef TESTS_SEARCH_H
#define TESTS_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEARCH_STEPS 4 /* the longest path */

/* Hashes of states; zero it, and free the slots. */
struct set {
	uint64_t *slots;
	size_t room, count;
};

/* Add a hash; whether it was new. */
bool set_add(struct set *set, uint64_t hash);

/* The operations that lead to a state, as numbers + 1; 0 ends. */
struct path {
	uint16_t steps[SEARCH_STEPS];
};

/* Zero it, and free the paths. */
struct frontier {
	struct path *paths;
	size_t room, count;
};

void frontier_add(struct frontier *frontier, struct path path);

#endif
