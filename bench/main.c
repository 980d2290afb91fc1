/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The benchmark program: chooses workloads, measures or counts them, prints.
 *
 * How it is built and called (the Makefile):
 *
 *   one program of all of bench's .c files per compiler, each linked with core objects of its own
 *   compiler. Core: as everywhere, -O2 -mgeneral-regs-only. These files: hosted flags with -O2 and
 *   without -mgeneral-regs-only, for statistics need double. No sanitizer, no LTO.
 *
 *   make bench               bench/run.sh time build gcc=PROGRAM clang=PROGRAM
 *   make bench-instructions  bench/run.sh count build gcc=PROGRAM clang=PROGRAM
 *
 * `time` takes two minutes and counts as well where valgrind is there; `count` takes seconds. Both
 * write build/bench.json and print the table. Exit 0 all goals met, 1 some missed, 2 trouble.
 */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define ARENA_TABLES (36u * 1024) /* 64 1G leaves with all that they may split into */
#define EXIT_TROUBLE 2

enum mode { MODE_TIME, MODE_COUNT, MODE_LIST };

struct arguments {
	enum mode mode;
	bool json;
	const char *name;   /* of this build, for the records */
	const char *format; /* NULL: all */
	double seconds;     /* for all workloads together */
	char **chosen;      /* names of workloads; none: all */
	unsigned chosen_count;
};

enum { OPTION_JSON = 0x100, OPTION_NAME, OPTION_FORMAT, OPTION_SECONDS, OPTION_COUNT, OPTION_LIST };

static const struct argp_option options[] = {
	{ "json", OPTION_JSON, NULL, 0, "print one JSON object a line", 0 },
	{ "name", OPTION_NAME, "NAME", 0, "name this build in the records", 0 },
	{ "format", OPTION_FORMAT, "FORMAT", 0, "measure this format only", 0 },
	{ "seconds", OPTION_SECONDS, "N", 0, "time to take for all workloads together (60)", 0 },
	{ "count", OPTION_COUNT, NULL, 0,
	  "run each workload once, its work inside bench_counted(), for callgrind", 0 },
	{ "list", OPTION_LIST, NULL, 0, "print the names of the workloads", 0 },
	{ 0 }
};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	char *end;

	switch (key) {
	case OPTION_JSON:
		arguments->json = true;
		return 0;
	case OPTION_NAME:
		arguments->name = text;
		return 0;
	case OPTION_FORMAT:
		arguments->format = text;
		return 0;
	case OPTION_SECONDS:
		arguments->seconds = strtod(text, &end);
		if (end == text || *end != '\0' || !(arguments->seconds >= 0))
			argp_error(state, "--seconds: not a number: %s", text);
		return 0;
	case OPTION_COUNT:
		arguments->mode = MODE_COUNT;
		return 0;
	case OPTION_LIST:
		arguments->mode = MODE_LIST;
		return 0;
	case ARGP_KEY_ARGS:
		arguments->chosen = state->argv + state->next;
		arguments->chosen_count = (unsigned)(state->argc - state->next);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp parser = {
	.options = options,
	.parser = parse_option,
	.args_doc = "[WORKLOAD...]",
	.doc = "Measure maxleaf against loops that do the least the work takes.",
};

static const struct ml_format *const formats[] = { &ml_format_x86_64, &ml_format_arm64_4k };

#define FORMAT_COUNT (sizeof(formats) / sizeof(formats[0]))

static int complain(const struct workload *work, const struct ml_format *format, const char *what)
{
	fprintf(stderr, "maxleaf: bench: %s, %s: %s\n", work->name, format->name, what);
	return EXIT_TROUBLE;
}

static bool has_groups(const struct ml_format *format)
{
	for (unsigned i = 0; i < format->rung_count; i++) {
		if (format->rungs[i].lg2_entries > 0)
			return true;
	}
	return false;
}

static bool is_chosen(const struct arguments *arguments, const struct workload *work,
		      const struct ml_format *format)
{
	if (arguments->format && strcmp(arguments->format, format->name) != 0)
		return false;
	if (work->groups_only && !has_groups(format))
		return false;
	if (work->longest && arguments->mode == MODE_COUNT) /* callgrind does not know which */
		return false;
	for (unsigned i = 0; i < arguments->chosen_count; i++) {
		if (strcmp(arguments->chosen[i], work->name) == 0)
			return true;
	}
	return arguments->chosen_count == 0;
}

/* The fields about flushing, of workloads that count it; *stores as breaks_measure() gave it. */
static void print_flushes(const struct bench *bench, uint64_t stores)
{
	const struct workload *work = bench->work;
	const double units = (double)work->units;

	if (!work->flush_goal)
		return;
	printf(",\"invalidations\":%.6g,\"invalidations_least\":%u,\"completions\":%.6g,"
	       "\"completions_least\":%u",
	       (double)bench->flushes.invalidations / units, work->flushes,
	       (double)bench->flushes.completions / units, work->flushes);
	if (stores == NO_BREAK)
		printf(",\"break_stores\":null");
	else
		printf(",\"break_stores\":%llu", (unsigned long long)stores);
}

/* What the leaves own, of workloads of the space floor. */
static void print_deposits(const struct workload *work)
{
	static const char *const names[] = { "none", "one", "all" };

	if (work->space)
		printf(",\"deposits\":\"%s\"", names[work->deposits]);
}

static void print_result(const struct arguments *arguments, const struct bench *bench,
			 const struct bench_result *result, uint64_t stores)
{
	const struct workload *work = bench->work;

	if (arguments->json) {
		printf("{\"name\":\"%s\",\"format\":\"%s\",\"compiler\":\"%s\",\"unit\":\"%s\","
		       "\"ns\":%.6g,\"limit_ns\":%.6g,\"ratio\":%.4g,\"ratio_low\":%.4g,"
		       "\"ratio_high\":%.4g,\"rounds\":%u",
		       work->name, bench->format->name, arguments->name, work->unit, result->ns,
		       result->limit_ns, result->ratio, result->ratio_low, result->ratio_high,
		       result->rounds);
		print_flushes(bench, stores);
		print_deposits(work);
		puts("}");
	} else
		printf("%-6s %-9s %10.4g ns/%-5s  limit %10.4g  ratio %6.3f (%.3f..%.3f, %u)\n",
		       work->name, bench->format->name, result->ns, work->unit, result->limit_ns,
		       result->ratio, result->ratio_low, result->ratio_high, result->rounds);
	fflush(stdout);
}

static int time_one(const struct arguments *arguments, struct bench *bench, double seconds,
		    uint64_t stores)
{
	struct bench_result result;
	int error = measure(bench, seconds, &result);

	if (error != 0)
		return complain(bench->work, bench->format, ml_error_text(error));
	print_result(arguments, bench, &result, stores);
	return EXIT_SUCCESS;
}

__attribute__((noinline)) void bench_counted(struct bench *bench, const struct bench_side *side)
{
	side->run(bench);
	/* No tail call: this function must be left after run(). */
	__asm__ volatile("");
}

static void count_side(const struct arguments *arguments, struct bench *bench,
		       const struct bench_side *side, const char *name, uint64_t stores)
{
	if (side->before)
		side->before(bench);
	bench_counted(bench, side);
	if (side->after)
		side->after(bench);
	printf("{\"name\":\"%s\",\"format\":\"%s\",\"compiler\":\"%s\",\"side\":\"%s\","
	       "\"units\":%llu",
	       bench->work->name, bench->format->name, arguments->name, name,
	       (unsigned long long)bench->work->units);
	print_flushes(bench, stores);
	print_deposits(bench->work);
	puts("}");
	fflush(stdout);
}

/* Three records: the library, the same calls doing nothing, the limit. */
static int count_one(const struct arguments *arguments, struct bench *bench, uint64_t stores)
{
	count_side(arguments, bench, bench->work->library, "library", stores);
	bench->api = &bench_empty;
	count_side(arguments, bench, bench->work->library, "empty", stores);
	bench->api = &bench_library;
	count_side(arguments, bench, bench->work->limit, "limit", stores);
	return bench->error ? complain(bench->work, bench->format, ml_error_text(bench->error))
			    : EXIT_SUCCESS;
}

static int run_one(const struct arguments *arguments, const struct workload *work,
		   const struct ml_format *format, struct arena *arena, double seconds)
{
	static struct bench bench;
	uint64_t stores = NO_BREAK;
	int error = 0, status;

	if (work->flush_goal)
		error = breaks_measure(work, format, arena, &stores);
	if (error == 0)
		error = bench_init(&bench, work, format, arena, NULL);
	if (error != 0)
		return complain(work, format, ml_error_text(error));
	if (!measure_check(&bench))
		status = complain(work, format, "the run did not do its work");
	else if (arguments->mode == MODE_COUNT)
		status = count_one(arguments, &bench, stores);
	else
		status = time_one(arguments, &bench, seconds, stores);
	bench_fini(&bench);
	if (status == EXIT_SUCCESS && !arena_is_whole(arena))
		status = complain(work, format, "tables or regions were lost");
	arena_reset(arena);
	return status;
}

static unsigned count_chosen(const struct arguments *arguments)
{
	unsigned count = 0;

	for (unsigned f = 0; f < FORMAT_COUNT; f++) {
		for (unsigned i = 0; i < workload_count; i++)
			count += is_chosen(arguments, &workloads[i], formats[f]);
	}
	return count;
}

static int run_chosen(const struct arguments *arguments, struct arena *arena, unsigned count)
{
	const double seconds = arguments->seconds / count;

	for (unsigned f = 0; f < FORMAT_COUNT; f++) {
		for (unsigned i = 0; i < workload_count; i++) {
			int status;

			if (!is_chosen(arguments, &workloads[i], formats[f]))
				continue;
			status = run_one(arguments, &workloads[i], formats[f], arena, seconds);
			if (status != EXIT_SUCCESS)
				return status;
		}
	}
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct arguments arguments = { .name = "cc", .seconds = 60 };
	struct arena arena;
	unsigned count;
	int error, status;

	argp_err_exit_status = EXIT_TROUBLE;
	argp_parse(&parser, argc, argv, 0, NULL, &arguments);
	if (arguments.mode == MODE_LIST) {
		for (unsigned i = 0; i < workload_count; i++)
			puts(workloads[i].name);
		return EXIT_SUCCESS;
	}
	count = count_chosen(&arguments);
	if (count == 0) {
		fputs("maxleaf: bench: nothing to measure: no such workload or format\n"
		      "hint: names are printed by --list; formats are x86-64 and arm64-4k\n",
		      stderr);
		return EXIT_TROUBLE;
	}
	error = arena_init(&arena, ARENA_TABLES);
	if (error != 0) {
		fprintf(stderr, "maxleaf: bench: table memory: %s\n", strerror(error));
		return EXIT_TROUBLE;
	}
	status = run_chosen(&arguments, &arena, count);
	arena_fini(&arena);
	return status;
}
