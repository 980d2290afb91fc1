/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Measuring: chunks of the three views next to each other, in rotating order; quartiles of
 * the paired ratios; the time budget over the rows.
 *
 * Every view has a cursor of its own, a third of the cycle from the others, so that none
 * reads what another has just brought into the caches.
 */
#include <stdlib.h>
#include <time.h>

#include "bench.h"
#include "bench_chain.h"

#define PAGE ((uint64_t)1 << CHAIN_PAGE_SHIFT)
#define CHUNK_LEAST_NS 250000.0
#define CHUNK_MOST_NS 3000000.0
#define LEAD_IN 1.125 /* a chunk's time with what comes before it, to the chunk's own */
#define PAIRS_MOST 2001
#define PILOT_NS 400000
#define CAUTION 1.3 /* preparing the next row may go slower than it did until now */

/* A row's measurement, three works and three views, never takes less; pilots and overruns in. */
#define ROW_LEAST_NS (1.5 * CHUNK_LEAST_NS * BENCH_PAIRS_LEAST * BENCH_VIEWS * BENCH_WORKS)

const char *const bench_view_names[BENCH_VIEWS] = {
	[BENCH_SMALL] = "small",
	[BENCH_SHIFTED] = "shifted",
	[BENCH_LARGE] = "largest",
};

const char *const bench_work_names[BENCH_WORKS] = {
	[BENCH_RANDOM] = "random",
	[BENCH_PAGES] = "pages",
	[BENCH_COPY] = "copy",
};

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
	return (struct bench_spread){ quantile(samples, count, 0.25), quantile(samples, count, 0.5),
				      quantile(samples, count, 0.75) };
}

bool bench_is_sure(const struct bench_spread *gain)
{
	return gain->low > 0 || gain->high < 0;
}

/* --- chunks ----------------------------------------------------------------------- */

struct run {
	struct bench_views *views;
	const struct bench_budget *budget;
	struct cli_progress *progress;
	uint64_t bytes;
	enum bench_work work;
	uint64_t cursor[BENCH_VIEWS];
	uint64_t amount; /* of a chunk */
	double unit_ns;  /* CPU time of a load or byte, roughly */
	double spent_ns; /* by the clock, for as many loads or bytes as `done` */
	double done;
	double *samples[BENCH_VIEWS]; /* ns a load or byte */
};

static double larger(double a, double b)
{
	return a > b ? a : b;
}

static double between(double least, double value, double most)
{
	return value < least ? least : value > most ? most : value;
}

static bool is_over(const struct run *run)
{
	return run->views->broken || *run->budget->stop || cli_now_ns() >= run->budget->end_ns;
}

/* Whole pages are copied, and loads unrolled by eight. */
static uint64_t round_amount(const struct run *run, uint64_t amount)
{
	uint64_t unit = run->work == BENCH_COPY ? PAGE : 8;

	return amount < unit ? unit : amount & ~(unit - 1);
}

/* The time this thread had a CPU: what other programs take meanwhile is not the memory's doing. */
static uint64_t thread_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * CLI_NS_PER_S + (uint64_t)now.tv_nsec;
}

static void copy_bytes(const struct run *run, unsigned view, uint64_t *cursor, uint64_t bytes)
{
	uint64_t half = run->bytes / 2;

	if (*cursor + bytes > half)
		*cursor = 0;
	run->views->port->copy(run->views, view, half + *cursor, *cursor, bytes);
	*cursor += bytes;
}

static void work_through(struct run *run, unsigned view, uint64_t amount)
{
	uint64_t *cursor = &run->cursor[view];

	if (run->work == BENCH_COPY)
		copy_bytes(run, view, cursor, amount);
	else
		*cursor = run->views->port->chase(run->views, view, *cursor, amount);
}

/*
 * ns a load or byte of one chunk. An eighth is done before the clock starts: the translations
 * cached until now are those of another view.
 */
static double chunk(struct run *run, unsigned view)
{
	uint64_t start;

	work_through(run, view, round_amount(run, run->amount / 8));
	start = thread_now();
	work_through(run, view, run->amount);
	return (double)(thread_now() - start) / (double)run->amount;
}

/* --- how long a chunk is ---------------------------------------------------------- */

/* Grow a chunk until it lasts, then note what the slowest view needs for one load or byte. */
static void pilot(struct run *run)
{
	uint64_t most = run->work == BENCH_COPY ? run->bytes / 2 : UINT64_MAX;
	uint64_t start = cli_now_ns();
	uint64_t cursor = run->cursor[BENCH_SMALL];
	unsigned view;

	run->amount = 4096;
	while (run->amount <= most / 2 && !is_over(run) &&
	       chunk(run, BENCH_SMALL) * (double)run->amount < PILOT_NS)
		run->amount *= 2;
	run->cursor[BENCH_SMALL] = cursor; /* as far from the others' as before */
	run->unit_ns = 0;
	for (view = 0; view < BENCH_VIEWS; view++)
		run->unit_ns = larger(run->unit_ns, chunk(run, view));
	run->spent_ns = (double)(cli_now_ns() - start);
	run->done = run->spent_ns / run->unit_ns;
}

/* Loads or bytes that take so long on the CPU. */
static uint64_t amount_of(const struct run *run, double ns)
{
	double amount = ns / run->unit_ns;

	if (run->work == BENCH_COPY && amount > (double)(run->bytes / 2))
		amount = (double)(run->bytes / 2);
	return round_amount(run, (uint64_t)amount);
}

/*
 * Other programs may take a part of the CPU, and more or less of it later: every pair is as
 * long as the time left allows for each of those still to come. Its three chunks are equal.
 */
static void set_amount(struct run *run, double left_ns, uint64_t pairs)
{
	double wall_ns = left_ns / ((double)pairs * BENCH_VIEWS * LEAD_IN);
	double unit_wall_ns = run->spent_ns / run->done;
	double cpu_ns = wall_ns * run->unit_ns / unit_wall_ns;

	run->amount = amount_of(run, between(CHUNK_LEAST_NS, cpu_ns, CHUNK_MOST_NS));
}

static uint64_t pair_count(const struct run *run, double left_ns)
{
	double slowed = larger(1, run->spent_ns / run->done / run->unit_ns);
	double pair_ns = CHUNK_MOST_NS * LEAD_IN * BENCH_VIEWS * slowed;

	return (uint64_t)between(BENCH_PAIRS_LEAST, left_ns / pair_ns, PAIRS_MOST);
}

static void take_pair(struct run *run, uint64_t pair)
{
	uint64_t start = cli_now_ns();
	unsigned turn;

	for (turn = 0; turn < BENCH_VIEWS; turn++) {
		unsigned view = (unsigned)(pair + turn) % BENCH_VIEWS;

		run->samples[view][pair] = chunk(run, view);
	}
	run->spent_ns += (double)(cli_now_ns() - start);
	run->done += (double)run->amount * BENCH_VIEWS * LEAD_IN;
	cli_progress_step(run->progress, (cli_now_ns() - run->budget->start_ns) / CLI_NS_PER_S);
}

/* --- results ---------------------------------------------------------------------- */

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
	result->measured = true;
}

/* Nothing is shown of a work for which the time is over before every pair is there. */
static void measure_work(struct run *run, uint64_t end_ns, struct bench_result *result)
{
	uint64_t pairs, pair;

	pilot(run);
	if (is_over(run))
		return;
	pairs = pair_count(run, (double)end_ns - (double)cli_now_ns());
	result->amount = UINT64_MAX;
	for (pair = 0; pair < pairs; pair++) {
		if (is_over(run))
			return;
		set_amount(run, (double)end_ns - (double)cli_now_ns(), pairs - pair);
		take_pair(run, pair);
		if (run->amount < result->amount)
			result->amount = run->amount;
	}
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
	double end = (double)cli_now_ns() + budget_ns;
	unsigned work;

	for (work = 0; work < BENCH_WORKS; work++) {
		double now = (double)cli_now_ns();

		run->work = work;
		set_cursors(run, map);
		measure_work(run, (uint64_t)(now + (end - now) / (BENCH_WORKS - work)),
			     &row->results[work]);
	}
}

/* What preparing has cost so far, to foresee what it will cost. */
struct pace {
	double fill_ns;  /* in all, for the memory below the last row's end */
	double write_ns; /* the last row's chains */
	double bytes;    /* the last row's */
};

static bool prepare_row(struct bench_views *views, struct chain_map *map, struct bench_row *row,
			struct pace *pace)
{
	uint64_t start = cli_now_ns();
	uint64_t after;
	unsigned view;

	views->port->fill(views, row->bytes);
	for (view = 0; view < BENCH_VIEWS; view++)
		views->port->confirm(views, view, row->bytes, &row->sizes[view]);
	row->confirmed = true;
	after = cli_now_ns();
	pace->fill_ns += (double)(after - start);
	pace->bytes = (double)row->bytes;
	if (!chain_map_init(map, row->bytes))
		return false;
	chain_write(map, views->memory);
	pace->write_ns = (double)(cli_now_ns() - after);
	return true;
}

static double preparation(const struct bench_row *row, uint64_t filled, const struct pace *pace)
{
	double fill = (double)(row->bytes - filled) * pace->fill_ns;
	double write = (double)row->bytes * pace->write_ns;

	return CAUTION * (fill + write) / pace->bytes;
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

/* The last pair should not be the one the time is too short for: aim a little before the end. */
static double time_left(const struct bench_budget *budget)
{
	uint64_t slack = (budget->end_ns - budget->start_ns) / 32;

	return (double)(budget->end_ns - slack) - (double)cli_now_ns();
}

static void measure_rows(struct run *run, struct bench_views *views, struct bench_row *rows,
			 unsigned count)
{
	struct pace pace = { 0, 0, 1 };
	unsigned i;

	for (i = 0; i < count && !is_over(run); i++) {
		struct chain_map map;
		double left = time_left(run->budget);

		if (!fits(rows, i, left, &pace))
			break;
		run->bytes = rows[i].bytes;
		if (!prepare_row(views, &map, &rows[i], &pace))
			break;
		left = time_left(run->budget);
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
			   (budget->end_ns - budget->start_ns) / CLI_NS_PER_S);
	measure_rows(&run, views, rows, count);
	cli_progress_end(&progress);
	free(samples);
}
