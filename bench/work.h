/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The sides, setups and checks that the table of workloads is put together from.
 */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include "bench.h"

static inline ml_pa work_pa(const struct workload *work, ml_va va)
{
	return va - BENCH_VA + BENCH_PA + work->offset;
}

/* work_range.c */
extern const struct bench_side map_library, map_limit, unmap_library, unmap_limit;
void work_map_all(struct bench *bench); /* through the library, never timed */
void work_unmap_all(struct bench *bench);

/* work_translate.c */
extern const struct bench_side translate_library, translate_limit;
extern const struct bench_side translate_dependent_library, translate_dependent_limit;
bool translate_check(struct bench *bench);

/* work_protect.c */
extern const struct bench_side protect_library, protect_limit;
bool protect_check(struct bench *bench);
bool protect_limit_check(struct bench *bench);

/* work_churn.c */
extern const struct bench_side churn_library, churn_limit;
void churn_setup_near(struct bench *bench);
void churn_setup_far(struct bench *bench);
bool churn_check(struct bench *bench);
bool churn_limit_check(struct bench *bench);

/* work_pte.c */
extern const struct bench_side set_library, set_limit, complete_library, complete_limit;
extern const struct bench_side refold_library, refold_limit, wrprotect_library, wrprotect_limit;
extern const struct bench_side teardown_library, teardown_limit, young_library, young_limit;
void work_single_init(struct bench *bench); /* and no table below its root */
void pte_setup(struct bench *bench);
void pte_fill_all(struct bench *bench); /* every entry, anew; never timed */
bool set_limit_check(struct bench *bench);
bool wrprotect_check(struct bench *bench);
bool teardown_check(struct bench *bench);
bool young_check(struct bench *bench);

/* work_harvest.c */
extern const struct bench_side harvest_library, harvest_limit;
bool harvest_check(struct bench *bench);

/* work_fork.c */
extern const struct bench_side fork_library, fork_limit;
void fork_setup(struct bench *bench);
bool fork_check(struct bench *bench);

/* work_move.c */
extern const struct bench_side move_library, move_limit;
bool move_check(struct bench *bench);

/* work_space.c */
extern const struct bench_side remap_library, remap_limit, part_library, part_limit, split_limit;
extern const struct bench_side steps_library, steps_limit;
void space_setup(struct bench *bench); /* a space with one region of raw frames, not mapped yet */
bool remap_check(struct bench *bench);
bool remap_limit_check(struct bench *bench);
bool part_check(struct bench *bench);
bool part_limit_check(struct bench *bench);
bool split_limit_check(struct bench *bench);
bool steps_check(struct bench *bench);
bool steps_limit_check(struct bench *bench);
void work_space_init(struct bench *bench, struct ml_space *space);

/* work_space_fork.c */
extern const struct bench_side space_fork_library, space_fork_limit;
void space_fork_setup(struct bench *bench);
bool space_fork_check(struct bench *bench);
bool space_fork_limit_check(struct bench *bench);

/* work_find.c */
extern const struct bench_side find_library, find_limit;
extern const struct bench_side find_dependent_library, find_dependent_limit;
void find_setup(struct bench *bench);
bool find_check(struct bench *bench);

/* work_check.c: whether samples of the range translate as mapped, by leaves of the right size */
bool work_library_mapped(struct bench *bench);
bool work_library_unmapped(struct bench *bench);
bool work_library_split(struct bench *bench);
bool work_limit_holds(struct bench *bench, ml_va va);
bool work_limit_mapped(struct bench *bench);
bool work_limit_unmapped(struct bench *bench);
bool work_limit_split(struct bench *bench);

#endif
