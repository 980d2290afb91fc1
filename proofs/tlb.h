/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Operands of invalidations: what the proofs of all ISAs begin with. */
#ifndef TLB_H
#define TLB_H

#include <maxleaf/tlb.h>

#include "prove.h"

/* Bits [last, first] of an operand, as a number. */
static inline uint64_t field(uint64_t operand, unsigned last, unsigned first)
{
	return (operand & ML_BITS(last, first)) >> first;
}

/* Any range of pages, of leaves of any sizes and any level. */
static inline struct ml_invalidation any_invalidation(unsigned page_shift)
{
	struct ml_invalidation what = { 0 };

	what.va = nondet_uint64_t();
	what.length = nondet_uint64_t();
	what.stride_shift = (uint8_t)(page_shift + any_below(64 - page_shift));
	what.level = (uint8_t)nondet_unsigned();
	what.leaves_only = any_bool();
	ASSUME(what.length && ml_aligned(what.va | what.length, page_shift));
	ASSUME((wide)what.va + what.length <= (wide)1 << 64);
	return what;
}

/* The whole space. */
static inline struct ml_invalidation everything(void)
{
	struct ml_invalidation what = { 0 };

	what.level = 0xff;
	what.leaves_only = any_bool();
	return what;
}

/* Whether so many units from va on are the range, rounded out to what one op covers. */
static inline bool is_range(const struct ml_invalidation *what, ml_va va, uint64_t units,
			    unsigned unit_shift, unsigned shift)
{
	const ml_va last = what->va + (what->length - MUTANT(1, 0x1001));

	return va == ml_align_down(what->va, shift) && units - 1 <= UINT64_MAX >> unit_shift &&
	       va + (units << unit_shift) - 1 == ml_align_last(last, shift);
}

#endif
