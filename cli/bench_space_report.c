/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What `maxleaf bench space` measured, for people and as records. */
#include <inttypes.h>

#include "bench_space.h"

static const char *const call_names[SPACE_CALLS] = {
	[SPACE_MAP] = "map",         [SPACE_FORK] = "fork",   [SPACE_MOVE] = "move",
	[SPACE_PROTECT] = "protect", [SPACE_UNMAP] = "unmap",
};

/* --- text --------------------------------------------------------------------------- */

static struct cli_text ratio_text(double ratio)
{
	struct cli_text out;

	snprintf(out.text, sizeof(out.text), ratio < 100 ? "%.1f" : "%.0f", ratio);
	return out;
}

static void print_head(const struct space_report *report)
{
	const struct bench_machine *machine = &report->machine;

	printf("%s%s%s, %s%s%s\n", cli_ink(stdout, CLI_STRONG), machine->cpu,
	       cli_ink(stdout, CLI_PLAIN), machine->kernel,
	       machine->is_virtual ? ", guest of " : "", machine->hypervisor);
	printf("%s in 2M leaves, %s: spaces of the library, and the same calls to this kernel.\n"
	       "Medians of %u rounds in turns; ratio: the kernel's time by the library's.\n",
	       cli_size_human(report->bytes).text, report->format->name, report->rounds);
	if (!report->huge_known)
		puts("The kernel does not tell which leaves it used.");
	else if (report->huge_bytes < report->bytes)
		printf("The kernel gave only %s in 2M leaves, the rest in 4K: its figures too.\n",
		       cli_size_human(report->huge_bytes).text);
	else
		puts("The kernel used 2M leaves for all of it (smaps).");
}

static void print_row(const struct space_report *report, unsigned call, unsigned kind)
{
	const struct space_row *row = &report->rows[call][kind];

	printf("%-9s%-11s%-5s%9s%11s%9s%10s .. %-8s%5" PRIu64 "+%-4" PRIu64 "%9s%10" PRIu64 "\n",
	       kind ? "" : call_names[call], space_kinds[kind].memory, space_kinds[kind].policy,
	       cli_time_human(row->library_ns.middle).text,
	       kind ? "" : cli_time_human(report->kernel_ns[call].middle).text,
	       ratio_text(row->ratio.middle).text, ratio_text(row->ratio.low).text,
	       ratio_text(row->ratio.high).text, row->counts.invalidations, row->counts.completions,
	       cli_size_human(row->counts.table_bytes).text, row->counts.deposits);
}

static void print_legend(const struct space_report *report)
{
	puts("");
	puts("own: what a 2M leaf owns of the table that its split takes: none, and a split\n"
	     "may fail; all, and it cannot. The kernel's own it. flush: invalidations and\n"
	     "completions, counted here, done there. tables: of the space when the call is done\n"
	     "(fork: of the child), deposits among them. protect: 4K in a leaf's middle.\n\n"
	     "What differs: the kernel's calls are system calls, on TLBs in use. The library's\n"
	     "frames have no memory behind them; anonymous ones are counted one by one.");
	printf("The kernel's map zeroes the memory (a memset() of it, afterwards, takes %s); its\n"
	       "fork is that of a process (which takes %s without the memory).\n",
	       cli_time_human(report->zeroing_ns.middle).text,
	       cli_time_human(report->fork_alone_ns.middle).text);
}

void space_print_text(const struct space_report *report)
{
	unsigned call, kind;

	print_head(report);
	printf("\n%s%-9s%-11s%-5s%9s%11s%9s%14s%18s%11s%10s%s\n", cli_ink(stdout, CLI_FAINT),
	       "call", "memory", "own", "library", "kernel", "ratio", "middle half", "flush",
	       "tables", "deposits", cli_ink(stdout, CLI_PLAIN));
	for (call = 0; call < SPACE_CALLS; call++)
		for (kind = 0; kind < SPACE_KINDS; kind++)
			print_row(report, call, kind);
	print_legend(report);
}

/* --- records ------------------------------------------------------------------------- */

static void put_machine(const struct space_report *report)
{
	struct cli_json json;

	cli_json_schema(&json, stdout, "bench-space");
	cli_json_text(&json, "cpu", report->machine.cpu);
	cli_json_text(&json, "kernel", report->machine.kernel);
	cli_json_bool(&json, "virtual", report->machine.is_virtual);
	cli_json_text(&json, "format", report->format->name);
	cli_json_integer(&json, "bytes", report->bytes);
	cli_json_integer(&json, "rounds", report->rounds);
	if (report->huge_known)
		cli_json_integer(&json, "huge_bytes", report->huge_bytes);
	else
		cli_json_null(&json, "huge_bytes");
	cli_json_close(&json);
}

static void put_row(const struct space_report *report, unsigned call, unsigned kind)
{
	const struct space_row *row = &report->rows[call][kind];
	struct cli_json json;

	cli_json_open(&json, stdout);
	cli_json_text(&json, "call", call_names[call]);
	cli_json_text(&json, "memory", space_kinds[kind].memory);
	cli_json_text(&json, "own", space_kinds[kind].policy);
	bench_json_spread(&json, "library_ns", &row->library_ns);
	bench_json_spread(&json, "kernel_ns", &report->kernel_ns[call]);
	bench_json_spread(&json, "ratio", &row->ratio);
	cli_json_integer(&json, "invalidations", row->counts.invalidations);
	cli_json_integer(&json, "completions", row->counts.completions);
	cli_json_integer(&json, "table_bytes", row->counts.table_bytes);
	cli_json_integer(&json, "deposits", row->counts.deposits);
	cli_json_close(&json);
}

void space_print_json(const struct space_report *report)
{
	struct cli_json json;
	unsigned call, kind;

	put_machine(report);
	for (call = 0; call < SPACE_CALLS; call++)
		for (kind = 0; kind < SPACE_KINDS; kind++)
			put_row(report, call, kind);
	cli_json_open(&json, stdout);
	cli_json_object(&json, "summary");
	bench_json_spread(&json, "zeroing_ns", &report->zeroing_ns);
	bench_json_spread(&json, "fork_alone_ns", &report->fork_alone_ns);
	cli_json_close(&json);
}
