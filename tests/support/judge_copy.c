/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Copying from one judge's table to another's, and judging both. */
#include <inttypes.h>
#include <string.h>

#include "judge.h"

/* What the call deserves: a bit for each error it may be refused with. */
static uint64_t copy_causes(const struct judge *j, const struct judge *to, const struct action *a)
{
	uint64_t causes = judge_range(j, a->va, a->len);

	if (a->mask & ~ML_WRITE || a->prot & ~(ML_WRITE | ML_PROT_AD))
		causes |= CAUSE(ML_ERR_PROT);
	if (!causes && reference_bytes(&to->model, a->va, a->va + (a->len - 1)))
		causes |= CAUSE(ML_ERR_EXISTS);
	return causes;
}

static int call(struct judge *j, struct judge *to, const struct action *a, struct ml_op *op)
{
	return ml_copy(&to->rig.table, &j->rig.table, a->va, a->len, a->mask, a->prot, op);
}

/* With a reserve of just what the dry run said; one table less must not do. */
static int call_reserved(struct judge *j, struct judge *to, const struct action *a, uint64_t tables,
			 struct ml_op *op)
{
	struct ml_reserve reserve = { 0 };
	int error;

	op->reserve = &reserve;
	if (tables && ml_reserve_fill(&j->rig.table, &reserve, tables - 1, NULL))
		return judge_fail(j, "a reserve was refused");
	if (tables) {
		error = call(j, to, a, op);
		if (error != ML_ERR_SHORT || op->tables_needed != tables)
			judge_fail(j, "one table short: %s, %" PRIu64 " needed",
				   ml_error_name(error), op->tables_needed);
		if (ml_reserve_fill(&j->rig.table, &reserve, tables, NULL))
			return judge_fail(j, "a reserve was refused");
	}
	error = call(j, to, a, op);
	if (!error && reserve.count)
		judge_fail(j, "%" PRIu64 " tables of %" PRIu64 " were left over", reserve.count,
			   tables);
	ml_reserve_empty(&j->rig.table, &reserve, NULL);
	op->reserve = NULL;
	return error;
}

/* Both models as they are to be. */
static void model_copy(struct judge *j, struct judge *to, const struct action *a)
{
	const ml_va last = a->va + (a->len - 1);
	const struct reference *r = &j->before;

	for (size_t i = reference_index(r, a->va); i < r->count && r->spans[i].first <= last; i++) {
		const struct reference_span *s = &r->spans[i];
		const ml_va first = s->first > a->va ? s->first : a->va;

		reference_map(&to->model, first, s->last < last ? s->last : last,
			      s->pa + (first - s->first), s->prot & ~a->prot);
	}
	reference_protect(&j->model, a->va, last, a->mask, 0);
}

/* Whether the leaf of j at va reaches over an end of the range. */
static bool is_cut(const struct judge *j, const struct action *a, ml_va va, unsigned rung)
{
	const uint64_t bytes = (uint64_t)1 << j->rig.facts->format->rungs[rung].shift;
	const ml_va first = va & ~(bytes - 1);

	return first < a->va || first + (bytes - 1) > a->va + (a->len - 1);
}

/* Leaves of the copy are as large as those they are of, unless those are cut. */
static bool sizes_agree(struct judge *j, const struct judge *to, const struct action *a)
{
	struct ml_cursor cursor = { .va = a->va, .last = a->va + (a->len - 1) };
	struct ml_run run;

	while (ml_run_next(&j->rig.table, &cursor, &run)) {
		const uint64_t bytes = (uint64_t)1 << j->rig.facts->format->rungs[run.rung].shift;

		for (ml_va va = run.va; va - run.va < run.length; va = (va | (bytes - 1)) + 1) {
			struct ml_translation copy;
			unsigned rung;

			if (ml_translate(&to->rig.table, va, &copy))
				return judge_fail(j, "0x%" PRIx64 " was not copied", va);
			rung = ml_translation_rung(&to->rig.table, &copy);
			if (is_cut(j, a, va, run.rung) ? rung >= run.rung : rung != run.rung)
				return judge_fail(j,
						  "the leaf at 0x%" PRIx64
						  " is of rung %u, its copy of %u",
						  va, run.rung, rung);
		}
	}
	return true;
}

/* The copy was done: so say both models. */
static bool judge_copied(struct judge *j, struct judge *to, const struct action *a,
			 const struct ml_op *op)
{
	const uint64_t bytes = reference_bytes(&j->before, a->va, a->va + (a->len - 1));

	if (op->bytes != bytes)
		return judge_fail(j, "0x%" PRIx64 " bytes were copied, it says 0x%" PRIx64, bytes,
				  op->bytes);
	to->copied = bytes;
	model_copy(j, to, a);
	if (!judge_table(j, true) || !sizes_agree(j, to, a))
		return false;
	if (!judge_table(to, true))
		return judge_fail(j, "the copy: %s", to->message);
	return true;
}

/* Nothing changed in either: every byte of the arena is what it was. */
static bool judge_untouched(struct judge *j, struct judge *to)
{
	const char *difference = picture_difference(&j->picture, &j->rig);

	if (!difference)
		difference = picture_difference(&to->picture, &to->rig);
	return difference ? judge_fail(j, "after a refused copy %s", difference) : true;
}

static bool act(struct judge *j, struct judge *to, const struct action *a)
{
	const uint64_t causes = copy_causes(j, to, a), allocs = j->rig.arena->allocs;
	struct ml_op op = { .flags = ML_OP_DRY };
	uint64_t tables;
	int dry, error;

	picture_take(&j->picture, &j->rig);
	picture_take(&to->picture, &to->rig);
	dry = call(j, to, a, &op);
	tables = op.tables_needed;
	if (!judge_untouched(j, to))
		return false;
	op.flags = 0;
	if (a->feed != FEED_PLATFORM && !dry) {
		error = call_reserved(j, to, a, tables, &op);
	} else {
		j->rig.arena->fail_nth = a->fail;
		error = call(j, to, a, &op);
		j->rig.arena->fail_nth = 0;
		if (!error && j->rig.arena->allocs - allocs != tables)
			return judge_fail(j, "%" PRIu64 " tables were taken, not %" PRIu64,
					  j->rig.arena->allocs - allocs, tables);
	}
	if (error == ML_ERR_NO_MEMORY && a->fail && a->fail <= tables && !dry)
		return judge_untouched(j, to);
	if (error != dry || (error ? !(causes & CAUSE(error)) : causes != 0))
		return judge_fail(j, "%s, dry %s, causes 0x%" PRIx64, ml_error_name(error),
				  ml_error_name(dry), causes);
	return error ? judge_untouched(j, to) : judge_copied(j, to, a, &op);
}

bool judge_copy(struct judge *j, struct judge *to, const struct action *a)
{
	struct judge *heard = j->watched ? j : to->watched ? to : NULL;
	const char *wrong = NULL;

	j->actions++;
	to->copied = 0;
	memcpy(j->before.spans, j->model.spans, j->model.count * sizeof(j->model.spans[0]));
	j->before.count = j->model.count;
	if (heard) {
		watch_operation(&heard->watch, &heard->model, 0);
		heard->watch.quiet = true; /* the copy has the marks of before, or of after */
	}
	if (!act(j, to, a))
		return false;
	if (heard)
		wrong = watch_settled(&heard->watch, &heard->model);
	return wrong ? judge_fail(j, "%s", wrong) : !j->failed;
}
