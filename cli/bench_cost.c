/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What each view's mapping costs, in every format that translates its addresses: leaves
 * and tables from the plan, time from ml_map() into an empty table whose memory is warm.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define TABLE_BYTES ((size_t)4096)
#define REPEATS 9
#define POOL_PA ((ml_pa)1 << 40) /* away from the memory mapped */

static const struct ml_platform platform = {
	.table_alloc = ml_pool_alloc,
	.table_free = ml_pool_free,
	.table_pointer = ml_pool_pointer,
};

struct mapping {
	ml_va va;
	ml_pa pa;
	uint64_t bytes;
	struct ml_table_config config;
};

static void plan_cost(const struct mapping *mapping, struct bench_cost *cost)
{
	const struct ml_format *format = cost->format;
	struct ml_plan plan = { .va = mapping->va,
				.pa = mapping->pa,
				.left = mapping->bytes,
				.length = mapping->bytes,
				.rungs = mapping->config.rungs };
	struct ml_plan_run run;

	if (plan.rungs == 0)
		plan.rungs = ml_format_default_rungs(format);
	cost->tables = 1 + ml_plan_tables(format, &plan, format->levels_default);
	cost->table_bytes = cost->tables * TABLE_BYTES;
	while (ml_plan_next(format, &plan, &run))
		cost->leaves[run.rung] += run.count;
}

static bool map_once(const struct mapping *mapping, const struct ml_format *format, double *ns)
{
	struct ml_table table;
	uint64_t start;
	int error;

	if (ml_table_init(&table, format, &mapping->config))
		return false;
	start = cli_now_ns();
	error = ml_map(&table, mapping->va, mapping->bytes, mapping->pa, ML_USER | ML_RW, NULL);
	*ns = (double)(cli_now_ns() - start);
	ml_table_fini(&table, NULL);
	return !error;
}

/* False: this format cannot map it, or there is no memory for the tables. */
static bool measure_cost(struct mapping *mapping, struct bench_cost *cost)
{
	struct ml_pool pool;
	size_t bytes;
	char *memory;
	double ns[REPEATS];
	bool mapped;
	unsigned i;

	plan_cost(mapping, cost);
	bytes = cost->table_bytes;
	memory = aligned_alloc(TABLE_BYTES, bytes);
	if (!memory)
		return false;
	/* Touched once, so that no page fault of ours is counted as mapping. */
	memset(memory, 0, bytes);
	mapped = ml_pool_init(&pool, memory, POOL_PA, bytes, TABLE_BYTES) == ML_OK;
	mapping->config.cookie = &pool;
	mapping->config.base = ml_pool_base(&pool);
	for (i = 0; i < REPEATS && mapped; i++)
		mapped = map_once(mapping, cost->format, &ns[i]);
	free(memory);
	if (mapped)
		cost->map_ns = bench_spread_of(ns, REPEATS);
	return mapped;
}

/* Whether a table of this format can translate addresses of a process, whatever its layout. */
static bool translates(const struct ml_format *format, ml_va last)
{
	unsigned top = format->levels_default - 1u;
	unsigned bits = format->level_shift[top] + format->index_bits[top];

	return last >> (format->sign_extended ? bits - 1 : bits) == 0 &&
	       ml_format_table_bytes(format, top) == TABLE_BYTES;
}

unsigned bench_costs(const struct bench_views *views, uint64_t bytes,
		     struct bench_cost costs[BENCH_COSTS_MOST])
{
	const struct ml_format *const *format;
	unsigned count = 0;
	unsigned name;

	for (format = cli_formats; *format; format++) {
		for (name = 0; name < BENCH_VIEWS && count < BENCH_COSTS_MOST; name++) {
			const struct bench_view *view = &views->view[name];
			struct mapping mapping = { .va = view->va,
						   .pa = views->pa,
						   .bytes = bytes };

			if (!translates(*format, view->va + bytes - 1))
				continue;
			mapping.config.platform = &platform;
			mapping.config.rungs = name == BENCH_SMALL;
			costs[count] = (struct bench_cost){ .format = *format, .view = name };
			if (measure_cost(&mapping, &costs[count]))
				count++;
		}
	}
	return count;
}
