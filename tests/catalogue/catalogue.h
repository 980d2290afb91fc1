/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The catalogue: one test for each mistake that page-table code of others is known to have made,
 * named after its number (docs/catalogue.md). Each repeats what went wrong, and lets judges say
 * whether it does here that share no code with the library: the flat model, the order of events,
 * the adversarial TLB, the model MMU.
 */
#ifndef TESTS_CATALOGUE_H
#define TESTS_CATALOGUE_H

#include "support/scene.h"
#include "t.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define G ((uint64_t)1 << 30)

static inline bool is_fine(const char *wrong, const char *call, const char *file, int line)
{
	if (wrong && t_complain(file, line))
		T_PRINTF("%s: %s\n", call, wrong);
	return !wrong;
}

/* A call on the scene was right. */
#define fine(call) is_fine((call), #call, __FILE__, __LINE__)

/* Every world whose format has groups. */
#define FOR_EACH_WORLD_WITH_GROUPS(world)                                                         \
	for (unsigned world = 0; world < WORLDS; world++)                                         \
		if (T_CONTEXT(worlds[world].name, (world)), !worlds[world].format->group_rung[0]) \
			;                                                                         \
		else

#endif
