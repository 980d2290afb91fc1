/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The static pool: fresh tables from the front of the block, returned ones from a chain. */
#include "base/bits.h"
#include <maxleaf/pool.h>

int ml_pool_init(struct ml_pool *pool, void *memory, ml_pa pa, size_t bytes, size_t table_bytes)
{
	const struct ml_pool fresh = { memory, pa, bytes, table_bytes, NULL, 0, 0, 0 };

	if (table_bytes < 32 || table_bytes & (table_bytes - 1) ||
	    (pa | (uintptr_t)memory) & (table_bytes - 1))
		return ML_ERR_ALIGN;
	if (bytes < table_bytes)
		return ML_ERR_EMPTY;
	*pool = fresh;
	return ML_OK;
}

char *ml_pool_base(const struct ml_pool *pool)
{
	return pool->memory - pool->pa;
}

void *ml_pool_alloc(void *cookie, struct ml_op *op, size_t bytes, ml_pa *pa)
{
	struct ml_pool *pool = cookie;
	char *table = pool->free;

	(void)op;
	if (bytes != pool->table_bytes)
		return NULL;
	if (table) {
		pool->free = *(void **)(void *)table;
	} else {
		if (pool->bytes - pool->next < bytes)
			return NULL;
		table = pool->memory + pool->next;
		pool->next += bytes;
	}
	if (++pool->used > pool->used_most)
		pool->used_most = pool->used;
	*pa = pool->pa + (uint64_t)(table - pool->memory);
	return table;
}

void ml_pool_free(void *cookie, struct ml_op *op, void *table, ml_pa pa, size_t bytes)
{
	struct ml_pool *pool = cookie;

	(void)op;
	(void)pa;
	(void)bytes;
	*(void **)table = pool->free;
	pool->free = table;
	pool->used--;
}

void *ml_pool_pointer(void *cookie, ml_pa pa, size_t bytes)
{
	struct ml_pool *pool = cookie;

	if (pa < pool->pa || pa - pool->pa > pool->bytes || bytes > pool->bytes - (pa - pool->pa))
		return NULL;
	return pool->memory + (pa - pool->pa);
}
