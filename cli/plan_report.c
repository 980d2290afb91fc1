/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * maxleaf plan: what it says about a checked request, as text and as JSON. Owns the
 * wording of why a leaf is not larger and the search for an address that would help;
 * the decisions themselves are ml_plan_next()'s.
 */
#include <inttypes.h>

#include "plan.h"

struct totals {
	uint64_t leaves;
	uint64_t runs;
	uint64_t tables;
	uint64_t table_bytes;
	unsigned largest; /* rung */
};

static struct ml_plan start(const struct plan_request *r)
{
	return (struct ml_plan){
		.va = r->va, .pa = r->pa, .left = r->size, .length = r->size, .rungs = r->rungs
	};
}

static struct totals total(const struct plan_request *r)
{
	struct ml_plan plan = start(r);
	struct ml_plan_run run;
	struct totals t = { .tables = ml_plan_tables(r->format, &plan, r->levels) };

	t.table_bytes = t.tables * ml_format_table_bytes(r->format, 0);
	while (ml_plan_next(r->format, &plan, &run)) {
		t.leaves += run.count;
		t.runs++;
		if (run.rung > t.largest)
			t.largest = run.rung;
	}
	return t;
}

static struct totals total_of_base_pages(const struct plan_request *r)
{
	struct plan_request base = *r;

	base.rungs = 1;
	return total(&base);
}

static uint64_t leaf_bytes(const struct ml_format *format, unsigned rung)
{
	return UINT64_C(1) << format->rungs[rung].shift;
}

/* --- why ------------------------------------------------------------------------- */

/* How far va would have to move, up or down, to equal pa modulo a size. */
static uint64_t apart(ml_va va, ml_pa pa, uint64_t size)
{
	const uint64_t down = (va - pa) & (size - 1);

	return down < size - down ? down : size - down;
}

struct reason {
	char text[160];
};

static struct reason explain(const struct plan_request *r, const struct ml_plan_run *run)
{
	struct reason out;
	uint64_t next;
	struct cli_text size;

	if (run->why == ML_WHY_LARGEST) {
		snprintf(out.text, sizeof(out.text), "%s has nothing larger", r->format->name);
		return out;
	}
	next = leaf_bytes(r->format, run->rung + 1u);
	size = cli_size_exact(next);
	switch (run->why) {
	case ML_WHY_ALIGNMENT:
		snprintf(out.text, sizeof(out.text), "va and pa differ modulo %s: by %s", size.text,
			 cli_size_exact(apart(run->va, run->pa, next)).text);
		break;
	case ML_WHY_LENGTH:
		snprintf(out.text, sizeof(out.text), "the whole mapping is shorter than %s",
			 size.text);
		break;
	case ML_WHY_POLICY:
		snprintf(out.text, sizeof(out.text), "%s leaves are not allowed", size.text);
		break;
	case ML_WHY_RANGE_START:
		snprintf(out.text, sizeof(out.text), "the first %s boundary is 0x%" PRIx64,
			 size.text, (run->va | (next - 1)) + 1);
		break;
	default:
		snprintf(out.text, sizeof(out.text), "no whole %s block is left in the range",
			 size.text);
		break;
	}
	return out;
}

static const char *why_name(unsigned why)
{
	static const char *const names[] = {
		[ML_WHY_LARGEST] = "largest",         [ML_WHY_ALIGNMENT] = "alignment",
		[ML_WHY_LENGTH] = "length",           [ML_WHY_POLICY] = "policy",
		[ML_WHY_RANGE_START] = "range-start", [ML_WHY_RANGE_END] = "range-end",
	};

	return names[why];
}

/* --- an address that would help ------------------------------------------------------ */

/* Whether the physical range holds a whole block of this size. */
static bool holds_block(const struct plan_request *r, uint64_t block)
{
	const uint64_t head = (0 - r->pa) & (block - 1);

	return head < r->size && r->size - head >= block;
}

/* Move va to the nearest address that equals pa modulo block and stays translated. */
static bool move_va(struct plan_request *r, uint64_t block)
{
	const uint64_t up = (r->pa - r->va) & (block - 1);
	const ml_va higher = r->va + up;
	const ml_va lower = higher - block;
	const bool has_higher =
		higher >= r->va && plan_covers(r->format, r->levels, higher, r->size);
	const bool has_lower = lower <= r->va && plan_covers(r->format, r->levels, lower, r->size);

	if (!has_higher && !has_lower)
		return false;
	r->va = has_lower && (!has_higher || block - up < up) ? lower : higher;
	return true;
}

/* The request at the nearest va that gets the largest leaves; false if va is fine as it is. */
static bool suggest(const struct plan_request *r, struct plan_request *better)
{
	const unsigned largest = total(r).largest;
	unsigned rung;

	for (rung = r->format->rung_count - 1u; rung > largest; rung--) {
		const uint64_t block = leaf_bytes(r->format, rung);

		*better = *r;
		if (r->rungs >> rung & 1 && holds_block(r, block) && move_va(better, block))
			return true;
	}
	return false;
}

/* --- text -------------------------------------------------------------------------- */

/* "start-end" with the end exclusive: the last page of the space ends at 2^64. */
static void print_range(ml_va va, uint64_t bytes)
{
	const ml_va end = va + bytes;

	printf("  0x%016" PRIx64 "-0x%s%016" PRIx64, va, end ? "" : "1", end);
	if (end)
		putchar(' ');
}

static void print_run(const struct plan_request *r, const struct ml_plan_run *run)
{
	const uint64_t leaf = leaf_bytes(r->format, run->rung);
	char leaves[80];

	snprintf(leaves, sizeof(leaves), "%" PRIu64 "x%s", run->count, cli_size_exact(leaf).text);
	print_range(run->va, run->count * leaf);
	printf(" %9s  %s%-12s%s 0x%012" PRIx64 "  %s\n", cli_size_exact(run->count * leaf).text,
	       run->rung ? cli_ink(stdout, CLI_GOOD) : "", leaves,
	       run->rung ? cli_ink(stdout, CLI_PLAIN) : "", run->pa, explain(r, run).text);
}

static void print_totals(const struct totals *t)
{
	printf("%" PRIu64 " %s, %" PRIu64 " %s below the root (%s)\n", t->leaves,
	       t->leaves == 1 ? "leaf" : "leaves", t->tables, t->tables == 1 ? "table" : "tables",
	       cli_size_human(t->table_bytes).text);
}

static void print_suggestion(const struct plan_request *r)
{
	struct plan_request better;
	struct totals t;
	bool up;

	if (!suggest(r, &better))
		return;
	t = total(&better);
	up = better.va > r->va;
	printf("a better va: 0x%" PRIx64 ", %s %s, equals pa modulo %s: ", better.va,
	       cli_size_exact(up ? better.va - r->va : r->va - better.va).text,
	       up ? "higher" : "lower", cli_size_exact(leaf_bytes(r->format, t.largest)).text);
	print_totals(&t);
}

void plan_report_text(const struct plan_request *r)
{
	const struct totals t = total(r);
	const struct totals base = total_of_base_pages(r);
	struct ml_plan plan = start(r);
	struct ml_plan_run run;

	printf("%s  %-38s %9s  %-12s %-14s  %s%s\n", cli_ink(stdout, CLI_FAINT), "virtual range",
	       "size", "leaves", "physical", "why not larger", cli_ink(stdout, CLI_PLAIN));
	while (ml_plan_next(r->format, &plan, &run))
		print_run(r, &run);
	fputs("this plan: ", stdout);
	print_totals(&t);
	printf("%s alone: ", cli_size_exact(leaf_bytes(r->format, 0)).text);
	print_totals(&base);
	print_suggestion(r);
}

/* --- JSON -------------------------------------------------------------------------- */

static void write_request(const struct plan_request *r)
{
	struct cli_json json;
	unsigned rung;

	cli_json_schema(&json, stdout, "plan");
	cli_json_text(&json, "format", r->format->name);
	cli_json_integer(&json, "levels", r->levels);
	cli_json_address(&json, "va", r->va);
	cli_json_address(&json, "pa", r->pa);
	cli_json_integer(&json, "bytes", r->size);
	cli_json_array(&json, "allowed_bytes");
	for (rung = 0; rung < r->format->rung_count; rung++) {
		if (rung == 0 || r->rungs >> rung & 1)
			cli_json_integer(&json, NULL, leaf_bytes(r->format, rung));
	}
	cli_json_close(&json);
}

static void write_run(const struct plan_request *r, const struct ml_plan_run *run)
{
	const uint64_t leaf = leaf_bytes(r->format, run->rung);
	struct cli_json json;

	cli_json_open(&json, stdout);
	cli_json_address(&json, "va", run->va);
	cli_json_address(&json, "pa", run->pa);
	cli_json_integer(&json, "bytes", run->count * leaf);
	cli_json_integer(&json, "leaf_bytes", leaf);
	cli_json_integer(&json, "leaves", run->count);
	cli_json_text(&json, "why", why_name(run->why));
	if (run->why != ML_WHY_LARGEST)
		cli_json_integer(&json, "next_bytes", leaf_bytes(r->format, run->rung + 1u));
	if (run->why == ML_WHY_ALIGNMENT)
		cli_json_integer(&json, "differ_bytes",
				 apart(run->va, run->pa, leaf_bytes(r->format, run->rung + 1u)));
	cli_json_text(&json, "text", explain(r, run).text);
	cli_json_close(&json);
}

static void write_totals(struct cli_json *json, const struct totals *t)
{
	cli_json_integer(json, "leaves", t->leaves);
	cli_json_integer(json, "runs", t->runs);
	cli_json_integer(json, "tables", t->tables);
	cli_json_integer(json, "table_bytes", t->table_bytes);
}

static void write_summary(const struct plan_request *r)
{
	const struct totals t = total(r);
	const struct totals base = total_of_base_pages(r);
	struct plan_request better;
	struct cli_json json;

	cli_json_open(&json, stdout);
	cli_json_object(&json, "summary");
	write_totals(&json, &t);
	cli_json_object(&json, "base_page_alone");
	write_totals(&json, &base);
	cli_json_up(&json);
	if (suggest(r, &better)) {
		const struct totals improved = total(&better);

		cli_json_object(&json, "better_va");
		cli_json_address(&json, "va", better.va);
		cli_json_integer(&json, "largest_bytes", leaf_bytes(r->format, improved.largest));
		write_totals(&json, &improved);
	}
	cli_json_close(&json);
}

void plan_report_json(const struct plan_request *r)
{
	struct ml_plan plan = start(r);
	struct ml_plan_run run;

	write_request(r);
	while (ml_plan_next(r->format, &plan, &run))
		write_run(r, &run);
	write_summary(r);
}
