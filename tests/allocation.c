/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Table memory that ends: for every operation that takes tables, the n-th allocation fails
 * for every n, a reserve is short by one, and each time nothing has changed. Guaranteed
 * tables split with the allocator shut.
 */
#include <maxleaf/pte.h>

#include "support/rig.h"
#include "t.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define G ((uint64_t)1 << 30)

/* An operation that takes tables, and what stands in the table before. */
struct scenario {
	enum world world;
	bool live;
	enum { OWN_NONE, OWN_ALL, OWN_ONE } leaves; /* tables for their splits */
	uint64_t tables;                            /* it takes, counted by hand */
	struct action before[2];
	struct action action;
};

#define MAP(v, l, p)                                                                \
	{                                                                           \
		.kind = ACTION_MAP, .va = (v), .len = (l), .pa = (p), .prot = ML_RW \
	}
#define REPLACE(v, l, p)                                                             \
	{                                                                            \
		.kind = ACTION_MAP, .va = (v), .len = (l), .pa = (p), .prot = ML_RW, \
		.replace = true                                                      \
	}
#define UNMAP(v, l)                                         \
	{                                                   \
		.kind = ACTION_UNMAP, .va = (v), .len = (l) \
	}
#define PROTECT(v, l)                                                           \
	{                                                                       \
		.kind = ACTION_PROTECT, .va = (v), .len = (l), .mask = ML_WRITE \
	}
#define SPLIT(v, l, r)                                                   \
	{                                                                \
		.kind = ACTION_SPLIT, .va = (v), .len = (l), .rung = (r) \
	}
#define EXTENTS(v, ...)                                                                        \
	{                                                                                      \
		.kind = ACTION_EXTENTS, .va = (v), .len = 1, .prot = ML_RW, .extent_count = 2, \
		.extents = {                                                                   \
			__VA_ARGS__                                                            \
		}                                                                              \
	}
#define NONE             \
	{                \
		.len = 0 \
	}

static const struct scenario scenarios[] = {
	/* one page: a table at each of the three levels below the root */
	{ WORLD_X86_4, false, OWN_NONE, 3, { NONE }, MAP(4 * G, 4 * K, G) },
	{ WORLD_X86_5, true, OWN_NONE, 4, { NONE }, MAP(4 * G, 4 * K, G) },
	{ WORLD_ARM_LOW, true, OWN_NONE, 3, { NONE }, MAP(4 * G, 4 * K, G) },
	{ WORLD_TOY, true, OWN_NONE, 1, { NONE }, MAP(0x3000, 0x1000, 0x3000) },
	/* head and tail of small pages around 2M leaves, on both sides of a 1G boundary */
	{ WORLD_X86_4,
	  true,
	  OWN_NONE,
	  5,
	  { NONE },
	  MAP(G - 4 * M - 8 * K, 8 * M + 16 * K, 3 * G - 4 * M - 8 * K) },
	/* on both sides of a 512G boundary, out of step: 4M of pages */
	{ WORLD_X86_4, false, OWN_NONE, 6, { NONE }, MAP(512 * G - 2 * M, 4 * M, G + 4 * K) },
	/* guaranteed: four 2M leaves own a table each */
	{ WORLD_X86_4, true, OWN_ALL, 6, { NONE }, MAP(4 * G, 8 * M, 4 * G) },
	{ WORLD_ARM_LOW, true, OWN_ALL, 2 + 513 + 1, { NONE }, MAP(4 * G, G + 2 * M, 4 * G) },
	/* S0.15: the second extent needs its tables, too */
	{ WORLD_ARM_LOW,
	  true,
	  OWN_NONE,
	  4,
	  { NONE },
	  EXTENTS(4 * G + M, { 64 * K, 64 * K }, { 2 * G + 4 * K, 2 * M }) },
	/* over a 1G leaf that reaches over both ends */
	{ WORLD_X86_4,
	  true,
	  OWN_NONE,
	  4,
	  { MAP(4 * G, G, 4 * G) },
	  REPLACE(4 * G + 2 * M - 4 * K, 2 * M + 8 * K, 64 * K) },
	{ WORLD_ARM_LOW,
	  true,
	  OWN_NONE,
	  2,
	  { MAP(4 * G, G, 4 * G) },
	  REPLACE(4 * G + 64 * M, 64 * K, 64 * K) },
	/* taken apart at both ends */
	{ WORLD_X86_4, true, OWN_NONE, 3, { MAP(4 * G, G, 4 * G) }, UNMAP(4 * G + 4 * K, 512 * M) },
	{ WORLD_X86_4,
	  false,
	  OWN_NONE,
	  2,
	  { MAP(4 * G, 8 * M, 4 * G) },
	  UNMAP(4 * G + 4 * K, 8 * M - 8 * K) },
	{ WORLD_ARM_LOW, true, OWN_NONE, 2, { MAP(0, 64 * M, 0) }, UNMAP(32 * M - 64 * K, 32 * M) },
	{ WORLD_TOY, true, OWN_NONE, 1, { MAP(0, 0x8000, 0) }, UNMAP(0x1000, 0x1000) },
	{ WORLD_X86_4, true, OWN_NONE, 2, { MAP(4 * G, G, 4 * G) }, PROTECT(4 * G + 4 * K, 4 * K) },
	{ WORLD_ARM_HIGH, true, OWN_NONE, 2, { MAP(0 - G, G, 0) }, PROTECT(0 - 4 * K, 4 * K) },
	{ WORLD_X86_4, true, OWN_NONE, 4, { MAP(4 * G, 8 * M, 4 * G) }, SPLIT(4 * G, 8 * M, 0) },
	{ WORLD_X86_4, true, OWN_NONE, 1, { MAP(4 * G, G, 4 * G) }, SPLIT(4 * G, G, 1) },
	{ WORLD_TOY, true, OWN_NONE, 2, { MAP(0, 0x8000, 0) }, SPLIT(0x2000, 0x3000, 0) },
	/* a leaf that owns its first step: the pieces above level 0 that stay need one each */
	{ WORLD_ARM_LOW, true, OWN_ONE, 2 + 1 + 1, { NONE }, MAP(4 * G, G + 2 * M, 4 * G) },
	{ WORLD_X86_4,
	  true,
	  OWN_ONE,
	  512,
	  { MAP(4 * G, G, 4 * G) },
	  PROTECT(4 * G + 4 * K, 4 * K) },
	{ WORLD_X86_4, false, OWN_ONE, 512, { MAP(4 * G, G, 4 * G) }, UNMAP(4 * G + 4 * K, 4 * K) },
	{ WORLD_X86_4, false, OWN_ONE, 511, { MAP(4 * G, G, 4 * G) }, UNMAP(4 * G + 4 * M, 2 * M) },
	{ WORLD_ARM_LOW,
	  true,
	  OWN_ONE,
	  511,
	  { MAP(4 * G, G, 4 * G) },
	  UNMAP(4 * G + 4 * M, 2 * M) },
	{ WORLD_X86_4,
	  true,
	  OWN_ONE,
	  2 + 255,
	  { MAP(4 * G, G, 4 * G) },
	  UNMAP(4 * G + 4 * K, 512 * M) },
	{ WORLD_X86_4,
	  true,
	  OWN_ONE,
	  1,
	  { MAP(4 * G, G, 4 * G) },
	  UNMAP(4 * G + 2 * M, G - 2 * M) },
	{ WORLD_X86_4,
	  true,
	  OWN_ONE,
	  255 + 255,
	  { MAP(4 * G, 2 * G, 4 * G) },
	  UNMAP(4 * G + 510 * M, G + 4 * M) },
	{ WORLD_X86_4, true, OWN_ONE, 512, { MAP(4 * G, G, 4 * G) }, SPLIT(4 * G, G, 1) },
	{ WORLD_ARM_LOW, false, OWN_ONE, 512, { MAP(4 * G, G, 4 * G) }, SPLIT(4 * G, G, 0) },
	{ WORLD_X86_4,
	  true,
	  OWN_ONE,
	  1 + 511,
	  { MAP(4 * G, G, 4 * G) },
	  REPLACE(4 * G + 2 * M - 4 * K, 2 * M + 8 * K, 64 * K) },
	/* and what allocates nothing at all */
	{ WORLD_X86_4,
	  true,
	  OWN_ONE,
	  0,
	  { MAP(4 * G, 8 * M, 4 * G) },
	  PROTECT(4 * G + 4 * K, 4 * K) },
	{ WORLD_X86_4,
	  true,
	  OWN_ONE,
	  0,
	  { MAP(4 * G, 8 * M, 4 * G) },
	  UNMAP(4 * G + 4 * K, 4 * M) },
	{ WORLD_X86_4, true, OWN_ALL, 0, { MAP(4 * G, G, 4 * G) }, UNMAP(4 * G + 4 * K, 512 * M) },
	{ WORLD_X86_4, true, OWN_ALL, 0, { MAP(4 * G, G, 4 * G) }, SPLIT(4 * G, G, 0) },
};

static void put_up(struct rig *rig, const struct scenario *s)
{
	const struct ml_table_config wish = {
		.live = s->live,
		.guaranteed = s->leaves != OWN_NONE,
		.deposit_one = s->leaves == OWN_ONE,
	};

	t_eq(rig_open(rig, s->world, &wish), ML_OK);
	for (unsigned i = 0; i < 2 && s->before[i].len; i++)
		t_eq(rig_call(rig, &s->before[i], NULL), ML_OK);
}

static void check_same(const struct picture *picture, const struct rig *rig)
{
	const char *difference = picture_difference(picture, rig);

	if (!t_ok(difference == NULL))
		printf("# %s\n", difference);
}

static struct ml_op plain(const struct scenario *s)
{
	return (struct ml_op){ .flags = s->action.replace ? ML_OP_REPLACE : 0 };
}

TEST(every_allocation_fails_once)
{
	struct picture picture = { 0 };

	for (unsigned i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		const struct scenario *s = &scenarios[i];
		struct rig rig;

		T_CONTEXT("scenario", i);
		put_up(&rig, s);
		picture_take(&picture, &rig);
		for (uint64_t nth = 1; nth <= s->tables; nth++) {
			struct ml_op op = plain(s);

			rig.arena->fail_nth = nth;
			if (!t_eq(rig_call(&rig, &s->action, &op), ML_ERR_NO_MEMORY))
				break;
			t_eq(op.tables_needed, s->tables);
			check_same(&picture, &rig);
		}
		rig.arena->fail_nth = s->tables + 1;
		struct ml_op op = plain(s);
		t_eq(rig_call(&rig, &s->action, &op), ML_OK);
		t_eq(rig.arena->fail_nth, 1);
		rig.arena->fail_nth = 0;
		t_eq(ml_table_check(&rig.table, NULL), ML_OK);
		t_eq(rig.table.spare.count, rig.table.owed);
		t_ok(rig_close(&rig));
	}
	picture_release(&picture);
}

TEST(a_reserve_short_by_one_is_refused)
{
	struct picture picture = { 0 };

	for (unsigned i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		const struct scenario *s = &scenarios[i];
		struct ml_reserve reserve = { 0 };
		struct rig rig;

		T_CONTEXT("scenario", i);
		put_up(&rig, s);
		for (uint64_t given = 0; given<s->tables; given += s->tables> 8 ? 5 : 1) {
			struct ml_op op = plain(s);

			t_eq(ml_reserve_fill(&rig.table, &reserve, given, NULL), ML_OK);
			op.reserve = &reserve;
			picture_take(&picture, &rig);
			t_eq(rig_call(&rig, &s->action, &op), ML_ERR_SHORT);
			t_eq(op.tables_needed, s->tables);
			t_eq(reserve.count, given);
			t_ok(picture.table.stats.tables == rig.table.stats.tables);
			ml_reserve_empty(&rig.table, &reserve, NULL);
			t_eq(rig.arena->in_use, rig.table.stats.tables + rig.table.spare.count);
		}
		t_eq(ml_reserve_fill(&rig.table, &reserve, s->tables, NULL), ML_OK);
		rig.arena->fail_nth = 1;
		struct ml_op op = plain(s);
		op.reserve = &reserve;
		t_eq(rig_call(&rig, &s->action, &op), ML_OK);
		t_eq(reserve.count, 0);
		t_eq(rig.arena->fail_nth, 1);
		rig.arena->fail_nth = 0;
		ml_reserve_empty(&rig.table, &reserve, NULL);
		t_ok(rig_close(&rig));
	}
	picture_release(&picture);
}

TEST(the_dry_run_counts_what_mapping_takes)
{
	for (unsigned i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		const struct scenario *s = &scenarios[i];
		const struct action *a = &s->action;
		struct ml_op op = plain(s);
		uint64_t tables = 0, allocs;
		struct rig rig;

		if (a->kind != ACTION_MAP)
			continue;
		T_CONTEXT("scenario", i);
		put_up(&rig, s);
		allocs = rig.arena->allocs;
		t_eq(ml_map_tables(&rig.table, a->va, a->len, a->pa, a->prot, &op, &tables), ML_OK);
		t_eq(tables, s->tables);
		t_eq(rig.arena->allocs, allocs);
		t_eq(rig_call(&rig, a, &op), ML_OK);
		t_eq(rig.arena->allocs, allocs + tables);
		t_ok(rig_close(&rig));
	}
}

TEST(a_reserve_fills_all_or_nothing)
{
	struct ml_reserve reserve = { 0 };
	struct rig rig;
	uint64_t in_use;

	t_eq(rig_open(&rig, WORLD_X86_4, NULL), ML_OK);
	t_eq(ml_reserve_fill(&rig.table, &reserve, 3, NULL), ML_OK);
	in_use = rig.arena->in_use;
	for (uint64_t nth = 1; nth <= 4; nth++) {
		rig.arena->fail_nth = nth;
		t_eq(ml_reserve_fill(&rig.table, &reserve, 7, NULL), ML_ERR_NO_MEMORY);
		t_eq(reserve.count, 3);
		t_eq(rig.arena->in_use, in_use);
	}
	rig.arena->fail_nth = 1;
	t_eq(ml_reserve_fill(&rig.table, &reserve, 2, NULL), ML_OK); /* it holds more already */
	t_eq(reserve.count, 3);
	rig.arena->fail_nth = 0;
	t_eq(ml_prepare(&rig.table, G, 4 * K, G, ML_RW, &reserve, NULL), ML_OK);
	t_ok(reserve.count >= 3);
	ml_reserve_empty(&rig.table, &reserve, NULL);
	t_eq(reserve.count, 0);
	t_eq(rig.arena->in_use, 1);
	t_ok(rig_close(&rig));
}

TEST(preparing_fails_for_every_n)
{
	struct ml_reserve reserve = { 0 };
	uint64_t nth = 1;
	struct rig rig;

	t_eq(rig_open(&rig, WORLD_ARM_LOW, NULL), ML_OK);
	for (;; nth++) {
		int error;

		rig.arena->fail_nth = nth;
		error = ml_prepare(&rig.table, G - 2 * M, 4 * M, G - 2 * M + 4 * K, ML_RW, &reserve,
				   NULL);
		if (!error)
			break;
		t_eq(error, ML_ERR_NO_MEMORY);
		t_eq(reserve.count, 0);
		t_eq(rig.arena->in_use, 1);
		T_REQUIRE(t_ok(nth < 100));
	}
	rig.arena->fail_nth = 0;
	t_ok(nth >= 6); /* two level-0, two level-1, one level-2 table at least */
	ml_reserve_empty(&rig.table, &reserve, NULL);
	t_ok(rig_close(&rig));
}

TEST(init_and_share_fail_cleanly)
{
	const ml_va half = 0 - ((uint64_t)128 << 40);
	struct rig rig, lender;
	struct picture picture = { 0 };

	rig_arena(WORLD_X86_4)->fail_nth = 1;
	t_eq(rig_open(&rig, WORLD_X86_4, NULL), ML_ERR_NO_MEMORY);
	t_eq(rig_arena(WORLD_X86_4)->in_use, 0);
	t_eq(rig_open(&rig, WORLD_X86_4, NULL), ML_OK);
	t_eq(rig_open(&lender, WORLD_X86_4, NULL), ML_OK);
	picture_take(&picture, &lender);
	for (uint64_t nth = 1; nth <= 4; nth++) {
		rig.arena->fail_nth = nth;
		t_eq(ml_table_share(&rig.table, &lender.table, half, 2048 * G, NULL),
		     ML_ERR_NO_MEMORY);
		check_same(&picture, &lender);
		t_eq(rig.table.shared_count, 0);
	}
	rig.arena->fail_nth = 5;
	t_eq(ml_table_share(&rig.table, &lender.table, half, 2048 * G, NULL), ML_OK);
	rig.arena->fail_nth = 0;
	t_ok(rig_close(&rig));
	t_ok(rig_close(&lender));
	t_eq(rig_arena(WORLD_X86_4)->in_use, 0);
	picture_release(&picture);
}

/* What a guaranteed table may be asked to do when nothing is left. */
static void split_without_memory(enum world world, bool live, uint8_t fold)
{
	const struct ml_table_config wish = { .live = live, .guaranteed = true, .fold = fold };
	const bool toy = world == WORLD_TOY;
	const ml_va at = toy ? 0 : world == WORLD_ARM_HIGH ? 0 - 4 * G : 4 * G;
	const uint64_t page = 4 * K, large = toy ? 0x8000 : G;
	struct rig rig;

	t_eq(rig_open(&rig, world, &wish), ML_OK);
	t_eq(ml_map(&rig.table, at, large, 0, ML_RW, NULL), ML_OK);
	rig.arena->in_use_limit = 1;
	t_eq(ml_unmap(&rig.table, at + page, page, NULL), ML_OK);
	t_eq(ml_unmap(&rig.table, at + large / 2 - page, 2 * page, NULL), ML_OK);
	t_eq(ml_table_check(&rig.table, NULL), ML_OK);
	if (toy)
		t_eq(ml_split(&rig.table, at, large, 0, NULL), ML_OK);
	else
		t_eq(ml_split(&rig.table, at + 16 * M, 2 * M, 0, NULL), ML_OK);
	t_eq(ml_table_check(&rig.table, NULL), ML_OK);
	t_eq(rig_bytes(&rig), large - 3 * page);
	rig.arena->in_use_limit = 0;
	t_ok(rig_close(&rig));
}

TEST(guaranteed_tables_split_with_the_allocator_shut)
{
	for (unsigned world = 0; world < WORLDS; world++) {
		T_CONTEXT("world", world);
		for (uint8_t fold = ML_FOLD_MAP; fold <= ML_FOLD_BLOCK; fold++) {
			split_without_memory((enum world)world, false, fold);
			split_without_memory((enum world)world, true, fold);
		}
	}
}

/* The check compares the accounts with what stands there: each by itself. */
TEST(accounts_that_are_wrong_are_found)
{
	const struct ml_table_config wish = { .guaranteed = true };
	struct rig rig;
	struct ml_table *t = &rig.table;

	t_eq(rig_open(&rig, WORLD_X86_4, &wish), ML_OK);
	t_eq(ml_map(t, 4 * G, 4 * M, 0, ML_RW, NULL), ML_OK);
	t->stats.tables++;
	t_eq(ml_table_check(t, NULL), ML_ERR_BAD_COUNT);
	t->stats.tables--;
	t->spare.count--;
	t_eq(ml_table_check(t, NULL), ML_ERR_BAD_COUNT);
	t->owed--;
	t_eq(ml_table_check(t, NULL), ML_ERR_BAD_COUNT);
	t->owed++;
	t->spare.count++;
	t_eq(ml_table_check(t, NULL), ML_OK);
	t_ok(rig_close(&rig));
}

/* Hardware may mark a clean leaf before its turn comes: the table of its split is counted. */
TEST(a_mark_that_may_come_is_counted)
{
	struct ml_table_config wish = { .track_ad = true, .hardware_ad = true };

	for (unsigned live = 0; live < 2; live++) {
		struct ml_reserve none = { 0 };
		struct ml_op op = { .reserve = &none };
		struct rig rig;

		wish.live = live;
		t_eq(rig_open(&rig, WORLD_X86_4, &wish), ML_OK);
		t_eq(ml_map(&rig.table, 4 * G, 2 * M, 0, ML_RW, NULL), ML_OK);
		t_eq(ml_protect(&rig.table, 4 * G, 4 * K, ML_DIRTY, 0, &op),
		     live ? ML_ERR_SHORT : ML_OK);
		t_eq(op.tables_needed, live);
		t_ok(rig_close(&rig));
	}
}

TEST(every_page_of_a_guaranteed_leaf_can_be_split_off)
{
	const struct ml_table_config wish = { .live = true, .guaranteed = true };
	struct rig rig;

	t_eq(rig_open(&rig, WORLD_X86_4, &wish), ML_OK);
	t_eq(ml_map(&rig.table, 4 * G, G, 4 * G, ML_RW, NULL), ML_OK);
	t_eq(rig.table.stats.tables, 2 + 0);
	t_ok(rig.table.spare.count >= rig.table.owed);
	rig.arena->in_use_limit = 1;
	for (uint64_t at = 0; at < G; at += 2 * M)
		t_eq(ml_split(&rig.table, 4 * G + at + 4 * K, 4 * K, 0, NULL), ML_OK);
	t_eq(rig_leaves(&rig, 0), G / (4 * K));
	t_eq(ml_table_check(&rig.table, NULL), ML_OK);
	rig.arena->in_use_limit = 0;
	t_ok(rig_close(&rig));
}

/* What nobody owns a table for is refused whole, and works once memory is back. */
TEST(without_the_guarantee_splitting_is_refused_whole)
{
	struct picture picture = { 0 };
	struct rig rig;

	t_eq(rig_open(&rig, WORLD_ARM_LOW, NULL), ML_OK);
	t_eq(ml_map(&rig.table, 4 * G, G, 4 * G, ML_RW, NULL), ML_OK);
	picture_take(&picture, &rig);
	rig.arena->in_use_limit = 1;
	t_eq(ml_unmap(&rig.table, 4 * G + 4 * K, 4 * K, NULL), ML_ERR_NO_MEMORY);
	check_same(&picture, &rig);
	rig.arena->in_use_limit = 0;
	t_eq(ml_unmap(&rig.table, 4 * G + 4 * K, 4 * K, NULL), ML_OK);
	t_ok(rig_close(&rig));
	picture_release(&picture);
}

/* What a call takes is told beforehand, by the call itself: nothing is taken, and nothing done. */
TEST(a_dry_call_tells_what_it_would_take)
{
	struct picture picture = { 0 };

	for (unsigned i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		const struct scenario *s = &scenarios[i];
		struct ml_reserve none = { 0 };
		struct rig rig;

		T_CONTEXT("scenario", i);
		put_up(&rig, s);
		picture_take(&picture, &rig);
		for (unsigned reserved = 0; reserved < 2; reserved++) {
			struct ml_op op = plain(s);

			op.flags |= ML_OP_DRY;
			op.reserve = reserved ? &none : NULL;
			op.tables_needed = op.bytes = 12345;
			rig.arena->fail_nth = 1;
			t_eq(rig_call(&rig, &s->action, &op), ML_OK);
			t_eq(rig.arena->fail_nth, 1);
			rig.arena->fail_nth = 0;
			t_eq(op.tables_needed, s->tables);
			t_eq(op.bytes, 0);
			check_same(&picture, &rig);
		}
		t_ok(rig_close(&rig));
	}
	picture_release(&picture);
}

/* What takes none says so: a leaf that goes whole is the short way. */
TEST(a_dry_call_that_takes_nothing_does_nothing)
{
	const struct action actions[] = {
		UNMAP(4 * G, 2 * M),    UNMAP(4 * G, 4 * M),         PROTECT(4 * G, 2 * M),
		SPLIT(4 * G, 4 * M, 1), UNMAP(4 * G + 4 * M, 4 * K), REPLACE(4 * G, 2 * M, 0),
	};
	const struct action refused[] = { MAP(4 * G, 4 * K, 0), UNMAP(4 * G, 1),
					  SPLIT(4 * G, 4 * K, 9) };
	const int errors[] = { ML_ERR_EXISTS, ML_ERR_ALIGN, ML_ERR_SIZE };
	struct picture picture = { 0 };
	struct rig rig;

	t_eq(rig_open(&rig, WORLD_X86_4, NULL), ML_OK);
	t_eq(ml_map(&rig.table, 4 * G, 4 * M, 4 * G, ML_RW, NULL), ML_OK);
	picture_take(&picture, &rig);
	for (unsigned i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		struct ml_op op = { .flags = ML_OP_DRY, .tables_needed = 12345 };

		T_CONTEXT("action", i);
		op.flags |= actions[i].replace ? ML_OP_REPLACE : 0;
		t_eq(rig_call(&rig, &actions[i], &op), ML_OK);
		t_eq(op.tables_needed, 0);
		check_same(&picture, &rig);
	}
	for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct ml_op op = { .flags = ML_OP_DRY };

		t_eq(rig_call(&rig, &refused[i], &op), errors[i]);
	}
	picture_release(&picture);
	t_ok(rig_close(&rig));
}

/* Steps, tables for entries to come, deposits and lending heed it, too. */
TEST(every_call_that_takes_tables_can_be_dry)
{
	const struct ml_table_config wish = { .guaranteed = true };
	struct ml_step map = { 4 * G, 4 * M, 4 * G, ML_RW, 1 }, unmap = { 8 * G, 4 * M, 0, 0, 1 };
	const ml_va half = 0 - ((uint64_t)128 << 40);
	struct ml_op op = { .flags = ML_OP_DRY };
	struct picture picture = { 0 }, lent = { 0 };
	struct rig rig, lender;

	t_eq(rig_open(&rig, WORLD_X86_4, &wish), ML_OK);
	t_eq(rig_open(&lender, WORLD_X86_4, NULL), ML_OK);
	t_eq(ml_map(&rig.table, 8 * G, 4 * M, 0, ML_RW, NULL), ML_OK);
	picture_take(&picture, &rig);
	picture_take(&lent, &lender);
	t_eq(ml_map_step(&rig.table, &map, &op), ML_OK);
	t_eq(op.tables_needed, 1 + 2); /* of one step: two leaves, and their deposits */
	t_ok(map.va == 4 * G && map.len == 4 * M && map.pa == 4 * G);
	t_eq(ml_unmap_step(&rig.table, &unmap, &op), ML_OK);
	t_eq(op.tables_needed, 0);
	t_ok(unmap.va == 8 * G && unmap.len == 4 * M);
	t_eq(ml_pte_ensure(&rig.table, 512 * G, 4 * M, 0, &op), ML_OK);
	t_eq(op.tables_needed, 4);
	t_eq(ml_pte_deposit(&rig.table, 1, 7, &op), ML_OK);
	t_eq(op.tables_needed, 7);
	t_eq(ml_table_share(&rig.table, &lender.table, half, 1024 * G, &op), ML_OK);
	t_eq(op.tables_needed, 2);
	check_same(&picture, &rig);
	check_same(&lent, &lender);
	picture_release(&picture);
	picture_release(&lent);
	t_ok(rig_close(&rig));
	t_ok(rig_close(&lender));
}
