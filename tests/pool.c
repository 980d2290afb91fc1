/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The static pool: what it hands out, what it refuses, and how it counts. */
#include <string.h>

#include <maxleaf/pool.h>

#include "t.h"

#define POOL_PA 0x80000000u
#define POOL_BYTES 0x10000u

static _Alignas(0x10000) unsigned char memory[POOL_BYTES + 0x1000];

static struct ml_pool pool_of(size_t bytes, size_t table_bytes)
{
	struct ml_pool pool;

	t_eq(ml_pool_init(&pool, memory, POOL_PA, bytes, table_bytes), ML_OK);
	return pool;
}

TEST(bad_blocks_are_refused)
{
	struct ml_pool pool;

	for (size_t table_bytes = 0; table_bytes < 0x2000; table_bytes++) {
		bool legal = table_bytes >= 32 && !(table_bytes & (table_bytes - 1));

		T_CONTEXT("table_bytes", table_bytes);
		t_eq(ml_pool_init(&pool, memory, POOL_PA, POOL_BYTES, table_bytes),
		     legal ? ML_OK : ML_ERR_ALIGN);
	}
	for (unsigned off = 1; off < 0x1000; off <<= 1) {
		T_CONTEXT("off", off);
		t_eq(ml_pool_init(&pool, memory + off, POOL_PA, 0x8000, 0x1000), ML_ERR_ALIGN);
		t_eq(ml_pool_init(&pool, memory, POOL_PA + off, 0x8000, 0x1000), ML_ERR_ALIGN);
		t_eq(ml_pool_init(&pool, memory, POOL_PA, off, 0x1000), ML_ERR_EMPTY);
	}
	t_eq(ml_pool_init(&pool, memory, POOL_PA, 0, 0x1000), ML_ERR_EMPTY);
	t_eq(ml_pool_init(&pool, memory, POOL_PA, 0x1000, 0x1000), ML_OK);
}

/* Take all there is: each table once, aligned, inside, at its own physical address. */
static unsigned take_all(struct ml_pool *pool, size_t table_bytes, void **tables)
{
	unsigned count = 0;
	ml_pa pa = 0;
	void *table;

	while ((table = ml_pool_alloc(pool, NULL, table_bytes, &pa)) != NULL) {
		const size_t offset = (size_t)((unsigned char *)table - memory);

		t_eq(offset % table_bytes, 0);
		t_ok(offset + table_bytes <= POOL_BYTES);
		t_eq(pa, POOL_PA + offset);
		memset(table, (int)count + 1, table_bytes);
		tables[count++] = table;
		t_eq(pool->used, count);
		t_eq(pool->used_most, count);
	}
	for (unsigned i = 0; i < count; i++) /* nobody wrote into another's table */
		for (size_t byte = 0; byte < table_bytes; byte++)
			T_REQUIRE_VALUE(((unsigned char *)tables[i])[byte] ==
						(unsigned char)(i + 1),
					count);
	return count;
}

TEST(every_table_size)
{
	static void *tables[POOL_BYTES / 32];

	for (size_t table_bytes = 32; table_bytes <= POOL_BYTES; table_bytes *= 2) {
		struct ml_pool pool = pool_of(POOL_BYTES, table_bytes);

		T_CONTEXT("table_bytes", table_bytes);
		t_eq(take_all(&pool, table_bytes, tables), POOL_BYTES / table_bytes);
	}
}

/* A block that is no multiple of the table size: the rest is not touched. */
TEST(rest_of_the_block)
{
	static void *tables[16];
	struct ml_pool pool = pool_of(0x8fff, 0x1000);

	memset(memory, 0xee, sizeof(memory));
	t_eq(take_all(&pool, 0x1000, tables), 8);
	for (size_t byte = 0x8000; byte < sizeof(memory); byte++)
		T_REQUIRE(t_eq(memory[byte], 0xee));
}

TEST(tables_come_back)
{
	static void *tables[16];
	struct ml_pool pool = pool_of(POOL_BYTES, 0x1000);
	bool seen[16] = { false };
	ml_pa pa;

	t_eq(take_all(&pool, 0x1000, tables), 16);
	for (unsigned i = 0; i < 16; i += 2)
		ml_pool_free(&pool, NULL, tables[i], POOL_PA + i * 0x1000, 0x1000);
	t_eq(pool.used, 8);
	t_eq(pool.used_most, 16);
	for (unsigned i = 0; i < 8; i++) {
		void *table = ml_pool_alloc(&pool, NULL, 0x1000, &pa);
		const size_t number = (size_t)((unsigned char *)table - memory) / 0x1000;

		T_REQUIRE(t_ok(table != NULL));
		t_eq(pa, POOL_PA + number * 0x1000);
		t_ok(number % 2 == 0 && !seen[number]);
		seen[number] = true;
	}
	t_ok(!ml_pool_alloc(&pool, NULL, 0x1000, &pa));
	t_eq(pool.used, 16);
}

TEST(high_water_mark)
{
	struct ml_pool pool = pool_of(POOL_BYTES, 0x1000);
	ml_pa pa[3];
	void *table[3];

	for (unsigned i = 0; i < 3; i++)
		table[i] = ml_pool_alloc(&pool, NULL, 0x1000, &pa[i]);
	for (unsigned i = 0; i < 3; i++)
		ml_pool_free(&pool, NULL, table[i], pa[i], 0x1000);
	t_eq(pool.used, 0);
	t_eq(pool.used_most, 3);
	t_ok(ml_pool_alloc(&pool, NULL, 0x1000, &pa[0]) != NULL);
	t_eq(pool.used, 1);
	t_eq(pool.used_most, 3);
}

/* The table size is the pool's: no other can be had. */
TEST(other_table_sizes)
{
	struct ml_pool pool = pool_of(POOL_BYTES, 0x1000);
	ml_pa pa = 1;

	t_ok(!ml_pool_alloc(&pool, NULL, 0x2000, &pa));
	t_ok(!ml_pool_alloc(&pool, NULL, 0x10000, &pa));
	t_eq(pool.used, 0);
}

TEST(physical_addresses_to_pointers)
{
	struct ml_pool pool = pool_of(POOL_BYTES, 0x1000);
	ml_pa pa;

	for (unsigned i = 0; i < 16; i++)
		(void)ml_pool_alloc(&pool, NULL, 0x1000, &pa);
	for (unsigned i = 0; i < 16; i++) {
		t_ok(ml_pool_pointer(&pool, POOL_PA + i * 0x1000, 0x1000) == memory + i * 0x1000);
		t_ok(ml_pool_base(&pool) + (POOL_PA + i * 0x1000) == (char *)memory + i * 0x1000);
	}
	t_ok(!ml_pool_pointer(&pool, POOL_PA - 0x1000, 0x1000));
	t_ok(!ml_pool_pointer(&pool, POOL_PA + POOL_BYTES, 0x1000));
	t_ok(!ml_pool_pointer(&pool, POOL_PA + POOL_BYTES - 0x1000, 0x2000));
	t_ok(!ml_pool_pointer(&pool, 0, 0x1000));
	t_ok(!ml_pool_pointer(&pool, UINT64_MAX - 0xfff, 0x1000));
	t_ok(!ml_pool_pointer(&pool, POOL_PA + ((ml_pa)1 << 32), 0x1000));
}
