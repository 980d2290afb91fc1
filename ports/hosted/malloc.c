/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Table memory from the heap, for ordinary hosted programs: no arena, no trace. */
#include <stdlib.h>

#include <maxleaf/hosted.h>

static void *malloc_alloc(void *cookie, struct ml_op *op, size_t bytes, ml_pa *pa)
{
	struct ml_malloc *counts = cookie;
	/* aligned_alloc() takes a multiple of the size of a pointer, and every table is one. */
	void *table = aligned_alloc(bytes, bytes);

	(void)op;
	if (!table)
		return NULL;
	if (counts) {
		counts->allocs++;
		if (++counts->in_use > counts->in_use_most)
			counts->in_use_most = counts->in_use;
	}
	*pa = (uintptr_t)table;
	return table;
}

static void malloc_free(void *cookie, struct ml_op *op, void *table, ml_pa pa, size_t bytes)
{
	struct ml_malloc *counts = cookie;

	(void)op;
	(void)pa;
	(void)bytes;
	if (counts) {
		counts->frees++;
		counts->in_use--;
	}
	free(table);
}

static void *malloc_pointer(void *cookie, ml_pa pa, size_t bytes)
{
	(void)cookie;
	return pa & (bytes - 1) ? NULL : (void *)(uintptr_t)pa;
}

static void malloc_invalidate(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	struct ml_malloc *counts = cookie;

	(void)op;
	(void)what;
	if (counts)
		counts->invalidations++;
}

static void malloc_complete(void *cookie, struct ml_op *op)
{
	struct ml_malloc *counts = cookie;

	(void)op;
	if (counts)
		counts->completions++;
}

const struct ml_platform ml_malloc_platform = {
	.table_alloc = malloc_alloc,
	.table_free = malloc_free,
	.table_pointer = malloc_pointer,
	.invalidate = malloc_invalidate,
	.complete = malloc_complete,
};
