/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Runs of equal leaves inside one table: how far a sequence of entries continues one
 * another. Reports, iteration and folding all ask this file.
 */
#ifndef ML_TABLE_RUN_H
#define ML_TABLE_RUN_H

#include "table/locate.h"

/* The rung of a leaf entry: its level's own, or the level's group. */
ML_INLINE unsigned rung_of(const struct ml_format *f, ml_pte pte, unsigned level)
{
	return pte & codec_group(f) ? f->group_rung[level] : f->block_rung[level];
}

/* How many entries the leaf is that pte, one of them, belongs to. */
ML_INLINE unsigned leaf_entries(const struct ml_format *f, ml_pte pte, unsigned level)
{
	return 1u << f->rungs[rung_of(f, pte, level)].lg2_entries;
}

/* The entries of one leaf, and the first address it maps. */
struct members {
	ml_pte *first;
	unsigned count;
	ml_va va;
};

/* The aligned group around the entry p, at va, whether it is folded or not. */
ML_INLINE struct members group_around(const struct ml_format *f, ml_pte *p, ml_va va,
				      unsigned level)
{
	const unsigned rung = f->group_rung[level], count = 1u << f->rungs[rung].lg2_entries;
	const struct members m = { p - (index_of(f, va, level) & (count - 1)), count,
				   ml_align_down(va, f->rungs[rung].shift) };

	return m;
}

/* What is one leaf with pte, found at p: the entry itself, or its group. */
ML_INLINE struct members members_of(const struct ml_format *f, ml_pte *p, ml_pte pte, ml_va va,
				    unsigned level)
{
	const struct members alone = { p, 1, ml_align_down(va, f->level_shift[level]) };

	return pte & codec_group(f) ? group_around(f, p, va, level) : alone;
}

/*
 * The first of the entries [p, end) that is not as expected, or up to three before it: four are
 * judged at once.
 */
ML_INLINE const ml_pte *run_end(const struct ml_format *f, const ml_pte *p, const ml_pte *end,
				ml_pte expected, uint64_t step)
{
	const uint64_t second = step, third = 2 * step, fourth = 3 * step;

	for (end = p + ((end - p) & ~(ptrdiff_t)3); p != end; p += 4, expected += 4 * step)
		if ((entry_load(f, p) ^ expected) | (entry_load(f, p + 1) ^ (expected + second)) |
		    (entry_load(f, p + 2) ^ (expected + third)) |
		    (entry_load(f, p + 3) ^ (expected + fourth)))
			break;
	return p;
}

/*
 * How many of the `most` entries from p on continue the leaf *p, which is `first`: same
 * protection, type and group bit, frames in sequence. *merged gets the first with accessed and
 * dirty of all.
 */
ML_INLINE unsigned run_length_at(const struct ml_format *f, const ml_pte *p, ml_pte first,
				 unsigned most, unsigned level, ml_pte *merged)
{
	const uint64_t step = ML_BIT(f->level_shift[level]);
	const ml_pte ignored = codec_ad_bits(f, first);
	/* no frame lies behind the last one: the sum would run into other bits */
	const uint64_t frames = (ML_BIT(f->pa_bits) - codec_leaf_pa(f, first, level)) / step;
	ml_pte bits = 0;
	unsigned count;

	most = (unsigned)ml_min(most, frames);
	count = (unsigned)(run_end(f, p + 1, p + most, first + step, step) - p);
	for (; count < most; count++) {
		const ml_pte one = entry_load(f, p + count) ^ (first + count * step);

		if (one & ~ignored)
			break;
		bits |= one;
	}
	*merged = codec_merge_ad(f, first, bits);
	return count;
}

ML_PART unsigned run_length(const struct ml_format *f, const ml_pte *p, ml_pte first, unsigned most,
			    unsigned level, ml_pte *merged)
{
	if (level == 0) /* where nearly all are: a constant step */
		return run_length_at(f, p, first, most, 0, merged);
	return run_length_at(f, p, first, most, level, merged);
}

/* Collects adjoining pieces and hands out runs. */
struct joiner {
	struct ml_run run; /* length 0: nothing collected */
};

/* Whether the piece continues the run collected so far, but for these of accessed and dirty. */
ML_INLINE bool joins(const struct joiner *joiner, const struct ml_run *piece, ml_prot ignored)
{
	const struct ml_run *run = &joiner->run;

	return run->length && run->va + run->length == piece->va &&
	       run->pa + run->length == piece->pa && run->rung == piece->rung &&
	       !((run->prot ^ piece->prot) & ~ignored);
}

ML_INLINE void join(struct joiner *joiner, const struct ml_run *piece)
{
	joiner->run.length += piece->length;
	joiner->run.prot |= piece->prot;
}

/* count entries of a level, the first of which is pte, as a run. */
ML_INLINE struct ml_run run_of(const struct ml_format *f, const struct ml_types *types, ml_va va,
			       ml_pte pte, uint64_t count, unsigned level)
{
	struct ml_run run;

	run.va = va;
	run.pa = codec_leaf_pa(f, pte, level);
	run.length = count << f->level_shift[level];
	run.prot = codec_prot(f, types, pte, level);
	run.rung = (uint8_t)rung_of(f, pte, level);
	return run;
}

#endif
