/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ml_split: leaves down to a size, over a range. */
#ifndef ML_TABLE_RESIZE_H
#define ML_TABLE_RESIZE_H

#include "table/unmap.h"

/* Tables that bring one leaf of level `from` down to leaves of level `to`. */
ML_INLINE uint64_t tables_between(const struct ml_format *f, unsigned from, unsigned to)
{
	uint64_t tables = 0;
	unsigned level;

	for (level = to; level < from; level++)
		tables = 1 + (tables << f->index_bits[level]);
	return tables;
}

/* The end of the leaf or hole that va is in; for small pages, of all that cannot be larger. */
ML_INLINE ml_va resize_skip(const struct ml_format *f, struct place at, ml_va va, ml_va last)
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

ML_PART uint64_t count_resize(const struct ml_format *f, const struct ml_table *t, ml_va va,
			      ml_va last, unsigned rung)
{
	uint64_t tables = 0;

	for (;;) {
		const struct place at = descend(f, t, va, 0);
		const ml_va end = resize_skip(f, at, va, last);

		if (is_larger(f, at, rung))
			tables += tables_between(f, at.level, f->rungs[rung].level);
		if (end == last)
			return tables;
		va = end + 1;
	}
}

ML_INLINE int table_split(const struct ml_format *f, struct ml_table *t, ml_va va, uint64_t len,
			  unsigned rung, struct ml_op *op)
{
	const ml_va last = va + len - 1;
	struct supply supply;
	struct gather g;
	int error = check_change(f, t, va, len);

	if (error)
		return error;
	if (rung >= f->rung_count)
		return ML_ERR_SIZE;
	begin(t, op);
	error = open_split_supply(t, op, &supply, count_resize(f, t, va, last, rung));
	if (error)
		return error;
	gather_open(&g, t, op);
	for (;;) {
		const struct place at = descend(f, t, va, 0);
		const ml_va end = resize_skip(f, at, va, last);

		if (is_larger(f, at, rung)) {
			split_place(f, &g, &supply, at, va);
			continue;
		}
		if (end == last)
			break;
		va = end + 1;
	}
	gather_close(f, &g);
	supply_close(t, op, &supply);
	return ML_OK;
}

#endif
