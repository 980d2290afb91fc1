/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Raw frames mapped by ml_remap_pfn_range() and ml_remap_extents(). What each requirement asks of a
 * test, and where it is:
 *
 *	S0.8   one batch of stores a table      stores_and_tables_are_counted
 *	S0.9   a part of groups goes            space_deposit.c
 *	S0.11  offsets of a heap's pieces       pieces_in_descending_order_are_whole_leaves
 *	S0.12  addresses out of step            addresses_out_of_step_are_small (and space_pick.c)
 *	S0.13  pieces that adjoin               pieces_that_adjoin_are_one
 *	S0.14  from an offset on                a_window_into_pieces
 *	S0.15  all or nothing                   pieces_are_all_or_nothing
 *	S0.16  private and writable: whole      a_private_region_is_covered_whole
 *	S0.19  no invalidation                  stores_and_tables_are_counted
 *	S0.20  memory types differ              types_that_differ_do_not_fold
 *	S4.1   each condition                   each_condition_of_a_large_leaf
 *	S4.2   head and tail small              sizes_around_whole_leaves
 *	S4.4   types at every size              every_type_at_every_size (S4.5, S4.6, S4.19, H5)
 *	S4.7   a deposit each                   space_deposit.c (S4.8, S4.14, S4.26, S4.30)
 *	S4.15  fault handler                    each_condition_of_a_large_leaf
 *	S4.16  a part of a leaf changes         space_deposit.c (S4.17 to S4.19, S4.21)
 *	S4.26  1G                               sizes_around_whole_leaves, every_type_at_every_size
 *	S4.27  every error                      what_is_refused_changes_nothing
 *	S4.28  congruent                        addresses_out_of_step_are_small
 *	S4.29  frames that are refused          frames_that_the_owner_refuses
 *	S4.31  one chooser                      the_same_leaves_as_any_mapping
 *	S4.32  policy off                       policy_of_faults_is_another_matter
 */
#include <maxleaf/pte.h>

#include "support/raw.h"
#include "support/state.h"
#include "t.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define G ((uint64_t)1 << 30)

static enum ml_fault_result no_fault(struct ml_fault_request *request)
{
	(void)request;
	return ML_FAULT_BUS;
}

/* A mapping whose owner could fault things in. */
static const struct ml_region_ops faulting_ops = { .fault = no_fault };

/* One remap of len bytes into a region of its own, seen, and taken down. */
static void one_remap(enum world world, ml_va skew, uint64_t len, ml_pa pa_skew)
{
	struct home home;
	ml_va va;
	ml_pa pa;

	raw_home(&home, world, NULL);
	va = raw_va(&home) + skew;
	pa = home.raw->first + pa_skew;
	t_eq(raw_map(&home, va, len, RAW_SHARED, NULL), ML_OK);
	t_eq(ml_remap_pfn_range(&home.space, va, len, pa, ML_NC), ML_OK);
	t_ok(raw_shows(&home, va, len, pa, ML_NC, 0));
	t_ok(raw_is_empty(&home, va + len, home_page(&home)));
	t_eq(ml_space_unmap(&home.space, va, len), ML_OK);
	t_eq(home.space.table.stats.tables, 1);
	home_leave(&home);
}

TEST(sizes_around_whole_leaves)
{
	static const unsigned skews[] = { 0, 1, 15, 16, 17, 511 };

	for (unsigned number = 0; number < 6 * 6 * 4; number++) {
		const unsigned head = skews[number % 6], tail = skews[number / 6 % 6];
		const unsigned whole = number / 36;

		one_remap(WORLD_X86_4, 2 * M - head * 4 * K,
			  (head + tail) * 4 * K + whole * 2 * M + 4 * K, 2 * M - head * 4 * K);
		one_remap(WORLD_ARM_LOW, 32 * M - head * 4 * K,
			  (head + tail) * 4 * K + whole * 32 * M + 4 * K, 32 * M - head * 4 * K);
		one_remap(WORLD_ARM_HIGH, 2 * M - head * 4 * K,
			  (head + tail) * 4 * K + whole * 2 * M + 4 * K,
			  64 * K - head * 4 * K + 2 * M);
		one_remap(WORLD_TOY, 16 * K - head % 4 * 4 * K,
			  (head % 4 + tail % 4 + 1) * 4 * K + whole % 2 * 16 * K,
			  16 * K - head % 4 * 4 * K);
	}
	one_remap(WORLD_X86_4, G - 2 * M - 4 * K, 2 * G + 4 * M + 8 * K, G - 2 * M - 4 * K);
	one_remap(WORLD_X86_5, G - 4 * K, 2 * G + 2 * M, G - 4 * K);
	one_remap(WORLD_ARM_LOW, G - 34 * M - 68 * K, 2 * G + 68 * M + 136 * K,
		  G - 34 * M - 68 * K);
}

/* S4.28, S0.12: only what is congruent modulo a size can have it. */
TEST(addresses_out_of_step_are_small)
{
	static const uint64_t steps[] = {
		4 * K, 8 * K, 64 * K, 128 * K, M, 2 * M, 32 * M, 512 * M
	};

	for (unsigned i = 0; i < 8; i++) {
		one_remap(WORLD_X86_4, 0, 64 * M, steps[i]);
		one_remap(WORLD_X86_4, steps[i], 64 * M, 0);
		one_remap(WORLD_ARM_LOW, 0, 64 * M, steps[i]);
		one_remap(WORLD_ARM_LOW, steps[i], 64 * M, 0);
	}
	for (unsigned i = 0; i < 3; i++)
		one_remap(WORLD_TOY, 0, 32 * K, steps[i]);
}

TEST(the_ends_of_the_space)
{
	const struct {
		enum world world;
		ml_va last;
	} ends[] = { { WORLD_X86_4, ~(ml_va)0 },
		     { WORLD_X86_4, 128 * 1024 * G - 1 },
		     { WORLD_X86_5, ~(ml_va)0 },
		     { WORLD_ARM_LOW, 256 * 1024 * G - 1 },
		     { WORLD_ARM_HIGH, ~(ml_va)0 } };
	const uint64_t len = 16 * 1024 * G + 2 * M + 4 * K; /* beyond what 44 bits count */

	for (unsigned i = 0; i < 5; i++) {
		const ml_va va = ends[i].last - (len - 1);
		const ml_pa pa = (0 - len) & (G - 1);
		struct home home;

		T_CONTEXT("end", i);
		raw_home(&home, ends[i].world, NULL);
		t_eq(raw_map(&home, va, len, RAW_SHARED, NULL), ML_OK);
		t_eq(ml_remap_pfn_range(&home.space, va, len, pa, ML_WB), ML_OK);
		t_ok(raw_shows(&home, va, len, pa, ML_WB, 0));
		t_eq(ml_remap_pfn_range(&home.space, va, len + 4 * K, pa, ML_WB),
		     ends[i].last + 1 ? ML_ERR_CANONICAL : ML_ERR_WRAP);
		t_eq(ml_space_unmap(&home.space, va, len), ML_OK);
		home_leave(&home);
	}
}

/* What keeps a mapping from being large leaves: a handler, its region, the table (S4.1 a to d). */
TEST(each_condition_of_a_large_leaf)
{
	FOR_EACH_WORLD(world)
	{
		struct ml_mapping faulting = { &faulting_ops, NULL, NULL };
		struct ml_table_config table = { .live = true };
		struct home home;
		uint64_t len;
		ml_va va;

		raw_home(&home, world, &table);
		va = raw_va(&home);
		len = 2 * home_large(&home);
		t_eq(raw_map(&home, va, len, RAW_SHARED, &faulting), ML_OK);
		t_eq(ml_remap_pfn_range(&home.space, va, len, home.raw->first, ML_WB), ML_OK);
		t_ok(raw_shows(&home, va, len, home.raw->first, ML_WB, 1));
		t_eq(ml_space_unmap(&home.space, va, len), ML_OK);
		t_eq(raw_map(&home, va, len, RAW_SHARED | ML_REGION_NO_HUGE, NULL), ML_OK);
		t_eq(ml_remap_pfn_range(&home.space, va, len, home.raw->first, ML_WB), ML_OK);
		t_ok(raw_shows(&home, va, len, home.raw->first, ML_WB, 1));
		t_eq(ml_space_unmap(&home.space, va, len), ML_OK);
		t_eq(raw_map(&home, va, len, RAW_SHARED, NULL), ML_OK);
		t_eq(ml_remap_pfn_range(&home.space, va, len, home.raw->first, ML_WB), ML_OK);
		t_ok(raw_shows(&home, va, len, home.raw->first, ML_WB, 0));
		t_ok(home_rung(&home, va) > 0);
		home_leave(&home);
		table.rungs = 1;
		raw_home(&home, world, &table);
		t_eq(raw_map(&home, va, len, RAW_SHARED, NULL), ML_OK);
		t_eq(ml_remap_pfn_range(&home.space, va, len, home.raw->first, ML_WB), ML_OK);
		t_ok(raw_shows(&home, va, len, home.raw->first, ML_WB, 1));
		home_leave(&home);
	}
}

/* A fold policy does not make large what a region wants small. */
TEST(base_pages_stay_base_pages)
{
	const struct ml_table_config table = { .live = true, .fold = ML_FOLD_BLOCK };
	struct ml_mapping faulting = { &faulting_ops, NULL, NULL };

	FOR_EACH_WORLD(world)
	{
		struct home home;
		uint64_t half;
		ml_va va;

		raw_home(&home, world, &table);
		va = raw_va(&home);
		half = home_large(&home) / 2;
		t_eq(raw_map(&home, va, 2 * half, RAW_SHARED, &faulting), ML_OK);
		t_eq(ml_remap_pfn_range(&home.space, va, half, home.raw->first, ML_WB), ML_OK);
		t_eq(ml_remap_pfn_range(&home.space, va + half, half, home.raw->first + half,
					ML_WB),
		     ML_OK);
		t_ok(raw_shows(&home, va, 2 * half, home.raw->first, ML_WB, 1));
		home_leave(&home);
	}
}

TEST(every_type_at_every_size)
{
	FOR_EACH_WORLD(world)
	{
		for (unsigned number = 0; number < ML_TYPE_COUNT; number++) {
			const ml_prot type = ML_TYPE(number);
			const bool toy = world == WORLD_TOY;
			const uint64_t len = toy ? 48 * K : 2 * G + 4 * K;
			const uint64_t back = toy ? 4 * K : G - 4 * K;
			struct home home;
			int error;
			ml_va va;

			raw_home(&home, world, NULL);
			va = raw_va(&home) + back;
			t_eq(raw_map(&home, va, len, RAW_SHARED, NULL), ML_OK);
			error = ml_remap_pfn_range(&home.space, va, len, home.raw->first + back,
						   type);
			if (!ml_format_expressible(home.facts->format, &home.space.table.types,
						   ML_READ | type)) {
				t_eq(error, ML_ERR_PROT);
				t_ok(raw_is_empty(&home, va, len));
			} else if (t_eq(error, ML_OK)) {
				t_ok(raw_shows(&home, va, len, home.raw->first + back, type, 0));
			}
			home_leave(&home);
		}
	}
}

/* S0.20: one page of a group with another type keeps the group apart, in any order. */
TEST(types_that_differ_do_not_fold)
{
	const struct ml_table_config table = { .live = true, .fold = ML_FOLD_COMPLETE };

	for (unsigned odd = 0; odd <= 16; odd++) {
		struct home home;
		ml_va va;

		T_CONTEXT("page", odd);
		raw_home(&home, WORLD_ARM_LOW, &table);
		va = raw_va(&home);
		t_eq(raw_map(&home, va, 64 * K, RAW_SHARED, NULL), ML_OK);
		for (unsigned i = 0; i < 16; i++)
			t_eq(ml_remap_pfn_range(&home.space, va + i * 4 * K, 4 * K,
						home.raw->first + i * 4 * K,
						i == odd ? ML_NC : ML_WB),
			     ML_OK);
		t_eq(home_rung(&home, va), odd == 16);
		t_eq(home_rung(&home, va + 60 * K), odd == 16);
		home_leave(&home);
	}
}

/* What one call may cost. */
struct cost {
	enum world world;
	ml_va skew;
	uint64_t len;
	ml_pa pa_skew;
	uint64_t stores; /* into entries that walkers may reach, links of tables among them, */
	uint64_t fills;  /* and into those that they may not yet, */
	uint64_t tables; /* of these new tables */
};

static const struct cost costs[] = {
	/* into an empty space: the tables on the way, linked one by one */
	{ WORLD_X86_4, 0, 2 * M, 0, 2, 2 * 512, 2 },
	{ WORLD_X86_4, 0, G, 0, 1, 512, 1 },
	{ WORLD_X86_4, 448 * G, 512 * G, 0, 1, 512, 1 },
	{ WORLD_X86_4, 0, 2 * M, 4 * K, 3, 3 * 512, 3 },
	{ WORLD_X86_4, G - 2 * M, 4 * M, 4 * K, 5, 5 * 512, 5 },
	{ WORLD_ARM_LOW, 0, 64 * K, 0, 3, 3 * 512, 3 },
	{ WORLD_ARM_LOW, 0, 32 * M, 0, 2, 2 * 512, 2 },
	{ WORLD_TOY, 0, 16 * K, 0, 1, 0, 0 },
};

static void one_cost(const struct cost *cost)
{
	struct home home;
	ml_va va;

	raw_home(&home, cost->world, NULL);
	va = raw_va(&home) + cost->skew;
	t_eq(raw_map(&home, va, cost->len, RAW_SHARED, NULL), ML_OK);
	ml_doors = (struct ml_doors){ 0 };
	t_eq(ml_remap_pfn_range(&home.space, va, cost->len, home.raw->first + cost->pa_skew, ML_WB),
	     ML_OK);
	t_eq(ml_doors.stores + ml_doors.links, cost->stores);
	t_eq(ml_doors.fills, cost->fills);
	t_eq(home.space.table.stats.tables - 1, cost->tables);
	t_eq(home.space.table.stats.invalidations, 0);
	home_leave(&home);
}

/* S0.8, S0.19: every entry is written once, every table linked once, and nothing is invalidated. */
TEST(stores_and_tables_are_counted)
{
	struct home home;
	ml_va va;

	for (unsigned i = 0; i < sizeof(costs) / sizeof(costs[0]); i++) {
		T_CONTEXT("case", i);
		one_cost(&costs[i]);
	}
	/* beside a leaf that is there already: one store, no table */
	raw_home(&home, WORLD_X86_4, NULL);
	va = raw_va(&home);
	t_eq(raw_map(&home, va, 4 * M, RAW_SHARED, NULL), ML_OK);
	t_eq(ml_remap_pfn_range(&home.space, va, 2 * M, home.raw->first, ML_WB), ML_OK);
	ml_doors = (struct ml_doors){ 0 };
	t_eq(ml_remap_pfn_range(&home.space, va + 2 * M, 2 * M, home.raw->first, ML_WB), ML_OK);
	t_eq(ml_doors.stores, 1);
	t_eq(ml_doors.fills + ml_doors.links + ml_doors.exchanges, 0);
	home_leave(&home);
}

/* ---- pieces ------------------------------------------------------------------------ */

#define PIECES 12

/* S0.14: every page of a window is the page of the flat list. */
static bool window_shows(const struct home *home, ml_va va, uint64_t len,
			 const struct ml_extent *extents, uint64_t skip)
{
	ml_va at = va;

	for (; at - va < len; extents++) {
		uint64_t inside = skip < extents->length ? skip : extents->length;

		for (skip -= inside; inside < extents->length && at - va < len; at += 4 * K) {
			struct ml_translation leaf;

			T_REQUIRE_VALUE(!ml_translate(&home->space.table, at, &leaf), false);
			T_REQUIRE_VALUE(leaf.pa == extents->pa + inside, false);
			inside += 4 * K;
		}
	}
	return true;
}

TEST(a_window_into_pieces)
{
	uint64_t state = t_seed(5);

	for (unsigned round = 0; round < 300; round++) {
		struct ml_extent extents[PIECES];
		uint64_t pages = 0, skip, len;
		struct home home;
		ml_va va;

		T_CONTEXT("round", round);
		raw_home(&home, round & 1 ? WORLD_ARM_LOW : WORLD_X86_4, NULL);
		for (unsigned i = 0; i < PIECES; i++) {
			const uint64_t most = i & 1 ? 600 : 20;

			extents[i].pa = 4 * G + t_random(&state) % 65536 * 4 * K;
			extents[i].length = (1 + t_random(&state) % most) * 4 * K;
			if (i && t_random(&state) % 3 == 0)
				extents[i].pa = extents[i - 1].pa + extents[i - 1].length;
			pages += extents[i].length / (4 * K);
		}
		skip = t_random(&state) % pages;
		len = (1 + t_random(&state) % (pages - skip)) * 4 * K;
		skip *= 4 * K;
		va = raw_va(&home) + t_random(&state) % 1024 * 4 * K;
		t_eq(raw_map(&home, va, len, RAW_SHARED, NULL), ML_OK);
		t_eq(ml_remap_extents(&home.space, va, len, extents, PIECES, skip, ML_NC), ML_OK);
		t_ok(window_shows(&home, va, len, extents, skip));
		t_eq(ml_space_unmap(&home.space, va, len), ML_OK);
		home_leave(&home);
	}
}

/* S0.13: two halves of a large leaf, as one piece, as two, and the wrong way round. */
TEST(pieces_that_adjoin_are_one)
{
	FOR_EACH_WORLD(world)
	{
		struct ml_extent halves[2];
		struct home home;
		uint64_t size;
		ml_va va;

		raw_home(&home, world, NULL);
		va = raw_va(&home);
		size = home_large(&home);
		halves[0] = (struct ml_extent){ home.raw->first, size / 2 };
		halves[1] = (struct ml_extent){ home.raw->first + size / 2, size / 2 };
		t_eq(raw_map(&home, va, 2 * size, RAW_SHARED, NULL), ML_OK);
		t_eq(ml_remap_extents(&home.space, va, size, halves, 2, 0, ML_WB), ML_OK);
		t_ok(raw_shows(&home, va, size, home.raw->first, ML_WB, 0));
		t_eq(home_rung(&home, va), home_large_rung(&home));
		halves[1] = halves[0];
		halves[0].pa += size / 2;
		t_eq(ml_remap_extents(&home.space, va + size, size, halves, 2, 0, ML_WB), ML_OK);
		t_ok(home_rung(&home, va + size) < home_large_rung(&home));
		t_ok(home_rung(&home, va + size + size / 2) < home_large_rung(&home));
		home_leave(&home);
	}
}

/*
 * S0.10, S0.11: a heap gives pieces of 1M, 64K and 4K, never a larger one after a smaller: every
 * piece of a group's size is whole groups, unless the window begins inside one.
 */
TEST(pieces_in_descending_order_are_whole_leaves)
{
	uint64_t state = t_seed(6);

	for (unsigned round = 0; round < 100; round++) {
		struct ml_extent extents[PIECES];
		const uint64_t skip = round & 1 ? 0 : 4 * K;
		uint64_t large = 0, len = 0;
		unsigned order = 0;
		struct home home;
		ml_va va;

		T_CONTEXT("round", round);
		for (unsigned i = 0; i < PIECES; i++) {
			static const uint64_t sizes[] = { M, 64 * K, 4 * K };

			order += order < 2 && t_random(&state) % 4 == 0;
			extents[i] = (struct ml_extent){ 4 * G + i * 64 * M, sizes[order] };
			large += order < 2 ? sizes[order] : 0;
			len += sizes[order];
		}
		len -= skip;
		raw_home(&home, WORLD_ARM_LOW, NULL);
		va = raw_va(&home);
		t_eq(raw_map(&home, va, len + 4 * K, RAW_SHARED, NULL), ML_OK);
		t_eq(ml_remap_extents(&home.space, va, len, extents, PIECES, skip, ML_WB), ML_OK);
		for (uint64_t at = 0; at < len; at += 4 * K)
			t_eq(home_rung(&home, va + at), !skip && at < large);
		home_leave(&home);
	}
}

/* S0.15: something stands in the way of piece k, or piece k is none. */
TEST(pieces_are_all_or_nothing)
{
	for (unsigned k = 0; k < PIECES; k++) {
		struct ml_extent extents[PIECES];
		struct home home;
		ml_va va;

		T_CONTEXT("piece", k);
		raw_home(&home, WORLD_ARM_LOW, NULL);
		va = raw_va(&home);
		for (unsigned i = 0; i < PIECES; i++)
			extents[i] = (struct ml_extent){ 4 * G + 2 * i * 4 * M, 4 * M };
		t_eq(raw_map(&home, va, PIECES * 4 * M, RAW_SHARED, NULL), ML_OK);
		t_eq(ml_remap_pfn_range(&home.space, va + k * 4 * M + 2 * M, 4 * K, G, ML_WB),
		     ML_OK);
		NO_CHANGE(&home,
			  ml_remap_extents(&home.space, va, PIECES * 4 * M, extents, PIECES, 0,
					   ML_WB),
			  ML_ERR_EXISTS);
		home_leave(&home);
	}
}

/* ---- what cannot be, and what it leaves ----------------------------------------------- */

static ml_pa refused_pa;
static uint64_t asked;
static ml_prot asked_prot;

static bool all_but_one(void *cookie, ml_pa pa, uint64_t length, ml_prot prot)
{
	(void)cookie;
	asked += length;
	asked_prot = prot;
	return refused_pa - pa >= length;
}

/* S4.29: one frame that the owner keeps refuses the whole call, whatever sizes it would be in. */
TEST(frames_that_the_owner_refuses)
{
	struct ml_frames frames = home_frame_ops;
	struct ml_space_config wish = { .frames = &frames };

	frames.allowed = all_but_one;
	FOR_EACH_WORLD(world)
	{
		struct ml_extent halves[2];
		struct home home;
		uint64_t len;
		ml_pa pa;
		ml_va va;

		t_eq(home_open(&home, world, &wish), ML_OK);
		va = raw_va(&home);
		pa = home.raw->first;
		len = 2 * home_large(&home);
		halves[0] = (struct ml_extent){ pa, len };
		halves[1] = (struct ml_extent){ pa + 2 * len, len };
		t_eq(raw_map(&home, va, len, RAW_SHARED, NULL), ML_OK);
		for (uint64_t at = 0; at < len; at += len - home_page(&home)) {
			refused_pa = pa + at;
			t_eq(ml_remap_pfn_range(&home.space, va, len, pa, ML_NC), ML_ERR_ACCESS);
			t_ok(raw_is_empty(&home, va, len));
		}
		refused_pa = pa + 2 * len + len / 2; /* of the second piece, outside the window */
		asked = 0;
		t_eq(ml_remap_extents(&home.space, va, len, halves, 2, len / 2, ML_NC), ML_OK);
		t_eq(asked, len);
		t_eq(asked_prot, ML_RW | ML_USER | ML_NC);
		t_eq(ml_space_unmap(&home.space, va, len), ML_OK);
		t_eq(raw_map(&home, va, len, RAW_SHARED, NULL), ML_OK);
		refused_pa -= home_page(&home); /* and inside it */
		t_eq(ml_remap_extents(&home.space, va, len, halves, 2, len / 2, ML_NC),
		     ML_ERR_ACCESS);
		t_ok(raw_is_empty(&home, va, len));
		home_leave(&home);
	}
}

/* The filter is asked for what the region may come to, not for what it is now. */
TEST(frames_are_asked_for_all_rights)
{
	struct ml_frames frames = home_frame_ops;
	struct ml_space_config wish = { .frames = &frames };
	const struct ml_region_spec spec = { .prot = ML_READ,
					     .may = ML_RIGHTS,
					     .flags = RAW_SHARED };
	struct home home;

	frames.allowed = all_but_one;
	refused_pa = 0;
	t_eq(home_open(&home, WORLD_X86_4, &wish), ML_OK);
	t_eq(ml_space_map(&home.space, 0, 4 * K, &spec, 0, NULL), ML_OK);
	t_eq(ml_remap_pfn_range(&home.space, 0, 4 * K, G, ML_WB), ML_OK);
	t_eq(asked_prot, ML_RW | ML_EXEC | ML_USER);
	home_leave(&home);
}

/* S4.27, H1, H2, H6. */
TEST(what_is_refused_changes_nothing)
{
	const ml_prot type = ML_NC;

	FOR_EACH_WORLD(world)
	{
		struct ml_extent extent;
		struct home home;
		uint64_t size, page;
		ml_va va;
		ml_pa pa;

		raw_home(&home, world, NULL);
		va = raw_va(&home);
		pa = home.raw->first;
		size = home_large(&home);
		page = home_page(&home);
		extent = (struct ml_extent){ pa, size };
		t_eq(raw_map(&home, va, size, RAW_SHARED, NULL), ML_OK);
		t_eq(raw_map(&home, va + 2 * size, size, 0, NULL), ML_OK);
		NO_CHANGE(&home, ml_remap_pfn_range(&home.space, va, 0, pa, type), ML_ERR_EMPTY);
		NO_CHANGE(&home, ml_remap_pfn_range(&home.space, va + 1, page, pa, type),
			  ML_ERR_ALIGN);
		NO_CHANGE(&home, ml_remap_pfn_range(&home.space, va, page - 1, pa, type),
			  ML_ERR_ALIGN);
		NO_CHANGE(&home, ml_remap_pfn_range(&home.space, va, page, pa + 1, type),
			  ML_ERR_ALIGN);
		NO_CHANGE(&home, ml_remap_pfn_range(&home.space, va, 0 - page, pa, type),
			  va ? ML_ERR_WRAP : ML_ERR_CANONICAL);
		NO_CHANGE(&home, ml_remap_pfn_range(&home.space, va, 2 * page, 0 - page, type),
			  ML_ERR_WRAP);
		NO_CHANGE(&home, ml_remap_pfn_range(&home.space, va, page, 0 - page, type),
			  ML_ERR_PA_RANGE);
		NO_CHANGE(&home, ml_remap_pfn_range(&home.space, va + size, page, pa, type),
			  ML_ERR_NOT_MAPPED);
		NO_CHANGE(&home, ml_remap_pfn_range(&home.space, va, size + page, pa, type),
			  ML_ERR_NOT_MAPPED);
		NO_CHANGE(&home, ml_remap_pfn_range(&home.space, va + 2 * size, page, pa, type),
			  ML_ERR_ARGUMENT);
		NO_CHANGE(&home, ml_remap_pfn_range(&home.space, va, page, pa, type | ML_READ),
			  ML_ERR_ARGUMENT);
		NO_CHANGE(&home, ml_remap_pfn_range(&home.space, va, page, pa, ML_TYPE(15)),
			  ML_ERR_PROT);
		NO_CHANGE(&home, ml_remap_extents(&home.space, va, size, &extent, 1, page, type),
			  ML_ERR_ARGUMENT);
		NO_CHANGE(&home, ml_remap_extents(&home.space, va, size, &extent, 0, 0, type),
			  ML_ERR_ARGUMENT);
		NO_CHANGE(&home, ml_remap_extents(&home.space, va, size, NULL, 1, 0, type),
			  ML_ERR_ARGUMENT);
		NO_CHANGE(&home, ml_remap_extents(&home.space, va, page, &extent, 1, 1, type),
			  ML_ERR_ALIGN);
		t_eq(ml_remap_pfn_range(&home.space, va + size - page, page, pa, type), ML_OK);
		NO_CHANGE(&home, ml_remap_pfn_range(&home.space, va, size, pa, type),
			  ML_ERR_EXISTS);
		NO_CHANGE(&home, ml_remap_extents(&home.space, va, size, &extent, 1, 0, type),
			  ML_ERR_EXISTS);
		home_leave(&home);
	}
}

/* S0.16, H3: in one call, or not at all; and nothing of it may be written but in a copy. */
TEST(a_private_region_is_covered_whole)
{
	static const unsigned classes[] = { ML_REGION_RAW, ML_REGION_MIXED };

	for (unsigned number = 0; number < 2 * WORLDS; number++) {
		const enum world world = (enum world)(number / 2);
		struct ml_extent halves[2];
		struct ml_model_result seen;
		struct home home;
		uint64_t size;
		ml_va va;
		ml_pa pa;

		raw_home(&home, world, NULL);
		va = raw_va(&home);
		pa = home.raw->first;
		size = home_large(&home);
		halves[0] = (struct ml_extent){ pa, size };
		halves[1] = (struct ml_extent){ pa + 2 * size, size };
		t_eq(raw_map(&home, va, 2 * size, classes[number % 2], NULL), ML_OK);
		NO_CHANGE(&home, ml_remap_pfn_range(&home.space, va, size, pa, ML_WB),
			  ML_ERR_ARGUMENT);
		NO_CHANGE(&home, ml_remap_pfn_range(&home.space, va + size, size, pa, ML_WB),
			  ML_ERR_ARGUMENT);
		t_eq(ml_remap_extents(&home.space, va, 2 * size, halves, 2, 0, ML_WB), ML_OK);
		t_ok(raw_shows(&home, va, size, pa, ML_WB, 0));
		t_ok(raw_shows(&home, va + size, size, pa + 2 * size, ML_WB, 0));
		t_eq(ml_model_walk(&home.model, va, ML_MODEL_WRITE, true, &seen),
		     ML_MODEL_PERMISSION);
		home_leave(&home);
	}
}

/* Two of them side by side stay two, or the second could not be covered whole. */
TEST(private_regions_side_by_side)
{
	struct ml_mapping mapping = { &(const struct ml_region_ops){ 0 }, NULL, NULL };
	struct ml_region_spec spec = {
		.prot = ML_RW, .may = ML_RW, .flags = ML_REGION_RAW, .mapping = &mapping
	};
	struct home home;

	raw_home(&home, WORLD_X86_4, NULL);
	for (unsigned i = 0; i < 2; i++, spec.offset += 2 * M) {
		t_eq(ml_space_map(&home.space, 4 * M + spec.offset, 2 * M, &spec, 0, NULL), ML_OK);
		t_eq(ml_remap_pfn_range(&home.space, 4 * M + spec.offset, 2 * M, G + spec.offset,
					ML_WB),
		     ML_OK);
	}
	t_ok(raw_shows(&home, 4 * M, 4 * M, G, ML_WB, 0));
	home_leave(&home);
}

/* S4.31: page by page what a bare table would hold. */
TEST(the_same_leaves_as_any_mapping)
{
	uint64_t state = t_seed(7);

	for (unsigned round = 0; round < 200; round++) {
		const enum world world = (enum world)(round % WORLD_TOY);
		const ml_prot prot = ML_RW | ML_USER | ML_SPECIAL | ML_NC;
		const uint64_t len = (1 + t_random(&state) % 20000) * 4 * K;
		const uint64_t skew = t_random(&state) % 20000 * 4 * K;
		const ml_pa pa =
			4 * G + skew + (t_random(&state) & 1 ? 0 : t_random(&state) % 3 * 64 * K);
		struct home home;
		struct rig rig;
		ml_va va;

		T_CONTEXT("round", round);
		raw_home(&home, world, NULL);
		t_eq(rig_open(&rig, world, NULL), ML_OK);
		va = raw_va(&home) + skew;
		t_eq(raw_map(&home, va, len, RAW_SHARED, NULL), ML_OK);
		t_eq(ml_remap_pfn_range(&home.space, va, len, pa, ML_NC), ML_OK);
		t_eq(ml_map(&rig.table, va, len, pa, prot, NULL), ML_OK);
		for (uint64_t at = 0; at < len; at += 4 * K) {
			struct ml_translation got, want;

			t_eq(ml_translate(&home.space.table, va + at, &got), ML_OK);
			t_eq(ml_translate(&rig.table, va + at, &want), ML_OK);
			t_eq(got.pte, want.pte);
		}
		t_eq(home.space.table.stats.tables, rig.table.stats.tables);
		t_ok(rig_close(&rig));
		home_leave(&home);
	}
}

/* S4.32: what faults bring in is small by policy; raw frames are as large as the table can hold. */
TEST(policy_of_faults_is_another_matter)
{
	FOR_EACH_WORLD(world)
	{
		const struct ml_format *f = worlds[world].format;
		struct ml_space_config wish = { .fault_rungs = 0 };
		struct home home;
		ml_va va;

		t_eq(home_open(&home, world, &wish), ML_OK);
		va = raw_va(&home);
		t_eq(raw_map(&home, va, home_large(&home), RAW_SHARED, NULL), ML_OK);
		t_eq(ml_remap_pfn_range(&home.space, va, home_large(&home), home.raw->first, ML_WB),
		     ML_OK);
		t_eq(home_rung(&home, va), home_large_rung(&home));
		for (unsigned rung = 0; rung < 40; rung++)
			t_eq(ml_space_can_hold(&home.space, rung),
			     rung < f->rung_count && ml_format_default_rungs(f) >> rung & 1);
		home_leave(&home);
		wish.table.rungs = 1;
		t_eq(home_open(&home, world, &wish), ML_OK);
		t_ok(ml_space_can_hold(&home.space, 0));
		t_ok(!ml_space_can_hold(&home.space, 1));
		home_leave(&home);
	}
}
