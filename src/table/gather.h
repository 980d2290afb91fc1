/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The gather: the one caller of the platform's invalidation, and the one who frees tables
 * and reports removed leaves. It collects what an operation changed, invalidates once, waits
 * for completion, and only then lets anything go.
 */
#ifndef ML_TABLE_GATHER_H
#define ML_TABLE_GATHER_H

#include "table/deposit.h"
#include "table/hull.h"
#include "table/run.h"

/*
 * Runs of removed leaves for the sink, and tables, that wait for one completion. They are on the
 * stack, because their own memory is not to be written: walkers are still in it. A subtree is one,
 * and so is a run in one table.
 */
#define GATHER_ITEMS 16

enum gather_what {
	GATHER_LEAVES,
	GATHER_SUBTREE,
	GATHER_EMPTY, /* a subtree of one table, in which nothing is left */
	GATHER_SPARE  /* the same, and the leaf in its place owns it */
};

/* Something detached that nobody may reuse yet. */
struct gather_item {
	ml_va va;
	ml_pte pte; /* the first leaf, accessed and dirty of all merged; or the link of a subtree */
	uint32_t count; /* leaf entries */
	uint8_t level;
	uint8_t what; /* enum gather_what */
};

struct gather {
	struct ml_table *t;
	struct ml_op *op;
	struct joiner joiner; /* what the sink will hear next */
	struct hulls hulls;   /* of what changed */
	bool keeps;           /* emptied tables stay: they are about to be filled again */
	uint8_t items_count;
	struct gather_item items[GATHER_ITEMS];
};

ML_INLINE void gather_restart(struct gather *g)
{
	g->hulls.count = 0;
	g->items_count = 0;
}

ML_INLINE void gather_open(struct gather *g, struct ml_table *t, struct ml_op *op)
{
	g->t = t;
	g->op = op;
	g->joiner.run.length = 0;
	g->keeps = false;
	gather_restart(g);
}

ML_INLINE bool gather_has_sink(const struct gather *g)
{
	return g->op && g->op->sink;
}

/* Whether the sink is told of dirty leaf by leaf. */
ML_INLINE bool gather_is_exact(const struct gather *g)
{
	return g->op->flags & ML_OP_EXACT_DIRTY;
}

/*
 * Joining ranges is worth so many steps: a call has costs of its own, up to an interrupt to every
 * CPU.
 */
ML_INLINE unsigned gather_worth(const struct gather *g)
{
	return (1u << g->t->format->index_bits[0]) / 16;
}

/* Walkers may hold what is in there. */
ML_PART void gather_hull(struct gather *g, struct hull hull)
{
	hulls_add(&g->hulls, hull, gather_worth(g));
}

/* Walkers may hold leaves of this level and size in [first, last]. */
ML_INLINE void gather_range(struct gather *g, ml_va first, ml_va last, unsigned level,
			    unsigned stride)
{
	const struct hull hull = { first, last, (uint8_t)stride, (uint8_t)level, false };

	if (g->t->live && !hulls_extend(&g->hulls, &hull, gather_worth(g)))
		gather_hull(g, hull);
}

/*
 * Everything in [first, last], below entries that linked tables. It may be that all of it is larger
 * than base pages, but nobody has read it, and nobody may before its walkers have left.
 */
ML_INLINE void gather_tables_range(const struct ml_format *f, struct gather *g, ml_va first,
				   ml_va last)
{
	const struct hull hull = { first, last, f->page_shift, HULL_LEVELS, true };

	if (g->t->live)
		gather_hull(g, hull);
}

/* The same below one entry. */
ML_INLINE void gather_subtree_range(const struct ml_format *f, struct gather *g, ml_va va,
				    unsigned level)
{
	gather_tables_range(f, g, ml_align_down(va, f->level_shift[level]),
			    entry_last(f, va, level));
}

/*
 * An entry that linked a table in which nothing is left. What walkers held of the leaves is gone
 * or gathered already; any address below the link drops it (Arm ARM D8.14, Intel SDM 4.10.4.1).
 */
ML_INLINE void gather_link_range(const struct ml_format *f, struct gather *g, ml_va va,
				 unsigned level)
{
	const unsigned shift = f->level_shift[level];
	const struct hull page = { ml_align_down(va, f->page_shift),
				   ml_align_last(va, f->page_shift), f->page_shift, HULL_LEVELS,
				   true };
	struct hull *hull;

	if (!g->t->live)
		return;
	hull = hulls_within(&g->hulls, ml_align_down(va, shift), ml_align_last(va, shift), shift);
	if (!hull) {
		gather_hull(g, page);
		return;
	}
	hull->level = HULL_LEVELS;
	hull->tables = true;
}

/*
 * Leaves of this level were made in [first, last], where none were, and tables for them: walkers of
 * some formats may hold just that.
 */
ML_INLINE void gather_new(const struct ml_format *f, struct gather *g, ml_va first, ml_va last,
			  unsigned level, bool tables)
{
	const struct hull hull = { first, last, f->level_shift[level],
				   (uint8_t)(tables ? HULL_LEVELS : level), tables };

	if (f->caches_invalid && g->t->live)
		gather_hull(g, hull);
}

/* The same of leaves that a break had taken, or in a table that was there. */
ML_INLINE void gather_made(const struct ml_format *f, struct gather *g, ml_va first, ml_va last,
			   unsigned level)
{
	gather_new(f, g, first, last, level, false);
}

/* A table was linked by the entry at va of this level, where there was nothing. */
ML_INLINE void gather_linked(const struct ml_format *f, struct gather *g, ml_va va, unsigned level)
{
	if (f->caches_invalid)
		gather_link_range(f, g, va, level);
}

/* Whether walkers of the table must be told of what is new, too. */
ML_INLINE bool tells_of_new(const struct ml_format *f, const struct ml_table *t)
{
	return f->caches_invalid && t->live;
}

/* Invalidate without waiting; whether there was anything. */
ML_INLINE bool gather_issue(struct gather *g)
{
	struct ml_table *t = g->t;
	unsigned i;

	if (!g->hulls.count)
		return false;
	ML_PORT_PUBLISH();
	for (i = 0; i < g->hulls.count; i++) {
		const struct hull *hull = &g->hulls.hull[i];
		struct ml_invalidation what;

		what.va = hull->first;
		what.length = hull->last - hull->first + 1;
		what.stride_shift = hull->stride;
		what.level = hull->level;
		what.leaves_only = !hull->tables;
		t->platform->invalidate(t->cookie, g->op, &what);
	}
	tally(t, &t->stats.invalidations, g->hulls.count);
	return true;
}

/* Wait until all that was issued is complete. */
ML_INLINE void gather_wait(struct gather *g)
{
	g->t->platform->complete(g->t->cookie, g->op);
	tally(g->t, &g->t->stats.completions, 1);
}

ML_INLINE void gather_invalidate(struct gather *g)
{
	unsigned rounds = g->t->repeats ? 2 : 1;

	for (; rounds && gather_issue(g); rounds--)
		gather_wait(g);
}

/* Tables were linked on the ways to [va, last], beside whatever else changed there. */
ML_PART void tell_linked(const struct ml_format *f, struct ml_table *t, struct ml_op *op, ml_va va,
			 ml_va last)
{
	struct gather g;

	if (!tells_of_new(f, t))
		return;
	gather_open(&g, t, op);
	gather_new(f, &g, va, last, 0, true);
	gather_invalidate(&g);
}

/* Tell the sink what the joiner holds. */
ML_INLINE void gather_tell(struct gather *g)
{
	if (!g->joiner.run.length)
		return;
	g->op->bytes += g->joiner.run.length;
	g->op->sink(g->op->sink_cookie, &g->joiner.run);
	g->joiner.run.length = 0;
}

ML_INLINE void gather_report(const struct ml_format *f, struct gather *g, ml_va va, ml_pte pte,
			     uint64_t count, unsigned level)
{
	const struct ml_run piece = run_of(f, &g->t->types, va, pte, count, level);

	if (joins(&g->joiner, &piece, gather_is_exact(g) ? ML_ACCESSED : ML_PROT_AD)) {
		join(&g->joiner, &piece);
		return;
	}
	gather_tell(g);
	g->joiner.run = piece;
}

/* Report every leaf of a detached table, and count what its large leaves owed. */
ML_PART void gather_read_table(const struct ml_format *f, struct gather *g, const ml_pte *table,
			       unsigned from, unsigned to, ml_va va, unsigned level)
{
	const bool sink = gather_has_sink(g), exact = sink && gather_is_exact(g);
	unsigned i = from, count;

	for (i = from; i < to; i += count) {
		const ml_pte pte = entry_load(f, table + i);
		ml_pte merged;

		count = 1;
		if (!codec_is_leaf(f, pte, level))
			continue;
		count = exact ? leaf_entries(f, pte, level) : to - i;
		count = run_length(f, table + i, pte, count, level, &merged);
		if (sink)
			gather_report(f, g, va + ((uint64_t)(i - from) << f->level_shift[level]),
				      merged, count, level);
		owe_no_more(f, g->t, pte, level, count);
	}
}

ML_INLINE void gather_free(const struct ml_format *f, struct gather *g, ml_pte *table, ml_pa pa,
			   unsigned level)
{
	struct ml_table *t = g->t;

	tally(t, &t->stats.tables, ~(uint64_t)0);
	t->platform->table_free(t->cookie, g->op, table, pa, table_bytes(f, level));
}

/* One table on the way through a detached subtree. */
struct gather_frame {
	ml_pte *table;
	ml_pa pa;
	unsigned index;
};

/* Free every leaf table that a table of level 1 links; nobody wants to know what they held. */
ML_PART void gather_free_leaf_tables(const struct ml_format *f, struct gather *g,
				     const ml_pte *table)
{
	struct ml_table *t = g->t;
	unsigned i;

	for (i = 0; i < table_entries(f, 1); i++) {
		const ml_pte pte = entry_load(f, table + i);

		if (codec_is_table(f, pte, 1))
			gather_free(f, g, table_below(f, t, pte, 1), codec_table_pa(f, pte), 0);
	}
}

/* Read what must be read of a detached subtree, and free it, children before parents. */
ML_PART void gather_release(const struct ml_format *f, struct gather *g, ml_va va, ml_pte link,
			    unsigned level)
{
	const bool reads = gather_has_sink(g);
	struct gather_frame frames[ML_LEVEL_MAX];
	struct gather_frame *frame = frames + --level;
	const unsigned top = level;

	frame->pa = codec_table_pa(f, link);
	frame->table = table_at(f, g->t, frame->pa, level);
	frame->index = 0;
	for (;;) {
		unsigned count;
		ml_pte pte;

		if (level == 1 && frame->index == 0 && !reads && !g->t->guaranteed) {
			gather_free_leaf_tables(f, g, frame->table);
			frame->index = table_entries(f, 1);
		}
		if (level == 0 || frame->index == table_entries(f, level)) {
			if (level == 0 && reads)
				gather_read_table(f, g, frame->table, 0, table_entries(f, 0), va,
						  0);
			va = level == 0 ? va + ML_BIT(f->level_shift[1]) : va;
			gather_free(f, g, frame->table, frame->pa, level);
			if (level == top)
				return;
			frame = frames + ++level;
			continue;
		}
		pte = entry_load(f, frame->table + frame->index);
		if (codec_is_table(f, pte, level)) {
			frame->index++;
			frame = frames + --level;
			frame->pa = codec_table_pa(f, pte);
			frame->table = table_at(f, g->t, frame->pa, level);
			frame->index = 0;
			continue;
		}
		count = codec_is_leaf(f, pte, level) ? leaf_entries(f, pte, level) : 1;
		if (pte && (reads || g->t->guaranteed))
			gather_read_table(f, g, frame->table, frame->index, frame->index + count,
					  va, level);
		frame->index += count;
		va += (uint64_t)count << f->level_shift[level];
	}
}

/* A table that a leaf replaced, and its walkers have left, is that leaf's deposit. */
ML_INLINE void gather_spare(struct gather *g, ml_pte *table, ml_pa pa)
{
	tally(g->t, &g->t->stats.tables, ~(uint64_t)0);
	spare_push(&g->t->spare, table, pa);
}

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
		gather_release(f, g, item->va, item->pte, item->level);
	}
}

/* Invalidate, then release and report everything collected. */
ML_PART void gather_flush(const struct ml_format *f, struct gather *g)
{
	const unsigned count = g->items_count;
	unsigned i;

	gather_invalidate(g);
	for (i = 0; i < count; i++)
		gather_release_item(f, g, &g->items[i]);
	gather_restart(g);
}

ML_INLINE struct gather_item *gather_item(const struct ml_format *f, struct gather *g)
{
	if (ML_UNLIKELY(g->items_count == GATHER_ITEMS))
		gather_flush(f, g);
	return &g->items[g->items_count++];
}

/* The table that the entry at va of this level linked waits until walkers have left it. */
ML_INLINE void gather_table(const struct ml_format *f, struct gather *g, ml_va va, ml_pte link,
			    unsigned level, enum gather_what what)
{
	struct gather_item *item = gather_item(f, g);

	item->va = ml_align_down(va, f->level_shift[level]);
	item->pte = link;
	item->count = 0;
	item->level = (uint8_t)level;
	item->what = (uint8_t)what;
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
	struct gather_item *item;

	if (!gather_has_sink(g))
		return;
	item = gather_item(f, g);
	item->va = va;
	item->pte = pte;
	item->count = count;
	item->level = (uint8_t)level;
	item->what = GATHER_LEAVES;
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
