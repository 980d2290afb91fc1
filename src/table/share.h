/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Root entries that belong to another table, and the end of a table. */
#ifndef ML_TABLE_SHARE_H
#define ML_TABLE_SHARE_H

#include "table/unmap.h"

/* Whether t has a pointer to the lender's table at pa, below the root. */
ML_INLINE bool finds(const struct ml_format *f, const struct ml_table *t,
		     const struct ml_table *lender, ml_pa pa)
{
	if (t->base && t->base == lender->base)
		return true;
	return t->platform->table_pointer(t->cookie, pa, table_bytes(f, root_level(t) - 1)) != NULL;
}

/* Whether the root entries can be lent; *missing of them link no table yet. */
ML_INLINE int check_share(const struct ml_format *f, const struct ml_table *t,
			  const struct ml_table *lender, unsigned first, unsigned last,
			  uint64_t *missing)
{
	const unsigned level = root_level(t);
	unsigned i;

	*missing = 0;
	for (i = first; i <= last; i++) {
		const ml_pte pte = entry_load(f, lender->root + i);

		if (entry_load(f, t->root + i))
			return ML_ERR_EXISTS;
		if (!pte)
			++*missing;
		else if (!codec_is_table(f, pte, level))
			return ML_ERR_EXISTS;
		else if (!finds(f, t, lender, codec_table_pa(f, pte)))
			return ML_ERR_CONFIG;
	}
	return ML_OK;
}

ML_INLINE int table_share(const struct ml_format *f, struct ml_table *t, struct ml_table *lender,
			  ml_va va, ml_va last, struct ml_op *op)
{
	const unsigned level = root_level(t), first = index_of(f, va, level);
	const unsigned end = index_of(f, last, level);
	struct supply supply;
	uint64_t missing;
	unsigned i;
	int error = check_share(f, t, lender, first, end, &missing);

	if (!error)
		error = ml_supply_open(lender, op, &supply, missing);
	if (error || is_dry(op))
		return error;
	for (i = first; i <= end; i++) {
		if (!entry_load(f, lender->root + i)) {
			ml_pa pa;
			ml_pte *table = supply_take(lender, &supply, &pa);

			entry_clear_run(f, table, table_entries(f, level - 1));
			link_table(f, lender, op, lender->root + i, table, pa, level - 1);
		}
		entry_link(f, t->root + i, entry_load(f, lender->root + i));
	}
	publish(t, op, t->root + first, end - first + 1);
	if (missing)
		tell_linked(f, lender, op, va, last);
	tell_linked(f, t, op, va, last);
	supply_close(lender, op, &supply);
	return ML_OK;
}

/* Take everything out; what is borrowed is only let go. */
ML_INLINE void table_release_all(const struct ml_format *f, struct ml_table *t, struct ml_op *op)
{
	const unsigned level = root_level(t);
	struct gather g;
	unsigned i;

	gather_open(&g, t, op);
	for (i = 0; i < table_entries(f, level); i++) {
		if (is_borrowed(t, i))
			entry_store(f, t->root + i, 0);
		else
			unmap_entries(f, &g, t->root + i, root_va(f, t, i), 1, level);
	}
	gather_close(f, &g);
}

#endif
