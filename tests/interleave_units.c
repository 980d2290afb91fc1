/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Writers of one table in units of their own (ml_table_config.lock_unit), two at once, and a reader
 * beside them, in every order that makes a difference (support/passing.h). All cases of a set are
 * explored, in `make stress` of the larger one:
 *
 *	at first   each of passing_starts; a unit of 1, 2, 4 or 8 pages
 *	a table    not live, or live with BBM 0, 1, 2; ML_FOLD_COMPLETE or ML_FOLD_MAP
 *	writers    each two calls of table.h that change a range, and of pte.h, on each two ranges
 *	           of the first 8 pages (16 where a unit has 8) that meet no unit together
 *	a reader   ml_translate of one page, which goes round
 *
 * There is no bound on how often they pass each other. The smaller set has tables that are live at
 * BBM 0 and fold, units of up to 4 pages, and ranges no longer than a unit; of that, short runs
 * (mutants, sanitizers) take every fifth start and units of a page.
 */
#include <inttypes.h>
#include <stdio.h>

#include <maxleaf/table.h>

#include "support/passing.h"
#include "support/source.h"
#include "t.h"

#define SPACE 8 /* pages where things happen: two root entries, one group */
#define PAGE PASSING_PAGE

/* Which of the cases are explored. */
static struct {
	unsigned starts;          /* every so many */
	unsigned first_way, ways; /* 1 to 2: BBM 0; 0 to 4: all; to 8: and no folding */
	unsigned longest;         /* range, in pages */
	uint8_t space;            /* pages where ranges lie */
	unsigned unit;            /* pages of one */
	bool reader, watched, one_waits;
	uint64_t drawn;
} scope;

static bool is_long(void)
{
	return source_amount(600000) >= 10000000;
}

static bool is_short(void)
{
	return source_amount(600000) < 100000;
}

static void set_scope(unsigned unit, bool reader)
{
	const bool all = is_long();

	scope.starts = is_short() ? 5 : 1;
	scope.first_way = all ? 0 : 1;
	scope.ways = all ? 8 : 2;
	scope.longest = all ? PASSING_PAGES : unit;
	scope.unit = unit;
	scope.space = unit == 8 ? PASSING_PAGES : SPACE;
	scope.reader = reader;
}

/* Whether two ranges meet no unit together. */
static bool are_apart(const struct passing_call *a, const struct passing_call *b)
{
	return (a->first + a->pages - 1u) / scope.unit < b->first / scope.unit;
}

/* The n-th call on a range: of table.h, then of pte.h. */
static bool call_at(unsigned n, uint8_t first, uint8_t pages, struct passing_call *c)
{
	static unsigned changes;
	struct passing_call any;

	while (passing_change(changes, 0, 1, &any))
		changes++;
	return n < changes ? passing_change(n, first, pages, c)
			   : passing_edit(n - changes, first, pages, c);
}

/* The second of two writers, in every range behind the first's. */
static bool write_beside(void)
{
	struct passing_call *const second = &passing_tasks[1];

	for (uint8_t first = passing_tasks[0].first; first < scope.space; first++)
		for (uint8_t pages = 1; first + pages <= scope.space && pages <= scope.longest;
		     pages++)
			for (unsigned n = 0; call_at(n, first, pages, second); n++) {
				if (!are_apart(&passing_tasks[0], second))
					continue;
				passing_tasks[2] = (struct passing_call){
					PASS_TRANSLATE, (uint8_t)(scope.drawn++ % scope.space), 1, 0
				};
				if (!passing_explore(scope.reader ? 3 : 2))
					return false;
			}
	return true;
}

static bool write_from(void)
{
	for (uint8_t first = 0; first < scope.space; first++)
		for (uint8_t pages = 1; first + pages <= scope.space && pages <= scope.longest;
		     pages++)
			for (unsigned n = 0; call_at(n, first, pages, &passing_tasks[0]); n++)
				if (!write_beside())
					return false;
	return true;
}

static void write_in_units(unsigned unit, bool reader)
{
	set_scope(unit, reader);
	for (unsigned i = 0; i < PASSING_STARTS; i += scope.starts)
		for (unsigned way = scope.first_way; way < scope.ways; way++) {
			struct passing_setup setup = passing_starts[i];

			setup.unit = unit * PAGE;
			setup.watched = scope.watched && way & 3;
			setup.one_waits = scope.one_waits;
			passing_make_live(&setup, way & 3);
			setup.fold = way & 4 ? ML_FOLD_MAP : ML_FOLD_COMPLETE;
			passing_set_up(&setup);
			T_REQUIRE(write_from());
		}
}

TEST(writers_leave_what_one_after_the_other_would)
{
	write_in_units(1, false);
	passing_tell("units of a page");
	if (is_short())
		return;
	write_in_units(2, false);
	passing_tell("units of 2 pages");
	write_in_units(4, false);
	passing_tell("units of 4 pages");
	if (is_long()) {
		write_in_units(8, false);
		passing_tell("units of 8 pages");
	}
}

/* In the smaller set, beside writers of one page each. */
TEST(a_reader_beside_two_writers)
{
	write_in_units(1, true);
	if (is_long()) {
		write_in_units(2, true);
		write_in_units(4, true);
	}
	passing_tell("a reader beside them");
}

/*
 * The same under the adversarial TLB, each writer on a CPU of its own: what it promises, and what
 * may be held, while the other goes on.
 */
TEST(writers_in_units_rely_on_no_luck)
{
	scope.watched = true;
	write_in_units(1, false);
	if (is_long())
		write_in_units(2, false);
	write_in_units(4, false);
	t_eq(passing_sum.found, 0);
	passing_tell("under the adversarial TLB");
	scope.watched = false;
}

/* One CPU's completion is no other's: where one alone waits, it is found. */
TEST(writers_that_wait_for_each_other_are_found)
{
	scope.watched = scope.one_waits = true;
	write_in_units(1, false);
	t_ok(passing_sum.found > 0);
	printf("# found in %" PRIu64 " orders\n", passing_sum.found);
	passing_tell("one waits for both");
	scope.watched = scope.one_waits = false;
}
