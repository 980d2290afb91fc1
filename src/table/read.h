/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Reading: translate one address, show the walk, iterate over runs of leaves. */
#ifndef ML_TABLE_READ_H
#define ML_TABLE_READ_H

#include "table/run.h"

/* A leaf on the way down, with what the tables above it allow. */
struct found {
	ml_pte pte;
	ml_pte all; /* the AND, */
	ml_pte any; /* and the OR of the table entries above */
	unsigned level;
};

/* The walk, levels written out; false where it leaves memory that may hold tables. */
ML_INLINE bool find_leaf(const struct ml_format *f, const struct ml_table *t, ml_va va,
			 bool direct, struct found *found)
{
	const ml_pte *table = t->root;
	ml_pte all = ~(ml_pte)0, any = 0, pte;

#define FIND_STEP(number)                                                              \
	pte = entry_load(f, table + index_of(f, va, (number)));                        \
	if (!codec_is_table(f, pte, (number))) {                                       \
		found->level = (number);                                               \
		goto out;                                                              \
	}                                                                              \
	all &= pte;                                                                    \
	any |= pte;                                                                    \
	table = direct ? (const ml_pte *)(const void *)(t->base + codec_table_pa(f, pte)) : \
			 table_below(f, t, pte, (number));                             \
	if (!direct && ML_UNLIKELY(!table))                                            \
		return false

	switch (t->levels) {
	default:
		FIND_STEP(4);
		/* fall through */
	case 4:
		FIND_STEP(3);
		/* fall through */
	case 3:
		FIND_STEP(2);
		/* fall through */
	case 2:
		FIND_STEP(1);
	}
#undef FIND_STEP
	pte = entry_load(f, table + index_of(f, va, 0));
	found->level = 0;
out:
	found->pte = pte;
	found->all = all;
	found->any = any;
	return true;
}

ML_INLINE int table_translate(const struct ml_format *f, const struct ml_table *t, ml_va va,
			      struct ml_translation *out)
{
	struct found found;
	uint64_t inside;

	if (ML_UNLIKELY((va - t->origin) >> t->va_bits))
		return ML_ERR_CANONICAL;
	if (ML_LIKELY(t->base != NULL))
		(void)find_leaf(f, t, va, true, &found);
	else if (!find_leaf(f, t, va, false, &found))
		return ML_ERR_BAD_TABLE;
	if (!codec_is_leaf(f, found.pte, found.level))
		return ML_ERR_NOT_MAPPED;
	inside = va & (ML_BIT(f->level_shift[found.level]) - 1);
	out->pa = codec_leaf_pa(f, found.pte, found.level) | inside;
	out->pte = found.pte;
	out->level = (uint8_t)found.level;
	out->rung = (uint8_t)rung_of(f, found.pte, found.level);
	out->prot = codec_prot(f, &t->types, codec_limit(f, found.pte, found.all, found.any),
			       found.level);
	return ML_OK;
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

/* The run of leaves that begins at va inside one table, cut to [va, last]. */
ML_INLINE void run_here(const struct ml_format *f, const struct ml_table *t, struct place at,
			ml_va va, ml_va last, struct ml_run *run)
{
	const unsigned shift = f->level_shift[at.level];
	const unsigned room = table_entries(f, at.level) - index_of(f, va, at.level);
	const uint64_t inside = va & (ML_BIT(shift) - 1);
	const uint64_t wanted = ((last - ml_align_down(va, shift)) >> shift) + 1;
	ml_pte merged;
	unsigned count = run_length(f, at.entry, at.pte, (unsigned)ml_min(room, wanted), at.level,
				    &merged);

	*run = run_of(f, &t->types, va, merged, count, at.level);
	run->pa += inside;
	run->length -= inside;
	if (run->length - 1 > last - va)
		run->length = last - va + 1;
}

/* Step over what is not mapped at va; returns the last address of it. */
ML_INLINE ml_va skip_hole(const struct ml_format *f, struct place at, ml_va va, ml_va last)
{
	unsigned left = table_entries(f, at.level) - index_of(f, va, at.level);
	const ml_pte *p = at.entry;
	ml_va end = entry_last(f, va, at.level);

	while (--left && end < last && !entry_load(f, ++p))
		end += ML_BIT(f->level_shift[at.level]);
	return ml_min(last, end);
}

/* The place of va, or a hole's, where a table pointer leads nowhere. */
ML_INLINE struct place look(const struct ml_format *f, const struct ml_table *t, ml_va va)
{
	struct found found;

	if (t->base || find_leaf(f, t, va, false, &found))
		return descend(f, t, va, 0);
	return descend(f, t, va, root_level(t));
}

/* Move the cursor to where the table translates again; false when that is nowhere before its end. */
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
		const struct place at = look(f, t, cursor->va);
		ml_va end;

		if (!codec_is_leaf(f, at.pte, at.level)) {
			if (joiner.run.length)
				break;
			end = skip_hole(f, at, cursor->va, cursor->last);
		} else {
			struct ml_run piece;

			run_here(f, t, at, cursor->va, cursor->last, &piece);
			if (joiner.run.length && !joins(&joiner, &piece))
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
