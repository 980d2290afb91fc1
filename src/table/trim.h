/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Trim: take out the empty tables that no call frees by itself: those that several writers use, and
 * those that were made for entries to come.
 */
#ifndef ML_TABLE_TRIM_H
#define ML_TABLE_TRIM_H

#include "table/unmap.h"

/* The highest level up to top at which [first, last] holds the whole entry that holds va. */
ML_INLINE unsigned enclosed_level(const struct ml_format *f, unsigned top, ml_va va, ml_va first,
				  ml_va last)
{
	unsigned level = top;

	while (level && (ml_align_down(va, f->level_shift[level]) < first ||
			 entry_last(f, va, level) > last))
		level--;
	return level;
}

/*
 * Take the table out that the way to va ends in, at `low` or above, if it is empty; returns the
 * last address of it.
 */
ML_PART ml_va trim_some(const struct ml_format *f, struct gather *g, ml_va va, ml_va first,
			ml_va last, unsigned low)
{
	const unsigned root = root_level(g->t);
	const unsigned top = root - (is_lent(g->t, index_of(f, va, root)) ? 1u : 0u);
	const struct place at = descend(f, g->t, va, low);
	const unsigned index = index_of(f, va, at.level);
	ml_va end = entry_last(f, va, at.level);

	if (!at.pte)
		prune(f, g, va, at.entry - index, index, index + 1, at.level,
		      enclosed_level(f, top, va, first, last));
	if (at.level == low && low < root)
		end = entry_last(f, va, low + 1);
	return ml_min(last, end);
}

ML_INLINE int table_trim(const struct ml_format *f, struct ml_table *t, ml_va va, uint64_t len,
			 struct ml_op *op)
{
	const ml_va first = va, last = va + len - 1;
	const unsigned low = t->hollow || t->foreign ? 0 : t->top;
	struct gather g;
	int error = check_change(f, t, va, len);

	if (error)
		return error;
	begin(t, op);
	gather_open(&g, t, op);
	for (; low < root_level(t); va++) {
		va = trim_some(f, &g, va, first, last, low);
		if (va == last)
			break;
	}
	gather_close(f, &g);
	return ML_OK;
}

#endif
