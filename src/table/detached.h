/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What was taken out of a table and waits until its walkers have left: on the stack, as far as
 * there is room, and the rest where it stood. There entries hold it without their valid bit; a
 * table in which nothing is left is in a chain through such ones. What walkers may still find
 * mapped in is not written.
 */
#ifndef ML_TABLE_DETACHED_H
#define ML_TABLE_DETACHED_H

#include "table/release.h"

ML_INLINE void gather_release_item(const struct ml_format *f, struct gather *g,
				   const struct gather_item *item)
{
	const ml_pa pa = codec_table_pa(f, item->pte);

	switch (item->what) {
	case GATHER_EMPTY:
		gather_free(f, g, table_at(f, g->t, pa, item->level - 1u), pa, item->level - 1u);
		break;
	case GATHER_SPARE:
		gather_spare(g, table_at(f, g->t, pa, item->level - 1u), pa);
		break;
	case GATHER_LEAVES:
		gather_report(f, g, item->va, item->pte, item->count, item->level);
		break;
	default:
		gather_release(f, g, item->va, item->pte, item->level, false);
	}
}

/* ---- what waits where it stood --------------------------------------------------- */

/* Entry p of this level at va is empty again, and what waited there goes. */
ML_PART void crowd_leaves(const struct ml_format *f, struct gather *g, ml_pte *p, ml_pte waiting,
			  ml_va va, unsigned level)
{
	const ml_pte pte = absent_waited(f, waiting);

	entry_store(f, p, 0);
	write_back(g->t, g->op, p, 1);
	if (codec_is_leaf(f, pte, level))
		gather_report(f, g, va, pte, 1, level);
	else
		gather_release(f, g, va, pte, level, waiting & ABSENT_HOLDS);
}

/* The same of one table's part of [va, last]; returns the last address dealt with. */
ML_PART ml_va crowd_some(const struct ml_format *f, struct gather *g, ml_va va, ml_va last)
{
	struct place at = descend(f, g->t, va, 0);
	const unsigned shift = f->level_shift[at.level];
	unsigned left = table_entries(f, at.level) - index_of(f, va, at.level);

	for (;;) {
		const ml_va end = ml_align_last(va, shift);

		if (absent_waits(f, at.pte))
			crowd_leaves(f, g, at.entry, at.pte, ml_align_down(va, shift), at.level);
		if (end - va >= last - va)
			return last;
		if (!--left)
			return end;
		at.pte = entry_load(f, ++at.entry);
		if (codec_is_table(f, at.pte, at.level))
			return end;
		va = end + 1;
	}
}

/* Tables that were empty, and then held nothing but the link to another such one. */
ML_INLINE void crowd_free(const struct ml_format *f, struct gather *g, ml_pte link)
{
	while (link) {
		ml_pte *table = table_below(f, g->t, link, 1);
		const ml_pa pa = codec_table_pa(f, link);

		link = absent_waited(f, entry_load(f, table));
		entry_fill(f, table, 0);
		gather_free(f, g, table, pa, 0);
	}
}

/* Walkers have left. */
ML_PART void crowd_release(const struct ml_format *f, struct gather *g)
{
	const struct gather_crowd crowd = g->crowd;
	const ml_va last = g->t->origin + crowd.last;
	ml_va va = g->t->origin + crowd.first;

	for (; crowd.first <= crowd.last; va++) {
		va = crowd_some(f, g, va, last);
		if (va == last)
			break;
	}
	crowd_free(f, g, crowd.emptied);
	ML_PORT_PUBLISH();
	g->emptied = g->emptied == EMPTIED_WAITS ? EMPTIED_GOES : g->emptied;
}

ML_INLINE void gather_release_all(const struct ml_format *f, struct gather *g)
{
	const bool crowded = gather_is_crowded(f, g);
	const unsigned count = g->items_count - crowded;
	unsigned i;

	for (i = 0; i < count; i++)
		gather_release_item(f, g, &g->items[i]);
	if (ML_UNLIKELY(crowded))
		crowd_release(f, g);
}

/* Invalidate, then release and report everything collected. */
ML_PART void gather_flush(const struct ml_format *f, struct gather *g)
{
	gather_invalidate(g);
	if (g->items_count)
		gather_release_all(f, g);
	gather_restart(g);
}

/* From now on what goes waits elsewhere. */
ML_INLINE void crowd_open(const struct ml_format *f, struct gather *g)
{
	const struct gather_crowd nobody = { ~(ml_va)0, 0, 0 };

	if (gather_is_crowded(f, g))
		return;
	g->items_count = (uint8_t)(gather_room(f) + 1);
	g->crowd = nobody;
	g->emptied = g->emptied == EMPTIED_GOES ? EMPTIED_WAITS : g->emptied;
}

/* Whether a table holds nothing at all. */
ML_INLINE bool is_blank(const struct ml_format *f, const ml_pte *table, unsigned level)
{
	const unsigned count = table_entries(f, level);
	ml_pte any = 0;
	unsigned i;

	for (i = 0; i < count; i++)
		any |= entry_load(f, table + i);
	return !any;
}

/* A table that holds nothing may hold the link to another that waits: walkers see none there. */
ML_INLINE bool crowd_chains(const struct ml_format *f, struct gather *g,
			    const struct gather_item *item)
{
	ml_pte *table;

	if (item->what != GATHER_EMPTY)
		return false;
	table = table_below(f, g->t, item->pte, item->level);
	if (!is_blank(f, table, item->level - 1u))
		return false;
	if (g->crowd.emptied)
		entry_fill(f, table, absent_wait(f, g->crowd.emptied));
	g->crowd.emptied = codec_table(f, codec_table_pa(f, item->pte));
	return true;
}

/* What an entry holds while its leaf, or the table that it linked, waits. */
ML_INLINE ml_pte crowd_word(const struct ml_format *f, const struct gather_item *item, unsigned i)
{
	if (item->what == GATHER_LEAVES)
		return absent_wait(f, item->pte + ((uint64_t)i << f->level_shift[item->level]));
	return absent_wait(f, codec_table(f, codec_table_pa(f, item->pte))) |
	       (item->what == GATHER_EMPTY ? ABSENT_HOLDS : 0);
}

/* The entries that it stood in are still there, and empty: it waits in them. */
ML_INLINE bool crowd_stays(const struct ml_format *f, struct gather *g,
			   const struct gather_item *item)
{
	const unsigned count = item->what == GATHER_LEAVES ? item->count : 1;
	const struct place at = descend(f, g->t, item->va, item->level);
	const ml_va first = item->va - g->t->origin;
	unsigned i;

	if (at.level != item->level || at.pte)
		return false;
	crowd_open(f, g);
	if (crowd_chains(f, g, item))
		return true;
	for (i = 0; i < count; i++)
		entry_store(f, at.entry + i, crowd_word(f, item, i));
	write_back(g->t, g->op, at.entry, count);
	g->crowd.first = ml_min(g->crowd.first, first);
	g->crowd.last = ml_max(g->crowd.last,
			       first + (((uint64_t)count << f->level_shift[item->level]) - 1));
	return true;
}

/* There is no more room for what was filled in last. */
ML_PART void gather_crowd(const struct ml_format *f, struct gather *g)
{
	const struct gather_item item = g->items[g->items_count];

	if (g->t->live && crowd_stays(f, g, &item))
		return;
	gather_flush(f, g);
	g->items[g->items_count++] = item;
}

/* Whether nothing is left in a table of this level, at va, but what waits there. */
ML_PART bool crowd_is_all(const struct ml_format *f, const struct gather *g, const ml_pte *table,
			  ml_va va, unsigned level)
{
	const unsigned shift = f->level_shift[level];
	ml_va at = ml_align_down(va, f->level_shift[level + 1]) - g->t->origin;
	unsigned i;

	for (i = 0; i < table_entries(f, level); i++, at += ML_BIT(shift)) {
		const ml_pte pte = entry_load(f, table + i);

		if (pte && !(absent_waits(f, pte) && at >= g->crowd.first && at <= g->crowd.last))
			return false;
	}
	return true;
}

/* ---- what goes ------------------------------------------------------------------- */

/* What was filled in waits for the flush. */
ML_INLINE void gather_wait_for(const struct ml_format *f, struct gather *g)
{
	if (ML_UNLIKELY(g->items_count >= gather_room(f)))
		gather_crowd(f, g);
	else
		g->items_count++;
}

/* The table that the entry at va of this level linked waits until walkers have left it. */
ML_INLINE void gather_table(const struct ml_format *f, struct gather *g, ml_va va, ml_pte link,
			    unsigned level, enum gather_what what)
{
	struct gather_item *item = &g->items[g->items_count];

	item->va = ml_align_down(va, f->level_shift[level]);
	item->pte = link;
	item->count = 0;
	item->level = (uint8_t)level;
	item->what = (uint8_t)what;
	gather_wait_for(f, g);
}

/* The entry at va of this level linked a table and no longer does. */
ML_INLINE void gather_subtree(const struct ml_format *f, struct gather *g, ml_va va, ml_pte link,
			      unsigned level, enum gather_what what)
{
	gather_table(f, g, va, link, level, what);
	gather_subtree_range(f, g, va, level);
}

/* The same of a table in which nothing is left, at va the least. */
ML_INLINE void gather_emptied(const struct ml_format *f, struct gather *g, ml_va va, ml_pte link,
			      unsigned level)
{
	gather_table(f, g, va, link, level, GATHER_EMPTY);
	gather_link_range(f, g, va, level);
}

/* count leaf entries from va on were removed; pte is the first with accessed and dirty merged. */
ML_INLINE void gather_leaves(const struct ml_format *f, struct gather *g, ml_va va, ml_pte pte,
			     uint32_t count, unsigned level)
{
	struct gather_item *item = &g->items[g->items_count];

	if (!gather_has_sink(g))
		return;
	item->va = va;
	item->pte = pte;
	item->count = count;
	item->level = (uint8_t)level;
	item->what = GATHER_LEAVES;
	gather_wait_for(f, g);
}

/* The end of an operation: nothing may be left over, and deposits nobody needs go back. */
ML_INLINE void gather_close(const struct ml_format *f, struct gather *g)
{
	if (g->items_count || g->hulls.count)
		gather_flush(f, g);
	if (gather_has_sink(g))
		gather_tell(g);
	if (ML_UNLIKELY(g->t->spare.count > g->t->owed + g->t->pledged))
		ml_supply_trim(g->t, g->op, &g->t->spare, g->t->owed + g->t->pledged);
}

#endif
