/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The pool of frames: blocks of powers of two, aligned by their address, and who refers to them. */
#include <stdlib.h>
#include <string.h>

#include <maxleaf/frames.h>

#include "t.h"

#define PAGE ((uint64_t)4096)
#define MOST 4096

static char *memory;
static uint32_t counts[MOST];
static struct ml_frame_pool pool;

static const struct ml_frames *const ops = &ml_frame_pool_frames;

static void open_pool(ml_pa pa, uint64_t pages)
{
	if (!memory)
		memory = aligned_alloc(PAGE, MOST * PAGE);
	memset(memory, 0xcc, pages * PAGE);
	memset(counts, 0xcc, sizeof(counts));
	t_eq(ml_frame_pool_init(&pool, memory, pa, pages * PAGE, 12, counts), ML_OK);
	t_eq(pool.free_pages, pages);
	t_eq(pool.pages, pages);
}

/* How many blocks of this order there are, one after another; all are aligned and whole. */
static uint64_t drain(unsigned order)
{
	uint64_t blocks = 0;
	ml_pa pa;

	for (; ops->alloc(&pool, PAGE << order, false, &pa); blocks++) {
		t_eq(pa & ((PAGE << order) - 1), 0);
		t_ok(pa >= pool.pa && pa - pool.pa + (PAGE << order) <= pool.pages * PAGE);
		for (uint64_t i = 0; i < 1u << order; i++)
			t_eq(ml_frame_references(&pool, pa + i * PAGE + 5), 1);
	}
	return blocks;
}

/* Aligned blocks of an order that lie inside a range. */
static uint64_t aligned_blocks(ml_pa pa, uint64_t pages, unsigned order)
{
	const uint64_t size = PAGE << order, first = (pa + size - 1) / size;
	const uint64_t end = (pa + pages * PAGE) / size;

	return end > first ? end - first : 0;
}

/* Whatever address and length the memory has: all aligned blocks are there, and no other. */
TEST(every_block_is_found)
{
	static const uint64_t starts[] = { 0, 1, 3, 8, 511, 512, 1000, 4095 };
	static const uint64_t lengths[] = { 1, 2, 3, 31, 512, 513, 1023, 4096 };

	for (unsigned i = 0; i < 64; i++)
		for (unsigned order = 0; order < 13; order++) {
			const ml_pa pa = starts[i % 8] * PAGE;
			const uint64_t pages = lengths[i / 8];

			T_CONTEXT("case", i * 100 + order);
			open_pool(pa, pages);
			t_eq(drain(order), aligned_blocks(pa, pages, order));
			t_eq(pool.free_pages, pages - (aligned_blocks(pa, pages, order) << order));
		}
}

/* Free in any order what was taken in any size, and everything is one again. */
TEST(blocks_grow_together)
{
	static struct block {
		ml_pa pa;
		uint64_t bytes;
	} taken[MOST];
	uint64_t state = t_seed(11);

	for (unsigned round = 0; round < 50; round++) {
		const ml_pa pa = (1000 + t_random(&state) % 1000) * PAGE;
		const uint64_t pages = 1 + t_random(&state) % MOST;
		unsigned count = 0;
		uint64_t sum = 0;

		T_CONTEXT("round", round);
		open_pool(pa, pages);
		for (unsigned tries = 0; tries < 3000; tries++) {
			struct block *block = &taken[count];
			const unsigned order = (unsigned)(t_random(&state) % 10);

			if (count && t_random(&state) % 3 == 0) {
				const unsigned which = (unsigned)(t_random(&state) % count);

				ops->put(&pool, taken[which].pa, taken[which].bytes);
				sum -= taken[which].bytes;
				taken[which] = taken[--count];
			} else if (ops->alloc(&pool, PAGE << order, false, &block->pa)) {
				block->bytes = PAGE << order;
				memset(ml_frame_pointer(&pool, block->pa), 0xee, block->bytes);
				sum += block->bytes;
				count++;
			}
			t_eq(pool.free_pages, pages - sum / PAGE);
		}
		while (count--)
			ops->put(&pool, taken[count].pa, taken[count].bytes);
		t_eq(pool.free_pages, pages);
		for (unsigned order = 12; order < 13; order--)
			if (aligned_blocks(pa, pages, order)) {
				t_eq(drain(order), aligned_blocks(pa, pages, order));
				break;
			}
	}
}

/* Parts of a block are given back one by one, as a split leaf is. */
TEST(pages_of_a_block_go_singly)
{
	ml_pa pa;

	open_pool(0, 512);
	t_ok(ops->alloc(&pool, 512 * PAGE, false, &pa));
	t_ok(!ops->alloc(&pool, PAGE, false, &pa));
	for (uint64_t i = 0; i < 512; i++) {
		const uint64_t page = i * 77 % 512;

		t_eq(ml_frame_references(&pool, page * PAGE), 1);
		ops->put(&pool, page * PAGE, PAGE);
		t_eq(ml_frame_references(&pool, page * PAGE), 0);
		t_eq(pool.free_pages, i + 1);
	}
	t_ok(ops->alloc(&pool, 512 * PAGE, false, &pa));
}

TEST(references_are_counted_page_by_page)
{
	ml_pa pa;

	open_pool(16 * PAGE, 64);
	t_ok(ops->alloc(&pool, 16 * PAGE, false, &pa));
	t_ok(ops->exclusive(&pool, pa, 16 * PAGE));
	ops->get(&pool, pa + 4 * PAGE, 4 * PAGE);
	t_eq(ml_frame_references(&pool, pa + 3 * PAGE), 1);
	t_eq(ml_frame_references(&pool, pa + 4 * PAGE), 2);
	t_eq(ml_frame_references(&pool, pa + 8 * PAGE), 1);
	t_ok(!ops->exclusive(&pool, pa, 16 * PAGE));
	t_ok(!ops->exclusive(&pool, pa + 7 * PAGE, 2 * PAGE));
	t_ok(ops->exclusive(&pool, pa, 4 * PAGE));
	t_ok(ops->exclusive(&pool, pa + 8 * PAGE, 8 * PAGE));
	ops->put(&pool, pa, 16 * PAGE);
	t_eq(pool.free_pages, 60);
	t_ok(ops->exclusive(&pool, pa + 4 * PAGE, 4 * PAGE));
	ops->put(&pool, pa + 4 * PAGE, 4 * PAGE);
	t_eq(pool.free_pages, 64);
}

TEST(pins_are_counted_apart)
{
	ml_pa pa;

	open_pool(16 * PAGE, 64);
	t_ok(ops->alloc(&pool, 8 * PAGE, false, &pa));
	t_ok(!ops->pinned(&pool, pa, 8 * PAGE));
	t_ok(ops->pin(&pool, pa + PAGE, 2 * PAGE));
	t_ok(ops->pin(&pool, pa + 2 * PAGE, PAGE));
	t_eq(ml_frame_pins(&pool, pa + 2 * PAGE), 2);
	t_eq(ml_frame_references(&pool, pa + 2 * PAGE), 3);
	t_ok(ops->exclusive(&pool, pa, 8 * PAGE));
	t_ok(ops->pinned(&pool, pa, 8 * PAGE));
	t_ok(!ops->pinned(&pool, pa + 3 * PAGE, 5 * PAGE));
	ops->get(&pool, pa + PAGE, PAGE);
	t_ok(!ops->exclusive(&pool, pa, 2 * PAGE));
	ops->put(&pool, pa + PAGE, PAGE);
	ops->put(&pool, pa, 8 * PAGE);
	t_eq(pool.free_pages, 62); /* pins hold what nobody maps */
	ops->unpin(&pool, pa + PAGE, 2 * PAGE);
	t_eq(pool.free_pages, 63);
	ops->unpin(&pool, pa + 2 * PAGE, PAGE);
	t_eq(pool.free_pages, 64);
	t_eq(pool.pins, 0);
	t_eq(ml_frame_pins(&pool, pa), 0);
}

TEST(contents)
{
	static const char zeroes[4 * 4096];
	ml_pa one, two;

	open_pool(0, 16);
	t_ok(ops->alloc(&pool, 4 * PAGE, true, &one));
	t_ok(!memcmp(ml_frame_pointer(&pool, one), zeroes, sizeof(zeroes)));
	memset(ml_frame_pointer(&pool, one), 0x5a, 4 * PAGE);
	t_ok(ops->alloc(&pool, 4 * PAGE, true, &two));
	t_ok(!memcmp(ml_frame_pointer(&pool, two), zeroes, sizeof(zeroes)));
	ops->copy(&pool, two, one, 2 * PAGE);
	t_ok(!memcmp(ml_frame_pointer(&pool, two), ml_frame_pointer(&pool, one), 2 * PAGE));
	t_ok(!memcmp(ml_frame_pointer(&pool, two + 2 * PAGE), zeroes, 2 * PAGE));
	ops->copy(&pool, two, 1000 * PAGE,
		  PAGE); /* raw memory, of which this pool has no pointer */
	t_ok(!memcmp(ml_frame_pointer(&pool, two), zeroes, PAGE));
	t_eq((uintptr_t)ml_frame_pointer(&pool, 5), (uintptr_t)memory + 5);
	t_eq((uintptr_t)ml_frame_pointer(&pool, 16 * PAGE), 0);
	t_eq((uintptr_t)ml_frame_pointer(&pool, 0 - PAGE), 0);
}

/* Pages that objects are cut from stay, and serve the next. */
TEST(objects)
{
	const size_t bytes = sizeof(struct ml_region), each = PAGE / bytes;
	static void *objects[MOST];
	unsigned count = 0;

	open_pool(0, 8);
	while ((objects[count] = ops->object_alloc(&pool, bytes)) != NULL) {
		t_eq((uintptr_t)objects[count] % sizeof(void *), 0);
		memset(objects[count++], 0x77, bytes);
	}
	t_eq(count, 8 * each);
	t_eq(pool.objects_used, count);
	t_eq(pool.object_pages, 8);
	t_eq(pool.free_pages, 0);
	while (count)
		ops->object_free(&pool, objects[--count], bytes);
	t_eq(pool.objects_used, 0);
	t_ok(ops->object_alloc(&pool, bytes));
	t_eq(pool.object_pages, 8);
}

TEST(what_is_refused)
{
	struct ml_frame_pool other;

	open_pool(0, 8);
	t_eq(ml_frame_pool_init(&other, memory, 0, 0, 12, counts), ML_ERR_EMPTY);
	t_eq(ml_frame_pool_init(&other, memory + 8, 0, PAGE, 12, counts), ML_ERR_ALIGN);
	t_eq(ml_frame_pool_init(&other, memory, 1, PAGE, 12, counts), ML_ERR_ALIGN);
	t_eq(ml_frame_pool_init(&other, memory, 0, PAGE + 1, 12, counts), ML_ERR_ALIGN);
	t_eq(ml_frame_pool_init(&other, memory, 0 - PAGE, 2 * PAGE, 12, counts), ML_ERR_WRAP);
	t_ok(!ops->alloc(&pool, 16 * PAGE, false, &(ml_pa){ 0 }));
	t_ok(!ops->alloc(&pool, (uint64_t)1 << 63, false, &(ml_pa){ 0 }));
	t_eq(pool.free_pages, 8);
}
