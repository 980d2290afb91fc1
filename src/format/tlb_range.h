/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What the encoders of all ISAs need to know of an invalidation first. */
#ifndef ML_FORMAT_TLB_RANGE_H
#define ML_FORMAT_TLB_RANGE_H

#include <maxleaf/tlb.h>

#include "base/bits.h"

/* The range as whole pages of one size. */
struct tlb_range {
	ml_va first, last;
	uint8_t shift;  /* lg2 of the size */
	uint64_t count; /* 0: the whole space */
};

/* The largest size of a level up to the stride: of a group, each entry may be cached by itself. */
ML_INLINE unsigned tlb_level_shift(const struct ml_invalidation *what, unsigned page_shift,
				   unsigned index_bits)
{
	unsigned shift = page_shift;

	while (shift + index_bits <= what->stride_shift && shift + index_bits < 64)
		shift += index_bits;
	return shift;
}

ML_INLINE struct tlb_range tlb_range(const struct ml_invalidation *what, unsigned shift)
{
	const ml_va last = what->va + what->length - 1;
	struct tlb_range range;

	range.shift = (uint8_t)shift;
	range.first = ml_align_down(what->va, shift);
	range.last = ml_align_last(last, shift);
	range.count = 0;
	if (what->length && last >= what->va)
		range.count = ((range.last - range.first) >> shift) + 1;
	return range;
}

#endif
