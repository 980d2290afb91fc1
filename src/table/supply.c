/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Filling and emptying reserves through the platform. */
#include "table/supply.h"

/* Tables below the root all have the size of level 0's in every format so far. */
static size_t spare_bytes(const struct ml_table *t)
{
	return table_bytes(t->format, 0);
}

int ml_supply_fill(const struct ml_table *t, struct ml_op *op, struct ml_reserve *reserve,
		   uint64_t count)
{
	const uint64_t before = reserve->count;
	const size_t bytes = spare_bytes(t);

	while (reserve->count < count) {
		ml_pa pa = 0;
		void *table = NULL;

		if (t->platform->table_alloc)
			table = t->platform->table_alloc(t->cookie, op, bytes, &pa);
		if (!table) {
			ml_supply_trim(t, op, reserve, before);
			return ML_ERR_NO_MEMORY;
		}
		spare_push(reserve, table, pa);
	}
	return ML_OK;
}

void ml_supply_trim(const struct ml_table *t, struct ml_op *op, struct ml_reserve *reserve,
		    uint64_t keep)
{
	const size_t bytes = spare_bytes(t);

	while (reserve->count > keep) {
		struct spare *spare = spare_pop(reserve);

		t->platform->table_free(t->cookie, op, spare, spare->pa, bytes);
	}
}

int ml_supply_open(const struct ml_table *t, struct ml_op *op, struct supply *supply, uint64_t need)
{
	supply->own.first = NULL;
	supply->own.count = 0;
	supply->from = &supply->own;
	if (op)
		op->tables_needed = need;
	if (!need || is_dry(op))
		return ML_OK;
	if (op && op->reserve) {
		supply->from = op->reserve;
		return op->reserve->count < need ? ML_ERR_SHORT : ML_OK;
	}
	return ml_supply_fill(t, op, &supply->own, need);
}

int ml_reserve_fill(const struct ml_table *t, struct ml_reserve *reserve, uint64_t tables,
		    struct ml_op *op)
{
	return ml_supply_fill(t, op, reserve, tables);
}

void ml_reserve_empty(const struct ml_table *t, struct ml_reserve *reserve, struct ml_op *op)
{
	ml_supply_trim(t, op, reserve, 0);
}
