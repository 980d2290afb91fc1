/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * move1g and move4k: a gigabyte moved in a live table, 512 leaves of 2M or 512 tables of 4K pages,
 * entry by entry into a table that is there. The limit does the same to the library's own entries.
 */
#include "work.h"

#define MOVED_VA (BENCH_VA + 4 * GIB)

/* Everything at its place, and an empty table where it goes. */
static void restore(struct bench *bench)
{
	const uint64_t range = bench->work->range;
	struct ml_translation found;

	if (ml_translate(&bench->table, BENCH_VA, &found) != 0)
		bench->error |= ml_move(&bench->table, MOVED_VA, BENCH_VA, range, NULL);
	bench->error |= ml_pte_ensure(&bench->table, MOVED_VA, range, 1, NULL);
}

static void move_run(struct bench *bench)
{
	bench->error |=
		bench->api->move(&bench->table, BENCH_VA, MOVED_VA, bench->work->range, NULL);
}

static void limit_move_run(struct bench *bench)
{
	ml_pte *to = ml_pte_pointer(&bench->table, MOVED_VA, 1);
	ml_pte *from = ml_pte_pointer(&bench->table, BENCH_VA, 1);

	if (!limit_move(to, from, bench->work->leaf_shift < 21))
		bench->error = ML_ERR_EXISTS;
	limit_flush(&bench->limit, BENCH_VA, bench->work->range);
}

/* All is there, as it was, and nothing is left where it was. */
bool move_check(struct bench *bench)
{
	struct ml_cursor cursor = { .last = UINT64_MAX };
	uint64_t bytes = 0;
	struct ml_run run;

	while (ml_run_next(&bench->table, &cursor, &run)) {
		if (run.va - MOVED_VA >= bench->work->range ||
		    run.pa != work_pa(bench->work, run.va - MOVED_VA + BENCH_VA) ||
		    bench->format->rungs[run.rung].shift != bench->work->leaf_shift)
			return false;
		bytes += run.length;
	}
	return bytes == bench->work->range;
}

const struct bench_side move_library = { .before = restore, .run = move_run };
const struct bench_side move_limit = { .before = restore, .run = limit_move_run };
