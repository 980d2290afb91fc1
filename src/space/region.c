/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The list of regions: finding, linking, cutting, merging. No entry is touched here. */
#include "space/region.h"

ml_va ml_region_va(const struct ml_region *region)
{
	return region->range.first;
}

uint64_t ml_region_length(const struct ml_region *region)
{
	return region->range.last - region->range.first + 1;
}

bool ml_region_refaultable(const struct ml_region *region)
{
	return region->mapping && region->mapping->ops->fault;
}

struct ml_region *ml_space_find(const struct ml_space *s, ml_va va)
{
	return region_of(ranges_find(s->root, va));
}

struct ml_region *ml_space_find_from(const struct ml_space *s, ml_va va)
{
	return region_of(ranges_from(s->root, va));
}

struct ml_region *ml_region_next(const struct ml_region *region)
{
	return region_of(ml_ranges_beside(&region->range, 1));
}

struct ml_region *ml_region_in(const struct ml_space *s, ml_va va, ml_va last)
{
	struct ml_range *range = ranges_from(s->root, va);

	return range && range->first <= last ? region_of(range) : NULL;
}

bool ml_regions_cover(const struct ml_region *region, ml_va last)
{
	const struct ml_region *next;

	for (; region && region->range.last < last; region = next) {
		next = region_next_in(region, last);
		if (next && next->range.hole)
			return false;
	}
	return region != NULL;
}

struct ml_region *ml_region_around(const struct ml_space *s, ml_va va, ml_va last)
{
	struct ml_region *region = ml_space_find(s, va);

	return region && region->range.last >= last ? region : NULL;
}

struct ml_region *ml_region_alloc(struct ml_space *s)
{
	return s->frames->object_alloc(s->frames_cookie, sizeof(struct ml_region));
}

void ml_region_free(struct ml_space *s, struct ml_region *region)
{
	if (region)
		s->frames->object_free(s->frames_cookie, region, sizeof(*region));
}

static void mapping_link(struct ml_mapping *mapping, struct ml_region *region)
{
	mapping_lock(mapping);
	region->mapping_next = mapping->regions;
	region->mapping_link = &mapping->regions;
	if (region->mapping_next)
		region->mapping_next->mapping_link = &region->mapping_next;
	mapping->regions = region;
	mapping_unlock(mapping);
}

static void mapping_unlink(struct ml_mapping *mapping, struct ml_region *region)
{
	mapping_lock(mapping);
	*region->mapping_link = region->mapping_next;
	if (region->mapping_next)
		region->mapping_next->mapping_link = region->mapping_link;
	mapping_unlock(mapping);
}

/* It is among the others. */
static void announce(struct ml_region *region)
{
	region->space->regions++;
	if (!region->mapping)
		return;
	mapping_link(region->mapping, region);
	if (region->mapping->ops->opened)
		region->mapping->ops->opened(region);
}

void ml_region_open(struct ml_space *s, struct ml_region *region)
{
	region->space = s;
	ml_ranges_insert(&s->root, &region->range);
	s->mapped += ml_region_length(region);
	announce(region);
}

void ml_region_close(struct ml_space *s, struct ml_region *region)
{
	struct ml_mapping *mapping = region->mapping;

	ml_ranges_remove(&s->root, &region->range);
	s->regions--;
	s->mapped -= ml_region_length(region);
	if (mapping) {
		mapping_unlink(mapping, region);
		if (mapping->ops->closed)
			mapping->ops->closed(region);
	}
	ml_region_free(s, region);
}

void ml_region_resize(struct ml_region *region, ml_va va, ml_va last)
{
	region->space->mapped -= ml_region_length(region);
	region->offset += va - region->range.first;
	region->range.first = va;
	region->range.last = last;
	region->space->mapped += ml_region_length(region);
	ml_ranges_resized(&region->range);
}

void ml_region_detach(struct ml_region *region)
{
	ml_ranges_remove(&region->space->root, &region->range);
	region->space->mapped -= ml_region_length(region);
}

void ml_region_attach(struct ml_region *region, ml_va va, uint64_t len)
{
	region->range.first = va;
	region->range.last = va + (len - 1);
	region->space->mapped += len;
	ml_ranges_insert(&region->space->root, &region->range);
}

/* An object for the upper part of a region that reaches over `at`. */
static int cut_prepare(struct ml_space *s, const struct ml_region *region, ml_va at,
		       struct ml_region **fresh)
{
	*fresh = NULL;
	if (!region || region->range.first == at)
		return ML_OK;
	if (region->mapping && region->mapping->ops->may_split &&
	    !region->mapping->ops->may_split(region, at))
		return ML_ERR_REFUSED;
	*fresh = ml_region_alloc(s);
	return *fresh ? ML_OK : ML_ERR_NO_MEMORY;
}

static bool region_holds(const struct ml_region *region, ml_va va)
{
	return region && va - region->range.first <= region->range.last - region->range.first;
}

/* The region that holds va, most likely this one. */
static struct ml_region *find_near(const struct ml_space *s, struct ml_region *region, ml_va va)
{
	return region_holds(region, va) ? region : ml_space_find(s, va);
}

int ml_cuts_prepare_in(struct ml_space *s, struct ml_region *first, ml_va va, ml_va last,
		       struct cuts *cuts)
{
	int error;

	cuts->va = va;
	cuts->last = last;
	cuts->first = first;
	cuts->at_last = NULL;
	error = cut_prepare(s, cuts->first, va, &cuts->at_va);
	if (!error && last != ~(ml_va)0)
		error = cut_prepare(s, find_near(s, cuts->first, last + 1), last + 1,
				    &cuts->at_last);
	if (error)
		ml_cuts_drop(s, cuts);
	return error;
}

int ml_cuts_prepare(struct ml_space *s, ml_va va, ml_va last, struct cuts *cuts)
{
	return ml_cuts_prepare_in(s, ml_space_find(s, va), va, last, cuts);
}

void ml_cuts_drop(struct ml_space *s, struct cuts *cuts)
{
	ml_region_free(s, cuts->at_va);
	ml_region_free(s, cuts->at_last);
}

static void copy_attributes(struct ml_region *region, const struct ml_region *from)
{
	region->prot = from->prot;
	region->may = from->may;
	region->flags = from->flags;
	region->copied = from->copied;
	region->offset = from->offset;
	region->mapping = from->mapping;
	region->name = from->name;
	region->space = from->space;
}

/* The upper part of the region is another one, not among the others yet. */
static void cut_off(struct ml_region *region, ml_va at, struct ml_region *fresh)
{
	copy_attributes(fresh, region);
	fresh->range.first = at;
	fresh->range.last = region->range.last;
	fresh->offset = region_offset(region, at);
	region->range.last = at - 1;
}

/* Returns the region that begins at `at`. */
static struct ml_region *cut(struct ml_space *s, struct ml_region *region, ml_va at,
			     struct ml_region *fresh)
{
	if (region->range.first == at) { /* another cut came first */
		ml_region_free(s, fresh);
		return region;
	}
	cut_off(region, at, fresh);
	ml_ranges_cut(&s->root, &region->range, &fresh->range, NULL);
	announce(fresh);
	return fresh;
}

/* Both cuts, of one region; returns what lies between. */
static struct ml_region *cut_out(struct ml_space *s, struct ml_region *region, struct cuts *cuts)
{
	cut_off(region, cuts->last + 1, cuts->at_last);
	cut_off(region, cuts->va, cuts->at_va);
	ml_ranges_cut(&s->root, &region->range, &cuts->at_va->range, &cuts->at_last->range);
	announce(cuts->at_va);
	announce(cuts->at_last);
	return cuts->at_va;
}

struct ml_region *ml_cuts_make(struct ml_space *s, struct cuts *cuts)
{
	struct ml_region *first = cuts->first;

	if (cuts->at_va && cuts->at_last && region_holds(first, cuts->va - 1) &&
	    region_holds(first, cuts->last + 1))
		return cut_out(s, first, cuts);
	if (cuts->at_va)
		first = cut(s, find_near(s, first, cuts->va), cuts->va, cuts->at_va);
	if (cuts->at_last)
		(void)cut(s, find_near(s, first, cuts->last + 1), cuts->last + 1, cuts->at_last);
	return first;
}

/* Whether `behind` goes on where `region` ends, in every respect. */
static bool goes_on(const struct ml_region *region, const struct ml_region *behind)
{
	return !behind->range.hole && region->prot == behind->prot && region->may == behind->may &&
	       region->flags == behind->flags && region->mapping == behind->mapping &&
	       region->name == behind->name &&
	       (region_is_anonymous(region) ||
		region_offset(region, behind->range.first) == behind->offset);
}

void ml_regions_merge_from(struct ml_space *s, struct ml_region *region, ml_va last)
{
	const ml_va end = last == ~(ml_va)0 ? last : last + 1;

	while (region) {
		struct ml_region *behind = region_next_in(region, end);
		ml_va behind_last;

		if (!behind || !goes_on(region, behind)) {
			region = behind;
			continue;
		}
		behind_last = behind->range.last;
		region->copied |= behind->copied;
		ml_region_close(s, behind);
		ml_region_resize(region, region->range.first, behind_last);
	}
}

void ml_regions_merge(struct ml_space *s, ml_va va, ml_va last)
{
	ml_regions_merge_from(s, ml_region_in(s, va ? va - 1 : 0, last), last);
}

void ml_regions_close(struct ml_space *s, ml_va va, ml_va last)
{
	struct ml_region *region = ml_region_in(s, va, last), *next;

	for (; region; region = next) {
		next = region_next_in(region, last);
		ml_region_close(s, region);
	}
}
