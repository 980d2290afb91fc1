/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Map: counted, supplied, and then stored. A table that is new is filled, then linked; one leaf
 * into a table that exists goes a short way.
 */
#ifndef ML_TABLE_MAP_H
#define ML_TABLE_MAP_H

#include "table/count.h"
#include "table/fold.h"

/*
 * Make the tables above `level` on the way to va, empty ones; returns the entry that will link a
 * table of that level.
 */
ML_INLINE ml_pte *build_path(const struct ml_format *f, struct ml_table *t, struct ml_op *op,
			     struct supply *supply, struct place at, ml_va va, unsigned level)
{
	while (at.level > level + 1) {
		ml_pa pa;
		ml_pte *table = supply_take(t, supply, &pa);

		at.level--;
		entry_clear_run(f, table, table_entries(f, at.level));
		link_table(f, t, op, at.entry, table, pa, at.level);
		at.entry = table + index_of(f, va, at.level);
	}
	return at.entry;
}

/* A table that is new, and empty but for count entries from index on, which are to be filled. */
ML_INLINE ml_pte *start_table(const struct ml_format *f, struct ml_table *t, struct supply *supply,
			      unsigned index, unsigned count, unsigned level, ml_pa *pa)
{
	ml_pte *table = supply_take(t, supply, pa);

	entry_clear_run(f, table, index);
	entry_clear_run(f, table + index + count, table_entries(f, level) - index - count);
	return table;
}

/* A new table with count leaves from index on and nothing else, linked when it is whole. */
ML_PART void link_filled(const struct ml_format *f, struct ml_table *t, struct ml_op *op,
			 struct supply *supply, ml_pte *link, unsigned index, unsigned count,
			 ml_pte pte, unsigned level)
{
	ml_pa pa;
	ml_pte *table = start_table(f, t, supply, index, count, level, &pa);

	entry_put_run(f, table + index, count, pte, ML_BIT(f->level_shift[level]), true);
	link_table(f, t, op, link, table, pa, level);
}

/*
 * Make the tables on the way to va that several writers use: who comes second takes what the first
 * one linked, and keeps its own table. Returns where the way ends then.
 */
ML_PART struct place install_path(const struct ml_format *f, struct ml_table *t, struct ml_op *op,
				  struct supply *supply, struct place at, ml_va va, unsigned level)
{
	while (at.level > ml_max(level, t->top)) {
		ml_pa pa;
		ml_pte *table = supply_take(t, supply, &pa);

		entry_clear_run(f, table, table_entries(f, at.level - 1));
		if (!install_table(f, t, op, at.entry, table, pa, at.level - 1))
			supply_return(t, supply, table, pa);
		at = descend(f, t, va, level);
	}
	return at;
}

/* Store one run. bits: the leaf without its address. */
ML_PART void store_run(const struct ml_format *f, struct ml_table *t, struct ml_op *op,
		       struct supply *supply, const struct mapping_run *run, ml_pte bits)
{
	const unsigned level = f->rungs[run->rung].level, shift = f->level_shift[level];
	uint64_t left = ((run->last - run->va) >> shift) + 1;
	ml_va va = run->va;
	ml_pte pte = bits | run->pa;

	while (left) {
		const unsigned index = index_of(f, va, level);
		const unsigned count = (unsigned)ml_min(left, table_entries(f, level) - index);
		struct place at = descend(f, t, va, level);

		if (ML_UNLIKELY(at.level > t->top))
			at = install_path(f, t, op, supply, at, va, level);
		if (at.level == level) {
			entry_put_run(f, at.entry, count, pte, ML_BIT(shift), false);
			publish(t, op, at.entry, count);
		} else {
			link_filled(f, t, op, supply, build_path(f, t, op, supply, at, va, level),
				    index, count, pte, level);
		}
		va += (uint64_t)count << shift;
		pte += (uint64_t)count << shift;
		left -= count;
	}
}

/* Store everything; nothing can fail any more. */
ML_INLINE void store_mapping(const struct ml_format *f, struct gather *g, struct supply *supply,
			     const struct mapping *m)
{
	struct mapping_cursor at = m->rest;
	struct mapping_run run = m->first;

	for (;; run = mapping_next(f, g->t, m, &at)) {
		const uint64_t tables = f->caches_invalid ? tallied(&g->t->stats.tables) : 0;
		ml_pte bits = codec_leaf_bits(f, &g->t->types, m->prot, f->rungs[run.rung].level);

		if (f->rungs[run.rung].lg2_entries)
			bits |= codec_group(f);
		store_run(f, g->t, g->op, supply, &run, bits);
		/* beside other writers: it may be one of theirs, and not yet invalidated */
		gather_new(f, g, run.va, run.last, f->rungs[run.rung].level,
			   g->t->units || g->t->stats.tables != tables);
		if (!mapping_left(m, &at))
			return;
	}
}

/* A mapping of [va, last] may have completed what begins before it or ends behind it. */
ML_PART void fold_ends(const struct ml_format *f, struct gather *g, ml_va va, ml_va last)
{
	const struct place first = descend(f, g->t, va, 0);
	const uint32_t rungs = allowed_rungs(g->t, g->op);
	struct place end;

	fold_completed(f, g, rungs, va, first.entry, first.pte, first.level);
	end = descend(f, g->t, last, 0);
	fold_completed(f, g, rungs, ml_align_down(last, f->page_shift), end.entry, end.pte,
		       end.level);
}

/* Remove what is in the way, store, fold. */
ML_PART void commit_mapping(const struct ml_format *f, struct ml_table *t, struct ml_op *op,
			    struct supply *supply, const struct mapping *m, uint64_t bytes,
			    const struct demand *demand)
{
	const ml_va last = m->va + bytes - 1;
	struct gather g;

	gather_open(&g, t, op);
	if (op && op->flags & ML_OP_REPLACE) {
		struct supply deposits = { &t->spare, { NULL, 0 } };

		g.emptied = EMPTIED_STAYS;
		if (t->guaranteed)
			deposit(t, supply, demand->cuts);
		unmap_range(f, &g, t->guaranteed ? &deposits : supply, m->va, last);
		gather_close(f, &g); /* walkers have left the old before they can see the new */
		gather_open(&g, t, op);
	}
	store_mapping(f, &g, supply, m);
	deposit_owed(t, supply, demand->deposits);
	if (t->fold != ML_FOLD_MAP)
		fold_ends(f, &g, m->va, last);
	gather_close(f, &g);
	if (op)
		op->bytes = bytes;
}

ML_PART int table_map_general(const struct ml_format *f, struct ml_table *t, struct mapping *m,
			      struct ml_op *op)
{
	struct supply supply;
	struct demand demand;
	uint64_t bytes;
	int error = prepare_mapping(f, t, op, false, m, &bytes, &demand);

	if (error)
		return error;
	begin(t, op);
	error = ml_supply_open(t, op, &supply, demand_sum(&demand));
	if (error || is_dry(op))
		return error;
	commit_mapping(f, t, op, &supply, m, bytes, &demand);
	supply_close(t, op, &supply);
	return ML_OK;
}

/* The leaf pte was made at `entry`: fold what it completes. */
ML_PART void map_fold(const struct ml_format *f, struct ml_table *t, ml_va va, ml_pte *entry,
		      ml_pte pte, unsigned level)
{
	struct gather g;

	gather_open(&g, t, NULL);
	fold_completed(f, &g, t->rungs, va, entry, pte, level);
	gather_close(f, &g);
}

/* The next call will most likely map with the same protection. */
ML_PART void remember_prot(const struct ml_format *f, struct ml_table *t, ml_prot prot)
{
	t->memo_prot = prot;
	prot = mapping_prot(t, prot);
	t->memo_bits[0] = codec_leaf_bits(f, &t->types, prot, 0);
	t->memo_bits[1] = t->memo_bits[2] = 0;
	if (t->small_exec && is_executable(prot))
		return;
	t->memo_bits[1] = codec_leaf_bits(f, &t->types, prot, 1);
	t->memo_bits[2] = codec_leaf_bits(f, &t->types, prot, 2);
}

/* One leaf of exactly this range into a table that exists: no tables are taken. Checked already. */
ML_INLINE bool map_one(const struct ml_format *f, struct ml_table *t, ml_va va, ml_pa pa,
		       ml_prot prot, unsigned level)
{
	struct place at;
	ml_pte pte;

	if (level &&
	    (!(t->rungs >> f->block_rung[level] & 1) || t->guaranteed || t->ad_unit || t->careful))
		return false;
	if (tells_of_new(f, t))
		return false;
	at = descend(f, t, va, level);
	if (at.level != level || at.pte)
		return false;
	begin(t, NULL);
	pte = pa | codec_leaf_bits(f, &t->types, mapping_prot(t, prot), level);
	entry_store(f, at.entry, pte);
	publish(t, NULL, at.entry, 1);
	if (t->fold != ML_FOLD_MAP)
		map_fold(f, t, va, at.entry, pte, level);
	return true;
}

/* The level of which this may be one leaf, or ML_LEVEL_MAX. */
ML_INLINE unsigned leaf_level(const struct ml_format *f, ml_va va, uint64_t len, ml_pa pa)
{
	unsigned level;

	for (level = 0; level < 3; level++)
		if (len == ML_BIT(f->level_shift[level]) &&
		    ml_aligned(va | pa, f->level_shift[level]) && (!level || f->block_rung[level]))
			return level;
	return ML_LEVEL_MAX;
}

/* One extent, in the long way. */
ML_PART int map_one_extent(const struct ml_format *f, struct ml_table *t, ml_va va, uint64_t len,
			   ml_pa pa, ml_prot prot, struct ml_op *op)
{
	const unsigned level = leaf_level(f, va, len, pa);
	const struct ml_extent extent = { pa, len };
	struct mapping m = { .va = va, .extents = &extent, .count = 1, .prot = prot };
	uint64_t bytes;
	int error;

	if (!op && !t->pinned_count && level < ML_LEVEL_MAX) {
		error = check_mapping(f, t, &m, &bytes);
		if (error)
			return error;
		if (t->plain)
			remember_prot(f, t, prot);
		if (map_one(f, t, va, pa, prot, level))
			return ML_OK;
	}
	return table_map_general(f, t, &m, op);
}

/*
 * One plain leaf into a table that exists, in a table that is plain; false if anything is not as
 * simple as that, or wrong: the long way finds out.
 */
ML_INLINE bool map_one_leaf(const struct ml_format *f, struct ml_table *t, ml_va va, ml_pa pa,
			    unsigned level)
{
	const unsigned rung = level ? f->block_rung[level] : 0;
	const unsigned shift = f->level_shift[level];
	struct place at;
	ml_pte pte;

	if ((va | pa) & (ML_BIT(shift) - 1) || (va - t->origin) >> default_va_bits(f) ||
	    (pa + (ML_BIT(shift) - 1)) >> t->pa_bits ||
	    (level && (!(t->rungs >> rung & 1) || t->guaranteed || t->ad_unit)))
		return false;
	at = descend_direct(f, t, va, level);
	if (at.level != level || at.pte || !t->memo_bits[level])
		return false;
	pte = pa | t->memo_bits[level];
	entry_store(f, at.entry, pte);
	ML_PORT_PUBLISH();
	if (ML_UNLIKELY(t->fold != ML_FOLD_MAP))
		map_fold(f, t, va, at.entry, pte, level);
	return true;
}

ML_INLINE int table_map(const struct ml_format *f, struct ml_table *t, ml_va va, uint64_t len,
			ml_pa pa, ml_prot prot, struct ml_op *op)
{
	if (ML_LIKELY(!op && t->plain && prot == t->memo_prot) && !tells_of_new(f, t)) {
		if (len == ML_BIT(f->level_shift[0]) && map_one_leaf(f, t, va, pa, 0))
			return ML_OK;
		if (len == ML_BIT(f->level_shift[1]) && map_one_leaf(f, t, va, pa, 1))
			return ML_OK;
		if (f->block_rung[2] && len == ML_BIT(f->level_shift[2]) &&
		    map_one_leaf(f, t, va, pa, 2))
			return ML_OK;
	}
	return map_one_extent(f, t, va, len, pa, prot, op);
}

#endif
