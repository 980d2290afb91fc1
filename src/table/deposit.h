/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Deposits: tables that large leaves own, so that taking them apart allocates nothing. All lie in
 * t->spare, because one is as good as another; t->owed says how many the leaves own.
 */
#ifndef ML_TABLE_DEPOSIT_H
#define ML_TABLE_DEPOSIT_H

#include "table/supply.h"

/* The tables of splitting a leaf of this level down to base pages. */
ML_INLINE uint64_t tables_to_pages(const struct ml_format *f, unsigned level)
{
	uint64_t tables = 0;
	unsigned below;

	for (below = 0; below < level; below++)
		tables = 1 + (tables << f->index_bits[below]);
	return tables;
}

/*
 * What the leaf pte of this level owns: nobody else decides that. The mark of those that own
 * nothing stands at the same place at every level.
 */
ML_INLINE uint64_t tables_owed(const struct ml_format *f, const struct ml_table *t, ml_pte pte,
			       unsigned level)
{
	if (ML_LIKELY(!t->guaranteed) || pte & t->refault_bit)
		return 0;
	return t->deposit_one ? level != 0 : tables_to_pages(f, level);
}

/*
 * What is to be allocated when the leaf pte comes apart into a table of `level`: the table and what
 * its leaves own, less what the leaf owned.
 */
ML_INLINE uint64_t split_cost(const struct ml_format *f, const struct ml_table *t, ml_pte pte,
			      unsigned level)
{
	return 1 + (tables_owed(f, t, pte, level) << f->index_bits[level]) -
	       tables_owed(f, t, pte, level + 1);
}

/* count leaves of this level that are as pte is came to be. */
ML_INLINE void owe(const struct ml_format *f, struct ml_table *t, ml_pte pte, unsigned level,
		   uint64_t count)
{
	if (ML_UNLIKELY(t->guaranteed))
		t->owed += count * tables_owed(f, t, pte, level);
}

/* ... or went. */
ML_INLINE void owe_no_more(const struct ml_format *f, struct ml_table *t, ml_pte pte,
			   unsigned level, uint64_t count)
{
	if (ML_UNLIKELY(t->guaranteed))
		t->owed -= count * tables_owed(f, t, pte, level);
}

/* A table of `level`, all of it leaves, takes the place of the leaf pte. */
ML_INLINE void owe_split(const struct ml_format *f, struct ml_table *t, ml_pte pte, unsigned level)
{
	owe_no_more(f, t, pte, level + 1, 1);
	owe(f, t, pte, level, table_entries(f, level));
}

/* A leaf takes the place of a table of `level`, all of it leaves as pte is. */
ML_INLINE void owe_promoted(const struct ml_format *f, struct ml_table *t, ml_pte pte,
			    unsigned level)
{
	owe_no_more(f, t, pte, level, table_entries(f, level));
	owe(f, t, pte, level + 1, 1);
}

/* Put tables of the supply to the deposits. */
ML_INLINE void deposit(struct ml_table *t, struct supply *supply, uint64_t tables)
{
	if (tables && tables == supply->from->count && !t->spare.count) {
		t->spare = *supply->from;
		supply->from->first = NULL;
		supply->from->count = 0;
		return;
	}
	for (; tables; tables--) {
		struct spare *spare = spare_pop(supply->from);

		spare_push(&t->spare, spare, spare->pa);
	}
}

/* The same for leaves that were made. */
ML_INLINE void deposit_owed(struct ml_table *t, struct supply *supply, uint64_t tables)
{
	if (!tables) /* several writers never deposit, and must not touch what they share */
		return;
	deposit(t, supply, tables);
	t->owed += tables;
}

#endif
