/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Everything that one call takes out of a live table waits for one completion: runs of leaves that
 * a sink hears of, subtrees, and tables that became empty, however many there are.
 */
#include <maxleaf/pte.h>

#include "support/story.h"
#include "t.h"

#define M ((uint64_t)1 << 20)
#define G ((uint64_t)1 << 30)
#define AT (4 * G)
#define PAGE ((uint64_t)4096)

static const enum world wide[] = { WORLD_X86_4, WORLD_X86_5, WORLD_ARM_LOW };

static struct rig rig;

static void put_up(enum world world)
{
	const struct ml_table_config wish = { .live = true };

	t_eq(rig_open(&rig, world, &wish), ML_OK);
}

static void take_down(void)
{
	ml_trace_to(NULL);
	t_eq(ml_table_check(&rig.table, NULL), ML_OK);
	t_ok(rig_close(&rig));
}

static void count_run(void *cookie, const struct ml_run *run)
{
	*(unsigned *)cookie += run->length == PAGE;
}

/* How often is waited when so many pages go, none of which is a run with another. */
static uint64_t waits_for(unsigned pages)
{
	unsigned runs = 0;
	struct ml_op op = { .sink = count_run, .sink_cookie = &runs };

	for (unsigned i = 0; i <= pages; i++)
		t_eq(ml_map(&rig.table, AT + i * PAGE, PAGE, AT + 2 * i * PAGE, ML_RW, NULL),
		     ML_OK);
	story_begin(&rig);
	t_eq(ml_unmap(&rig.table, AT, pages * PAGE, &op), ML_OK);
	ml_trace_to(NULL);
	t_eq(runs, pages);
	t_eq(ml_unmap(&rig.table, AT + pages * PAGE, PAGE, NULL), ML_OK);
	return story_trace.kinds[ML_EVENT_COMPLETE];
}

TEST(all_runs_wait_together)
{
	static const unsigned counts[] = { 1, 14, 15, 16, 17, 100, 511, 512, 513, 1300 };

	for (unsigned w = 0; w < 3; w++)
		for (unsigned n = 0; n < sizeof(counts) / sizeof(counts[0]); n++) {
			T_CONTEXT(worlds[wide[w]].name, counts[n]);
			put_up(wide[w]);
			t_eq(waits_for(counts[n]), 1);
			take_down();
		}
}

#define TABLES 100

/* The n-th of many tables, and a page in it. */
static ml_va in_table(unsigned n)
{
	return AT + 2 * M * (n + 1) + n * 4 * PAGE;
}

static void map_tables(enum world world)
{
	put_up(world);
	for (unsigned n = 0; n < TABLES; n++)
		t_eq(ml_map(&rig.table, in_table(n), PAGE, AT + n * PAGE, ML_RW, NULL), ML_OK);
}

/* Everything was waited for once, and so many tables are left. */
static void waited_once(uint64_t tables)
{
	ml_trace_to(NULL);
	t_eq(story_trace.kinds[ML_EVENT_COMPLETE], 1);
	t_eq(rig.table.stats.tables, tables);
	take_down();
}

TEST(all_tables_wait_together)
{
	for (unsigned w = 0; w < 3; w++)
		for (unsigned told = 0; told < 2; told++)
			for (unsigned left = 0; left < 2; left++) {
				unsigned runs = 0;
				struct ml_op op = { .sink = count_run, .sink_cookie = &runs };
				const uint64_t len = 2 * M * (TABLES - left);

				T_CONTEXT(worlds[wide[w]].name, told);
				map_tables(wide[w]);
				story_begin(&rig);
				t_eq(ml_unmap(&rig.table, AT + 2 * M, len, told ? &op : NULL),
				     ML_OK);
				t_eq(runs, told ? TABLES - left : 0);
				waited_once(left ? worlds[wide[w]].levels : 1);
			}
}

TEST(all_of_a_live_table_waits_together)
{
	for (unsigned w = 0; w < 3; w++) {
		unsigned runs = 0;
		struct ml_op op = { .sink = count_run, .sink_cookie = &runs };
		const uint64_t slot = 512 * G;
		const ml_va start = wide[w] == WORLD_ARM_LOW ? 0 : 0 - 128 * slot;

		T_CONTEXT(worlds[wide[w]].name, w);
		put_up(wide[w]);
		for (unsigned n = 0; n < 128; n++) {
			t_eq(ml_map(&rig.table, n * slot, PAGE, AT, ML_RW, NULL), ML_OK);
			t_eq(ml_map(&rig.table, start + n * slot + G, PAGE, AT, ML_RW, NULL),
			     ML_OK);
		}
		story_begin(&rig);
		ml_table_fini(&rig.table, &op);
		ml_trace_to(NULL);
		t_eq(story_trace.kinds[ML_EVENT_COMPLETE], 1);
		t_eq(runs, 256);
		t_eq(rig.arena->in_use, 0);
	}
}

TEST(all_that_is_trimmed_waits_together)
{
	for (unsigned w = 0; w < 3; w++) {
		T_CONTEXT(worlds[wide[w]].name, w);
		map_tables(wide[w]);
		for (unsigned n = 0; n < TABLES; n++)
			ml_pte_clear(&rig.table, in_table(n),
				     ml_pte_pointer(&rig.table, in_table(n), 0), 0);
		story_begin(&rig);
		t_eq(ml_table_trim(&rig.table, AT, G, NULL), ML_OK);
		waited_once(worlds[wide[w]].levels - 2);
	}
}

/* Other entries among them are none that wait, whatever they look like. */
TEST(what_others_left_is_not_taken_for_what_waits)
{
	for (unsigned w = 0; w < 3; w++) {
		static const ml_pte like = (ml_pte)7 << 60;
		ml_pte *other;

		T_CONTEXT(worlds[wide[w]].name, w);
		map_tables(wide[w]);
		other = ml_pte_pointer(&rig.table, AT, 1);
		*other = like;
		for (unsigned n = 0; n < TABLES; n++) {
			ml_pte_clear(&rig.table, in_table(n),
				     ml_pte_pointer(&rig.table, in_table(n), 0), 0);
			if (n == TABLES / 2)
				*ml_pte_pointer(&rig.table, in_table(n), 0) = like;
		}
		story_begin(&rig);
		t_eq(ml_table_trim(&rig.table, AT, G, NULL), ML_OK);
		ml_trace_to(NULL);
		t_eq(*other, like);
		t_eq(*ml_pte_pointer(&rig.table, in_table(TABLES / 2), 0), like);
		waited_once(worlds[wide[w]].levels);
	}
}

TEST(all_that_a_move_empties_waits_together)
{
	for (unsigned w = 0; w < 3; w++) {
		T_CONTEXT(worlds[wide[w]].name, w);
		map_tables(wide[w]);
		story_begin(&rig);
		t_eq(ml_move(&rig.table, AT, AT + 8 * G + PAGE, G, NULL), ML_OK);
		t_eq(rig_bytes(&rig), TABLES * PAGE);
		waited_once(worlds[wide[w]].levels - 1 + TABLES);
	}
}

TEST(all_that_is_replaced_waits_together)
{
	for (unsigned w = 0; w < 3; w++) {
		unsigned runs = 0;
		struct ml_op op = { .sink = count_run,
				    .sink_cookie = &runs,
				    .flags = ML_OP_REPLACE };

		T_CONTEXT(worlds[wide[w]].name, w);
		map_tables(wide[w]);
		story_begin(&rig);
		t_eq(ml_map(&rig.table, AT + 2 * M, 2 * M * TABLES, AT, ML_RW, &op), ML_OK);
		t_eq(runs, TABLES);
		waited_once(worlds[wide[w]].levels - 1);
	}
}

/* Runs at both ends of what goes, whole tables between them, all among what stays. */
TEST(runs_and_tables_wait_together)
{
	for (unsigned w = 0; w < 3; w++)
		for (unsigned left = 0; left < 4; left++) {
			unsigned runs = 0;
			struct ml_op op = { .sink = count_run, .sink_cookie = &runs };
			const ml_va va = AT + M, end = AT + 2 * M * (TABLES + 1) - PAGE;

			T_CONTEXT(worlds[wide[w]].name, left);
			map_tables(wide[w]);
			for (unsigned n = 0; n < 100; n++) {
				t_eq(ml_map(&rig.table, va + n * 2 * PAGE, PAGE, AT, ML_RW, NULL),
				     ML_OK);
				t_eq(ml_map(&rig.table, end - (n + 1) * 2 * PAGE, PAGE, AT, ML_RW,
					    NULL),
				     ML_OK);
			}
			if (left & 1)
				t_eq(ml_map(&rig.table, va - PAGE, PAGE, AT, ML_RW, NULL), ML_OK);
			if (left & 2)
				t_eq(ml_map(&rig.table, end, PAGE, AT, ML_RW, NULL), ML_OK);
			story_begin(&rig);
			t_eq(ml_unmap(&rig.table, va, end - va, &op), ML_OK);
			waited_once(left ? worlds[wide[w]].levels + (left == 3) : 1);
			t_eq(runs, TABLES + 200);
		}
}
