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

#define FRAME_BYTES (4 * MIB) /* for region objects */
#define FRAME_PA (64 * GIB)   /* of what regions map: right for all that hold 46 bits */

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

/* ---- memory behind spaces --------------------------------------------------------- */

static void *object_alloc(void *cookie, size_t bytes)
{
	struct arena *arena = cookie;

	return ml_frame_pool_frames.object_alloc(&arena->frames, bytes);
}

static void object_free(void *cookie, void *object, size_t bytes)
{
	struct arena *arena = cookie;

	ml_frame_pool_frames.object_free(&arena->frames, object, bytes);
}

/* Nobody looks at the contents, and nobody counts: what that costs is the embedder's. */
static bool frames_alloc(void *cookie, uint64_t bytes, bool zero, ml_pa *pa)
{
	struct arena *arena = cookie;

	(void)zero;
	*pa = (arena->next_frame + bytes - 1) & ~(bytes - 1);
	arena->next_frame = *pa + bytes;
	return true;
}

static void frames_count(void *cookie, ml_pa pa, uint64_t length)
{
	(void)cookie, (void)pa, (void)length;
}

static bool frames_exclusive(void *cookie, ml_pa pa, uint64_t length)
{
	(void)cookie, (void)pa, (void)length;
	return true;
}

static void frames_copy(void *cookie, ml_pa to, ml_pa from, uint64_t length)
{
	(void)cookie, (void)to, (void)from, (void)length;
}

const struct ml_frames arena_frames = {
	.object_alloc = object_alloc,
	.object_free = object_free,
	.alloc = frames_alloc,
	.get = frames_count,
	.put = frames_count,
	.exclusive = frames_exclusive,
	.copy = frames_copy,
};

/* ---- the whole of it -------------------------------------------------------------- */

static char *warm_memory(size_t bytes)
{
	void *memory;

	if (posix_memalign(&memory, BLOCK, bytes) != 0)
		return NULL;
	/* Advice only: small pages measure the same ratios, with more noise. */
	(void)madvise(memory, bytes, MADV_HUGEPAGE);
	memset(memory, 0xa5, bytes);
	return memory;
}

void arena_reset(struct arena *arena)
{
	const struct ml_frame_pool *frames = &arena->frames;

	if (ml_frame_pool_init(&arena->frames, frames->memory, 0, FRAME_BYTES, 12,
			       frames->counts) != ML_OK)
		abort();
	arena->next_frame = FRAME_PA;
	arena->free_count = 0;
	/* Address 0 stays unused: a table there would look like an empty pointer in a dump. */
	for (uint32_t page = arena->count - 1; page > 0; page--)
		arena->free[arena->free_count++] = page;
}

bool arena_is_whole(const struct arena *arena)
{
	return arena->free_count == arena->count - 1 && arena->frames.objects_used == 0;
}

int arena_init(struct arena *arena, uint32_t count)
{
	*arena = (struct arena){ .count = count };
	arena->memory = warm_memory(count * PAGE);
	arena->free = malloc(count * sizeof(*arena->free));
	arena->frames.memory = warm_memory(FRAME_BYTES);
	arena->frames.counts = calloc(FRAME_BYTES / PAGE, sizeof(uint32_t));
	if (!arena->memory || !arena->free || !arena->frames.memory || !arena->frames.counts) {
		arena_fini(arena);
		return ENOMEM;
	}
	arena_reset(arena);
	return 0;
}

void arena_fini(struct arena *arena)
{
	free(arena->frames.counts);
	free(arena->frames.memory);
	free(arena->free);
	free(arena->memory);
}
