/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Reading: translate one address, show the walk, iterate over runs of leaves. */
#ifndef ML_TABLE_READ_H
#define ML_TABLE_READ_H

#include "table/run.h"

/* pte, found at p for va, is a member of a group: with what marks any of the others. */
ML_PART ml_pte group_gathered(const struct ml_format *f, const ml_pte *p, ml_pte pte, ml_va va,
			      unsigned level)
{
	const unsigned count = 1u << f->rungs[f->group_rung[level]].lg2_entries;
	const unsigned at = index_of(f, va, level) & (count - 1);
	const uint64_t step = ML_BIT(f->level_shift[level]);
	ml_pte bits = 0;
	unsigned i;

	for (i = 0; i < count; i++) {
		const ml_pte differ = entry_load(f, p - at + i) ^ (pte + step * i - step * at);

		if (!(differ &
		      ~codec_ad_bits(f, pte))) /* else a writer is taking the group apart */
			bits |= differ;
	}
	return codec_merge_ad(f, pte, bits);
}

/* The leaf pte at this level answers for va. */
ML_INLINE int translated(const struct ml_format *f, ml_pte pte, unsigned level, ml_va va,
			 struct ml_translation *out)
{
	const uint64_t inside = ML_BIT(f->level_shift[level]) - 1;

	out->pa = codec_leaf_pa(f, pte, level) | (va & inside);
	out->pte = pte;
	out->level = (uint8_t)level;
	return ML_OK;
}

/* Any table: every step checked, the limits of the tables above applied. */
ML_PART int translate_general(const struct ml_format *f, const struct ml_table *t, ml_va va,
			      struct ml_translation *out)
{
	const ml_pte *table = t->root;
	ml_pte all = ~(ml_pte)0, any = 0, pte;
	unsigned level = root_level(t);

	if (!covers(t, va, va))
		return ML_ERR_CANONICAL;
	for (;; level--) {
		pte = entry_load(f, table + index_of(f, va, level));
		if (!codec_is_table(f, pte, level))
			break;
		all &= pte;
		any |= pte;
		table = table_below(f, t, pte, level);
		if (ML_UNLIKELY(!table))
			return ML_ERR_BAD_TABLE;
	}
	if (!codec_is_leaf(f, pte, level))
		return ML_ERR_NOT_MAPPED;
	if (pte & codec_group(f))
		pte = group_gathered(f, table + index_of(f, va, level), pte, va, level);
	return translated(f, codec_limit(f, pte, all, any), level, va, out);
}

/*
 * The tables of a direct table are the library's own and limit nothing. Each level has its own end,
 * so that everything about it is a constant; members of groups, whose marks have to be gathered, go
 * the long way, so that this one calls nothing and saves no registers.
 */
ML_INLINE int table_translate(const struct ml_format *f, const struct ml_table *t, ml_va va,
			      struct ml_translation *out)
{
	const ml_pte *table = t->root;
	ml_pte pte;

	if (ML_UNLIKELY(!t->direct || (va - t->origin) >> default_va_bits(f)))
		return translate_general(f, t, va, out);
#define TRANSLATE_STEP(number)                                                            \
	if (f->levels_default > (number)) {                                               \
		pte = entry_load(f, table + index_of(f, va, (number)));                   \
		if (!codec_own_is_table(f, pte, (number))) {                              \
			if (ML_UNLIKELY(pte & codec_group(f)))                            \
				return translate_general(f, t, va, out);                  \
			return codec_own_is_leaf(f, pte, (number))                        \
				       ? translated(f, pte, (number), va, out)            \
				       : ML_ERR_NOT_MAPPED;                               \
		}                                                                         \
		table = (const ml_pte *)(const void *)(t->base + codec_table_pa(f, pte)); \
	}
	TRANSLATE_STEP(4)
	TRANSLATE_STEP(3)
	TRANSLATE_STEP(2)
	TRANSLATE_STEP(1)
	TRANSLATE_STEP(0)
#undef TRANSLATE_STEP
	return ML_ERR_NOT_MAPPED;
}

ML_INLINE int table_walk(const struct ml_format *f, const struct ml_table *t, ml_va va,
			 struct ml_walk *walk)
{
	const ml_pte *table = t->root;
	ml_pa pa = t->root_pa;
	unsigned level = t->levels;

	walk->count = 0;
	if (!covers(t, va, va))
		return ML_ERR_CANONICAL;
	while (level-- > 0) {
		struct ml_walk_entry *entry = &walk->entries[walk->count++];

		entry->table = pa;
		entry->index = index_of(f, va, level);
		entry->level = (uint8_t)level;
		entry->pte = entry_load(f, table + entry->index);
		entry->kind = codec_kind(f, entry->pte, level);
		if (entry->kind != ML_KIND_TABLE)
			break;
		pa = codec_table_pa(f, entry->pte);
		table = table_below(f, t, entry->pte, level);
		if (!table)
			return ML_ERR_BAD_TABLE;
	}
	return ML_OK;
}

/*
 * The run of leaves that begins at va inside one table, cut to [va, last]. What marks one member of
 * a group marks them all, also those outside.
 */
ML_PART void run_here(const struct ml_format *f, const struct ml_table *t, struct place at,
		      ml_va va, ml_va last, struct ml_run *run)
{
	const unsigned shift = f->level_shift[at.level];
	const unsigned room = table_entries(f, at.level) - index_of(f, va, at.level);
	const uint64_t inside = va & (ML_BIT(shift) - 1);
	const uint64_t wanted = ((last - ml_align_down(va, shift)) >> shift) + 1;
	ml_pte merged;
	const unsigned count =
		run_length(f, at.entry, at.pte, (unsigned)ml_min(room, wanted), at.level, &merged);
	const uint64_t behind = (uint64_t)(count - 1) << shift;

	if (at.pte & codec_group(f)) {
		merged = group_gathered(f, at.entry, merged, va, at.level);
		merged += behind;
		merged = group_gathered(f, at.entry + count - 1, merged, va + behind, at.level);
		merged -= behind;
	}
	*run = run_of(f, &t->types, va, merged, count, at.level);
	run->pa += inside;
	run->length -= inside;
	if (run->length - 1 > last - va)
		run->length = last - va + 1;
}

/* Step over what is not mapped at va; returns the last address of it. */
ML_PART ml_va skip_hole(const struct ml_format *f, struct place at, ml_va va, ml_va last)
{
	const unsigned shift = f->level_shift[at.level];
	const unsigned room = table_entries(f, at.level) - index_of(f, va, at.level) - 1;
	const ml_va end = entry_last(f, va, at.level);
	const uint64_t beyond = end < last ? ((last - end - 1) >> shift) + 1 : 0;
	const ml_pte *p = at.entry + 1, *const stop = p + ml_min(room, beyond);

	while (p != stop && !entry_load(f, p))
		p++;
	return ml_min(last, end + ((uint64_t)(p - at.entry - 1) << shift));
}

/*
 * Move the cursor to where the table translates again; false when that is nowhere before its end.
 */
ML_INLINE bool enter_space(const struct ml_table *t, struct ml_cursor *cursor)
{
	if (ML_LIKELY(covers(t, cursor->va, cursor->va)))
		return true;
	if (cursor->va >= t->origin || cursor->last < t->origin) {
		cursor->done = true;
		return false;
	}
	cursor->va = t->origin;
	return true;
}

ML_INLINE bool table_run_next(const struct ml_format *f, const struct ml_table *t,
			      struct ml_cursor *cursor, struct ml_run *run)
{
	struct joiner joiner;

	joiner.run.length = 0;
	while (!cursor->done && enter_space(t, cursor)) {
		const struct place at = descend(f, t, cursor->va, 0);
		ml_va end;

		if (!codec_is_leaf(f, at.pte, at.level)) {
			if (joiner.run.length)
				break;
			end = skip_hole(f, at, cursor->va, cursor->last);
		} else {
			struct ml_run piece;

			run_here(f, t, at, cursor->va, cursor->last, &piece);
			if (joiner.run.length && !joins(&joiner, &piece, ML_PROT_AD))
				break;
			if (joiner.run.length)
				join(&joiner, &piece);
			else
				joiner.run = piece;
			end = piece.va + (piece.length - 1);
		}
		cursor->done = end == cursor->last;
		cursor->va = end + 1;
	}
	*run = joiner.run;
	return run->length != 0;
}

#endif
