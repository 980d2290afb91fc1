/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The primitives that change the size of what stands there, translation unchanged: a group folded
 * or unfolded, a large leaf split into a table. On a live table each goes the way its policy says:
 * break -> invalidate -> complete -> make; announced -> invalidate -> complete -> changed; or
 * directly.
 */
#ifndef ML_TABLE_RESIZE_H
#define ML_TABLE_RESIZE_H

#include "format/absent.h"
#include "format/edit.h"
#include "table/careful.h"
#include "table/detached.h"

/* Put the same into entries of a sequence; returns what differed in it from what pte begins. */
ML_INLINE ml_pte exchange_run(const struct ml_format *f, ml_pte *p, unsigned count, ml_pte pte,
			      uint64_t step, ml_pte absent)
{
	ml_pte bits = 0;

	for (; count; count--, p++, pte += step)
		bits |= entry_exchange(f, p, absent) ^ pte;
	return bits;
}

/*
 * Break count entries from p on, one sequence: walkers find nothing there, and hold nothing of it
 * after the next flush. Those from `from` to `to` stay empty; who reads the others without the lock
 * sees that something will be made there again. Returns the first with accessed and dirty of all.
 */
ML_PART ml_pte break_around(const struct ml_format *f, struct gather *g, ml_pte *p, unsigned count,
			    ml_va va, unsigned level, unsigned from, unsigned to)
{
	const uint64_t step = ML_BIT(f->level_shift[level]);
	const ml_pte first = entry_load(f, p);
	ml_pte bits;

	ML_ASSERT(!never_breaks(g->t, va, va + (count * step - 1)));
	bits = exchange_run(f, p, from, first, step, ABSENT_BROKEN);
	bits |= exchange_run(f, p + from, to - from, first + from * step, step, 0);
	bits |= exchange_run(f, p + to, count - to, first + to * step, step, ABSENT_BROKEN);
	write_back(g->t, g->op, p, count);
	gather_range(g, va, va + (count * step - 1), level, f->level_shift[level]);
	return codec_merge_ad(f, first, bits);
}

/* The same where all are made again, and no walker holds them any more. */
ML_INLINE ml_pte break_entries(const struct ml_format *f, struct gather *g, ml_pte *p,
			       unsigned count, ml_va va, unsigned level)
{
	const ml_pte first = break_around(f, g, p, count, va, level, 0, 0);

	gather_flush(f, g);
	return first;
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

/* Change one entry to what is made of it, marks that hardware sets meanwhile among it. */
#define ENTRY_CHANGE(f, t, p, pte, made)               \
	do {                                           \
		if (!(t)->hardware_ad) {               \
			entry_store((f), (p), (made)); \
			break;                         \
		}                                      \
	} while (!entry_replace((f), (p), &(pte), (made)))

/*
 * One member after another gets the hint or loses it, and the marks of `merged`. Returns that with
 * the marks that came until then.
 */
ML_PART ml_pte group_hint(const struct ml_format *f, const struct ml_table *t, ml_pte *p,
			  unsigned count, unsigned level, ml_pte merged, ml_pte hint)
{
	const uint64_t step = ML_BIT(f->level_shift[level]);
	ml_pte bits = 0;
	unsigned i;

	for (i = 0; i < count; i++) {
		const ml_pte like = merged + i * step;
		ml_pte pte = entry_load(f, p + i);

		ENTRY_CHANGE(f, t, p + i, pte,
			     (codec_merge_ad(f, pte, pte ^ like) & ~codec_group(f)) | hint);
		bits |= pte ^ like;
	}
	return codec_merge_ad(f, merged, bits);
}

/*
 * The hint comes or goes under the eyes of walkers that bear it: what they hold of the group is the
 * same with it and without, and an invalidation of any member forgets both. What marks a member
 * that still has the hint marks those that have lost it, too.
 */
ML_INLINE void group_pass(const struct ml_format *f, const struct ml_table *t, ml_pte *p,
			  unsigned count, unsigned level, bool folded)
{
	const ml_pte hint = folded ? codec_group(f) : 0;
	const ml_pte merged = read_entries(f, p, count, level);
	const ml_pte late = group_hint(f, t, p, count, level, merged, hint);

	if (late != merged && !folded)
		(void)group_hint(f, t, p, count, level, late, 0);
}

/*
 * Make the aligned group that holds entry p carry the hint, or none of it. All members are valid,
 * equal and in sequence.
 */
ML_PART void group_convert(const struct ml_format *f, struct gather *g, ml_pte *p, ml_va va,
			   unsigned level, bool folded)
{
	const struct members m = group_around(f, p, va, level);
	struct ml_table *t = g->t;
	ml_pte merged;

	if (t->live && !t->break_group) {
		group_pass(f, t, m.first, m.count, level, folded);
	} else {
		if (t->live)
			merged = break_entries(f, g, m.first, m.count, m.va, level);
		else
			merged = read_entries(f, m.first, m.count, level);
		merged = folded ? merged | codec_group(f) : merged & ~codec_group(f);
		entry_put_run(f, m.first, m.count, merged, ML_BIT(f->level_shift[level]), false);
		gather_made(f, g, m.va, m.va + (((uint64_t)m.count << f->level_shift[level]) - 1),
			    level);
	}
	publish(t, g->op, m.first, m.count);
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

/*
 * Entries of a new table that will hold nothing, or something else; from == to: none. Those that
 * come apart in turn are not written: they are, or will be, links of tables.
 */
struct hole {
	unsigned from, to;
	const struct ml_edit *edit; /* what becomes of them; NULL: nothing */
	bool plain;                 /* and none of the rest is to be in a group */
	bool before, behind;        /* the entry before it, and the one behind it, comes apart; */
	bool apart;                 /* all in it do */
};

/* Fill the hole with what the edit makes of the leaves; whole groups of it are groups. */
ML_PART void fill_edited(const struct ml_format *f, const struct ml_table *t, ml_pte *table,
			 ml_pte first, unsigned level, struct hole hole)
{
	const struct ml_edit_bits bits = edit_bits(f, &t->types, hole.edit, level);
	const unsigned rung = f->group_rung[level];
	const unsigned size = rung ? 1u << f->rungs[rung].lg2_entries : 1;
	unsigned i;

	for (i = hole.from; i < hole.to; i++) {
		const unsigned group = i & ~(size - 1);
		const bool whole = group >= hole.from && group + size <= hole.to;
		const ml_pte pte = (whole ? first : first & ~codec_group(f)) +
				   ((uint64_t)i << f->level_shift[level]);

		entry_fill(f, table + i,
			   edit_apply(f, &t->types, hole.edit, hole.edit->kind, bits, pte, level));
	}
}

/* A hole of so small a part of a table is filled with the rest, in one run, and then once more. */
#define HOLE_IS_SMALL 8

/*
 * Fill the table that replaces a leaf, the hole left out or changed. Groups that the hole, or what
 * comes apart, cuts are none.
 */
ML_PART void fill_split(const struct ml_format *f, const struct ml_table *t, ml_pte *table,
			ml_pte leaf, unsigned level, struct hole hole)
{
	const unsigned below = level - 1, rung = f->group_rung[below];
	const unsigned size = rung ? 1u << f->rungs[rung].lg2_entries : 1;
	const unsigned entries = table_entries(f, below);
	const unsigned from = hole.from - hole.before, to = hole.to + hole.behind;
	const unsigned head = from & ~(size - 1), tail = (to + size - 1) & ~(size - 1);
	const uint64_t step = ML_BIT(f->level_shift[below]);
	const ml_pte grouped = split_first(f, t, leaf, level);
	const ml_pte single = grouped & ~codec_group(f), first = hole.plain ? single : grouped;
	const bool links = hole.before || hole.behind || hole.apart;
	const bool over = to - from <= entries / HOLE_IS_SMALL && !links;

	entry_put_run(f, table, from == to || over ? entries : head, first, step, true);
	if (from == to)
		return;
	entry_put_run(f, table + head, from - head, single + head * step, step, true);
	if (hole.edit)
		fill_edited(f, t, table, first, below, hole);
	else if (!hole.apart)
		entry_clear_run(f, table + hole.from, hole.to - hole.from);
	entry_put_run(f, table + to, tail - to, single + to * step, step, true);
	if (!over)
		entry_put_run(f, table + tail, entries - tail, first + tail * step, step, true);
}

/* Whether va is a boundary inside the leaf at `at`. */
ML_INLINE bool is_cut(const struct ml_format *f, struct place at, ml_va va)
{
	return codec_is_leaf(f, at.pte, at.level) && !ml_aligned(va, f->level_shift[at.level]);
}

/*
 * Levels of the tables that make va a boundary between leaves: from *low up to below the leaf's
 * level, which is returned; 0 when it is a boundary already.
 */
ML_INLINE unsigned edge_levels(const struct ml_format *f, struct place at, ml_va va, unsigned *low)
{
	*low = at.level;
	if (!is_cut(f, at, va))
		return *low = 0;
	while (!ml_aligned(va, f->level_shift[*low]))
		--*low;
	return at.level;
}

/* A range, and what stands at its ends. */
struct edges {
	ml_va va, last;
	struct place first, end;
};

ML_INLINE struct edges edges_find(const struct ml_format *f, const struct ml_table *t, ml_va va,
				  ml_va last)
{
	struct edges edges = { va, last, descend(f, t, va, 0), { 0 } };

	edges.end = edges.first;
	if (last > entry_last(f, va, edges.first.level))
		edges.end = descend(f, t, last, 0);
	return edges;
}

/* What is to be allocated for cutting leaves at both edges, if all pieces are `kept`. */
ML_PART uint64_t edge_tables(const struct ml_format *f, const struct ml_table *t,
			     const struct edges *edges, bool kept)
{
	const ml_va va = edges->va, last = edges->last;
	unsigned low, end_low, high, end_high, level;
	uint64_t tables = 0;

	high = edge_levels(f, edges->first, va, &low);
	for (level = low; level < high; level++)
		tables += kept ? split_cost(f, t, edges->first.pte, level) : 1;
	if (!covers(t, last, last + 1)) /* nothing behind it */
		return tables;
	end_high = edge_levels(f, edges->end, last + 1, &end_low);
	for (level = end_low; level < end_high; level++) {
		const unsigned shift = f->level_shift[level + 1];
		const bool counted = level >= low && level < high && va >> shift == last >> shift;

		if (!counted)
			tables += kept ? split_cost(f, t, edges->end.pte, level) : 1;
	}
	return tables;
}

/* Deposits of the pieces that are left of the leaf at `at`: before va, or behind last. */
ML_INLINE uint64_t owed_before(const struct ml_format *f, const struct ml_table *t, struct place at,
			       ml_va va)
{
	uint64_t owed = 0;
	unsigned level;

	for (level = 0; codec_is_leaf(f, at.pte, at.level) && level < at.level; level++)
		owed += index_of(f, va, level) * tables_owed(f, t, at.pte, level);
	return owed;
}

ML_INLINE uint64_t owed_behind(const struct ml_format *f, const struct ml_table *t, struct place at,
			       ml_va last)
{
	return owed_before(f, t, at, ~last);
}

/*
 * What is to be allocated for taking [va, last] out. The leaves that it cuts owe nothing any more
 * for what goes of them.
 */
ML_PART uint64_t cut_tables(const struct ml_format *f, const struct ml_table *t, ml_va va,
			    ml_va last)
{
	const struct edges edges = edges_find(f, t, va, last);
	const struct place first = edges.first, end = edges.end;
	const uint64_t tables = edge_tables(f, t, &edges, false);
	uint64_t before = 0, after;

	if (ML_LIKELY(!t->guaranteed))
		return tables;
	after = tables + owed_before(f, t, first, va) + owed_behind(f, t, end, last);
	if (is_cut(f, first, va))
		before += tables_owed(f, t, first.pte, first.level);
	if (is_cut(f, end, last + 1) && !(is_cut(f, first, va) && first.entry == end.entry))
		before += tables_owed(f, t, end.pte, end.level);
	return after - ml_min(after, before);
}

#endif
