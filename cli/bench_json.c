/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The report as records, one a line: machine, one a working set and work, one a view, one
 * a format's mapping, summary. Times are ns a load, or ns a byte copied.
 */
#include "bench.h"

void bench_json_spread(struct cli_json *json, const char *name, const struct bench_spread *spread)
{
	cli_json_object(json, name);
	cli_json_real(json, "q1", spread->low);
	cli_json_real(json, "median", spread->middle);
	cli_json_real(json, "q3", spread->high);
	cli_json_up(json);
}

static void put_machine(const struct bench_report *report)
{
	const struct bench_machine *machine = &report->machine;
	struct cli_json json;

	cli_json_schema(&json, stdout, "bench");
	cli_json_text(&json, "cpu", machine->cpu);
	cli_json_text(&json, "kernel", machine->kernel);
	cli_json_bool(&json, "virtual", machine->is_virtual);
	if (machine->is_virtual)
		cli_json_text(&json, "hypervisor", machine->hypervisor);
	cli_json_text(&json, "port", report->views->port->name);
	cli_json_text(&json, "format", report->format->name);
	cli_json_integer(&json, "seconds", report->seconds);
	cli_json_integer(&json, "largest_bytes", report->largest);
	cli_json_integer(&json, "usable_bytes", machine->usable);
	cli_json_text(&json, "usable_limit", machine->limit);
	cli_json_bool(&json, "cut_by_memory", report->cut);
	cli_json_close(&json);
}

/* A number the kernel does not tell is null, not 0. */
static void put_sizes(struct cli_json *json, const struct ml_process_sizes *sizes)
{
	cli_json_text(json, "source", sizes->source);
	if (sizes->present_known)
		cli_json_integer(json, "present_bytes", sizes->present);
	else
		cli_json_null(json, "present_bytes");
	if (sizes->huge_known)
		cli_json_integer(json, "huge_bytes", sizes->huge);
	else
		cli_json_null(json, "huge_bytes");
}

static void put_result(const struct bench_row *row, enum bench_work work)
{
	const struct bench_result *result = &row->results[work];
	struct cli_json json;
	unsigned view;

	cli_json_open(&json, stdout);
	cli_json_text(&json, "work", bench_work_names[work]);
	cli_json_integer(&json, "working_set_bytes", row->bytes);
	cli_json_bool(&json, "measured", result->measured);
	if (result->measured) {
		cli_json_integer(&json, "pairs", result->pairs);
		cli_json_integer(&json, "chunk", result->amount);
		cli_json_object(&json, "ns");
		for (view = 0; view < BENCH_VIEWS; view++)
			bench_json_spread(&json, bench_view_names[view], &result->time[view]);
		cli_json_up(&json);
		cli_json_object(&json, "saved");
		for (view = 0; view < BENCH_LARGE; view++)
			bench_json_spread(&json, bench_view_names[view], &result->gain[view]);
		cli_json_up(&json);
		cli_json_bool(&json, "sure", bench_is_sure(&result->gain[BENCH_SMALL]));
	}
	cli_json_close(&json);
}

static void put_row_sizes(const struct bench_report *report, const struct bench_row *row,
			  unsigned name)
{
	const struct bench_view *view = &report->views->view[name];
	struct cli_json json;

	cli_json_open(&json, stdout);
	cli_json_text(&json, "view", bench_view_names[name]);
	cli_json_address(&json, "va", view->va);
	cli_json_address(&json, "pa", report->views->pa);
	cli_json_integer(&json, "bytes", row->bytes);
	put_sizes(&json, &row->sizes[name]);
	if (view->refused) {
		cli_json_text(&json, "refused", view->refusal.what);
		cli_json_address(&json, "refused_va", view->refusal.va);
		cli_json_integer(&json, "errno", (uint64_t)view->refusal.error);
	}
	cli_json_close(&json);
}

static void put_cost(const struct bench_cost *cost, uint64_t bytes)
{
	struct cli_json json;
	unsigned rung;

	cli_json_open(&json, stdout);
	cli_json_text(&json, "mapping", bench_view_names[cost->view]);
	cli_json_text(&json, "format", cost->format->name);
	cli_json_integer(&json, "bytes", bytes);
	cli_json_array(&json, "leaves");
	for (rung = 0; rung < cost->format->rung_count; rung++) {
		if (!cost->leaves[rung])
			continue;
		cli_json_object(&json, NULL);
		cli_json_integer(&json, "leaf_bytes",
				 (uint64_t)1 << cost->format->rungs[rung].shift);
		cli_json_integer(&json, "count", cost->leaves[rung]);
		cli_json_up(&json);
	}
	cli_json_up(&json);
	cli_json_integer(&json, "tables", cost->tables);
	cli_json_integer(&json, "table_bytes", cost->table_bytes);
	bench_json_spread(&json, "map_ns", &cost->map_ns);
	cli_json_close(&json);
}

/* What bench_check() found: it ends the tool where it finds anything wrong. */
static void put_check(const struct bench_report *report)
{
	struct cli_json json;

	cli_json_open(&json, stdout);
	cli_json_bool(&json, "checked", report->checked);
	cli_json_integer(&json, "bytes", report->rows[0].bytes);
	cli_json_bool(&json, "emulated", report->emulated);
	if (report->emulated)
		cli_json_text(&json, "emulated_by", report->emulated);
	cli_json_close(&json);
}

static void put_summary(const struct bench_report *report)
{
	struct cli_json json;
	unsigned i, work;
	uint64_t measured = 0;

	for (i = 0; i < report->row_count; i++)
		for (work = 0; work < BENCH_WORKS; work++)
			measured += report->rows[i].results[work].measured;
	cli_json_open(&json, stdout);
	cli_json_object(&json, "summary");
	cli_json_integer(&json, "measured", measured);
	cli_json_integer(&json, "not_measured",
			 (uint64_t)report->row_count * BENCH_WORKS - measured);
	cli_json_real(&json, "elapsed_s", report->elapsed);
	cli_json_bool(&json, "interrupted", report->interrupted);
	cli_json_close(&json);
}

void bench_print_json(const struct bench_report *report)
{
	unsigned i, n;

	put_machine(report);
	if (report->checked)
		put_check(report);
	for (n = 0; n < BENCH_WORKS; n++)
		for (i = 0; i < report->row_count; i++)
			put_result(&report->rows[i], n);
	for (i = 0; i < report->row_count; i++)
		for (n = 0; n < BENCH_VIEWS && report->rows[i].confirmed; n++)
			put_row_sizes(report, &report->rows[i], n);
	for (i = 0; i < report->cost_count; i++)
		put_cost(&report->costs[i], report->largest);
	put_summary(report);
}
