/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * fork1g: a gigabyte of 2M leaves of a live table copied to a second one, and write-protected in
 * both. The table that the copies go to is there, so nothing is allocated. The limit does the same
 * to the library's own entries.
 */
#include "work.h"

void fork_setup(struct bench *bench)
{
	work_single_init(bench);
	work_map_all(bench);
}

/* The parent writable again, the child empty, with the table that the leaves go to. */
static void restore(struct bench *bench)
{
	const uint64_t range = bench->work->range;

	bench->error |= ml_unmap(&bench->single, BENCH_VA, range, NULL);
	bench->error |= ml_pte_ensure(&bench->single, BENCH_VA, range, 1, NULL);
	bench->error |= ml_protect(&bench->table, BENCH_VA, range, ML_WRITE, ML_WRITE, NULL);
}

static void fork_run(struct bench *bench)
{
	bench->error |= bench->api->copy(&bench->single, &bench->table, BENCH_VA,
					 bench->work->range, ML_WRITE, ML_WRITE, NULL);
}

static void limit_fork_run(struct bench *bench)
{
	const bool arm64 = bench->format->encoding == ML_ENCODING_ARM64;
	ml_pte *to = ml_pte_pointer(&bench->single, BENCH_VA, 1);
	ml_pte *from = ml_pte_pointer(&bench->table, BENCH_VA, 1);

	if (!limit_copy(to, from, arm64))
		bench->error = ML_ERR_EXISTS;
	limit_flush(&bench->limit, BENCH_VA, bench->work->range);
}

/* Both hold the same leaves, dirty, and none may be written. */
bool fork_check(struct bench *bench)
{
	struct ml_cursor here = { .va = BENCH_VA, .last = BENCH_VA + bench->work->range - 1 };
	struct ml_cursor there = here;
	struct ml_run one, other;
	uint64_t bytes = 0;

	while (ml_run_next(&bench->table, &here, &one)) {
		if (!ml_run_next(&bench->single, &there, &other) || one.va != other.va ||
		    one.pa != other.pa || one.length != other.length || one.rung != other.rung ||
		    one.prot != other.prot || (one.prot & (ML_WRITE | ML_DIRTY)) != ML_DIRTY)
			return false;
		bytes += one.length;
	}
	return bytes == bench->work->range;
}

const struct bench_side fork_library = { .before = restore, .run = fork_run };
const struct bench_side fork_limit = { .before = restore, .run = limit_fork_run };
