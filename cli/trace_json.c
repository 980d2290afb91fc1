/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* maxleaf trace: its report as records. Owns the fields' names; those of an entry are pte's. */
#include "pte.h"
#include "trace.h"

static const char *event_name(unsigned kind)
{
	switch (kind) {
	case TRACE_MARK:
		return "mark";
	case TRACE_RELEASE:
		return "release";
	default:
		return ml_event_name(kind);
	}
}

static void write_policy(struct cli_json *json, const struct trace_request *request)
{
	const struct trace_erratum *erratum;
	unsigned i;

	cli_json_integer(json, "bbm", request->bbm);
	cli_json_array(json, "errata");
	for (erratum = trace_errata; erratum->name; erratum++) {
		if (request->errata & erratum->bit)
			cli_json_text(json, NULL, erratum->name);
	}
	cli_json_up(json);
	cli_json_bool(json, "each_member", request->each_member);
	cli_json_array(json, "never_fault");
	for (i = 0; i < request->ranges_count; i++) {
		cli_json_object(json, NULL);
		cli_json_address(json, "va", request->ranges[i].va);
		cli_json_integer(json, "bytes", request->ranges[i].len);
		cli_json_integer(json, "piece_bytes", request->ranges[i].piece);
		cli_json_up(json);
	}
	cli_json_up(json);
}

void trace_json_open(const struct tracer *t)
{
	const struct trace_request *request = t->request;
	const struct ml_format *format = request->format;
	struct cli_json json;
	unsigned rung;

	cli_json_schema(&json, stdout, "trace");
	cli_json_text(&json, "format", format->name);
	cli_json_integer(&json, "levels", request->levels);
	cli_json_array(&json, "allowed_bytes");
	for (rung = 0; rung < format->rung_count; rung++) {
		if (rung == 0 || request->rungs >> rung & 1)
			cli_json_integer(&json, NULL, UINT64_C(1) << format->rungs[rung].shift);
	}
	cli_json_up(&json);
	cli_json_text(&json, "fold", trace_folds[request->fold]);
	cli_json_bool(&json, "guaranteed", t->table.guaranteed);
	cli_json_bool(&json, "track_ad", request->track_ad);
	cli_json_bool(&json, "hardware_ad", request->hardware_ad);
	write_policy(&json, request);
	cli_json_address(&json, "root", ml_table_root(&t->table));
	cli_json_close(&json);
}

/* --- an event ------------------------------------------------------------------------------- */

static void write_value(struct cli_json *json, const char *name, const struct tracer *t,
			const struct trace_step *step, ml_pte pte)
{
	cli_json_object(json, name);
	if (step->first->level == TRACE_NO_LEVEL)
		cli_json_address(json, "value", pte);
	else
		pte_write(json, t->table.format, &t->table.types, pte, step->first->level);
	cli_json_up(json);
}

static void write_entry(struct cli_json *json, const struct tracer *t,
			const struct trace_step *step)
{
	const struct trace_event *event = step->first;

	cli_json_address(json, "table", event->table);
	cli_json_integer(json, "index", event->index);
	if (event->level != TRACE_NO_LEVEL) {
		cli_json_integer(json, "level", event->level);
		cli_json_address(json, "va", event->va);
		cli_json_integer(json, "bytes",
				 (uint64_t)step->count
					 << t->table.format->level_shift[event->level]);
	}
	if (event->kind != ML_EVENT_FILL)
		write_value(json, "old", t, step, event->old);
	write_value(json, "new", t, step, event->value);
	cli_json_bool(json, "in_turn", step->stride == 2);
}

static void write_invalidation(struct cli_json *json, const struct ml_invalidation *what)
{
	cli_json_address(json, "va", what->va);
	cli_json_integer(json, "bytes", what->length);
	cli_json_integer(json, "stride_bytes", UINT64_C(1) << what->stride_shift);
	if (what->level == 0xff)
		cli_json_null(json, "level");
	else
		cli_json_integer(json, "level", what->level);
	cli_json_bool(json, "leaves_only", what->leaves_only);
}

static void write_run(struct cli_json *json, const struct tracer *t, const struct ml_run *run)
{
	const unsigned shift = t->table.format->rungs[run->rung].shift;

	cli_json_address(json, "va", run->va);
	cli_json_address(json, "pa", run->pa);
	cli_json_integer(json, "bytes", run->length);
	cli_json_integer(json, "leaf_bytes", UINT64_C(1) << shift);
	cli_json_integer(json, "leaves", run->length >> shift);
	pte_write_prot(json, run->prot);
}

static void write_step(const struct tracer *t, const struct trace_step *step, uint64_t operation,
		       unsigned number)
{
	const struct trace_event *event = step->first;
	struct cli_json json;

	cli_json_open(&json, stdout);
	cli_json_integer(&json, "operation", operation);
	cli_json_integer(&json, "step", number);
	cli_json_text(&json, "event", event_name(event->kind));
	cli_json_text(&json, "phase", trace_phase_name(step->phase));
	cli_json_integer(&json, "count", step->count);
	if (trace_is_entry(event)) {
		write_entry(&json, t, step);
	} else if (event->kind == ML_EVENT_INVALIDATE) {
		write_invalidation(&json, &event->what);
	} else if (event->kind == TRACE_RELEASE) {
		write_run(&json, t, &event->run);
	} else if (event->kind == ML_EVENT_ALLOC || event->kind == ML_EVENT_FREE) {
		cli_json_address(&json, "table", event->address);
		cli_json_address(&json, "last_table", event[step->count - 1].address);
		cli_json_integer(&json, "table_bytes", event->value);
	}
	cli_json_close(&json);
}

/* --- an operation --------------------------------------------------------------------------- */

static void write_counts(struct cli_json *json, const uint64_t kinds[])
{
	static const struct {
		const char *name;
		enum ml_event_kind kind;
	} counts[] = {
		{ "stores", ML_EVENT_STORE },         { "exchanges", ML_EVENT_EXCHANGE },
		{ "links", ML_EVENT_LINK },           { "fills", ML_EVENT_FILL },
		{ "barriers", ML_EVENT_PUBLISH },     { "invalidations", ML_EVENT_INVALIDATE },
		{ "completions", ML_EVENT_COMPLETE }, { "tables_taken", ML_EVENT_ALLOC },
		{ "tables_freed", ML_EVENT_FREE },
	};
	size_t i;

	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		cli_json_integer(json, counts[i].name, kinds[counts[i].kind]);
}

static void write_result(const struct tracer *t, const struct trace_operation *operation,
			 const struct trace_outcome *outcome, uint64_t number)
{
	struct cli_json json;

	cli_json_open(&json, stdout);
	cli_json_integer(&json, "operation", number);
	cli_json_text(&json, "result", outcome->error ? ml_error_name(outcome->error) : "done");
	cli_json_text(&json, "text", ml_error_text(outcome->error));
	if (operation->verb == TRACE_TOUCH) {
		cli_json_text(&json, "fault", ml_model_fault_name(outcome->fault));
		if (!outcome->fault)
			cli_json_address(&json, "pa", outcome->pa);
	}
	write_counts(&json, t->trace.kinds);
	cli_json_close(&json);
}

static void write_leaves(const struct tracer *t, uint64_t operation)
{
	struct ml_cursor cursor = { 0, UINT64_MAX, false };
	struct cli_json json;
	struct ml_run run;

	while (ml_run_next(&t->table, &cursor, &run)) {
		cli_json_open(&json, stdout);
		cli_json_integer(&json, "operation", operation);
		cli_json_text(&json, "event", "mapped");
		write_run(&json, t, &run);
		cli_json_close(&json);
	}
}

void trace_json_operation(const struct tracer *t, const struct trace_operation *operation,
			  const struct trace_outcome *outcome, const struct trace_sums *sums)
{
	struct trace_cursor cursor = { 0 };
	struct trace_step step;
	struct cli_json json;
	unsigned number = 0;

	cli_json_open(&json, stdout);
	cli_json_integer(&json, "operation", sums->operations);
	cli_json_integer(&json, "line", operation->line);
	cli_json_text(&json, "script", operation->text);
	cli_json_close(&json);
	while (trace_step_next(t, &cursor, &step))
		write_step(t, &step, sums->operations, ++number);
	write_result(t, operation, outcome, sums->operations);
	if (operation->verb != TRACE_TOUCH && operation->verb != TRACE_LIVE && !outcome->error)
		write_leaves(t, sums->operations);
}

void trace_json_close(const struct trace_sums *sums)
{
	struct cli_json json;

	cli_json_open(&json, stdout);
	cli_json_object(&json, "summary");
	cli_json_integer(&json, "operations", sums->operations);
	cli_json_integer(&json, "refused", sums->refused);
	cli_json_integer(&json, "faults", sums->faults);
	write_counts(&json, sums->kinds);
	cli_json_close(&json);
}
