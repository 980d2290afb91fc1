/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Hardware that marks leaves accessed and dirty whenever it may, and marks that get lost. */
#define _DEFAULT_SOURCE
#include <endian.h>
#include <inttypes.h>

#include "oracle.h"

/* ---- stores over entries that hardware may mark ------------------------------------- */

/* The marks that hardware may make in a leaf that says prot. */
static ml_prot may_come(const struct ml_model *model, ml_prot prot)
{
	ml_prot bits = 0;

	if (model->hardware_accessed)
		bits |= ML_ACCESSED;
	if (model->hardware_accessed && model->hardware_dirty && prot & ML_WRITE)
		bits |= ML_DIRTY;
	return bits & ~prot;
}

/*
 * A plain store between whose load and store hardware may have marked the old leaf: what it brings
 * of marks itself is not lost, nor what the operation may lose.
 */
void ml_oracle_check_store(struct ml_oracle *o, const struct ml_event *event,
			   const struct oracle_place *place, ml_va va, unsigned level)
{
	const struct ml_model *model = &o->spaces[place->space].model;
	struct oracle_leaf old, made;
	ml_prot lost;

	if (event->kind == ML_EVENT_EXCHANGE ||
	    !ml_oracle_leaf_of(o, place, va, le64toh(event->old), level, &old))
		return;
	lost = may_come(model, old.prot) & ~o->may_lose;
	if (ml_oracle_leaf_of(o, place, va, le64toh(event->value), level, &made))
		lost &= ~made.prot;
	if (lost)
		ml_oracle_fail(o,
			       "(f) va 0x%" PRIx64
			       ": a plain store over a leaf that hardware may be marking %s",
			       va, lost & ML_DIRTY ? "dirty" : "accessed");
}

/* ---- the actor --------------------------------------------------------------------- */

static void mark_entry(struct ml_oracle *o, ml_pa entry_pa, ml_va va, unsigned level)
{
	const struct ml_model *model = &o->spaces[o->space].model;
	const struct model_isa *isa = ml_model_isa(model);
	const struct model_path path = { ~(uint64_t)0, 0 };
	const uint64_t bytes = MODEL_BIT(ml_model_shift(isa, level));
	const bool write = o->actor.below(o->actor.cookie, 2) && model->hardware_dirty;
	uint64_t *memory = o->actor.memory(o->actor.cookie, entry_pa);
	struct oracle_mark mark;
	uint64_t old, made, page_bytes;

	if (!memory)
		return;
	old = le64toh(__atomic_load_n(memory, __ATOMIC_RELAXED));
	if (ml_model_sort(model, old, level) != MODEL_LEAF)
		return;
	made = isa->marked(model, old, write);
	if (made == old)
		return;
	page_bytes = old & isa->group ? bytes << isa->lg2_group : bytes;
	__atomic_store_n(memory, htole64(made), __ATOMIC_RELAXED);
	mark.first = va & ~(bytes - 1);
	mark.last = mark.first + (bytes - 1);
	mark.pa = old & ml_model_frame(isa, level);
	mark.bits = isa->prot(model, made, level, &path) & ~isa->prot(model, old, level, &path) &
		    ML_PROT_AD;
	*oracle_add(&o->marks) = mark;
	if (o->actor.marked)
		o->actor.marked(o->actor.cookie, va & ~(page_bytes - 1), page_bytes,
				mark.pa & ~(page_bytes - 1), mark.bits);
}

/* A leaf of a table that was unlinked, and that a walk cache may still lead to. */
static void mark_unlinked(struct ml_oracle *o)
{
	const struct oracle_leaf held =
		o->leaves.items[o->actor.below(o->actor.cookie, o->leaves.count)];
	const struct model_isa *isa = ml_model_isa(&o->spaces[o->space].model);
	const unsigned shift = ml_model_shift(isa, held.level);
	const ml_va va =
		held.first +
		(o->actor.below(o->actor.cookie, ((held.last - held.first) >> shift) + 1) << shift);
	const uint64_t index = va >> shift & (MODEL_BIT(isa->index_bits) - 1);

	if (held.space == o->space && held.under != ORACLE_NO_TABLE &&
	    ml_oracle_route_to(o, held.under))
		mark_entry(o, held.under + index * sizeof(uint64_t), va, held.level);
}

static void mark_linked(struct ml_oracle *o)
{
	const ml_va va = o->touched.first +
			 o->actor.below(o->actor.cookie, o->touched.last - o->touched.first + 1);
	struct ml_model_result seen;
	const enum ml_model_fault fault =
		ml_model_walk(&o->spaces[o->space].model, va, ML_MODEL_READ, false, &seen);

	/* of a group whose members differ for a moment, walkers still use each */
	if (fault == ML_MODEL_OK || fault == ML_MODEL_GROUP)
		mark_entry(o, seen.entry_pa, va, seen.level);
}

void ml_oracle_act(struct ml_oracle *o)
{
	const struct oracle_space *space = &o->spaces[o->space];

	if (!o->actor.below || !o->operating || !space->live || !space->model.hardware_accessed ||
	    o->may_lose)
		return;
	if (o->touched.first > o->touched.last || o->actor.below(o->actor.cookie, 4) != 0)
		return;
	if (o->leaves.count && o->actor.below(o->actor.cookie, 2))
		mark_unlinked(o);
	else
		mark_linked(o);
}

void ml_oracle_check_marks(struct ml_oracle *o, ml_oracle_promise *promise, const void *after)
{
	for (size_t i = 0; i < o->marks.count && !o->failed; i++) {
		const struct oracle_mark *mark = &o->marks.items[i];
		struct ml_oracle_page page = { .last = mark->last };
		struct ml_model_result seen = { 0 };
		ml_prot lost = mark->bits & ~o->may_lose;

		/* Where writing was taken away, dirty may be kept in a way of software's own. */
		promise(after, mark->first, &page);
		ml_model_walk(&o->spaces[o->space].model, mark->first, ML_MODEL_READ, false, &seen);
		if (page.mapped && page.pa == mark->pa && seen.pa == mark->pa)
			lost &= ~(seen.prot & ML_WRITE ? seen.prot : seen.prot | ML_DIRTY);
		if (lost)
			ml_oracle_fail(o,
				       "(f) va 0x%" PRIx64 ": it was marked %s, and nobody heard",
				       mark->first, lost & ML_DIRTY ? "dirty" : "accessed");
	}
}
