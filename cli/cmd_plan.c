/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * maxleaf plan: its options and every check of them. Whatever gets past this file is a
 * mapping the library would accept on an empty table.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "plan.h"

struct arguments {
	struct cli_common common;
	struct plan_request request;
	struct cli_shape shape;
	bool has_va, has_pa, has_size;
};

enum { KEY_VA = 0x100, KEY_PA, KEY_SIZE };

static const struct argp_option options[] = {
	{ "format", 'f', "NAME", 0, "Page-table format; `maxleaf formats` lists them", 1 },
	{ "va", KEY_VA, "ADDRESS", 0, "Virtual address of the mapping", 1 },
	{ "pa", KEY_PA, "ADDRESS", 0, "Physical address it leads to", 1 },
	{ "size", KEY_SIZE, "BYTES", 0, "Its length", 1 },
	{ 0 },
};

static const char documentation[] =
	"Show which leaves a mapping gets, why none of them is larger, and what tables it takes.\n"
	"\n"
	"  maxleaf plan -f x86-64 --va 0x7f0000200000 --pa 0x100000000 --size 1G\n"
	"  maxleaf plan -f arm64-4k --va 0xffff000040010000 --pa 0x80010000 --size 64M\n"
	"  maxleaf plan -f x86-64 --va 0 --pa 0 --size 4G --largest 2M --json\n"
	"\v"
	"Numbers are decimal or 0x, with `_` between digits and K, M, G or T at the end.";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->shape;
		state->child_inputs[1] = &a->common;
		return 0;
	case 'f':
		a->request.format = cli_format_or_die("plan: --format", arg);
		return 0;
	case KEY_VA:
		a->request.va = cli_number_or_die("plan: --va", arg);
		a->has_va = true;
		return 0;
	case KEY_PA:
		a->request.pa = cli_number_or_die("plan: --pa", arg);
		a->has_pa = true;
		return 0;
	case KEY_SIZE:
		a->request.size = cli_number_or_die("plan: --size", arg);
		a->has_size = true;
		return 0;
	case ARGP_KEY_ARG:
		cli_die("plan", "unexpected argument '%s'", arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &cli_shape_argp, 0, NULL, 0 },
					      { &cli_common_argp, 0, NULL, 0 },
					      { 0 } };
static const struct argp argp = { options, parse, NULL, documentation, children, NULL, NULL };

static void require(bool given, const char *option)
{
	if (given)
		return;
	cli_error("plan", "%s is missing", option);
	cli_hint("maxleaf plan --format x86-64 --va 0x200000 --pa 0x80000000 --size 4M");
	exit(CLI_TROUBLE);
}

static unsigned half_bits(const struct ml_format *format, unsigned levels)
{
	const unsigned bits = format->level_shift[levels - 1] + format->index_bits[levels - 1];

	return format->sign_extended ? bits - 1 : bits;
}

bool plan_covers(const struct ml_format *format, unsigned levels, ml_va va, uint64_t size)
{
	const uint64_t half = UINT64_C(1) << half_bits(format, levels);
	const ml_va last = va + (size - 1);

	return last >= va && (last < half || va >= 0 - half);
}

void plan_check_va(const char *where_va, const char *where_size, const struct plan_request *r)
{
	const struct ml_format *format = r->format;
	const uint64_t half = UINT64_C(1) << half_bits(format, r->levels);
	unsigned levels;

	if (r->va + (r->size - 1) < r->va)
		cli_die(where_size, "0x%" PRIx64 " + %s goes past the end of the address space",
			r->va, cli_size_exact(r->size).text);
	if (plan_covers(format, r->levels, r->va, r->size))
		return;
	cli_error(where_va, "0x%" PRIx64 " + %s is not all translated by %u levels of %s", r->va,
		  cli_size_exact(r->size).text, r->levels, format->name);
	for (levels = r->levels + 1; levels <= format->levels_max; levels++) {
		if (plan_covers(format, levels, r->va, r->size))
			break;
	}
	if (levels <= format->levels_max)
		cli_hint("--levels %u covers it", levels);
	else
		cli_hint("they translate below 0x%" PRIx64 " and from 0x%" PRIx64, half, 0 - half);
	exit(CLI_TROUBLE);
}

static void check_pa(const struct plan_request *r)
{
	const ml_pa last = r->pa + (r->size - 1);

	if (last < r->pa || last >> r->format->pa_bits)
		cli_die("plan: --pa",
			"0x%" PRIx64 " + %s ends beyond the %u physical address bits of %s", r->pa,
			cli_size_exact(r->size).text, r->format->pa_bits, r->format->name);
}

static void check(struct arguments *a)
{
	struct plan_request *r = &a->request;
	uint64_t page;

	require(r->format, "--format");
	require(a->has_va, "--va");
	require(a->has_pa, "--pa");
	require(a->has_size, "--size");
	page = UINT64_C(1) << r->format->page_shift;
	r->levels = cli_levels_or_die("plan", r->format, &a->shape);
	r->rungs = cli_rungs_or_die("plan", r->format, &a->shape);
	if (!r->size)
		cli_die("plan: --size", "there is nothing to map");
	cli_check_aligned("plan: --va", r->va, page);
	cli_check_aligned("plan: --pa", r->pa, page);
	cli_check_aligned("plan: --size", r->size, page);
	plan_check_va("plan: --va", "plan: --size", r);
	check_pa(r);
}

int cmd_plan(int argc, char **argv)
{
	struct arguments a = { .common.json = false };

	cli_parse(&argp, "plan", argc, argv, &a);
	check(&a);
	if (a.common.json)
		plan_report_json(&a.request);
	else
		plan_report_text(&a.request);
	return CLI_FINE;
}
