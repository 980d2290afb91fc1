/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The dry run of a mapping: what is in its way, and how many tables it takes. Stores nothing. */
#ifndef ML_TABLE_COUNT_H
#define ML_TABLE_COUNT_H

#include "table/mapping.h"
#include "table/read.h"
#include "table/unmap.h"

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
		      const struct mapping_run *run, struct plan_tables *sum)
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
			plan_count_span(f, sum, va, end, level, at.level);
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
			    struct plan_tables *sum)
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
		if (codec_is_leaf(f, at.pte, at.level)) /* it will have been split down to there */
			at.level = covered;
		end = ml_min(run->last, entry_last(f, va, at.level));
		plan_count_span(f, sum, va, end, level, at.level);
		if (end == run->last)
			return;
	}
}

/*
 * What a mapping takes: tables to link, deposits of its large leaves, and what cutting the leaves
 * takes that it replaces in part.
 */
struct demand {
	uint64_t tables;
	uint64_t deposits;
	uint64_t cuts;
};

ML_INLINE uint64_t demand_sum(const struct demand *demand)
{
	return demand->tables + demand->deposits + demand->cuts;
}

/* How what stands in the range counts. */
enum count_as {
	COUNT_IN_THE_WAY, /* it is an error */
	COUNT_REPLACED,   /* it will have gone */
	COUNT_EMPTY       /* nothing stands anywhere: the worst case */
};

/* What one leaf of a mapping owns. */
ML_INLINE uint64_t mapping_owed(const struct ml_format *f, const struct ml_table *t, ml_prot prot,
				unsigned level)
{
	if (ML_LIKELY(!t->guaranteed))
		return 0;
	return tables_owed(f, t, codec_leaf_bits(f, &t->types, prot, level), level);
}

ML_PART int count_mapping(const struct ml_format *f, const struct ml_table *t, struct mapping *m,
			  uint64_t bytes, enum count_as as, struct demand *demand)
{
	struct mapping_cursor at = mapping_start(m);
	struct plan_tables sum = { 0, { 0 } };
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
			plan_count_span(f, &sum, run.va, run.last, level, root_level(t));
		else if (as == COUNT_REPLACED)
			count_replaced(f, t, &run, m->va, m->va + (bytes - 1), &sum);
		else
			error = count_run(f, t, &run, &sum);
		demand->deposits += (((run.last - run.va) >> f->level_shift[level]) + 1) *
				    mapping_owed(f, t, m->prot, level);
	}
	demand->tables = sum.tables;
	return error;
}

/* Lent tables keep their place: no leaf stands where one of them is linked. */
ML_INLINE uint32_t mapping_rungs(const struct ml_format *f, const struct ml_table *t,
				 const struct ml_op *op, ml_va va, ml_va last)
{
	const unsigned top = top_level(f, t, va, last);
	uint32_t rungs = allowed_rungs(t, op);
	unsigned rung;

	for (rung = 1; rung < f->rung_count; rung++)
		if (f->rungs[rung].level > top)
			rungs &= ~((uint32_t)1 << rung);
	return rungs;
}

/* What must never fault is not replaced: for a while there would be nothing. */
ML_PART int check_replaced(const struct ml_format *f, const struct ml_table *t, ml_va va,
			   ml_va last)
{
	const struct ml_never_fault *range = t->never_fault;
	struct ml_run run;

	for (; t->live && range; range = range->next) {
		struct ml_cursor cursor = { ml_max(va, range->va),
					    ml_min(last, range->va + (range->len - 1)), false };

		if (cursor.va <= cursor.last && table_run_next(f, t, &cursor, &run))
			return ML_ERR_NEVER_FAULT;
	}
	return ML_OK;
}

/*
 * What cutting the largest leaves at both ends of a range takes at most. The tables themselves are
 * on the way to its ends, and counted there: what a leaf takes that owns nothing.
 */
ML_INLINE uint64_t worst_cuts(const struct ml_format *f, const struct ml_table *t)
{
	uint64_t tables = 0;
	unsigned level;

	for (level = 0; level < root_level(t); level++)
		if (f->block_rung[level + 1])
			tables += 2 * split_cost(f, t, 0, level);
	return tables;
}

/* Check everything and count what is needed: now, or in the worst case. */
ML_PART int prepare_mapping(const struct ml_format *f, const struct ml_table *t,
			    const struct ml_op *op, bool worst, struct mapping *m, uint64_t *bytes,
			    struct demand *demand)
{
	const bool replaces = op && op->flags & ML_OP_REPLACE;
	enum count_as as = replaces ? COUNT_REPLACED : COUNT_IN_THE_WAY;
	int error = check_mapping(f, t, m, bytes);

	if (!error && replaces && !worst)
		error = check_replaced(f, t, m->va, m->va + (*bytes - 1));
	if (error)
		return error;
	m->rungs = mapping_rungs(f, t, op, m->va, m->va + (*bytes - 1));
	m->prot = mapping_prot(t, m->prot);
	demand->cuts = 0;
	if (replaces)
		demand->cuts =
			worst ? worst_cuts(f, t) : cut_tables(f, t, m->va, m->va + (*bytes - 1));
	return count_mapping(f, t, m, *bytes, worst ? COUNT_EMPTY : as, demand);
}

#endif
