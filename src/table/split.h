/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ml_split: leaves down to a size, over a range. */
#ifndef ML_TABLE_SPLIT_H
#define ML_TABLE_SPLIT_H

#include "table/unmap.h"

/* The end of the leaf or hole that va is in; for small pages, of all that cannot be larger. */
ML_INLINE ml_va split_skip(const struct ml_format *f, struct place at, ml_va va, ml_va last)
{
	const unsigned group = f->group_rung[0];

	if (at.level)
		return ml_min(last, entry_last(f, va, at.level));
	return ml_min(last,
		      group ? ml_align_last(va, f->rungs[group].shift) : entry_last(f, va, 1));
}

ML_INLINE bool is_larger(const struct ml_format *f, struct place at, unsigned rung)
{
	return codec_is_leaf(f, at.pte, at.level) && rung_of(f, at.pte, at.level) > rung;
}

/* What [va, last] of the leaf at `at` takes to come down to `level`. */
ML_INLINE uint64_t split_tables(const struct ml_format *f, const struct ml_table *t,
				struct place at, ml_va va, ml_va last, unsigned level)
{
	uint64_t tables = 0;

	for (; level < at.level; level++) {
		const unsigned shift = f->level_shift[level + 1];

		tables += ((last >> shift) - (va >> shift) + 1) * split_cost(f, t, at.pte, level);
	}
	return tables;
}

/* What is to be allocated to bring down what meets [va, last]. */
ML_PART uint64_t count_split(const struct ml_format *f, const struct ml_table *t, ml_va va,
			     ml_va last, unsigned rung)
{
	uint64_t tables = 0;

	for (;;) {
		const struct place at = descend(f, t, va, 0);
		const ml_va end = split_skip(f, at, va, last);

		if (is_larger(f, at, rung))
			tables += split_tables(f, t, at, va, end, f->rungs[rung].level);
		if (end == last)
			return tables;
		va = end + 1;
	}
}

/* Whether a leaf that would come apart has to be broken, and must not be. */
ML_PART int check_split(const struct ml_format *f, const struct ml_table *t, ml_va va, ml_va last,
			unsigned rung)
{
	if (!never_breaks(t, va, last) || t->hitless)
		return ML_OK;
	for (;;) {
		const struct place at = descend(f, t, va, 0);
		const ml_va end = split_skip(f, at, va, last);

		if (is_larger(f, at, rung)) {
			const struct span span = leaf_span(f, at, va);

			if (never_fault_in(t, span.first, span.last))
				return ML_ERR_NEVER_FAULT;
		}
		if (end == last)
			return ML_OK;
		va = end + 1;
	}
}

/* The leaf at `at` comes down to the size; its group first. */
ML_INLINE void split_at(const struct ml_format *f, struct change *c, const struct parting *parting,
			struct place at, ml_va va)
{
	struct apart a;

	if (at.pte & codec_group(f)) {
		group_convert(f, &c->gather, at.entry, va, at.level, false);
		return;
	}
	apart_leaf(f, &a, parting, at, va);
	take_apart(f, &c->gather, &c->supply, &a, 1);
}

ML_INLINE int table_split(const struct ml_format *f, struct ml_table *t, ml_va va, uint64_t len,
			  unsigned rung, struct ml_op *op)
{
	const ml_va last = va + len - 1;
	const struct parting parting = { va, last, NULL, rung };
	struct change c;
	int error = check_change(f, t, va, len);

	if (error)
		return error;
	if (rung >= f->rung_count)
		return ML_ERR_SIZE;
	error = check_split(f, t, va, last, rung);
	if (error)
		return error;
	begin(t, op);
	error = open_change(t, op, &c, count_split(f, t, va, last, rung));
	if (error || is_dry(op))
		return error;
	for (;;) {
		const struct place at = descend(f, t, va, 0);
		const ml_va end = split_skip(f, at, va, last);

		if (is_larger(f, at, rung)) {
			split_at(f, &c, &parting, at, va);
			continue;
		}
		if (end == last)
			break;
		va = end + 1;
	}
	close_change(f, &c);
	return ML_OK;
}

#endif
