/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* All of a home that a call which fails must not have changed. */
#ifndef TESTS_STATE_H
#define TESTS_STATE_H

#include "home.h"

/* Tables, references, regions. */
struct state {
	struct picture picture;
	uint32_t *counts;
	uint64_t regions, mapped, objects;
	bool copied; /* of the first region */
};

/* Take it into *state, which is zero or an older one. */
void state_take(struct state *state, const struct home *home);

bool state_is_as_before(const struct state *state, const struct home *home);

void state_release(struct state *state);

/* A call on the home comes to this, and has changed nothing. */
#define NO_CHANGE(home, call, error)                     \
	do {                                             \
		static struct state before;              \
                                                         \
		state_take(&before, home);               \
		t_eq(call, error);                       \
		t_ok(state_is_as_before(&before, home)); \
	} while (0)

#endif
