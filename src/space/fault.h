/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What a fault comes to: who brings the memory in, and who gets a copy of it. */
#ifndef ML_SPACE_FAULT_H
#define ML_SPACE_FAULT_H

#include "space/space.h"

/*
 * One access to a page of the region, or what keeps it from being done. All of these change nothing
 * unless they return ML_FAULT_DONE.
 */
struct access {
	struct ml_space *s;
	struct ml_region *region;
	ml_va va; /* a multiple of the base page */
	ml_prot tried;
};

ML_INLINE bool access_writes(const struct access *a)
{
	return a->tried & ML_WRITE;
}

ML_INLINE bool access_is_private(const struct access *a)
{
	return !(a->region->flags & ML_REGION_SHARED);
}

/* Bring in what the access needs. */
enum ml_fault_result ml_fault_in(const struct access *a);

/* What is there for an access then. */
struct reached {
	struct ml_region *region;
	struct ml_translation leaf;
	ml_va last; /* of what of the leaf lies in the region */
};

/*
 * Bring in what an access to the page at va needs, and look at it; handlers that let go of the lock
 * are asked again, for a while. Errors: ML_ERR_NOT_MAPPED (no region), ML_ERR_ACCESS, ML_ERR_FAULT
 * (its memory is not there), ML_ERR_NO_MEMORY, ML_ERR_CONTENDED.
 */
int ml_fault_through(struct ml_space *s, ml_va va, ml_prot tried, struct reached *reached);

/* Zeroes, where nothing is. */
enum ml_fault_result ml_fault_anonymous(const struct access *a);

/* What the region's owner has; `leaf` is what stands there without the right to write, or NULL. */
enum ml_fault_result ml_fault_ask(const struct access *a, const struct ml_translation *leaf);

/* The leaf stands there, private and not writable, and a write wants it. */
enum ml_fault_result ml_copy_on_write(const struct access *a, const struct ml_translation *leaf);

/* A page of its own with the contents of `from`, in place of whatever stands there. */
enum ml_fault_result ml_copy_in(const struct access *a, ml_pa from);

/*
 * Give all of the leaf the marks of the access and `more`: ML_WRITE, or 0 where it has that or is a
 * group. ML_FAULT_SPURIOUS: there is nothing that it lacks.
 */
enum ml_fault_result ml_relax_leaf(const struct access *a, const struct ml_translation *leaf,
				   ml_prot more);

/* Let the region write to what of the leaf lies in it. */
enum ml_fault_result ml_grant_leaf(const struct access *a, const struct ml_translation *leaf);

/* A page of the space's own that somebody has pinned. */
struct pinned {
	ml_va va, last;
	ml_pa pa;
	ml_prot prot;
};

/* The first one in [va, last]; false: there is none. */
bool ml_pinned_next(const struct ml_space *s, ml_va va, ml_va last, struct pinned *page);

/*
 * Make the leaves of [va, last], inside the region, as large as can be. Errors: ML_ERR_NO_MEMORY;
 * what was done before stays.
 */
int ml_space_collapse(struct ml_space *s, const struct ml_region *region, ml_va va, ml_va last);

/*
 * What was stored into a frame is seen by whoever finds the leaf that comes next: a leaf is stored
 * without an order of its own.
 */
ML_INLINE void publish_frames(void)
{
	ML_PORT_PUBLISH();
}

/* What an error of the table comes to. */
ML_INLINE enum ml_fault_result fault_of(int error)
{
	if (!error)
		return ML_FAULT_DONE;
	return error == ML_ERR_NO_MEMORY ? ML_FAULT_NO_MEMORY : ML_FAULT_BUS;
}

/* The marks that the access leaves on a leaf. */
ML_INLINE ml_prot access_marks(const struct access *a)
{
	return ML_ACCESSED | (access_writes(a) ? ML_DIRTY : 0);
}

/* The sizes that leaves of the region may have. */
ML_INLINE uint32_t region_rungs(const struct ml_space *s, const struct ml_region *region)
{
	if (region->flags & ML_REGION_NO_HUGE)
		return 1;
	return s->table.small_exec && region->prot & ML_EXEC ? 1 : s->table.rungs;
}

/* The last address of the leaf around va. */
ML_INLINE ml_va leaf_last(const struct ml_space *s, ml_va va, const struct ml_translation *leaf)
{
	return ml_align_last(va, leaf_shift(s, leaf));
}

ML_INLINE uint64_t page_bytes(const struct ml_space *s)
{
	return ML_BIT(s->table.format->page_shift);
}

#endif
