/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * maxleaf bench: its options, how large working sets become, and the order of things.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "bench_space.h"

#define DEFAULT_SECONDS 60
#define SECONDS_MOST 86400
#define DEFAULT_LARGEST ((uint64_t)4 << 30)
#define LARGEST_MOST ((uint64_t)1 << 42) /* pages are numbered in 32 bits */
#define INTERRUPTED 130                  /* as the shell tells a command ended by ^C */

struct arguments {
	struct cli_common common;
	const struct bench_port *port;
	const char *plot;
	uint64_t largest;
	uint64_t seconds;
};

enum { KEY_MAX = 0x100, KEY_PLOT, KEY_PORT };

static const struct argp_option options[] = {
	{ "max", KEY_MAX, "SIZE", 0,
	  "Largest working set (default 4G, at most a quarter of memory)", 1 },
	{ "seconds", 's', "N", 0, "Stop after so many seconds (default 60)", 1 },
	{ "port", KEY_PORT, "PORT", 0,
	  "Whose MMU works: process (default), or kvm, a virtual CPU on maxleaf's own tables", 1 },
	{ "plot", KEY_PLOT, "FILE", 0, "Draw a chart into FILE.svg or FILE.png, with gnuplot", 1 },
	{ 0 },
};

static const char documentation[] =
	"Measure what larger leaves give on this CPU: loads and copies over the same "
	"physical pages, mapped by 4K leaves and by the largest.\n"
	"\n"
	"  maxleaf bench\n"
	"  maxleaf bench --max 1G --seconds 20\n"
	"  maxleaf bench --plot leaves.svg\n"
	"  maxleaf bench --port kvm\n"
	"  maxleaf bench space --help    address spaces, beside this kernel's\n"
	"\v"
	"Needs no privilege, or /dev/kvm with --port kvm. Rows for which the time is too short "
	"for 101 pairs of chunks are printed as not measured. A guest's gains are capped by the "
	"host's own page sizes.";

static const struct bench_port *port_or_die(const char *name)
{
	static const struct bench_port *const ports[] = { &bench_port_process, &bench_port_kvm };
	unsigned i;

	for (i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		if (!strcmp(name, ports[i]->name))
			return ports[i];
	cli_die("bench: --port", "'%s' is neither process nor kvm", name);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->common;
		return 0;
	case KEY_MAX:
		a->largest =
			cli_number_within_or_die("bench: --max", arg, BENCH_SMALLEST, LARGEST_MOST);
		return 0;
	case 's':
		a->seconds = cli_number_within_or_die("bench: --seconds", arg, 1, SECONDS_MOST);
		return 0;
	case KEY_PORT:
		a->port = port_or_die(arg);
		return 0;
	case KEY_PLOT:
		a->plot = arg;
		return 0;
	case ARGP_KEY_ARG:
		cli_die("bench", "unexpected argument '%s'", arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &cli_common_argp, 0, NULL, 0 }, { 0 } };
static const struct argp argp = { options, parse, NULL, documentation, children, NULL, NULL };

/* --- ^C --------------------------------------------------------------------------- */

static volatile int stop;

static void on_interrupt(int number)
{
	(void)number;
	stop = 1;
}

/* The first ^C ends the measuring, and what there is gets printed; the second ends the tool. */
static void catch_interrupt(void)
{
	struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND };

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
}

/* --- the working sets ------------------------------------------------------------- */

static void plan_rows(struct bench_report *report, uint64_t largest)
{
	uint64_t quarter = report->machine.usable / 4;
	uint64_t bytes;

	for (bytes = BENCH_SMALLEST; bytes <= largest && report->row_count < BENCH_ROWS_MOST;
	     bytes *= 2) {
		if (bytes > quarter) {
			report->cut = true;
			break;
		}
		report->rows[report->row_count++].bytes = bytes;
		report->largest = bytes;
	}
	if (report->row_count)
		return;
	cli_error("bench", "%s leaves %s, of which a quarter is less than %s",
		  report->machine.limit, cli_size_human(report->machine.usable).text,
		  cli_size_human(BENCH_SMALLEST).text);
	exit(CLI_TROUBLE);
}

static int report_and_plot(const struct bench_report *report, const struct arguments *a)
{
	int status = CLI_FINE;

	if (a->common.json)
		bench_print_json(report);
	else
		bench_print_text(report);
	if (a->plot)
		status = bench_plot(report, a->plot);
	return status == CLI_FINE && report->interrupted ? INTERRUPTED : status;
}

/* Another's tables are believed only as far as they were seen to lead. */
static int check(struct bench_report *report, struct bench_views *views)
{
	int status;

	if (views->port == &bench_port_process)
		return CLI_FINE;
	status = bench_check(views, report->rows[0].bytes, &report->emulated);
	report->checked = status == CLI_FINE;
	return status;
}

static int measure(struct bench_report *report, struct bench_views *views,
		   const struct bench_budget *budget)
{
	if (!report->emulated) {
		report->cost_count = bench_costs(views, report->largest, report->costs);
		bench_measure(views, report->rows, report->row_count, budget);
	}
	report->elapsed = (double)(cli_now_ns() - budget->start_ns) / CLI_NS_PER_S;
	report->interrupted = stop;
	return views->broken ? CLI_TROUBLE : CLI_FINE;
}

int cmd_bench(int argc, char **argv)
{
	struct arguments a = { .port = &bench_port_process,
			       .largest = DEFAULT_LARGEST,
			       .seconds = DEFAULT_SECONDS };
	static struct bench_report report;
	static struct bench_views views;
	struct bench_budget budget = { .stop = &stop };
	int status;

	if (argc > 1 && !strcmp(argv[1], "space"))
		return bench_space(argc - 1, argv + 1);
	cli_parse(&argp, "bench", argc, argv, &a);
	if (a.plot)
		bench_plot_check(a.plot);
	budget.start_ns = cli_now_ns();
	budget.end_ns = budget.start_ns + a.seconds * CLI_NS_PER_S;
	bench_machine_read(&report.machine);
	report.format = a.port->format();
	report.seconds = a.seconds;
	report.views = &views;
	views.port = a.port;
	plan_rows(&report, a.largest);
	status = a.port->open(&views, report.largest);
	if (status == CLI_FINE)
		status = check(&report, &views);
	if (status == CLI_FINE) {
		catch_interrupt();
		status = measure(&report, &views, &budget);
	}
	if (status == CLI_FINE)
		status = report_and_plot(&report, &a);
	a.port->close(&views);
	return status;
}
