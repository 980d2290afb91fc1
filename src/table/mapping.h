/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What is to be mapped: extents joined and cut into runs of equal leaves, and the checks of it
 * all.
 */
#ifndef ML_TABLE_MAPPING_H
#define ML_TABLE_MAPPING_H

#include "format/plan.h"
#include "table/careful.h"

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
	uint64_t skip, cut; /* bytes that the first and the last extent lack */
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
ML_PART uint64_t cut_to_units(const struct ml_format *f, const struct ml_table *t, uint32_t rungs,
			      const struct mapping_cursor *at, uint64_t left, unsigned *rung)
{
	uint64_t bytes = unit_bytes(f, t, rungs, at->va, at->pa, left, rung);

	while (bytes < left) {
		unsigned next;
		const uint64_t more = unit_bytes(f, t, rungs, at->va + bytes, at->pa + bytes,
						 left - bytes, &next);

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

/* An extent, as far as it is mapped. */
ML_INLINE struct ml_extent mapping_extent(const struct mapping *m, size_t number)
{
	struct ml_extent extent = m->extents[number];

	if (number == 0) {
		extent.pa += m->skip;
		extent.length -= m->skip;
	}
	if (number + 1 == m->count)
		extent.length -= m->cut;
	return extent;
}

/* The next extent, with all that adjoin it. */
ML_INLINE void mapping_join(const struct mapping *m, struct mapping_cursor *at)
{
	struct ml_extent extent = mapping_extent(m, at->next++);

	at->pa = extent.pa;
	at->left = extent.length;
	while (at->next < m->count && m->extents[at->next].pa == at->pa + at->left)
		at->left += mapping_extent(m, at->next++).length;
}

/* Step over the next run; something is left. */
ML_PART struct mapping_run mapping_next(const struct ml_format *f, const struct ml_table *t,
					const struct mapping *m, struct mapping_cursor *at)
{
	uint32_t rungs = m->rungs;
	struct mapping_run run;
	uint64_t bytes, left;

	if (!at->left)
		mapping_join(m, at);
	run.va = at->va;
	run.pa = at->pa;
	left = at->left;
	if (ML_UNLIKELY(t->careful))
		rungs &= careful_rungs(f, t, at->va, m->prot, &left);
	run.rung = plan_rung(f, rungs, at->va, at->pa, left);
	bytes = plan_count(f, rungs, run.rung, at->va, at->pa, left) << f->rungs[run.rung].shift;
	if (ML_UNLIKELY(t->ad_unit != NULL))
		bytes = cut_to_units(f, t, rungs, at, left, &run.rung);
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
		const uint64_t length = mapping_extent(m, i).length;

		if (!length)
			return ML_ERR_EMPTY;
		if (sum + length < sum)
			return ML_ERR_WRAP;
		sum += length;
	}
	*bytes = sum;
	error = check_change(f, t, m->va, sum);
	for (i = 0; !error && i < m->count; i++) {
		const struct ml_extent extent = mapping_extent(m, i);

		if (!ml_aligned(extent.length, f->page_shift))
			return ML_ERR_ALIGN;
		error = check_pa(f, t, extent.pa, extent.length);
	}
	if (!error && !codec_expressible(f, &t->types, m->prot))
		return ML_ERR_PROT;
	return error;
}

#endif
