/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Table memory for the benchmark: one block, faulted in before anything is measured, in
 * large pages where the system gives them, as a kernel's direct map has it. The free list
 * is an array beside the tables, so neither side pays for reading tables it does not use.
 * Owns the platform that both the library and the limit allocate through.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"

static void *arena_alloc(void *cookie, struct ml_op *op, size_t bytes, ml_pa *pa)
{
	struct arena *arena = cookie;

	(void)op;
	if (bytes != PAGE || arena->free_count == 0)
		return NULL;
	*pa = arena->free[--arena->free_count] * PAGE;
	return arena->memory + *pa;
}

static void arena_free(void *cookie, struct ml_op *op, void *table, ml_pa pa, size_t bytes)
{
	struct arena *arena = cookie;

	(void)op;
	(void)table;
	(void)bytes;
	arena->free[arena->free_count++] = (uint32_t)(pa / PAGE);
}

static void *arena_pointer(void *cookie, ml_pa pa, size_t bytes)
{
	struct arena *arena = cookie;

	if (pa % bytes != 0 || pa >= arena->count * PAGE)
		return NULL;
	return arena->memory + pa;
}

static void arena_invalidate(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	struct arena *arena = cookie;

	(void)op;
	(void)what;
	arena->flushes.invalidations++;
}

static void arena_complete(void *cookie, struct ml_op *op)
{
	struct arena *arena = cookie;

	(void)op;
	arena->flushes.completions++;
}

const struct ml_platform arena_platform = {
	.table_alloc = arena_alloc,
	.table_free = arena_free,
	.table_pointer = arena_pointer,
	.invalidate = arena_invalidate,
	.complete = arena_complete,
};

int arena_init(struct arena *arena, uint32_t count)
{
	size_t bytes = count * PAGE;
	void *memory;

	*arena = (struct arena){ .count = count };
	if (posix_memalign(&memory, BLOCK, bytes) != 0)
		return ENOMEM;
	arena->memory = memory;
	/* Advice only: small pages measure the same ratios, with more noise. */
	(void)madvise(memory, bytes, MADV_HUGEPAGE);
	memset(memory, 0xa5, bytes);
	arena->free = malloc(count * sizeof(*arena->free));
	if (arena->free == NULL) {
		free(memory);
		return ENOMEM;
	}
	/* Address 0 stays unused: a table there would look like an empty pointer in a dump. */
	for (uint32_t page = count - 1; page > 0; page--)
		arena->free[arena->free_count++] = page;
	return 0;
}

void arena_fini(struct arena *arena)
{
	free(arena->free);
	free(arena->memory);
}
