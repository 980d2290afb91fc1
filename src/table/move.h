/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Move: what a range maps, mapped at other addresses of the same table. Leaves go whole where they
 * can, and whole tables by their link alone.
 */
#ifndef ML_TABLE_MOVE_H
#define ML_TABLE_MOVE_H

#include "table/carry.h"

/* Tables go whole up to this level: none that others use or made, and where they are aligned. */
ML_INLINE unsigned relink_level(const struct ml_format *f, const struct ml_table *t,
				const struct carrier *c)
{
	const ml_va to = c->first + c->delta, to_last = c->last + c->delta;
	unsigned level =
		(unsigned)ml_min(top_level(f, t, c->first, c->last), top_level(f, t, to, to_last));

	if (t->foreign || t->never_fault)
		return 0;
	while (level && !ml_aligned(c->delta, f->level_shift[level]))
		level--;
	return level;
}

ML_PART int check_move(const struct ml_format *f, const struct ml_table *t, ml_va from, ml_va to,
		       uint64_t len)
{
	int error = check_change(f, t, from, len);

	if (!error)
		error = check_change(f, t, to, len);
	if (error)
		return error;
	if (to - from < len || from - to < len)
		return ML_ERR_ARGUMENT;
	if (!t->hitless && never_fault_in(t, to, to + (len - 1)))
		return ML_ERR_NEVER_FAULT;
	return check_cuts(f, t, from, from + (len - 1));
}

/* Entries leave one place and stand in the other. Walkers may mark leaves until they are gone. */
ML_PART void move_entries(const struct ml_format *f, struct carrier *c, struct gather *g,
			  const struct carry_step *step)
{
	const unsigned level = step->at.level, shift = f->level_shift[level];
	const struct limits limits = limits_above(f, c->from, step->va, level);
	const struct landing at = land(f, c, g->op, step);
	struct span leaves = { ~(ml_va)0, 0 }, tables = leaves;
	ml_va va = step->va;
	unsigned i;

	for (i = 0; i < step->count; i++, va += ML_BIT(shift)) {
		ml_pte pte = entry_load(f, step->at.entry + i);

		if (codec_is_leaf(f, pte, level)) {
			pte = take_entry(f, c->from, step->at.entry + i);
			pte = codec_limit(f, pte, limits.all, limits.any);
			leaves.first = ml_min(leaves.first, va);
			leaves.last = ml_align_last(va, shift);
		} else if (pte) {
			entry_store(f, step->at.entry + i, 0);
			if (codec_is_table(f, pte, level)) {
				tables.first = ml_min(tables.first, va);
				tables.last = ml_align_last(va, shift);
			}
		}
		put_carried(f, &at, i, pte);
	}
	write_back(c->from, g->op, step->at.entry, step->count);
	landed(f, c, g->op, step, &at);
	if (leaves.first <= leaves.last)
		gather_range(g, leaves.first, leaves.last, level, shift);
	if (tables.first <= tables.last)
		gather_tables_range(f, g, tables.first, tables.last);
}

/* A leaf that does not fit where it goes: as large as its pieces can be there. */
ML_PART void move_pieces(const struct ml_format *f, struct carrier *c, struct gather *g,
			 const struct carry_step *step)
{
	const unsigned level = step->at.level, shift = f->level_shift[level];
	const struct limits limits = limits_above(f, c->from, step->va, level);
	const unsigned count = (unsigned)((step->end - step->va) >> shift) + 1;
	const ml_pte first = take_entry(f, c->from, step->at.entry);
	ml_pte bits = 0, pte;
	unsigned i;

	for (i = 1; i < count; i++)
		bits |= take_entry(f, c->from, step->at.entry + i) ^
			(first + ((uint64_t)i << shift));
	write_back(c->from, g->op, step->at.entry, count);
	gather_range(g, step->va, step->end, level, shift);
	pte = codec_limit(f, codec_merge_ad(f, first, bits), limits.all, limits.any);
	owe_no_more(f, c->from, pte, level, count);
	c->from->owed += put_pieces(f, c, g->op, step, pte);
}

/*
 * Take out the tables that have become empty. Only when all has arrived: what was empty for a while
 * may be where something went.
 */
ML_PART void move_prune(const struct ml_format *f, struct carrier *c, struct gather *g)
{
	ml_va va = c->first;

	for (;; va++) {
		const struct place at = descend(f, c->from, va, 0);
		const unsigned index = index_of(f, va, at.level);
		const ml_va end = skip_hole(f, at, va, c->last);
		const ml_va start = ml_align_down(va, f->level_shift[at.level]);
		const unsigned count = (unsigned)((end - start) >> f->level_shift[at.level]) + 1;

		prune(f, g, va, at.entry - index, index, index + count, at.level,
		      top_level(f, c->from, va, va));
		va = end;
		if (va == c->last)
			return;
	}
}

/* Everything that can fail is behind us. */
ML_PART void move_range(const struct ml_format *f, struct carrier *c, struct gather *g)
{
	const struct edges edges = edges_find(f, g->t, c->first, c->last);
	struct carry_step step;
	ml_va va = c->first;

	part_unchanged(f, g, &c->cut, &edges, true, true);
	do {
		(void)carry_next(f, c, va, &step);
		if (step.kind == CARRY_ENTRIES)
			move_entries(f, c, g, &step);
		else if (step.kind == CARRY_PIECES)
			move_pieces(f, c, g, &step);
		va = step.end + 1;
	} while (step.end != c->last);
	move_prune(f, c, g);
}

/* Everything that can fail is behind us. */
ML_PART void move_all(const struct ml_format *f, struct carrier *c, uint64_t deposits,
		      struct ml_op *op)
{
	struct gather g;

	gather_open(&g, c->from, op);
	move_range(f, c, &g);
	gather_new(f, &g, c->first + c->delta, c->last + c->delta, 0, true);
	deposit(c->from, &c->land, deposits);
	gather_close(f, &g);
}

ML_INLINE int table_move(const struct ml_format *f, struct ml_table *t, ml_va from, ml_va to,
			 uint64_t len, struct ml_op *op)
{
	struct carrier c = {
		.from = t, .to = t, .first = from, .last = from + (len - 1), .delta = to - from
	};
	struct demand demand;
	struct edges edges;
	int error = check_move(f, t, from, to, len);

	if (error)
		return error;
	c.relink = relink_level(f, t, &c);
	c.emptied = is_dry(op) && op->flags & ML_OP_EMPTIED;
	error = count_carried(f, &c, &demand);
	if (error)
		return error;
	begin(t, op);
	edges = edges_find(f, t, from, c.last);
	error = open_carrier(&c, op, edge_tables(f, t, &edges, true),
			     demand.tables + demand.deposits);
	if (error || is_dry(op))
		return error;
	move_all(f, &c, demand.deposits, op);
	close_carrier(&c, op);
	return ML_OK;
}

#endif
