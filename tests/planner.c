/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What a live operation asks of the platform: how often, of which range, in what steps, of which
 * level, last-level or not. Everything here is a minimum that the manuals allow; that it suffices
 * is for trace.c and the adversarial TLB to say.
 */
#include <maxleaf/pte.h>

#include "support/story.h"
#include "support/strike.h"
#include "t.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define G ((uint64_t)1 << 30)
#define AT (4 * G)
#define PAGE (4 * K)
#define GROUP (64 * K)

#define NO_HINT 0xff

static const enum world wide[] = { WORLD_X86_4, WORLD_X86_5, WORLD_ARM_LOW };

static struct rig rig;

static void put_up(enum world world, uint8_t fold, bool hardware_ad)
{
	const struct ml_table_config wish = { .live = true,
					      .fold = fold,
					      .hardware_ad = hardware_ad };

	t_eq(rig_open(&rig, world, &wish), ML_OK);
}

/* The n-th invalidation since story_begin(). */
static const struct ml_invalidation *asked(unsigned n)
{
	static const struct ml_invalidation none;

	for (size_t i = 0; i < story_trace.count; i++)
		if (story_trace.events[i].kind == ML_EVENT_INVALIDATE && n-- == 0)
			return &story_trace.events[i].what;
	return &none;
}

/* How often the platform was called since story_begin(): all of it is waited for once. */
static uint64_t calls(void)
{
	ml_trace_to(NULL);
	t_eq(story_trace.kinds[ML_EVENT_COMPLETE], story_trace.kinds[ML_EVENT_INVALIDATE] != 0);
	return story_trace.kinds[ML_EVENT_INVALIDATE];
}

/* The n-th call was this one. */
static void is(unsigned n, ml_va va, uint64_t length, unsigned stride, unsigned level,
	       bool leaves_only)
{
	T_CONTEXT("call", n);
	t_eq(asked(n)->va, va);
	t_eq(asked(n)->length, length);
	t_eq(asked(n)->stride_shift, stride);
	t_eq(asked(n)->level, level);
	t_eq(asked(n)->leaves_only, leaves_only);
}

/* One call since story_begin(), and this one. */
static void one(ml_va va, uint64_t length, unsigned stride, unsigned level, bool leaves_only)
{
	if (t_eq(calls(), 1))
		is(0, va, length, stride, level, leaves_only);
}

static void take_down(void)
{
	ml_trace_to(NULL);
	t_eq(ml_table_check(&rig.table, NULL), ML_OK);
	t_ok(rig_close(&rig));
}

/* ---- tables that become empty ------------------------------------------------------ */

TEST(the_last_page_takes_its_tables_with_one_address)
{
	for (unsigned w = 0; w < 3; w++) {
		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(wide[w], ML_FOLD_MAP, false);
		t_eq(ml_map(&rig.table, AT + 5 * PAGE, PAGE, 0, ML_RW, NULL), ML_OK);
		story_begin(&rig);
		t_eq(ml_unmap(&rig.table, AT + 5 * PAGE, PAGE, NULL), ML_OK);
		one(AT + 5 * PAGE, PAGE, 12, NO_HINT, false);
		t_eq(rig.table.stats.tables, 1);
		take_down();
	}
}

TEST(the_last_block_takes_its_tables_with_one_address)
{
	for (unsigned w = 0; w < 3; w++) {
		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(wide[w], ML_FOLD_MAP, false);
		t_eq(ml_map(&rig.table, AT + 2 * M, 2 * M, 2 * M, ML_RW, NULL), ML_OK);
		story_begin(&rig);
		t_eq(ml_unmap(&rig.table, AT + 2 * M, 2 * M, NULL), ML_OK);
		one(AT + 2 * M, 2 * M, 21, NO_HINT, false);
		t_eq(rig.table.stats.tables, 1);
		take_down();
	}
}

/* Two tables at once: the pages between them, not the tables' spans. */
TEST(tables_emptied_together_are_one_range)
{
	for (unsigned w = 0; w < 3; w++) {
		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(wide[w], ML_FOLD_MAP, false);
		t_eq(ml_map(&rig.table, AT + 2 * M - PAGE, 2 * PAGE, 0, ML_RW, NULL), ML_OK);
		story_begin(&rig);
		t_eq(ml_unmap(&rig.table, AT + 2 * M - PAGE, 2 * PAGE, NULL), ML_OK);
		one(AT + 2 * M - PAGE, 2 * PAGE, 12, NO_HINT, false);
		t_eq(rig.table.stats.tables, 1);
		take_down();
	}
}

/* ---- what is changed, and what is only looked at ------------------------------------- */

static void map_pages(void)
{
	t_eq(ml_map(&rig.table, AT, 2 * M, AT + PAGE, ML_RW, NULL), ML_OK);
	if (rig_leaves(&rig, 0) < 512) /* as groups */
		t_eq(ml_split(&rig.table, AT, 2 * M, 0, NULL), ML_OK);
}

TEST(a_page_that_changes_among_many_is_all_that_is_told)
{
	for (unsigned w = 0; w < 3; w++)
		for (unsigned marks = 0; marks < 2; marks++) {
			T_CONTEXT(worlds[wide[w]].name, marks);
			put_up(wide[w], ML_FOLD_MAP, marks);
			map_pages();
			t_eq(ml_protect(&rig.table, AT, 2 * M, ML_WRITE, 0, NULL), ML_OK);
			t_eq(ml_protect(&rig.table, AT + 7 * PAGE, PAGE, ML_WRITE, ML_WRITE, NULL),
			     ML_OK);
			t_eq(ml_protect(&rig.table, AT + 9 * PAGE, PAGE, ML_WRITE, ML_WRITE, NULL),
			     ML_OK);
			story_begin(&rig);
			t_eq(ml_protect(&rig.table, AT, 2 * M, ML_WRITE, 0, NULL), ML_OK);
			one(AT + 7 * PAGE, 3 * PAGE, 12, 0, true);
			take_down();
		}
}

TEST(a_type_that_changes_in_one_page_is_all_that_is_broken)
{
	put_up(WORLD_ARM_LOW, ML_FOLD_MAP, false);
	map_pages();
	t_eq(ml_protect(&rig.table, AT, 2 * M, ML_TYPE_MASK, ML_NC, NULL), ML_OK);
	t_eq(ml_protect(&rig.table, AT + 300 * PAGE, PAGE, ML_TYPE_MASK, ML_WB, NULL), ML_OK);
	story_begin(&rig);
	t_eq(ml_protect(&rig.table, AT, 2 * M, ML_TYPE_MASK, ML_NC, NULL), ML_OK);
	one(AT + 300 * PAGE, PAGE, 12, 0, true);
	take_down();
}

/* Intel SDM 4.8, 4.10.2.2; Arm ARM D8.5.1: nobody holds the lack of the mark. */
TEST(marks_that_come_are_not_told)
{
	for (unsigned w = 0; w < 3; w++)
		for (unsigned marks = 0; marks < 2; marks++) {
			const bool dirty = wide[w] == WORLD_ARM_LOW;

			T_CONTEXT(worlds[wide[w]].name, marks);
			put_up(wide[w], ML_FOLD_MAP, marks);
			map_pages();
			t_eq(ml_protect(&rig.table, AT, 2 * M, ML_PROT_AD, 0, NULL), ML_OK);
			story_begin(&rig);
			t_eq(ml_protect(&rig.table, AT, M, ML_ACCESSED, ML_ACCESSED, NULL), ML_OK);
			t_eq(calls(), 0);
			story_begin(&rig);
			t_eq(ml_protect(&rig.table, AT, M, ML_DIRTY, ML_DIRTY, NULL), ML_OK);
			t_eq(calls(), dirty); /* arm64: what is clean may be held as read-only */
			story_begin(&rig);
			t_eq(ml_protect(&rig.table, AT, M, ML_ACCESSED, 0, NULL), ML_OK);
			one(AT, M, 12, 0, true);
			story_begin(&rig);
			t_eq(ml_protect(&rig.table, AT, PAGE, ML_ACCESSED | ML_WRITE, ML_ACCESSED,
					NULL),
			     ML_OK);
			one(AT, PAGE, 12, 0, true);
			take_down();
		}
}

/* A walker may hold the whole group by the member that was marked. */
TEST(a_group_of_which_one_member_changes_is_told_whole)
{
	const struct ml_table_config wish = { .live = true, .track_ad = true, .hardware_ad = true };
	struct ml_model_result seen;

	t_eq(rig_open(&rig, WORLD_ARM_LOW, &wish), ML_OK);
	t_eq(ml_map(&rig.table, AT, 4 * GROUP, AT, ML_RW, NULL), ML_OK);
	t_ok(rig_touch(&rig, AT + GROUP + 5 * PAGE, true, &seen));
	story_begin(&rig);
	t_eq(ml_protect(&rig.table, AT, 4 * GROUP, ML_PROT_AD, 0, NULL), ML_OK);
	one(AT + GROUP, GROUP, 12, 0, true);
	take_down();
}

/* ---- sizes ------------------------------------------------------------------------- */

TEST(a_block_goes_down_to_pages_in_one_break)
{
	for (unsigned w = 0; w < 3; w++) {
		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(wide[w], ML_FOLD_MAP, false);
		t_eq(ml_map(&rig.table, AT, 2 * M, AT, ML_RW, NULL), ML_OK);
		story_begin(&rig);
		t_eq(ml_split(&rig.table, AT, 2 * M, 0, NULL), ML_OK);
		one(AT, 2 * M, 21, 1, true);
		t_eq(rig_leaves(&rig, 0), 512);
		take_down();
	}
}

TEST(a_block_goes_down_to_groups_in_one_break)
{
	put_up(WORLD_ARM_LOW, ML_FOLD_MAP, false);
	t_eq(ml_map(&rig.table, AT, 2 * M, AT, ML_RW, NULL), ML_OK);
	story_begin(&rig);
	t_eq(ml_split(&rig.table, AT, 2 * M, 1, NULL), ML_OK);
	one(AT, 2 * M, 21, 1, true);
	t_eq(rig_leaves(&rig, 1), 32);
	take_down();
}

/* Calls since story_begin(), each waited for by itself. */
static void waits(unsigned most)
{
	ml_trace_to(NULL);
	t_eq(story_trace.kinds[ML_EVENT_INVALIDATE], most);
	t_eq(story_trace.kinds[ML_EVENT_COMPLETE], most);
}

/* All of a table, or some of it; and what hardware marked is in the pieces. */
TEST(blocks_of_a_table_come_down_in_one_break)
{
	for (unsigned w = 0; w < 3; w++)
		for (unsigned marks = 0; marks < 2; marks++) {
			const struct ml_table_config wish = { .live = true,
							      .rungs = w == 2 ? 5 : 3,
							      .track_ad = true,
							      .hardware_ad = marks };
			struct ml_model_result seen;

			T_CONTEXT(worlds[wide[w]].name, marks);
			t_eq(rig_open(&rig, wide[w], &wish), ML_OK);
			t_eq(ml_map(&rig.table, AT, G, AT, ML_RW, NULL), ML_OK);
			if (marks)
				t_ok(rig_touch(&rig, AT + 4 * M, true, &seen));
			story_begin(&rig);
			t_eq(ml_split(&rig.table, AT + 2 * M, 8 * M, 0, NULL), ML_OK);
			one(AT + 2 * M, 8 * M, 21, 1, true);
			t_eq(rig_leaves(&rig, 0), 4 * 512);
			story_begin(&rig);
			t_eq(ml_split(&rig.table, AT, G, 0, NULL), ML_OK);
			ml_trace_to(NULL);
			t_eq(story_trace.kinds[ML_EVENT_COMPLETE], 1);
			t_eq(rig_leaves(&rig, 0), 512 * 512);
			take_down();
		}
}

/* Its table was filled before that. */
TEST(what_is_marked_right_before_the_break_is_marked_in_all_pieces)
{
	for (unsigned w = 0; w < 3; w++) {
		const struct ml_table_config wish = {
			.live = true, .rungs = w == 2 ? 5 : 3, .track_ad = true, .hardware_ad = true
		};
		const ml_va block = AT + 4 * M;

		T_CONTEXT(worlds[wide[w]].name, w);
		t_eq(rig_open(&rig, wide[w], &wish), ML_OK);
		t_eq(ml_map(&rig.table, AT, 8 * M, AT, ML_RW, NULL), ML_OK);
		strike_begin(&rig, block, 0);
		t_eq(ml_split(&rig.table, AT, 8 * M, 0, NULL), ML_OK);
		t_ok(strike_end());
		for (ml_va va = AT; va < AT + 8 * M; va += PAGE) {
			struct ml_translation found;

			t_eq(ml_translate(&rig.table, va, &found), ML_OK);
			t_eq(ml_translation_prot(&rig.table, &found) & ML_DIRTY,
			     va - block < 2 * M ? ML_DIRTY : 0);
		}
		take_down();
	}
}

TEST(groups_of_a_table_come_apart_in_one_break)
{
	put_up(WORLD_ARM_LOW, ML_FOLD_MAP, false);
	t_eq(ml_map(&rig.table, AT, 2 * M - GROUP, AT, ML_RW, NULL), ML_OK);
	story_begin(&rig);
	t_eq(ml_split(&rig.table, AT + PAGE, 10 * GROUP, 0, NULL), ML_OK);
	one(AT, 11 * GROUP, 12, 0, true);
	t_eq(rig_leaves(&rig, 0), 11 * 16);
	t_eq(rig_leaves(&rig, 1), 20);
	take_down();
	put_up(WORLD_ARM_LOW, ML_FOLD_MAP, false);
	t_eq(ml_map(&rig.table, AT, 128 * M, AT, ML_RW, NULL), ML_OK);
	story_begin(&rig);
	t_eq(ml_split(&rig.table, AT, 128 * M, 0, NULL), ML_OK);
	waits(2); /* the groups of blocks, and the blocks */
	t_eq(rig_leaves(&rig, 0), 64 * 512);
	take_down();
}

TEST(a_table_changes_its_type_in_one_break)
{
	put_up(WORLD_ARM_LOW, ML_FOLD_MAP, false);
	map_pages();
	story_begin(&rig);
	t_eq(ml_protect(&rig.table, AT, 2 * M, ML_TYPE_MASK, ML_NC, NULL), ML_OK);
	one(AT, 2 * M, 12, 0, true);
	take_down();
}

/* The page that completes a block completes a group, too: the table alone is broken. */
TEST(a_block_is_completed_in_one_break)
{
	for (unsigned w = 0; w < 3; w++) {
		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(wide[w], ML_FOLD_BLOCK, false);
		for (unsigned page = 0; page < 511; page++)
			t_eq(ml_map(&rig.table, AT + page * PAGE, PAGE, AT + page * PAGE, ML_RW,
				    NULL),
			     ML_OK);
		story_begin(&rig);
		t_eq(ml_map(&rig.table, AT + 2 * M - PAGE, PAGE, AT + 2 * M - PAGE, ML_RW, NULL),
		     ML_OK);
		one(AT, 2 * M, 12, NO_HINT, false);
		t_eq(rig_bytes(&rig), 2 * M);
		t_eq(rig_leaves(&rig, 0), 0);
		t_eq(rig_leaves(&rig, rig_rung(&rig, 21)), 1);
		take_down();
	}
}

TEST(a_group_is_completed_in_one_break)
{
	put_up(WORLD_ARM_LOW, ML_FOLD_BLOCK, false);
	for (unsigned page = 0; page < 15; page++)
		t_eq(ml_map(&rig.table, AT + page * PAGE, PAGE, AT + page * PAGE, ML_RW, NULL),
		     ML_OK);
	story_begin(&rig);
	t_eq(ml_map(&rig.table, AT + 15 * PAGE, PAGE, AT + 15 * PAGE, ML_RW, NULL), ML_OK);
	one(AT, GROUP, 12, 0, true);
	t_eq(rig_leaves(&rig, 1), 1);
	take_down();
}

/* ---- ends that are cut -------------------------------------------------------------- */

enum what { UNMAP, PROTECT, SPLIT };

/* [va, last) goes, loses a right, or comes down to pages. */
static void do_what(enum what what, ml_va va, ml_va end)
{
	T_CONTEXT("what", what);
	story_begin(&rig);
	if (what == UNMAP)
		t_eq(ml_unmap(&rig.table, va, end - va, NULL), ML_OK);
	else if (what == PROTECT)
		t_eq(ml_protect(&rig.table, va, end - va, ML_WRITE, 0, NULL), ML_OK);
	else
		t_eq(ml_split(&rig.table, va, end - va, 0, NULL), ML_OK);
}

/* The mapping of [AT, AT + size) is there but for what went of [va, end). */
static void is_left(enum what what, uint64_t size, ml_va va, ml_va end)
{
	struct ml_cursor cursor = { AT, AT + size - 1, false };
	struct ml_run run;
	uint64_t bytes = 0;

	t_eq(rig_bytes(&rig), what == UNMAP ? size - (end - va) : size);
	while (ml_run_next(&rig.table, &cursor, &run)) {
		const bool inside = run.va >= va && run.va < end;

		t_eq(run.pa, run.va);
		t_eq(run.prot & ML_WRITE, what == PROTECT && inside ? 0 : ML_WRITE);
		bytes += run.length;
	}
	t_eq(bytes, rig_bytes(&rig));
}

static void put_up_bearing(enum world world, uint8_t bbm)
{
	const struct ml_table_config wish = { .live = true, .bbm = bbm };

	t_eq(rig_open(&rig, world, &wish), ML_OK);
}

/* Two levels down in one break, be it cut once or twice, in one table or in two. */
TEST(a_giant_is_cut_at_a_page_in_one_break)
{
	static const struct {
		uint64_t from, to;
	} parts[] = {
		{ 5 * PAGE, 6 * PAGE },  { 5 * PAGE, G },    { 0, 3 * PAGE },
		{ 3 * M, 3 * M + PAGE }, { PAGE, G - PAGE }, { 2 * M - PAGE, 2 * M + PAGE },
		{ 2 * M, 4 * M + PAGE },
	};

	for (unsigned w = 0; w < 3; w++)
		for (unsigned n = 0; n < sizeof(parts) / sizeof(parts[0]); n++)
			for (enum what what = UNMAP; what <= SPLIT; what++) {
				const ml_va va = AT + parts[n].from, end = AT + parts[n].to;

				T_CONTEXT(worlds[wide[w]].name, n);
				put_up(wide[w], ML_FOLD_MAP, false);
				t_eq(ml_map(&rig.table, AT, G, AT, ML_RW, NULL), ML_OK);
				do_what(what, va, end);
				one(AT, G, 30, 2, true);
				is_left(what, G, va, end);
				take_down();
			}
}

/* Leaves, and groups, at both ends: broken together, waited for once. */
TEST(both_ends_are_cut_in_one_break)
{
	for (unsigned w = 0; w < 3; w++)
		for (enum what what = UNMAP; what <= PROTECT; what++) {
			T_CONTEXT(worlds[wide[w]].name, what);
			put_up(wide[w], ML_FOLD_MAP, false);
			t_eq(ml_map(&rig.table, AT, 8 * M, AT, ML_RW, NULL), ML_OK);
			do_what(what, AT + PAGE, AT + 8 * M - PAGE);
			one(AT, 8 * M, 21, 1, true);
			is_left(what, 8 * M, AT + PAGE, AT + 8 * M - PAGE);
			take_down();
		}
}

TEST(groups_at_both_ends_are_cut_in_one_break)
{
	for (enum what what = UNMAP; what <= PROTECT; what++) {
		put_up(WORLD_ARM_LOW, ML_FOLD_MAP, false);
		t_eq(ml_map(&rig.table, AT, 4 * GROUP, AT, ML_RW, NULL), ML_OK);
		do_what(what, AT + PAGE, AT + 4 * GROUP - PAGE);
		one(AT, 4 * GROUP, 12, 0, true);
		is_left(what, 4 * GROUP, AT + PAGE, AT + 4 * GROUP - PAGE);
		take_down();
	}
}

/* The group, and the member that is cut in it. */
TEST(a_group_of_blocks_is_cut_at_a_page_in_one_break)
{
	for (enum what what = UNMAP; what <= PROTECT; what++) {
		put_up(WORLD_ARM_LOW, ML_FOLD_MAP, false);
		t_eq(ml_map(&rig.table, AT, 32 * M, AT, ML_RW, NULL), ML_OK);
		do_what(what, AT + 2 * M - PAGE, AT + 10 * M + PAGE);
		one(AT, 32 * M, 21, 1, true);
		is_left(what, 32 * M, AT + 2 * M - PAGE, AT + 10 * M + PAGE);
		take_down();
	}
}

/* Walkers that bear both sizes are told once; those that want it announced, before and behind. */
TEST(who_bears_both_sizes_is_told_once)
{
	for (unsigned bbm = 1; bbm <= 2; bbm++) {
		T_CONTEXT("bbm", bbm);
		put_up_bearing(WORLD_ARM_LOW, (uint8_t)bbm);
		t_eq(ml_map(&rig.table, AT, G, AT, ML_RW, NULL), ML_OK);
		do_what(UNMAP, AT + PAGE, AT + G - PAGE);
		ml_trace_to(NULL);
		t_eq(story_trace.kinds[ML_EVENT_INVALIDATE], 3 - bbm);
		t_eq(story_trace.kinds[ML_EVENT_COMPLETE], 3 - bbm);
		is(0, AT, G, 30, 2, true);
		is_left(UNMAP, G, AT + PAGE, AT + G - PAGE);
		take_down();
		put_up_bearing(WORLD_ARM_LOW, (uint8_t)bbm);
		t_eq(ml_map(&rig.table, AT, 3 * G, AT, ML_RW, NULL), ML_OK);
		do_what(UNMAP, AT + PAGE, AT + 3 * G - PAGE);
		ml_trace_to(NULL);
		t_eq(story_trace.kinds[ML_EVENT_COMPLETE], 3 - bbm);
		is_left(UNMAP, 3 * G, AT + PAGE, AT + 3 * G - PAGE);
		take_down();
	}
}

/* ---- several ranges ------------------------------------------------------------------ */

/* Pages at these numbers from AT on, each protected from writing by one call over all of them. */
static void protect_pages(const unsigned *pages, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		t_eq(ml_map(&rig.table, AT + pages[i] * PAGE, PAGE, AT, ML_RW, NULL), ML_OK);
	story_begin(&rig);
	t_eq(ml_protect(&rig.table, AT, 2 * G, ML_WRITE, 0, NULL), ML_OK);
}

/* 1 of the block and 1 of the page, not 513 of pages. */
TEST(each_size_goes_in_steps_of_its_own)
{
	for (unsigned w = 0; w < 3; w++) {
		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(wide[w], ML_FOLD_MAP, false);
		t_eq(ml_map(&rig.table, AT, 2 * M, AT, ML_RW, NULL), ML_OK);
		t_eq(ml_map(&rig.table, AT + 2 * M, PAGE, AT, ML_RW, NULL), ML_OK);
		t_eq(ml_map(&rig.table, AT + 4 * M, PAGE, AT, ML_RW, NULL), ML_OK);
		story_begin(&rig);
		t_eq(ml_protect(&rig.table, AT, 6 * M, ML_WRITE, 0, NULL), ML_OK);
		t_eq(calls(), 3);
		is(0, AT, 2 * M, 21, 1, true);
		is(1, AT + 2 * M, PAGE, 12, 0, true);
		is(2, AT + 4 * M, PAGE, 12, 0, true);
		story_begin(&rig);
		t_eq(ml_unmap(&rig.table, AT, 2 * M + PAGE, NULL), ML_OK);
		t_eq(calls(), 2);
		is(0, AT, 2 * M, 21, 1, true);
		is(1, AT + 2 * M, PAGE, 12, NO_HINT, false);
		take_down();
	}
}

/* The link that went is of the page; the block keeps its hint. */
TEST(a_table_that_went_is_no_matter_of_other_leaves)
{
	for (unsigned w = 0; w < 3; w++) {
		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(wide[w], ML_FOLD_MAP, false);
		t_eq(ml_map(&rig.table, AT, 4 * M, AT, ML_RW, NULL), ML_OK);
		t_eq(ml_map(&rig.table, AT + 8 * M, PAGE, AT, ML_RW, NULL), ML_OK);
		story_begin(&rig);
		t_eq(ml_unmap(&rig.table, AT + 2 * M, 8 * M, NULL), ML_OK);
		t_eq(calls(), 2);
		is(0, AT + 8 * M, 2 * M, 12, NO_HINT, false);
		is(1, AT + 2 * M, 2 * M, 21, 1, true);
		take_down();
	}
}

TEST(what_is_far_apart_is_no_range)
{
	static const unsigned two[] = { 5, 5 + 512 * 512 };

	for (unsigned w = 0; w < 3; w++) {
		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(wide[w], ML_FOLD_MAP, false);
		protect_pages(two, 2);
		t_eq(calls(), 2);
		is(0, AT + two[0] * PAGE, PAGE, 12, 0, true);
		is(1, AT + two[1] * PAGE, PAGE, 12, 0, true);
		take_down();
	}
}

/* Half the entries of a table, and a hole of fewer than a call costs: one range. */
TEST(what_is_near_is_one_range)
{
	static const unsigned near[] = { 500, 530 };

	for (unsigned w = 0; w < 3; w++) {
		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(wide[w], ML_FOLD_MAP, false);
		protect_pages(near, 2);
		one(AT + 500 * PAGE, 31 * PAGE, 12, 0, true);
		take_down();
	}
}

/* Of one table, too. */
TEST(a_hole_in_a_table_is_not_told)
{
	static const unsigned two[] = { 5, 400 };

	for (unsigned w = 0; w < 3; w++) {
		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(wide[w], ML_FOLD_MAP, false);
		protect_pages(two, 2);
		t_eq(calls(), 2);
		is(0, AT + 5 * PAGE, PAGE, 12, 0, true);
		is(1, AT + 400 * PAGE, PAGE, 12, 0, true);
		t_eq(ml_map(&rig.table, AT + 511 * PAGE, PAGE, AT, ML_RW, NULL), ML_OK);
		story_begin(&rig);
		t_eq(ml_unmap(&rig.table, AT, 511 * PAGE, NULL), ML_OK);
		t_eq(calls(), 2);
		is(0, AT + 5 * PAGE, PAGE, 12, 0, true);
		is(1, AT + 400 * PAGE, PAGE, 12, 0, true);
		take_down();
	}
}

/* No more than four ranges: those between which least lies are one. */
TEST(the_nearest_of_many_are_joined)
{
	static const unsigned many[] = { 0, 2000, 2200, 9000, 30000, 30400 };

	for (unsigned w = 0; w < 3; w++) {
		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(wide[w], ML_FOLD_MAP, false);
		protect_pages(many, 6);
		t_eq(calls(), 4);
		is(0, AT, PAGE, 12, 0, true);
		is(1, AT + 2000 * PAGE, 201 * PAGE, 12, 0, true);
		is(2, AT + 9000 * PAGE, PAGE, 12, 0, true);
		is(3, AT + 30000 * PAGE, 401 * PAGE, 12, 0, true);
		take_down();
	}
}

TEST(joined_sizes_go_in_steps_of_the_smallest_and_without_a_hint)
{
	static const unsigned many[] = { 512, 512 * 512, 512 * 1024, 512 * 1500 };

	for (unsigned w = 0; w < 3; w++) {
		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(wide[w], ML_FOLD_MAP, false);
		t_eq(ml_map(&rig.table, AT, 2 * M, AT, ML_RW, NULL), ML_OK);
		for (unsigned i = 0; i < 4; i++)
			t_eq(ml_map(&rig.table, AT + many[i] * PAGE, PAGE, AT, ML_RW, NULL), ML_OK);
		story_begin(&rig);
		t_eq(ml_protect(&rig.table, AT, 4 * G, ML_WRITE, 0, NULL), ML_OK);
		t_eq(calls(), 4);
		is(0, AT, 2 * M + PAGE, 12, NO_HINT, true);
		for (unsigned i = 1; i < 4; i++)
			is(i, AT + many[i] * PAGE, PAGE, 12, 0, true);
		take_down();
	}
}

/* ---- walkers that hold what is not valid ------------------------------------------ */

static struct ml_format holding;

static void put_up_holding(enum world world, uint8_t fold)
{
	struct ml_table_config config = { .live = true, .fold = fold, .ops = &ml_table_ops_any };

	holding = *worlds[world].format;
	holding.caches_invalid = true;
	rig.facts = &worlds[world];
	rig.arena = rig_arena(world);
	config.platform = &rig.arena->platform;
	config.cookie = rig.arena;
	config.base = ml_arena_base(rig.arena);
	config.levels = rig.facts->levels;
	config.high = rig.facts->high;
	t_eq(ml_table_init(&rig.table, &holding, &config), ML_OK);
	rig_model(&rig);
}

static void map_and_look(ml_va va, uint64_t len)
{
	story_begin(&rig);
	t_eq(ml_map(&rig.table, va, len, va, ML_RW, NULL), ML_OK);
}

TEST(what_becomes_valid_is_told_to_walkers_that_hold_that_it_is_not)
{
	for (unsigned w = 0; w < 3; w++) {
		T_CONTEXT(worlds[wide[w]].name, w);
		put_up_holding(wide[w], ML_FOLD_MAP);
		map_and_look(AT, PAGE); /* and the tables */
		one(AT, PAGE, 12, NO_HINT, false);
		map_and_look(AT + PAGE, 3 * PAGE);
		one(AT + PAGE, 3 * PAGE, 12, 0, true);
		map_and_look(AT + 2 * M, 4 * M);
		one(AT + 2 * M, 4 * M, 21, 1, true);
		story_begin(&rig);
		t_eq(ml_protect(&rig.table, AT, PAGE, ML_WRITE, 0, NULL), ML_OK);
		one(AT, PAGE, 12, 0, true);
		story_begin(&rig);
		t_eq(ml_unmap(&rig.table, AT, PAGE, NULL), ML_OK);
		one(AT, PAGE, 12, 0, true);
		ml_table_set_live(&rig.table, false);
		map_and_look(AT, PAGE);
		t_eq(calls(), 0);
		take_down();
	}
}

/* Broken for a moment is not valid, either: once for the break, once for the make. */
TEST(what_is_made_again_is_told_to_them_too)
{
	static const ml_va last = AT + 15 * PAGE;

	put_up_holding(WORLD_ARM_LOW, ML_FOLD_COMPLETE);
	map_and_look(AT, 15 * PAGE);
	map_and_look(last, PAGE);
	ml_trace_to(NULL);
	t_eq(story_trace.kinds[ML_EVENT_INVALIDATE], 2);
	t_eq(story_trace.kinds[ML_EVENT_COMPLETE], 2);
	is(0, AT, GROUP, 12, 0, true);
	is(1, AT, GROUP, 12, 0, true);
	take_down();
}

TEST(entries_that_are_set_are_told_to_them_too)
{
	ml_pte *p, pte;

	put_up_holding(WORLD_ARM_LOW, ML_FOLD_COMPLETE);
	story_begin(&rig);
	t_eq(ml_pte_ensure(&rig.table, AT, PAGE, 0, NULL), ML_OK);
	one(AT, PAGE, 12, NO_HINT, false);
	p = ml_pte_pointer(&rig.table, AT, 0);
	t_eq(ml_pte_make(&rig.table, AT, ML_RW, 0, &pte), ML_OK);
	story_begin(&rig);
	ml_set_ptes(&rig.table, AT, p, 0, pte, 32);
	one(AT, 32 * PAGE, 12, 0, true);
	story_begin(&rig);
	ml_set_pte_at(&rig.table, AT + 40 * PAGE, p + 40, 0, pte);
	one(AT + 40 * PAGE, PAGE, 12, 0, true);
	story_begin(&rig);
	ml_set_pte_at(&rig.table, AT + 40 * PAGE, p + 40, 0, pte); /* it was valid */
	t_eq(calls(), 0);
	take_down();
}

/* ---- nothing to say ---------------------------------------------------------------- */

TEST(what_changes_nothing_and_what_was_not_there_is_not_told)
{
	for (unsigned w = 0; w < 3; w++) {
		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(wide[w], ML_FOLD_MAP, false);
		story_begin(&rig);
		t_eq(ml_map(&rig.table, AT, 4 * M + PAGE, AT, ML_RW, NULL), ML_OK);
		t_eq(ml_protect(&rig.table, AT, 4 * M + PAGE, ML_WRITE, ML_WRITE, NULL), ML_OK);
		t_eq(ml_unmap(&rig.table, AT + 8 * M, M, NULL), ML_OK);
		t_eq(calls(), 0);
		take_down();
	}
}
