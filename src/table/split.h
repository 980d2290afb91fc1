/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ml_split: leaves down to a size, over a range. */
#ifndef ML_TABLE_SPLIT_H
#define ML_TABLE_SPLIT_H

#include "table/unmap.h"

/* The end of the leaf or hole that va is in; for small pages, of all that cannot be larger. */
ML_INLINE ml_va split_skip(const struct ml_format *f, struct place at, ml_va va, ml_va last)
{
	const unsigned group = f->group_rung[0];

	if (at.level)
		return ml_min(last, entry_last(f, va, at.level));
	return ml_min(last,
		      group ? ml_align_last(va, f->rungs[group].shift) : entry_last(f, va, 1));
}

ML_INLINE bool is_larger(const struct ml_format *f, struct place at, unsigned rung)
{
	return codec_is_leaf(f, at.pte, at.level) && rung_of(f, at.pte, at.level) > rung;
}

/* What [va, last] of the leaf at `at` takes to come down to `level`. */
ML_INLINE uint64_t split_tables(const struct ml_format *f, const struct ml_table *t,
				struct place at, ml_va va, ml_va last, unsigned level)
{
	uint64_t tables = 0;

	for (; level < at.level; level++) {
		const unsigned shift = f->level_shift[level + 1];

		tables += ((last >> shift) - (va >> shift) + 1) * split_cost(f, t, at.pte, level);
	}
	return tables;
}

/* What is to be allocated to bring down what meets [va, last]. */
ML_PART uint64_t count_split(const struct ml_format *f, const struct ml_table *t, ml_va va,
			     ml_va last, unsigned rung)
{
	uint64_t tables = 0;

	for (;;) {
		const struct place at = descend(f, t, va, 0);
		const ml_va end = split_skip(f, at, va, last);

		if (is_larger(f, at, rung))
			tables += split_tables(f, t, at, va, end, f->rungs[rung].level);
		if (end == last)
			return tables;
		va = end + 1;
	}
}

/* Whether a leaf that would come apart has to be broken, and must not be. */
ML_PART int check_split(const struct ml_format *f, const struct ml_table *t, ml_va va, ml_va last,
			unsigned rung)
{
	if (!never_breaks(t, va, last) || t->hitless)
		return ML_OK;
	for (;;) {
		const struct place at = descend(f, t, va, 0);
		const ml_va end = split_skip(f, at, va, last);

		if (is_larger(f, at, rung)) {
			const struct span span = leaf_span(f, at, va);

			if (never_fault_in(t, span.first, span.last))
				return ML_ERR_NEVER_FAULT;
		}
		if (end == last)
			return ML_OK;
		va = end + 1;
	}
}

/* Entries of one table that are broken together; no table has more. */
#define SPLIT_ENTRIES 512

/* Entries of a table that come down together, and which of them are broken. */
struct batch {
	ml_pte *p;
	ml_va va;
	unsigned count, level;
	uint64_t broken[SPLIT_ENTRIES / 64];
};

ML_INLINE ml_va batch_va(const struct ml_format *f, const struct batch *b, unsigned i)
{
	return b->va + ((uint64_t)i << f->level_shift[b->level]);
}

ML_INLINE bool batch_breaks(struct batch *b, unsigned i)
{
	return b->broken[i / 64] >> (i % 64) & 1;
}

ML_INLINE void batch_break(struct batch *b, unsigned i)
{
	b->broken[i / 64] |= ML_BIT(i % 64);
}

/*
 * What the table of `at` holds of [va, last], rounded out to what one entry or group maps; whether
 * that is more than one.
 */
ML_INLINE bool batch_open(const struct ml_format *f, struct batch *b, struct place at, ml_va va,
			  ml_va last)
{
	const struct members m = members_of(f, at.entry, at.pte, va, at.level);
	const unsigned room = table_entries(f, at.level) - index_of(f, m.va, at.level);
	const uint64_t wanted = ((last - m.va) >> f->level_shift[at.level]) + 1;
	const uint64_t whole = (wanted + m.count - 1) & ~(uint64_t)(m.count - 1);
	const struct batch batch = { m.first, m.va, 0, at.level, { 0 } };

	*b = batch;
	b->count = (unsigned)ml_min(ml_min(room, SPLIT_ENTRIES), whole);
	return b->count > m.count;
}

/* All groups in it come apart. */
ML_PART void split_groups(const struct ml_format *f, struct gather *g, struct batch *b)
{
	const unsigned size = 1u << f->rungs[f->group_rung[b->level]].lg2_entries;
	const uint64_t step = ML_BIT(f->level_shift[b->level]);
	unsigned i;

	for (i = 0; i < b->count; i += size) {
		const ml_pte pte = entry_load(f, b->p + i);
		ml_pte merged;

		if (!codec_is_leaf(f, pte, b->level) || !(pte & codec_group(f)))
			continue;
		merged = break_around(f, g, b->p + i, size, batch_va(f, b, i), b->level, 0, 0);
		merged &= ~(codec_group(f) | codec_valid(f));
		entry_put_run(f, b->p + i, size, merged, step, false);
		write_back(g->t, g->op, b->p + i, size);
		batch_break(b, i);
	}
	gather_flush(f, g);
	for (i = 0; i < b->count; i += size) {
		if (!batch_breaks(b, i))
			continue;
		entry_put_run(f, b->p + i, size, entry_load(f, b->p + i) | codec_valid(f), step,
			      false);
		gather_made(f, g, batch_va(f, b, i), batch_va(f, b, i + size) - 1, b->level);
		tally(g->t, &g->t->stats.splits, 1);
	}
	publish(g->t, g->op, b->p, b->count);
}

ML_INLINE bool is_single(const struct ml_format *f, ml_pte pte, unsigned level)
{
	return codec_is_leaf(f, pte, level) && !(pte & codec_group(f));
}

/*
 * The tables of all leaves in it are filled before the first is broken: while they are still a
 * chain, through what will be their first two entries.
 */
ML_PART void split_fill(const struct ml_format *f, struct change *c, const struct batch *b,
			struct hole hole)
{
	struct spare *spare = c->supply.from->first;
	unsigned i;

	for (i = 0; i < b->count; i++) {
		const ml_pte pte = entry_load(f, b->p + i);
		struct spare *table = spare;
		struct spare kept;

		if (!is_single(f, pte, b->level))
			continue;
		__builtin_memcpy(&kept, table, sizeof(kept));
		fill_split(f, c->gather.t, (ml_pte *)(void *)table, pte, b->level, hole);
		__builtin_memcpy(table, &kept, sizeof(kept));
		spare = kept.next;
	}
}

/* The leaf of entry i is broken; its table is whole, and the entry holds the link in waiting. */
ML_INLINE void split_break(const struct ml_format *f, struct change *c, struct batch *b, unsigned i,
			   struct hole hole)
{
	const uint64_t step = ML_BIT(f->level_shift[b->level - 1]);
	struct gather *g = &c->gather;
	ml_pte leaf = entry_load(f, b->p + i), first;
	ml_pa pa;
	ml_pte *table = apart_table(f, g->t, &c->supply, leaf, b->level, &pa);

	leaf = break_around(f, g, b->p + i, 1, batch_va(f, b, i), b->level, 0, 0);
	first = split_first(f, g->t, leaf, b->level) & ~(hole.plain ? codec_group(f) : 0);
	if (entry_load(f, table + 2) == first + 2 * step) {
		entry_fill(f, table, first);
		entry_fill(f, table + 1, first + step);
	} else { /* hardware marked it meanwhile */
		fill_split(f, g->t, table, leaf, b->level, hole);
	}
	write_back(g->t, g->op, table, table_entries(f, b->level - 1));
	entry_store(f, b->p + i, absent_wait(f, codec_table(f, pa)));
	write_back(g->t, g->op, b->p + i, 1);
	batch_break(b, i);
}

/* All leaves in it that are no members of groups get a table. */
ML_PART void split_leaves(const struct ml_format *f, struct change *c,
			  const struct parting *parting, struct batch *b)
{
	const struct hole hole =
		hole_of(f, parting, b->va, entry_last(f, b->va, b->level), b->level - 1);
	struct gather *g = &c->gather;
	unsigned i;

	split_fill(f, c, b, hole);
	for (i = 0; i < b->count; i++)
		if (is_single(f, entry_load(f, b->p + i), b->level))
			split_break(f, c, b, i, hole);
	gather_flush(f, g);
	for (i = 0; i < b->count; i++) {
		if (!batch_breaks(b, i))
			continue;
		entry_link(f, b->p + i, absent_waited(f, entry_load(f, b->p + i)));
		publish(g->t, g->op, b->p + i, 1);
		gather_linked(f, g, batch_va(f, b, i), b->level);
	}
}

/* Whether all that is like the leaf at `at` is broken, and at once, for it to come down. */
ML_INLINE bool splits_together(const struct ml_format *f, const struct ml_table *t, struct place at,
			       unsigned rung)
{
	if (at.pte & codec_group(f))
		return t->live && t->break_group;
	return t->live && t->break_size && at.level == f->rungs[rung].level + 1u;
}

/* The same; false: it is alone. */
ML_PART bool split_together(const struct ml_format *f, struct change *c,
			    const struct parting *parting, struct place at, ml_va va)
{
	struct batch b;

	if (!batch_open(f, &b, at, va, parting->last))
		return false;
	if (at.pte & codec_group(f))
		split_groups(f, &c->gather, &b);
	else
		split_leaves(f, c, parting, &b);
	return true;
}

/*
 * The leaf at `at` comes down to the size; its group first. What has to be broken in its table for
 * that is broken together, but for leaves that come down over several levels: while the many
 * tables of one are filled, no other is to be missing.
 */
ML_INLINE void split_at(const struct ml_format *f, struct change *c, const struct parting *parting,
			struct place at, ml_va va)
{
	struct apart a;

	if (splits_together(f, c->gather.t, at, parting->rung) &&
	    split_together(f, c, parting, at, va))
		return;
	if (at.pte & codec_group(f)) {
		group_convert(f, &c->gather, at.entry, va, at.level, false);
		return;
	}
	apart_leaf(f, &a, parting, at, va);
	take_apart(f, &c->gather, &c->supply, &a, 1);
}

ML_INLINE int table_split(const struct ml_format *f, struct ml_table *t, ml_va va, uint64_t len,
			  unsigned rung, struct ml_op *op)
{
	const ml_va last = va + len - 1;
	const struct parting parting = { va, last, NULL, rung };
	struct change c;
	int error = check_change(f, t, va, len);

	if (error)
		return error;
	if (rung >= f->rung_count)
		return ML_ERR_SIZE;
	error = check_split(f, t, va, last, rung);
	if (error)
		return error;
	begin(t, op);
	error = open_change(t, op, &c, count_split(f, t, va, last, rung));
	if (error || is_dry(op))
		return error;
	for (;;) {
		const struct place at = descend(f, t, va, 0);
		const ml_va end = split_skip(f, at, va, last);

		if (is_larger(f, at, rung)) {
			split_at(f, &c, &parting, at, va);
			continue;
		}
		if (end == last)
			break;
		va = end + 1;
	}
	close_change(f, &c);
	return ML_OK;
}

#endif
