/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What walkers must forget, as a few ranges: each is invalidated in steps of its own. Ranges join
 * where that costs no more than another call would, and the cheapest do when there are too many.
 */
#ifndef ML_TABLE_HULL_H
#define ML_TABLE_HULL_H

#include "base/bits.h"
#include <maxleaf/types.h>

#define HULLS 4
#define HULL_LEVELS 0xff /* leaves of several levels, or what hung below a table */

struct hull {
	ml_va first, last;
	uint8_t stride; /* lg2 of the smallest leaf in it */
	uint8_t level;  /* of all of it, or HULL_LEVELS */
	bool tables;    /* a table was unlinked or replaced */
};

struct hulls {
	unsigned count;
	struct hull hull[HULLS + 1]; /* the last: on its way to one of the others */
};

/* What an invalidation of it takes, in steps. */
ML_INLINE uint64_t hull_steps(const struct hull *hull)
{
	return (hull->last >> hull->stride) - (hull->first >> hull->stride) + 1;
}

ML_INLINE struct hull hull_join(const struct hull *a, const struct hull *b)
{
	const struct hull joined = {
		.first = ml_min(a->first, b->first),
		.last = ml_max(a->last, b->last),
		.stride = (uint8_t)ml_min(a->stride, b->stride),
		.level = a->level == b->level ? a->level : HULL_LEVELS,
		.tables = a->tables || b->tables,
	};

	return joined;
}

/* Steps that both as one take beyond those of each; wraps where they are fewer. */
ML_INLINE uint64_t hull_waste(const struct hull *a, const struct hull *b)
{
	const struct hull joined = hull_join(a, b);

	return hull_steps(&joined) - hull_steps(a) - hull_steps(b);
}

/* There is one too many: the two that waste least become one. */
ML_INLINE void hulls_join_nearest(struct hulls *hulls)
{
	unsigned i, j, a = 0, b = 1;
	int64_t least = INT64_MAX;

	for (j = 1; j <= HULLS; j++)
		for (i = 0; i < j; i++) {
			const int64_t waste = (int64_t)hull_waste(&hulls->hull[i], &hulls->hull[j]);

			if (waste >= least)
				continue;
			least = waste;
			a = i;
			b = j;
		}
	hulls->hull[a] = hull_join(&hulls->hull[a], &hulls->hull[b]);
	for (; b < HULLS; b++)
		hulls->hull[b] = hulls->hull[b + 1];
}

/* One range more; most: the steps that joining it to another may waste. */
ML_INLINE void hulls_add(struct hulls *hulls, struct hull more, unsigned most)
{
	unsigned i;

	for (i = hulls->count; i-- > 0;) {
		if ((int64_t)hull_waste(&hulls->hull[i], &more) > (int64_t)most)
			continue;
		hulls->hull[i] = hull_join(&hulls->hull[i], &more);
		return;
	}
	hulls->hull[hulls->count] = more;
	if (hulls->count < HULLS)
		hulls->count++;
	else
		hulls_join_nearest(hulls);
}

/* The same where it is the first range, or goes on near the end of the last one; else false. */
ML_INLINE bool hulls_extend(struct hulls *hulls, const struct hull *more, unsigned most)
{
	struct hull *hull = &hulls->hull[hulls->count];

	if (!hulls->count) {
		hulls->count = 1;
		*hull = *more;
		return true;
	}
	hull--;
	if (more->first - hull->last - 1 > (uint64_t)most << hull->stride ||
	    hull->stride != more->stride || hull->level != more->level)
		return false;
	hull->last = more->last;
	return true;
}

/* A range that has a step in [first, last], which is aligned to 1 << shift; or NULL. */
ML_INLINE struct hull *hulls_within(struct hulls *hulls, ml_va first, ml_va last, unsigned shift)
{
	unsigned i;

	for (i = 0; i < hulls->count; i++) {
		struct hull *hull = &hulls->hull[i];

		if (hull->first <= last && hull->last >= first && hull->stride <= shift)
			return hull;
	}
	return NULL;
}

#endif
