/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Lock-free readers beside one writer, in every order that makes a difference (support/passing.h):
 * ml_translate, ml_walk and ml_run_next, and ml_ptep_get_lockless. All cases of a set are explored,
 * in `make stress` of the larger one:
 *
 *	at first   each of passing_starts, in the first 8 pages
 *	a table    not live, or live with BBM 0, 1, 2; ML_FOLD_COMPLETE or ML_FOLD_MAP; tracking
 *	           accessed and dirty or not
 *	a writer   each call of table.h that changes a range, on each range of the 8 pages; each
 *	           call of pte.h, on each range inside one table
 *	a reader   of each page; ml_run_next from each page to the 8th
 *
 * There is no bound on how often readers and writers pass each other, but that a reader of runs
 * goes through what lies behind its first pages in one step, and one that found an entry contended
 * through its other tries.
 *
 * The smaller set has tables that fold and do not track, and readers of what lies around one
 * boundary of tables: pages 2 to 5; short runs (mutants, sanitizers) those at BBM 0 alone.
 */
#include <maxleaf/table.h>

#include "support/passing.h"
#include "support/source.h"
#include "t.h"

#define SPACE 8 /* pages where things happen: two root entries, two groups in each */

/* Which of the cases are explored. */
static struct {
	unsigned first_way, ways; /* 4: all BBMs; 8: and tracking; 16: and no folding */
	uint8_t first, end;       /* pages read */
} scope;

static void set_scope(void)
{
	const uint64_t amount = source_amount(600000);

	scope.first_way = amount < 100000 ? 1 : 0;
	scope.ways = amount >= 10000000 ? 16 : amount < 100000 ? 2 : 4;
	scope.first = amount >= 10000000 ? 0 : 2;
	scope.end = amount >= 10000000 ? SPACE : 6;
}

typedef bool calls_of(unsigned number, uint8_t first, uint8_t pages, struct passing_call *c);

/* The writer that is set, and readers of this kind. */
static bool read_each(enum passing_kind reader, uint8_t level)
{
	for (uint8_t page = scope.first; page < scope.end; page++) {
		passing_tasks[1] = (struct passing_call){ (uint8_t)reader, page, 1, level };
		if (reader == PASS_RUNS)
			passing_tasks[1].pages = SPACE - page;
		if (level && page % 4)
			continue;
		if (!passing_explore(2))
			return false;
	}
	return true;
}

static bool read_beside(calls_of *calls, enum passing_kind reader, uint8_t level)
{
	for (uint8_t first = 0; first < SPACE; first++)
		for (uint8_t pages = 1; first + pages <= SPACE; pages++)
			for (unsigned i = 0; calls(i, first, pages, &passing_tasks[0]); i++)
				if (!read_each(reader, level))
					return false;
	return true;
}

static void read_beside_all(calls_of *calls, enum passing_kind reader, uint8_t level)
{
	set_scope();
	for (unsigned i = 0; i < PASSING_STARTS; i++)
		for (unsigned way = scope.first_way; way < scope.ways; way++) {
			struct passing_setup setup = passing_starts[i];

			passing_make_live(&setup, way & 3);
			setup.track_ad = way & 4;
			setup.fold = way & 8 ? ML_FOLD_MAP : ML_FOLD_COMPLETE;
			passing_set_up(&setup);
			T_REQUIRE(read_beside(calls, reader, level));
		}
}

TEST(a_translation_was_so_once)
{
	read_beside_all(passing_change, PASS_TRANSLATE, 0);
	read_beside_all(passing_edit, PASS_TRANSLATE, 0);
	passing_tell("ml_translate");
}

TEST(a_walk_saw_what_was_there)
{
	read_beside_all(passing_change, PASS_WALK, 0);
	read_beside_all(passing_edit, PASS_WALK, 0);
	passing_tell("ml_walk");
}

TEST(every_page_of_a_run_was_so_once)
{
	read_beside_all(passing_change, PASS_RUNS, 0);
	read_beside_all(passing_edit, PASS_RUNS, 0);
	passing_tell("ml_run_next");
}

/* Never a mixture, and never empty what is broken for a moment (facts 4.8). */
TEST(a_lockless_entry_was_so_once_or_is_contended)
{
	for (uint8_t level = 0; level < 2; level++) {
		read_beside_all(passing_change, PASS_LOCKLESS, level);
		read_beside_all(passing_edit, PASS_LOCKLESS, level);
	}
	passing_tell("ml_ptep_get_lockless");
}
