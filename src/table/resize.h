/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The primitives that change the size of what stands there, translation unchanged: a group folded
 * or unfolded, a large leaf split into a table. On a live table each goes break -> invalidate ->
 * complete -> make where the format says so.
 */
#ifndef ML_TABLE_RESIZE_H
#define ML_TABLE_RESIZE_H

#include "table/gather.h"

/*
 * Break count entries from p on, one sequence: walkers find nothing there, and no longer hold
 * anything of it. Returns the first entry with accessed and dirty of all.
 */
ML_PART ml_pte break_entries(const struct ml_format *f, struct gather *g, ml_pte *p, unsigned count,
			     ml_va va, unsigned level)
{
	const uint64_t step = ML_BIT(f->level_shift[level]);
	const ml_pte first = entry_exchange(f, p, 0);
	ml_pte bits = 0;
	unsigned i;

	for (i = 1; i < count; i++)
		bits |= entry_exchange(f, p + i, 0) ^ (first + i * step);
	write_back(g->t, g->op, p, count);
	gather_range(g, va, va + (count * step - 1), level, f->level_shift[level]);
	gather_flush(f, g);
	return codec_merge_ad(f, first, bits);
}

/* The same without breaking. Groups inside do not matter. */
ML_INLINE ml_pte read_entries(const struct ml_format *f, const ml_pte *p, unsigned count,
			      unsigned level)
{
	const uint64_t step = ML_BIT(f->level_shift[level]);
	const ml_pte first = entry_load(f, p);
	ml_pte bits = 0;
	unsigned i;

	for (i = 1; i < count; i++)
		bits |= entry_load(f, p + i) ^ (first + i * step);
	return codec_merge_ad(f, first, bits);
}

/*
 * Make the aligned group that holds entry p carry the hint, or none of it. All members are valid,
 * equal and in sequence.
 */
ML_PART void group_convert(const struct ml_format *f, struct gather *g, ml_pte *p, ml_va va,
			   unsigned level, bool folded)
{
	const unsigned rung = f->group_rung[level], count = 1u << f->rungs[rung].lg2_entries;
	struct ml_table *t = g->t;
	ml_pte merged;

	p -= index_of(f, va, level) & (count - 1);
	va = ml_align_down(va, f->rungs[rung].shift);
	if (t->live && f->break_group)
		merged = break_entries(f, g, p, count, va, level);
	else
		merged = read_entries(f, p, count, level);
	merged = folded ? merged | codec_group(f) : merged & ~codec_group(f);
	entry_put_run(f, p, count, merged, ML_BIT(f->level_shift[level]), false);
	publish(t, g->op, p, count);
	tally(t, folded ? &t->stats.folds : &t->stats.splits, 1);
}

/* Whether the group around p may stay as it is when [va, last] of it is about to change. */
ML_INLINE bool group_is_cut(const struct ml_format *f, ml_pte pte, ml_va va, ml_va last,
			    unsigned level)
{
	unsigned shift;

	if (!(pte & codec_group(f)) || !codec_is_leaf(f, pte, level))
		return false;
	shift = f->rungs[f->group_rung[level]].shift;
	return !ml_aligned(va, shift) || ml_align_last(va, shift) > last;
}

/* Unfold the groups at both ends of count entries from p on, at va, that reach beyond them. */
ML_INLINE void unfold_ends(const struct ml_format *f, struct gather *g, ml_pte *p, ml_va va,
			   unsigned count, unsigned level)
{
	const ml_va end = va + (((uint64_t)count << f->level_shift[level]) - 1);
	ml_pte *tail = p + count - 1;

	if (!codec_group(f) || !f->group_rung[level])
		return;
	if (group_is_cut(f, entry_load(f, p), va, end, level))
		group_convert(f, g, p, va, level, false);
	if (group_is_cut(f, entry_load(f, tail),
			 ml_align_down(end, f->rungs[f->group_rung[level]].shift), end, level))
		group_convert(f, g, tail, end, level, false);
}

/* The first entry of the table that replaces a leaf; as groups where the ladder allows. */
ML_INLINE ml_pte split_first(const struct ml_format *f, const struct ml_table *t, ml_pte leaf,
			     unsigned level)
{
	const ml_pte first = codec_relevel(f, leaf & ~codec_group(f), level, level - 1);
	const unsigned rung = f->group_rung[level - 1];

	return rung && t->rungs >> rung & 1 ? first | codec_group(f) : first;
}

/* Entries of a new table that will hold nothing; from == to: none. */
struct hole {
	unsigned from, to;
};

/*
 * Fill the table that replaces a leaf: count entries from first on, the hole left out. Groups
 * that the hole cuts are none.
 */
ML_PART void fill_split(const struct ml_format *f, const struct ml_table *t, ml_pte *table,
			ml_pte leaf, unsigned level, struct hole hole)
{
	const unsigned below = level - 1, rung = f->group_rung[below];
	const unsigned size = rung ? 1u << f->rungs[rung].lg2_entries : 1;
	const unsigned entries = table_entries(f, below);
	const unsigned head = hole.from & ~(size - 1), tail = (hole.to + size - 1) & ~(size - 1);
	const uint64_t step = ML_BIT(f->level_shift[below]);
	const ml_pte first = split_first(f, t, leaf, level);
	const ml_pte single = first & ~codec_group(f);

	if (hole.from == hole.to) {
		entry_put_run(f, table, entries, first, step, true);
		return;
	}
	entry_put_run(f, table, head, first, step, true);
	entry_put_run(f, table + head, hole.from - head, single + head * step, step, true);
	entry_clear_run(f, table + hole.from, hole.to - hole.from);
	entry_put_run(f, table + hole.to, tail - hole.to, single + hole.to * step, step, true);
	entry_put_run(f, table + tail, entries - tail, first + tail * step, step, true);
}

/*
 * Replace the leaf at `at`, no member of a group, by a table of leaves of the level below, without
 * those in the hole. Returns the leaf as it was last.
 */
ML_PART ml_pte split_leaf(const struct ml_format *f, struct gather *g, struct supply *supply,
			  struct place at, ml_va va, struct hole hole)
{
	struct ml_table *t = g->t;
	ml_pte leaf = at.pte;
	ml_pa pa;
	ml_pte *table = supply_take(t, supply, &pa);

	ML_ASSERT(codec_is_leaf(f, leaf, at.level));
	fill_split(f, t, table, leaf, at.level, hole);
	if (t->live && f->break_size) {
		leaf = break_entries(f, g, at.entry, 1, ml_align_down(va, f->level_shift[at.level]),
				     at.level);
		if (leaf != at.pte) /* hardware marked it meanwhile */
			fill_split(f, t, table, leaf, at.level, hole);
	} else {
		gather_subtree_range(f, g, va, at.level);
	}
	if (t->guaranteed)
		t->owed--;
	link_table(f, t, g->op, at.entry, table, pa, at.level - 1);
	tally(t, &t->stats.splits, 1);
	return leaf;
}

/* Go one size down at `at`: the leaf there reaches over what is about to change. */
ML_INLINE void split_place(const struct ml_format *f, struct gather *g, struct supply *supply,
			   struct place at, ml_va va)
{
	const struct hole none = { 0, 0 };

	if (at.pte & codec_group(f))
		group_convert(f, g, at.entry, va, at.level, false);
	else
		(void)split_leaf(f, g, supply, at, va, none);
}

/*
 * Levels of the tables that make va a boundary between leaves: from *low up to below the leaf's
 * level, which is returned; 0 when it is a boundary already.
 */
ML_INLINE unsigned edge_levels(const struct ml_format *f, struct place at, ml_va va, unsigned *low)
{
	*low = at.level;
	if (!codec_is_leaf(f, at.pte, at.level) || ml_aligned(va, f->level_shift[at.level]))
		return *low = 0;
	while (!ml_aligned(va, f->level_shift[*low]))
		--*low;
	return at.level;
}

/* Tables that cutting leaves at va and behind last takes. */
ML_PART uint64_t edge_tables(const struct ml_format *f, const struct ml_table *t, ml_va va,
			     ml_va last)
{
	unsigned low, end_low, high, end_high = 0, level;
	uint64_t tables;

	high = edge_levels(f, descend(f, t, va, 0), va, &low);
	tables = high - low;
	if (!covers(t, last, last + 1)) /* nothing behind it */
		return tables;
	end_high = edge_levels(f, descend(f, t, last, 0), last + 1, &end_low);
	for (level = end_low; level < end_high; level++) {
		const unsigned shift = f->level_shift[level + 1];
		const bool counted = level >= low && level < high && va >> shift == last >> shift;

		tables += counted ? 0 : 1;
	}
	return tables;
}

#endif
