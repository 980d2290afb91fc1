/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Copy: what one table maps, mapped in another, in leaves of the same sizes; writing taken from
 * either, or both, on the way.
 */
#ifndef ML_TABLE_COPY_H
#define ML_TABLE_COPY_H

#include "table/carry.h"
#include "table/protect.h"

/* A copy under way. */
struct copier {
	struct carrier carrier;
	struct ml_edit edit; /* of the source, */
	bool protects;       /* if there is any; */
	ml_prot clears;      /* and what copies lose */
	uint64_t bytes;
};

/* The leaf as it arrives. */
ML_INLINE ml_pte copied(const struct ml_format *f, ml_prot clears, ml_pte pte)
{
	if (clears & ML_WRITE)
		pte = edit_protect(f, pte);
	if (clears & ML_DIRTY)
		pte = edit_clean(f, pte);
	return clears & ML_ACCESSED ? pte & ~codec_accessed(f) : pte;
}

/*
 * Take writing from the leaf pte at p; *pte is what it was, marks of hardware included. To one that
 * has all marks hardware has nothing to add.
 */
ML_INLINE bool take_write(const struct ml_format *f, ml_pte *p, ml_pte *pte, bool atomic)
{
	ml_pte to = edit_protect(f, *pte);

	if (to == *pte)
		return false;
	if (!atomic || (*pte & codec_accessed(f) && codec_is_dirty(f, *pte))) {
		entry_store(f, p, to);
		return true;
	}
	while (!entry_replace(f, p, pte, to))
		to = edit_protect(f, *pte);
	return true;
}

/* Entries one by one, each with what it holds itself. What does not vary is passed apart. */
ML_INLINE struct edit_result copy_loop(const struct ml_format *f, struct copier *copier,
				       const struct carry_step *step, const struct landing *to,
				       const struct limits *limits, bool protects, ml_prot clears,
				       bool atomic)
{
	const unsigned level = step->at.level, count = step->count;
	const struct landing at = *to;
	struct edit_result result = EDIT_RESULT(count);
	uint64_t leaves = 0;
	unsigned i;

	for (i = 0; i < count; i++) {
		ml_pte *p = step->at.entry + i;
		ml_pte pte = entry_load(f, p);

		if (!codec_own_is_leaf(f, pte, level)) { /* a table is none of these */
			put_carried(f, &at, i, pte);
			continue;
		}
		if (protects && take_write(f, p, &pte, atomic)) {
			result.first = result.changed ? result.first : i;
			edit_note(&result, i, 0);
		}
		if (limits)
			pte = codec_limit(f, pte, limits->all, limits->any);
		entry_put(f, at.p + i, copied(f, clears, pte), at.table != NULL);
		leaves++;
	}
	copier->bytes += leaves << f->level_shift[level];
	return result;
}

/* What entries lose is nearly always this. */
ML_INLINE struct edit_result copy_some(const struct ml_format *f, struct copier *copier,
				       const struct carry_step *step, const struct landing *to,
				       bool atomic)
{
	const struct limits limits =
		limits_above(f, copier->carrier.from, step->va, step->at.level);
	const bool protects = copier->protects;

	if (ML_UNLIKELY(copier->carrier.from->foreign))
		return copy_loop(f, copier, step, to, &limits, protects, copier->clears, atomic);
	if (protects && copier->clears == ML_WRITE)
		return copy_loop(f, copier, step, to, NULL, true, ML_WRITE, atomic);
	return copy_loop(f, copier, step, to, NULL, protects, copier->clears, atomic);
}

ML_PART void copy_entries(const struct ml_format *f, struct copier *copier, struct gather *g,
			  const struct carry_step *step)
{
	struct carrier *c = &copier->carrier;
	const struct landing at = land(f, c, g->op, step);
	const struct editor e = { .edit = &copier->edit, .level = step->at.level };
	struct edit_result result;

	if (ML_UNLIKELY(c->from->foreign) && c->from->live && copier->protects)
		part_torn(f, g, &e, step->at.entry, step->va, step->count);
	if (c->from->live && c->from->hardware_ad)
		result = copy_some(f, copier, step, &at, true);
	else
		result = copy_some(f, copier, step, &at, false);
	landed(f, c, g->op, step, &at);
	if (!result.changed)
		return;
	publish(c->from, g->op, step->at.entry, step->count);
	gather_edited(f, g, &e, step->at.entry, step->va, &result);
}

/* A part of a leaf: smaller ones in the copy, and in the source only if it changes. */
ML_PART void copy_pieces(const struct ml_format *f, struct copier *copier, struct gather *g,
			 const struct carry_step *step)
{
	struct carrier *c = &copier->carrier;
	const unsigned level = step->at.level;
	const struct limits limits = limits_above(f, c->from, step->va, level);
	ml_pte pte = step->at.pte;

	if (pte & codec_group(f))
		pte = group_gathered(f, step->at.entry, pte, step->va, level);
	if (c->from->foreign)
		pte = codec_limit(f, pte, limits.all, limits.any);
	(void)put_pieces(f, c, g->op, step, copied(f, copier->clears, pte));
	if (copier->protects)
		protect_range(f, g, &c->cut, &copier->edit,
			      edges_find(f, c->from, step->va, step->end));
	copier->bytes += step->end - step->va + 1;
}

/* Everything that can fail is behind us. */
ML_PART void copy_range(const struct ml_format *f, struct copier *copier, struct ml_op *op)
{
	struct carrier *c = &copier->carrier;
	struct carry_step step = c->step;
	struct gather g;

	gather_open(&g, c->from, op);
	for (;;) {
		if (step.kind == CARRY_ENTRIES)
			copy_entries(f, copier, &g, &step);
		else if (step.kind == CARRY_PIECES)
			copy_pieces(f, copier, &g, &step);
		if (step.end == c->last)
			break;
		(void)carry_next(f, c, step.end + 1, &step);
	}
	gather_close(f, &g);
}

/* Whether what stands in the one table may stand in the other as it is. */
ML_INLINE bool tables_are_alike(const struct ml_table *to, const struct ml_table *from)
{
	return to->format == from->format && to->levels == from->levels &&
	       to->origin == from->origin && to->rungs == from->rungs &&
	       to->types.type_of_slot == from->types.type_of_slot && to->ad_unit == from->ad_unit &&
	       to->pa_bits >= from->pa_bits && (from->small_exec || !to->small_exec);
}

ML_PART int check_copy(const struct ml_format *f, const struct copier *copier, ml_va va,
		       uint64_t len)
{
	const struct ml_table *from = copier->carrier.from, *to = copier->carrier.to;
	int error;

	if (to == from)
		return ML_ERR_ARGUMENT;
	if (!tables_are_alike(to, from))
		return ML_ERR_CONFIG;
	error = check_change(f, from, va, len);
	if (!error)
		error = check_change(f, to, va, len);
	if (error)
		return error;
	if (copier->edit.mask & ~ML_WRITE || copier->clears & ~(ML_WRITE | ML_PROT_AD))
		return ML_ERR_PROT;
	if (!to->hitless && never_fault_in(to, va, va + (len - 1)))
		return ML_ERR_NEVER_FAULT;
	if (copier->protects && never_breaks(from, va, va + (len - 1)))
		return check_edit_breaks(f, from, &copier->edit, va, va + (len - 1));
	return ML_OK;
}

ML_INLINE int table_copy(const struct ml_format *f, struct ml_table *to, struct ml_table *from,
			 ml_va va, uint64_t len, ml_prot from_clears, ml_prot copy_clears,
			 struct ml_op *op)
{
	struct copier copier = {
		.carrier = { .from = from, .to = to, .first = va, .last = va + (len - 1) },
		.edit = edit_make(f, from_clears, 0),
		.protects = from_clears != 0,
		.clears = copy_clears,
	};
	struct carrier *c = &copier.carrier;
	struct demand demand;
	uint64_t cut = 0;
	int error = check_copy(f, &copier, va, len);

	if (!error)
		error = count_carried(f, c, &demand);
	if (error)
		return error;
	begin(from, op);
	begin(to, op);
	if (copier.protects)
		cut = protect_tables(f, from, &copier.edit, edges_find(f, from, va, c->last));
	error = open_carrier(c, op, cut, demand.tables + demand.deposits);
	if (error || is_dry(op))
		return error;
	copy_range(f, &copier, op);
	tell_linked(f, to, op, va, c->last);
	deposit_owed(to, &c->land, demand.deposits);
	close_carrier(c, op);
	if (op)
		op->bytes = copier.bytes;
	return ML_OK;
}

#endif
