/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Running one action: what the arguments deserve, the call with all its ways to get
 * tables, and what must be true afterwards.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "judge.h"

#define STEPS_MOST 100000

bool judge_fail(struct judge *j, const char *format, ...)
{
	va_list arguments;

	if (!j->failed) {
		va_start(arguments, format);
		vsnprintf(j->message, sizeof(j->message), format, arguments);
		va_end(arguments);
	}
	j->failed = true;
	return false;
}

bool judge_open(struct judge *j, const struct setting *setting, uint64_t probe_seed)
{
	int error;

	j->setting = *setting;
	j->probes = source_seeded(probe_seed);
	j->actions = 0;
	j->failed = false;
	j->run_count = 0;
	reference_clear(&j->model);
	error = rig_open_setting(&j->rig, &j->setting);
	if (error)
		return judge_fail(j, "putting the table up says %s", ml_error_name(error));
	if (j->watched) {
		watch_begin(&j->watch, &j->rig, &j->setting);
		watch_hardware(&j->watch, probe_seed, &j->before);
	}
	return true;
}

/* Of accessed and dirty, what this action need not keep. */
static ml_prot may_lose(const struct judge *j, const struct action *a)
{
	if (!j->setting.track_ad)
		return ML_PROT_AD;
	if (a->kind == ACTION_PROTECT)
		return a->mask & ML_PROT_AD;
	if (a->kind == ACTION_MOVE)
		return 0;
	return a->sink ? 0 : ML_PROT_AD;
}

/* The action, or one step of it, begins; and ends. */
static void watch_for(struct judge *j, const struct action *a)
{
	memcpy(j->before.spans, j->model.spans, j->model.count * sizeof(j->model.spans[0]));
	j->before.count = j->model.count;
	if (j->watched) {
		watch_operation(&j->watch, &j->model, may_lose(j, a));
		j->watch.quiet = a->replace; /* by the same frames: which of both was marked? */
	}
}

static bool watched_well(struct judge *j)
{
	const char *wrong = NULL;

	if (j->watched && !j->failed)
		wrong = watch_settled(&j->watch, &j->model);
	return wrong ? judge_fail(j, "%s", wrong) : !j->failed;
}

/* ---- what the arguments deserve ---------------------------------------------------- */

uint64_t judge_range(const struct judge *j, ml_va va, uint64_t len)
{
	const struct world_facts *facts = j->rig.facts;
	const uint64_t page = rig_page(&j->rig);
	const ml_va last = va + len - 1;
	uint64_t causes = 0;

	if (!len)
		return CAUSE(ML_ERR_EMPTY) | ((va & (page - 1)) ? CAUSE(ML_ERR_ALIGN) : 0);
	if ((va | len) & (page - 1))
		causes |= CAUSE(ML_ERR_ALIGN);
	if (last < va)
		return causes | CAUSE(ML_ERR_WRAP);
	if (!(facts->low_last && last <= facts->low_last) &&
	    !(facts->high_first && va >= facts->high_first))
		causes |= CAUSE(ML_ERR_CANONICAL);
	return causes;
}

static uint64_t pa_causes(const struct judge *j, ml_pa pa, uint64_t len)
{
	const ml_pa last = pa + len - 1;
	uint64_t causes = pa & (rig_page(&j->rig) - 1) ? CAUSE(ML_ERR_ALIGN) : 0;

	if (last < pa)
		causes |= CAUSE(ML_ERR_WRAP);
	if (last < pa || last >> j->rig.table.pa_bits)
		causes |= CAUSE(ML_ERR_PA_RANGE);
	return causes;
}

/* The protection a mapping ends with. */
static ml_prot mapped_prot(const struct judge *j, ml_prot prot)
{
	if (j->setting.track_ad)
		return prot;
	return prot | ML_ACCESSED | (prot & ML_WRITE ? ML_DIRTY : 0);
}

static bool expressible(const struct judge *j, ml_prot prot)
{
	return ml_format_expressible(j->rig.facts->format, &j->rig.table.types, prot);
}

static uint64_t map_causes(const struct judge *j, const struct action *a)
{
	uint64_t causes = 0;

	if (a->kind == ACTION_EXTENTS && !a->extent_count)
		return CAUSE(ML_ERR_ARGUMENT);
	for (unsigned i = 0; i < a->extent_count; i++)
		causes |= pa_causes(j, a->extents[i].pa, a->extents[i].length);
	if (!a->extent_count)
		causes |= pa_causes(j, a->pa, a->len);
	if (!expressible(j, mapped_prot(j, a->prot)))
		causes |= CAUSE(ML_ERR_PROT);
	if (!a->replace && a->len && reference_bytes(&j->model, a->va, a->va + a->len - 1))
		causes |= CAUSE(ML_ERR_EXISTS);
	return causes;
}

/* Whether a leaf must not be broken: somebody may be using it. */
static bool stands_firm(const struct judge *j, ml_va first, ml_va last)
{
	return j->rig.table.live && setting_never_faults(&j->setting, first, last);
}

/* Whether an end of the range cuts a leaf that cannot be cut without a break, and stands firm. */
static bool cuts_firm(const struct judge *j, ml_va va, ml_va last)
{
	for (size_t i = 0; i < j->run_count && !setting_is_hitless(&j->setting); i++) {
		const struct ml_run *run = &j->runs[i];
		const uint64_t bytes = (uint64_t)1 << j->rig.facts->format->rungs[run->rung].shift;
		const ml_va run_last = run->va + (run->length - 1), first = va & ~(bytes - 1);
		const ml_va end = last | (bytes - 1);

		if (va >= run->va && va <= run_last && first != va &&
		    stands_firm(j, first, first + (bytes - 1)))
			return true;
		if (last >= run->va && last <= run_last && end != last &&
		    stands_firm(j, end - (bytes - 1), end))
			return true;
	}
	return false;
}

static bool splits_firm(const struct judge *j, ml_va va, ml_va last, unsigned rung)
{
	for (size_t i = 0; i < j->run_count && !setting_is_hitless(&j->setting); i++) {
		const struct ml_run *run = &j->runs[i];
		const uint64_t bytes = (uint64_t)1 << j->rig.facts->format->rungs[run->rung].shift;
		const ml_va run_last = run->va + (run->length - 1);
		const ml_va from = (va > run->va ? va : run->va) & ~(bytes - 1);
		const ml_va to = (last < run_last ? last : run_last) | (bytes - 1);

		if (run->rung > rung && run->va <= last && run_last >= va &&
		    stands_firm(j, from, to))
			return true;
	}
	return false;
}

/* Whether what must never fault is mapped in the range. */
static bool holds_firm(const struct judge *j, ml_va va, ml_va last)
{
	const struct ml_never_fault *never = &j->setting.never;
	const ml_va end = never->va + (never->len - 1);

	return stands_firm(j, va, last) &&
	       reference_bytes(&j->model, va > never->va ? va : never->va, last < end ? last : end);
}

/* What the policy of the table refuses, of an action that is right otherwise. */
static uint64_t policy_causes(const struct judge *j, const struct action *a)
{
	const ml_va last = a->va + (a->len - 1);
	bool firm = false;

	if (a->kind == ACTION_UNMAP || a->kind == ACTION_UNMAP_STEP)
		firm = cuts_firm(j, a->va, last);
	else if (a->kind == ACTION_SPLIT)
		firm = splits_firm(j, a->va, last, a->rung);
	else if (a->replace &&
		 (a->kind == ACTION_MAP || a->kind == ACTION_MAP_STEP || a->kind == ACTION_EXTENTS))
		firm = holds_firm(j, a->va, last);
	return firm ? CAUSE(ML_ERR_NEVER_FAULT) : 0;
}

/* What it may refuse of a change of protection: the order of events tells whether it has to. */
static bool policy_may_refuse(const struct judge *j, const struct action *a, int error)
{
	if (a->kind != ACTION_PROTECT)
		return false;
	if (error == ML_ERR_NEVER_FAULT)
		return stands_firm(j, a->va, a->va + (a->len - 1));
	return error == ML_ERR_SIZE && j->setting.errata & ML_ERRATUM_SMALL_EXEC &&
	       a->prot & (ML_EXEC | ML_PEXEC);
}

static uint64_t protect_causes(const struct judge *j, const struct action *a)
{
	const struct reference *r = &j->model;
	const ml_va last = a->va + a->len - 1;

	if (a->prot & ~(a->mask & j->rig.facts->format->prot_mask) ||
	    (j->setting.refaultable && a->mask & ML_SOFT(0)))
		return CAUSE(ML_ERR_PROT); /* whether anything is mapped or not */
	if (!a->len)
		return 0;
	for (size_t i = reference_index(r, a->va); i < r->count && r->spans[i].first <= last; i++)
		if (!expressible(j, (r->spans[i].prot & ~a->mask) | a->prot))
			return CAUSE(ML_ERR_PROT);
	return 0;
}

static uint64_t move_causes(const struct judge *j, const struct action *a)
{
	uint64_t causes = judge_range(j, a->va, a->len) | judge_range(j, a->to, a->len);

	if (causes)
		return causes;
	if (a->to - a->va < a->len || a->va - a->to < a->len)
		return CAUSE(ML_ERR_ARGUMENT);
	if (reference_bytes(&j->model, a->to, a->to + (a->len - 1)))
		causes |= CAUSE(ML_ERR_EXISTS);
	if (cuts_firm(j, a->va, a->va + (a->len - 1)) ||
	    (!setting_is_hitless(&j->setting) &&
	     setting_never_faults(&j->setting, a->to, a->to + (a->len - 1))))
		causes |= CAUSE(ML_ERR_NEVER_FAULT);
	return causes;
}

/* What is wrong with the call itself. */
static uint64_t call_causes(const struct judge *j, const struct action *a)
{
	switch (a->kind) {
	case ACTION_MAP:
	case ACTION_MAP_STEP:
	case ACTION_EXTENTS:
		return map_causes(j, a) | judge_range(j, a->va, a->len);
	case ACTION_MOVE:
		return move_causes(j, a);
	case ACTION_PROTECT:
		return protect_causes(j, a) | judge_range(j, a->va, a->len);
	default:
		return judge_range(j, a->va, a->len);
	}
}

/* A bit for each error the action may be refused with; 0: it must succeed. */
static uint64_t causes_of(const struct judge *j, const struct action *a)
{
	const uint64_t causes = call_causes(j, a);

	return causes ? causes : policy_causes(j, a);
}

/* ---- calling ----------------------------------------------------------------------- */

static void hear(void *cookie, const struct ml_run *run)
{
	struct judge *j = cookie;

	if (j->watched)
		watch_told(&j->watch, run);
	if (j->removed_count == JUDGE_SINK)
		judge_fail(j, "more than %d runs were removed at once", JUDGE_SINK);
	else
		j->removed[j->removed_count++] = *run;
}

static void operation(struct judge *j, const struct action *a, struct ml_reserve *reserve,
		      struct ml_op *op)
{
	*op = (struct ml_op){ .reserve = reserve };
	if (a->sink) {
		op->sink = hear;
		op->sink_cookie = j;
	}
	op->flags = a->replace ? ML_OP_REPLACE : 0;
	op->rungs = a->rungs;
	j->removed_count = 0;
}

/* Where nobody tracks marks, what becomes writable is dirty. */
static ml_prot protect_marks(const struct judge *j, const struct action *a)
{
	const bool writes = a->mask & a->prot & ML_WRITE && !(a->mask & ML_DIRTY);

	return writes && !j->setting.track_ad ? ML_DIRTY : 0;
}

/* Marks may spread to the leaves at the ends meanwhile: then the count is an upper bound. */
static bool marks_may_come(const struct judge *j, const struct action *a)
{
	return a->kind == ACTION_PROTECT && (a->mask | protect_marks(j, a)) & ML_PROT_AD;
}

/* Call with a reserve of `tables`; the reserve is given back at once if the call fails. */
static int call_with(struct judge *j, const struct action *a, struct ml_reserve *reserve,
		     uint64_t tables, struct ml_op *op)
{
	if (ml_reserve_fill(&j->rig.table, reserve, tables, NULL))
		return judge_fail(j, "a reserve of %" PRIu64 " tables was refused", tables);
	operation(j, a, reserve, op);
	return rig_call(&j->rig, a, op);
}

/* What the dry run counts, a reserve of as much must be enough, and one table less must not be. */
static int call_reserved(struct judge *j, const struct action *a, struct ml_op *op)
{
	const struct ml_stats stats = j->rig.table.stats;
	struct ml_reserve reserve = { 0 };
	uint64_t needed, dry;
	int error;

	operation(j, a, &reserve, op);
	error = rig_call(&j->rig, a, op);

	if (error != ML_ERR_SHORT)
		return error;
	needed = op->tables_needed;
	if (!needed)
		return judge_fail(j, "ML_ERR_SHORT, but no tables are needed");
	if (!judge_unchanged(j, &stats, false))
		return error;
	if (a->kind == ACTION_MAP &&
	    (ml_map_tables(&j->rig.table, a->va, a->len, a->pa, a->prot, op, &dry) ||
	     dry != needed))
		return judge_fail(j, "the dry run differs from the %" PRIu64 " tables needed",
				  needed);
	if (a->feed == FEED_SHORT && needed > 1) {
		error = call_with(j, a, &reserve, needed - 1, op);
		if (error != ML_ERR_SHORT || op->tables_needed != needed ||
		    reserve.count != needed - 1)
			judge_fail(j,
				   "one table short of %" PRIu64 ": %s, needed %" PRIu64
				   ", left %" PRIu64,
				   needed, ml_error_name(error), op->tables_needed, reserve.count);
		ml_reserve_empty(&j->rig.table, &reserve, NULL);
		judge_unchanged(j, &stats, false);
	}
	error = call_with(j, a, &reserve, needed, op);
	if (!error && reserve.count && !marks_may_come(j, a))
		judge_fail(j, "%" PRIu64 " tables needed, %" PRIu64 " left over", needed,
			   reserve.count);
	ml_reserve_empty(&j->rig.table, &reserve, NULL);
	return error;
}

/* What ml_prepare() took must be enough, whatever the table holds. */
static int call_prepared(struct judge *j, const struct action *a, struct ml_op *op)
{
	struct ml_reserve reserve = { 0 };
	int error;

	operation(j, a, NULL, op);
	error = ml_prepare(&j->rig.table, a->va, a->len, a->pa, a->prot, &reserve, op);
	if (error)
		return error;
	operation(j, a, &reserve, op);
	error = rig_call(&j->rig, a, op);
	ml_reserve_empty(&j->rig.table, &reserve, NULL);
	return error;
}

static int call_fed(struct judge *j, const struct action *a, struct ml_op *op)
{
	int error;

	if (a->feed == FEED_PREPARE && a->kind == ACTION_MAP)
		return call_prepared(j, a, op);
	if (a->feed != FEED_PLATFORM)
		return call_reserved(j, a, op);
	operation(j, a, NULL, op);
	j->rig.arena->fail_nth = a->fail;
	error = rig_call(&j->rig, a, a->bare ? NULL : op);
	j->rig.arena->fail_nth = 0;
	return error;
}

/* What the dry run of an action said. */
struct rehearsal {
	int error;
	uint64_t tables;
};

/* Run it dry: nothing is allocated, reported or changed. False if something was. */
static bool rehearse(struct judge *j, const struct action *a, bool every_byte,
		     struct rehearsal *rehearsal)
{
	const struct ml_stats stats = j->rig.table.stats;
	const uint64_t allocs = j->rig.arena->allocs, frees = j->rig.arena->frees;
	struct ml_op op;

	if (a->kind == ACTION_FOLD) /* takes no tables: it is never dry */
		return true;
	operation(j, a, NULL, &op);
	op.flags |= ML_OP_DRY;
	rehearsal->error = rig_call(&j->rig, a, &op);
	rehearsal->tables = op.tables_needed;
	if (j->rig.arena->allocs != allocs || j->rig.arena->frees != frees || j->removed_count)
		return judge_fail(j, "a dry run took, freed or reported something");
	return !every_byte || judge_unchanged(j, &stats, true);
}

/* The action did what its dry run said: so many tables were allocated, or it was refused so. */
static bool as_rehearsed(struct judge *j, const struct action *a, const struct rehearsal *rehearsal,
			 int error, const struct ml_op *op, uint64_t allocs)
{
	const bool no_memory = error == ML_ERR_NO_MEMORY;

	if (a->kind == ACTION_FOLD)
		return true;
	if (rehearsal->error != (no_memory ? ML_OK : error))
		return judge_fail(j, "%s, and the dry run said %s", ml_error_name(error),
				  ml_error_name(rehearsal->error));
	if (!error && a->feed == FEED_PLATFORM && allocs != rehearsal->tables)
		return judge_fail(j, "%" PRIu64 " tables were allocated, not %" PRIu64, allocs,
				  rehearsal->tables);
	if ((!error || no_memory) && !a->bare && op->tables_needed != rehearsal->tables)
		return judge_fail(j, "%" PRIu64 " tables are needed, not %" PRIu64,
				  op->tables_needed, rehearsal->tables);
	return true;
}

/* ---- judging ----------------------------------------------------------------------- */

static void model_map(struct judge *j, const struct action *a)
{
	const ml_prot prot = mapped_prot(j, a->prot);
	ml_va va = a->va;

	if (!a->extent_count)
		reference_map(&j->model, va, va + a->len - 1, a->pa, prot);
	for (unsigned i = 0; i < a->extent_count; i++) {
		reference_map(&j->model, va, va + a->extents[i].length - 1, a->extents[i].pa, prot);
		va += a->extents[i].length;
	}
}

static void model_change(struct judge *j, const struct action *a)
{
	const ml_va last = a->va + a->len - 1;

	switch (a->kind) {
	case ACTION_MAP:
	case ACTION_EXTENTS:
		model_map(j, a);
		break;
	case ACTION_UNMAP:
		reference_remove(&j->model, a->va, last);
		break;
	case ACTION_MOVE:
		reference_move(&j->model, a->va, last, a->to);
		break;
	case ACTION_PROTECT:
		reference_protect(&j->model, a->va, last, a->mask | protect_marks(j, a),
				  a->prot | protect_marks(j, a));
		break;
	default:
		break;
	}
}

/* Adjacent extents were merged before sizes were chosen. */
static bool extents_planned(struct judge *j, const struct action *a)
{
	ml_va va = a->va;
	unsigned i = 0;

	while (i < a->extent_count) {
		const ml_pa pa = a->extents[i].pa;
		uint64_t length = a->extents[i++].length;

		while (i < a->extent_count && a->extents[i].pa == pa + length)
			length += a->extents[i++].length;
		if (!judge_planned(j, va, length, pa, a->prot, a->rungs))
			return false;
		va += length;
	}
	return true;
}

/* Bytes of the range whose protection the action changes. */
static uint64_t bytes_changed(const struct judge *j, const struct action *a)
{
	const struct reference *r = &j->before;
	const ml_va last = a->va + a->len - 1;
	uint64_t bytes = 0;

	for (size_t i = reference_index(r, a->va); i < r->count && r->spans[i].first <= last; i++) {
		const struct reference_span *s = &r->spans[i];

		if ((s->prot & a->mask) != a->prot)
			bytes += reference_bytes(r, s->first > a->va ? s->first : a->va,
						 s->last < last ? s->last : last);
	}
	return bytes;
}

static bool bytes_told(struct judge *j, const struct action *a, const struct ml_op *op)
{
	uint64_t least = a->len;
	uint64_t most = a->len;

	switch (a->kind) {
	case ACTION_UNMAP: /* without a sink, subtrees go unread */
		most = reference_bytes(&j->before, a->va, a->va + a->len - 1);
		least = a->sink ? most : 0;
		break;
	case ACTION_PROTECT: /* of a group, perhaps one member alone was accessed */
		most = reference_bytes(&j->before, a->va, a->va + a->len - 1);
		least = a->mask & ML_PROT_AD ? 0 : bytes_changed(j, a);
		break;
	case ACTION_SPLIT:
	case ACTION_FOLD:
	case ACTION_MOVE:
		least = most = 0;
		break;
	default: /* replacing counts what it removes, too */
		most = a->replace ? 2 * a->len : a->len;
		break;
	}
	if (op->bytes < least || op->bytes > most)
		return judge_fail(j, "op->bytes is 0x%" PRIx64 ", not 0x%" PRIx64 "...0x%" PRIx64,
				  op->bytes, least, most);
	return true;
}

/* What left its place took the marks along that it got there: the oracle hears of them so. */
static void tell_moved(struct judge *j, const struct action *a)
{
	const ml_va last = a->va + (a->len - 1);
	const struct reference *r = &j->before;

	if (!j->watched)
		return;
	for (size_t i = reference_index(r, a->va); i < r->count && r->spans[i].first <= last; i++) {
		const struct reference_span *s = &r->spans[i];
		const ml_va first = s->first > a->va ? s->first : a->va;
		const struct ml_run run = { .va = first,
					    .pa = s->pa + (first - s->first),
					    .length = (s->last < last ? s->last : last) - first + 1,
					    .prot = s->prot };

		watch_told(&j->watch, &run);
	}
	watch_marks(&j->watch, &j->model);
}

/* The action was done: so say the model, the sink, and every walker. */
static bool judge_done(struct judge *j, const struct action *a, const struct ml_op *op)
{
	const ml_va last = a->va + a->len - 1;
	const bool removes = a->kind == ACTION_UNMAP ||
			     (a->replace && (a->kind == ACTION_MAP || a->kind == ACTION_EXTENTS));

	if (!a->bare && !bytes_told(j, a, op))
		return false;
	if (a->sink && removes && !judge_removed(j, a->va, last))
		return false;
	if (a->kind == ACTION_MOVE)
		tell_moved(j, a);
	model_change(j, a);
	if (j->watched)
		watch_marks(&j->watch, &j->model);
	if (!judge_table(j, j->actions % 4 == 0))
		return false;
	switch (a->kind) {
	case ACTION_MAP:
		return judge_planned(j, a->va, a->len, a->pa, a->prot, a->rungs);
	case ACTION_EXTENTS:
		return extents_planned(j, a);
	case ACTION_SPLIT:
		return judge_split(j, a->va, last, a->rung);
	case ACTION_FOLD:
		return judge_folded(j, a->va, last, a->rung);
	default:
		return true;
	}
}

static bool judge_result(struct judge *j, const struct action *a, int error, uint64_t causes,
			 const struct ml_op *op, bool memory_refused)
{
	if (j->failed)
		return false;
	if (!error)
		return causes ? judge_fail(j,
					   "done, though it deserves refusal (causes 0x%" PRIx64
					   ")",
					   causes)
			      : judge_done(j, a, op);
	if (error == ML_ERR_NO_MEMORY && memory_refused) {
		if (!a->bare && op->tables_needed < a->fail)
			return judge_fail(j,
					  "allocation %u failed, but only %" PRIu64
					  " tables are said to be needed",
					  a->fail, op->tables_needed);
	} else if (!(causes & CAUSE(error)) && !policy_may_refuse(j, a, error)) {
		return judge_fail(j, "refused with %s (causes 0x%" PRIx64 ")", ml_error_name(error),
				  causes);
	}
	j->refusals++;
	return true;
}

static bool act(struct judge *j, const struct action *a)
{
	const struct ml_stats stats = j->rig.table.stats;
	const bool every_byte = j->actions % 32 == 0;
	const uint64_t refusals = j->rig.arena->refusals;
	const uint64_t in_use = j->rig.arena->in_use;
	const uint64_t causes = causes_of(j, a);
	const uint64_t allocs = j->rig.arena->allocs;
	struct rehearsal rehearsal = { 0 };
	struct ml_op op;
	int error;

	if (every_byte)
		picture_take(&j->picture, &j->rig);
	if (!rehearse(j, a, every_byte, &rehearsal))
		return false;
	error = call_fed(j, a, &op);
	if (!as_rehearsed(j, a, &rehearsal, error, &op, j->rig.arena->allocs - allocs) ||
	    !judge_result(j, a, error, causes, &op, j->rig.arena->refusals != refusals))
		return false;
	if (!error)
		return true;
	if (j->rig.arena->in_use != in_use)
		return judge_fail(j, "a refused operation kept or lost tables");
	return judge_unchanged(j, &stats, every_byte);
}

/* ---- the other actions ------------------------------------------------------------- */

/* One step: `whole` is what was left, done is what it says it did. */
static bool judge_step(struct judge *j, const struct action *whole, const struct ml_step *step,
		       int error, const struct ml_op *op, uint64_t refusals)
{
	struct action done = *whole;
	uint64_t causes = causes_of(j, whole);

	if (error && (step->va != whole->va || step->len != whole->len))
		return judge_fail(j, "a step that failed has advanced");
	if (error)
		return judge_result(j, whole, error, causes, op,
				    refusals != j->rig.arena->refusals);
	done.len = whole->len - step->len;
	if (!done.len || step->len > whole->len || step->va != whole->va + done.len)
		return judge_fail(j,
				  "a step went from 0x%" PRIx64 "+0x%" PRIx64 " to 0x%" PRIx64
				  "+0x%" PRIx64,
				  whole->va, whole->len, step->va, step->len);
	if (whole->kind == ACTION_MAP && step->len && step->pa != whole->pa + done.len)
		return judge_fail(j, "a step of 0x%" PRIx64 " moved pa to 0x%" PRIx64, done.len,
				  step->pa);
	return judge_result(j, &done, 0, causes_of(j, &done), op, false);
}

static bool act_in_steps(struct judge *j, const struct action *a)
{
	struct action left = *a;
	struct ml_step step = { a->va, a->len, a->pa, a->prot, a->rung };

	left.kind = a->kind == ACTION_MAP_STEP ? ACTION_MAP : ACTION_UNMAP;
	for (unsigned i = 0; i < STEPS_MOST && left.len; i++) {
		const struct ml_stats stats = j->rig.table.stats;
		const uint64_t refusals = j->rig.arena->refusals;
		struct ml_op op;
		int error;

		operation(j, &left, NULL, &op);
		j->rig.arena->fail_nth = a->fail;
		watch_for(j, &left);
		error = left.kind == ACTION_MAP ? ml_map_step(&j->rig.table, &step, &op)
						: ml_unmap_step(&j->rig.table, &step, &op);
		j->rig.arena->fail_nth = 0;
		if (!judge_step(j, &left, &step, error, &op, refusals) || !watched_well(j))
			return false;
		if (error)
			return judge_unchanged(j, &stats, false);
		left.va = step.va;
		left.len = step.len;
		left.pa = step.pa;
	}
	return left.len ? judge_fail(j, "no end after %d steps", STEPS_MOST) : true;
}

static bool touch(struct judge *j, const struct action *a)
{
	struct ml_model_result seen;
	ml_prot mark = ML_ACCESSED;
	ml_va first;

	if (j->setting.each_member && !j->setting.hardware_ad)
		return true; /* software marks, and each member */
	if (!rig_touch(&j->rig, a->va, a->write, &seen))
		return true;
	if (a->write && seen.prot & ML_WRITE)
		mark |= ML_DIRTY;
	first = a->va & ~(seen.page_bytes - 1);
	reference_protect(&j->model, first, first + seen.page_bytes - 1, mark, mark);
	return judge_table(j, false);
}

bool judge_action(struct judge *j, const struct action *action)
{
	j->actions++;
	watch_for(j, action);
	switch (action->kind) {
	case ACTION_TOUCH:
		return touch(j, action);
	case ACTION_LIVE:
		ml_table_set_live(&j->rig.table, action->write);
		if (j->watched)
			watch_live(&j->watch, action->write);
		return true;
	case ACTION_MAP_STEP:
	case ACTION_UNMAP_STEP:
		return act_in_steps(j, action);
	default:
		return act(j, action) && watched_well(j);
	}
}

bool judge_close(struct judge *j)
{
	if (j->watched)
		watch_end(&j->watch);
	if (!rig_close(&j->rig))
		return judge_fail(j, "tables were not given back");
	if (judge_strays(j))
		return judge_fail(j, "%" PRIu64 " tables were lost", judge_strays(j));
	return !j->failed;
}
