/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Unmap: wholly covered entries go whole, whatever hangs below them; leaves reaching over
 * an end are split first; tables that become empty are taken out.
 */
#ifndef ML_TABLE_UNMAP_H
#define ML_TABLE_UNMAP_H

#include "table/apart.h"

/*
 * The highest level at which the range may take whole entries out: tables that are lent, or that
 * several writers use, stay.
 */
ML_INLINE unsigned top_level(const struct ml_format *f, const struct ml_table *t, ml_va va,
			     ml_va last)
{
	const bool lent = root_range_meets(f, t, va, last, t->pinned_first, t->pinned_count);

	return t->top - (ML_UNLIKELY(lent) && t->top == root_level(t) ? 1u : 0u);
}

/* The largest level up to top at which [va, last] covers the whole entry that va begins. */
ML_INLINE unsigned cover_level(const struct ml_format *f, unsigned top, ml_va va, ml_va last)
{
	unsigned level = top;

	while (level && (!ml_aligned(va, f->level_shift[level]) || entry_last(f, va, level) > last))
		level--;
	return level;
}

/* Entries from va on, in its table of this level, that lie wholly before `last`. */
ML_INLINE unsigned covered_entries(const struct ml_format *f, ml_va va, ml_va last, unsigned level)
{
	const unsigned shift = f->level_shift[level];
	const uint64_t room = table_entries(f, level) - index_of(f, va, level);
	const uint64_t whole = ((last - va) >> shift) + (ml_align_last(last, shift) == last);

	return (unsigned)ml_min(room, whole);
}

/*
 * Whether a table holds nothing, given that entries [from, to) hold nothing: outward from
 * there, the entry last found in use first, so that a sequence of calls in any order
 * costs a few loads each.
 */
ML_INLINE bool table_is_empty(const struct ml_format *f, struct ml_table *t, const ml_pte *table,
			      unsigned from, unsigned to, unsigned level)
{
	const unsigned count = table_entries(f, level);
	struct ml_witness *witness = witness_of(f, t->in_use, table, level);
	const unsigned used = witness_index(witness);

	if (witness_table(witness) == table && (used < from || used >= to) &&
	    entry_load(f, table + used))
		return false;
	witness_set_table(witness, table);
	while (to < count || from > 0) {
		if (to < count) {
			witness_set_index(witness, to);
			if (entry_load(f, table + to++))
				return false;
		}
		if (from > 0) {
			witness_set_index(witness, --from);
			if (entry_load(f, table + from))
				return false;
		}
	}
	return true;
}

/* The same, if it goes then; what waits in it goes with it. */
ML_INLINE bool table_goes(const struct ml_format *f, const struct gather *g, ml_va va,
			  const ml_pte *table, unsigned from, unsigned to, unsigned level)
{
	if (ML_LIKELY(g->emptied == EMPTIED_GOES))
		return table_is_empty(f, g->t, table, from, to, level);
	return g->emptied == EMPTIED_WAITS && crowd_is_all(f, g, table, va, level);
}

/*
 * Entries [from, to) of the table of this level that holds va were cleared: take empty tables
 * out, upwards.
 */
ML_PART void prune(const struct ml_format *f, struct gather *g, ml_va va, ml_pte *table,
		   unsigned from, unsigned to, unsigned level, unsigned top)
{
	struct ml_table *t = g->t;

	while (level < top && table_goes(f, g, va, table, from, to, level)) {
		const struct place up = descend(f, t, va, level + 1);

		entry_store(f, up.entry, 0);
		write_back(t, g->op, up.entry, 1);
		gather_emptied(f, g, va, up.pte, ++level);
		from = index_of(f, va, level);
		to = from + 1;
		table = up.entry - from;
	}
}

/* Hardware may mark an entry until it is gone. */
ML_INLINE ml_pte take_entry(const struct ml_format *f, const struct ml_table *t, ml_pte *p)
{
	ml_pte pte;

	if (t->live)
		return entry_exchange(f, p, 0);
	pte = entry_load(f, p);
	entry_store(f, p, 0);
	return pte;
}

/* The same of one leaf, unless nobody asks for its marks. */
ML_INLINE ml_pte clear_leaf(const struct ml_format *f, const struct gather *g, ml_pte *p,
			    ml_pte pte)
{
	if (g->t->live && gather_has_sink(g))
		pte = entry_exchange(f, p, 0);
	else
		entry_store(f, p, 0);
	write_back(g->t, g->op, p, 1);
	return pte;
}

/* A run of removed leaves being collected for the sink. */
struct removed {
	ml_va va;
	ml_pte pte;  /* the first, */
	ml_pte bits; /* and what the others differ in from what continues it */
	uint32_t count;
};

/* The run is over: it waits for the invalidation that covers it. */
ML_INLINE void removed_end(const struct ml_format *f, struct gather *g, const struct removed *run,
			   unsigned level)
{
	const unsigned shift = f->level_shift[level];

	if (!run->count)
		return;
	gather_leaves(f, g, run->va, codec_merge_ad(f, run->pte, run->bits), run->count, level);
	gather_range(g, run->va, run->va + (((uint64_t)run->count << shift) - 1), level, shift);
}

/* Whether the sink may hear of the entry, at va, with the run. A group is told as a whole. */
ML_INLINE bool removed_as_dirty(const struct ml_format *f, const struct gather *g,
				const struct removed *run, ml_va va, ml_pte pte, unsigned level)
{
	if (!gather_is_exact(g))
		return true;
	if (pte & codec_group(f))
		return !ml_aligned(va, f->rungs[f->group_rung[level]].shift);
	return codec_is_dirty(f, pte) == codec_is_dirty(f, run->pte);
}

ML_INLINE void removed_add(const struct ml_format *f, struct gather *g, struct removed *run,
			   ml_va va, ml_pte pte, unsigned level)
{
	const uint64_t bytes = (uint64_t)run->count << f->level_shift[level];
	const ml_pte bits = pte ^ (run->pte + bytes);

	if (run->count && run->va + bytes == va &&
	    codec_leaf_pa(f, pte, level) == codec_leaf_pa(f, run->pte, level) + bytes &&
	    !(bits & ~codec_ad_bits(f, run->pte)) && removed_as_dirty(f, g, run, va, pte, level)) {
		run->bits |= bits;
		run->count++;
		return;
	}
	removed_end(f, g, run, level);
	run->va = va;
	run->pte = pte;
	run->bits = 0;
	run->count = 1;
}

/* Entries between two that may be no range together. */
#define REMOVED_APART ((uint64_t)32)

/* Take count entries from p on out, wholly covered all of them. */
ML_PART void unmap_entries(const struct ml_format *f, struct gather *g, ml_pte *p, ml_va va,
			   unsigned count, unsigned level)
{
	const unsigned shift = f->level_shift[level];
	const bool sink = gather_has_sink(g);
	struct removed run = { 0, 0, 0, 0 };
	ml_va first = ~(ml_va)0, last = 0;
	unsigned i;

	for (i = 0; i < count; i++, va += ML_BIT(shift)) {
		ml_pte pte = entry_load(f, p + i);

		if (!pte)
			continue;
		if (codec_is_table(f, pte, level)) {
			entry_store(f, p + i, 0);
			write_back(g->t, g->op, p + i, 1);
			gather_subtree(f, g, va, pte, level, GATHER_SUBTREE);
			continue;
		}
		if (!sink && first <= last && va - last > REMOVED_APART << shift) {
			gather_range(g, first, last, level, shift);
			first = va;
		}
		first = ml_min(first, va);
		last = ml_align_last(va, shift);
		pte = clear_leaf(f, g, p + i, pte);
		if (!codec_is_leaf(f, pte, level))
			continue;
		owe_no_more(f, g->t, pte, level, 1);
		if (sink)
			removed_add(f, g, &run, va, pte, level);
	}
	if (sink)
		removed_end(f, g, &run, level);
	else if (first <= last)
		gather_range(g, first, last, level, shift);
}

/* What the range took of what came apart waits for the sink, and owns nothing any more. */
ML_PART void apart_gone(const struct ml_format *f, struct gather *g, const struct apart *a)
{
	const ml_va last = ml_min(apart_last(f, a), a->parting->last);
	ml_va va = ml_max(a->run.va, a->parting->va), end;

	for (;; va = end + 1) {
		const unsigned level = cover_level(f, a->level, va, last);
		const unsigned count = covered_entries(f, va, last, level);
		const ml_pte leaf = codec_relevel(f, a->leaf, a->level, level);

		end = va + (((uint64_t)count << f->level_shift[level]) - 1);
		owe_no_more(f, g->t, leaf, level, count);
		gather_leaves(f, g, va, leaf + (va - a->run.va), count, level);
		if (end == last)
			return;
	}
}

/* Unmap what one table holds of [va, last]; returns the last address dealt with. */
ML_PART ml_va unmap_some(const struct ml_format *f, struct gather *g, ml_va va, ml_va last,
			 unsigned top)
{
	const unsigned stop = cover_level(f, top, va, last);
	const struct place at = descend(f, g->t, va, stop);
	unsigned count, index;
	ml_va end;

	if (at.level > stop)
		return ml_min(last, entry_last(f, va, at.level));
	count = covered_entries(f, va, last, stop);
	end = va + (((uint64_t)count << f->level_shift[stop]) - 1);
	unmap_entries(f, g, at.entry, va, count, stop);
	ML_PORT_PUBLISH();
	index = index_of(f, va, stop);
	prune(f, g, va, at.entry - index, index, index + count, stop, top_level(f, g->t, va, end));
	return end;
}

/*
 * [va, last] with everything that can fail behind us. What comes apart at both ends does so
 * together, and last: it is not broken for longer than it must be.
 */
ML_PART void unmap_range(const struct ml_format *f, struct gather *g, struct supply *supply,
			 ml_va va, ml_va last)
{
	const struct parting parting = { va, last, NULL, PARTING_ENDS };
	const unsigned top = top_level(f, g->t, va, last);
	const struct edges edges = edges_find(f, g->t, va, last);
	struct ends ends;
	unsigned i;

	ends_find(f, g, &ends, &parting, &edges, true, true);
	while (ends.between) {
		const ml_va end = unmap_some(f, g, ends.from, ends.to, top);

		ends.between = end != ends.to;
		ends.from = end + 1;
	}
	take_apart(f, g, supply, ends.apart, ends.count);
	for (i = 0; i < ends.count; i++)
		apart_gone(f, g, &ends.apart[i]);
}

/* A change under way: where its tables come from, and what it let go. */
struct change {
	struct supply supply;
	struct gather gather;
};

/*
 * Make sure of the tables that splits will need: in a guaranteed table from the deposits, and
 * `need` is what they lack.
 */
ML_INLINE int open_change(struct ml_table *t, struct ml_op *op, struct change *c, uint64_t need)
{
	int error = ml_supply_open(t, op, &c->supply, need);

	if (error || is_dry(op))
		return error;
	if (ML_UNLIKELY(t->guaranteed)) {
		deposit(t, &c->supply, need);
		c->supply.from = &t->spare;
	}
	gather_open(&c->gather, t, op);
	return ML_OK;
}

ML_INLINE void close_change(const struct ml_format *f, struct change *c)
{
	gather_close(f, &c->gather);
	supply_close(c->gather.t, c->gather.op, &c->supply);
}

/* The leaf at `at` goes, with all that follows from it; no tables are needed. */
ML_PART void unmap_leaf(const struct ml_format *f, struct ml_table *t, ml_va va, struct place at,
			struct ml_op *op)
{
	const unsigned index = index_of(f, va, at.level);
	struct gather g;

	gather_open(&g, t, op);
	if (at.pte & codec_group(f)) {
		unmap_range(f, &g, NULL, va, entry_last(f, va, at.level));
	} else {
		unmap_entries(f, &g, at.entry, va, 1, at.level);
		ML_PORT_PUBLISH();
		prune(f, &g, va, at.entry - index, index, index + 1, at.level,
		      top_level(f, t, va, va));
	}
	gather_close(f, &g);
}

/* One leaf of exactly this range: nothing has to be split, so no tables are taken. */
ML_INLINE bool is_one_leaf(const struct ml_format *f, struct place at, ml_va va, uint64_t len)
{
	return codec_is_leaf(f, at.pte, at.level) && len == ML_BIT(f->level_shift[at.level]) &&
	       ml_aligned(va, f->level_shift[at.level]);
}

/*
 * A range inside one leaf, whole entries of the table that will replace it: one split, and the
 * hole is there before anyone can walk it.
 */
ML_INLINE bool is_inside(const struct ml_format *f, struct place at, ml_va va, uint64_t len)
{
	return at.level && codec_is_leaf(f, at.pte, at.level) && !(at.pte & codec_group(f)) &&
	       ml_aligned(va | len, f->level_shift[at.level - 1]) &&
	       len < ML_BIT(f->level_shift[at.level]) &&
	       entry_last(f, va, at.level) >= va + len - 1;
}

/* The same where no walker looks on. */
ML_INLINE void split_quietly(const struct ml_format *f, struct change *c, struct place at, ml_va va,
			     uint32_t count)
{
	const unsigned below = at.level - 1, from = index_of(f, va, below);
	const struct hole hole = { .from = from, .to = from + count };
	struct ml_table *t = c->gather.t;
	ml_pa pa;
	ml_pte *table = apart_table(f, t, &c->supply, at.pte, at.level, &pa);

	fill_split(f, t, table, at.pte, at.level, hole);
	link_table(f, t, c->gather.op, at.entry, table, pa, below);
	owe_no_more(f, t, at.pte, below, count);
	gather_leaves(f, &c->gather, va,
		      codec_relevel(f, at.pte, at.level, below) +
			      ((uint64_t)from << f->level_shift[below]),
		      count, below);
}

ML_PART int unmap_inside(const struct ml_format *f, struct ml_table *t, struct place at, ml_va va,
			 uint64_t len, struct ml_op *op)
{
	const struct parting parting = { va, va + (len - 1), NULL, PARTING_ENDS };
	const bool owns = ML_UNLIKELY(t->guaranteed);
	struct change c;
	struct apart a;
	int error = open_change(t, op, &c, owns ? cut_tables(f, t, va, va + len - 1) : 1);

	if (error || is_dry(op))
		return error;
	if (!t->live) {
		split_quietly(f, &c, at, va, (uint32_t)(len >> f->level_shift[at.level - 1]));
	} else {
		apart_leaf(f, &a, &parting, at, va);
		take_apart(f, &c.gather, &c.supply, &a, 1);
		apart_gone(f, &c.gather, &a);
	}
	close_change(f, &c);
	return ML_OK;
}

ML_PART int table_unmap_general(const struct ml_format *f, struct ml_table *t, ml_va va,
				uint64_t len, struct ml_op *op)
{
	struct change c;
	struct place at;
	int error = check_change(f, t, va, len);

	if (!error)
		error = check_cuts(f, t, va, va + len - 1);
	if (error)
		return error;
	begin(t, op);
	at = descend(f, t, va, 0);
	if (is_one_leaf(f, at, va, len)) {
		if (!is_dry(op))
			unmap_leaf(f, t, va, at, op);
		return ML_OK;
	}
	if (is_inside(f, at, va, len))
		return unmap_inside(f, t, at, va, len, op);
	error = open_change(t, op, &c, cut_tables(f, t, va, va + len - 1));
	if (error || is_dry(op))
		return error;
	unmap_range(f, &c.gather, &c.supply, va, va + len - 1);
	close_change(f, &c);
	return ML_OK;
}

/*
 * A plain leaf out of a table that stays, where no walker can hold it; false if it is not that
 * simple.
 */
ML_INLINE bool unmap_quietly(const struct ml_format *f, struct ml_table *t, ml_va va,
			     struct place at, unsigned level)
{
	const unsigned index = index_of(f, va, level);

	if (!codec_is_leaf(f, at.pte, level) || at.pte & codec_group(f) ||
	    (level && t->guaranteed) ||
	    table_is_empty(f, t, at.entry - index, index, index + 1, level))
		return false;
	entry_store(f, at.entry, 0);
	ML_PORT_PUBLISH();
	return true;
}

ML_INLINE int table_unmap(const struct ml_format *f, struct ml_table *t, ml_va va, uint64_t len,
			  struct ml_op *op)
{
	const bool page = len == ML_BIT(f->level_shift[0]);
	struct place at;

	if (ML_LIKELY(!op && t->plain && !t->live && !(va & (len - 1)) &&
		      !((va - t->origin) >> default_va_bits(f)))) {
		if (page) {
			at = descend_direct(f, t, va, 0);
			if (at.level == 0 && unmap_quietly(f, t, va, at, 0))
				return ML_OK;
			if (is_inside(f, at, va, len))
				return unmap_inside(f, t, at, va, len, op);
		} else if (len == ML_BIT(f->level_shift[1])) {
			at = descend_direct(f, t, va, 1);
			if (at.level == 1 && unmap_quietly(f, t, va, at, 1))
				return ML_OK;
		} else if (f->block_rung[2] && len == ML_BIT(f->level_shift[2])) {
			at = descend_direct(f, t, va, 2);
			if (at.level == 2 && unmap_quietly(f, t, va, at, 2))
				return ML_OK;
		}
	}
	return table_unmap_general(f, t, va, len, op);
}

#endif
