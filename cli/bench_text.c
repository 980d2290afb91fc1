/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The report for people: three tables of measurements, what the kernel confirms, what the
 * mappings cost.
 */
#include <inttypes.h>
#include <string.h>

#include "bench.h"

#define BASE_PAGE ((uint64_t)4096)

static const char *const view_labels[BENCH_VIEWS] = {
	[BENCH_SMALL] = "4K",
	[BENCH_SHIFTED] = "4K, off by one page",
	[BENCH_LARGE] = "largest",
};

static void print_head(const struct bench_report *report)
{
	const struct bench_machine *machine = &report->machine;

	printf("%s%s%s, %s%s%s\n", cli_ink(stdout, CLI_STRONG), machine->cpu,
	       cli_ink(stdout, CLI_PLAIN), machine->kernel,
	       machine->is_virtual ? ", guest of " : "", machine->hypervisor);
	puts(report->views->port->about);
	if (machine->is_virtual)
		puts("A virtual machine: the host's page sizes cap what larger leaves give in it.");
	if (report->cut)
		printf("Working sets end at %s, a quarter of what %s leaves.\n",
		       cli_size_human(report->largest).text, machine->limit);
}

/* --- measurements ----------------------------------------------------------------- */

static const char *const titles[BENCH_WORKS] = {
	[BENCH_RANDOM] = "Dependent loads of every line, each in another page: ns a load",
	[BENCH_PAGES] = "Dependent loads of one line a page, to isolate translation: ns a load",
	[BENCH_COPY] = "memcpy from one half to the other: GB/s",
};

static double shown(enum bench_work work, double ns)
{
	return work == BENCH_COPY ? 1 / ns : ns;
}

static void print_gain(const struct bench_spread *gain, int width)
{
	char text[16];

	if (!bench_is_sure(gain)) {
		printf("%*s", width, "~");
		return;
	}
	snprintf(text, sizeof(text), "%.0f %%", 100 * gain->middle);
	printf("%s%*s%s", cli_ink(stdout, gain->middle > 0 ? CLI_GOOD : CLI_BAD), width, text,
	       cli_ink(stdout, CLI_PLAIN));
}

/* A row that the kernel did not give the sizes asked for says so. */
static void print_doubt(const struct bench_row *row)
{
	const struct ml_process_sizes *large = &row->sizes[BENCH_LARGE];
	unsigned view;

	if (!large->huge_known)
		printf("  leaf sizes unknown");
	else if (!large->huge)
		printf("  no 2M leaves");
	else if (large->huge < row->bytes)
		printf("  only %s in 2M leaves", cli_size_human(large->huge).text);
	for (view = 0; view < BENCH_LARGE; view++)
		if (row->sizes[view].huge_known && row->sizes[view].huge)
			printf("  %s: %s in 2M leaves", view_labels[view],
			       cli_size_human(row->sizes[view].huge).text);
}

static void print_row(const struct bench_row *row, enum bench_work work)
{
	const struct bench_result *result = &row->results[work];
	const struct bench_spread *gain = &result->gain[BENCH_SMALL];
	unsigned view;

	printf("%12s", cli_size_human(row->bytes).text);
	if (!result->measured) {
		printf("   not measured: no time for %d pairs\n", BENCH_PAIRS_LEAST);
		return;
	}
	for (view = 0; view < BENCH_VIEWS; view++)
		printf("%11.2f", shown(work, result->time[view].middle));
	print_gain(gain, 9);
	printf("   %5.1f .. %-5.1f", 100 * gain->low, 100 * gain->high);
	print_gain(&result->gain[BENCH_SHIFTED], 10);
	print_doubt(row);
	putchar('\n');
}

static void print_measurements(const struct bench_report *report, enum bench_work work)
{
	unsigned i;

	printf("\n%s%s%s\n", cli_ink(stdout, CLI_STRONG), titles[work], cli_ink(stdout, CLI_PLAIN));
	printf("%s%12s%11s%11s%11s%9s   %-14s%10s%s\n", cli_ink(stdout, CLI_FAINT), "working set",
	       "4K", "off by one", "largest", "saved", "middle half %", "off by one",
	       cli_ink(stdout, CLI_PLAIN));
	for (i = 0; i < report->row_count; i++)
		print_row(&report->rows[i], work);
}

static void print_legend(const struct bench_report *report)
{
	uint64_t least = UINT64_MAX;
	unsigned i, work;

	for (i = 0; i < report->row_count; i++)
		for (work = 0; work < BENCH_WORKS; work++)
			if (report->rows[i].results[work].measured)
				least = least < report->rows[i].results[work].pairs
						? least
						: report->rows[i].results[work].pairs;
	puts("\nsaved: time that the largest leaves save against 4K at the same alignment (last\n"
	     "column: against 4K off by one page), median over pairs of chunks measured next to\n"
	     "each other; middle half: the quartiles of those pairs; ~: 0 lies between them.");
	if (least != UINT64_MAX)
		printf("At least %" PRIu64 " pairs a row.\n", least);
}

/* --- the kernel's word ------------------------------------------------------------ */

static const struct bench_row *last_confirmed(const struct bench_report *report)
{
	const struct bench_row *last = NULL;
	unsigned i;

	for (i = 0; i < report->row_count; i++)
		if (report->rows[i].confirmed)
			last = &report->rows[i];
	return last;
}

static void print_sizes(const struct ml_process_sizes *sizes)
{
	const char *between = "";

	if (!sizes->present_known || !sizes->huge_known) {
		printf("unknown\n");
		return;
	}
	if (sizes->huge) {
		printf("%" PRIu64 "x2M", sizes->huge / ML_PROCESS_HUGE_BYTES);
		between = " and ";
	}
	if (sizes->present > sizes->huge)
		printf("%s%" PRIu64 "x4K", between, (sizes->present - sizes->huge) / BASE_PAGE);
	putchar('\n');
}

static void print_refusal(const struct bench_view *view)
{
	const struct ml_process_refusal *refusal = &view->refusal;

	printf("%24srefused %s of %s at 0x%" PRIx64 ": %s\n", "", refusal->what,
	       cli_size_human(refusal->length).text, refusal->va,
	       refusal->error ? strerror(refusal->error) : "no mapping can give it");
}

static void print_confirmed(const struct bench_report *report)
{
	const struct bench_row *row = last_confirmed(report);
	unsigned view;

	if (!row)
		return;
	printf("\n%s%s for %s%s (%s)\n", cli_ink(stdout, CLI_STRONG),
	       report->views->port->confirmed, cli_size_human(row->bytes).text,
	       cli_ink(stdout, CLI_PLAIN), row->sizes[BENCH_LARGE].source);
	for (view = 0; view < BENCH_VIEWS; view++) {
		printf("  %-22s", view_labels[view]);
		print_sizes(&row->sizes[view]);
		if (report->views->view[view].refused)
			print_refusal(&report->views->view[view]);
	}
}

/* --- costs ------------------------------------------------------------------------ */

static void format_leaves(const struct bench_cost *cost, char *text, size_t size)
{
	size_t used = 0;
	unsigned rung = cost->format->rung_count;

	text[0] = '\0';
	while (rung-- && used < size) {
		if (!cost->leaves[rung])
			continue;
		used += (size_t)snprintf(
			text + used, size - used, "%s%" PRIu64 "x%s", used ? " " : "",
			cost->leaves[rung],
			cli_size_exact((uint64_t)1 << cost->format->rungs[rung].shift).text);
	}
}

static void print_costs(const struct bench_report *report)
{
	const char *before = "";
	unsigned i;

	printf("\n%sWhat mapping %s costs in each format%s (maxleaf's own tables)\n",
	       cli_ink(stdout, CLI_STRONG), cli_size_human(report->largest).text,
	       cli_ink(stdout, CLI_PLAIN));
	printf("%s  %-10s%-22s%-24s%8s%12s%10s%s\n", cli_ink(stdout, CLI_FAINT), "format", "leaves",
	       "by size", "tables", "memory", "ml_map", cli_ink(stdout, CLI_PLAIN));
	for (i = 0; i < report->cost_count; i++) {
		const struct bench_cost *cost = &report->costs[i];
		char leaves[64];

		format_leaves(cost, leaves, sizeof(leaves));
		printf("  %-10s%-22s%-24s%8" PRIu64 "%12s%10s\n",
		       strcmp(before, cost->format->name) ? cost->format->name : "",
		       view_labels[cost->view], leaves, cost->tables,
		       cli_size_human(cost->table_bytes).text,
		       cli_time_human(cost->map_ns.middle).text);
		before = cost->format->name;
	}
}

void bench_print_text(const struct bench_report *report)
{
	unsigned work;

	print_head(report);
	if (report->checked)
		printf("Checked: every view of %s leads to the right frames, chains and copies are "
		       "whole.\n",
		       cli_size_human(report->rows[0].bytes).text);
	if (report->emulated) {
		printf("No figure: KVM emulates the MMU here (%s).\n", report->emulated);
		return;
	}
	for (work = 0; work < BENCH_WORKS; work++)
		print_measurements(report, work);
	print_legend(report);
	print_confirmed(report);
	print_costs(report);
	if (report->interrupted)
		puts("\ninterrupted");
}
