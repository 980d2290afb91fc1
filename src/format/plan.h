/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The plan as an inline, so that mapping decides with a constant ladder: the next run of
 * equal leaves for (va, pa, bytes left, allowed rungs).
 */
#ifndef ML_FORMAT_PLAN_H
#define ML_FORMAT_PLAN_H

#include "base/bits.h"
#include <maxleaf/format.h>

/* The largest allowed rung that is aligned at va and pa and not longer than left. */
ML_INLINE unsigned plan_rung(const struct ml_format *f, uint32_t rungs, ml_va va, ml_pa pa,
			     uint64_t left)
{
	unsigned rung;

	for (rung = f->rung_count - 1u; rung > 0; rung--) {
		const unsigned shift = f->rungs[rung].shift;

		if (rungs >> rung & 1 && ml_aligned(va | pa, shift) && left >> shift)
			break;
	}
	return rung;
}

/* Leaves of this rung from va on until a larger allowed one fits or less than one is left. */
ML_INLINE uint64_t plan_count(const struct ml_format *f, uint32_t rungs, unsigned rung, ml_va va,
			      ml_pa pa, uint64_t left)
{
	const unsigned shift = f->rungs[rung].shift;
	unsigned next;

	for (next = rung + 1u; next < f->rung_count; next++)
		if (rungs >> next & 1)
			break;
	if (next < f->rung_count && ml_aligned(va ^ pa, f->rungs[next].shift)) {
		const unsigned larger = f->rungs[next].shift;
		const uint64_t head = (0 - va) & (ML_BIT(larger) - 1);

		if (head && head < left && (left - head) >> larger)
			return head >> shift;
	}
	return left >> shift;
}

/* Tables counted so far: spans below counted[level] have theirs. */
struct plan_tables {
	uint64_t tables;
	uint64_t counted[ML_LEVEL_MAX];
};

/*
 * [va, last] hangs below an empty entry of level `above` and needs tables from `level` up to
 * there. Spans come in ascending order.
 */
ML_INLINE void plan_count_span(const struct ml_format *f, struct plan_tables *sum, ml_va va,
			       ml_va last, unsigned level, unsigned above)
{
	for (; level < above; level++) {
		const unsigned shift = f->level_shift[level + 1];
		const uint64_t from = ml_max(va >> shift, sum->counted[level]);

		sum->tables += (last >> shift) + 1 - from;
		sum->counted[level] = (last >> shift) + 1;
	}
}

#endif
