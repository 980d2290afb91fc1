/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Raw frames in one region of a space: remap maps them, part protects one 4K page in each 2M leaf,
 * steps takes them down piece by piece. The limits are the same on a bare table: ml_map(),
 * ml_protect() (parts: ml_split() to the page, which changes nothing), ml_unmap_step().
 */
#include "work.h"

#define LEAF_PROT (ML_RW | ML_USER | ML_SPECIAL)
#define STEP_TABLES (GIB / BLOCK) /* of one step: a gigabyte */

static ml_pa raw_pa(const struct bench *bench)
{
	return BENCH_PA + bench->work->offset;
}

void work_space_init(struct bench *bench, struct ml_space *space)
{
	uint32_t rung = 0;

	while (bench->format->rungs[rung].shift != 21)
		rung++;
	bench->error |=
		ml_space_init(space, bench->format,
			      &(struct ml_space_config){
				      .table = bench_table_config(bench->work, bench->arena, NULL),
				      .frames = &arena_frames,
				      .frames_cookie = bench->arena,
				      .first = BENCH_SPACE_VA,
				      .last = 2 * BENCH_SPACE_VA - 1,
				      .fault_rungs = (uint32_t)1 << rung,
			      });
}

static void open_region(struct bench *bench)
{
	const struct ml_region_spec spec = { .prot = ML_RW,
					     .may = ML_RW,
					     .flags = ML_REGION_RAW | ML_REGION_SHARED };

	bench->error |=
		ml_space_map(&bench->space, BENCH_SPACE_VA, bench->work->range, &spec, 0, NULL);
}

void space_setup(struct bench *bench)
{
	work_space_init(bench, &bench->space);
	open_region(bench);
}

/* Whether [va, last] of the table holds the frames in sequence, in leaves of the right size. */
static bool table_holds(const struct bench *bench, const struct ml_table *table, ml_va va,
			uint64_t length)
{
	struct ml_cursor cursor = { .va = va, .last = va + length - 1 };
	struct ml_run run;
	uint64_t bytes = 0;

	while (ml_run_next(table, &cursor, &run)) {
		if (run.pa != run.va - BENCH_SPACE_VA + raw_pa(bench) ||
		    bench->format->rungs[run.rung].shift != bench->work->leaf_shift)
			return false;
		bytes += run.length;
	}
	return bytes == length;
}

/* ---- remap ------------------------------------------------------------------------ */

static void remap_run(struct bench *bench)
{
	bench->error |= bench->api->remap(&bench->space, BENCH_SPACE_VA, bench->work->range,
					  raw_pa(bench), ML_WB);
}

static void map_run(struct bench *bench)
{
	bench->error |= ml_map(&bench->table, BENCH_SPACE_VA, bench->work->range, raw_pa(bench),
			       LEAF_PROT, NULL);
}

/* The region closes, and there is another one. */
static void remap_undo(struct bench *bench)
{
	bench->error |= ml_space_unmap(&bench->space, BENCH_SPACE_VA, bench->work->range);
	open_region(bench);
}

static void map_undo(struct bench *bench)
{
	bench->error |= ml_unmap(&bench->table, BENCH_SPACE_VA, bench->work->range, NULL);
}

bool remap_check(struct bench *bench)
{
	return table_holds(bench, &bench->space.table, BENCH_SPACE_VA, bench->work->range);
}

bool remap_limit_check(struct bench *bench)
{
	return table_holds(bench, &bench->table, BENCH_SPACE_VA, bench->work->range);
}

const struct bench_side remap_library = { .run = remap_run, .after = remap_undo };
const struct bench_side remap_limit = { .run = map_run, .after = map_undo };

/* ---- part ------------------------------------------------------------------------- */

static ml_va part_va(const struct workload *work, uint64_t i)
{
	return BENCH_SPACE_VA + work->first + i * work->stride;
}

static void part_run(struct bench *bench)
{
	for (uint64_t i = 0; i < bench->work->units; i++)
		bench->error |= bench->api->space_protect(&bench->space, part_va(bench->work, i),
							  PAGE, ML_READ);
}

static void part_limit_run(struct bench *bench)
{
	for (uint64_t i = 0; i < bench->work->units; i++)
		bench->error |=
			ml_protect(&bench->table, part_va(bench->work, i), PAGE, ML_WRITE, 0, NULL);
}

static void split_run(struct bench *bench)
{
	for (uint64_t i = 0; i < bench->work->units; i++)
		bench->error |= ml_split(&bench->table, part_va(bench->work, i), PAGE, 0, NULL);
}

/* One base page, of these rights, in the middle of each 2M, and frames as before. */
static bool parts_hold(const struct bench *bench, const struct ml_table *table, ml_prot rights)
{
	struct ml_translation found;

	for (uint64_t i = 0; i < bench->work->units; i++) {
		const ml_va va = part_va(bench->work, i);

		if (ml_translate(table, va, &found) != 0 ||
		    ml_translation_rung(table, &found) != 0 ||
		    found.pa != va - BENCH_SPACE_VA + raw_pa(bench) ||
		    (ml_translation_prot(table, &found) & ML_RW) != rights)
			return false;
	}
	return true;
}

bool part_check(struct bench *bench)
{
	return parts_hold(bench, &bench->space.table, ML_READ) &&
	       bench->space.regions == 2 * bench->work->units + 1 &&
	       ml_space_check(&bench->space, NULL) == 0;
}

bool part_limit_check(struct bench *bench)
{
	return parts_hold(bench, &bench->table, ML_READ);
}

bool split_limit_check(struct bench *bench)
{
	return parts_hold(bench, &bench->table, ML_RW);
}

const struct bench_side part_library = { .before = remap_run,
					 .run = part_run,
					 .after = remap_undo };
const struct bench_side part_limit = { .before = map_run,
				       .run = part_limit_run,
				       .after = map_undo };
const struct bench_side split_limit = { .before = map_run, .run = split_run, .after = map_undo };

/* ---- steps ------------------------------------------------------------------------ */

static void note_step(struct bench *bench, double start)
{
	const double ns = measure_now_ns() - start;

	bench->longest_ns = ns > bench->longest_ns ? ns : bench->longest_ns;
}

static struct ml_step all_steps(struct bench *bench)
{
	const struct ml_step step = { .va = BENCH_SPACE_VA,
				      .len = bench->work->range,
				      .tables = STEP_TABLES };

	bench->longest_ns = 0;
	return step;
}

static void steps_run(struct bench *bench)
{
	struct ml_step step = all_steps(bench);

	while (step.len && !bench->error) {
		const double start = measure_now_ns();

		bench->error |= bench->api->space_unmap_step(&bench->space, &step);
		note_step(bench, start);
	}
}

static void table_steps_run(struct bench *bench)
{
	struct ml_step step = all_steps(bench);

	while (step.len && !bench->error) {
		const double start = measure_now_ns();

		bench->error |= ml_unmap_step(&bench->table, &step, NULL);
		note_step(bench, start);
	}
}

static void steps_setup(struct bench *bench)
{
	if (!bench->space.regions)
		open_region(bench);
	bench->error |= ml_remap_pfn_range(&bench->space, BENCH_SPACE_VA, bench->work->range,
					   raw_pa(bench), ML_WB);
}

/* Runs that do nothing leave everything there. */
static void steps_undo(struct bench *bench)
{
	bench->error |= ml_space_unmap(&bench->space, BENCH_SPACE_VA, bench->work->range);
}

bool steps_check(struct bench *bench)
{
	return bench->space.regions == 0 && bench->space.table.stats.tables == 1 &&
	       bench->space.table.spare.count == 0;
}

bool steps_limit_check(struct bench *bench)
{
	return bench->table.stats.tables == 1 && bench->table.spare.count == 0;
}

const struct bench_side steps_library = { .before = steps_setup,
					  .run = steps_run,
					  .after = steps_undo };
const struct bench_side steps_limit = { .before = map_run, .run = table_steps_run };
