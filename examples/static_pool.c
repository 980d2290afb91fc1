/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Table memory from a static block, as firmware has it, and tables set aside before a
 * lock is taken, so that nothing under the lock can run out of memory.
 */
#include <inttypes.h>
#include <stdio.h>

#include <maxleaf/maxleaf.h>

#define TABLE 4096
#define POOL_PA 0x40000000 /* where the block lies in physical memory */
#define VA 0xffff800000000000
#define LENGTH 0x601000

static _Alignas(TABLE) char block[16 * TABLE];

static const struct ml_platform platform = {
	.table_alloc = ml_pool_alloc,
	.table_free = ml_pool_free,
	.table_pointer = ml_pool_pointer,
};

static int run(struct ml_pool *pool, struct ml_table *table)
{
	struct ml_table_config config = { .platform = &platform, .cookie = pool };
	struct ml_reserve reserve = { 0 };
	struct ml_op op = { .reserve = &reserve };
	int error = ml_pool_init(pool, block, POOL_PA, sizeof(block), TABLE);

	config.base = ml_pool_base(pool);
	if (!error)
		error = ml_table_init(table, &ml_format_x86_64, &config);
	if (error)
		return error;
	error = ml_prepare(table, VA, LENGTH, 0x200000, ML_RW, &reserve, &op);
	printf("set aside: %" PRIu64 " tables\n", reserve.count);
	/* ... the lock is taken here: from now on only the reserve is used ... */
	if (!error)
		error = ml_map(table, VA, LENGTH, 0x200000, ML_RW, &op);
	printf("left over: %" PRIu64 " tables\n", reserve.count);
	ml_reserve_empty(table, &reserve, &op);
	ml_table_fini(table, NULL);
	return error;
}

int main(void)
{
	struct ml_pool pool;
	struct ml_table table;
	int error = run(&pool, &table);

	if (error)
		fprintf(stderr, "maxleaf: static_pool: %s\n", ml_error_text(error));
	else
		printf("tables in use at most: %" PRIu64 ", now: %" PRIu64 "\n", pool.used_most,
		       pool.used);
	return error ? 2 : 0;
}
