/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Whether a run did its work: samples of the range, translated by the library or by the
 * limit's walk, against what the workload says. A benchmark of calls that fail is fast.
 */
#include "work.h"

#define SAMPLES 1024

static ml_va sample(const struct workload *work, unsigned i)
{
	return BENCH_VA + (work->range / SAMPLES * i + i * 8 % PAGE);
}

/* What unmapping one call out of every stride leaves at va. */
static bool in_hole(const struct workload *work, ml_va va)
{
	const uint64_t at = (va - BENCH_VA) % work->stride;

	return at >= work->first && at < work->first + work->call;
}

static uint64_t leaf_bytes(const struct bench *bench)
{
	const bool arm64 = bench->format->encoding == ML_ENCODING_ARM64;

	return (uint64_t)1 << (arm64 ? bench->work->leaf_shift_arm64 : bench->work->leaf_shift);
}

/* Mapped where it belongs, by a leaf of at least `least` and at most `most` bytes. */
static bool library_holds(struct bench *bench, ml_va va, uint64_t least, uint64_t most)
{
	struct ml_translation found;
	uint64_t bytes;

	if (ml_translate(&bench->table, va, &found) != 0)
		return false;
	bytes = (uint64_t)1
		<< bench->format->rungs[ml_translation_rung(&bench->table, &found)].shift;
	return found.pa == work_pa(bench->work, va) && bytes >= least && bytes <= most &&
	       (ml_translation_prot(&bench->table, &found) & (ML_RW | ML_USER)) == BENCH_PROT;
}

bool work_limit_holds(struct bench *bench, ml_va va)
{
	const struct ml_table table = { .root = bench->limit.root, .base = bench->limit.base };
	struct ml_translation found;

	return bench->limit_translate(&table, va, &found) == 0 &&
	       found.pa == work_pa(bench->work, va);
}

bool work_library_mapped(struct bench *bench)
{
	const uint64_t bytes = leaf_bytes(bench);

	for (unsigned i = 0; i < SAMPLES; i++) {
		if (!library_holds(bench, sample(bench->work, i), bytes, bytes))
			return false;
	}
	return ml_table_check(&bench->table, NULL) == 0;
}

bool work_library_unmapped(struct bench *bench)
{
	struct ml_translation found;

	for (unsigned i = 0; i < SAMPLES; i++) {
		if (ml_translate(&bench->table, sample(bench->work, i), &found) !=
		    ML_ERR_NOT_MAPPED)
			return false;
	}
	if (bench->work->sink && bench->seen != bench->work->range)
		return false;
	return ml_table_check(&bench->table, NULL) == 0;
}

bool work_library_split(struct bench *bench)
{
	const struct workload *work = bench->work;
	struct ml_translation found;

	for (ml_va va = BENCH_VA; va < BENCH_VA + work->range; va += 3 * PAGE) {
		if (in_hole(work, va) ? ml_translate(&bench->table, va, &found) == 0
				      : !library_holds(bench, va, PAGE, BLOCK / 2))
			return false;
	}
	return ml_table_check(&bench->table, NULL) == 0;
}

bool work_limit_mapped(struct bench *bench)
{
	for (unsigned i = 0; i < SAMPLES; i++) {
		if (!work_limit_holds(bench, sample(bench->work, i)))
			return false;
	}
	return true;
}

bool work_limit_unmapped(struct bench *bench)
{
	for (unsigned i = 0; i < SAMPLES; i++) {
		if (work_limit_holds(bench, sample(bench->work, i)))
			return false;
	}
	return true;
}

bool work_limit_split(struct bench *bench)
{
	for (ml_va va = BENCH_VA; va < BENCH_VA + bench->work->range; va += 3 * PAGE) {
		if (in_hole(bench->work, va) == work_limit_holds(bench, va))
			return false;
	}
	return true;
}
