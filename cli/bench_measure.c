/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Measuring: chunks of the three views next to each other, in rotating order; quartiles of
 * the paired ratios; the time budget over the rows.
 *
 * Every view has a cursor of its own, a third of the cycle from the others, so that none
 * reads what another has just brought into the caches.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "bench_chain.h"

#define PAGE ((uint64_t)1 << CHAIN_PAGE_SHIFT)
#define NS_PER_S UINT64_C(1000000000)
#define CHUNK_LEAST_NS 250000.0
#define CHUNK_MOST_NS 6000000.0
#define PAIRS_MOST 2001
#define PILOT_NS 400000

/* A row's measurement, three works and three views, never takes less; pilots and overruns in. */
#define ROW_LEAST_NS (1.5 * CHUNK_LEAST_NS * BENCH_PAIRS_LEAST * BENCH_VIEWS * BENCH_WORKS)

const char *const bench_work_names[BENCH_WORKS] = {
	[BENCH_RANDOM] = "random",
	[BENCH_PAGES] = "pages",
	[BENCH_COPY] = "copy",
};

uint64_t bench_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* --- spreads ---------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(const double *sorted, uint64_t count, double part)
{
	double place = part * (double)(count - 1);
	uint64_t below = (uint64_t)place;
	double rest = place - (double)below;

	if (below + 1 == count)
		return sorted[below];
	return sorted[below] + rest * (sorted[below + 1] - sorted[below]);
}

struct bench_spread bench_spread_of(double *samples, uint64_t count)
{
	qsort(samples, count, sizeof(*samples), compare);
	return (struct bench_spread){ quantile(samples, count, 0.25),
				      quantile(samples, count, 0.5),
				      quantile(samples, count, 0.75) };
}

bool bench_is_sure(const struct bench_spread *gain)
{
	return gain->low > 0 || gain->high < 0;
}

/* --- chunks ----------------------------------------------------------------------- */

struct run {
	const struct bench_views *views;
	const struct bench_budget *budget;
	struct cli_progress *progress;
	uint64_t bytes;
	enum bench_work work;
	uint64_t cursor[BENCH_VIEWS];
	uint64_t amount;  /* of a chunk */
	double *samples[BENCH_VIEWS]; /* ns a load or byte */
};

static bool is_over(const struct bench_budget *budget)
{
	return *budget->stop || bench_now() >= budget->end_ns;
}

static void copy_chunk(struct run *run, char *start, uint64_t *cursor)
{
	uint64_t half = run->bytes / 2;

	if (*cursor + run->amount > half)
		*cursor = 0;
	memcpy(start + half + *cursor, start + *cursor, run->amount);
	*cursor += run->amount;
}

/* ns a load or byte of one chunk. */
static double chunk(struct run *run, unsigned view)
{
	char *start = run->views->view[view].start;
	uint64_t *cursor = &run->cursor[view];
	uint64_t from = bench_now();

	if (run->work == BENCH_COPY)
		copy_chunk(run, start, cursor);
	else
		*cursor = chain_follow(start, *cursor, run->amount);
	return (double)(bench_now() - from) / (double)run->amount;
}

/* Grow a chunk until it lasts, and return what the slowest view needs for one load or byte. */
static double pilot(struct run *run)
{
	uint64_t most = run->work == BENCH_COPY ? run->bytes / 2 : UINT64_MAX;
	double slowest = 0;
	unsigned view;

	run->amount = 4096;
	while (run->amount <= most / 2 &&
	       chunk(run, BENCH_SMALL) * (double)run->amount < PILOT_NS)
		run->amount *= 2;
	for (view = 0; view < BENCH_VIEWS; view++)
		slowest = fmax(slowest, chunk(run, view));
	return slowest;
}

static void set_amount(struct run *run, double chunk_ns, double unit_ns)
{
	uint64_t amount = (uint64_t)(chunk_ns / unit_ns);

	if (run->work == BENCH_COPY && amount > run->bytes / 2)
		amount = run->bytes / 2;
	run->amount = amount & ~(run->work == BENCH_COPY ? PAGE - 1 : 7);
	if (run->amount == 0)
		run->amount = run->work == BENCH_COPY ? PAGE : 8;
}

/* False when the time is over before every pair is there. */
static bool take_pairs(struct run *run, uint64_t pairs)
{
	uint64_t pair;
	unsigned turn;

	for (pair = 0; pair < pairs; pair++) {
		if (is_over(run->budget))
			return false;
		for (turn = 0; turn < BENCH_VIEWS; turn++) {
			unsigned view = (unsigned)(pair + turn) % BENCH_VIEWS;

			run->samples[view][pair] = chunk(run, view);
		}
		cli_progress_step(run->progress,
				  (bench_now() - run->budget->start_ns) / NS_PER_S);
	}
	return true;
}

static void evaluate(struct run *run, uint64_t pairs, struct bench_result *result)
{
	double gains[PAIRS_MOST];
	unsigned view;
	uint64_t i;

	for (view = 0; view < BENCH_VIEWS; view++) {
		for (i = 0; i < pairs; i++)
			gains[i] = 1 - run->samples[BENCH_LARGE][i] / run->samples[view][i];
		result->gain[view] = bench_spread_of(gains, pairs);
	}
	/* Only now: sorting parts the samples from their partners. */
	for (view = 0; view < BENCH_VIEWS; view++)
		result->time[view] = bench_spread_of(run->samples[view], pairs);
	result->pairs = pairs;
	result->amount = run->amount;
	result->measured = true;
}

static void measure_work(struct run *run, double budget_ns, struct bench_result *result)
{
	uint64_t from = bench_now();
	double unit_ns = pilot(run);
	double left = budget_ns - (double)(bench_now() - from);
	double chunk_ns = left / (BENCH_PAIRS_LEAST * BENCH_VIEWS);
	uint64_t pairs = BENCH_PAIRS_LEAST;

	if (chunk_ns > CHUNK_MOST_NS) {
		chunk_ns = CHUNK_MOST_NS;
		pairs = (uint64_t)(left / (chunk_ns * BENCH_VIEWS)) | 1;
		if (pairs > PAIRS_MOST)
			pairs = PAIRS_MOST;
	}
	set_amount(run, fmax(chunk_ns, CHUNK_LEAST_NS), unit_ns);
	if (take_pairs(run, pairs))
		evaluate(run, pairs, result);
}

/* --- rows ------------------------------------------------------------------------- */

static void set_cursors(struct run *run, const struct chain_map *map)
{
	unsigned view;

	for (view = 0; view < BENCH_VIEWS; view++) {
		if (run->work == BENCH_COPY)
			run->cursor[view] = run->bytes / 2 * view / BENCH_VIEWS & ~(PAGE - 1);
		else
			run->cursor[view] = chain_start(map, run->work, view, BENCH_VIEWS);
	}
}

static void measure_row(struct run *run, const struct chain_map *map, double budget_ns,
			struct bench_row *row)
{
	uint64_t end = bench_now() + (uint64_t)budget_ns;
	unsigned work;

	for (work = 0; work < BENCH_WORKS; work++) {
		double left = (double)end - (double)bench_now();

		run->work = work;
		set_cursors(run, map);
		measure_work(run, left / (BENCH_WORKS - work), &row->results[work]);
	}
}

/* What preparing has cost so far, to foresee what it will cost. */
struct pace {
	double fill_ns, write_ns;     /* a byte */
};

static bool prepare_row(struct bench_views *views, struct chain_map *map, struct bench_row *row,
			struct pace *pace)
{
	uint64_t start = bench_now(), filled = views->view[BENCH_LARGE].filled;
	uint64_t after;

	bench_views_fill(views, row->bytes);
	bench_views_confirm(views, row->bytes, row->sizes);
	row->confirmed = true;
	after = bench_now();
	pace->fill_ns = (double)(after - start) / (double)(row->bytes - filled);
	if (!chain_map_init(map, row->bytes))
		return false;
	chain_write(map, views->view[BENCH_LARGE].start);
	pace->write_ns = (double)(bench_now() - after) / (double)row->bytes;
	return true;
}

static double preparation(const struct bench_row *row, uint64_t filled, const struct pace *pace)
{
	return (double)(row->bytes - filled) * pace->fill_ns + (double)row->bytes * pace->write_ns;
}

/*
 * The time this row may take: what is left, less the preparation of the rows after it that
 * will still fit, shared among all of them.
 */
static double share(const struct bench_row *rows, unsigned row, unsigned count, double left,
		    const struct pace *pace)
{
	double preparing = 0;
	unsigned sharers = 1;
	unsigned i;

	for (i = row + 1; i < count; i++) {
		double more = preparing + preparation(&rows[i], rows[i - 1].bytes, pace);

		if (more + (sharers + 1) * ROW_LEAST_NS > left)
			break;
		preparing = more;
		sharers++;
	}
	return (left - preparing) / sharers;
}

static bool fits(const struct bench_row *rows, unsigned row, double left, const struct pace *pace)
{
	if (row == 0)
		return left > ROW_LEAST_NS;
	return left > ROW_LEAST_NS + preparation(&rows[row], rows[row - 1].bytes, pace);
}

static void measure_rows(struct run *run, struct bench_views *views, struct bench_row *rows,
			 unsigned count)
{
	struct pace pace = { 0, 0 };
	unsigned i;

	for (i = 0; i < count && !is_over(run->budget); i++) {
		struct chain_map map;
		double left = (double)run->budget->end_ns - (double)bench_now();

		if (!fits(rows, i, left, &pace))
			break;
		run->bytes = rows[i].bytes;
		if (!prepare_row(views, &map, &rows[i], &pace))
			break;
		left = (double)run->budget->end_ns - (double)bench_now();
		measure_row(run, &map, share(rows, i, count, left, &pace), &rows[i]);
		chain_map_fini(&map);
	}
}

void bench_measure(struct bench_views *views, struct bench_row *rows, unsigned count,
		   const struct bench_budget *budget)
{
	struct cli_progress progress;
	struct run run = { .views = views, .budget = budget, .progress = &progress };
	double *samples = malloc(BENCH_VIEWS * PAIRS_MOST * sizeof(*samples));
	unsigned view;

	if (!samples)
		return;
	for (view = 0; view < BENCH_VIEWS; view++)
		run.samples[view] = samples + view * PAIRS_MOST;
	cli_progress_begin(&progress, "bench, seconds",
			   (budget->end_ns - budget->start_ns) / NS_PER_S);
	measure_rows(&run, views, rows, count);
	cli_progress_end(&progress);
	free(samples);
}
