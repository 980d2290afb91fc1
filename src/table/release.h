/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* After completion: removed leaves are reported, and tables freed. */
#ifndef ML_TABLE_RELEASE_H
#define ML_TABLE_RELEASE_H

#include "format/absent.h"
#include "table/gather.h"

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

/* The same of a table that holds nothing but what waited in it. */
ML_PART void gather_read_waiting(const struct ml_format *f, struct gather *g, const ml_pte *table,
				 unsigned from, unsigned to, ml_va va, unsigned level)
{
	for (; from < to; from++, va += ML_BIT(f->level_shift[level])) {
		const ml_pte pte = absent_waited(f, entry_load(f, table + from));

		if (codec_is_leaf(f, pte, level))
			gather_report(f, g, va, pte, 1, level);
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
	bool waits; /* what it holds waited there */
};

/* Report entries [from, to) of it. */
ML_INLINE void gather_read_frame(const struct ml_format *f, struct gather *g,
				 const struct gather_frame *frame, unsigned from, unsigned to,
				 ml_va va, unsigned level)
{
	if (ML_UNLIKELY(frame->waits))
		gather_read_waiting(f, g, frame->table, from, to, va, level);
	else
		gather_read_table(f, g, frame->table, from, to, va, level);
}

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

/*
 * Read what must be read of a detached subtree, and free it, children before parents. waits: its
 * table holds nothing but what waited in it.
 */
ML_PART void gather_release(const struct ml_format *f, struct gather *g, ml_va va, ml_pte link,
			    unsigned level, bool waits)
{
	const bool reads = gather_has_sink(g);
	struct gather_frame frames[ML_LEVEL_MAX];
	struct gather_frame *frame = frames + --level;
	const unsigned top = level;

	frame->pa = codec_table_pa(f, link);
	frame->table = table_at(f, g->t, frame->pa, level);
	frame->index = 0;
	frame->waits = waits;
	for (;;) {
		unsigned count;
		ml_pte pte;

		if (level == 1 && frame->index == 0 && !reads && !g->t->guaranteed &&
		    !frame->waits) {
			gather_free_leaf_tables(f, g, frame->table);
			frame->index = table_entries(f, 1);
		}
		if (level == 0 || frame->index == table_entries(f, level)) {
			if (level == 0 && reads)
				gather_read_frame(f, g, frame, 0, table_entries(f, 0), va, 0);
			va = level == 0 ? va + ML_BIT(f->level_shift[1]) : va;
			gather_free(f, g, frame->table, frame->pa, level);
			if (level == top)
				return;
			frame = frames + ++level;
			continue;
		}
		pte = entry_load(f, frame->table + frame->index);
		waits = frame->waits && pte & ABSENT_HOLDS;
		if (ML_UNLIKELY(frame->waits))
			pte = absent_waited(f, pte);
		if (codec_is_table(f, pte, level)) {
			frame->index++;
			frame = frames + --level;
			frame->waits = waits;
			frame->pa = codec_table_pa(f, pte);
			frame->table = table_at(f, g->t, frame->pa, level);
			frame->index = 0;
			continue;
		}
		count = codec_is_leaf(f, pte, level) ? leaf_entries(f, pte, level) : 1;
		if (pte && (reads || g->t->guaranteed))
			gather_read_frame(f, g, frame, frame->index, frame->index + count, va,
					  level);
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

#endif
