/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The gather: the one caller of the platform's invalidation. It collects what an operation changed,
 * invalidates once, and waits for completion. What it then lets go is in detached.h.
 */
#ifndef ML_TABLE_GATHER_H
#define ML_TABLE_GATHER_H

#include "table/deposit.h"
#include "table/hull.h"
#include "table/run.h"

/*
 * Runs of removed leaves for the sink, and tables, that wait for completion on the stack; more of
 * them wait where they stood. A subtree is one, and so is a run in one table.
 */
#define GATHER_ITEMS 12

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

/* What waits elsewhere. */
struct gather_crowd {
	ml_va first, last; /* entries that wait where they stood; from the table's origin on */
	ml_pte emptied;    /* the link of the latest of a chain of tables; 0: there is none */
};

/* What becomes of a table in which nothing is left. */
enum gather_emptied {
	EMPTIED_GOES,
	EMPTIED_WAITS, /* it goes, and it may be that entries of it wait there */
	EMPTIED_STAYS  /* it is about to be filled again */
};

struct gather {
	struct ml_table *t;
	struct ml_op *op;
	struct joiner joiner; /* what the sink will hear next */
	struct hulls hulls;   /* of what changed */
	uint8_t emptied;      /* enum gather_emptied */
	uint8_t items_count;  /* one more than there is room for: the others are in the crowd */
	struct gather_crowd crowd;
	struct gather_item items[GATHER_ITEMS + 2]; /* the last: on their way elsewhere */
};

/*
 * How many wait on the stack. Where tables are small, so few that in them, too, some wait
 * elsewhere.
 */
ML_INLINE unsigned gather_room(const struct ml_format *f)
{
	return (unsigned)ml_min(GATHER_ITEMS, 1u << f->index_bits[0] / 2);
}

ML_INLINE bool gather_is_crowded(const struct ml_format *f, const struct gather *g)
{
	return g->items_count > gather_room(f);
}

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
	g->emptied = EMPTIED_GOES;
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

#endif
