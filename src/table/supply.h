/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Spare tables: a chain through their own first words, and the supply an operation takes
 * its tables from. Everything is allocated when the supply opens; taking cannot fail.
 */
#ifndef ML_TABLE_SUPPLY_H
#define ML_TABLE_SUPPLY_H

#include "table/locate.h"

/* The first words of a table that is nobody's. */
struct spare {
	struct spare *next;
	ml_pa pa;
};

ML_INLINE void spare_push(struct ml_reserve *reserve, void *table, ml_pa pa)
{
	struct spare *spare = table;

	spare->next = reserve->first;
	spare->pa = pa;
	reserve->first = spare;
	reserve->count++;
}

/* The reserve is not empty. */
ML_INLINE struct spare *spare_pop(struct ml_reserve *reserve)
{
	struct spare *spare = reserve->first;

	reserve->first = spare->next;
	reserve->count--;
	return spare;
}

/* Where an operation's tables come from: the caller's reserve, deposits, or its own allocation. */
struct supply {
	struct ml_reserve *from;
	struct ml_reserve own;
};

/* Fill a reserve up to count tables; on failure it holds what it held. */
int ml_supply_fill(const struct ml_table *t, struct ml_op *op, struct ml_reserve *reserve,
		   uint64_t count);

/* Give tables back until the reserve holds no more than keep. */
void ml_supply_trim(const struct ml_table *t, struct ml_op *op, struct ml_reserve *reserve,
		    uint64_t keep);

/* Make sure that `need` tables can be taken. A dry call is only told, and ends there. */
int ml_supply_open(const struct ml_table *t, struct ml_op *op, struct supply *supply,
		   uint64_t need);

/* What was allocated and not taken goes back. */
ML_INLINE void supply_close(const struct ml_table *t, struct ml_op *op, struct supply *supply)
{
	if (ML_UNLIKELY(supply->own.count))
		ml_supply_trim(t, op, &supply->own, 0);
}

/* A table out of the supply; its contents are of no matter. */
ML_INLINE ml_pte *supply_take(struct ml_table *t, struct supply *supply, ml_pa *pa)
{
	struct spare *spare;

	ML_ASSERT(supply->from->count > 0);
	spare = spare_pop(supply->from);
	*pa = spare->pa;
	tally(t, &t->stats.tables, 1);
	return (ml_pte *)(void *)spare;
}

/* ... and back: it was not needed. */
ML_INLINE void supply_return(struct ml_table *t, struct supply *supply, ml_pte *table, ml_pa pa)
{
	spare_push(supply->from, table, pa);
	tally(t, &t->stats.tables, ~(uint64_t)0);
}

#endif
