/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The region that holds an address, among 10,000 that were made in random order: find one look-up
 * independent of the other, findd each waiting for the one before. No address is asked for twice
 * in a row. The limit is a binary search in an array of the same ranges.
 */
#include "entry.h"
#include "work.h"

#define REGIONS 10000u
#define SLOT (64 * KIB) /* a region in each, of 1 to 15 pages */

struct span {
	ml_va first, last;
};

static struct span spans[REGIONS];

static inline uint64_t next_random(uint64_t state)
{
	return state * 6364136223846793005u + 1442695040888963407u;
}

/* A byte of the first page of some region. */
static inline ml_va address(uint64_t random)
{
	return BENCH_SPACE_VA + (random >> 32) * REGIONS / ((uint64_t)1 << 32) * SLOT +
	       (random >> 20 & (PAGE - 1));
}

static uint64_t region_length(uint32_t slot)
{
	return PAGE * (1 + slot % 15);
}

static void open_slot(struct bench *bench, uint32_t slot)
{
	const struct ml_region_spec spec = { .prot = ML_RW, .may = ML_RW };
	const ml_va va = BENCH_SPACE_VA + slot * SLOT;
	const uint64_t length = region_length(slot);

	bench->error |= ml_space_map(&bench->space, va, length, &spec, 0, NULL);
	spans[slot] = (struct span){ va, va + length - 1 };
}

void find_setup(struct bench *bench)
{
	uint32_t order[REGIONS];
	uint64_t random = 1;

	work_space_init(bench, &bench->space);
	for (uint32_t i = 0; i < REGIONS; i++)
		order[i] = i;
	for (uint32_t i = REGIONS; i > 0; i--) {
		const uint32_t other = (uint32_t)((random = next_random(random)) >> 32) % i;
		const uint32_t slot = order[other];

		order[other] = order[i - 1];
		open_slot(bench, slot);
	}
}

/* The last span that begins at or below va: a choice without a branch for each half. */
NOINLINE static const struct span *find_span(ml_va va)
{
	const struct span *span = spans;

	for (uint32_t count = REGIONS; count > 1;) {
		const uint32_t half = count / 2;

		span = span[half].first <= va ? span + half : span;
		count -= half;
	}
	return span->last >= va ? span : NULL;
}

/* What was found goes into the sum, and its top bit, which is 0, into the next address. */
static void find_run(struct bench *bench)
{
	uint64_t random = 1, sum = 0;

	for (uint64_t i = bench->work->units; i > 0; i--) {
		random = next_random(random);
		sum += bench->api->find(&bench->space, address(random))->range.first;
	}
	bench->seen = sum;
}

static void find_dependent_run(struct bench *bench)
{
	uint64_t random = 1, sum = 0;
	ml_va found = 0;

	for (uint64_t i = bench->work->units; i > 0; i--) {
		random = next_random(random);
		found = bench->api->find(&bench->space, address(random) + (found >> 63))
				->range.first;
		sum += found;
	}
	bench->seen = sum;
}

static void limit_find_run(struct bench *bench)
{
	uint64_t random = 1, sum = 0;

	for (uint64_t i = bench->work->units; i > 0; i--) {
		random = next_random(random);
		sum += find_span(address(random))->first;
	}
	bench->seen = sum;
}

static void limit_find_dependent_run(struct bench *bench)
{
	uint64_t random = 1, sum = 0;
	ml_va found = 0;

	for (uint64_t i = bench->work->units; i > 0; i--) {
		random = next_random(random);
		found = find_span(address(random) + (found >> 63))->first;
		sum += found;
	}
	bench->seen = sum;
}

/* Of either side: the sum of where the regions begin. */
bool find_check(struct bench *bench)
{
	uint64_t random = 1, sum = 0;

	for (uint64_t i = 0; i < bench->work->units; i++) {
		random = next_random(random);
		sum += address(random) & ~(SLOT - 1);
	}
	return sum == bench->seen && bench->space.regions == REGIONS;
}

const struct bench_side find_library = { .run = find_run };
const struct bench_side find_limit = { .run = limit_find_run };
const struct bench_side find_dependent_library = { .run = find_dependent_run };
const struct bench_side find_dependent_limit = { .run = limit_find_dependent_run };
