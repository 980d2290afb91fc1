/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The static pool: what it refuses, what it hands out, what it reaches. */
#include <maxleaf/pool.h>

#include "prove.h"

#define TABLE 32
#define TABLES 2

/* Aligned to the table's size, as a pool's memory must be. */
static _Alignas(TABLE) char memory[TABLE * TABLES];

/* A pool that was made: any frames that do not wrap, any part of the memory. */
static struct ml_pool any_pool(void)
{
	struct ml_pool pool;
	const ml_pa pa = nondet_uint64_t();
	const size_t bytes = nondet_uint64_t();

	ASSUME(bytes <= sizeof(memory) && (wide)pa + bytes <= (wide)1 << 64);
	ASSUME(ml_pool_init(&pool, memory, pa, bytes, TABLE) == ML_OK);
	return pool;
}

PROOF_OF_TOY(a_pool_is_refused_for_its_own_fault)
{
	struct ml_pool pool;
	const ml_pa pa = nondet_uint64_t();
	const size_t bytes = nondet_uint64_t(), table = nondet_uint64_t();
	const int error = ml_pool_init(&pool, NULL, pa, bytes, table);
	const bool power = table && !(table & (table - 1));

	PROVE((error == ML_ERR_ALIGN) == (!power || table < 32 || pa % MUTANT(table, 32) != 0),
	      "a size or an address that is not aligned");
	PROVE((error == ML_ERR_EMPTY) == (error != ML_ERR_ALIGN && bytes < table),
	      "room for no table");
}

PROOF_OF_TOY(a_pointer_leads_into_the_pool_or_nowhere)
{
	struct ml_pool pool = any_pool();
	const ml_pa pa = nondet_uint64_t();
	const size_t bytes = nondet_uint64_t();
	const bool inside = pa >= pool.pa && (wide)pa + bytes <= (wide)pool.pa + pool.bytes;
	const char *pointer = ml_pool_pointer(&pool, pa, bytes);

	PROVE((pointer != NULL) == (inside && MUTANT(true, bytes)), "inside, and only there");
	PROVE(!inside || pointer == memory + (pa - pool.pa), "the byte of the address");
}

/* What was handed out, and where it says to be. */
struct hand {
	char *table;
	ml_pa pa;
};

static struct hand take(struct ml_pool *pool)
{
	struct hand hand;

	hand.table = ml_pool_alloc(pool, NULL, TABLE, &hand.pa);
	return hand;
}

static bool is_table_of(const struct ml_pool *pool, struct hand hand)
{
	const uint64_t offset = (uint64_t)(hand.table - memory);

	return offset % TABLE == 0 && offset + TABLE <= pool->bytes && hand.pa == pool->pa + offset;
}

/* All of it is taken, one of the two given back, and taken again. */
PROOF_OF_TOY(tables_in_use_are_the_pools_and_no_two_the_same)
{
	struct ml_pool pool = any_pool();
	struct hand a, b, again;

	ASSUME(pool.bytes == sizeof(memory));
	a = take(&pool);
	b = take(&pool);
	PROVE(a.table && is_table_of(&pool, a) && b.table && is_table_of(&pool, b), "two tables");
	PROVE(a.table != b.table, "not the same");
	PROVE(!take(&pool).table, "and no more");
	ml_pool_free(&pool, NULL, a.table, a.pa, TABLE);
	PROVE(pool.used == 1 && pool.used_most == 2, "they are counted");
	PROVE(!ml_pool_alloc(&pool, NULL, TABLE * MUTANT(2, 1), &again.pa), "of one size only");
	again = take(&pool);
	PROVE(again.table == a.table && again.pa == a.pa, "what came back goes out again");
	PROVE(!take(&pool).table, "once");
}
