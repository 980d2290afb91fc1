/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Open addressing by hash alone: two states of one hash count as one. */
#include <stdlib.h>

#include "search.h"

static bool set_put(struct set *set, uint64_t hash)
{
	size_t at;

	hash |= !hash;
	for (at = hash & (set->room - 1); set->slots[at]; at = (at + 1) & (set->room - 1))
		if (set->slots[at] == hash)
			return false;
	set->slots[at] = hash;
	set->count++;
	return true;
}

bool set_add(struct set *set, uint64_t hash)
{
	struct set larger = { NULL, set->room ? 2 * set->room : 1u << 16, 0 };

	if (2 * set->count >= set->room) {
		larger.slots = calloc(larger.room, sizeof(larger.slots[0]));
		if (!larger.slots)
			exit(2);
		for (size_t i = 0; i < set->room; i++)
			if (set->slots[i])
				set_put(&larger, set->slots[i]);
		free(set->slots);
		*set = larger;
	}
	return set_put(set, hash);
}

void frontier_add(struct frontier *frontier, struct path path)
{
	if (frontier->count == frontier->room) {
		frontier->room = frontier->room ? 2 * frontier->room : 4096;
		frontier->paths = realloc(frontier->paths, frontier->room * sizeof(path));
		if (!frontier->paths)
			exit(2);
	}
	frontier->paths[frontier->count++] = path;
}
