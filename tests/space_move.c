/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Moving, growing, shrinking: whole leaves stay whole where the new place is congruent (S4.12). */
#include "support/home.h"
#include "support/raw.h"
#include "t.h"

static void open_home(struct home *home, enum world world)
{
	const struct ml_space_config wish = {
		.table = { .guaranteed = true, .live = true },
		.bottom_up = true,
		.fault_rungs = ~0u,
	};

	t_eq(home_open(home, world, &wish), ML_OK);
}

static bool is_gone(struct home *home, ml_va va)
{
	unsigned char byte;

	return !home_load(home, va, &byte) && home->fault == ML_FAULT_NO_REGION;
}

TEST(a_congruent_move_keeps_leaves_whole_and_splits_none)
{
	FOR_EACH_WORLD(world)
	{
		struct home home;
		uint64_t splits, deposits;
		ml_va from, to;
		int rung;

		open_home(&home, world);
		from = home.space.first;
		to = from + 2 * home_large(&home);
		home_map(&home, from, home_large(&home), &home_memory);
		t_ok(home_store(&home, from + 5, 5));
		rung = home_rung(&home, from);
		splits = home.space.table.stats.splits;
		deposits = home.space.table.spare.count;
		home_move(&home, from, home_large(&home), home_large(&home), to);
		t_eq(home_rung(&home, to), rung);
		t_eq(home_read(&home, to + 5), 5);
		t_ok(is_gone(&home, from));
		t_eq(home.space.table.stats.splits, splits);
		t_eq(home.space.table.spare.count, deposits);
		home_leave(&home);
	}
}

TEST(what_is_not_congruent_is_mapped_smaller)
{
	FOR_EACH_WORLD(world)
	{
		struct home home;
		ml_va from, to;

		open_home(&home, world);
		from = home.space.first;
		to = from + 2 * home_large(&home) + home_page(&home);
		home_map_raw(&home, from, home_large(&home), home.raw->first);
		*home_byte(&home, home.raw->first) = 1;
		*home_byte(&home, home.raw->first + home_large(&home) - 1) = 2;
		home_move(&home, from, home_large(&home), home_large(&home), to);
		t_eq(home_rung(&home, to), 0);
		t_eq(home_read(&home, to), 1);
		t_eq(home_read(&home, to + home_large(&home) - 1), 2);
		t_ok(is_gone(&home, from));
		home_leave(&home);
	}
}

TEST(it_grows_where_it_stands_or_goes_where_there_is_room)
{
	FOR_EACH_WORLD(world)
	{
		struct home home;
		uint64_t page;
		ml_va va, to;

		open_home(&home, world);
		page = home_page(&home);
		va = home.space.first;
		home_map(&home, va, page, &home_memory);
		t_ok(home_store(&home, va, 1));
		to = va;
		t_eq(ml_space_move(&home.space, va, page, 2 * page, 0, &to), ML_OK);
		t_eq(to, va);
		t_eq(home_read(&home, va + page), 0);
		home_map(&home, va + 2 * page, page, &home_device);
		t_eq(ml_space_move(&home.space, va, 2 * page, 3 * page, 0, &to), ML_ERR_NO_SPACE);
		t_eq(ml_space_move(&home.space, va, 2 * page, 3 * page, ML_MOVE_MAY, &to), ML_OK);
		t_ok(to != va);
		t_eq(home_read(&home, to), 1);
		t_ok(is_gone(&home, va));
		t_eq(ml_space_move(&home.space, to, 3 * page, page, 0, &to), ML_OK);
		t_eq(home_read(&home, to), 1);
		t_ok(is_gone(&home, to + page));
		home_leave(&home);
	}
}

TEST(what_stands_at_a_fixed_place_goes)
{
	FOR_EACH_WORLD(world)
	{
		struct home home;
		uint64_t page;
		ml_va va, to;

		open_home(&home, world);
		page = home_page(&home);
		va = home.space.first;
		to = va + 4 * page;
		home_map(&home, va, 4 * page, &home_memory);
		home_map(&home, to, 4 * page, &home_memory);
		t_ok(home_store(&home, va + page, 1));
		t_ok(home_store(&home, to + page, 2));
		t_ok(home_store(&home, to + 3 * page, 3));
		home_move(&home, va, 2 * page, 3 * page, to);
		t_eq(home_read(&home, to + page), 1);
		t_eq(home_read(&home, to + 2 * page), 0); /* grown */
		t_eq(home_read(&home, to + 3 * page), 3); /* not reached */
		t_ok(is_gone(&home, va));
		t_eq(home_read(&home, va + 2 * page), 0);
		home_leave(&home);
	}
}

/* The table that the page goes to is freed when the room is made. */
TEST(a_place_that_becomes_empty_gets_its_table_again)
{
	FOR_EACH_WORLD(world)
	{
		struct home home;
		ml_va to, from;
		uint64_t page;

		T_CONTEXT(worlds[world].name, 0);
		open_home(&home, world);
		page = home_page(&home);
		to = home.space.first + home_large(&home);
		from = to + home_large(&home);
		home_map(&home, to + page, page, &home_memory);
		home_map(&home, from, page, &home_memory);
		t_ok(home_store(&home, to + page, 1));
		t_ok(home_store(&home, from, 2));
		home_move(&home, from, page, 2 * page, to);
		t_eq(home_read(&home, to), 2);
		t_eq(home_read(&home, to + page), 0);
		t_ok(is_gone(&home, from));
		home_leave(&home);
	}
}

/* It is freed when the rest of the old place is cleared, which is all that it held. */
TEST(a_place_that_becomes_empty_with_the_rest_gets_its_table_again)
{
	FOR_EACH_WORLD(world)
	{
		struct home home;
		ml_va to, from;
		uint64_t page;

		T_CONTEXT(worlds[world].name, 0);
		open_home(&home, world);
		page = home_page(&home);
		to = home.space.first + home_large(&home) + 2 * page;
		from = to - 3 * page;
		home_map(&home, from, 2 * page, &home_memory);
		t_ok(home_store(&home, from, 1));
		t_ok(home_store(&home, from + page, 2));
		home_move(&home, from, 2 * page, page, to);
		t_eq(home_read(&home, to), 1);
		t_ok(is_gone(&home, from));
		t_ok(is_gone(&home, from + page));
		home_leave(&home);
	}
}

/* Whole leaves take the tables on their way, and those of base pages go along with them. */
TEST(what_goes_over_something_asks_for_few_tables)
{
	FOR_EACH_WORLD(world)
	{
		struct home home;
		uint64_t bytes, limit;
		ml_va from, to;

		open_home(&home, world);
		bytes = (world == WORLD_TOY ? 1 : 300) * home_large(&home);
		from = raw_va(&home);
		to = from + 3 * bytes;
		home_map_raw(&home, from, bytes, home.raw->first);
		home_map_raw(&home, to, bytes, home.raw->first + bytes);
		limit = home.arena->in_use + 2 * home.space.table.levels;
		home.arena->in_use_limit = limit;
		home_move(&home, from, bytes, bytes, to);
		home.arena->in_use_limit = 0;
		t_ok(raw_shows(&home, to, bytes, home.raw->first, ML_NC, 0));
		t_ok(home.arena->in_use <= limit);
		home_leave(&home);
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
	home_map(&home, va, 4 * page, &home_memory);
	home_map(&home, va + 4 * page, 4 * page, &home_device);
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
	home_leave(&home);
}

TEST(a_move_that_fails_has_moved_nothing)
{
	FOR_EACH_WORLD(world)
	{
		unsigned n, failures = 0;

		for (n = 1; n < 40; n++) {
			struct home home;
			ml_va va, to;
			int error;

			open_home(&home, world);
			va = home.space.first;
			to = va + 2 * home_large(&home);
			home_map(&home, va, home_large(&home), &home_memory);
			home_map(&home, to, home_large(&home), &home_memory);
			t_ok(home_store(&home, va, 1));
			t_ok(home_store(&home, to, 2));
			home_fail(&home, n);
			error = ml_space_move(&home.space, va, home_large(&home) - home_page(&home),
					      home_large(&home), ML_MOVE_MAY | ML_MOVE_FIXED, &to);
			home_fail(&home, 0);
			if (error) {
				t_eq(error, ML_ERR_NO_MEMORY);
				t_eq(home_read(&home, va), 1);
				t_eq(home_read(&home, va + 2 * home_large(&home)), 2);
				t_eq(home.space.regions, 2);
				failures++;
			} else {
				t_eq(home_read(&home, to), 1);
			}
			home_leave(&home);
		}
		t_ok(failures >= 2);
	}
}
