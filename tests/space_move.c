/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Moving, growing, shrinking: whole leaves stay whole where the new place is congruent (S4.12). */
#include <string.h>

#include "support/home.h"
#include "t.h"

#define EACH_WORLD(world) for (enum world world = 0; world < WORLDS; world++)

static const struct ml_region_spec memory = { .prot = ML_RW | ML_WB, .may = ML_RIGHTS };
static const struct ml_region_spec device = {
	.prot = ML_RW | ML_NC,
	.may = ML_RW,
	.flags = ML_REGION_SHARED | ML_REGION_RAW,
};

static uint64_t large(const struct home *home)
{
	return (uint64_t)1 << home->facts->coarse_shift;
}

static void open_home(struct home *home, enum world world)
{
	const struct ml_space_config wish = {
		.table = { .guaranteed = true, .live = true },
		.bottom_up = true,
		.fault_rungs = ~0u,
	};

	t_eq(home_open(home, world, &wish), ML_OK);
}

static void close_home(struct home *home, enum world world)
{
	t_ok(home_is_sound(home));
	t_ok(home_close(home));
	t_ok(home_is_empty(world));
}

static unsigned char load(struct home *home, ml_va va)
{
	unsigned char byte = 0xee;

	t_ok(home_load(home, va, &byte));
	return byte;
}

static bool is_gone(struct home *home, ml_va va)
{
	unsigned char byte;

	return !home_load(home, va, &byte) && home->fault == ML_FAULT_NO_REGION;
}

TEST(a_congruent_move_keeps_leaves_whole_and_splits_none)
{
	EACH_WORLD(world)
	{
		struct home home;
		uint64_t splits, deposits;
		ml_va from, to;
		int rung;

		open_home(&home, world);
		from = home.space.first;
		to = from + 2 * large(&home);
		t_eq(ml_space_map(&home.space, from, large(&home), &memory, 0, NULL), ML_OK);
		t_ok(home_store(&home, from + 5, 5));
		rung = home_rung(&home, from);
		splits = home.space.table.stats.splits;
		deposits = home.space.table.spare.count;
		t_eq(ml_space_move(&home.space, from, large(&home), large(&home),
				   ML_MOVE_MAY | ML_MOVE_FIXED, &to),
		     ML_OK);
		t_eq(home_rung(&home, to), rung);
		t_eq(load(&home, to + 5), 5);
		t_ok(is_gone(&home, from));
		t_eq(home.space.table.stats.splits, splits);
		t_eq(home.space.table.spare.count, deposits);
		close_home(&home, world);
	}
}

TEST(what_is_not_congruent_is_mapped_smaller)
{
	EACH_WORLD(world)
	{
		struct home home;
		ml_va from, to;

		open_home(&home, world);
		from = home.space.first;
		to = from + 2 * large(&home) + home_page(&home);
		t_eq(ml_space_map(&home.space, from, large(&home), &device, 0, NULL), ML_OK);
		t_eq(ml_remap_pfn_range(&home.space, from, large(&home), home.raw->first, ML_NC),
		     ML_OK);
		*home_byte(&home, home.raw->first) = 1;
		*home_byte(&home, home.raw->first + large(&home) - 1) = 2;
		t_eq(ml_space_move(&home.space, from, large(&home), large(&home),
				   ML_MOVE_MAY | ML_MOVE_FIXED, &to),
		     ML_OK);
		t_eq(home_rung(&home, to), 0);
		t_eq(load(&home, to), 1);
		t_eq(load(&home, to + large(&home) - 1), 2);
		t_ok(is_gone(&home, from));
		close_home(&home, world);
	}
}

TEST(it_grows_where_it_stands_or_goes_where_there_is_room)
{
	EACH_WORLD(world)
	{
		struct home home;
		uint64_t page;
		ml_va va, to;

		open_home(&home, world);
		page = home_page(&home);
		va = home.space.first;
		t_eq(ml_space_map(&home.space, va, page, &memory, 0, NULL), ML_OK);
		t_ok(home_store(&home, va, 1));
		to = va;
		t_eq(ml_space_move(&home.space, va, page, 2 * page, 0, &to), ML_OK);
		t_eq(to, va);
		t_eq(load(&home, va + page), 0);
		t_eq(ml_space_map(&home.space, va + 2 * page, page, &device, 0, NULL), ML_OK);
		t_eq(ml_space_move(&home.space, va, 2 * page, 3 * page, 0, &to), ML_ERR_NO_SPACE);
		t_eq(ml_space_move(&home.space, va, 2 * page, 3 * page, ML_MOVE_MAY, &to), ML_OK);
		t_ok(to != va);
		t_eq(load(&home, to), 1);
		t_ok(is_gone(&home, va));
		t_eq(ml_space_move(&home.space, to, 3 * page, page, 0, &to), ML_OK);
		t_eq(load(&home, to), 1);
		t_ok(is_gone(&home, to + page));
		close_home(&home, world);
	}
}

TEST(what_stands_at_a_fixed_place_goes)
{
	EACH_WORLD(world)
	{
		struct home home;
		uint64_t page;
		ml_va va, to;

		open_home(&home, world);
		page = home_page(&home);
		va = home.space.first;
		to = va + 4 * page;
		t_eq(ml_space_map(&home.space, va, 4 * page, &memory, 0, NULL), ML_OK);
		t_eq(ml_space_map(&home.space, to, 4 * page, &memory, 0, NULL), ML_OK);
		t_ok(home_store(&home, va + page, 1));
		t_ok(home_store(&home, to + page, 2));
		t_ok(home_store(&home, to + 3 * page, 3));
		t_eq(ml_space_move(&home.space, va, 2 * page, 3 * page, ML_MOVE_MAY | ML_MOVE_FIXED,
				   &to),
		     ML_OK);
		t_eq(load(&home, to + page), 1);
		t_eq(load(&home, to + 2 * page), 0); /* grown */
		t_eq(load(&home, to + 3 * page), 3); /* not reached */
		t_ok(is_gone(&home, va));
		t_eq(load(&home, va + 2 * page), 0);
		close_home(&home, world);
	}
}

/* The table that the page goes to is freed when the room is made. */
TEST(a_place_that_becomes_empty_gets_its_table_again)
{
	EACH_WORLD(world)
	{
		struct home home;
		ml_va to, from;
		uint64_t page;

		T_CONTEXT(worlds[world].name, 0);
		open_home(&home, world);
		page = home_page(&home);
		to = home.space.first + large(&home);
		from = to + large(&home);
		t_eq(ml_space_map(&home.space, to + page, page, &memory, 0, NULL), ML_OK);
		t_eq(ml_space_map(&home.space, from, page, &memory, 0, NULL), ML_OK);
		t_ok(home_store(&home, to + page, 1));
		t_ok(home_store(&home, from, 2));
		t_eq(ml_space_move(&home.space, from, page, 2 * page, ML_MOVE_MAY | ML_MOVE_FIXED,
				   &to),
		     ML_OK);
		t_eq(load(&home, to), 2);
		t_eq(load(&home, to + page), 0);
		t_ok(is_gone(&home, from));
		close_home(&home, world);
	}
}

TEST(what_makes_no_sense_is_refused)
{
	struct home home;
	uint64_t page;
	ml_va va, to;

	open_home(&home, WORLD_X86_4);
	page = home_page(&home);
	va = home.space.first;
	t_eq(ml_space_map(&home.space, va, 4 * page, &memory, 0, NULL), ML_OK);
	t_eq(ml_space_map(&home.space, va + 4 * page, 4 * page, &device, 0, NULL), ML_OK);
	to = va + page;
	t_eq(ml_space_move(&home.space, va, 2 * page, 2 * page, ML_MOVE_MAY | ML_MOVE_FIXED, &to),
	     ML_ERR_ARGUMENT); /* they overlap */
	t_eq(ml_space_move(&home.space, va, 2 * page, 2 * page, ML_MOVE_FIXED, &to),
	     ML_ERR_ARGUMENT);
	t_eq(ml_space_move(&home.space, va + 3 * page, 2 * page, 2 * page, 0, &to),
	     ML_ERR_NOT_MAPPED); /* two regions */
	t_eq(ml_space_move(&home.space, va + 4 * page, 4 * page, 8 * page, ML_MOVE_MAY, &to),
	     ML_ERR_REFUSED); /* nothing is behind a device's end */
	t_eq(ml_space_move(&home.space, va, page, 0, 0, &to), ML_ERR_EMPTY);
	t_eq(ml_space_move(&home.space, va, page, page + 1, 0, &to), ML_ERR_ALIGN);
	t_eq(ml_space_move(&home.space, va + 1, page, page, 0, &to), ML_ERR_ALIGN);
	t_eq(to, va + page);
	close_home(&home, WORLD_X86_4);
}

TEST(a_move_that_fails_has_moved_nothing)
{
	EACH_WORLD(world)
	{
		unsigned n, failures = 0;

		for (n = 1; n < 40; n++) {
			struct home home;
			ml_va va, to;
			int error;

			open_home(&home, world);
			va = home.space.first;
			to = va + 2 * large(&home);
			t_eq(ml_space_map(&home.space, va, large(&home), &memory, 0, NULL), ML_OK);
			t_eq(ml_space_map(&home.space, to, large(&home), &memory, 0, NULL), ML_OK);
			t_ok(home_store(&home, va, 1));
			t_ok(home_store(&home, to, 2));
			home.arena->fail_nth = n & 1 ? (n + 1) / 2 : 0;
			home_fail_nth = n & 1 ? 0 : n / 2;
			error = ml_space_move(&home.space, va, large(&home) - home_page(&home),
					      large(&home), ML_MOVE_MAY | ML_MOVE_FIXED, &to);
			home.arena->fail_nth = home_fail_nth = 0;
			if (error) {
				t_eq(error, ML_ERR_NO_MEMORY);
				t_eq(load(&home, va), 1);
				t_eq(load(&home, va + 2 * large(&home)), 2);
				t_eq(home.space.regions, 2);
				failures++;
			} else {
				t_eq(load(&home, to), 1);
			}
			close_home(&home, world);
		}
		t_ok(failures >= 2);
	}
}
