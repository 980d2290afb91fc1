/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * ml_move(), mremap: S4.12, S4.13, S4.21. Random moves among all other calls are judged in random.c
 * and oracle_random.c, their order in trace.c, marks that come meanwhile in marks.c; here is what
 * each case costs, and what no flat model knows.
 */
#include <string.h>

#include <maxleaf/pte.h>

#include "support/story.h"
#include "support/strike.h"
#include "t.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define G ((uint64_t)1 << 30)
#define PAGE (4 * K)
#define GROUP (64 * K)
#define AT (4 * G)
#define TO (16 * G)

static const enum world wide[] = { WORLD_X86_4, WORLD_X86_5, WORLD_ARM_LOW };
static const struct ml_table_config live = { .live = true };
static const struct ml_table_config guaranteed = { .guaranteed = true };

static struct rig rig;

static void put_up(enum world world, const struct ml_table_config *wish)
{
	T_CONTEXT(worlds[world].name, world);
	t_eq(rig_open(&rig, world, wish), ML_OK);
}

static void take_down(void)
{
	ml_trace_to(NULL);
	t_eq(ml_table_check(&rig.table, NULL), ML_OK);
	t_ok(rig_close(&rig));
}

static void map(ml_va va, uint64_t len, ml_pa pa)
{
	t_eq(ml_map(&rig.table, va, len, pa, ML_RW, NULL), ML_OK);
}

static int move(ml_va from, ml_va to, uint64_t len)
{
	return ml_move(&rig.table, from, to, len, NULL);
}

static uint64_t leaves(unsigned shift)
{
	return rig_leaves(&rig, rig_rung(&rig, shift));
}

/* The one invalidation since story_begin(); stores and exchanges, and no other calls. */
static const struct ml_invalidation *told_once(uint64_t stores)
{
	static const struct ml_invalidation none;

	ml_trace_to(NULL);
	t_eq(story_trace.kinds[ML_EVENT_STORE] + story_trace.kinds[ML_EVENT_EXCHANGE], stores);
	t_eq(story_trace.kinds[ML_EVENT_COMPLETE], 1);
	if (!t_eq(story_trace.kinds[ML_EVENT_INVALIDATE], 1))
		return &none;
	for (size_t i = 0;; i++)
		if (story_trace.events[i].kind == ML_EVENT_INVALIDATE)
			return &story_trace.events[i].what;
}

/* ---- what moves whole ---------------------------------------------------------------- */

TEST(blocks_go_whole)
{
	for (unsigned w = 0; w < 3; w++) {
		const struct ml_invalidation *what;

		put_up(wide[w], &live);
		map(AT, G, AT + 2 * M);
		map(TO + G + 2 * M, PAGE, 0); /* the tables that the leaves go to are there */
		map(TO + 2 * G - 2 * M, PAGE, 0);
		map(TO + 2 * G + 2 * M, PAGE, 0);
		map(AT + G, PAGE, 0); /* and those they leave stay */
		t_eq(ml_unmap(&rig.table, TO + G + 2 * M, PAGE, NULL), ML_OK);
		t_eq(ml_unmap(&rig.table, TO + 2 * G - 2 * M, PAGE, NULL), ML_OK);
		map(TO + G, PAGE, 0);
		map(AT - 2 * M, PAGE, 0);
		story_begin(&rig);
		t_eq(move(AT, TO + G + 2 * M, G), ML_OK);
		what = told_once(2 * 512 + 1); /* the emptied table's link, too */
		t_eq(what->va, AT);
		t_eq(what->length, G);
		t_eq(story_trace.kinds[ML_EVENT_ALLOC], 0);
		t_eq(leaves(21), 512);
		t_ok(rig_maps(&rig, TO + G + 2 * M, G, AT + 2 * M, rig_rung(&rig, 21)));
		take_down();
	}
}

/* Last-level where nothing but leaves went. */
TEST(some_blocks_are_told_as_leaves)
{
	for (unsigned w = 0; w < 3; w++) {
		const struct ml_invalidation *what;

		put_up(wide[w], &live);
		map(AT, 16 * M, AT + 2 * M);
		story_begin(&rig);
		t_eq(move(AT, AT + 64 * M, 8 * M), ML_OK);
		what = told_once(2 * 4);
		t_eq(what->va, AT);
		t_eq(what->length, 8 * M);
		t_eq(what->stride_shift, 21);
		t_eq(what->level, 1);
		t_ok(what->leaves_only);
		take_down();
	}
}

/* Tables of base pages: one store to leave, one to arrive, and walk caches forget. */
TEST(tables_go_by_their_links)
{
	for (unsigned w = 0; w < 3; w++)
		for (unsigned far = 0; far < 2; far++) {
			const uint64_t delta = far ? 3 * G : 64 * M + 2 * M;
			const uint64_t len = far ? G : 32 * M;
			const struct ml_invalidation *what;
			struct ml_model_result seen;
			struct ml_op op = { 0 };

			put_up(wide[w], &live);
			map(AT, len, AT + PAGE);
			map(AT + len, PAGE, 0);
			map(AT + delta + len, PAGE, 0);
			t_ok(rig_touch(&rig, AT + 5 * PAGE, true, &seen));
			story_begin(&rig);
			t_eq(ml_move(&rig.table, AT, AT + delta, len, &op), ML_OK);
			what = told_once(far ? 2 : 2 * 16);
			t_eq(what->va, AT);
			t_eq(what->length, len);
			t_ok(!what->leaves_only);
			t_eq(what->level, 0xff);
			t_eq(op.tables_needed, 0);
			t_ok(rig_maps(&rig, AT + delta, PAGE * 16, AT + PAGE, 0) ||
			     wide[w] == WORLD_ARM_LOW);
			t_eq(ml_model_walk(&rig.model, AT + delta + len - 1, ML_MODEL_READ, false,
					   &seen),
			     ML_MODEL_OK);
			t_eq(seen.pa, AT + PAGE + len - 1);
			t_ok(ml_model_walk(&rig.model, AT, ML_MODEL_READ, false, &seen));
			take_down();
		}
}

/* Where an empty table stands, entries go instead of the link. */
TEST(an_empty_table_takes_the_entries)
{
	for (unsigned w = 0; w < 3; w++) {
		put_up(wide[w], NULL);
		map(AT, 2 * M, AT + PAGE);
		t_eq(ml_pte_ensure(&rig.table, TO, 2 * M, 0, NULL), ML_OK);
		t_eq(move(AT, TO, 2 * M), ML_OK);
		t_eq(rig_bytes(&rig), 2 * M);
		map(AT, 2 * M, AT);
		t_eq(ml_unmap(&rig.table, TO, 2 * M, NULL), ML_OK);
		t_eq(ml_pte_ensure(&rig.table, TO, 2 * M, 0, NULL), ML_OK);
		t_eq(move(AT, TO, 2 * M), ML_ERR_EXISTS); /* a leaf does not fit there */
		t_eq(ml_table_trim(&rig.table, TO, 2 * M, NULL), ML_OK);
		t_eq(move(AT, TO, 2 * M), ML_OK);
		t_eq(leaves(21), 1);
		take_down();
	}
}

/* ---- what does not fit --------------------------------------------------------------- */

TEST(sizes_are_the_largest_that_fit)
{
	static const struct {
		uint64_t size, delta;
		unsigned shift, arm_shift;
	} cases[] = {
		{ 64 * K, 64 * K, 12, 16 }, { 64 * K, PAGE, 12, 12 },   { 2 * M, 2 * M, 21, 21 },
		{ 2 * M, 64 * K, 12, 16 },  { 2 * M, PAGE, 12, 12 },    { 32 * M, 32 * M, 21, 25 },
		{ 32 * M, 2 * M, 21, 21 },  { 32 * M, 64 * K, 12, 16 }, { G, G, 30, 30 },
		{ G, 32 * M, 21, 25 },      { G, 2 * M, 21, 21 },
	};

	for (unsigned w = 0; w < 3; w++)
		for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			const bool arm = wide[w] == WORLD_ARM_LOW;
			const uint64_t to = TO + cases[i].delta;
			const unsigned shift = arm ? cases[i].arm_shift : cases[i].shift;

			put_up(wide[w], &live);
			map(AT, cases[i].size, AT);
			t_eq(move(AT, to, cases[i].size), ML_OK);
			t_ok(rig_maps(&rig, to, cases[i].size, AT, rig_rung(&rig, shift)));
			t_eq(rig_bytes(&rig), cases[i].size);
			take_down();
		}
}

/* All members have what marks one of them, where they come apart. */
TEST(marks_of_a_group_go_with_all_its_pages)
{
	const struct ml_table_config wish = { .live = true, .track_ad = true, .hardware_ad = true };
	struct ml_model_result seen;
	struct ml_cursor cursor = { .last = UINT64_MAX };
	struct ml_run run;

	put_up(WORLD_ARM_LOW, &wish);
	map(AT, GROUP, AT);
	t_ok(rig_touch(&rig, AT + 7 * PAGE, true, &seen));
	t_eq(move(AT, TO + PAGE, GROUP), ML_OK);
	for (unsigned i = 0; i < 16; i++)
		t_eq(ml_pte_prot(&rig.table, *rig_entry(&rig, TO + PAGE + i * PAGE, 0), 0) &
			     ML_PROT_AD,
		     ML_PROT_AD);
	t_ok(ml_run_next(&rig.table, &cursor, &run) && run.length == GROUP && run.rung == 0);
	take_down();
}

/* The ends of the range inside leaves: what stays is split, what goes fits as it can. */
TEST(ends_are_split_first)
{
	for (unsigned w = 0; w < 3; w++) {
		const bool arm = wide[w] == WORLD_ARM_LOW;

		put_up(wide[w], &live);
		map(AT, 8 * M, AT);
		t_eq(move(AT + PAGE, TO + PAGE, 6 * M), ML_OK);
		t_eq(rig_bytes(&rig), 8 * M);
		t_eq(leaves(21), 2);
		t_ok(rig_maps(&rig, TO + 2 * M, 4 * M, AT + 2 * M, rig_rung(&rig, 21)));
		t_ok(rig_maps(&rig, AT, PAGE, AT, 0));
		t_ok(rig_maps(&rig, AT + 6 * M + PAGE, PAGE, AT + 6 * M + PAGE, 0));
		t_ok(rig_maps(&rig, AT + 8 * M - GROUP, GROUP, AT + 8 * M - GROUP, arm));
		take_down();
	}
}

/* ---- tables -------------------------------------------------------------------------- */

/*
 * A table that is empty for a while may be where the rest goes: 256 pages leave its second half for
 * elsewhere before others arrive in the first.
 */
TEST(a_table_that_was_empty_for_a_while)
{
	for (unsigned w = 0; w < 3; w++) {
		put_up(wide[w], NULL);
		map(AT + M, 3 * M, AT + M + PAGE);
		t_eq(move(AT + M, AT - 2 * M, 3 * M), ML_OK);
		t_eq(rig_bytes(&rig), 3 * M);
		t_eq(ml_table_check(&rig.table, NULL), ML_OK);
		t_eq(move(AT - 2 * M, AT + M, 3 * M), ML_OK);
		t_ok(rig_maps(&rig, AT + M, 3 * M, AT + M + PAGE, 0) || wide[w] == WORLD_ARM_LOW);
		take_down();
	}
}

TEST(the_nth_allocation_fails)
{
	static const struct ml_table_config *const wishes[] = { NULL, &guaranteed };
	struct picture picture = { 0 };

	for (unsigned w = 0; w < 3; w++)
		for (unsigned i = 0; i < 2; i++) {
			struct ml_op op = { .flags = ML_OP_DRY };
			unsigned nth = 1;

			put_up(wide[w], wishes[i]);
			map(AT - M, 8 * M, AT - M);
			picture_take(&picture, &rig);
			t_eq(ml_move(&rig.table, AT - PAGE, TO - PAGE, 5 * M, &op), ML_OK);
			t_ok(!picture_difference(&picture, &rig));
			op.flags = 0;
			for (;; nth++) {
				int error;

				rig.arena->fail_nth = nth;
				error = ml_move(&rig.table, AT - PAGE, TO - PAGE, 5 * M, &op);
				rig.arena->fail_nth = 0;
				if (!error)
					break;
				t_eq(error, ML_ERR_NO_MEMORY);
				t_ok(!picture_difference(&picture, &rig));
			}
			t_eq(op.tables_needed, nth - 1);
			t_ok(nth > 4);
			take_down();
		}
	picture_release(&picture);
}

/* What a dry move would take if everything had gone from where it goes. */
static uint64_t taken_if_emptied(ml_va to, uint64_t bytes)
{
	struct ml_op op = { .flags = ML_OP_DRY | ML_OP_EMPTIED };

	t_eq(ml_move(&rig.table, AT - PAGE, to, bytes, &op), ML_OK);
	return op.tables_needed;
}

/* It is told before the place is cleared, and is what a move takes when even its tables are gone */
TEST(a_place_that_will_be_empty_is_counted_so)
{
	static const struct ml_table_config *const wishes[] = { NULL, &guaranteed };
	static const ml_va places[] = { TO - PAGE, TO + M, TO };
	struct picture picture = { 0 };

	for (unsigned n = 0; n < 3 * 2 * 3; n++) {
		const ml_va to = places[n % 3];
		uint64_t taken;

		put_up(wide[n / 3 % 3], wishes[n / 9]);
		map(AT - M, 8 * M, AT - M);
		map(TO - M, 8 * M, AT - M + PAGE);
		picture_take(&picture, &rig);
		taken = taken_if_emptied(to, 5 * M);
		t_ok(!picture_difference(&picture, &rig));
		t_eq(ml_unmap(&rig.table, TO - M, 8 * M, NULL), ML_OK);
		rig.arena->allocs = 0;
		t_eq(move(AT - PAGE, to, 5 * M), ML_OK);
		t_ok(rig.arena->allocs <= taken && taken <= rig.arena->allocs + 2);
		take_down();
	}
	picture_release(&picture);
}

/* What a leaf owns goes with it; what comes apart gives it back, and has what its pieces own. */
TEST(deposits_follow)
{
	const struct ml_table_config one = { .guaranteed = true, .deposit_one = true };

	for (unsigned w = 0; w < 3; w++) {
		put_up(wide[w], &guaranteed);
		map(AT, 8 * M, AT);
		map(TO + 16 * M, 2 * M, 0);
		rig.arena->fail_nth = 1;
		t_eq(move(AT, TO, 8 * M), ML_OK);
		rig.arena->fail_nth = 0;
		t_eq(rig.table.spare.count, 5);
		t_eq(rig.table.owed, 5);
		t_eq(move(TO, AT + GROUP, 8 * M), ML_OK);
		t_eq(rig.table.spare.count, 1);
		t_eq(rig.table.owed, 1);
		take_down();

		put_up(wide[w], &one);
		map(AT, G, AT);
		t_eq(rig.table.owed, 1);
		t_eq(move(AT, TO, G), ML_OK);
		t_eq(rig.table.owed, 1);
		t_eq(move(TO, AT + 2 * M, G), ML_OK);
		t_eq(rig.table.owed, 512);
		t_eq(rig.table.spare.count, 512);
		take_down();
	}
}

/* ---- each entry its own -------------------------------------------------------------- */

/* Bits that no one names, soft bits, marks and types: by entry, by link, and in pieces. */
TEST(what_is_each_entrys_own_goes_along)
{
	static const uint64_t distances[] = { G, G + 2 * M, G + GROUP, G + PAGE };
	const struct ml_table_config wish = { .track_ad = true };

	for (unsigned w = 0; w < 3; w++)
		for (unsigned d = 0; d < 4; d++) {
			ml_pte own[512];

			put_up(wide[w], &wish);
			for (unsigned i = 0; i < 512; i++) {
				const ml_prot prot =
					(i & 1 ? ML_RW : ML_READ) | (i & 2 ? ML_ACCESSED : 0) |
					(i & 4 ? ML_SPECIAL : 0) | (i & 8 ? ML_NC : 0) |
					(i & 16 ? ML_SOFT(1) : 0);

				t_eq(ml_map(&rig.table, AT + i * PAGE, PAGE, 0, prot, NULL), ML_OK);
				*rig_entry(&rig, AT + i * PAGE, 0) |= (ml_pte)(i & 7) << 59;
				own[i] = *rig_entry(&rig, AT + i * PAGE, 0);
			}
			t_eq(ml_map(&rig.table, AT + 2 * M, 2 * M, 2 * M, ML_READ | ML_SPECIAL,
				    NULL),
			     ML_OK);
			*rig_entry(&rig, AT + 2 * M, 1) |= (ml_pte)5 << 59;
			t_eq(move(AT, AT + distances[d], 4 * M), ML_OK);
			for (unsigned i = 0; i < 512; i++)
				t_eq(*rig_entry(&rig, AT + distances[d] + i * PAGE, 0), own[i]);
			t_eq(*rig_entry(&rig, AT + distances[d] + 2 * M, d < 2 ? 1 : 0) >> 59,
			     5 | (w < 2) << 4);
			take_down();
		}
}

TEST(software_entries_go_along)
{
	for (unsigned w = 0; w < 3; w++)
		for (unsigned level = 0; level < 2; level++) {
			const uint64_t step = level ? 2 * M : PAGE;
			ml_pte entries[RIG_ENTRIES];

			put_up(wide[w], NULL);
			rig_put_each(&rig, AT, level, entries);
			t_eq(move(AT, TO + 16 * step, 6 * step), ML_OK);
			for (unsigned i = 0; i < 6; i++)
				t_eq(*rig_entry(&rig, TO + (16 + i) * step, level), entries[i]);
			t_ok(ml_pte_pointer(&rig.table, AT, level) == NULL);
			if (level) {
				t_eq(move(TO + 33 * M, AT, 4 * M), ML_ERR_ARGUMENT);
				t_eq(move(TO + 32 * M, AT + M, 8 * M), ML_ERR_ARGUMENT);
			}
			t_eq(ml_unmap(&rig.table, TO, 64 * M, NULL), ML_OK);
			take_down();
		}
}

/* ---- tables of others, units, ranges that never fault --------------------------------- */

/* What the tables of others withhold stays withheld, and they stay where they are. */
TEST(tables_of_others_stay)
{
	struct ml_translation found;

	for (unsigned w = 0; w < 3; w++) {
		const bool arm = wide[w] == WORLD_ARM_LOW;
		struct ml_table_config config = { 0 };
		struct ml_table adopted;
		struct rig boot;
		ml_pte *link;

		put_up(wide[w], NULL);
		map(AT, 2 * M, AT + PAGE);
		boot = rig;
		link = rig_entry(&rig, AT, 2);
		*link = arm ? *link | (ml_pte)5 << 60 : (*link & ~(ml_pte)2) | (ml_pte)1 << 63;
		config.platform = &rig.arena->platform;
		config.cookie = rig.arena;
		config.levels = rig.facts->levels;
		t_eq(ml_table_adopt(&adopted, rig.facts->format, &config, ml_table_root(&rig.table),
				    100),
		     ML_OK);
		t_eq(ml_move(&adopted, AT, TO, 2 * M, NULL), ML_OK);
		t_eq(ml_translate(&adopted, TO + 9 * PAGE, &found), ML_OK);
		t_eq(ml_translation_prot(&adopted, &found) & (ML_RW | ML_EXEC), ML_READ);
		t_eq(ml_translate(&adopted, AT, &found), ML_ERR_NOT_MAPPED);
		t_eq(ml_table_check(&adopted, NULL), ML_OK);
		ml_table_fini(&adopted, NULL);
		t_eq(boot.arena->in_use, 0);
	}
}

TEST(with_units_no_larger_table_goes_whole)
{
	const struct ml_table_config wish = { .live = true, .lock_unit = 2 * M };

	for (unsigned w = 0; w < 3; w++) {
		put_up(wide[w], &wish);
		map(AT, G, AT + PAGE);
		story_begin(&rig);
		t_eq(move(AT, TO, G), ML_OK);
		(void)told_once(512); /* the rest fills a table that is new */
		t_eq(rig_bytes(&rig), G);
		t_eq(ml_unmap(&rig.table, TO, G, NULL), ML_OK);
		t_eq(ml_table_trim(&rig.table, 0, (w == 1 ? 256 : 128) * 1024 * G, NULL), ML_OK);
		t_eq(rig.table.stats.tables, 1);
		take_down();
	}
}

TEST(what_never_faults)
{
	struct ml_never_fault range = { AT, 4 * M, 2 * M, NULL };
	struct picture picture = { 0 };

	for (unsigned w = 0; w < 3; w++) {
		put_up(wide[w], &live);
		t_eq(ml_never_fault(&rig.table, &range), ML_OK);
		map(AT, 4 * M, AT);
		map(TO, 4 * M, AT);
		picture_take(&picture, &rig);
		t_eq(move(AT + PAGE, AT + G, 2 * M), ML_ERR_NEVER_FAULT);
		t_ok(!picture_difference(&picture, &rig));
		t_eq(move(AT, AT + G, 2 * M), ML_OK);
		t_eq(move(TO, AT, 2 * M), ML_ERR_NEVER_FAULT);
		t_eq(leaves(21), 4);
		ml_may_fault(&rig.table, &range);
		take_down();
	}
	picture_release(&picture);
}

/* What is lent keeps its tables in the root; what is borrowed does not move. */
TEST(lent_and_borrowed)
{
	const ml_va at = 0 - 1024 * G;
	struct rig user;

	put_up(WORLD_X86_4, NULL);
	t_eq(rig_open(&user, WORLD_X86_4, NULL), ML_OK);
	t_eq(ml_table_share(&user.table, &rig.table, at, 1024 * G, NULL), ML_OK);
	t_eq(ml_map(&rig.table, at, G, PAGE, ML_RW, NULL), ML_OK);
	t_eq(ml_move(&user.table, at, AT, G, NULL), ML_ERR_SHARED);
	t_eq(ml_move(&user.table, AT, at + 4 * G, G, NULL), ML_ERR_SHARED);
	t_eq(move(at, at + 512 * G, 512 * G), ML_OK);
	t_eq(rig_bytes(&user), G);
	t_eq(rig_bytes(&rig), G);
	t_eq(ml_table_check(&rig.table, NULL), ML_OK);
	ml_table_fini(&user.table, NULL);
	ml_table_fini(&rig.table, NULL);
	t_eq(rig.arena->in_use, 0);
}

TEST(ranges_that_make_no_sense)
{
	struct ml_op op = { 0 };

	for (unsigned w = 0; w < 3; w++) {
		put_up(wide[w], NULL);
		map(AT, 4 * PAGE, 0);
		t_eq(move(AT, AT, 4 * PAGE), ML_ERR_ARGUMENT);
		t_eq(move(AT, AT + 3 * PAGE, 4 * PAGE), ML_ERR_ARGUMENT);
		t_eq(move(AT + 3 * PAGE, AT, 4 * PAGE), ML_ERR_ARGUMENT);
		t_eq(move(AT, AT + 4 * PAGE, 0), ML_ERR_EMPTY);
		t_eq(move(AT, AT + 4 * PAGE + 8, PAGE), ML_ERR_ALIGN);
		t_eq(move(AT, (uint64_t)1 << 57, PAGE), ML_ERR_CANONICAL);
		t_eq(move(AT, AT + 3 * PAGE, PAGE), ML_ERR_EXISTS);
		t_eq(move(AT + G, AT + 2 * G, G), ML_OK); /* nothing there */
		t_eq(ml_move(&rig.table, AT, AT + 4 * PAGE, 4 * PAGE, &op), ML_OK);
		t_eq(op.bytes, 0);
		t_ok(rig_maps(&rig, AT + 4 * PAGE, 4 * PAGE, 0, 0));
		take_down();
	}
}

/* ---- hardware that marks ------------------------------------------------------------- */

TEST(marks_that_come_meanwhile_go_along)
{
	static const uint64_t places[] = { 0, 5 * PAGE, 40 * PAGE, 2 * M - PAGE, 3 * M };
	static const uint64_t distances[] = { G, G + GROUP, G + PAGE };
	const struct ml_table_config wish = { .live = true, .track_ad = true, .hardware_ad = true };
	unsigned marks = 0;

	for (unsigned w = 0; w < 3; w++)
		for (unsigned i = 0; i < 90; i++) {
			const ml_pa pa = AT + (i / 15 % 2 ? 0 : PAGE);
			const uint64_t delta = distances[i / 5 % 3];
			struct ml_translation found;
			ml_va va = AT + places[i % 5];
			bool marked;

			put_up(wide[w], &wish);
			t_eq(ml_map(&rig.table, AT, 4 * M, pa, ML_RW | ML_ACCESSED, NULL), ML_OK);
			strike_begin(&rig, va, i / 30);
			t_eq(move(AT + 3 * PAGE, AT + 3 * PAGE + delta, 4 * M - 5 * PAGE), ML_OK);
			marked = strike_end();
			if (i % 5)
				va += delta;
			t_eq(ml_translate(&rig.table, va, &found), ML_OK);
			if (marked)
				t_ok(ml_translation_prot(&rig.table, &found) & ML_DIRTY);
			marks += marked;
			take_down();
		}
	t_ok(marks > 40);
}
