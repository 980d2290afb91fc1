/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* An owner takes back what it shows, wherever it is mapped. */
#include "space/space.h"

/* The addresses at which a region shows bytes of [offset, last]; false: none. */
static bool shows(const struct ml_region *region, uint64_t offset, uint64_t last, ml_va *va,
		  ml_va *end)
{
	const uint64_t region_last = region_offset(region, region->range.last);

	if (region->offset > last || region_last < offset)
		return false;
	*va = region->range.first + (ml_max(offset, region->offset) - region->offset);
	*end = region->range.first + (ml_min(last, region_last) - region->offset);
	return true;
}

/*
 * Whether a leaf of a private region is a page that it wrote to. Copies are counted, and carry no
 * mark; what an owner without a fault handler brought is raw.
 */
static bool is_copy(const struct ml_region *region, ml_prot prot)
{
	const ml_prot mark = region->space->table.refaultable;

	return !(prot & (ml_region_refaultable(region) && mark ? mark : ML_SPECIAL));
}

static bool may_hold_copies(const struct ml_region *region)
{
	return !(region->flags & ML_REGION_SHARED) &&
	       (region->copied || !ml_region_refaultable(region));
}

/* Counted pages that the owner brought in look like copies of them if the table has no mark. */
static bool can_tell(const struct ml_region *region)
{
	return !may_hold_copies(region) || !ml_region_refaultable(region) ||
	       region_is_raw(region) || region->space->table.refaultable;
}

/* Take out what is no copy. */
static int zap_around_copies(const struct ml_region *region, ml_va va, ml_va last)
{
	struct ml_space *s = region->space;
	struct ml_cursor cursor = { va, last, false };
	struct ml_run run;
	int error = ML_OK;

	while (!error && ml_run_next(&s->table, &cursor, &run)) {
		if (!is_copy(region, run.prot))
			continue;
		if (run.va > va)
			error = ml_space_zap(s, va, run.va - 1);
		va = run.va + (run.length - 1);
		if (va == last)
			return error;
		va++;
	}
	return error ? error : ml_space_zap(s, va, last);
}

static int check_mapping(const struct ml_mapping *mapping, uint64_t offset, uint64_t last,
			 uint64_t len, bool even_copies)
{
	const struct ml_region *region = mapping->regions;
	ml_va va, end;

	if (last < offset)
		return ML_ERR_WRAP;
	for (; region; region = region->mapping_next) {
		if (!ml_aligned(offset | len, region->space->table.format->page_shift))
			return ML_ERR_ALIGN;
		if (!even_copies && shows(region, offset, last, &va, &end) && !can_tell(region))
			return ML_ERR_REFUSED;
	}
	return ML_OK;
}

int ml_unmap_mapping_range(struct ml_mapping *mapping, uint64_t offset, uint64_t len,
			   bool even_copies)
{
	const uint64_t last = len ? offset + (len - 1) : ~(uint64_t)0;
	struct ml_region *region;
	ml_va va, end;
	int error;

	mapping_lock(mapping);
	error = check_mapping(mapping, offset, last, len, even_copies);
	for (region = mapping->regions; region && !error; region = region->mapping_next) {
		if (!shows(region, offset, last, &va, &end))
			continue;
		if (even_copies || !may_hold_copies(region))
			error = ml_space_zap(region->space, va, end);
		else
			error = zap_around_copies(region, va, end);
	}
	mapping_unlock(mapping);
	return error;
}
