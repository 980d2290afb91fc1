/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Mapping and unmapping a range in one call or in many: m1g m2m m64k m4k m4kx m4kxf, u1g
 * u2m u64k u4k u4kd, and split, which unmaps one page out of each 2M leaf.
 */
#include "work.h"

static void map_run(struct bench *bench)
{
	const struct workload *work = bench->work;
	const ml_va end = BENCH_VA + work->range;
	int error = 0;

	for (ml_va va = BENCH_VA + work->first; va < end; va += work->stride)
		error |= bench->api->map(&bench->table, va, work->call, work_pa(work, va),
					 BENCH_PROT, bench->op_used);
	bench->error |= error;
}

static void unmap_run(struct bench *bench)
{
	const struct workload *work = bench->work;
	const ml_va end = BENCH_VA + work->range;
	int error = 0;

	for (ml_va va = BENCH_VA + work->first; va < end; va += work->stride)
		error |= bench->api->unmap(&bench->table, va, work->call, bench->op_used);
	bench->error |= error;
}

void work_map_all(struct bench *bench)
{
	const struct workload *work = bench->work;

	bench->error |= ml_map(&bench->table, BENCH_VA, work->range, work_pa(work, BENCH_VA),
			       BENCH_PROT, NULL);
}

void work_unmap_all(struct bench *bench)
{
	bench->error |= ml_unmap(&bench->table, BENCH_VA, bench->work->range, NULL);
}

static void limit_map_run(struct bench *bench)
{
	const struct workload *work = bench->work;
	limit_map_call *const volatile *map = &work->limit_map;
	const ml_va end = BENCH_VA + work->range;
	int error = 0;

	for (ml_va va = BENCH_VA + work->first; va < end; va += work->stride)
		error |= (*map)(&bench->limit, va, work->call, work_pa(work, va), BENCH_PROT,
				bench->op_used);
	bench->error |= error;
}

static void limit_unmap_run(struct bench *bench)
{
	const struct workload *work = bench->work;
	limit_unmap_call *const volatile *unmap = &work->limit_unmap;
	const ml_va end = BENCH_VA + work->range;
	int error = 0;

	for (ml_va va = BENCH_VA + work->first; va < end; va += work->stride)
		error |= (*unmap)(&bench->limit, va, work->call, bench->op_used);
	bench->error |= error;
}

/* Fill the limit's table as an unmapping workload finds it: 1G a call, whatever it unmaps. */
static void limit_map_all(struct bench *bench)
{
	const struct workload *work = bench->work;

	for (ml_va va = BENCH_VA; va < BENCH_VA + work->range; va += GIB)
		bench->error |= work->limit_map(&bench->limit, va, GIB, work_pa(work, va),
						BENCH_PROT, NULL);
}

static void limit_empty(struct bench *bench)
{
	limit_reset(&bench->limit);
}

const struct bench_side map_library = { .run = map_run, .after = work_unmap_all };
const struct bench_side map_limit = { .run = limit_map_run, .after = limit_empty };
const struct bench_side unmap_library = { .before = work_map_all,
					  .run = unmap_run,
					  .after = work_unmap_all };
const struct bench_side unmap_limit = { .before = limit_map_all,
					.run = limit_unmap_run,
					.after = limit_empty };
