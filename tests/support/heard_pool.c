/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A static pool of tables of which the adversarial TLB hears everything. */
#include <string.h>

#include "heard_pool.h"

struct heard_pool heard_pool;

void heard_pool_hear(void *cookie, const struct ml_event *event)
{
	const struct ml_pool *pool = heard_pool.pool;
	struct ml_event placed = *event;

	(void)cookie;
	if (event->pointer)
		placed.address = pool->pa + (ml_pa)((const char *)event->pointer - pool->memory);
	ml_oracle_event(heard_pool.oracle, &placed);
}

void heard_pool_tell(enum ml_event_kind kind, const void *table)
{
	const struct ml_event event = { .kind = kind,
					.pointer = table,
					.value = heard_pool.pool->table_bytes };

	heard_pool_hear(NULL, &event);
}

bool heard_pool_read(void *cookie, ml_pa pa, uint64_t *memory)
{
	const struct ml_pool *pool = heard_pool.pool;

	(void)cookie;
	if (pa - pool->pa >= pool->bytes)
		return false;
	memcpy(memory, pool->memory + (pa - pool->pa), sizeof(*memory));
	return true;
}

static void *take(void *pool, struct ml_op *op, size_t bytes, ml_pa *pa)
{
	void *table = ml_pool_alloc(pool, op, bytes, pa);

	if (table)
		heard_pool_tell(ML_EVENT_ALLOC, table);
	return table;
}

static void give_back(void *pool, struct ml_op *op, void *table, ml_pa pa, size_t bytes)
{
	heard_pool_tell(ML_EVENT_FREE, table);
	ml_pool_free(pool, op, table, pa, bytes);
}

static void invalidate(void *pool, struct ml_op *op, const struct ml_invalidation *what)
{
	(void)pool;
	(void)op;
	heard_pool_hear(NULL, &(struct ml_event){ .kind = ML_EVENT_INVALIDATE, .what = *what });
}

static void complete(void *pool, struct ml_op *op)
{
	(void)pool;
	(void)op;
	heard_pool_tell(ML_EVENT_COMPLETE, NULL);
}

const struct ml_platform heard_pool_platform = {
	.table_alloc = take,
	.table_free = give_back,
	.table_pointer = ml_pool_pointer,
	.invalidate = invalidate,
	.complete = complete,
};
