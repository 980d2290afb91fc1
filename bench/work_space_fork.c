/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * A space with a gigabyte of private memory, written to, in 2M leaves, is forked: leaves copied,
 * write-protected on both sides. Frames are counted by callbacks that do nothing. The limit is
 * what is taken for that alone: the child's tables, deposits included, and its region.
 */
#include "work.h"

static void populate(struct bench *bench)
{
	bench->error |= ml_space_advise(&bench->space, BENCH_SPACE_VA, bench->work->range,
					ML_ADVISE_POPULATE_WRITE);
}

void space_fork_setup(struct bench *bench)
{
	const struct ml_region_spec spec = { .prot = ML_RW, .may = ML_RW };

	work_space_init(bench, &bench->space);
	bench->error |=
		ml_space_map(&bench->space, BENCH_SPACE_VA, bench->work->range, &spec, 0, NULL);
	populate(bench);
}

static void child_init(struct bench *bench)
{
	work_space_init(bench, &bench->child);
}

static void fork_run(struct bench *bench)
{
	bench->error |= bench->api->space_fork(&bench->child, &bench->space);
}

/* The child leaves, and the parent writes to everything. */
static void fork_undo(struct bench *bench)
{
	ml_space_fini(&bench->child);
	populate(bench);
}

static uint64_t child_tables(const struct bench *bench)
{
	return bench->space.table.stats.tables - 1 + bench->space.table.spare.count;
}

static void take_run(struct bench *bench)
{
	bench->error |= ml_reserve_fill(&bench->table, &bench->reserve, child_tables(bench), NULL);
	bench->object = arena_frames.object_alloc(bench->arena, sizeof(struct ml_region));
}

static void take_undo(struct bench *bench)
{
	ml_reserve_empty(&bench->table, &bench->reserve, NULL);
	arena_frames.object_free(bench->arena, bench->object, sizeof(struct ml_region));
}

static bool same_leaves(const struct bench *bench)
{
	struct ml_cursor here = { .va = BENCH_SPACE_VA,
				  .last = BENCH_SPACE_VA + bench->work->range - 1 };
	struct ml_cursor there = here;
	struct ml_run one, other;
	uint64_t bytes = 0;

	while (ml_run_next(&bench->space.table, &here, &one)) {
		if (!ml_run_next(&bench->child.table, &there, &other) || one.va != other.va ||
		    one.pa != other.pa || one.length != other.length || one.rung != other.rung ||
		    bench->format->rungs[one.rung].shift != bench->work->leaf_shift ||
		    (one.prot | other.prot) & ML_WRITE)
			return false;
		bytes += one.length;
	}
	return bytes == bench->work->range;
}

bool space_fork_check(struct bench *bench)
{
	return same_leaves(bench) && bench->child.table.spare.count == bench->space.table.owed &&
	       ml_space_check(&bench->space, NULL) == 0 && ml_space_check(&bench->child, NULL) == 0;
}

bool space_fork_limit_check(struct bench *bench)
{
	return bench->object && bench->reserve.count == child_tables(bench);
}

const struct bench_side space_fork_library = { .before = child_init,
					       .run = fork_run,
					       .after = fork_undo };
const struct bench_side space_fork_limit = { .run = take_run, .after = take_undo };
