/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The arena: physical memory for tables that finds fault with whoever misuses it. A table
 * size, once carved out of the arena, stays that size, and what was freed last is handed
 * out first: a stale table is overwritten as soon as possible.
 */
#define _DEFAULT_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hosted_port.h"
#include "trace.h"

#define ARENA_ALIGN 0x10000u /* the largest table; host and physical addresses agree modulo this */

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(memory, bytes) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(memory, bytes) ((void)0)
#endif

static _Noreturn void arena_fail(const char *what, ml_pa pa, size_t bytes)
{
	char text[128];

	snprintf(text, sizeof(text), "%s: table at 0x%" PRIx64 " of %zu bytes", what, pa, bytes);
	ml_hosted_fail("arena", text);
}

/* The class of a table size, or ML_ARENA_CLASSES if there is no such size. */
static unsigned arena_class(size_t bytes)
{
	for (unsigned size_class = 0; size_class < ML_ARENA_CLASSES; size_class++)
		if (bytes == (size_t)ML_ARENA_UNIT << size_class)
			return size_class;
	return ML_ARENA_CLASSES;
}

static void arena_poison(struct ml_arena *arena, void *table, size_t bytes)
{
	ml_pte *entries = table;

	for (size_t i = 0; i < bytes / sizeof(*entries); i++)
		entries[i] = arena->poison[i & 1];
}

/* Where a table of this size can be had: bytes from the arena's start; its end if nowhere. */
static size_t arena_take(struct ml_arena *arena, unsigned size_class)
{
	size_t bytes = (size_t)ML_ARENA_UNIT << size_class;
	struct ml_arena_stack *stack = &arena->free[size_class];
	size_t offset = (arena->next + bytes - 1) & ~(bytes - 1);

	if (stack->count)
		return (size_t)stack->units[--stack->count] * ML_ARENA_UNIT;
	if (offset + bytes > arena->bytes)
		return arena->bytes;
	arena->next = offset + bytes;
	return offset;
}

static bool arena_refuses(struct ml_arena *arena)
{
	bool nth = arena->fail_nth && --arena->fail_nth == 0;

	return nth || (arena->in_use_limit && arena->in_use >= arena->in_use_limit);
}

static void arena_event(enum ml_event_kind kind, const void *table, ml_pa pa, size_t bytes)
{
	struct ml_event event = { .kind = kind, .pointer = table, .address = pa, .value = bytes };

	ml_trace_event(&event);
}

static void *arena_alloc(void *cookie, struct ml_op *op, size_t bytes, ml_pa *pa)
{
	struct ml_arena *arena = cookie;
	unsigned size_class = arena_class(bytes);
	size_t offset;

	(void)op;
	if (size_class == ML_ARENA_CLASSES)
		arena_fail("asked for no legal table size", 0, bytes);
	offset = arena_refuses(arena) ? arena->bytes : arena_take(arena, size_class);
	if (offset == arena->bytes) {
		arena->refusals++;
		return NULL;
	}
	arena->classes[offset / ML_ARENA_UNIT] = (uint8_t)(size_class + 1);
	arena->allocs++;
	if (++arena->in_use > arena->in_use_most)
		arena->in_use_most = arena->in_use;
	ASAN_UNPOISON_MEMORY_REGION(arena->memory + offset, bytes);
	arena_poison(arena, arena->memory + offset, bytes);
	*pa = arena->pa + offset;
	arena_event(ML_EVENT_ALLOC, arena->memory + offset, *pa, bytes);
	return arena->memory + offset;
}

static void arena_push(struct ml_arena_stack *stack, size_t unit)
{
	if (stack->count == stack->room) {
		size_t room = stack->room ? 2 * stack->room : 64;
		uint32_t *units = realloc(stack->units, room * sizeof(*units));

		if (!units)
			ml_hosted_fail("arena", "no memory for its own lists");
		stack->units = units;
		stack->room = room;
	}
	stack->units[stack->count++] = (uint32_t)unit;
}

static void arena_free(void *cookie, struct ml_op *op, void *table, ml_pa pa, size_t bytes)
{
	struct ml_arena *arena = cookie;
	unsigned size_class = arena_class(bytes);
	size_t offset = (size_t)(pa - arena->pa);

	(void)op;
	if (pa < arena->pa || offset >= arena->bytes || table != arena->memory + offset)
		arena_fail("freed what is not the arena's", pa, bytes);
	if (offset % ML_ARENA_UNIT || arena->classes[offset / ML_ARENA_UNIT] != size_class + 1)
		arena_fail("freed what is not handed out", pa, bytes);
	if (arena->pending)
		arena_fail("freed before the invalidation completed", pa, bytes);
	arena->classes[offset / ML_ARENA_UNIT] = 0;
	arena->frees++;
	arena->in_use--;
	arena_poison(arena, table, bytes);
	arena_event(ML_EVENT_FREE, table, pa, bytes);
	ASAN_POISON_MEMORY_REGION(table, bytes);
	arena_push(&arena->free[size_class], offset / ML_ARENA_UNIT);
}

static void *arena_table_pointer(void *cookie, ml_pa pa, size_t bytes)
{
	const struct ml_arena *arena = cookie;

	return pa & (bytes - 1) ? NULL : ml_arena_pointer(arena, pa, bytes);
}

static void arena_invalidate(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	struct ml_arena *arena = cookie;
	struct ml_event event = {
		.kind = ML_EVENT_INVALIDATE,
		.address = what->va,
		.value = what->length,
		.what = *what,
	};

	(void)op;
	arena->invalidations++;
	arena->pending++;
	ml_trace_event(&event);
}

static void arena_complete(void *cookie, struct ml_op *op)
{
	struct ml_arena *arena = cookie;
	struct ml_event event = { .kind = ML_EVENT_COMPLETE };

	(void)op;
	arena->completions++;
	arena->pending = 0;
	ml_trace_event(&event);
}

/* Host memory that agrees with pa modulo the largest table, with a guard on both sides. */
static char *arena_map(size_t bytes)
{
	size_t whole = bytes + 3 * ARENA_ALIGN;
	char *map =
		mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *memory;

	if (map == MAP_FAILED)
		return NULL;
	memory = map + 2 * ARENA_ALIGN - ((uintptr_t)map & (ARENA_ALIGN - 1));
	munmap(map, (size_t)(memory - map) - ARENA_ALIGN);
	munmap(memory + bytes + ARENA_ALIGN, (size_t)(map + whole - memory) - bytes - ARENA_ALIGN);
	if (mprotect(memory, bytes, PROT_READ | PROT_WRITE) == 0)
		return memory;
	munmap(memory - ARENA_ALIGN, bytes + 2 * ARENA_ALIGN);
	return NULL;
}

int ml_arena_init(struct ml_arena *arena, ml_pa pa, size_t bytes)
{
	memset(arena, 0, sizeof(*arena));
	if (!bytes)
		return ML_ERR_EMPTY;
	if ((pa | bytes) & (ARENA_ALIGN - 1))
		return ML_ERR_ALIGN;
	arena->pa = pa;
	arena->bytes = bytes;
	arena->memory = arena_map(bytes);
	arena->classes = calloc(bytes / ML_ARENA_UNIT, 1);
	if (!arena->memory || !arena->classes) {
		ml_arena_fini(arena);
		return ML_ERR_NO_MEMORY;
	}
	ASAN_POISON_MEMORY_REGION(arena->memory, bytes);
	/* Readable, writable, accessed leaves of every level of x86-64; pages, blocks on arm64. */
	arena->poison[0] = 0x5ee0004e7;
	arena->poison[1] = 0x5ee0004e5;
	arena->platform = (struct ml_platform){
		.table_alloc = arena_alloc,
		.table_free = arena_free,
		.table_pointer = arena_table_pointer,
		.invalidate = arena_invalidate,
		.complete = arena_complete,
	};
	return ML_OK;
}

void ml_arena_fini(struct ml_arena *arena)
{
	for (unsigned size_class = 0; size_class < ML_ARENA_CLASSES; size_class++)
		free(arena->free[size_class].units);
	free(arena->classes);
	if (arena->memory) {
		ASAN_UNPOISON_MEMORY_REGION(arena->memory, arena->bytes);
		munmap(arena->memory - ARENA_ALIGN, arena->bytes + 2 * ARENA_ALIGN);
	}
	memset(arena, 0, sizeof(*arena));
}

char *ml_arena_base(const struct ml_arena *arena)
{
	return (char *)((uintptr_t)arena->memory - (uintptr_t)arena->pa);
}

void *ml_arena_pointer(const struct ml_arena *arena, ml_pa pa, size_t bytes)
{
	size_t offset = (size_t)(pa - arena->pa);

	if (pa < arena->pa || offset >= arena->bytes)
		return NULL;
	for (unsigned size_class = 0; size_class < ML_ARENA_CLASSES; size_class++) {
		size_t table_bytes = (size_t)ML_ARENA_UNIT << size_class;
		size_t start = offset & ~(table_bytes - 1);

		if (arena->classes[start / ML_ARENA_UNIT] == size_class + 1 &&
		    offset - start + bytes <= table_bytes)
			return arena->memory + offset;
	}
	return NULL;
}

ml_pa ml_arena_address(const struct ml_arena *arena, const void *pointer)
{
	uintptr_t offset = (uintptr_t)pointer - (uintptr_t)arena->memory;

	return offset < arena->bytes ? arena->pa + offset : 0;
}

bool ml_arena_read(void *cookie, ml_pa pa, uint64_t *memory)
{
	const struct ml_arena *arena = cookie;
	const uint64_t *entry = ml_arena_pointer(arena, pa, sizeof(*entry));

	if (!entry)
		return false;
	*memory = __atomic_load_n(entry, __ATOMIC_RELAXED);
	return true;
}
