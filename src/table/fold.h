/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Growing back: groups out of entries, large leaves out of tables. Completion is tested outward
 * from the entry that changed, so that filling in any order costs a few loads a call.
 */
#ifndef ML_TABLE_FOLD_H
#define ML_TABLE_FOLD_H

#include "table/unmap.h"

/*
 * Whether accessed and dirty of the aligned piece at pa are one unit to whoever reads them
 * (S0.4).
 */
ML_INLINE bool one_ad_unit(const struct ml_table *t, ml_pa pa, unsigned shift)
{
	return !t->ad_unit || t->ad_unit(t->cookie, pa) >> shift;
}

/*
 * Whether entry p + index continues the sequence in which entry p + at is pte; in a group or not.
 */
ML_INLINE bool entry_fits(const struct ml_format *f, const ml_pte *p, unsigned index, ml_pte pte,
			  unsigned at, unsigned level)
{
	const uint64_t step = ML_BIT(f->level_shift[level]);
	const ml_pte expected = pte + step * index - step * at;

	return !((entry_load(f, p + index) ^ expected) & ~(codec_ad_bits(f, pte) | codec_group(f)));
}

/* Entries [from, to) of a table, of which the one at `at` is pte, are known to be one sequence. */
struct known {
	ml_pte pte;
	unsigned at;
	unsigned from, to;
};

/*
 * Whether all `count` entries from p on are one sequence: outward from those that are known to be.
 * If not, *misfit is an entry that does not fit. Groups inside do not matter.
 */
ML_INLINE bool sequence_is_complete(const struct ml_format *f, const ml_pte *p, unsigned count,
				    struct known known, unsigned level, unsigned *misfit)
{
	unsigned left = known.from, right = known.to;

	while (left > 0 || right < count) {
		if (right < count) {
			*misfit = right;
			if (!entry_fits(f, p, right++, known.pte, known.at, level))
				return false;
		}
		if (left > 0) {
			*misfit = --left;
			if (!entry_fits(f, p, left, known.pte, known.at, level))
				return false;
		}
	}
	return true;
}

/* The same of a whole table; the entry that did not fit last time is asked first. */
ML_INLINE bool table_is_complete(const struct ml_format *f, struct ml_table *t, const ml_pte *table,
				 struct known known, unsigned level)
{
	struct ml_witness *witness = witness_of(f, t->misfit, table, level);

	unsigned misfit = witness_index(witness);
	bool complete;

	if (witness_table(witness) == table &&
	    !entry_fits(f, table, misfit, known.pte, known.at, level))
		return false;
	complete = sequence_is_complete(f, table, table_entries(f, level), known, level, &misfit);
	witness_set_table(witness, table);
	witness_set_index(witness, misfit);
	return complete;
}

/* Whether the leaf pte stands in a unit of this size as the frames would have to. */
ML_INLINE bool congruent(const struct ml_format *f, ml_pte pte, ml_va va, unsigned level,
			 unsigned shift)
{
	const ml_pa pa = codec_leaf_pa(f, pte, level);

	return ml_aligned(pa ^ ml_align_down(va, f->level_shift[level]), shift);
}

/* The entry p at va is pte: whether its group is folded, or complete and may be. */
ML_INLINE bool group_folds(const struct ml_format *f, const struct ml_table *t, const ml_pte *p,
			   ml_pte pte, ml_va va, unsigned level, unsigned rung)
{
	const unsigned shift = f->rungs[rung].shift, count = 1u << f->rungs[rung].lg2_entries;
	const unsigned at = index_of(f, va, level) & (count - 1);
	const struct known known = { pte, at, at, at + 1 };
	unsigned misfit;

	if (!codec_is_leaf(f, pte, level))
		return false;
	if (pte & codec_group(f))
		return true;
	return congruent(f, pte, va, level, shift) &&
	       !(ML_UNLIKELY(t->careful) && careful_of_fold(f, t, pte, va, level, shift)) &&
	       sequence_is_complete(f, p - at, count, known, level, &misfit) &&
	       one_ad_unit(t, ml_align_down(codec_leaf_pa(f, pte, level), shift), shift);
}

/* The same, and fold it. */
ML_PART bool fold_group(const struct ml_format *f, struct gather *g, ml_pte *p, ml_pte pte,
			ml_va va, unsigned level, unsigned rung)
{
	if (!group_folds(f, g->t, p, pte, va, level, rung))
		return false;
	if (!(pte & codec_group(f)))
		group_convert(f, g, p, va, level, true);
	return true;
}

/* The leaf of the level above that the table, linked by `up`, is. */
ML_INLINE ml_pte promoted(const struct ml_format *f, const ml_pte *table, ml_pte up, unsigned level)
{
	const ml_pte leaf = read_entries(f, table, table_entries(f, level), level);

	return codec_relevel(f, codec_limit(f, leaf & ~codec_group(f), up, up), level, level + 1);
}

/*
 * The leaf takes the table's place under the eyes of walkers that bear both. Those inside may mark
 * entries until they have left, and the marks are the leaf's.
 */
ML_PART void promote_pass(const struct ml_format *f, struct gather *g, struct place up,
			  const ml_pte *table, ml_va va, unsigned level)
{
	struct ml_table *t = g->t;
	const ml_pte announced = t->announces ? codec_announce(f) : 0;
	ml_pte leaf = promoted(f, table, up.pte, level), pte = leaf | announced, marks;

	entry_store(f, up.entry, pte);
	publish(t, g->op, up.entry, 1);
	gather_subtree_range(f, g, va, level + 1);
	if (!announced && !t->hardware_ad)
		return;
	gather_flush(f, g);
	leaf = promoted(f, table, up.pte, level);
	pte = entry_load(f, up.entry);
	marks = codec_merge_ad(f, pte, pte ^ leaf);
	if (marks == pte && !announced)
		return;
	ENTRY_CHANGE(f, t, up.entry, pte, codec_merge_ad(f, pte, pte ^ leaf) & ~announced);
	publish(t, g->op, up.entry, 1);
}

/* Replace the table of this level, at va, by one leaf of the level above. */
ML_PART void promote(const struct ml_format *f, struct gather *g, ml_pte *table, ml_va va,
		     unsigned level)
{
	struct ml_table *t = g->t;
	const struct place up = descend(f, t, va, level + 1);
	const ml_pa pa = codec_table_pa(f, up.pte);
	const ml_pte pte = entry_load(f, table);
	const bool owns = tables_owed(f, t, pte, level + 1) != 0;

	if (t->live && !t->break_size) {
		promote_pass(f, g, up, table, va, level);
	} else {
		entry_store(f, up.entry, ABSENT_BROKEN);
		write_back(t, g->op, up.entry, 1);
		if (t->live) {
			gather_subtree_range(f, g, va, level + 1);
			gather_flush(f, g);
		}
		/* walkers have left it */
		entry_store(f, up.entry, promoted(f, table, up.pte, level));
		publish(t, g->op, up.entry, 1);
		gather_made(f, g, ml_align_down(va, f->level_shift[level + 1]),
			    entry_last(f, va, level + 1), level + 1);
	}
	tally(t, &t->stats.folds, 1);
	owe_promoted(f, t, pte, level);
	if (g->hulls.count)
		gather_subtree(f, g, va, up.pte, level + 1, owns ? GATHER_SPARE : GATHER_EMPTY);
	else if (owns)
		gather_spare(g, table, pa);
	else
		gather_free(f, g, table, pa, level);
}

/*
 * The entry p at va is pte: whether its whole table is one leaf of the level above, and may be.
 * The group around it, if the level has any that may be, is known to be complete.
 */
ML_PART bool table_folds(const struct ml_format *f, struct ml_table *t, const ml_pte *p, ml_pte pte,
			 ml_va va, unsigned level, unsigned group)
{
	const unsigned shift = f->level_shift[level + 1], at = index_of(f, va, level);
	const unsigned size = group ? 1u << f->rungs[group].lg2_entries : 1;
	const struct known known = { pte, at, at & ~(size - 1), (at & ~(size - 1)) + size };

	if (ML_UNLIKELY(t->careful) && careful_of_fold(f, t, pte, va, level, shift))
		return false;
	return codec_is_leaf(f, pte, level) && congruent(f, pte, va, level, shift) &&
	       table_is_complete(f, t, p - at, known, level) &&
	       one_ad_unit(t, ml_align_down(codec_leaf_pa(f, pte, level), shift), shift);
}

/*
 * The one of the rungs that folding the table of this level that holds va would give, or 0. Lent
 * tables stay.
 */
ML_INLINE unsigned promotion(const struct ml_format *f, const struct ml_table *t, uint32_t rungs,
			     ml_va va, unsigned level)
{
	const unsigned rung = level < root_level(t) ? f->block_rung[level + 1] : 0;

	if (!rung || !(rungs >> rung & 1) || level + 1 > top_level(f, t, va, va))
		return 0;
	return rung;
}

/* The leaf pte was made at va, entry p: fold what it completes, as policy and rungs allow. */
ML_PART void fold_completed(const struct ml_format *f, struct gather *g, uint32_t rungs, ml_va va,
			    ml_pte *p, ml_pte pte, unsigned level)
{
	struct ml_table *t = g->t;

	for (;;) {
		const unsigned rung = f->group_rung[level];
		const unsigned group = rung && rungs >> rung & 1 ? rung : 0;
		struct place up;

		if (group && !group_folds(f, t, p, pte, va, level, group))
			return;
		if (t->fold != ML_FOLD_BLOCK || !promotion(f, t, rungs, va, level) ||
		    !table_folds(f, t, p, pte, va, level, group)) {
			if (group && !(pte & codec_group(f)))
				group_convert(f, g, p, va, level, true);
			return;
		}
		promote(f, g, p - index_of(f, va, level), va, level);
		up = descend(f, t, va, ++level);
		p = up.entry;
		pte = up.pte;
	}
}

/*
 * Fold every group and then the table of this level at va into rungs up to most; returns the last
 * address dealt with.
 */
ML_PART ml_va fold_some(const struct ml_format *f, struct gather *g, ml_va va, ml_va last,
			unsigned level, unsigned most)
{
	struct ml_table *t = g->t;
	const struct place at = descend(f, t, va, level);
	const unsigned group = f->group_rung[level];
	const unsigned above = promotion(f, t, t->rungs, va, level);
	ml_va end;

	if (at.level > level)
		return ml_min(last, entry_last(f, va, at.level));
	if (above && above <= most && ml_aligned(va, f->level_shift[level + 1]) &&
	    entry_last(f, va, level + 1) <= last &&
	    table_folds(f, t, at.entry, at.pte, va, level, 0)) {
		promote(f, g, at.entry, va, level);
		return entry_last(f, va, level + 1);
	}
	if (!group || group > most || !(t->rungs >> group & 1))
		return ml_min(last, level < root_level(t) ? entry_last(f, va, level + 1) : last);
	end = ml_align_last(va, f->rungs[group].shift);
	if (end > last)
		return last;
	if (ml_aligned(va, f->rungs[group].shift))
		fold_group(f, g, at.entry, at.pte, va, level, group);
	return end;
}

ML_INLINE int table_fold(const struct ml_format *f, struct ml_table *t, ml_va va, uint64_t len,
			 unsigned rung, struct ml_op *op)
{
	const ml_va last = va + len - 1;
	struct gather g;
	unsigned level;
	int error = check_change(f, t, va, len);

	if (error)
		return error;
	if (rung >= f->rung_count)
		return ML_ERR_SIZE;
	begin(t, op);
	gather_open(&g, t, op);
	for (level = 0; level < t->levels && level <= f->rungs[rung].level; level++) {
		ml_va at = va, end;

		for (; (end = fold_some(f, &g, at, last, level, rung)) != last; at = end + 1)
			;
	}
	gather_close(f, &g);
	return ML_OK;
}

#endif
