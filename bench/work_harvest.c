/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * h1g: which pages of 1 GiB are dirty, into a bitmap, and clean from then on. One page in eight
 * is, without a pattern.
 */
#include <string.h>

#include "work.h"

#define ENTRIES 512u
#define PAGES (GIB / PAGE)

static bool is_dirty(uint64_t page)
{
	return (page * 6364136223846793005u) >> 61 == 0;
}

static uint64_t dirty_pages(void)
{
	uint64_t pages = 0;

	for (uint64_t page = 0; page < PAGES; page++)
		pages += is_dirty(page);
	return pages;
}

static bool is_arm64(const struct bench *bench)
{
	return bench->format->encoding == ML_ENCODING_ARM64;
}

static void write_some(struct bench *bench)
{
	bench->seen = 0;
	memset(bench->bits, 0, sizeof(bench->bits));
	for (uint64_t page = 0; page < PAGES; page++) {
		if (is_dirty(page))
			limit_mark_dirty(bench->ptes[page / ENTRIES] + page % ENTRIES,
					 is_arm64(bench));
	}
}

static void harvest_run(struct bench *bench)
{
	struct ml_harvest harvest = { .dirty = bench->bits, .clear = ML_DIRTY };

	bench->error |=
		bench->api->harvest(&bench->table, BENCH_VA, bench->work->range, &harvest, NULL);
	bench->seen = harvest.dirty_pages;
}

static void harvest_limit_run(struct bench *bench)
{
	uint64_t pages = 0;

	for (unsigned i = 0; i < BENCH_TABLES; i++)
		pages += limit_harvest_dirty(bench->ptes[i], bench->bits + i * ENTRIES / 64,
					     is_arm64(bench));
	limit_flush(&bench->view, BENCH_VA, bench->work->range);
	bench->seen = pages;
}

/* Those pages and no others; and none is dirty any more. */
bool harvest_check(struct bench *bench)
{
	struct ml_cursor cursor = { .va = BENCH_VA, .last = BENCH_VA + bench->work->range - 1 };
	struct ml_run run;

	for (uint64_t page = 0; page < PAGES; page++) {
		if ((bench->bits[page / 64] >> page % 64 & 1) != is_dirty(page))
			return false;
	}
	return bench->seen == dirty_pages() && ml_run_next(&bench->table, &cursor, &run) &&
	       run.length == bench->work->range && !(run.prot & ML_DIRTY) && run.rung == 0;
}

const struct bench_side harvest_library = { .before = write_some, .run = harvest_run };
const struct bench_side harvest_limit = { .before = write_some, .run = harvest_limit_run };
