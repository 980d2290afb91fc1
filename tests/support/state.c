/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The state of a home, kept to be compared with later. */
#include <stdlib.h>
#include <string.h>

#include "state.h"

static size_t counts_bytes(const struct home *home)
{
	return home->pool->pages * sizeof(*home->pool->counts);
}

static bool first_is_copied(const struct home *home)
{
	const struct ml_region *first = ml_space_find_from(&home->space, 0);

	return first && first->copied;
}

void state_take(struct state *state, const struct home *home)
{
	const struct rig rig = home_rig(home);

	picture_take(&state->picture, &rig);
	free(state->counts);
	state->counts = malloc(counts_bytes(home));
	if (state->counts)
		memcpy(state->counts, home->pool->counts, counts_bytes(home));
	state->regions = home->space.regions;
	state->mapped = home->space.mapped;
	state->objects = home->pool->objects_used;
	state->copied = first_is_copied(home);
}

bool state_is_as_before(const struct state *state, const struct home *home)
{
	const struct rig rig = home_rig(home);

	return !picture_difference(&state->picture, &rig) && state->counts &&
	       !memcmp(state->counts, home->pool->counts, counts_bytes(home)) &&
	       state->regions == home->space.regions && state->mapped == home->space.mapped &&
	       state->objects == home->pool->objects_used && state->copied == first_is_copied(home);
}

void state_release(struct state *state)
{
	picture_release(&state->picture);
	free(state->counts);
	memset(state, 0, sizeof(*state));
}
