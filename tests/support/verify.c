/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Comparing a table with the reference model, through every door the library has. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "judge.h"

/* What hardware knows of a protection. */
#define HARDWARE (ML_RW | ML_USER | ML_EXEC | ML_PEXEC | ML_GLOBAL | ML_TYPE_MASK)

static uint64_t leaf_bytes(const struct judge *j, unsigned rung)
{
	return (uint64_t)1 << j->rig.facts->format->rungs[rung].shift;
}

static const struct ml_cursor whole_space = { .last = UINT64_MAX };

static bool run_is_sound(struct judge *j, const struct ml_run *run)
{
	const struct ml_format *f = j->rig.facts->format;
	uint64_t bytes;

	if (run->rung >= f->rung_count)
		return judge_fail(j, "run at 0x%" PRIx64 " has rung %u", run->va, run->rung);
	bytes = leaf_bytes(j, run->rung);
	if (run->rung && !(j->rig.table.rungs >> run->rung)) /* pieces of larger leaves count */
		return judge_fail(j, "run at 0x%" PRIx64 " has rung %u, which is not allowed",
				  run->va, run->rung);
	if (!run->length || (run->va | run->pa | run->length) & (bytes - 1))
		return judge_fail(j,
				  "run 0x%" PRIx64 "+0x%" PRIx64 " to 0x%" PRIx64
				  " is no multiple of its leaves (rung %u)",
				  run->va, run->length, run->pa, run->rung);
	return true;
}

/* Two runs that are one, but for accessed and dirty. */
static bool run_continues(const struct ml_run *a, const struct ml_run *b)
{
	return a->va + a->length == b->va && a->pa + a->length == b->pa && a->rung == b->rung &&
	       ((a->prot ^ b->prot) & ~ML_PROT_AD) == 0;
}

/* Pages that ended in one leaf share its accessed and dirty from now on. */
static void share_ad_of_leaves(struct judge *j, const struct ml_run *run)
{
	struct reference *r = &j->model;
	const uint64_t bytes = leaf_bytes(j, run->rung);
	const ml_va last = run->va + run->length - 1;
	size_t i = reference_index(r, run->va);

	while (i < r->count && r->spans[i].last < last) {
		ml_va next = r->spans[i].last + 1;
		ml_va leaf = next & ~(bytes - 1);

		if (next == leaf) {
			i++;
			continue;
		}
		reference_share_ad(r, leaf, leaf + bytes - 1);
		i = reference_index(r, leaf + bytes - 1);
	}
}

static bool run_matches(struct judge *j, const struct ml_run *run)
{
	if (run->rung)
		share_ad_of_leaves(j, run);
	if (!reference_has_run(&j->model, run))
		return judge_fail(j,
				  "the table maps 0x%" PRIx64 "+0x%" PRIx64 " to 0x%" PRIx64
				  " prot 0x%" PRIx64 " rung %u, the model does not",
				  run->va, run->length, run->pa, run->prot, run->rung);
	return true;
}

static bool read_runs(struct judge *j)
{
	struct ml_cursor cursor = whole_space;
	uint64_t bytes = 0;
	struct ml_run run;

	j->run_count = 0;
	while (ml_run_next(&j->rig.table, &cursor, &run)) {
		if (j->run_count == JUDGE_RUNS)
			return judge_fail(j, "more than %d runs", JUDGE_RUNS);
		if (!run_is_sound(j, &run) || !run_matches(j, &run))
			return false;
		if (j->run_count && run_continues(&j->runs[j->run_count - 1], &run))
			return judge_fail(j, "the run at 0x%" PRIx64 " was not merged", run.va);
		j->runs[j->run_count++] = run;
		bytes += run.length;
	}
	if (bytes != reference_bytes(&j->model, 0, UINT64_MAX))
		return judge_fail(j, "the table maps 0x%" PRIx64 " bytes, the model 0x%" PRIx64,
				  bytes, reference_bytes(&j->model, 0, UINT64_MAX));
	return true;
}

static bool hardware_agrees(struct judge *j, ml_va va, const struct reference_span *span)
{
	struct ml_model_result seen;
	enum ml_model_fault fault = ml_model_walk(&j->rig.model, va, ML_MODEL_READ, false, &seen);

	if (!span) {
		if (fault != ML_MODEL_NOT_MAPPED)
			return judge_fail(j,
					  "0x%" PRIx64 ": nothing is mapped, the hardware "
					  "says %s",
					  va, ml_model_fault_name(fault));
		return true;
	}
	if (fault != ML_MODEL_OK)
		return judge_fail(j, "0x%" PRIx64 ": is mapped, the hardware says %s", va,
				  ml_model_fault_name(fault));
	if (seen.pa != span->pa + (va - span->first))
		return judge_fail(j,
				  "0x%" PRIx64 ": the hardware goes to 0x%" PRIx64
				  ", the model to 0x%" PRIx64,
				  va, seen.pa, span->pa + (va - span->first));
	if ((seen.prot ^ span->prot) & HARDWARE)
		return judge_fail(j,
				  "0x%" PRIx64 ": the hardware sees prot 0x%" PRIx64
				  ", the model says 0x%" PRIx64,
				  va, seen.prot, span->prot);
	return true;
}

static bool translation_agrees(struct judge *j, ml_va va, const struct reference_span *span)
{
	struct ml_translation found;
	ml_prot prot;
	int error = ml_translate(&j->rig.table, va, &found);

	if (error != (span ? ML_OK : ML_ERR_NOT_MAPPED))
		return judge_fail(j, "ml_translate(0x%" PRIx64 ") says %s", va,
				  ml_error_name(error));
	if (!span)
		return true;
	if (found.pa != span->pa + (va - span->first))
		return judge_fail(j, "ml_translate(0x%" PRIx64 ") goes to 0x%" PRIx64, va,
				  found.pa);
	prot = ml_translation_prot(&j->rig.table, &found);
	if ((prot ^ span->prot) & ~ML_PROT_AD || prot & ~span->prot & ML_PROT_AD)
		return judge_fail(j,
				  "ml_translate(0x%" PRIx64 ") says prot 0x%" PRIx64
				  ", the model says 0x%" PRIx64,
				  va, prot, span->prot);
	return true;
}

static bool probe(struct judge *j, ml_va va)
{
	const struct reference_span *span;

	if (!ml_table_covers(&j->rig.table, va, 1))
		return true;
	span = reference_find(&j->model, va);
	return translation_agrees(j, va, span) && hardware_agrees(j, va, span);
}

/* Both ends of some runs and what lies beyond them, and some pages of the window. */
static bool probe_some(struct judge *j)
{
	const struct window *w = &j->rig.facts->windows[j->setting.window];

	for (unsigned i = 0; i < 2; i++) {
		const struct ml_run *run;

		if (!probe(j, w->first + source_below(&j->probes, w->bytes)))
			return false;
		if (!j->run_count)
			continue;
		run = &j->runs[source_below(&j->probes, j->run_count)];
		if (!probe(j, run->va) || !probe(j, run->va - 1) ||
		    !probe(j, run->va + run->length - 1) || !probe(j, run->va + run->length))
			return false;
	}
	return true;
}

uint64_t judge_strays(const struct judge *j)
{
	uint64_t own = j->rig.table.stats.tables + j->rig.table.spare.count + j->lodgers;

	if (j->other)
		own += j->other->rig.table.stats.tables + j->other->rig.table.spare.count;
	return j->rig.arena->in_use - own;
}

static bool check_accounts(struct judge *j)
{
	struct ml_stats stats;
	uint64_t leaves[ML_RUNG_MAX] = { 0 };

	ml_table_stats(&j->rig.table, &stats);
	for (size_t i = 0; i < j->run_count; i++)
		leaves[j->runs[i].rung] += j->runs[i].length / leaf_bytes(j, j->runs[i].rung);
	for (unsigned rung = 0; rung < ML_RUNG_MAX; rung++)
		if (stats.leaves[rung] != leaves[rung])
			return judge_fail(
				j, "%" PRIu64 " leaves of rung %u counted, %" PRIu64 " found",
				stats.leaves[rung], rung, leaves[rung]);
	if (judge_strays(j))
		return judge_fail(j,
				  "%" PRIu64 " tables and %" PRIu64 " spare ones counted, "
				  "%" PRIu64 " handed out",
				  stats.tables, stats.reserved, j->rig.arena->in_use);
	return true;
}

bool judge_table(struct judge *j, bool everything)
{
	struct ml_fault fault;
	int error;

	if (!read_runs(j) || !probe_some(j))
		return false;
	if (!everything)
		return true;
	error = ml_table_check(&j->rig.table, &fault);
	if (error)
		return judge_fail(j, "ml_table_check says %s at 0x%" PRIx64 " level %u: %s",
				  ml_error_name(error), fault.va, fault.level, fault.what);
	if (j->rig.table.spare.count != j->rig.table.owed)
		return judge_fail(j, "%" PRIu64 " spare tables, of which %" PRIu64 " are owned",
				  j->rig.table.spare.count, j->rig.table.owed);
	return check_accounts(j);
}

static bool same_run(const struct ml_run *a, const struct ml_run *b)
{
	return a->va == b->va && a->pa == b->pa && a->length == b->length && a->prot == b->prot &&
	       a->rung == b->rung;
}

bool judge_unchanged(struct judge *j, const struct ml_stats *stats, bool every_byte)
{
	struct ml_cursor cursor = whole_space;
	const struct ml_stats *now = &j->rig.table.stats;
	const char *difference;
	struct ml_run run;
	size_t count = 0;

	while (ml_run_next(&j->rig.table, &cursor, &run))
		if (count == j->run_count || !same_run(&run, &j->runs[count++]))
			return judge_fail(j, "a refused operation changed the run at 0x%" PRIx64,
					  run.va);
	if (count != j->run_count)
		return judge_fail(j, "a refused operation removed a run");
	if (now->tables != stats->tables || now->splits != stats->splits ||
	    now->folds != stats->folds || now->invalidations != stats->invalidations ||
	    now->completions != stats->completions)
		return judge_fail(j, "a refused operation counted something");
	difference = every_byte ? picture_difference(&j->picture, &j->rig) : NULL;
	return difference ? judge_fail(j, "after a refused operation %s", difference) : true;
}

bool judge_removed(struct judge *j, ml_va first, ml_va last)
{
	const uint64_t bytes = reference_bytes(&j->before, first, last);
	uint64_t heard = 0;

	for (size_t i = 0; i < j->removed_count; i++) {
		const struct ml_run *run = &j->removed[i];

		if (!run->length || run->va < first || run->va + run->length - 1 > last)
			return judge_fail(j,
					  "the sink heard of 0x%" PRIx64 "+0x%" PRIx64
					  ", outside the range",
					  run->va, run->length);
		if (!reference_has_run(&j->before, run))
			return judge_fail(j,
					  "the sink heard of 0x%" PRIx64 "+0x%" PRIx64
					  " to 0x%" PRIx64 " prot 0x%" PRIx64
					  ", or of it twice: not mapped so",
					  run->va, run->length, run->pa, run->prot);
		heard += run->length;
		reference_remove(&j->before, run->va, run->va + run->length - 1);
	}
	if (heard != bytes)
		return judge_fail(
			j, "the sink heard of 0x%" PRIx64 " bytes, 0x%" PRIx64 " were mapped",
			heard, bytes);
	return true;
}

/* The largest shift whose leaves fit into one accessed/dirty unit. */
static unsigned largest_shift(const struct judge *j)
{
	return j->setting.ad_shift ? j->setting.ad_shift : 63;
}

/* Whether the policy of the table may keep leaves there smaller than they could be. */
static bool chooses_less(const struct judge *j, ml_va first, ml_va last, ml_prot prot)
{
	if (j->setting.errata & ML_ERRATUM_SMALL_EXEC && prot & (ML_EXEC | ML_PEXEC))
		return true;
	return !setting_is_hitless(&j->setting) && setting_never_faults(&j->setting, first, last);
}

/* Whether leaves of [first, last], of which some may reach beyond it, are of these rungs alone. */
static bool only_of(struct judge *j, ml_va first, ml_va last, uint32_t rungs)
{
	struct ml_cursor cursor = { first, last, false };
	struct ml_run run;

	while (ml_run_next(&j->rig.table, &cursor, &run))
		if (!(rungs >> run.rung & 1))
			return judge_fail(j, "0x%" PRIx64 " was mapped with rung %u, not of 0x%x",
					  run.va, run.rung, rungs);
	return true;
}

bool judge_planned(struct judge *j, ml_va va, uint64_t len, ml_pa pa, ml_prot prot, uint32_t rungs)
{
	const struct ml_format *f = j->rig.facts->format;
	struct ml_plan plan = { va, pa, len, len, j->rig.table.rungs };
	struct ml_plan_run run;

	if (rungs) {
		plan.rungs &= rungs | 1;
		if (!only_of(j, va, va + (len - 1), plan.rungs))
			return false;
	}
	while (ml_plan_next(f, &plan, &run)) {
		struct ml_translation found;

		if (f->rungs[run.rung].shift > largest_shift(j) ||
		    chooses_less(j, run.va, run.va + (leaf_bytes(j, run.rung) - 1), prot))
			continue;
		if (ml_translate(&j->rig.table, run.va, &found) ||
		    ml_translation_rung(&j->rig.table, &found) < run.rung)
			return judge_fail(j,
					  "0x%" PRIx64 " was mapped with rung %u, the plan says "
					  "%u",
					  run.va, ml_translation_rung(&j->rig.table, &found),
					  run.rung);
	}
	return true;
}

bool judge_split(struct judge *j, ml_va first, ml_va last, unsigned rung)
{
	for (size_t i = 0; i < j->run_count; i++) {
		const struct ml_run *run = &j->runs[i];

		if (run->va <= last && run->va + run->length - 1 >= first && run->rung > rung)
			return judge_fail(j, "0x%" PRIx64 " still has rung %u after a split to %u",
					  run->va, run->rung, rung);
	}
	return true;
}

/* Whether first..last of run holds a whole aligned leaf of the larger rung. */
static bool run_holds(const struct judge *j, const struct ml_run *run, ml_va first, ml_va last,
		      unsigned rung)
{
	const uint64_t bytes = leaf_bytes(j, rung);
	const ml_va run_last = run->va + run->length - 1;
	const ml_va from = first > run->va ? first : run->va;
	const ml_va to = last < run_last ? last : run_last;
	const ml_va leaf = (from + bytes - 1) & ~(bytes - 1);

	return ((run->va ^ run->pa) & (bytes - 1)) == 0 && leaf >= from && leaf <= to &&
	       to - leaf >= bytes - 1;
}

/* The next rung that leaves of this one may fold into: no way leads over a block that is not
 * allowed. rung_count: none. */
static unsigned next_rung(const struct judge *j, unsigned rung)
{
	const struct ml_format *f = j->rig.facts->format;

	while (++rung < f->rung_count) {
		if (j->rig.table.rungs >> rung & 1)
			return f->rungs[rung].shift > largest_shift(j) ? f->rung_count : rung;
		if (!f->rungs[rung].lg2_entries)
			return f->rung_count;
	}
	return rung;
}

bool judge_folded(struct judge *j, ml_va first, ml_va last, unsigned rung)
{
	for (size_t i = 0; i < j->run_count; i++) {
		const struct ml_run *run = &j->runs[i];
		const unsigned up = next_rung(j, run->rung);

		if (chooses_less(j, run->va, run->va + (run->length - 1), run->prot))
			continue;
		if (up <= rung && up < j->rig.facts->format->rung_count &&
		    run_holds(j, run, first, last, up))
			return judge_fail(
				j, "the run at 0x%" PRIx64 " of rung %u could still fold to %u",
				run->va, run->rung, up);
	}
	return true;
}
