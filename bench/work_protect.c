/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Clearing dirty on every page of a range in one call: c4k with plain stores, c4kl on a
 * live table whose walkers set dirty, one atomic operation each. The limit flips one bit
 * of the same entries of the library's tables.
 */
#include "work.h"

static void dirty(struct bench *bench)
{
	bench->error |=
		ml_protect(&bench->table, BENCH_VA, bench->work->range, ML_DIRTY, ML_DIRTY, NULL);
}

static void protect_run(struct bench *bench)
{
	bench->error |=
		bench->api->protect(&bench->table, BENCH_VA, bench->work->range, ML_DIRTY, 0, NULL);
}

static void limit_protect_run(struct bench *bench)
{
	limit_protect_call *const volatile *protect = &bench->work->limit_protect;

	bench->error |= (*protect)(&bench->view, BENCH_VA, bench->work->range, ML_DIRTY, 0, NULL);
}

static void limit_restore(struct bench *bench)
{
	bench->error |= bench->work->limit_protect(&bench->view, BENCH_VA, bench->work->range,
						   ML_DIRTY, ML_DIRTY, NULL);
}

/* Every page is still there and writable, and none is dirty. */
bool protect_check(struct bench *bench)
{
	struct ml_cursor cursor = { .va = BENCH_VA, .last = BENCH_VA + bench->work->range - 1 };
	uint64_t bytes = 0;
	struct ml_run run;

	while (ml_run_next(&bench->table, &cursor, &run)) {
		if ((run.prot & (ML_WRITE | ML_DIRTY)) != ML_WRITE)
			return false;
		bytes += run.length;
	}
	return bytes == bench->work->range;
}

/* The bit is gone from the first and the last page. */
bool protect_limit_check(struct bench *bench)
{
	struct ml_translation first, last;
	const ml_va end = BENCH_VA + bench->work->range;

	return bench->limit_translate(&bench->table, BENCH_VA, &first) == 0 &&
	       bench->limit_translate(&bench->table, end - PAGE, &last) == 0 &&
	       !((first.pte | last.pte) & bench->view.edit_mask);
}

const struct bench_side protect_library = { .before = dirty, .run = protect_run };
const struct bench_side protect_limit = { .run = limit_protect_run, .after = limit_restore };
