/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What the owner of a range wants to be done with it beforehand. */
#include "space/fault.h"

/* Whether what is taken out of the region comes back, as zeroes or from its owner. */
static bool brings_back(const struct ml_region *region)
{
	return region_is_anonymous(region) || ml_region_refaultable(region);
}

static int dont_need(struct ml_space *s, ml_va va, ml_va last)
{
	struct ml_region *region;
	int error;

	for (region = ml_region_in(s, va, last); region; region = region_next_in(region, last))
		if (!brings_back(region))
			return ML_ERR_REFUSED;
	error = ml_space_zap(s, va, last);
	if (error)
		return error;
	for (region = ml_region_in(s, va, last); region; region = region_next_in(region, last))
		if (region->range.first >= va && region->range.last <= last)
			region->copied = false;
	return ML_OK;
}

static int populate(struct ml_space *s, ml_va va, ml_va last, ml_prot tried)
{
	for (;;) {
		struct reached reached;
		const int error = ml_fault_through(s, va, tried, &reached);

		if (error)
			return error;
		if (reached.last >= last)
			return ML_OK;
		va = reached.last + 1;
	}
}

static int collapse(struct ml_space *s, ml_va va, ml_va last)
{
	struct ml_region *region = ml_region_in(s, va, last);
	int error = ML_OK;

	for (; region && !error; region = region_next_in(region, last))
		error = ml_space_collapse(s, region, ml_max(va, region->range.first),
					  ml_min(last, region->range.last));
	return error;
}

/* Only regions that change are cut. */
static int set_huge(struct ml_space *s, ml_va va, ml_va last, unsigned flag)
{
	struct ml_region *region = ml_region_in(s, va, last);
	struct cuts cuts;
	int error;

	while (region && (region->flags & ML_REGION_NO_HUGE) == flag)
		region = region_next_in(region, last);
	if (!region)
		return ML_OK;
	error = ml_cuts_prepare(s, va, last, &cuts);
	if (error)
		return error;
	ml_cuts_make(s, &cuts);
	for (region = ml_region_in(s, va, last); region; region = region_next_in(region, last))
		region->flags = (uint16_t)((region->flags & ~ML_REGION_NO_HUGE) | flag);
	ml_regions_merge(s, va, last);
	return ML_OK;
}

int ml_space_advise(struct ml_space *s, ml_va va, uint64_t len, enum ml_advice advice)
{
	const ml_va last = va + (len - 1);
	const int error = ml_table_check_range(&s->table, va, len);

	if (error)
		return error;
	if (!ml_regions_cover(ml_space_find(s, va), last))
		return ML_ERR_NOT_MAPPED;
	switch (advice) {
	case ML_ADVISE_DONTNEED:
		return dont_need(s, va, last);
	case ML_ADVISE_POPULATE:
		return populate(s, va, last, ML_READ);
	case ML_ADVISE_POPULATE_WRITE:
		return populate(s, va, last, ML_WRITE);
	case ML_ADVISE_COLLAPSE:
		return collapse(s, va, last);
	case ML_ADVISE_NO_HUGE:
		return set_huge(s, va, last, ML_REGION_NO_HUGE);
	case ML_ADVISE_HUGE:
		return set_huge(s, va, last, 0);
	default:
		return ML_ERR_ARGUMENT;
	}
}
