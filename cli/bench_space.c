/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * maxleaf bench space: its options, the rounds, and what comes of them.
 */
#include <string.h>

#include "bench_space.h"

#define WHERE "bench space"
#define DEFAULT_BYTES ((uint64_t)1 << 30)
#define BYTES_MOST ((uint64_t)64 << 30)
#define DEFAULT_ROUNDS 21
#define ROUNDS_LEAST 3

const struct space_kind space_kinds[SPACE_KINDS] = {
	{ "raw", "none", true, false },
	{ "raw", "all", true, true },
	{ "anonymous", "none", false, false },
	{ "anonymous", "all", false, true },
};

struct arguments {
	struct cli_common common;
	uint64_t bytes;
	unsigned rounds;
};

enum { KEY_SIZE = 0x100, KEY_ROUNDS };

static const struct argp_option options[] = {
	{ "size", KEY_SIZE, "SIZE", 0, "How much memory, whole 2M leaves (default 1G)", 1 },
	{ "rounds", KEY_ROUNDS, "N", 0, "How many lives of each kind (default 21)", 1 },
	{ 0 },
};

static const char documentation[] =
	"Measure map, fork, move, protect 4K and unmap of memory in 2M leaves: by the\n"
	"library's address spaces, and by this kernel on transparent huge pages.\n"
	"\n"
	"  maxleaf bench space\n"
	"  maxleaf bench space --size 256M --rounds 7\n"
	"\v"
	"Needs no privilege, and a little more memory than SIZE. Ratios are medians over rounds.";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->common;
		return 0;
	case KEY_SIZE:
		a->bytes = cli_number_within_or_die(WHERE ": --size", arg, SPACE_LEAF, BYTES_MOST);
		cli_check_aligned(WHERE ": --size", a->bytes, SPACE_LEAF);
		return 0;
	case KEY_ROUNDS:
		a->rounds = (unsigned)cli_number_within_or_die(WHERE ": --rounds", arg,
							       ROUNDS_LEAST, SPACE_ROUNDS_MOST);
		return 0;
	case ARGP_KEY_ARG:
		cli_die(WHERE, "unexpected argument '%s'", arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &cli_common_argp, 0, NULL, 0 }, { 0 } };
static const struct argp argp = { options, parse, NULL, documentation, children, NULL, NULL };

/* --- rounds ------------------------------------------------------------------------- */

static struct space_life lives[SPACE_ROUNDS_MOST];
static struct space_sample samples[SPACE_KINDS][SPACE_ROUNDS_MOST][SPACE_CALLS];

/* The first of two pays for what the kernel's life left cold, or to be copied after its forks. */
static int live_twice(unsigned kind, unsigned round)
{
	int status = space_library_live(&space_kinds[kind], samples[kind][round]);

	if (status == CLI_FINE)
		status = space_library_live(&space_kinds[kind], samples[kind][round]);
	return status;
}

/* One life of each kind and one of the kernel's; who is first changes from round to round. */
static int run_round(unsigned round)
{
	int status = CLI_FINE;
	unsigned i;

	for (i = 0; i <= SPACE_KINDS && status == CLI_FINE; i++) {
		const unsigned kind = (round + i) % (SPACE_KINDS + 1);

		if (kind == SPACE_KINDS)
			status = space_kernel_live(&lives[round]);
		else
			status = live_twice(kind, round);
	}
	return status;
}

static int run_rounds(unsigned rounds)
{
	struct cli_progress progress;
	int status = CLI_FINE;
	unsigned round;

	cli_progress_begin(&progress, "bench space", rounds);
	for (round = 0; round < rounds && status == CLI_FINE; round++) {
		status = run_round(round);
		cli_progress_step(&progress, round + 1);
	}
	cli_progress_end(&progress);
	return status;
}

static void sum_up_row(struct space_row *row, unsigned kind, unsigned call, unsigned rounds)
{
	static double ns[SPACE_ROUNDS_MOST], ratio[SPACE_ROUNDS_MOST];
	unsigned i;

	for (i = 0; i < rounds; i++) {
		ns[i] = samples[kind][i][call].ns;
		ratio[i] = lives[i].ns[call] / ns[i];
	}
	row->library_ns = bench_spread_of(ns, rounds);
	row->ratio = bench_spread_of(ratio, rounds);
	row->counts = samples[kind][rounds - 1][call];
}

static void sum_up(struct space_report *report)
{
	static double ns[SPACE_CALLS + 2][SPACE_ROUNDS_MOST];
	unsigned call, kind, i;

	for (i = 0; i < report->rounds; i++) {
		for (call = 0; call < SPACE_CALLS; call++)
			ns[call][i] = lives[i].ns[call];
		ns[SPACE_CALLS][i] = lives[i].fork_alone_ns;
		ns[SPACE_CALLS + 1][i] = lives[i].zeroing_ns;
	}
	for (call = 0; call < SPACE_CALLS; call++) {
		for (kind = 0; kind < SPACE_KINDS; kind++)
			sum_up_row(&report->rows[call][kind], kind, call, report->rounds);
		report->kernel_ns[call] = bench_spread_of(ns[call], report->rounds);
	}
	report->fork_alone_ns = bench_spread_of(ns[SPACE_CALLS], report->rounds);
	report->zeroing_ns = bench_spread_of(ns[SPACE_CALLS + 1], report->rounds);
	report->huge_known = lives[report->rounds - 1].huge_known;
	report->huge_bytes = lives[report->rounds - 1].huge_bytes;
}

/* Half of what there is, at most: whoever else runs here wants some. */
static int check_memory(const struct space_report *report)
{
	if (report->bytes <= report->machine.usable / 2)
		return CLI_FINE;
	cli_error(WHERE, "%s leaves %s, of which half is less than %s", report->machine.limit,
		  cli_size_human(report->machine.usable).text, cli_size_human(report->bytes).text);
	cli_hint("a smaller --size needs less");
	return CLI_TROUBLE;
}

int bench_space(int argc, char **argv)
{
	struct arguments a = { .bytes = DEFAULT_BYTES, .rounds = DEFAULT_ROUNDS };
	static struct space_report report;
	int status;

	cli_parse(&argp, WHERE, argc, argv, &a);
	bench_machine_read(&report.machine);
	report.format = ml_process_format();
	report.bytes = a.bytes;
	report.rounds = a.rounds;
	status = check_memory(&report);
	if (status == CLI_FINE)
		status = space_library_open(a.bytes);
	if (status == CLI_FINE)
		status = space_kernel_open(a.bytes);
	if (status == CLI_FINE)
		status = run_rounds(a.rounds);
	space_kernel_close();
	space_library_close();
	if (status != CLI_FINE)
		return status;
	sum_up(&report);
	if (a.common.json)
		space_print_json(&report);
	else
		space_print_text(&report);
	return CLI_FINE;
}
