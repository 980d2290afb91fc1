/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Frames in powers of two: free blocks of each order in a list, buddies found by the counts. The
 * count of a page that begins a free block says so, and its order; that of others holds references
 * below pins.
 */
#include <string.h>

#include "base/ranges.h"
#include <maxleaf/frames.h>

#define FREE 0x80000000u
#define PIN 0x100000u /* one of them */

static ml_pa page_pa(const struct ml_frame_pool *pool, uint64_t page)
{
	return pool->pa + (page << pool->page_shift);
}

static uint64_t page_of(const struct ml_frame_pool *pool, ml_pa pa)
{
	return (pa - pool->pa) >> pool->page_shift;
}

static struct ml_free_frames *block_at(const struct ml_frame_pool *pool, uint64_t page)
{
	return (struct ml_free_frames *)(void *)(pool->memory + (page << pool->page_shift));
}

static void push(struct ml_frame_pool *pool, uint64_t page, unsigned order)
{
	struct ml_free_frames *block = block_at(pool, page);

	block->next = pool->free[order];
	block->link = &pool->free[order];
	if (block->next)
		block->next->link = &block->next;
	pool->free[order] = block;
	pool->counts[page] = FREE | order;
}

static void unlink_block(struct ml_frame_pool *pool, uint64_t page)
{
	struct ml_free_frames *block = block_at(pool, page);

	*block->link = block->next;
	if (block->next)
		block->next->link = block->link;
	pool->counts[page] = 0;
}

/* The page where the other half of a block of this order begins. */
static uint64_t buddy_of(const struct ml_frame_pool *pool, uint64_t page, unsigned order)
{
	return page_of(pool, page_pa(pool, page) ^ ML_BIT(order + pool->page_shift));
}

static void give_back(struct ml_frame_pool *pool, uint64_t page)
{
	unsigned order = 0;

	pool->free_pages++;
	for (; order + 1 < ML_FRAME_ORDERS; order++) {
		const uint64_t buddy = buddy_of(pool, page, order);

		if (buddy >= pool->pages || pool->counts[buddy] != (FREE | order))
			break;
		unlink_block(pool, buddy);
		pool->counts[page] = 0;
		page = ml_min(page, buddy);
	}
	push(pool, page, order);
}

int ml_frame_pool_init(struct ml_frame_pool *pool, void *memory, ml_pa pa, uint64_t bytes,
		       unsigned page_shift, uint32_t *counts)
{
	uint64_t page;

	if (!bytes)
		return ML_ERR_EMPTY;
	if (!ml_aligned(pa | bytes, page_shift) || !ml_aligned((uintptr_t)memory, 4))
		return ML_ERR_ALIGN;
	if (pa + (bytes - 1) < pa)
		return ML_ERR_WRAP;
	memset(pool, 0, sizeof(*pool));
	pool->memory = memory;
	pool->pa = pa;
	pool->pages = bytes >> page_shift;
	pool->page_shift = page_shift;
	pool->counts = counts;
	for (page = 0; page < pool->pages; page++)
		counts[page] = 0;
	for (page = 0; page < pool->pages; page++)
		give_back(pool, page);
	return ML_OK;
}

uint32_t ml_frame_references(const struct ml_frame_pool *pool, ml_pa pa)
{
	const uint32_t count = pool->counts[page_of(pool, pa)];

	return count & FREE ? 0 : count / PIN + count % PIN;
}

uint32_t ml_frame_pins(const struct ml_frame_pool *pool, ml_pa pa)
{
	const uint32_t count = pool->counts[page_of(pool, pa)];

	return count & FREE ? 0 : count / PIN;
}

void *ml_frame_pointer(const struct ml_frame_pool *pool, ml_pa pa)
{
	return pa - pool->pa < pool->pages << pool->page_shift ? pool->memory + (pa - pool->pa)
							       : NULL;
}

/* A block of this order, cut off the smallest one that there is. */
static bool take(struct ml_frame_pool *pool, unsigned order, uint64_t *page)
{
	unsigned from = order;

	while (from < ML_FRAME_ORDERS && !pool->free[from])
		from++;
	if (from >= ML_FRAME_ORDERS)
		return false;
	*page = (uint64_t)((char *)pool->free[from] - pool->memory) >> pool->page_shift;
	unlink_block(pool, *page);
	while (from-- > order)
		push(pool, *page + ML_BIT(from), from);
	pool->free_pages -= ML_BIT(order);
	return true;
}

static bool pool_alloc(void *cookie, uint64_t bytes, bool zero, ml_pa *pa)
{
	struct ml_frame_pool *pool = cookie;
	unsigned order = 0;
	uint64_t page, i;

	while (ML_BIT(order + pool->page_shift) < bytes)
		order++;
	if (!take(pool, order, &page))
		return false;
	for (i = 0; i < ML_BIT(order); i++)
		pool->counts[page + i] = 1;
	if (zero)
		memset(block_at(pool, page), 0, bytes);
	*pa = page_pa(pool, page);
	return true;
}

static void pool_get(void *cookie, ml_pa pa, uint64_t length)
{
	struct ml_frame_pool *pool = cookie;
	uint64_t page = page_of(pool, pa), end = page + (length >> pool->page_shift);

	for (; page < end; page++) {
		pool->counts[page]++;
		ML_ASSERT(pool->counts[page] % PIN);
	}
}

/* One reference, or one pin, less. */
static void drop(struct ml_frame_pool *pool, ml_pa pa, uint64_t length, uint32_t one)
{
	uint64_t page = page_of(pool, pa), end = page + (length >> pool->page_shift);

	for (; page < end; page++) {
		ML_ASSERT(pool->counts[page] < FREE);
		ML_ASSERT(one == PIN ? pool->counts[page] / PIN : pool->counts[page] % PIN);
		pool->counts[page] -= one;
		if (!pool->counts[page])
			give_back(pool, page);
	}
}

static void pool_put(void *cookie, ml_pa pa, uint64_t length)
{
	drop(cookie, pa, length, 1);
}

static bool pool_pin(void *cookie, ml_pa pa, uint64_t length)
{
	struct ml_frame_pool *pool = cookie;
	const uint64_t first = page_of(pool, pa), end = first + (length >> pool->page_shift);
	uint64_t page;

	for (page = first; page < end; page++)
		if (pool->counts[page] + PIN >= FREE)
			return false;
	for (page = first; page < end; page++)
		pool->counts[page] += PIN;
	pool->pins += end - first;
	return true;
}

static void pool_unpin(void *cookie, ml_pa pa, uint64_t length)
{
	struct ml_frame_pool *pool = cookie;

	pool->pins -= length >> pool->page_shift;
	drop(pool, pa, length, PIN);
}

static bool pool_pinned(void *cookie, ml_pa pa, uint64_t length)
{
	const struct ml_frame_pool *pool = cookie;
	uint64_t page = page_of(pool, pa), end = page + (length >> pool->page_shift);

	if (!pool->pins)
		return false;
	while (page < end && pool->counts[page] < PIN)
		page++;
	return page < end;
}

static bool pool_exclusive(void *cookie, ml_pa pa, uint64_t length)
{
	const struct ml_frame_pool *pool = cookie;
	uint64_t page = page_of(pool, pa), end = page + (length >> pool->page_shift);

	while (page < end && pool->counts[page] % PIN == 1)
		page++;
	return page == end;
}

/* What is not of the pool is raw memory of somebody's: this pool cannot read it. */
static void pool_copy(void *cookie, ml_pa to, ml_pa from, uint64_t length)
{
	const struct ml_frame_pool *pool = cookie;
	const void *source = ml_frame_pointer(pool, from);

	if (source)
		memcpy(ml_frame_pointer(pool, to), source, length);
	else
		memset(ml_frame_pointer(pool, to), 0, length);
}

/* One page more of region objects. */
static bool add_objects(struct ml_frame_pool *pool, size_t bytes)
{
	const size_t page_bytes = (size_t)1 << pool->page_shift;
	uint64_t page;
	size_t at;

	if (bytes < sizeof(void *) || bytes > page_bytes || !take(pool, 0, &page))
		return false;
	pool->counts[page] = 1;
	pool->object_pages++;
	for (at = 0; at + bytes <= page_bytes; at += bytes) {
		void **object = (void **)(void *)((char *)block_at(pool, page) + at);

		*object = pool->objects;
		pool->objects = object;
	}
	return true;
}

static void *pool_object_alloc(void *cookie, size_t bytes)
{
	struct ml_frame_pool *pool = cookie;
	void **object;

	if (!pool->objects && !add_objects(pool, bytes))
		return NULL;
	object = pool->objects;
	pool->objects = *object;
	pool->objects_used++;
	return object;
}

static void pool_object_free(void *cookie, void *object, size_t bytes)
{
	struct ml_frame_pool *pool = cookie;
	void **link = object;

	(void)bytes;
	pool->objects_used--;
	*link = pool->objects;
	pool->objects = object;
}

const struct ml_frames ml_frame_pool_frames = {
	.object_alloc = pool_object_alloc,
	.object_free = pool_object_free,
	.alloc = pool_alloc,
	.get = pool_get,
	.put = pool_put,
	.exclusive = pool_exclusive,
	.pin = pool_pin,
	.unpin = pool_unpin,
	.pinned = pool_pinned,
	.copy = pool_copy,
};
