/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What raw frames look like where they are mapped. */
#include <inttypes.h>
#include <stdio.h>

#define T_NO_MAIN
#include "raw.h"
#include "t.h"

void raw_home(struct home *home, enum world world, const struct ml_table_config *table)
{
	struct ml_space_config wish = { .table = { .live = true } };

	if (table)
		wish.table = *table;
	t_eq(home_open(home, world, &wish), ML_OK);
}

ml_va raw_va(const struct home *home)
{
	const ml_va away = (uint64_t)64 << 30; /* from both ends, where the space is that large */

	if (!home->facts->low_last)
		return home->facts->high_first + away;
	return home->facts->low_last > away ? away : 0;
}

int raw_map(struct home *home, ml_va va, uint64_t len, unsigned flags, struct ml_mapping *mapping)
{
	const struct ml_region_spec spec = {
		.prot = ML_RW,
		.may = ML_RW,
		.flags = flags,
		.mapping = mapping,
	};

	return ml_space_map(&home->space, va, len, &spec, 0, NULL);
}

/* One page, as the unprivileged program's MMU sees it, and as the library says. */
static bool page_is(const struct home *home, ml_va va, ml_pa pa, ml_prot type, unsigned rung)
{
	struct ml_model_result seen;
	struct ml_translation leaf;

	if (ml_model_walk(&home->model, va, ML_MODEL_READ, true, &seen) != ML_MODEL_OK ||
	    ml_translate(&home->space.table, va, &leaf)) {
		printf("# %" PRIx64 ": not mapped\n", va);
		return false;
	}
	if (seen.pa == pa && leaf.pa == pa && (seen.prot & ML_TYPE_MASK) == type &&
	    ml_translation_prot(&home->space.table, &leaf) & ML_SPECIAL &&
	    ml_translation_rung(&home->space.table, &leaf) == rung)
		return true;
	printf("# %" PRIx64 " -> %" PRIx64 " (want %" PRIx64 "), rung %u (want %u), prot %" PRIx64
	       "\n",
	       va, seen.pa, pa, ml_translation_rung(&home->space.table, &leaf), rung, seen.prot);
	return false;
}

/* The sizes modulo which an address and its frame are congruent. */
static uint32_t in_step(const struct ml_format *f, uint64_t difference)
{
	uint32_t rungs = 0;

	for (unsigned rung = 0; rung < f->rung_count; rung++)
		if ((difference & (((uint64_t)1 << f->rungs[rung].shift) - 1)) == 0)
			rungs |= 1u << rung;
	return rungs;
}

/* The first and the last page of every leaf. */
bool raw_shows(const struct home *home, ml_va va, uint64_t len, ml_pa pa, ml_prot type,
	       uint32_t rungs)
{
	const struct ml_format *f = home->facts->format;
	const ml_va last = va + (len - 1);
	ml_va at = va;

	rungs = (rungs ? rungs : home->space.table.rungs) & in_step(f, va - pa);
	for (;;) {
		const unsigned rung = (unsigned)home_best_rung(home, at, va, len, rungs);
		const ml_va end = at | (((uint64_t)1 << f->rungs[rung].shift) - 1);

		if (!page_is(home, at, pa + (at - va), type, rung) ||
		    !page_is(home, end, pa + (end - va), type, rung))
			return false;
		if (end == last)
			return true;
		at = end + 1;
	}
}

bool raw_is_empty(const struct home *home, ml_va va, uint64_t len)
{
	struct ml_cursor cursor = { va, va + (len - 1), false };
	struct ml_run run;

	return !ml_run_next(&home->space.table, &cursor, &run);
}
