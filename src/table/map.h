/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Map: the plan cuts the range into runs of equal leaves; a first pass finds what is in the
 * way and counts tables, a second one stores. A table that is new is filled, then linked.
 */
#ifndef ML_TABLE_MAP_H
#define ML_TABLE_MAP_H

#include "format/plan.h"
#include "table/fold.h"

/* A place in a mapping: the extents with adjacent ones merged, cut into runs of leaves. */
struct mapping_cursor {
	ml_va va;
	ml_pa pa;
	uint64_t left; /* of the merged extent */
	size_t next;   /* extent */
};

struct mapping_run {
	ml_va va;
	ml_va last;
	ml_pa pa;
	unsigned rung;
};

/* What is to be mapped. */
struct mapping {
	ml_va va;
	const struct ml_extent *extents;
	size_t count;
	ml_prot prot;
	uint32_t rungs;
	struct mapping_run first;   /* set by counting: the first run, often the only one, */
	struct mapping_cursor rest; /* and what comes after it */
};

/* The leaves of one size at va inside the accessed/dirty unit at pa: their bytes, and *rung. */
ML_INLINE uint64_t unit_bytes(const struct ml_format *f, const struct ml_table *t, uint32_t rungs,
			      ml_va va, ml_pa pa, uint64_t left, unsigned *rung)
{
	const uint64_t unit = ml_max(t->ad_unit(t->cookie, pa), ML_BIT(f->page_shift));

	left = ml_min(left, unit - (pa & (unit - 1)));
	*rung = plan_rung(f, rungs, va, pa, left);
	return plan_count(f, rungs, *rung, va, pa, left) << f->rungs[*rung].shift;
}

/* A run of which no leaf spans two units (S0.4). */
ML_PART uint64_t cut_to_units(const struct ml_format *f, const struct ml_table *t,
			      const struct mapping *m, const struct mapping_cursor *at,
			      unsigned *rung)
{
	uint64_t bytes = unit_bytes(f, t, m->rungs, at->va, at->pa, at->left, rung);

	while (bytes < at->left) {
		unsigned next;
		const uint64_t more = unit_bytes(f, t, m->rungs, at->va + bytes, at->pa + bytes,
						 at->left - bytes, &next);

		if (next != *rung)
			break;
		bytes += more;
	}
	return bytes;
}

ML_INLINE bool mapping_left(const struct mapping *m, const struct mapping_cursor *at)
{
	return at->left || at->next < m->count;
}

/* Step over the next run; something is left. */
ML_PART struct mapping_run mapping_next(const struct ml_format *f, const struct ml_table *t,
					const struct mapping *m, struct mapping_cursor *at)
{
	struct mapping_run run;
	uint64_t bytes;

	if (!at->left) {
		at->pa = m->extents[at->next].pa;
		at->left = m->extents[at->next++].length;
		while (at->next < m->count && m->extents[at->next].pa == at->pa + at->left)
			at->left += m->extents[at->next++].length;
	}
	run.va = at->va;
	run.pa = at->pa;
	run.rung = plan_rung(f, m->rungs, at->va, at->pa, at->left);
	bytes = plan_count(f, m->rungs, run.rung, at->va, at->pa, at->left)
		<< f->rungs[run.rung].shift;
	if (ML_UNLIKELY(t->ad_unit != NULL))
		bytes = cut_to_units(f, t, m, at, &run.rung);
	run.last = at->va + (bytes - 1);
	at->va += bytes;
	at->pa += bytes;
	at->left -= bytes;
	return run;
}

ML_INLINE struct mapping_cursor mapping_start(const struct mapping *m)
{
	struct mapping_cursor at = { m->va, 0, 0, 0 };

	return at;
}

/* Accessed and dirty as the table wants them set when mapping. */
ML_INLINE ml_prot mapping_prot(const struct ml_table *t, ml_prot prot)
{
	return t->track_ad ? prot : prot | ML_ACCESSED | (prot << 5 & ML_DIRTY);
}

/* Check all extents; *bytes gets their sum. */
ML_PART int check_mapping(const struct ml_format *f, const struct ml_table *t,
			  const struct mapping *m, uint64_t *bytes)
{
	uint64_t sum = 0;
	size_t i;
	int error;

	for (i = 0; i < m->count; i++) {
		const uint64_t length = m->extents[i].length;

		if (!length)
			return ML_ERR_EMPTY;
		if (sum + length < sum)
			return ML_ERR_WRAP;
		sum += length;
	}
	*bytes = sum;
	error = check_change(f, t, m->va, sum);
	for (i = 0; !error && i < m->count; i++) {
		if (!ml_aligned(m->extents[i].length, f->page_shift))
			return ML_ERR_ALIGN;
		error = check_pa(f, t, m->extents[i].pa, m->extents[i].length);
	}
	if (!error && !codec_expressible(f, &t->types, m->prot))
		return ML_ERR_PROT;
	return error;
}

/* Tables counted so far: spans below counted[level] have theirs. */
struct table_count {
	uint64_t tables;
	uint64_t counted[ML_LEVEL_MAX];
};

/*
 * [va, last] hangs below an empty entry of level `above` and needs tables from `level` up to
 * there.
 */
ML_INLINE void count_span(const struct ml_format *f, struct table_count *sum, ml_va va, ml_va last,
			  unsigned level, unsigned above)
{
	for (; level < above; level++) {
		const unsigned shift = f->level_shift[level + 1];
		const uint64_t from = ml_max(va >> shift, sum->counted[level]);

		sum->tables += (last >> shift) + 1 - from;
		sum->counted[level] = (last >> shift) + 1;
	}
}

ML_INLINE bool entries_are_free(const struct ml_format *f, const ml_pte *p, unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++)
		if (entry_load(f, p + i))
			return false;
	return true;
}

/* Count the tables of one run, or find something in its way. */
ML_PART int count_run(const struct ml_format *f, const struct ml_table *t,
		      const struct mapping_run *run, struct table_count *sum)
{
	const unsigned level = f->rungs[run->rung].level;
	ml_va va = run->va, end;

	for (;; va = end + 1) {
		const struct place at = descend(f, t, va, level);

		end = at.level < root_level(t) ? entry_last(f, va, at.level + 1) : run->last;
		if (at.level > level) {
			if (at.pte)
				return ML_ERR_EXISTS;
			end = ml_min(run->last, entry_last(f, va, at.level));
			count_span(f, sum, va, end, level, at.level);
		} else {
			end = ml_min(run->last, end);
			if (!entries_are_free(f, at.entry,
					      (unsigned)((end - va) >> f->level_shift[level]) + 1))
				return ML_ERR_EXISTS;
		}
		if (end == run->last)
			return ML_OK;
	}
}

/*
 * Count the tables of one run that takes the place of what is there: entries that [first, last]
 * covers wholly are emptied as wholes, tables on the way to them stay or come out of the splits
 * at the ends.
 */
ML_PART void count_replaced(const struct ml_format *f, const struct ml_table *t,
			    const struct mapping_run *run, ml_va first, ml_va last,
			    struct table_count *sum)
{
	const unsigned level = f->rungs[run->rung].level, top = top_level(f, t, first, last);
	ml_va va = run->va, end;

	for (;; va = end + 1) {
		unsigned covered = top;
		struct place at;

		while (ml_align_down(va, f->level_shift[covered]) < first ||
		       entry_last(f, va, covered) > last)
			covered--;
		at = descend(f, t, va, covered);
		if (at.pte) /* a leaf above it will have been split down to it */
			at.level = covered;
		end = ml_min(run->last, entry_last(f, va, at.level));
		count_span(f, sum, va, end, level, at.level);
		if (end == run->last)
			return;
	}
}

/* What a mapping takes: tables to link, and deposits of its large leaves. */
struct demand {
	uint64_t tables;
	uint64_t deposits;
};

/* How what stands in the range counts. */
enum count_as {
	COUNT_IN_THE_WAY, /* it is an error */
	COUNT_REPLACED,   /* it will have gone */
	COUNT_EMPTY       /* nothing stands anywhere: the worst case */
};

ML_PART int count_mapping(const struct ml_format *f, const struct ml_table *t, struct mapping *m,
			  uint64_t bytes, enum count_as as, struct demand *demand)
{
	struct mapping_cursor at = mapping_start(m);
	struct table_count sum = { 0, { 0 } };
	int error = ML_OK;

	demand->deposits = 0;
	while (!error && mapping_left(m, &at)) {
		const struct mapping_run run = mapping_next(f, t, m, &at);
		const unsigned level = f->rungs[run.rung].level;

		if (run.va == m->va) {
			m->first = run;
			m->rest = at;
		}
		if (as == COUNT_EMPTY)
			count_span(f, &sum, run.va, run.last, level, root_level(t));
		else if (as == COUNT_REPLACED)
			count_replaced(f, t, &run, m->va, m->va + (bytes - 1), &sum);
		else
			error = count_run(f, t, &run, &sum);
		if (t->guaranteed)
			demand->deposits += ((run.last - run.va) >> f->level_shift[level]) *
						    tables_owed(f, level) +
					    tables_owed(f, level);
	}
	demand->tables = sum.tables;
	return error;
}

/* Make the tables above `level` on the way to va, empty ones; returns the entry that will link a
 * table of that level. */
ML_INLINE ml_pte *build_path(const struct ml_format *f, struct gather *g, struct supply *supply,
			     struct place at, ml_va va, unsigned level)
{
	while (at.level > level + 1) {
		ml_pa pa;
		ml_pte *table = supply_take(g->t, supply, &pa);

		at.level--;
		entry_clear_run(f, table, table_entries(f, at.level));
		publish(g->t, g->op, table, table_entries(f, at.level));
		entry_link(f, at.entry, codec_table(f, pa));
		publish(g->t, g->op, at.entry, 1);
		at.entry = table + index_of(f, va, at.level);
	}
	return at.entry;
}

/* A new table with count leaves from index on and nothing else, linked when it is whole. */
ML_PART void link_filled(const struct ml_format *f, struct gather *g, struct supply *supply,
			 ml_pte *link, unsigned index, unsigned count, ml_pte pte, unsigned level)
{
	const unsigned entries = table_entries(f, level);
	ml_pa pa;
	ml_pte *table = supply_take(g->t, supply, &pa);

	entry_clear_run(f, table, index);
	entry_put_run(f, table + index, count, pte, ML_BIT(f->level_shift[level]), true);
	entry_clear_run(f, table + index + count, entries - index - count);
	publish(g->t, g->op, table, entries);
	entry_link(f, link, codec_table(f, pa));
	publish(g->t, g->op, link, 1);
}

/* Store one run. bits: the leaf without its address. */
ML_PART void store_run(const struct ml_format *f, struct gather *g, struct supply *supply,
		       const struct mapping_run *run, ml_pte bits)
{
	const unsigned level = f->rungs[run->rung].level, shift = f->level_shift[level];
	uint64_t left = ((run->last - run->va) >> shift) + 1;
	ml_va va = run->va;
	ml_pte pte = bits | run->pa;

	while (left) {
		const unsigned index = index_of(f, va, level);
		const unsigned count = (unsigned)ml_min(left, table_entries(f, level) - index);
		const struct place at = descend(f, g->t, va, level);

		if (at.level == level) {
			entry_put_run(f, at.entry, count, pte, ML_BIT(shift), false);
			publish(g->t, g->op, at.entry, count);
		} else {
			link_filled(f, g, supply, build_path(f, g, supply, at, va, level), index,
				    count, pte, level);
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
		ml_pte bits = codec_leaf_bits(f, &g->t->types, m->prot, f->rungs[run.rung].level);

		if (f->rungs[run.rung].lg2_entries)
			bits |= codec_group(f);
		store_run(f, g, supply, &run, bits);
		if (!mapping_left(m, &at))
			return;
	}
}

/* Move the deposits of new large leaves from the supply to the table. */
ML_INLINE void deposit(struct ml_table *t, struct supply *supply, uint64_t deposits)
{
	for (; deposits; deposits--) {
		struct spare *spare = spare_pop(supply->from);

		spare_push(&t->spare, spare, spare->pa);
		t->owed++;
	}
}

/* A mapping of [va, last] may have completed what begins before it or ends behind it. */
ML_PART void fold_ends(const struct ml_format *f, struct gather *g, ml_va va, ml_va last)
{
	const struct place first = descend(f, g->t, va, 0);
	struct place end;

	fold_completed(f, g, va, first.entry, first.pte, first.level);
	end = descend(f, g->t, last, 0);
	fold_completed(f, g, ml_align_down(last, f->page_shift), end.entry, end.pte, end.level);
}

/* Remove what is in the way, store, fold. */
ML_PART void commit_mapping(const struct ml_format *f, struct ml_table *t, struct ml_op *op,
			    struct supply *supply, const struct mapping *m, uint64_t bytes,
			    uint64_t owed)
{
	const ml_va last = m->va + bytes - 1;
	struct gather g;

	gather_open(&g, t, op);
	if (op && op->flags & ML_OP_REPLACE) {
		struct supply deposits = { &t->spare, { NULL, 0 } };

		g.keeps = true;
		unmap_range(f, &g, t->guaranteed ? &deposits : supply, m->va, last);
		gather_close(f, &g); /* walkers have left the old before they can see the new */
		gather_open(&g, t, op);
	}
	store_mapping(f, &g, supply, m);
	deposit(t, supply, owed);
	if (t->fold != ML_FOLD_MAP) {
		fold_ends(f, &g, m->va, last);
	}
	gather_close(f, &g);
	if (op)
		op->bytes = bytes;
}

/* Lent tables keep their place: no leaf stands where one of them is linked. */
ML_INLINE uint32_t mapping_rungs(const struct ml_format *f, const struct ml_table *t, ml_va va,
				 ml_va last)
{
	const unsigned top = top_level(f, t, va, last);
	uint32_t rungs = t->rungs;
	unsigned rung;

	for (rung = 1; rung < f->rung_count; rung++)
		if (f->rungs[rung].level > top)
			rungs &= ~((uint32_t)1 << rung);
	return rungs;
}

/* Check everything and count what is needed: now, or in the worst case. */
ML_PART int prepare_mapping(const struct ml_format *f, const struct ml_table *t,
			    const struct ml_op *op, bool worst, struct mapping *m, uint64_t *bytes,
			    struct demand *demand)
{
	const bool replaces = op && op->flags & ML_OP_REPLACE;
	enum count_as as = replaces ? COUNT_REPLACED : COUNT_IN_THE_WAY;
	int error = check_mapping(f, t, m, bytes);

	if (error)
		return error;
	m->rungs = mapping_rungs(f, t, m->va, m->va + (*bytes - 1));
	m->prot = mapping_prot(t, m->prot);
	error = count_mapping(f, t, m, *bytes, worst ? COUNT_EMPTY : as, demand);
	if (replaces && !t->guaranteed)
		demand->tables +=
			worst ? 2 * root_level(t) : edge_tables(f, t, m->va, m->va + (*bytes - 1));
	return error;
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
	error = supply_open(t, op, &supply, demand.tables + demand.deposits);
	if (error)
		return error;
	commit_mapping(f, t, op, &supply, m, bytes, demand.deposits);
	supply_close(t, op, &supply);
	return ML_OK;
}

/* The leaf pte was made at `entry`: fold what it completes. */
ML_PART void map_fold(const struct ml_format *f, struct ml_table *t, ml_va va, ml_pte *entry,
		      ml_pte pte, unsigned level)
{
	struct gather g;

	gather_open(&g, t, NULL);
	fold_completed(f, &g, va, entry, pte, level);
	gather_close(f, &g);
}

/* The next call will most likely map with the same protection. */
ML_PART void remember_prot(const struct ml_format *f, struct ml_table *t, ml_prot prot)
{
	t->memo_prot = prot;
	prot = mapping_prot(t, prot);
	t->memo_bits[0] = codec_leaf_bits(f, &t->types, prot, 0);
	t->memo_bits[1] = codec_leaf_bits(f, &t->types, prot, 1);
	t->memo_bits[2] = codec_leaf_bits(f, &t->types, prot, 2);
}

/* One leaf of exactly this range into a table that exists: no tables are taken. Checked already. */
ML_INLINE bool map_one(const struct ml_format *f, struct ml_table *t, ml_va va, ml_pa pa,
		       ml_prot prot, unsigned level)
{
	struct place at;
	ml_pte pte;

	if (level && (!(t->rungs >> f->block_rung[level] & 1) || t->guaranteed || t->ad_unit))
		return false;
	at = descend(f, t, va, level);
	if (at.level != level || at.pte)
		return false;
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
		begin(t, op);
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
	    pa >> t->pa_bits || (level && (!(t->rungs >> rung & 1) || t->guaranteed || t->ad_unit)))
		return false;
	at = descend_direct(f, t, va, level);
	if (at.level != level || at.pte)
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
	if (ML_LIKELY(!op && t->plain && prot == t->memo_prot)) {
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
