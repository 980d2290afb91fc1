/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Where sizes are not chosen as elsewhere: ranges that must never fault, and executable memory
 * under an erratum. Asked before anything changes.
 */
#ifndef ML_TABLE_CAREFUL_H
#define ML_TABLE_CAREFUL_H

#include "table/run.h"

/* A declared range that [va, last] meets, or NULL. */
ML_INLINE const struct ml_never_fault *never_fault_in(const struct ml_table *t, ml_va va,
						      ml_va last)
{
	const struct ml_never_fault *range = t->never_fault;

	while (range && (last < range->va || va > range->va + (range->len - 1)))
		range = range->next;
	return range;
}

/* Whether entries of [va, last] must not be broken: walkers are there, and would fault. */
ML_INLINE bool never_breaks(const struct ml_table *t, ml_va va, ml_va last)
{
	return ML_UNLIKELY(t->never_fault != NULL) && t->live && never_fault_in(t, va, last);
}

/* The sizes that are no larger than the piece. */
ML_INLINE uint32_t piece_rungs(const struct ml_format *f, const struct ml_never_fault *range)
{
	uint32_t rungs = 1;
	unsigned rung;

	for (rung = 1; rung < f->rung_count; rung++)
		if (ML_BIT(f->rungs[rung].shift) <= range->piece)
			rungs |= (uint32_t)1 << rung;
	return rungs;
}

ML_INLINE bool is_executable(ml_prot prot)
{
	return prot & (ML_EXEC | ML_PEXEC);
}

/* What may be used at va: the sizes, and how much of the *left bytes it holds for. */
ML_PART uint32_t careful_rungs(const struct ml_format *f, const struct ml_table *t, ml_va va,
			       ml_prot prot, uint64_t *left)
{
	uint32_t rungs = t->small_exec && is_executable(prot) ? 1 : ~(uint32_t)0;
	const struct ml_never_fault *range = t->hitless ? NULL : t->never_fault;

	for (; range; range = range->next) {
		if (va - range->va < range->len) {
			rungs &= piece_rungs(f, range);
			*left = ml_min(*left, range->len - (va - range->va));
		} else if (range->va > va) {
			*left = ml_min(*left, range->va - va);
		}
	}
	return rungs;
}

/* Whether pte, at va, must not become part of one leaf of 1 << shift bytes. */
ML_PART bool careful_of_fold(const struct ml_format *f, const struct ml_table *t, ml_pte pte,
			     ml_va va, unsigned level, unsigned shift)
{
	const struct ml_never_fault *range;

	if (t->small_exec && is_executable(codec_prot(f, &t->types, pte, level)))
		return true;
	if (t->hitless)
		return false;
	range = never_fault_in(t, ml_align_down(va, shift), ml_align_last(va, shift));
	return range && (t->live || ML_BIT(shift) > range->piece);
}

struct span {
	ml_va first, last;
};

/* What the leaf at va maps: its whole group, if it is of one. */
ML_INLINE struct span leaf_span(const struct ml_format *f, struct place at, ml_va va)
{
	const unsigned shift = f->rungs[rung_of(f, at.pte, at.level)].shift;
	const struct span span = { ml_align_down(va, shift), ml_align_last(va, shift) };

	return span;
}

ML_INLINE bool span_is_cut(struct span span, ml_va from, ml_va last)
{
	return span.first < from || span.last > last;
}

/*
 * Whether the leaf at `at`, an end of [va, last], reaches over it and must never fault: taking the
 * range out would break it, and leave a rest.
 */
ML_PART bool careful_of_cut(const struct ml_format *f, const struct ml_table *t, ml_va at, ml_va va,
			    ml_va last)
{
	const struct place place = descend(f, t, at, 0);
	struct span span;

	if (!codec_is_leaf(f, place.pte, place.level))
		return false;
	span = leaf_span(f, place, at);
	return span_is_cut(span, va, last) && never_fault_in(t, span.first, span.last);
}

ML_INLINE int check_cuts(const struct ml_format *f, const struct ml_table *t, ml_va va, ml_va last)
{
	if (ML_LIKELY(!t->never_fault || !t->live || t->hitless))
		return ML_OK;
	if (careful_of_cut(f, t, va, va, last) || careful_of_cut(f, t, last, va, last))
		return ML_ERR_NEVER_FAULT;
	return ML_OK;
}

#endif
