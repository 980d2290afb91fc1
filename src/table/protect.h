/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Protect: change what the mask names in every leaf of a range. Leaves that reach over an end are
 * split, but only if they change at all.
 */
#ifndef ML_TABLE_PROTECT_H
#define ML_TABLE_PROTECT_H

#include "table/edit.h"

/* Those that come apart change what they are; the edit of what lies in the range is counted. */
ML_PART void edit_ends(const struct ml_format *f, struct gather *g, struct supply *supply,
		       struct apart *a, unsigned count)
{
	unsigned i;

	take_apart(f, g, supply, a, count);
	for (i = 0; g->op && i < count; i++, a++) {
		const struct editor e = editor_at(f, g->t, a->parting->edit, a->level);
		const ml_va last = ml_min(apart_last(f, a), a->parting->last);

		if (edited(f, g->t, &e, a->leaf) != a->leaf)
			g->op->bytes += last - ml_max(a->run.va, a->parting->va) + 1;
	}
}

/* Whether the leaf at va, or any of its group, changes, and comes apart if it is cut. */
ML_PART bool edit_cuts(const struct ml_format *f, const struct ml_table *t,
		       const struct ml_edit *edit, struct place at, ml_va va)
{
	const struct editor e = editor_at(f, t, edit, at.level);
	struct members m = { at.entry, 1, va };
	unsigned i;

	if (!codec_is_leaf(f, at.pte, at.level))
		return false;
	if (at.pte & codec_group(f))
		m = group_around(f, at.entry, va, at.level);
	if (m.count > 1 && spreads(t, edit))
		return false;
	for (i = 0; i < m.count; i++) {
		const ml_pte pte = entry_load(f, m.first + i);

		if (edited(f, t, &e, pte) != pte)
			return true;
	}
	return false;
}

/* Protect what one table holds of [va, last]; returns the last address dealt with. */
ML_PART ml_va protect_some(const struct ml_format *f, struct gather *g, struct supply *supply,
			   const struct parting *parting, struct editor *e, ml_va va, ml_va last)
{
	const struct place at = descend(f, g->t, va, 0);
	const unsigned shift = f->level_shift[at.level];
	struct edges edges;
	unsigned count;

	if (e->level != at.level)
		*e = editor_at(f, g->t, e->edit, at.level);
	if (at.level) {
		if (!codec_is_leaf(f, at.pte, at.level) ||
		    (edited(f, g->t, e, at.pte) == at.pte && !(at.pte & codec_group(f))))
			return ml_min(last, entry_last(f, va, at.level));
		if (!ml_aligned(va, shift) || entry_last(f, va, at.level) > last) {
			if (edited(f, g->t, e, at.pte) == at.pte)
				return ml_min(last, entry_last(f, va, at.level));
			/* hardware marked it after the edges were looked at */
			edges = edges_find(f, g->t, parting->va, parting->last);
			part_unchanged(f, g, supply, &edges, va == parting->va,
				       entry_last(f, va, at.level) > parting->last);
			return va - 1;
		}
	}
	count = covered_entries(f, va, last, at.level);
	unfold_cut_ends(f, g, e, at.entry, va, count);
	count = edit_entries(f, g, e, at.entry, va, count);
	return va + (((uint64_t)count << shift) - 1);
}

/* Whether a leaf that is large would become executable where none may be. */
ML_PART bool edit_is_too_large(const struct ml_format *f, const struct ml_table *t,
			       const struct ml_edit *edit, ml_va va, ml_va last)
{
	struct ml_cursor cursor = { va, last, false };
	struct ml_run run;

	if (!t->small_exec || !is_executable(edit->value))
		return false;
	while (table_run_next(f, t, &cursor, &run))
		if (run.rung && is_executable(edit_prot(edit, run.prot) & ~run.prot))
			return true;
	return false;
}

/*
 * Whether the edit breaks the leaf at v, because [va, last] cuts it or because of what changes. The
 * group of v counts as a whole.
 */
ML_PART bool edit_breaks_at(const struct ml_format *f, const struct ml_table *t,
			    const struct ml_edit *edit, ml_va v, ml_va va, ml_va last)
{
	const struct place at = descend(f, t, v, 0);
	const struct editor e = editor_at(f, t, edit, at.level);
	const unsigned shift = f->level_shift[at.level];
	const ml_pte kept = ~(t->hitless ? codec_group(f) : 0);
	const struct span entry = { ml_align_down(v, shift), ml_align_last(v, shift) };
	bool changes = t->hardware_ad && edit->mask & ML_PROT_AD, breaks = false;
	struct span span;
	uint64_t i;

	if (!codec_is_leaf(f, at.pte, at.level))
		return false;
	span = leaf_span(f, at, v);
	for (i = 0; i <= (span.last - span.first) >> shift; i++) {
		const ml_pte *p = at.entry - ((v - span.first) >> shift) + i;
		const ml_pte pte = entry_load(f, p), to = edited(f, t, &e, pte);

		changes |= to != pte;
		breaks |= to != pte && edit_breaks(f, pte & kept, to & kept, at.level);
	}
	if (t->hitless || !span_is_cut(span, va, last) ||
	    (spreads(t, edit) && at.pte & codec_group(f) && !span_is_cut(entry, va, last)))
		return breaks;
	return changes;
}

/* Whether the edit leaves standing what must never fault. */
ML_PART int check_edit_breaks(const struct ml_format *f, const struct ml_table *t,
			      const struct ml_edit *edit, ml_va va, ml_va last)
{
	const bool everywhere = edit_may_break(f, edit, t->foreign);
	const struct ml_never_fault *range = t->never_fault;

	for (; range; range = range->next) {
		const ml_va to = ml_min(last, range->va + (range->len - 1));
		ml_va at = ml_max(va, range->va), end;

		if (at > to)
			continue;
		for (;; at = end + 1) {
			end = entry_last(f, at, descend(f, t, at, 0).level);
			if (edit_breaks_at(f, t, edit, at, va, last))
				return ML_ERR_NEVER_FAULT;
			if (end >= to)
				break;
			if (!everywhere) /* only the ends may be cut */
				end = ml_align_down(to, f->page_shift) - 1;
		}
	}
	return ML_OK;
}

/* Whether every leaf of the range can hold what the edit makes of it. */
ML_PART int check_edit(const struct ml_format *f, const struct ml_table *t,
		       const struct ml_edit *edit, ml_va va, ml_va last)
{
	struct ml_cursor cursor = { va, last, false };
	struct ml_run run;
	ml_prot outside = edit->value & ~f->prot_mask;

	if (edit->value & ~edit->mask || edit->mask & (~ML_PROT_ALL | t->refaultable) || outside)
		return ML_ERR_PROT;
	if (edit->mask & ML_READ && !(edit->value & ML_READ))
		return ML_ERR_PROT;
	if (edit->mask & ML_TYPE_MASK && ((edit->mask & ML_TYPE_MASK) != ML_TYPE_MASK ||
					  codec_slot_of(&t->types, edit->value) == ML_NO_SLOT))
		return ML_ERR_PROT;
	while (!edit_is_closed(edit) && table_run_next(f, t, &cursor, &run))
		if (!codec_rights_expressible(f, edit_prot(edit, run.prot)))
			return ML_ERR_PROT;
	if (ML_UNLIKELY(edit_is_too_large(f, t, edit, va, last)))
		return ML_ERR_SIZE;
	return never_breaks(t, va, last) ? check_edit_breaks(f, t, edit, va, last) : ML_OK;
}

/*
 * Whether a leaf will be found to change: it does now, or it may be marked before its turn comes,
 * by hardware or because its group unfolds, and the marks are what changes.
 */
ML_INLINE bool may_change(const struct ml_format *f, const struct ml_table *t,
			  const struct ml_edit *edit, struct place at)
{
	const struct editor editor = editor_at(f, t, edit, at.level);
	const bool marked = (t->live && t->hardware_ad) || at.pte & codec_group(f);

	return edited(f, t, &editor, at.pte) != at.pte || (edit->mask & ML_PROT_AD && marked);
}

/* Tables that cutting the leaves at both edges takes, if they change. */
ML_INLINE uint64_t protect_tables(const struct ml_format *f, const struct ml_table *t,
				  const struct ml_edit *edit, struct edges edges)
{
	bool changes;

	if (edges.first.level == 0 && edges.end.level == 0)
		return 0;
	changes = may_change(f, t, edit, edges.first);
	if (!changes)
		edges.va = ml_align_down(edges.va, f->level_shift[edges.first.level]);
	if (edges.end.entry != edges.first.entry)
		changes = may_change(f, t, edit, edges.end);
	if (!changes)
		edges.last = entry_last(f, edges.last, edges.end.level);
	return edge_tables(f, t, &edges, true);
}

/*
 * Whether a leaf comes apart under the eyes of walkers that bear both sizes, but only if nothing
 * else about it changes (Arm ARM D8.16.1).
 */
ML_INLINE bool edit_passes(const struct ml_format *f, const struct ml_table *t, struct place at)
{
	return t->live && !t->break_size && !(t->break_group && at.pte & codec_group(f));
}

/* Everything that can fail is behind us; what comes apart at both edges, comes last. */
ML_PART void protect_range(const struct ml_format *f, struct gather *g, struct supply *supply,
			   const struct ml_edit *edit, struct edges edges)
{
	const struct parting parting = { edges.va, edges.last, edit, PARTING_ENDS };
	const bool first = edit_cuts(f, g->t, edit, edges.first, edges.va);
	const bool second = edges.end.entry == edges.first.entry
				    ? first
				    : edit_cuts(f, g->t, edit, edges.end, edges.last);
	const bool passes[] = { first && edit_passes(f, g->t, edges.first),
				second && edit_passes(f, g->t, edges.end) };
	struct editor editor = editor_at(f, g->t, edit, 0);
	struct ends ends;

	if (passes[0] || passes[1]) {
		part_unchanged(f, g, supply, &edges, passes[0], passes[1]);
		if (edit->mask & (ML_TYPE_MASK | ML_GLOBAL))
			gather_flush(f, g); /* of one type only may walkers hold two sizes */
		edges = edges_find(f, g->t, edges.va, edges.last);
	}
	ends_find(f, g, &ends, &parting, &edges, first, second);
	while (ends.between) {
		const ml_va end = protect_some(f, g, supply, &parting, &editor, ends.from, ends.to);

		ends.between = end != ends.to;
		ends.from = end + 1;
	}
	edit_ends(f, g, supply, ends.apart, ends.count);
}

ML_INLINE int table_protect(const struct ml_format *f, struct ml_table *t, ml_va va, uint64_t len,
			    ml_prot mask, ml_prot value, struct ml_op *op)
{
	const struct ml_edit edit = edit_make(f, mask, value);
	const ml_va last = va + len - 1;
	struct edges edges;
	struct change c;
	int error = check_change(f, t, va, len);

	if (!error)
		error = check_edit(f, t, &edit, va, last);
	if (error)
		return error;
	begin(t, op);
	edges = edges_find(f, t, va, last);
	error = open_change(t, op, &c, protect_tables(f, t, &edit, edges));
	if (error || is_dry(op))
		return error;
	protect_range(f, &c.gather, &c.supply, &edit, edges);
	close_change(f, &c);
	return ML_OK;
}

#endif
