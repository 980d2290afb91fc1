/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* maxleaf trace: its options, and the way through a script. */
#include <stdlib.h>
#include <string.h>

#include "trace.h"

struct arguments {
	struct cli_common common;
	struct trace_request request;
	struct trace_policy_text policy;
	struct cli_shape shape;
	const char *file;
	char *text; /* of -e */
};

enum {
	KEY_FOLD = 0x100,
	KEY_GUARANTEED,
	KEY_TRACK,
	KEY_HARDWARE,
	KEY_EACH,
	KEY_BBM,
	KEY_ERRATA,
	KEY_EACH_MEMBER,
	KEY_NEVER_FAULT
};

static const struct argp_option options[] = {
	{ "format", 'f', "NAME", 0, "Page-table format; `maxleaf formats` lists them", 1 },
	{ "expression", 'e', "TEXT", 0, "Take the script from here; may be repeated", 1 },
	{ "each", KEY_EACH, NULL, 0, "Show every entry by itself, no runs", 1 },
	{ "fold", KEY_FOLD, "POLICY", 0, "When leaves grow: map (default), complete, block", 2 },
	{ "guaranteed", KEY_GUARANTEED, NULL, 0, "Every large leaf owns the tables its split needs",
	  2 },
	{ "track-ad", KEY_TRACK, NULL, 0, "Somebody reads accessed and dirty: map as PROT says",
	  2 },
	{ "hardware-ad", KEY_HARDWARE, NULL, 0,
	  "Hardware sets accessed and dirty, and somebody reads them", 2 },
	{ NULL, 0, NULL, 0, "How the table changes while it is walked:", 3 },
	{ "bbm", KEY_BBM, "LEVEL", 0,
	  "Break-before-make for another size: 0 always (default), 1 announced instead, 2 none",
	  3 },
	{ "errata", KEY_ERRATA, "NAME,...", 0,
	  "Mind these: no-groups, small-exec, one-size, repeat", 3 },
	{ "each-member", KEY_EACH_MEMBER, NULL, 0,
	  "A walker reads accessed and dirty of each member of a group by itself", 3 },
	{ "never-fault", KEY_NEVER_FAULT, "VA+SIZE[,PIECE]", 0,
	  "Break nothing in this range, of which no less than PIECE will change; may be repeated",
	  3 },
	{ 0 },
};

static const char documentation[] =
	"Run a script of operations on a table that CPUs are walking, and show every store, "
	"invalidation and barrier in its order, in words.\n"
	"\n"
	"  maxleaf trace -f arm64-4k -e 'map 0 64K 0x40000000; unmap 0x1000 4K'\n"
	"  maxleaf trace -f x86-64 --json -e 'map 0 2M 0; protect 0x1000 4K -w'\n"
	"  maxleaf trace -f arm64-4k --fold complete script.txt\n"
	"  maxleaf trace -f toy --bbm 2 -e 'map 0 16K 0x8000; unmap 0x1000 4K'\n"
	"  maxleaf trace -f toy --never-fault 0+16K,8K -e 'map 0 16K 0; split 0 4K'\n"
	"\v"
	"Operations, between semicolons or ends of lines:\n"
	"  map VA SIZE PA [PROT]      replace VA SIZE PA [PROT]\n"
	"  unmap VA SIZE              protect VA SIZE [+PROT] [-PROT] [type=NAME]\n"
	"  split VA SIZE [LEAF]       fold VA SIZE [LEAF]\n"
	"  touch VA [read|write|execute] [user]\n"
	"  live on|off\n"
	"Exit status 1: an operation was refused, or an access faulted.";

const char *const trace_folds[3] = {
	[ML_FOLD_MAP] = "map",
	[ML_FOLD_COMPLETE] = "complete",
	[ML_FOLD_BLOCK] = "block",
};

static unsigned fold_or_die(const char *name)
{
	unsigned i;

	for (i = 0; i < 3; i++) {
		if (strcmp(trace_folds[i], name) == 0)
			return i;
	}
	cli_die("trace", "--fold: '%s' is not map, complete or block", name);
}

/* Every -e is a line. */
static void add_text(struct arguments *a, const char *text)
{
	char *joined;

	if (asprintf(&joined, "%s%s%s", a->text ? a->text : "", a->text ? "\n" : "", text) < 0)
		cli_die("trace", "no memory");
	free(a->text);
	a->text = joined;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->shape;
		state->child_inputs[1] = &a->common;
		return 0;
	case 'f':
		a->request.format = cli_format_or_die("trace: --format", arg);
		return 0;
	case 'e':
		add_text(a, arg);
		return 0;
	case KEY_EACH:
		a->request.each = true;
		return 0;
	case KEY_FOLD:
		a->request.fold = fold_or_die(arg);
		return 0;
	case KEY_GUARANTEED:
		a->request.guaranteed = true;
		return 0;
	case KEY_HARDWARE:
		a->request.hardware_ad = true;
		a->request.track_ad = true;
		return 0;
	case KEY_BBM:
		a->policy.bbm = arg;
		return 0;
	case KEY_ERRATA:
		a->policy.errata = arg;
		return 0;
	case KEY_EACH_MEMBER:
		a->request.each_member = true;
		return 0;
	case KEY_NEVER_FAULT:
		trace_policy_add_range(&a->policy, arg);
		return 0;
	case KEY_TRACK:
		a->request.track_ad = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->file)
			cli_die("trace", "unexpected argument '%s'", arg);
		a->file = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &cli_shape_argp, 0, NULL, 0 },
					      { &cli_common_argp, 0, NULL, 0 },
					      { 0 } };
static const struct argp argp = { options, parse, "SCRIPT\n-e TEXT", documentation, children,
				  NULL,    NULL };

static void require(bool given, const char *what)
{
	if (given)
		return;
	cli_error("trace", "%s is missing", what);
	cli_hint("maxleaf trace --format arm64-4k -e 'map 0x200000 64K 0x40000000; "
		 "unmap 0x201000 4K'");
	exit(CLI_TROUBLE);
}

static void check(struct arguments *a)
{
	require(a->request.format, "--format");
	require(a->file || a->text, "a script");
	if (a->file && a->text)
		cli_die("trace", "-e and a file exclude each other");
	a->request.levels = cli_levels_or_die("trace", a->request.format, &a->shape);
	a->request.rungs = cli_rungs_or_die("trace", a->request.format, &a->shape);
	trace_policy_parse(&a->request, &a->policy);
	a->request.json = a->common.json;
}

/* Which half of the address space the script is about: that of its first address. */
static bool is_high(const struct trace_script *script)
{
	size_t i;

	for (i = 0; i < script->count; i++) {
		if (script->operations[i].verb != TRACE_LIVE)
			return script->operations[i].va >> 63;
	}
	return false;
}

static void sum_up(struct trace_sums *sums, const struct tracer *t,
		   const struct trace_outcome *outcome)
{
	unsigned kind;

	sums->refused += outcome->error != ML_OK;
	sums->faults += outcome->fault != ML_MODEL_OK;
	for (kind = 0; kind < ML_EVENT_KINDS; kind++)
		sums->kinds[kind] += t->trace.kinds[kind];
}

static int run(const struct trace_request *request, const struct trace_script *script)
{
	struct trace_sums sums = { 0 };
	struct tracer tracer;
	size_t i;

	trace_open(&tracer, request, is_high(script));
	if (request->json)
		trace_json_open(&tracer);
	for (i = 0; i < script->count; i++) {
		const struct trace_operation *operation = &script->operations[i];
		const struct trace_outcome outcome = trace_run(&tracer, operation);

		sums.operations++;
		sum_up(&sums, &tracer, &outcome);
		if (request->json)
			trace_json_operation(&tracer, operation, &outcome, &sums);
		else
			trace_text_operation(&tracer, operation, &outcome, &sums);
	}
	if (request->json)
		trace_json_close(&sums);
	else
		trace_text_close(&sums);
	trace_close(&tracer);
	return sums.refused || sums.faults ? CLI_FINDING : CLI_FINE;
}

int cmd_trace(int argc, char **argv)
{
	struct arguments a = { .file = NULL };
	struct trace_script script = { NULL, 0 };
	int status;

	cli_parse(&argp, "trace", argc, argv, &a);
	check(&a);
	if (a.file)
		a.text = trace_read(a.file);
	trace_parse(&a.request, a.text, &script);
	if (!script.count)
		cli_die("trace", "the script has no operation");
	status = run(&a.request, &script);
	trace_script_free(&script);
	free(a.text);
	return status;
}
