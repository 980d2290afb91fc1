/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Mapping and unmapping the same thing over and over: ch2m ch4k ch1 beside neighbours that
 * keep the tables above alive, ch1f with a single live page far away in the leaf table.
 */
#include "work.h"

static void map_both(struct bench *bench, ml_va va)
{
	const struct workload *work = bench->work;

	bench->error |= ml_map(&bench->table, va, work->call, work_pa(work, va), BENCH_PROT, NULL);
	bench->error |=
		work->limit_map(&bench->limit, va, work->call, work_pa(work, va), BENCH_PROT, NULL);
}

void churn_setup_near(struct bench *bench)
{
	map_both(bench, BENCH_VA + bench->work->first - bench->work->call);
	map_both(bench, BENCH_VA + bench->work->first + bench->work->call);
}

void churn_setup_far(struct bench *bench)
{
	map_both(bench, BENCH_VA);
}

static void churn_run(struct bench *bench)
{
	const struct workload *work = bench->work;
	const struct bench_api *api = bench->api;
	const ml_va va = BENCH_VA + work->first;
	int error = 0;

	for (uint64_t i = 0; i < work->units; i++) {
		error |= api->map(&bench->table, va, work->call, work_pa(work, va), BENCH_PROT,
				  NULL);
		error |= api->unmap(&bench->table, va, work->call, NULL);
	}
	bench->error |= error;
}

static void limit_churn_run(struct bench *bench)
{
	const struct workload *work = bench->work;
	limit_map_call *const volatile *map = &work->limit_map;
	limit_unmap_call *const volatile *unmap = &work->limit_unmap;
	const ml_va va = BENCH_VA + work->first;
	int error = 0;

	for (uint64_t i = 0; i < work->units; i++) {
		error |= (*map)(&bench->limit, va, work->call, work_pa(work, va), BENCH_PROT, NULL);
		error |= (*unmap)(&bench->limit, va, work->call, NULL);
	}
	bench->error |= error;
}

/* Nothing is left at the place, and it can be mapped and found once more. */
bool churn_check(struct bench *bench)
{
	const struct workload *work = bench->work;
	const ml_va va = BENCH_VA + work->first;
	struct ml_translation found;

	if (ml_translate(&bench->table, va, &found) != ML_ERR_NOT_MAPPED)
		return false;
	if (ml_map(&bench->table, va, work->call, work_pa(work, va), BENCH_PROT, NULL) != 0 ||
	    ml_translate(&bench->table, va, &found) != 0 || found.pa != work_pa(work, va))
		return false;
	return ml_unmap(&bench->table, va, work->call, NULL) == 0 &&
	       ml_table_check(&bench->table, NULL) == 0;
}

bool churn_limit_check(struct bench *bench)
{
	const struct workload *work = bench->work;
	const ml_va va = BENCH_VA + work->first;

	if (work_limit_holds(bench, va))
		return false;
	if (work->limit_map(&bench->limit, va, work->call, work_pa(work, va), BENCH_PROT, NULL))
		return false;
	return work_limit_holds(bench, va) &&
	       work->limit_unmap(&bench->limit, va, work->call, NULL) == 0;
}

const struct bench_side churn_library = { .run = churn_run };
const struct bench_side churn_limit = { .run = limit_churn_run };
