/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The calls of pte.h on a live table whose hardware marks entries: s16 s512 s1f refold wp2m td1g
 * y1g. Pointers to entries are found beforehand, as callers that iterate themselves have them. Of
 * s16 and s512 the limit is the same call on a table in which nothing folds; of the others it
 * works on the library's own entries.
 */
#include "work.h"

#define ENTRIES 512u
#define MEMBERS 16u
#define GROUPS (ENTRIES / MEMBERS)

static unsigned table_count(const struct bench *bench)
{
	return (unsigned)(bench->work->range / BLOCK);
}

static ml_va table_va(unsigned table)
{
	return BENCH_VA + table * BLOCK;
}

/* The leaf of one page, counted from BENCH_VA. */
static ml_pte leaf(const struct bench *bench, uint64_t page)
{
	return bench->first + page * PAGE;
}

static void find_tables(struct bench *bench, struct ml_table *t, ml_pte **ptes)
{
	bench->error |= ml_pte_ensure(t, BENCH_VA, bench->work->range, 0, NULL);
	for (unsigned i = 0; i < table_count(bench) && bench->error == 0; i++)
		ptes[i] = ml_pte_pointer(t, table_va(i), 0);
}

void work_single_init(struct bench *bench)
{
	const struct ml_table_config config = {
		.platform = &arena_platform,
		.cookie = bench->arena,
		.base = bench->arena->memory,
		.live = true,
		.hardware_ad = true,
	};

	bench->error |= ml_table_init(&bench->single, bench->format, &config);
}

static void single_init(struct bench *bench)
{
	work_single_init(bench);
	if (bench->error == 0)
		find_tables(bench, &bench->single, bench->single_ptes);
}

static void empty_all(struct bench *bench)
{
	for (unsigned i = 0; i < table_count(bench); i++)
		(void)ml_get_and_clear_full_ptes(&bench->table, table_va(i), bench->ptes[i], 0,
						 ENTRIES);
}

void pte_fill_all(struct bench *bench)
{
	empty_all(bench);
	for (unsigned i = 0; i < table_count(bench); i++)
		ml_set_ptes(&bench->table, table_va(i), bench->ptes[i], 0,
			    leaf(bench, (uint64_t)i * ENTRIES), ENTRIES);
}

void pte_setup(struct bench *bench)
{
	const struct workload *work = bench->work;

	bench->error |=
		ml_pte_make(&bench->table, work_pa(work, BENCH_VA), BENCH_PROT, 0, &bench->first);
	find_tables(bench, &bench->table, bench->ptes);
	if (work->call == 16 * PAGE || work->call == BLOCK)
		single_init(bench);
	if (bench->error == 0)
		pte_fill_all(bench);
}

/* ---- s16, s512: set runs where nothing is ------------------------------------------ */

static void set_run(struct bench *bench, struct ml_table *t, ml_pte **ptes)
{
	const unsigned count = (unsigned)(bench->work->call / PAGE);

	for (unsigned i = 0; i < table_count(bench); i++) {
		for (unsigned at = 0; at < ENTRIES; at += count)
			bench->api->set_ptes(t, table_va(i) + at * PAGE, ptes[i] + at, 0,
					     leaf(bench, (uint64_t)i * ENTRIES + at), count);
	}
}

static void set_library_run(struct bench *bench)
{
	set_run(bench, &bench->table, bench->ptes);
}

static void set_limit_run(struct bench *bench)
{
	set_run(bench, &bench->single, bench->single_ptes);
}

static void empty_single(struct bench *bench)
{
	for (unsigned i = 0; i < table_count(bench); i++)
		(void)ml_get_and_clear_full_ptes(&bench->single, table_va(i), bench->single_ptes[i],
						 0, ENTRIES);
}

/* Every leaf is there, and none is a group. */
bool set_limit_check(struct bench *bench)
{
	struct ml_cursor cursor = { .va = BENCH_VA, .last = BENCH_VA + bench->work->range - 1 };
	struct ml_run run;

	return ml_run_next(&bench->single, &cursor, &run) && run.length == bench->work->range &&
	       run.pa == work_pa(bench->work, BENCH_VA) && run.rung == 0;
}

const struct bench_side set_library = { .before = empty_all, .run = set_library_run };
const struct bench_side set_limit = { .before = empty_single, .run = set_limit_run };

/* ---- s1f: the entry that completes a group ------------------------------------------ */

/* Another one in each group. */
static unsigned missing(unsigned group)
{
	return group * 5 % MEMBERS;
}

static void set_pages(struct bench *bench, unsigned table, unsigned from, unsigned to)
{
	if (from < to)
		ml_set_ptes(&bench->table, table_va(table) + from * PAGE, bench->ptes[table] + from,
			    0, leaf(bench, (uint64_t)table * ENTRIES + from), to - from);
}

static void fill_but_one(struct bench *bench)
{
	empty_all(bench);
	for (unsigned i = 0; i < table_count(bench); i++) {
		for (unsigned group = 0; group < GROUPS; group++) {
			const unsigned first = group * MEMBERS, gap = first + missing(group);

			set_pages(bench, i, first, gap);
			set_pages(bench, i, gap + 1, first + MEMBERS);
		}
	}
}

static void complete_run(struct bench *bench)
{
	for (unsigned i = 0; i < table_count(bench); i++) {
		for (unsigned group = 0; group < GROUPS; group++) {
			const unsigned at = group * MEMBERS + missing(group);

			bench->api->set_pte_at(&bench->table, table_va(i) + at * PAGE,
					       bench->ptes[i] + at, 0,
					       leaf(bench, (uint64_t)i * ENTRIES + at));
		}
	}
}

static void complete_limit_run(struct bench *bench)
{
	for (unsigned i = 0; i < table_count(bench); i++) {
		for (unsigned group = 0; group < GROUPS; group++) {
			const unsigned at = group * MEMBERS + missing(group);

			limit_complete_group(&bench->view, bench->ptes[i] + at,
					     leaf(bench, (uint64_t)i * ENTRIES + at),
					     table_va(i) + at * PAGE);
		}
	}
}

const struct bench_side complete_library = { .before = fill_but_one, .run = complete_run };
const struct bench_side complete_limit = { .before = fill_but_one, .run = complete_limit_run };

/* ---- refold: clear one member, set it again ----------------------------------------- */

static void refold_run(struct bench *bench)
{
	for (unsigned i = 0; i < table_count(bench); i++) {
		for (unsigned group = 0; group < GROUPS; group++) {
			const unsigned at = group * MEMBERS + missing(group);
			const ml_va va = table_va(i) + at * PAGE;

			bench->api->pte_clear(&bench->table, va, bench->ptes[i] + at, 0);
			bench->api->set_pte_at(&bench->table, va, bench->ptes[i] + at, 0,
					       leaf(bench, (uint64_t)i * ENTRIES + at));
		}
	}
}

static void refold_limit_run(struct bench *bench)
{
	for (unsigned i = 0; i < table_count(bench); i++) {
		for (unsigned group = 0; group < GROUPS; group++) {
			const unsigned at = group * MEMBERS + missing(group);

			limit_refold_group(&bench->view, bench->ptes[i] + at,
					   leaf(bench, (uint64_t)i * ENTRIES + at),
					   table_va(i) + at * PAGE);
		}
	}
}

const struct bench_side refold_library = { .run = refold_run };
const struct bench_side refold_limit = { .run = refold_limit_run };

/* ---- wp2m: fork of 2 MiB, and the caller's invalidation ------------------------------ */

static void wrprotect_run(struct bench *bench)
{
	for (unsigned i = 0; i < table_count(bench); i++) {
		bench->api->wrprotect_ptes(&bench->table, table_va(i), bench->ptes[i], 0, ENTRIES);
		bench->api->flush_range(&bench->table, table_va(i), BLOCK, 0, true);
	}
}

static void wrprotect_limit_run(struct bench *bench)
{
	for (unsigned i = 0; i < table_count(bench); i++) {
		limit_write_protect(bench->ptes[i], ENTRIES);
		limit_flush(&bench->view, table_va(i), BLOCK);
	}
}

/* One run of dirty leaves that nobody may write, folded as they were. */
bool wrprotect_check(struct bench *bench)
{
	struct ml_cursor cursor = { .va = BENCH_VA, .last = BENCH_VA + bench->work->range - 1 };
	struct ml_run run;

	return ml_run_next(&bench->table, &cursor, &run) && run.length == bench->work->range &&
	       bench->format->rungs[run.rung].shift == bench->work->leaf_shift_arm64 &&
	       (run.prot & (ML_WRITE | ML_DIRTY)) == ML_DIRTY;
}

const struct bench_side wrprotect_library = { .before = pte_fill_all, .run = wrprotect_run };
const struct bench_side wrprotect_limit = { .before = pte_fill_all, .run = wrprotect_limit_run };

/* ---- td1g: teardown, and one invalidation at the end --------------------------------- */

static void teardown_run(struct bench *bench)
{
	for (unsigned i = 0; i < table_count(bench); i++)
		bench->seen |= bench->api->take_out(&bench->table, table_va(i), bench->ptes[i], 0,
						    ENTRIES);
	bench->api->flush_range(&bench->table, BENCH_VA, bench->work->range, 0, true);
}

static void teardown_limit_run(struct bench *bench)
{
	for (unsigned i = 0; i < table_count(bench); i++)
		bench->seen |= limit_take_out(bench->ptes[i], ENTRIES);
	limit_flush(&bench->view, BENCH_VA, bench->work->range);
}

bool teardown_check(struct bench *bench)
{
	return work_library_unmapped(bench);
}

const struct bench_side teardown_library = { .before = pte_fill_all, .run = teardown_run };
const struct bench_side teardown_limit = { .before = pte_fill_all, .run = teardown_limit_run };

/* ---- y1g: who accessed which group --------------------------------------------------- */

/* Hardware marks one member of every other group; mapping a table that tracks marked none. */
static void access_some(struct bench *bench)
{
	bench->seen = 0;
	for (unsigned i = 0; i < table_count(bench); i++) {
		for (unsigned group = 0; group < GROUPS; group += 2)
			limit_mark_accessed(bench->ptes[i] + group * MEMBERS + missing(group));
	}
}

static void young_run(struct bench *bench)
{
	uint64_t young = 0;

	for (unsigned i = 0; i < table_count(bench); i++) {
		for (unsigned at = 0; at < ENTRIES; at += MEMBERS)
			young += (uint64_t)bench->api->young(&bench->table, table_va(i) + at * PAGE,
							     bench->ptes[i] + at, 0);
	}
	bench->seen = young;
}

static void young_limit_run(struct bench *bench)
{
	uint64_t young = 0;

	for (unsigned i = 0; i < table_count(bench); i++) {
		for (unsigned at = 0; at < ENTRIES; at += MEMBERS)
			young += limit_group_young(bench->ptes[i] + at);
	}
	bench->seen = young;
}

/* As many as were, still folded, and none is young any more. */
bool young_check(struct bench *bench)
{
	struct ml_cursor cursor = { .va = BENCH_VA, .last = BENCH_VA + bench->work->range - 1 };
	struct ml_run run;

	return bench->seen == (uint64_t)table_count(bench) * GROUPS / 2 &&
	       ml_run_next(&bench->table, &cursor, &run) && run.length == bench->work->range &&
	       bench->format->rungs[run.rung].shift == bench->work->leaf_shift_arm64 &&
	       !(run.prot & ML_ACCESSED);
}

const struct bench_side young_library = { .before = access_some, .run = young_run };
const struct bench_side young_limit = { .before = access_some, .run = young_limit_run };
