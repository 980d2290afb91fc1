/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* maxleaf trace: its report for people. Owns the wording of steps; entries are pte_report.c's. */
#include <inttypes.h>

#include "pte.h"
#include "trace.h"

#define RUNS_SHOWN 16

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

/* --- a step --------------------------------------------------------------------------------- */

static const enum cli_ink inks[TRACE_PHASES] = {
	[TRACE_LINK] = CLI_STRONG,   [TRACE_BREAK] = CLI_BAD,       [TRACE_MAKE] = CLI_GOOD,
	[TRACE_REMOVE] = CLI_BAD,    [TRACE_NEW] = CLI_GOOD,        [TRACE_CHANGE] = CLI_STRONG,
	[TRACE_WAIT] = CLI_NOTE,     [TRACE_INVALIDATE] = CLI_NOTE, [TRACE_BARRIER] = CLI_NOTE,
	[TRACE_MARKED] = CLI_STRONG, [TRACE_ANNOUNCE] = CLI_STRONG
};

/* "entry 1 of the level-1 table 0x10002000, 0x200000..0x3fffff: " */
static void print_place(const struct tracer *t, const struct trace_step *step)
{
	const struct trace_event *event = step->first;

	if (step->count == 1)
		printf("entry %" PRIu32, event->index);
	else
		printf("entries %" PRIu32 " to %zu", event->index, event->index + step->count - 1);
	if (event->level == TRACE_NO_LEVEL) {
		printf(" of the table 0x%" PRIx64 ": ", event->table);
		return;
	}
	printf(" of the level-%u table 0x%" PRIx64 ", 0x%" PRIx64 "..0x%" PRIx64 ": ", event->level,
	       event->table, event->va,
	       event->va +
		       (((uint64_t)step->count << t->table.format->level_shift[event->level]) - 1));
}

static void print_value(const struct tracer *t, const struct trace_step *step, ml_pte pte)
{
	if (step->first->level == TRACE_NO_LEVEL)
		printf("0x%" PRIx64, pte);
	else
		fputs(pte_phrase(t->table.format, &t->table.types, pte, step->first->level,
				 step->count)
			      .text,
		      stdout);
}

static void print_entry(const struct tracer *t, const struct trace_step *step)
{
	const struct trace_event *event = step->first;

	print_place(t, step);
	if (event->kind != ML_EVENT_FILL) {
		print_value(t, step, event->old);
		fputs(" -> ", stdout);
	}
	print_value(t, step, event->value);
	if (event->kind == ML_EVENT_EXCHANGE)
		fputs(" (atomic)", stdout);
	if (step->stride == 2)
		fputs(step->second ? " (each right after the step before)" : " (one by one)",
		      stdout);
}

static void print_invalidation(const struct ml_invalidation *what)
{
	if (!what->length)
		fputs("the whole address space", stdout);
	else
		printf("0x%" PRIx64 "..0x%" PRIx64 " by %s", what->va,
		       what->va + (what->length - 1),
		       cli_size_exact(UINT64_C(1) << what->stride_shift).text);
	fputs(what->leaves_only ? ", last level" : ", all levels: a table went", stdout);
	if (what->level != 0xff)
		printf(", hint level %u", what->level);
}

static void print_tables(const struct trace_step *step, const char *verb)
{
	const struct trace_event *event = step->first;

	if (step->count == 1)
		printf("table 0x%" PRIx64 " is %s", event->address, verb);
	else
		printf("%zu tables, 0x%" PRIx64 " to 0x%" PRIx64 ", are %s", step->count,
		       event->address, event[step->count - 1].address, verb);
}

static void print_range(const struct tracer *t, const struct ml_run *run)
{
	printf("0x%" PRIx64 "..0x%" PRIx64 ", pa 0x%" PRIx64 ", leaves of %s, %s", run->va,
	       run->va + (run->length - 1), run->pa,
	       cli_size_exact(UINT64_C(1) << t->table.format->rungs[run->rung].shift).text,
	       pte_prot_phrase(run->prot).text);
}

static void print_event(const struct tracer *t, const struct trace_step *step)
{
	switch (step->first->kind) {
	case ML_EVENT_PUBLISH:
		fputs("the stores so far are visible to all walkers", stdout);
		break;
	case ML_EVENT_INVALIDATE:
		print_invalidation(&step->first->what);
		break;
	case ML_EVENT_COMPLETE:
		fputs("until every CPU has done it", stdout);
		break;
	case ML_EVENT_ALLOC:
		print_tables(step, "taken");
		break;
	case ML_EVENT_FREE:
		print_tables(step, "free");
		break;
	case TRACE_RELEASE:
		print_range(t, &step->first->run);
		break;
	default:
		print_entry(t, step);
		break;
	}
}

static void print_steps(const struct tracer *t, struct trace_sums *sums)
{
	struct trace_cursor cursor = { 0 };
	struct trace_step step;
	unsigned number = 0;

	while (trace_step_next(t, &cursor, &step)) {
		printf("%4u  %s%-10s%s  ", ++number, cli_ink(stdout, inks[step.phase]),
		       trace_phase_name(step.phase), cli_ink(stdout, CLI_PLAIN));
		print_event(t, &step);
		putchar('\n');
		sums->phases |= UINT32_C(1) << step.phase;
	}
}

/* --- an operation --------------------------------------------------------------------------- */

static void print_counts(const uint64_t kinds[])
{
	const uint64_t stores =
		kinds[ML_EVENT_STORE] + kinds[ML_EVENT_EXCHANGE] + kinds[ML_EVENT_LINK];
	const uint64_t fills = kinds[ML_EVENT_FILL];

	printf("%" PRIu64 " store%s, %" PRIu64 " invalidation%s, %" PRIu64 " completion%s, %" PRIu64
	       " barrier%s",
	       stores, plural(stores), kinds[ML_EVENT_INVALIDATE],
	       plural(kinds[ML_EVENT_INVALIDATE]), kinds[ML_EVENT_COMPLETE],
	       plural(kinds[ML_EVENT_COMPLETE]), kinds[ML_EVENT_PUBLISH],
	       plural(kinds[ML_EVENT_PUBLISH]));
	if (fills)
		printf(", %" PRIu64 " fill%s nobody saw", fills, plural(fills));
	putchar('\n');
}

static void print_leaves(const struct tracer *t)
{
	struct ml_cursor cursor = { 0, UINT64_MAX, false };
	uint64_t shown = 0, more = 0;
	struct ml_run run;

	while (ml_run_next(&t->table, &cursor, &run)) {
		if (shown == RUNS_SHOWN) {
			more++;
			continue;
		}
		printf("  %s ", shown++ ? "           " : "now mapped:");
		print_range(t, &run);
		putchar('\n');
	}
	if (more)
		printf("              and %" PRIu64 " more run%s\n", more, plural(more));
	if (!shown)
		puts("  nothing is mapped now");
}

static const char *said_of_touch(const struct tracer *t, const struct trace_outcome *outcome)
{
	if (outcome->fault)
		return ml_model_fault_name(outcome->fault);
	return t->count ? "the walk marks the entry" : "nothing to mark";
}

void trace_text_operation(const struct tracer *t, const struct trace_operation *operation,
			  const struct trace_outcome *outcome, struct trace_sums *sums)
{
	printf("%s%s%s\n", cli_ink(stdout, CLI_STRONG), operation->text,
	       cli_ink(stdout, CLI_PLAIN));
	print_steps(t, sums);
	if (operation->verb == TRACE_TOUCH) {
		printf("  %s: %s", outcome->fault ? "fault" : "done", said_of_touch(t, outcome));
		if (!outcome->fault)
			printf(", pa 0x%" PRIx64, outcome->pa);
		puts("\n");
		return;
	}
	if (operation->verb == TRACE_LIVE) {
		printf("  CPUs %s the table from now on\n\n",
		       operation->live ? "may walk" : "have left");
		return;
	}
	if (outcome->error) {
		printf("  %srefused%s: %s; nothing has changed\n\n", cli_ink(stdout, CLI_BAD),
		       cli_ink(stdout, CLI_PLAIN), ml_error_text(outcome->error));
		return;
	}
	fputs("  ", stdout);
	print_counts(t->trace.kinds);
	print_leaves(t);
	putchar('\n');
}

void trace_text_close(const struct trace_sums *sums)
{
	unsigned phase;

	for (phase = 0; phase < TRACE_PHASES; phase++) {
		if (sums->phases >> phase & 1)
			printf("%s%-10s%s  %s\n", cli_ink(stdout, inks[phase]),
			       trace_phase_name(phase), cli_ink(stdout, CLI_PLAIN),
			       trace_phase_text(phase));
	}
	fputs("in all: ", stdout);
	print_counts(sums->kinds);
}
