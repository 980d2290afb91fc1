/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What a range maps is carried to another place: the same addresses of another table (copy), or
 * others of the same one (move). Here are the steps that this goes in, the same when it is counted
 * and when it is done, and the ways to arrive.
 */
#ifndef ML_TABLE_CARRY_H
#define ML_TABLE_CARRY_H

#include "table/map.h"

enum carry_kind {
	CARRY_NOTHING, /* a hole */
	CARRY_ENTRIES, /* as they are, into one table */
	CARRY_PIECES   /* of a leaf that cannot stay as large as it is */
};

struct carry_step {
	ml_va va, end;
	struct place at;
	unsigned count; /* entries */
	enum carry_kind kind;
};

struct carrier {
	struct ml_table *from, *to;
	ml_va first, last;
	uint64_t delta;         /* from where things are to where they go */
	unsigned relink;        /* the highest level whose tables go as they are; 0: none do */
	bool emptied;           /* counting: nothing will be where things go, not even tables */
	struct supply cut;      /* tables for splits where things are, */
	struct supply land;     /* and for where they go */
	struct carry_step step; /* set by counting: the first one, often the only one */
};

/* The entries of one table, or of a part of it, that hold nothing. */
ML_INLINE bool entries_are_empty(const struct ml_format *f, const ml_pte *p, unsigned count)
{
	ml_pte any = 0;
	unsigned i;

	for (i = 0; i < count; i++)
		any |= entry_load(f, p + i);
	return !any;
}

/* Whether the table below `at` may be linked where it would go: nothing stands there. */
ML_INLINE bool carries_table(const struct ml_format *f, const struct carrier *c, struct place at,
			     ml_va va)
{
	if (at.level > c->relink)
		return false;
	return c->emptied || !descend(f, c->to, va + c->delta, at.level).pte;
}

/* Whether the leaf at `at` goes whole: it lies in the range, and is aligned where it goes. */
ML_INLINE bool carries_leaf(const struct ml_format *f, const struct carrier *c, struct place at,
			    ml_va va)
{
	const struct span span = leaf_span(f, at, va);

	return !span_is_cut(span, c->first, c->last) && !(c->delta & (span.last - span.first));
}

/* How many of `most` entries from `at` on may be members of groups that go whole. */
ML_INLINE unsigned whole_groups(const struct ml_format *f, const struct carrier *c, struct place at,
				ml_va va, unsigned most)
{
	const unsigned rung = f->group_rung[at.level];
	const unsigned shift = rung ? f->rungs[rung].shift : 0;
	ml_va cut;

	if (!rung || ml_align_last(c->last, shift) == c->last)
		return ml_aligned(c->delta, shift) ? most : 0;
	cut = ml_align_down(c->last, shift);
	if (!ml_aligned(c->delta, shift) || cut <= va)
		return 0;
	return (unsigned)ml_min(most, (cut - va) >> f->level_shift[at.level]);
}

/* How many of `most` entries go before a table that does not go as it is. */
ML_INLINE unsigned before_table(const struct ml_format *f, const struct carrier *c, struct place at,
				ml_va va, unsigned most)
{
	const bool relinks = at.level <= c->relink;
	const struct place to = descend(f, c->to, va + c->delta, at.level);
	unsigned i;

	for (i = 1; at.level && i < most; i++) {
		if (!codec_is_table(f, entry_load(f, at.entry + i), at.level))
			continue;
		if (!relinks)
			return i;
		if (!c->emptied && to.level == at.level && entry_load(f, to.entry + i))
			return i;
	}
	return most;
}

/* How many entries from `at` on, which is one of them, go as they are into one table. */
ML_PART unsigned carried_entries(const struct ml_format *f, const struct carrier *c,
				 struct place at, ml_va va)
{
	const unsigned level = at.level;
	const unsigned room = table_entries(f, level) - index_of(f, va + c->delta, level);
	const unsigned covered = (unsigned)ml_min(room, covered_entries(f, va, c->last, level));
	const unsigned most = before_table(f, c, at, va, covered);
	unsigned i;

	if (!codec_group(f))
		return most;
	for (i = (unsigned)ml_max(1, whole_groups(f, c, at, va, most)); i < most; i++) {
		const ml_pte pte = entry_load(f, at.entry + i);

		if (pte & codec_group(f) && codec_is_leaf(f, pte, level))
			break;
	}
	return i;
}

/* The step that begins at va. What software wrote in place of a large leaf has no pieces. */
ML_PART int carry_next(const struct ml_format *f, const struct carrier *c, ml_va va,
		       struct carry_step *step)
{
	struct place at = descend(f, c->from, va, cover_level(f, c->relink, va, c->last));
	unsigned shift;

	while (codec_is_table(f, at.pte, at.level) && !carries_table(f, c, at, va))
		at = descend(f, c->from, va, at.level - 1);
	shift = f->level_shift[at.level];
	step->va = va;
	step->at = at;
	step->count = 0;
	step->kind = CARRY_NOTHING;
	step->end = c->last;
	if (!at.pte) {
		step->end = skip_hole(f, at, va, c->last);
	} else if (codec_is_leaf(f, at.pte, at.level) && !carries_leaf(f, c, at, va)) {
		step->kind = CARRY_PIECES;
		step->end = ml_min(c->last, leaf_span(f, at, va).last);
	} else if (!ml_aligned(va | c->delta, shift) || entry_last(f, va, at.level) > c->last) {
		return ML_ERR_ARGUMENT;
	} else {
		step->kind = CARRY_ENTRIES;
		step->count = carried_entries(f, c, at, va);
		step->end = va + (((uint64_t)step->count << shift) - 1);
	}
	return ML_OK;
}

/* ---- pieces ------------------------------------------------------------------------ */

/* What splits of a leaf of this size may leave: any block below it, and the groups allowed. */
ML_INLINE uint32_t piece_sizes(const struct ml_format *f, const struct ml_table *t, unsigned rung)
{
	uint32_t rungs = t->rungs;
	unsigned level;

	for (level = 0; level < ML_LEVEL_MAX; level++)
		rungs |= (uint32_t)1 << f->block_rung[level];
	return rungs & (((uint32_t)1 << rung) - 1);
}

/* The first run of the largest pieces, for `left` bytes at va. */
ML_INLINE struct mapping_run next_pieces(const struct ml_format *f, uint32_t rungs, ml_va va,
					 ml_pa pa, uint64_t left)
{
	struct mapping_run run;
	uint64_t count;

	run.va = va;
	run.pa = pa;
	run.rung = plan_rung(f, rungs, va, pa, left);
	count = plan_count(f, rungs, run.rung, va, pa, left);
	run.last = va + ((count << f->rungs[run.rung].shift) - 1);
	return run;
}

/* The tables that the pieces of a leaf own in a run. */
ML_INLINE uint64_t run_owed(const struct ml_format *f, const struct ml_table *t, ml_pte leaf,
			    const struct mapping_run *run)
{
	const unsigned level = f->rungs[run->rung].level;

	return (((run->last - run->va) >> f->level_shift[level]) + 1) *
	       tables_owed(f, t, leaf, level);
}

/*
 * Make the part of `leaf` that a step carries, as large as it can be; returns what its leaves own.
 */
ML_PART uint64_t put_pieces(const struct ml_format *f, struct carrier *c, struct ml_op *op,
			    const struct carry_step *step, ml_pte leaf)
{
	const unsigned level = step->at.level, rung = rung_of(f, step->at.pte, level);
	const uint32_t rungs = piece_sizes(f, c->to, rung);
	const ml_pa frame = codec_leaf_pa(f, leaf, level);
	ml_pa pa = frame + (step->va & (ML_BIT(f->level_shift[level]) - 1));
	ml_va va = step->va + c->delta;
	uint64_t left = step->end - step->va + 1, owed = 0;

	while (left) {
		const struct mapping_run run = next_pieces(f, rungs, va, pa, left);
		const unsigned below = f->rungs[run.rung].level;
		const uint64_t bytes = run.last - va + 1;
		ml_pte bits = codec_relevel(f, leaf & ~codec_group(f), level, below) - frame;

		if (f->rungs[run.rung].lg2_entries)
			bits |= codec_group(f);
		store_run(f, c->to, op, &c->land, &run, bits);
		owed += run_owed(f, c->to, leaf, &run);
		va += bytes;
		pa += bytes;
		left -= bytes;
	}
	return owed;
}

/* ---- counting ---------------------------------------------------------------------- */

/* The tables on the way to where entries go, or something in theirs. */
ML_PART int count_entries(const struct ml_format *f, const struct carrier *c,
			  const struct carry_step *step, struct plan_tables *sum)
{
	const ml_va va = step->va + c->delta;
	const struct place to = descend(f, c->to, va, step->at.level);
	const unsigned above = c->emptied ? root_level(c->to) : to.level;
	unsigned i;

	if (c->emptied || above > step->at.level) {
		plan_count_span(f, sum, va, step->end + c->delta, step->at.level, above);
		return ML_OK;
	}
	if (entries_are_empty(f, to.entry, step->count))
		return ML_OK;
	for (i = 0; i < step->count; i++)
		if (entry_load(f, to.entry + i) && entry_load(f, step->at.entry + i))
			return ML_ERR_EXISTS;
	return ML_OK;
}

/* What the leaves of a piece would own where it stands. */
ML_PART uint64_t pieces_owed(const struct ml_format *f, const struct ml_table *t,
			     const struct carry_step *step)
{
	const uint32_t rungs = piece_sizes(f, t, rung_of(f, step->at.pte, step->at.level));
	ml_va va = step->va;
	uint64_t owed = 0;

	while (t->guaranteed) {
		/* frames are aligned as addresses are */
		const struct mapping_run run = next_pieces(f, rungs, va, va, step->end - va + 1);

		owed += run_owed(f, t, step->at.pte, &run);
		if (run.last == step->end)
			break;
		va = run.last + 1;
	}
	return owed;
}

ML_PART int count_pieces(const struct ml_format *f, const struct carrier *c,
			 const struct carry_step *step, struct plan_tables *sum, uint64_t *owed)
{
	const unsigned level = step->at.level;
	const uint32_t rungs = piece_sizes(f, c->to, rung_of(f, step->at.pte, level));
	ml_pa pa = codec_leaf_pa(f, step->at.pte, level) +
		   (step->va & (ML_BIT(f->level_shift[level]) - 1));
	ml_va va = step->va + c->delta;
	uint64_t left = step->end - step->va + 1;
	int error = ML_OK;

	while (left && !error) {
		const struct mapping_run run = next_pieces(f, rungs, va, pa, left);
		const uint64_t bytes = run.last - va + 1;

		if (c->emptied)
			plan_count_span(f, sum, run.va, run.last, f->rungs[run.rung].level,
					root_level(c->to));
		else
			error = count_run(f, c->to, &run, sum);
		*owed += run_owed(f, c->to, step->at.pte, &run);
		va += bytes;
		pa += bytes;
		left -= bytes;
	}
	return error;
}

/* Whether nothing is there but empty tables. */
ML_INLINE bool range_is_free(const struct ml_format *f, const struct ml_table *t, ml_va va,
			     ml_va last)
{
	for (;; va++) {
		const struct place at = descend(f, t, va, 0);

		if (at.pte)
			return false;
		va = skip_hole(f, at, va, last);
		if (va == last)
			return true;
	}
}

/* What the leaves among these entries own. */
ML_INLINE uint64_t entries_owed(const struct ml_format *f, const struct ml_table *t,
				const struct carry_step *step)
{
	const unsigned level = step->at.level;
	uint64_t owners = 0;
	unsigned i;

	if (!t->guaranteed || !level)
		return 0;
	for (i = 0; i < step->count; i++) {
		const ml_pte pte = entry_load(f, step->at.entry + i);

		owners += codec_is_leaf(f, pte, level) & !(pte & t->refault_bit);
	}
	return owners * tables_owed(f, t, 0, level);
}

/* What the leaves of a step own before they go to another place of the same table. */
ML_INLINE uint64_t step_owed(const struct ml_format *f, const struct carrier *c,
			     const struct carry_step *step)
{
	const struct span span = leaf_span(f, step->at, step->va);
	const unsigned shift = f->level_shift[step->at.level];

	if (span_is_cut(span, c->first, c->last))
		return pieces_owed(f, c->from, step);
	return (((step->end - step->va) >> shift) + 1) *
	       tables_owed(f, c->from, step->at.pte, step->at.level);
}

/*
 * The dry run: tables on the way, and what the leaves will own where they go. In the same table
 * they keep what they own.
 */
ML_PART int count_carried(const struct ml_format *f, struct carrier *c, struct demand *demand)
{
	const bool moves = c->from == c->to;
	struct plan_tables sum = { 0, { 0 } };
	uint64_t owed = 0, owned = 0;
	struct carry_step step;
	ml_va va = c->first;
	int error;

	if (!c->emptied && !range_is_free(f, c->to, va + c->delta, c->last + c->delta))
		return ML_ERR_EXISTS;
	do {
		error = carry_next(f, c, va, &step);
		c->step = va == c->first ? step : c->step;
		if (!error && step.kind == CARRY_ENTRIES) {
			error = count_entries(f, c, &step, &sum);
			owed += moves ? 0 : entries_owed(f, c->to, &step);
		} else if (!error && step.kind == CARRY_PIECES) {
			error = count_pieces(f, c, &step, &sum, &owed);
			owned += moves ? step_owed(f, c, &step) : 0;
		}
		va = step.end + 1;
	} while (!error && step.end != c->last);
	demand->tables = sum.tables;
	demand->deposits = owed - ml_min(owed, owned);
	return error;
}

/*
 * Make sure of the tables: `cut` for splits, or what the deposits lack for them in a guaranteed
 * table, and `land` for where things go. What the caller brings serves both.
 */
ML_PART int open_carrier(struct carrier *c, struct ml_op *op, uint64_t cut, uint64_t land)
{
	const bool brings = op && op->reserve;
	int error = ML_OK;

	c->cut.from = brings ? op->reserve : &c->cut.own;
	c->cut.own.first = NULL;
	c->cut.own.count = 0;
	if (cut && !brings && !is_dry(op))
		error = ml_supply_fill(c->from, op, &c->cut.own, cut);
	if (!error)
		error = ml_supply_open(c->to, op, &c->land, land + (brings ? cut : 0));
	if (error)
		supply_close(c->from, op, &c->cut);
	if (op)
		op->tables_needed = cut + land;
	if (!error && !is_dry(op) && c->from->guaranteed) {
		deposit(c->from, &c->cut, cut);
		c->cut.from = &c->from->spare;
	}
	return error;
}

ML_INLINE void close_carrier(struct carrier *c, struct ml_op *op)
{
	supply_close(c->from, op, &c->cut);
	supply_close(c->to, op, &c->land);
}

/* ---- arriving ---------------------------------------------------------------------- */

/* Where entries arrive: in a table that is there, or in a new one that is linked when it is full.
 */
struct landing {
	ml_pte *p;
	ml_pte *table, *link; /* of the new one; table NULL: none */
	ml_pa pa;
};

ML_INLINE struct landing land(const struct ml_format *f, struct carrier *c, struct ml_op *op,
			      const struct carry_step *step)
{
	const unsigned level = step->at.level;
	const ml_va va = step->va + c->delta;
	const struct place to = descend(f, c->to, va, level);
	const unsigned index = index_of(f, va, level);
	struct landing at = { to.entry, NULL, NULL, 0 };

	if (to.level == level)
		return at;
	at.link = build_path(f, c->to, op, &c->land, to, va, level);
	at.table = start_table(f, c->to, &c->land, index, step->count, level, &at.pa);
	at.p = at.table + index;
	return at;
}

ML_INLINE void landed(const struct ml_format *f, const struct carrier *c, struct ml_op *op,
		      const struct carry_step *step, const struct landing *at)
{
	if (at->table)
		link_table(f, c->to, op, at->link, at->table, at->pa, step->at.level);
	else
		publish(c->to, op, at->p, step->count);
}

/* One entry arrives; what is empty is so already in a table that is there. */
ML_INLINE void put_carried(const struct ml_format *f, const struct landing *at, unsigned i,
			   ml_pte pte)
{
	if (at->table)
		entry_fill(f, at->p + i, pte);
	else if (pte)
		entry_store(f, at->p + i, pte);
}

/* ---- limits ------------------------------------------------------------------------ */

/* What the tables on the way to an entry let through: in those of others, perhaps not all. */
struct limits {
	ml_pte all, any;
};

ML_PART struct limits limits_above(const struct ml_format *f, const struct ml_table *t, ml_va va,
				   unsigned level)
{
	struct limits limits = { ~(ml_pte)0, 0 };
	unsigned above;

	for (above = root_level(t); t->foreign && above > level; above--) {
		const ml_pte pte = descend(f, t, va, above).pte;

		limits.all &= pte;
		limits.any |= pte;
	}
	return limits;
}

#endif
