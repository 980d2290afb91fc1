/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Mistakes of address spaces: moving, forking, and who still holds what. */
#include <string.h>

#include "support/home.h"
#include "t.h"

static const struct ml_space_config live = {
	.table = { .live = true, .guaranteed = true, .fold = ML_FOLD_COMPLETE },
	.fault_rungs = ~0u,
};

/* What the TLBs may still hold whenever a reference is dropped. */
static struct {
	const struct ml_arena *arena;
	uint64_t puts, pending;
} seen;

static void watched_put(void *pool, ml_pa pa, uint64_t length)
{
	seen.puts++;
	seen.pending += seen.arena->pending;
	home_frame_ops.put(pool, pa, length);
}

TEST(b_57_a_page_was_free_while_its_old_address_still_led_there)
{
	FOR_EACH_WORLD(world)
	{
		struct ml_frames frames = home_frame_ops;
		struct ml_space_config wish = live;
		struct home home;
		ml_va va, to;

		frames.put = watched_put;
		wish.frames = &frames;
		t_eq(home_open(&home, world, &wish), ML_OK);
		memset(&seen, 0, sizeof(seen));
		seen.arena = home.arena;
		va = home.space.first;
		to = va + 2 * home_large(&home);
		home_map(&home, va, home_large(&home), &home_memory);
		home_map(&home, to, home_large(&home), &home_memory);
		t_ok(home_store(&home, va, 1));
		t_ok(home_store(&home, to, 2));
		home_move(&home, va, home_large(&home), home_large(&home), to);
		t_eq(home.arena->pending, 0); /* the old address leads nowhere, on every CPU */
		t_eq(home_rung(&home, va), -1);
		t_eq(ml_space_unmap(&home.space, to, home_large(&home)), ML_OK);
		t_ok(seen.puts >= 2);
		t_eq(seen.pending, 0);
		home_leave(&home);
	}
}

/* A private region of which some pages were written to, and forked when the n-th thing fails. */
static int fork_when_it_fails(struct home *parent, enum world world, unsigned n)
{
	struct home child;
	int error;

	t_eq(home_open(&child, world, &live), ML_OK);
	home_fail(parent, n);
	error = ml_space_fork(&child.space, &parent->space);
	home_fail(parent, 0);
	t_ok(home_is_sound(&child));
	t_ok(home_close(&child));
	return error;
}

TEST(b_83_a_fork_that_failed_and_a_region_cut_in_two_gave_back_too_much)
{
	FOR_EACH_WORLD(world)
	{
		struct home home;
		uint64_t page;
		unsigned n, failures = 0;

		t_eq(home_open(&home, world, &live), ML_OK);
		page = home_page(&home);
		home_map(&home, home.space.first, home_large(&home), &home_memory);
		t_ok(home_store(&home, home.space.first, 1)); /* the first page is a copy */
		for (n = 1; n < 16; n++)
			failures += fork_when_it_fails(&home, world, n) != ML_OK;
		t_ok(failures >= 2);
		t_eq(ml_space_protect(&home.space, home.space.first + page, page, ML_READ), ML_OK);
		t_eq(home.space.regions, 3);
		t_ok(home_is_sound(&home));
		t_eq(ml_space_unmap(&home.space, home.space.first, 2 * page), ML_OK);
		t_eq(ml_space_unmap(&home.space, home.space.first + 2 * page,
				    home_large(&home) - 2 * page),
		     ML_OK);
		t_eq(home.space.regions, 0);
		home_leave(&home);
	}
}

TEST(b_87_a_move_did_not_know_every_kind_of_leaf)
{
	FOR_EACH_WORLD(world)
	for (unsigned rung = 0; rung < worlds[world].format->rung_count; rung++) {
		const uint64_t size = (uint64_t)1 << worlds[world].format->rungs[rung].shift;
		struct home home;
		ml_va va, to;

		t_eq(home_open(&home, world, &live), ML_OK);
		va = (home.space.first + size - 1) & ~(size - 1);
		to = va + size;
		if (!ml_space_can_hold(&home.space, rung) || home.raw->bytes < size ||
		    !ml_table_covers(&home.space.table, va, 2 * size)) {
			t_ok(home_close(&home));
			continue;
		}
		home_map_raw(&home, va, size, home.raw->first);
		t_eq(home_rung(&home, va), (int)rung);
		home_move(&home, va, size, size, to);
		t_eq(home_rung(&home, va), -1);
		t_eq(home_rung(&home, to), (int)rung);
		t_eq(home.space.table.stats.splits, 0);
		t_ok(home_store(&home, to + size - 1, 9));
		t_eq(*home_byte(&home, home.raw->first + size - 1), 9);
		home_leave(&home);
	}
}
