/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Translating random addresses of 1 GiB: x4k and x2m one independent of the other, x4kd and
 * x2md each waiting for the one before. The limit walks the library's own tables, so both
 * sides read the same memory.
 */
#include "work.h"

/* A linear congruential generator (Knuth, MMIX); its top 30 bits pick the address. */
static inline uint64_t next_random(uint64_t state)
{
	return state * 6364136223846793005u + 1442695040888963407u;
}

static inline ml_va address(uint64_t random)
{
	return BENCH_VA + (random >> 34);
}

/*
 * The two loops hold as little as they can, for it is added to both sides: results are
 * checked through the sum. The top bit of a physical address is 0, which no compiler knows:
 * a dependency on the address found before, nothing else.
 */
static __attribute__((noinline)) void independent(struct bench *bench, translate_call *translate)
{
	const struct ml_table *table = &bench->table;
	struct ml_translation found = { .pa = 0 };
	uint64_t random = 1, sum = 0;

	for (uint64_t i = bench->work->units; i > 0; i--) {
		random = next_random(random);
		(void)translate(table, address(random), &found);
		sum += found.pa;
	}
	bench->seen = sum;
}

static __attribute__((noinline)) void dependent(struct bench *bench, translate_call *translate)
{
	const struct ml_table *table = &bench->table;
	struct ml_translation found = { .pa = 0 };
	uint64_t random = 1, sum = 0;

	for (uint64_t i = bench->work->units; i > 0; i--) {
		random = next_random(random);
		(void)translate(table, address(random) + (found.pa >> 63), &found);
		sum += found.pa;
	}
	bench->seen = sum;
}

static void translate_run(struct bench *bench)
{
	independent(bench, bench->api->translate);
}

static void dependent_run(struct bench *bench)
{
	dependent(bench, bench->api->translate);
}

static void limit_translate_run(struct bench *bench)
{
	independent(bench, bench->limit_translate);
}

static void limit_dependent_run(struct bench *bench)
{
	dependent(bench, bench->limit_translate);
}

/* Of either side: the sum of all physical addresses found. */
bool translate_check(struct bench *bench)
{
	uint64_t random = 1, sum = 0;

	for (uint64_t i = 0; i < bench->work->units; i++) {
		random = next_random(random);
		sum += work_pa(bench->work, address(random));
	}
	return sum == bench->seen && work_library_mapped(bench);
}

const struct bench_side translate_library = { .run = translate_run };
const struct bench_side translate_limit = { .run = limit_translate_run };
const struct bench_side translate_dependent_library = { .run = dependent_run };
const struct bench_side translate_dependent_limit = { .run = limit_dependent_run };
