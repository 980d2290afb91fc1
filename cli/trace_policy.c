/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* maxleaf trace: the options that say how a table changes while it is walked. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"
#include "trace.h"

/* --- errata ---------------------------------------------------------------------------------- */

const struct trace_erratum trace_errata[] = {
	{ "no-groups", ML_ERRATUM_NO_GROUPS },
	{ "small-exec", ML_ERRATUM_SMALL_EXEC },
	{ "one-size", ML_ERRATUM_ONE_SIZE },
	{ "repeat", ML_ERRATUM_REPEAT },
	{ NULL, 0 },
};

static unsigned erratum_or_die(const char *name)
{
	const struct trace_erratum *erratum = trace_errata;

	while (erratum->name && strcmp(erratum->name, name))
		erratum++;
	if (erratum->name)
		return erratum->bit;
	cli_error("trace: --errata", "unknown erratum '%s'", name);
	cli_hint("known errata: no-groups, small-exec, one-size, repeat");
	exit(CLI_TROUBLE);
}

/* To be cut at commas; the caller frees it. */
static char *copy_or_die(const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		cli_die("trace", "no memory");
	return copy;
}

static unsigned errata_of(const char *list)
{
	char *copy = copy_or_die(list), *rest = copy;
	const char *item;
	unsigned errata = 0;

	while ((item = strsep(&rest, ",")) != NULL)
		errata |= erratum_or_die(item);
	free(copy);
	return errata;
}

/* --- break-before-make ------------------------------------------------------------------------ */

static unsigned bbm_of(const struct ml_format *format, const char *text)
{
	const uint64_t bbm = cli_number_or_die("trace: --bbm", text);

	if (bbm > format->bbm_most)
		cli_die("trace: --bbm", "%s has levels 0 to %u, not %" PRIu64, format->name,
			format->bbm_most, bbm);
	return (unsigned)bbm;
}

/* --- ranges that never fault ------------------------------------------------------------------ */

#define NEVER_FAULT "trace: --never-fault"

static uint64_t piece_of(const struct ml_format *format, const char *text)
{
	const uint64_t page = UINT64_C(1) << format->page_shift;
	const uint64_t piece = text ? cli_number_or_die(NEVER_FAULT, text) : page;

	if (piece < page || piece & (piece - 1))
		cli_die(NEVER_FAULT, "a piece is a power of two from %s on, not %s",
			cli_size_exact(page).text, cli_size_exact(piece).text);
	return piece;
}

static struct ml_never_fault range_of(const struct trace_request *request, const char *text)
{
	char *copy = copy_or_die(text), *piece = copy;
	char *size = strsep(&piece, ","), *va = strsep(&size, "+");
	struct plan_request plan = { .format = request->format, .levels = request->levels };
	struct ml_never_fault range = { 0 };

	if (!size) {
		cli_error(NEVER_FAULT, "'%s' is not VA+SIZE or VA+SIZE,PIECE", text);
		cli_hint("--never-fault 0x200000+2M,64K");
		exit(CLI_TROUBLE);
	}
	plan.va = range.va = cli_number_or_die(NEVER_FAULT, va);
	plan.size = range.len = cli_number_or_die(NEVER_FAULT, size);
	range.piece = piece_of(request->format, piece);
	if (!range.len)
		cli_die(NEVER_FAULT, "the range is empty");
	cli_check_aligned(NEVER_FAULT, range.va, range.piece);
	cli_check_aligned(NEVER_FAULT, range.len, range.piece);
	plan_check_va(NEVER_FAULT, NEVER_FAULT, &plan);
	free(copy);
	return range;
}

void trace_policy_add_range(struct trace_policy_text *text, const char *range)
{
	if (text->ranges_count == TRACE_RANGES_MAX)
		cli_die(NEVER_FAULT, "there are %u ranges at most", TRACE_RANGES_MAX);
	text->ranges[text->ranges_count++] = range;
}

void trace_policy_parse(struct trace_request *request, const struct trace_policy_text *text)
{
	unsigned i;

	if (text->bbm)
		request->bbm = bbm_of(request->format, text->bbm);
	if (text->errata)
		request->errata = errata_of(text->errata);
	for (i = 0; i < text->ranges_count; i++)
		request->ranges[i] = range_of(request, text->ranges[i]);
	request->ranges_count = text->ranges_count;
}

void trace_policy_declare(struct tracer *t)
{
	const struct trace_request *request = t->request;
	unsigned i;

	for (i = 0; i < request->ranges_count; i++) {
		int error;

		t->ranges[i] = request->ranges[i];
		error = ml_never_fault(&t->table, &t->ranges[i]);
		if (error == ML_ERR_ARGUMENT)
			cli_die(NEVER_FAULT, "0x%" PRIx64 " + %s meets a range before it",
				t->ranges[i].va, cli_size_exact(t->ranges[i].len).text);
		if (error)
			cli_die(NEVER_FAULT, "0x%" PRIx64 " + %s: %s", t->ranges[i].va,
				cli_size_exact(t->ranges[i].len).text, ml_error_text(error));
	}
}
