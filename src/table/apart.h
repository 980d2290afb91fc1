/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Leaves come apart: each with all the tables that it takes, over all levels, before walkers see
 * the first of them. In two halves, so that several wait for one invalidation: opened, and closed.
 */
#ifndef ML_TABLE_APART_H
#define ML_TABLE_APART_H

#include "table/resize.h"

#define PARTING_ENDS 0xff

/* What comes apart, and how far. */
struct parting {
	ml_va va, last;
	const struct ml_edit *edit; /* what becomes of what lies in [va, last]; NULL: nothing */
	unsigned rung;              /* all of it comes down to this size; or only at its ends */
};

/* A leaf, or the members of a group, about to come apart. */
struct apart {
	const struct parting *parting;
	struct members run;
	unsigned level;
	ml_pte leaf; /* the first, as a single one */
	struct {
		ml_pte *table;
		ml_pa pa;
	} below[2]; /* of the first member that gets a table, and of another */
};

/* Whether the entry of this level at v, which meets the range, gets a table. */
ML_INLINE bool comes_apart(const struct ml_format *f, const struct parting *parting, ml_va v,
			   unsigned level)
{
	if (parting->rung != PARTING_ENDS)
		return level > f->rungs[parting->rung].level;
	return ml_align_down(v, f->level_shift[level]) < parting->va ||
	       entry_last(f, v, level) > parting->last;
}

/* Which of the entries of this level, the first of them at start, the range takes. */
ML_INLINE struct hole hole_of(const struct ml_format *f, const struct parting *parting, ml_va start,
			      ml_va end, unsigned level)
{
	const unsigned shift = f->level_shift[level];
	const ml_va va = ml_max(start, parting->va), last = ml_min(end, parting->last);
	struct hole hole = { .edit = parting->edit };

	if (parting->rung != PARTING_ENDS)
		hole.plain = f->group_rung[level] > parting->rung;
	if (parting->rung != PARTING_ENDS && !comes_apart(f, parting, va, level))
		return hole;
	hole.from = (unsigned)((va - start) >> shift);
	hole.to = (unsigned)((last - start) >> shift) + 1;
	hole.apart = parting->rung != PARTING_ENDS;
	if (hole.apart)
		return hole;
	hole.before = comes_apart(f, parting, va, level);
	hole.from += hole.before;
	hole.behind = hole.from < hole.to && comes_apart(f, parting, last, level);
	hole.to -= hole.behind;
	return hole;
}

ML_INLINE ml_va apart_last(const struct ml_format *f, const struct apart *a)
{
	return a->run.va + (((uint64_t)a->run.count << f->level_shift[a->level]) - 1);
}

/* A table for the leaf of this level; its contents are of no matter. */
ML_INLINE ml_pte *apart_table(const struct ml_format *f, struct ml_table *t, struct supply *supply,
			      ml_pte leaf, unsigned level, ml_pa *pa)
{
	owe_split(f, t, leaf, level - 1);
	tally(t, &t->stats.splits, 1);
	return supply_take(t, supply, pa);
}

/*
 * Fill the tables on the way to v, but for those that are on the way to `known`, too; again: they
 * are all there.
 */
ML_PART void apart_fill_way(const struct ml_format *f, struct gather *g, struct supply *supply,
			    struct apart *a, ml_va v, ml_va known, bool again)
{
	const ml_va first = ml_max(a->run.va, a->parting->va);
	const bool other = (v >> f->level_shift[a->level]) != (first >> f->level_shift[a->level]);
	const uint64_t ahead = ml_align_down(v, f->level_shift[a->level]) - a->run.va;
	struct ml_table *t = g->t;
	ml_pte leaf = a->leaf + ahead, *entry = NULL;
	unsigned level = a->level, index;

	for (; comes_apart(f, a->parting, v, level); level--) {
		const bool filled = !((v ^ known) >> f->level_shift[level]);
		ml_pte *table = a->below[other].table;
		ml_pa pa;

		if (!filled && !again) {
			table = apart_table(f, t, supply, leaf, level, &pa);
			if (entry) {
				entry_fill(f, entry, codec_table(f, pa));
				write_back(t, g->op, entry, 1);
			} else {
				a->below[other].table = table;
				a->below[other].pa = pa;
			}
		} else if (entry) {
			table = table_below(f, t, entry_load(f, entry), level);
		}
		if (!filled) {
			fill_split(f, t, table, leaf, level,
				   hole_of(f, a->parting, ml_align_down(v, f->level_shift[level]),
					   entry_last(f, v, level), level - 1));
			write_back(t, g->op, table, table_entries(f, level - 1));
		}
		index = index_of(f, v, level - 1);
		entry = table + index;
		leaf = codec_relevel(f, leaf, level, level - 1) +
		       ((uint64_t)index << f->level_shift[level - 1]);
	}
}

/* Fill all of the tables, none of which walkers see. */
ML_PART void apart_fill(const struct ml_format *f, struct gather *g, struct supply *supply,
			struct apart *a, bool again)
{
	const struct parting *parting = a->parting;
	const ml_va last = ml_min(apart_last(f, a), parting->last);
	ml_va v = ml_max(a->run.va, parting->va), known = ~v;

	for (;;) {
		ml_va end = ml_align_last(v, f->page_shift);

		apart_fill_way(f, g, supply, a, v, known, again);
		if (parting->rung != PARTING_ENDS)
			end = entry_last(f, v, f->rungs[parting->rung].level + 1u);
		if (end >= last)
			return;
		known = v;
		v = parting->rung != PARTING_ENDS ? end + 1 : last;
	}
}

/* Walkers may hold the large leaf at va of this level. */
ML_INLINE void gather_leaf(const struct ml_format *f, struct gather *g, ml_va va, unsigned level)
{
	gather_range(g, ml_align_down(va, f->level_shift[level]), entry_last(f, va, level), level,
		     f->level_shift[level]);
}

/* Whether a change of its size takes the run from walkers for a moment. */
ML_INLINE bool apart_breaks(const struct ml_table *t, const struct apart *a)
{
	return t->live && (a->run.count > 1 || t->break_size);
}

/* Break it. What hardware marked until then is not in the tables that were filled. */
ML_PART void apart_break(const struct ml_format *f, struct gather *g, struct supply *supply,
			 struct apart *a)
{
	const struct hole hole = hole_of(f, a->parting, a->run.va, apart_last(f, a), a->level);
	const unsigned to = a->parting->edit || hole.apart ? hole.from : hole.to;
	const ml_pte leaf =
		break_around(f, g, a->run.first, a->run.count, a->run.va, a->level, hole.from, to) &
		~codec_group(f);

	if (leaf == a->leaf)
		return;
	a->leaf = leaf;
	apart_fill(f, g, supply, a, true);
}

/* It says that its size is about to change. */
ML_INLINE void apart_announce(const struct ml_format *f, struct gather *g, struct apart *a)
{
	ml_pte pte = a->leaf;

	ENTRY_CHANGE(f, g->t, a->run.first, pte, pte | codec_announce(f));
	write_back(g->t, g->op, a->run.first, 1);
	gather_leaf(f, g, a->run.va, a->level);
}

/* The first half: the tables are ready; */
ML_PART void apart_open(const struct ml_format *f, struct gather *g, struct supply *supply,
			struct apart *a)
{
	a->leaf = read_entries(f, a->run.first, a->run.count, a->level) & ~codec_group(f);
	apart_fill(f, g, supply, a, false);
}

/* and walkers are about to forget what they hold. Whether the second half waits for that. */
ML_PART bool apart_warn(const struct ml_format *f, struct gather *g, struct supply *supply,
			struct apart *a)
{
	const struct ml_table *t = g->t;

	if (apart_breaks(t, a))
		apart_break(f, g, supply, a);
	else if (t->live && t->announces)
		apart_announce(f, g, a);
	else
		return false;
	return true;
}

/*
 * The tables take the place of the leaf under the eyes of walkers that bear both. They hold the old
 * size until the operation's invalidation: a hint of the new level would miss it.
 */
ML_PART void apart_pass(const struct ml_format *f, struct gather *g, struct supply *supply,
			struct apart *a)
{
	struct ml_table *t = g->t;
	const ml_pte silent = ~(t->announces ? codec_announce(f) : 0);
	const ml_pte link = codec_table(f, a->below[0].pa);
	ml_pte now = entry_load(f, a->run.first);

	do {
		if ((now & silent) != a->leaf) { /* hardware marked it meanwhile */
			a->leaf = now & silent;
			apart_fill(f, g, supply, a, true);
		}
		publish(t, g->op, a->below[0].table, table_entries(f, a->level - 1));
		if (!t->hardware_ad) {
			entry_link(f, a->run.first, link);
			break;
		}
	} while (!entry_replace(f, a->run.first, &now, link));
	publish(t, g->op, a->run.first, 1);
	gather_leaf(f, g, a->run.va, a->level);
}

/* Whether entry i of a run gets a table. */
ML_INLINE bool hole_parts(struct hole hole, unsigned i)
{
	if (hole.apart)
		return i >= hole.from && i < hole.to;
	return (hole.before && i + 1 == hole.from) || (hole.behind && i == hole.to);
}

/* The links of what was broken: before one, all that was stored has been written back. */
ML_INLINE void apart_link(const struct ml_format *f, struct gather *g, const struct apart *a,
			  struct hole hole)
{
	unsigned i;

	for (i = 0; i < a->run.count; i++) {
		const unsigned other = hole.behind && i == hole.to;

		if (!hole_parts(hole, i))
			continue;
		link_table(f, g->t, g->op, a->run.first + i, a->below[other].table,
			   a->below[other].pa, a->level - 1);
		gather_linked(f, g, a->run.va + ((uint64_t)i << f->level_shift[a->level]),
			      a->level);
	}
}

/* What was broken is made, each member as what it is now. */
ML_PART void apart_make(const struct ml_format *f, struct gather *g, const struct apart *a)
{
	const struct hole hole = hole_of(f, a->parting, a->run.va, apart_last(f, a), a->level);
	const uint64_t step = ML_BIT(f->level_shift[a->level]);
	struct ml_edit_bits bits = { 0 };
	ml_pte pte = a->leaf, *p = a->run.first;
	unsigned i;

	apart_link(f, g, a, hole);
	if (hole.edit)
		bits = edit_bits(f, &g->t->types, hole.edit, a->level);
	for (i = 0; i < a->run.count; i++, p++, pte += step) {
		if (hole_parts(hole, i))
			continue;
		if (i < hole.from || i >= hole.to)
			entry_store(f, p, pte);
		else if (hole.edit)
			entry_store(f, p,
				    edit_apply(f, &g->t->types, hole.edit, hole.edit->kind, bits,
					       pte, a->level));
	}
}

/* The second half, after the flush. */
ML_PART void apart_close(const struct ml_format *f, struct gather *g, struct supply *supply,
			 struct apart *a)
{
	struct ml_table *t = g->t;

	if (t->live && !apart_breaks(t, a)) {
		apart_pass(f, g, supply, a);
		return;
	}
	apart_make(f, g, a);
	if (a->run.count == 1)
		return;
	publish(t, g->op, a->run.first, a->run.count);
	gather_made(f, g, a->run.va, apart_last(f, a), a->level);
	tally(t, &t->stats.splits, 1);
}

/* Both halves, of all that comes apart together. */
ML_PART void take_apart(const struct ml_format *f, struct gather *g, struct supply *supply,
			struct apart *a, unsigned count)
{
	bool waits = false;
	unsigned i;

	for (i = 0; i < count; i++)
		apart_open(f, g, supply, a + i);
	for (i = 0; i < count; i++)
		waits |= apart_warn(f, g, supply, a + i);
	if (waits)
		gather_flush(f, g);
	for (i = 0; i < count; i++)
		apart_close(f, g, supply, a + i);
}

ML_INLINE void apart_leaf(const struct ml_format *f, struct apart *a, const struct parting *parting,
			  struct place at, ml_va v)
{
	a->parting = parting;
	a->run.first = at.entry;
	a->run.count = 1;
	a->run.va = ml_align_down(v, f->level_shift[at.level]);
	a->level = at.level;
}

/*
 * Whether the range cuts the leaf or the group at v, which then is to come apart. Groups that need
 * no break for it do so at once; what is left is the member at v, if the range cuts that, too.
 */
ML_PART bool apart_at(const struct ml_format *f, struct gather *g, struct apart *a,
		      const struct parting *parting, struct place at, ml_va v)
{
	at.pte = entry_load(f, at.entry); /* the other edge may have taken its group apart */
	if (!codec_is_leaf(f, at.pte, at.level) ||
	    !span_is_cut(leaf_span(f, at, v), parting->va, parting->last))
		return false;
	apart_leaf(f, a, parting, at, v);
	if (!(at.pte & codec_group(f)))
		return true;
	if (g->t->live && g->t->break_group) {
		a->run = group_around(f, at.entry, v, at.level);
		return true;
	}
	group_convert(f, g, at.entry, v, at.level, false);
	return comes_apart(f, parting, v, at.level);
}

/* What comes apart at the ends of a range, and what lies between. */
struct ends {
	unsigned count;
	struct apart apart[2];
	bool between;
	ml_va from, to;
};

/* first, second: whether what the edges cut there is to come apart. */
ML_PART void ends_find(const struct ml_format *f, struct gather *g, struct ends *ends,
		       const struct parting *parting, const struct edges *edges, bool first,
		       bool second)
{
	const struct apart *a = ends->apart;

	ends->count = 0;
	ends->between = true;
	ends->from = parting->va;
	ends->to = parting->last;
	if (first && apart_at(f, g, ends->apart, parting, edges->first, parting->va)) {
		ends->count = 1;
		ends->between = apart_last(f, a) < parting->last;
		ends->from = apart_last(f, a) + 1;
	}
	if (second && ends->between &&
	    apart_at(f, g, ends->apart + ends->count, parting, edges->end, parting->last)) {
		a += ends->count++;
		ends->between = a->run.va > ends->from;
		ends->to = a->run.va - 1;
	}
}

/* What the edges of a range cut comes apart as it is. */
ML_PART void part_unchanged(const struct ml_format *f, struct gather *g, struct supply *supply,
			    const struct edges *edges, bool first, bool second)
{
	const struct ml_edit none = edit_make(f, 0, 0);
	const struct parting parting = { edges->va, edges->last, &none, PARTING_ENDS };
	struct ends ends;

	ends_find(f, g, &ends, &parting, edges, first, second);
	take_apart(f, g, supply, ends.apart, ends.count);
}

#endif
