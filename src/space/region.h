/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Regions and what of them stands in leaves. Everything that can fail about the list of regions -
 * objects, the owner's veto - happens in ml_cuts_prepare(); what follows cannot.
 */
#ifndef ML_SPACE_REGION_H
#define ML_SPACE_REGION_H

#include "base/ranges.h"
#include <maxleaf/space.h>

ML_INLINE struct ml_region *region_of(struct ml_range *range)
{
	return (struct ml_region *)(void *)range; /* its first member */
}

ML_INLINE bool region_is_raw(const struct ml_region *region)
{
	return region->flags & ML_REGION_RAW;
}

ML_INLINE bool region_is_anonymous(const struct ml_region *region)
{
	return !region->mapping && !(region->flags & (ML_REGION_RAW | ML_REGION_MIXED));
}

/* Private, and writing may be allowed some day: whoever writes gets a copy (H3). */
ML_INLINE bool region_copies(const struct ml_region *region)
{
	return !(region->flags & ML_REGION_SHARED) && region->may & ML_WRITE;
}

/* Raw frames come into a private region in one call for all of it (H3). */
ML_INLINE bool region_comes_whole(const struct ml_region *region)
{
	return region->flags & (ML_REGION_RAW | ML_REGION_MIXED) && region_copies(region);
}

/* Whether there may be leaves whose frames are counted. */
ML_INLINE bool region_counts(const struct ml_region *region)
{
	return !region_is_raw(region) || region->copied;
}

/* The byte of the mapping that va shows. */
ML_INLINE uint64_t region_offset(const struct ml_region *region, ml_va va)
{
	return region->offset + (va - region->range.first);
}

/* The rights in the leaves of a region that has these; writing to private pages is for faults. */
ML_INLINE ml_prot region_rights(const struct ml_region *region, ml_prot rights)
{
	ml_prot prot = ML_READ;

	if (rights & ML_RIGHTS)
		prot |= ML_USER | (rights & ML_EXEC);
	return region->flags & ML_REGION_SHARED ? prot | (rights & ML_WRITE) : prot;
}

/* The first region that meets [va, last], or NULL; the one behind it, if it does. */
struct ml_region *ml_region_in(const struct ml_space *s, ml_va va, ml_va last);
ML_INLINE struct ml_region *region_next_in(const struct ml_region *region, ml_va last)
{
	struct ml_range *next;

	if (region->range.last >= last)
		return NULL;
	next = ml_ranges_beside(&region->range, 1);
	return next && next->first <= last ? region_of(next) : NULL;
}

/* Whether regions go on from this one, which may be NULL, to last without a hole. */
bool ml_regions_cover(const struct ml_region *region, ml_va last);

/* The one region that holds all of [va, last], or NULL. */
struct ml_region *ml_region_around(const struct ml_space *s, ml_va va, ml_va last);

struct ml_region *ml_region_alloc(struct ml_space *s);
void ml_region_free(struct ml_space *s, struct ml_region *region);

/* Link a region whose fields are set; take one out and free it, with its owner told. */
void ml_region_open(struct ml_space *s, struct ml_region *region);
void ml_region_close(struct ml_space *s, struct ml_region *region);

/* The region stands at [va, last] now, before the same neighbours; what it shows stays in place. */
void ml_region_resize(struct ml_region *region, ml_va va, ml_va last);

/* Around every use of the mapping's list. */
ML_INLINE void mapping_lock(const struct ml_mapping *mapping)
{
	if (mapping->ops->lock)
		mapping->ops->lock(mapping->owner);
}

ML_INLINE void mapping_unlock(const struct ml_mapping *mapping)
{
	if (mapping->ops->unlock)
		mapping->ops->unlock(mapping->owner);
}

/* Take it out of the order of addresses, and put it back elsewhere. */
void ml_region_detach(struct ml_region *region);
void ml_region_attach(struct ml_region *region, ml_va va, uint64_t len);

/* Objects for cutting regions at both ends of a range, so that whole regions make it up. */
struct cuts {
	ml_va va, last;
	struct ml_region *first;           /* the one that held va, or NULL */
	struct ml_region *at_va, *at_last; /* NULL: no cut there */
};

/* Errors: ML_ERR_REFUSED, ML_ERR_NO_MEMORY. */
int ml_cuts_prepare(struct ml_space *s, ml_va va, ml_va last, struct cuts *cuts);

/* The same, where the region that holds va, or NULL, was found already. */
int ml_cuts_prepare_in(struct ml_space *s, struct ml_region *first, ml_va va, ml_va last,
		       struct cuts *cuts);
/* Returns the region that begins at va, if one covers it. */
struct ml_region *ml_cuts_make(struct ml_space *s, struct cuts *cuts);
void ml_cuts_drop(struct ml_space *s, struct cuts *cuts);

/* Close every region that meets [va, last]. */
void ml_regions_close(struct ml_space *s, ml_va va, ml_va last);

/* Merge what goes on across every border in [va, last], both ends included. */
void ml_regions_merge(struct ml_space *s, ml_va va, ml_va last);

/* The same, where `region` is the one before va, or the first behind it. */
void ml_regions_merge_from(struct ml_space *s, struct ml_region *region, ml_va last);

#endif
