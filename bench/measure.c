/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Interleaving and statistics. A round is one chunk of the library and one of the limit,
 * in turns first; what is reported of a machine shared with others is the median of the
 * ratios within rounds, with their quartiles.
 */
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "bench.h"

#define ROUNDS_LEAST 21
#define ROUNDS_MOST 1001
#define ROUNDS_WARM 3
#define CHUNK_NS 100e3   /* timed, of one side in one round; */
#define CHUNK_ALL_NS 1e6 /* or this much with what is not timed */

double measure_now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* How often the scheduler has taken the CPU away. */
static long interruptions(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(double *values, unsigned count, double part)
{
	qsort(values, count, sizeof(*values), compare);
	return values[(unsigned)((double)(count - 1) * part + 0.5)];
}

/* What reading the clock twice costs. */
static double clock_cost(void)
{
	double costs[ROUNDS_MOST];

	for (unsigned i = 0; i < ROUNDS_MOST; i++) {
		const double start = measure_now_ns();

		costs[i] = measure_now_ns() - start;
	}
	return quantile(costs, ROUNDS_MOST, 0.5);
}

struct chunk {
	const struct bench_side *side;
	unsigned runs;
	double clock_cost;
};

static double chunk_ns(struct bench *bench, const struct chunk *chunk)
{
	const struct bench_side *side = chunk->side;
	double sum = 0;

	for (unsigned i = 0; i < chunk->runs; i++) {
		double start, ns;

		if (side->before)
			side->before(bench);
		start = measure_now_ns();
		side->run(bench);
		ns = measure_now_ns() - start;
		sum += (bench->work->longest ? bench->longest_ns : ns) - chunk->clock_cost;
		if (side->after)
			side->after(bench);
	}
	return sum / (double)chunk->runs / (double)bench->work->units;
}

/* As many runs as fill a chunk. */
static void chunk_calibrate(struct bench *bench, struct chunk *chunk)
{
	for (chunk->runs = 1; chunk->runs < 4096; chunk->runs *= 2) {
		const double start = measure_now_ns();
		const double timed =
			chunk_ns(bench, chunk) * (double)chunk->runs * (double)bench->work->units;

		if (timed >= CHUNK_NS || measure_now_ns() - start >= CHUNK_ALL_NS)
			break;
	}
}

struct rounds {
	double ns[ROUNDS_MOST];
	double limit_ns[ROUNDS_MOST];
	double ratio[ROUNDS_MOST];
	unsigned count;
};

static void rounds_add(struct rounds *rounds, double ns, double limit_ns)
{
	rounds->ns[rounds->count] = ns;
	rounds->limit_ns[rounds->count] = limit_ns;
	rounds->ratio[rounds->count++] = ns / limit_ns;
}

static void rounds_run(struct bench *bench, struct rounds *rounds, double seconds)
{
	const double cost = clock_cost(), end = measure_now_ns() + seconds * 1e9;
	struct chunk library = { bench->work->library, 1, cost };
	struct chunk limit = { bench->work->limit, 1, cost };

	chunk_calibrate(bench, &library);
	chunk_calibrate(bench, &limit);
	for (unsigned i = 0; rounds->count < ROUNDS_MOST; i++) {
		const long before = interruptions();
		double ns, limit_ns;

		if (i % 2) {
			limit_ns = chunk_ns(bench, &limit);
			ns = chunk_ns(bench, &library);
		} else {
			ns = chunk_ns(bench, &library);
			limit_ns = chunk_ns(bench, &limit);
		}
		/* Interrupted rounds are measured again as long as there is time. */
		if (i < ROUNDS_WARM || (interruptions() != before && measure_now_ns() < end))
			continue;
		rounds_add(rounds, ns, limit_ns);
		if (rounds->count >= ROUNDS_LEAST && measure_now_ns() >= end)
			return;
	}
}

int measure(struct bench *bench, double seconds, struct bench_result *result)
{
	static struct rounds rounds;

	rounds.count = 0;
	rounds_run(bench, &rounds, seconds);
	result->rounds = rounds.count;
	result->ns = quantile(rounds.ns, rounds.count, 0.5);
	result->limit_ns = quantile(rounds.limit_ns, rounds.count, 0.5);
	result->ratio = quantile(rounds.ratio, rounds.count, 0.5);
	result->ratio_low = quantile(rounds.ratio, rounds.count, 0.25);
	result->ratio_high = quantile(rounds.ratio, rounds.count, 0.75);
	return bench->error;
}

/* *flushes gets what run() called the platform for. */
static bool side_check(struct bench *bench, const struct bench_side *side,
		       bool (*check)(struct bench *bench), struct flushes *flushes)
{
	const struct flushes *now = &bench->arena->flushes;
	struct flushes start;
	bool right;

	if (side->before)
		side->before(bench);
	start = *now;
	side->run(bench);
	flushes->invalidations = now->invalidations - start.invalidations;
	flushes->completions = now->completions - start.completions;
	right = check(bench);
	if (side->after)
		side->after(bench);
	return right;
}

bool measure_check(struct bench *bench)
{
	const struct workload *work = bench->work;
	const uint64_t least = work->units * work->flushes;
	struct flushes limit;

	if (!side_check(bench, work->library, work->library_check, &bench->flushes) ||
	    !side_check(bench, work->limit, work->limit_check, &limit) || bench->error != 0)
		return false;
	/* What is said to be the least is what the limit makes do with. */
	return !work->flush_goal || (limit.invalidations == least && limit.completions == least);
}
