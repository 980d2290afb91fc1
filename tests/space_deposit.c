/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Large leaves of raw frames, and the tables that they own: counted, given back, and enough for
 * every partial change with the allocator shut.
 *
 *	S0.9   a part of groups goes        every_part_of_three_groups
 *	S4.7   a deposit for each leaf      deposits_are_owned_and_given_back (S4.14, S4.30)
 *	S4.8   no table, no large leaf      a_missing_table_makes_leaves_smaller
 *	S4.16  one page changes             one_page_changes_and_the_others_stay (S4.19)
 *	S4.17  a part goes                  every_part_of_two_leaves (S4.18)
 *	S4.21  whole leaves change          whole_leaves_stay_large
 *	S4.26  1G                           a_gigabyte_comes_apart, a_gigabyte_that_owns_one_table
 */
#include "support/raw.h"
#include "support/state.h"
#include "t.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define G ((uint64_t)1 << 30)

static void open_home(struct home *home, enum world world, bool guaranteed)
{
	const struct ml_space_config wish = { .table = { .guaranteed = guaranteed, .live = true } };

	t_eq(home_open(home, world, &wish), ML_OK);
}

/* A region of large leaves and the frames in them; no more tables are to be had from now on. */
static ml_va open_leaves(struct home *home, enum world world, uint64_t len)
{
	ml_va va;

	open_home(home, world, true);
	va = raw_va(home);
	t_eq(raw_map(home, va, len, RAW_SHARED, NULL), ML_OK);
	t_eq(ml_remap_pfn_range(&home->space, va, len, home->raw->first, ML_NC), ML_OK);
	t_ok(raw_shows(home, va, len, home->raw->first, ML_NC, 0));
	home->arena->in_use_limit = home->arena->in_use;
	return va;
}

static void close_leaves(struct home *home, ml_va va, uint64_t len)
{
	t_ok(home_is_sound(home));
	t_eq(ml_space_unmap(&home->space, va, len), ML_OK);
	t_eq(home->space.table.stats.tables, 1);
	t_eq(home->space.table.spare.count, 0);
	home->arena->in_use_limit = 0;
	home_leave(home);
}

/* Each 2M leaf owns a table, whatever its neighbours are, and a group that of its members. */
TEST(deposits_are_owned_and_given_back)
{
	const struct {
		enum world world;
		uint64_t len, deposits;
	} cases[] = { { WORLD_X86_4, 2 * M, 1 },         { WORLD_X86_4, 6 * M + 8 * K, 3 },
		      { WORLD_X86_5, 510 * M, 255 },     { WORLD_ARM_LOW, 2 * M, 1 },
		      { WORLD_ARM_HIGH, 64 * M, 32 },    { WORLD_ARM_LOW, 66 * M + 64 * K, 33 },
		      { WORLD_X86_4, 2 * M - 4 * K, 0 }, { WORLD_TOY, 16 * K, 1 },
		      { WORLD_TOY, 48 * K, 3 } };

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ml_space_stats stats;
		struct home home;
		ml_va va;

		T_CONTEXT("case", i);
		va = open_leaves(&home, cases[i].world, cases[i].len);
		ml_space_stats(&home.space, &stats);
		t_eq(stats.deposits, cases[i].deposits);
		t_eq(stats.raw_bytes, cases[i].len);
		t_eq(stats.counted_bytes, 0);
		if (cases[i].world != WORLD_TOY)
			t_eq(stats.table_bytes, home.arena->in_use * 4 * K);
		close_leaves(&home, va, cases[i].len);
	}
}

static enum ml_fault_result show_frames(struct ml_fault_request *request)
{
	request->pa = home_raw(WORLD_X86_4)->first + request->offset;
	request->raw = true;
	return ML_FAULT_DONE;
}

/* Nothing is owned where the table does not guarantee. */
TEST(who_owns_no_deposit)
{
	FOR_EACH_WORLD(world)
	{
		struct home home;

		open_home(&home, world, false);
		t_eq(raw_map(&home, raw_va(&home), home_large(&home), RAW_SHARED, NULL), ML_OK);
		t_eq(ml_remap_pfn_range(&home.space, raw_va(&home), home_large(&home),
					home.raw->first, ML_WB),
		     ML_OK);
		t_eq(home.space.table.spare.count, 0);
		home_leave(&home);
	}
}

/*
 * S4.15, 5.4: what remap brought owns a table, what faults or insertion brought beside it does not.
 */
TEST(leaves_that_come_back_own_nothing)
{
	static const struct ml_region_ops ops = { .fault = show_frames, .rungs = ~0u };
	const struct ml_space_config wish = {
		.table = { .guaranteed = true, .live = true, .refaultable = ML_SOFT(0) },
	};

	for (enum world world = 0; world < WORLD_TOY; world++) {
		struct ml_mapping mapping = { &ops, NULL, NULL };
		const unsigned rung = worlds[world].format->block_rung[1];
		struct home home;
		unsigned char byte;
		ml_va va;

		T_CONTEXT(worlds[world].name, 0);
		t_eq(home_open(&home, world, &wish), ML_OK);
		va = raw_va(&home);
		t_eq(raw_map(&home, va, 2 * M, RAW_SHARED, NULL), ML_OK);
		t_eq(raw_map(&home, va + 2 * M, 4 * M, RAW_SHARED, &mapping), ML_OK);
		t_eq(ml_remap_pfn_range(&home.space, va, 2 * M, home.raw->first, ML_NC), ML_OK);
		t_eq(home.space.table.spare.count, 1);
		t_ok(home_load(&home, va + 2 * M, &byte));
		t_eq(ml_insert_pfn(&home.space, va + 4 * M, home.raw->first, rung, ML_NC, true),
		     ML_OK);
		t_eq(home_rung(&home, va + 2 * M), rung);
		t_eq(home_rung(&home, va + 4 * M), rung);
		t_eq(home.space.table.spare.count, 1);
		t_ok(home_is_sound(&home));
		home.arena->in_use_limit = home.arena->in_use;
		t_eq(ml_space_unmap(&home.space, va + 2 * M - 4 * K, 8 * K), ML_OK);
		home.arena->in_use_limit = 0;
		t_ok(raw_shows(&home, va, 2 * M - 4 * K, home.raw->first, ML_NC, 0));
		t_ok(raw_is_empty(&home, va + 2 * M, 2 * M));
		t_eq(home_rung(&home, va + 4 * M), rung);
		t_eq(home.space.table.spare.count, 0);
		home_leave(&home);
	}
}

/* Every page has its frame, in leaves of any size. */
static bool frames_are(const struct home *home, ml_va va, uint64_t len, ml_pa pa)
{
	struct ml_cursor cursor = { va, va + (len - 1), false };
	struct ml_run run;
	uint64_t sum = 0;

	for (; ml_run_next(&home->space.table, &cursor, &run); sum += run.length)
		if (run.pa - run.va != pa - va || !(run.prot & ML_SPECIAL))
			return false;
	return sum == len;
}

static ml_va open_region(struct home *home, enum world world, uint64_t skew, uint64_t len)
{
	const ml_va va = (open_home(home, world, true), raw_va(home) + skew);

	t_eq(raw_map(home, va, len, RAW_SHARED, NULL), ML_OK);
	return va;
}

/* The n-th table is not to be had when it is asked for: smaller leaves do. */
static bool one_table_misses(enum world world, uint64_t skew, uint64_t len, unsigned nth)
{
	struct home home;
	const ml_va va = open_region(&home, world, skew, len);
	bool missed;

	home.arena->refusals = 0;
	home.arena->fail_nth = nth;
	t_eq(ml_remap_pfn_range(&home.space, va, len, home.raw->first + skew, ML_NC), ML_OK);
	missed = home.arena->refusals;
	home.arena->fail_nth = 0;
	t_ok(frames_are(&home, va, len, home.raw->first + skew));
	home_leave(&home);
	return missed;
}

/* No more than so many tables are to be had: all of the range is mapped, or nothing. */
static bool tables_end(enum world world, uint64_t skew, uint64_t len, uint64_t tables)
{
	struct home home;
	const ml_va va = open_region(&home, world, skew, len);
	static struct state before;
	int error;

	state_take(&before, &home);
	home.arena->in_use_limit = home.arena->in_use + tables;
	error = ml_remap_pfn_range(&home.space, va, len, home.raw->first + skew, ML_NC);
	home.arena->in_use_limit = 0;
	if (error == ML_OK)
		t_ok(raw_shows(&home, va, len, home.raw->first + skew, ML_NC, 0));
	else if (t_eq(error, ML_ERR_NO_MEMORY))
		t_ok(state_is_as_before(&before, &home));
	home_leave(&home);
	return error;
}

TEST(a_missing_table_makes_leaves_smaller)
{
	const struct {
		enum world world;
		uint64_t skew, len, tables;
	} cases[] = { { WORLD_X86_4, 0, 2 * M, 3 },
		      { WORLD_X86_4, 2 * M - 8 * K, 4 * M + 12 * K, 2 + 2 + 2 },
		      { WORLD_X86_5, G - 2 * M, 4 * M, 1 + 1 + 2 + 2 },
		      { WORLD_ARM_LOW, 32 * M - 64 * K, 32 * M + 128 * K, 2 + 2 + 16 },
		      { WORLD_TOY, 12 * K, 24 * K, 2 + 1 } };

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t k;

		T_CONTEXT("case", i);
		for (k = 1;
		     one_table_misses(cases[i].world, cases[i].skew, cases[i].len, (unsigned)k);
		     k++)
			;
		t_eq(k - 1, cases[i].tables);
		for (k = 0; tables_end(cases[i].world, cases[i].skew, cases[i].len, k); k++)
			;
		t_eq(k, cases[i].tables);
	}
}

/* With no size to fall back to, the first table that misses ends the call. */
TEST(base_pages_need_their_tables)
{
	for (unsigned nth = 1; nth <= 4; nth++) {
		struct home home;
		ml_va va;

		open_home(&home, WORLD_X86_4, true);
		va = raw_va(&home);
		t_eq(raw_map(&home, va, 2 * M, RAW_SHARED | ML_REGION_NO_HUGE, NULL), ML_OK);
		home.arena->fail_nth = nth;
		if (nth <= 3)
			NO_CHANGE(&home, ml_remap_pfn_range(&home.space, va, 2 * M, G, ML_NC),
				  ML_ERR_NO_MEMORY);
		else
			t_eq(ml_remap_pfn_range(&home.space, va, 2 * M, G, ML_NC), ML_OK);
		home.arena->fail_nth = 0;
		home_leave(&home);
	}
}

/* ---- parts --------------------------------------------------------------------------- */

/* What is left of a range when pages [from, to) went: as large as what is left allows. */
static bool rest_shows(const struct home *home, ml_va va, uint64_t pages, uint64_t from,
		       uint64_t to)
{
	const uint64_t page = home_page(home);
	const ml_pa pa = home->raw->first;

	if (from && !raw_shows(home, va, from * page, pa, ML_NC, 0))
		return false;
	if (to < pages &&
	    !raw_shows(home, va + to * page, (pages - to) * page, pa + to * page, ML_NC, 0))
		return false;
	return raw_is_empty(home, va + from * page, (to - from) * page);
}

/* Unmap pages [from, to), and then all, without a table. */
static void a_part_goes(enum world world, uint64_t pages, uint64_t from, uint64_t to)
{
	const uint64_t page = (uint64_t)1 << worlds[world].format->page_shift;
	struct home home;
	const ml_va va = open_leaves(&home, world, pages * page);
	const uint64_t allocs = home.arena->allocs;

	t_eq(ml_space_unmap(&home.space, va + from * page, (to - from) * page), ML_OK);
	t_ok(rest_shows(&home, va, pages, from, to));
	t_eq(home.arena->allocs, allocs);
	close_leaves(&home, va, pages * page);
}

TEST(every_part_of_three_groups)
{
	for (uint64_t from = 0; from < 48; from++)
		for (uint64_t to = from + 1; to <= 48; to++) {
			T_CONTEXT("part", from * 100 + to);
			a_part_goes(WORLD_ARM_LOW, 48, from, to);
		}
}

/* S4.17, S4.18: first, last, in the middle, all but one, over the border of two. */
TEST(every_part_of_two_leaves)
{
	static const uint64_t at[] = { 0,   1,   2,   15,  16,  17,   255,  256, 496,
				       511, 512, 513, 528, 800, 1008, 1023, 1024 };

	for (unsigned i = 0; i < 17; i++)
		for (unsigned j = i + 1; j < 17; j++) {
			T_CONTEXT("part", at[i] * 10000 + at[j]);
			a_part_goes(WORLD_X86_4, 1024, at[i], at[j]);
			a_part_goes(WORLD_ARM_HIGH, 1024, at[i], at[j]);
		}
	for (uint64_t from = 0; from < 8; from++)
		for (uint64_t to = from + 1; to <= 8; to++)
			a_part_goes(WORLD_TOY, 8, from, to);
}

TEST(two_holes_in_a_leaf)
{
	struct home home;
	const ml_va va = open_leaves(&home, WORLD_X86_4, 2 * M);
	const ml_pa pa = home.raw->first;

	t_eq(ml_space_unmap(&home.space, va + M, 4 * K), ML_OK);
	t_eq(ml_space_unmap(&home.space, va + M + 8 * K, 4 * K), ML_OK);
	t_ok(raw_shows(&home, va, M, pa, ML_NC, 0));
	t_ok(raw_shows(&home, va + M + 4 * K, 4 * K, pa + M + 4 * K, ML_NC, 0));
	t_ok(raw_shows(&home, va + M + 12 * K, M - 12 * K, pa + M + 12 * K, ML_NC, 0));
	t_eq(home.space.regions, 3);
	close_leaves(&home, va, 2 * M);
}

/* Whether the program may store to the page. */
static bool stores(const struct home *home, ml_va va)
{
	struct ml_model_result seen;

	return ml_model_walk(&home->model, va, ML_MODEL_WRITE, true, &seen) == ML_MODEL_OK;
}

/*
 * S4.16, S4.19: one page is read-only, all others keep what they had, the memory type of the leaf
 * and not of the region.
 */
static void one_page_changes(enum world world, uint64_t len, uint64_t at)
{
	struct home home;
	const ml_va va = open_leaves(&home, world, len);
	const uint64_t page = home_page(&home), allocs = home.arena->allocs;
	const ml_pa pa = home.raw->first;

	t_eq(ml_space_protect(&home.space, va + at, page, ML_READ), ML_OK);
	t_eq(home.arena->allocs, allocs);
	t_ok(!at || raw_shows(&home, va, at, pa, ML_NC, 0));
	t_ok(raw_shows(&home, va + at, page, pa + at, ML_NC, 1));
	t_ok(at + page == len ||
	     raw_shows(&home, va + at + page, len - at - page, pa + at + page, ML_NC, 0));
	for (uint64_t other = 0; other<len; other += len> 2 * M ? 509 * page : page)
		t_eq(stores(&home, va + other), other != at);
	t_ok(!stores(&home, va + at));
	t_ok(home_is_sound(&home));
	t_eq(ml_space_protect(&home.space, va + at, page, ML_RW), ML_OK);
	t_eq(home.space.regions, 1);
	t_eq(home_rung(&home, va + at), 0);
	t_ok(stores(&home, va + at));
	close_leaves(&home, va, len);
}

TEST(one_page_changes_and_the_others_stay)
{
	static const uint64_t pages[] = { 0, 1, 15, 16, 200, 511 };

	for (unsigned i = 0; i < 6; i++) {
		one_page_changes(WORLD_X86_4, 2 * M, pages[i] * 4 * K);
		one_page_changes(WORLD_ARM_LOW, 2 * M, pages[i] * 4 * K);
		one_page_changes(WORLD_ARM_HIGH, 32 * M, pages[i] * 7 * 4 * K);
		one_page_changes(WORLD_TOY, 32 * K, pages[i] % 8 * 4 * K);
	}
}

/* S4.26: 1G, by way of 2M's, and groups where the format has them. */
TEST(a_gigabyte_comes_apart)
{
	one_page_changes(WORLD_X86_4, G, 700 * M + 4 * K);
	one_page_changes(WORLD_X86_5, 2 * G, G - 4 * K);
	one_page_changes(WORLD_ARM_LOW, G, 0);
	a_part_goes(WORLD_X86_4, G / (4 * K), 1000, 100000);
	a_part_goes(WORLD_ARM_LOW, G / (4 * K), 16, 262143);
}

/*
 * By choice 1G owns the one table of its first step: then the 2M pieces of a partial change must
 * get theirs from somewhere, or nothing happens.
 */
TEST(a_gigabyte_that_owns_one_table)
{
	const struct ml_space_config wish = {
		.table = { .guaranteed = true, .deposit_one = true, .live = true },
	};

	for (enum world world = 0; world < WORLD_TOY; world++) {
		struct home home;
		ml_va va;

		T_CONTEXT(worlds[world].name, 0);
		t_eq(home_open(&home, world, &wish), ML_OK);
		va = raw_va(&home);
		t_eq(raw_map(&home, va, G, RAW_SHARED, NULL), ML_OK);
		t_eq(ml_remap_pfn_range(&home.space, va, G, home.raw->first, ML_NC), ML_OK);
		t_eq(home.space.table.spare.count, 1);
		home.arena->in_use_limit = home.arena->in_use;
		NO_CHANGE(&home, ml_space_unmap(&home.space, va + M, 4 * K), ML_ERR_NO_MEMORY);
		NO_CHANGE(&home, ml_space_protect(&home.space, va + M, 4 * K, ML_READ),
			  ML_ERR_NO_MEMORY);
		t_eq(home.space.regions, 1);
		t_eq(ml_space_protect(&home.space, va, G, ML_READ), ML_OK);
		home.arena->in_use_limit = 0;
		t_eq(ml_space_unmap(&home.space, va + M, 4 * K), ML_OK);
		t_ok(raw_shows(&home, va, M, home.raw->first, ML_NC, 0));
		t_ok(raw_shows(&home, va + M + 4 * K, G - M - 4 * K, home.raw->first + M + 4 * K,
			       ML_NC, 0));
		t_eq(home.space.table.spare.count, 511);
		home_leave(&home);
	}
}

/* S4.21: all of it read-only, out of reach, and back. */
TEST(whole_leaves_stay_large)
{
	static const ml_prot rights[] = { ML_READ, ML_RW, 0, ML_RW, 0, ML_READ, ML_RW };

	FOR_EACH_WORLD(world)
	{
		const uint64_t len = 2 * ((uint64_t)1 << worlds[world].coarse_shift);
		struct home home;
		const ml_va va = open_leaves(&home, world, len);
		const struct ml_stats before = home.space.table.stats;
		const uint64_t allocs = home.arena->allocs, deposits = home.space.table.spare.count;

		for (unsigned i = 0; i < 7; i++) {
			struct ml_model_result seen;

			t_eq(ml_space_protect(&home.space, va, len, rights[i]), ML_OK);
			t_eq(ml_model_walk(&home.model, va, ML_MODEL_READ, true, &seen) ==
				     ML_MODEL_OK,
			     rights[i] != 0);
			t_eq(stores(&home, va + len - 1), rights[i] == ML_RW);
			t_ok(frames_are(&home, va, len, home.raw->first));
			t_ok(home_rung(&home, va) >= home_large_rung(&home));
			t_ok(home_is_sound(&home));
		}
		t_ok(raw_shows(&home, va, len, home.raw->first, ML_NC, 0));
		t_eq(home.space.table.stats.splits, before.splits);
		t_eq(home.space.table.spare.count, deposits);
		t_eq(home.arena->allocs, allocs);
		close_leaves(&home, va, len);
		t_eq(home.arena->allocs, allocs);
	}
}
