/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The end of an operation: what may be held, and what can be read, against the promise. */
#include <inttypes.h>

#include "oracle.h"

#define PERMISSIONS (ML_WRITE | ML_USER | ML_EXEC | ML_PEXEC)

/* The part of the flat map around va, cut to [va, last]. */
static struct ml_oracle_page promised(ml_oracle_promise *promise, const void *map, ml_va va,
				      ml_va last)
{
	struct ml_oracle_page page = { .last = last };

	promise(map, va, &page);
	page.last = page.last < last ? page.last : last;
	return page;
}

static enum ml_model_fault walk(const struct ml_oracle *o, ml_va va, struct ml_model_result *seen)
{
	return ml_model_walk(&o->spaces[o->space].model, va, ML_MODEL_READ, false, seen);
}

/* Accessed clear is a fault, but it is a mapping all the same. */
static bool is_mapped(enum ml_model_fault fault)
{
	return fault == ML_MODEL_OK || fault == ML_MODEL_ACCESS_FLAG ||
	       fault == ML_MODEL_PERMISSION;
}

/* What a translation to pa with prot does wrong on that page; NULL: nothing. */
static const char *harm(ml_pa pa, ml_prot prot, const struct ml_oracle_page *page)
{
	if (!page->mapped)
		return "nothing is mapped there";
	if (pa != page->pa)
		return "another frame is mapped there";
	if ((prot ^ page->prot) & ML_TYPE_MASK)
		return "the memory type is another";
	if (prot & ~page->prot & PERMISSIONS)
		return "it allows more";
	if (prot & ~page->prot & ML_GLOBAL)
		return "it is for every address space";
	return NULL;
}

/* ---- what may be held ---------------------------------------------------------------- */

/* A held translation that says less than what can be read, on agents whose faults keep it. */
static void judge_narrow(struct ml_oracle *o, const struct oracle_leaf *held, ml_va first,
			 ml_va last, ml_prot wanted)
{
	struct ml_model_result seen;
	ml_va va = first;

	for (;;) {
		const enum ml_model_fault fault = walk(o, va, &seen);
		const uint64_t bytes = is_mapped(fault) ? seen.leaf_bytes : 0x1000;
		const ml_prot lacks = seen.prot & ~held->prot & wanted & PERMISSIONS;

		if (is_mapped(fault) && (held->hole || lacks))
			ml_oracle_fail(o,
				       "(g) va 0x%" PRIx64
				       ": agents 0x%x may fault for ever: %s may be held",
				       va, held->agents,
				       held->hole ? "that nothing is mapped" : "less permission");
		if (last - va < bytes - (va & (bytes - 1)))
			break;
		va = (va | (bytes - 1)) + 1;
	}
}

static void judge_piece(struct ml_oracle *o, const struct oracle_leaf *held, ml_va va,
			const struct ml_oracle_page *page)
{
	const ml_pa pa = held->pa + (va - held->first);
	const char *why = held->hole ? NULL : harm(pa, held->prot, page);

	if (why)
		ml_oracle_fail(o,
			       "(a) va 0x%" PRIx64 ": agents 0x%x may hold 0x%" PRIx64
			       " (prot 0x%" PRIx64 ", level %u%s): %s",
			       va, held->agents, pa, held->prot, held->level,
			       held->seen == ORACLE_VISIBLE ? ", unpublished" : "", why);
	else if (!held->hole && held->prot & ML_WRITE && held->prot & ~page->prot & ML_DIRTY)
		ml_oracle_fail(
			o, "(f) va 0x%" PRIx64 ": agents 0x%x may write without marking it dirty",
			va, held->agents);
	else if (!o->rules->fault_drops && page->mapped)
		judge_narrow(o, held, va, page->last, page->prot);
}

/* Whether all of it can be read as it is held: then holding it means nothing. */
static bool is_readable(const struct ml_oracle *o, const struct oracle_leaf *held)
{
	struct ml_model_result seen;
	ml_va va = held->first;

	for (;;) {
		if (held->hole || !is_mapped(walk(o, va, &seen)) || seen.level != held->level ||
		    seen.contiguous != held->group || seen.pa != held->pa + (va - held->first) ||
		    (seen.prot ^ held->prot) & ~(ml_prot)ML_ACCESSED)
			return false;
		if (held->last - va < seen.page_bytes)
			return true;
		va += seen.page_bytes;
	}
}

static void judge_held(struct ml_oracle *o, ml_oracle_promise *promise, const void *after)
{
	size_t kept = 0;

	for (size_t i = 0; i < o->leaves.count; i++) {
		const struct oracle_leaf held = o->leaves.items[i];
		ml_va va = held.first;

		while (held.space == o->space) {
			const struct ml_oracle_page page = promised(promise, after, va, held.last);

			judge_piece(o, &held, va, &page);
			if (page.last == held.last)
				break;
			va = page.last + 1;
		}
		if (held.space != o->space || !is_readable(o, &held))
			o->leaves.items[kept++] = held;
	}
	o->leaves.count = kept;
}

/* ---- what can be read ------------------------------------------------------------- */

/* Arm ARM D8.16.1: an entry that says nT may fault, and is slow. */
static bool not_translated(const struct ml_oracle *o, const struct ml_model_result *seen)
{
	const struct model_isa *isa = ml_model_isa(&o->spaces[o->space].model);

	return o->rules->not_translated && seen->level && seen->entry & isa->not_translated;
}

/* A device takes the marks and permissions of each entry as they are (no gathering). */
static void judge_literal(struct ml_oracle *o, ml_va va, const struct ml_model_result *seen,
			  const struct ml_oracle_page *page)
{
	ml_prot lacks = page->prot & ~seen->prot & (ML_ACCESSED | ML_WRITE);

	if (!(page->prot & ML_DIRTY))
		lacks &= ~ML_WRITE;
	if (lacks && !o->spaces[o->space].model.hardware_accessed)
		ml_oracle_fail(o, "(g) va 0x%" PRIx64 ": a device may fault for ever at this entry",
			       va);
}

static void judge_entry(struct ml_oracle *o, ml_va va, enum ml_model_fault fault,
			const struct ml_model_result *seen, const struct ml_oracle_page *page)
{
	const char *why;

	if (fault == ML_MODEL_GROUP) {
		ml_oracle_fail(o, "(c) va 0x%" PRIx64 ": the members of its group differ", va);
	} else if (fault == ML_MODEL_NOT_MAPPED) {
		if (page->mapped)
			ml_oracle_fail(o, "(a) va 0x%" PRIx64 ": promised, and not mapped", va);
	} else if (!is_mapped(fault)) {
		ml_oracle_fail(o, "(a) va 0x%" PRIx64 ": %s", va, ml_model_fault_name(fault));
	} else {
		why = harm(seen->pa, seen->prot, page);
		if (why)
			ml_oracle_fail(o,
				       "(a) va 0x%" PRIx64 ": 0x%" PRIx64 " (prot 0x%" PRIx64
				       ") can be read: %s",
				       va, seen->pa, seen->prot, why);
		else if (not_translated(o, seen))
			ml_oracle_fail(o, "(g) va 0x%" PRIx64 ": it is left not translated", va);
		else if (o->literal)
			judge_literal(o, va, seen, page);
	}
}

/* The bytes that one step of the judge covers. */
static uint64_t seen_bytes(const struct ml_oracle *o, enum ml_model_fault fault,
			   const struct ml_model_result *seen)
{
	if (!is_mapped(fault))
		return MODEL_BIT(
			ml_model_shift(ml_model_isa(&o->spaces[o->space].model), seen->level));
	return o->literal ? seen->leaf_bytes : seen->page_bytes;
}

static void judge_readable(struct ml_oracle *o, ml_oracle_promise *promise, const void *after)
{
	ml_va va = o->touched.first;

	while (!o->failed && o->touched.first <= o->touched.last) {
		const struct ml_oracle_page page = promised(promise, after, va, o->touched.last);
		struct ml_model_result seen;
		const enum ml_model_fault fault = walk(o, va, &seen);
		const ml_va end = va | (seen_bytes(o, fault, &seen) - 1);
		const ml_va last = page.last < end ? page.last : end;

		judge_entry(o, va, fault, &seen, &page);
		if (last >= o->touched.last)
			break;
		va = last + 1;
	}
}

/* ---- what happened on the way ------------------------------------------------------ */

static void judge_appeared(struct ml_oracle *o, ml_oracle_promise *promise, const void *before,
			   const void *after)
{
	for (size_t i = 0; i < o->appeared.count && !o->failed; i++) {
		const struct oracle_leaf *leaf = &o->appeared.items[i];
		ml_va va = leaf->first;

		for (;;) {
			const struct ml_oracle_page then =
				promised(promise, before, va, leaf->last);
			const struct ml_oracle_page now = promised(promise, after, va, then.last);
			const ml_pa pa = leaf->pa + (va - leaf->first);
			const char *was = harm(pa, leaf->prot, &then);
			const char *is = harm(pa, leaf->prot, &now);

			if (was && is)
				ml_oracle_fail(o,
					       "(a) va 0x%" PRIx64 ": 0x%" PRIx64
					       " (prot 0x%" PRIx64
					       ") could be read for a while: before, %s; after, %s",
					       va, pa, leaf->prot, was, is);
			if (now.last == leaf->last)
				break;
			va = now.last + 1;
		}
	}
}

static void judge_broken(struct ml_oracle *o, ml_oracle_promise *promise, const void *before,
			 const void *after)
{
	for (size_t i = 0; i < o->broken.count && !o->failed; i++) {
		const struct oracle_range *range = &o->broken.items[i];
		ml_va va = range->first;

		for (;;) {
			const struct ml_oracle_page then =
				promised(promise, before, va, range->last);
			const struct ml_oracle_page now = promised(promise, after, va, then.last);

			if (then.never_faults && now.never_faults && then.mapped && now.mapped &&
			    then.pa == now.pa)
				ml_oracle_fail(
					o, "(g) va 0x%" PRIx64 ": must never fault, and was broken",
					va);
			if (now.last == range->last)
				break;
			va = now.last + 1;
		}
	}
}

void ml_oracle_told(struct ml_oracle *o, ml_va va, uint64_t length, ml_pa pa, ml_prot prot)
{
	const ml_va last = va + (length - 1);

	for (size_t i = 0; i < o->leaves.count; i++) {
		const struct oracle_leaf *held = &o->leaves.items[i];

		if (held->space == o->space && !held->hole && held->first <= last &&
		    va <= held->last && held->pa - held->first == pa - va)
			ml_oracle_fail(o,
				       "(a) va 0x%" PRIx64
				       ": agents 0x%x may hold the frame that is given up",
				       va > held->first ? va : held->first, held->agents);
	}
	for (size_t i = 0; i < o->marks.count; i++)
		if (o->marks.items[i].first <= last && va <= o->marks.items[i].last)
			o->marks.items[i].bits &= ~prot;
}

/* A table that has moved is reached where it stands, and no longer where it stood. */
static void judge_routes(struct ml_oracle *o)
{
	for (size_t i = 0; i < o->routes.count && !o->failed; i++) {
		const struct oracle_route *held = &o->routes.items[i];
		const struct oracle_table *table = ml_oracle_table(o, held->table);

		for (unsigned n = 0; table && n < table->place_count; n++)
			if (table->places[n].space == held->space &&
			    table->places[n].va != held->first)
				ml_oracle_fail(o,
					       "(e) va 0x%" PRIx64
					       ": agents 0x%x may hold the way to a table that "
					       "has moved",
					       held->first, held->agents);
	}
}

void ml_oracle_judge(struct ml_oracle *o, ml_oracle_promise *promise, const void *before,
		     const void *after)
{
	judge_held(o, promise, after);
	judge_routes(o);
	for (unsigned cpu = 0; cpu < ML_ORACLE_AGENTS; cpu++)
		if (!o->rules->ordered && o->stored[cpu] > o->published[cpu])
			ml_oracle_fail(o, "(d) stores were not published before the end");
	judge_appeared(o, promise, before, after);
	judge_readable(o, promise, after);
	judge_broken(o, promise, before, after);
	ml_oracle_check_marks(o, promise, after);
}
