/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * An ordered tree of ranges that do not overlap, threaded by parents, balanced by height (AVL). It
 * knows the longest hole of each subtree, so that free addresses are found without a scan. The
 * nodes are the caller's; nothing allocates, nothing fails.
 */
#ifndef ML_BASE_RANGES_H
#define ML_BASE_RANGES_H

#include "base/bits.h"
#include <maxleaf/types.h>

/* The first range that ends at or behind `at`, or NULL. */
ML_INLINE struct ml_range *ranges_from(struct ml_range *node, uint64_t at)
{
	struct ml_range *found = NULL;

	while (node) {
		const bool behind = at > node->last;

		found = behind ? found : node;
		node = node->child[behind];
	}
	return found;
}

/* The range that holds `at`, or NULL. */
ML_INLINE struct ml_range *ranges_find(struct ml_range *node, uint64_t at)
{
	struct ml_range *found = ranges_from(node, at);

	return found && found->first <= at ? found : NULL;
}

/* The first (side 0) or the last (side 1) range, or NULL. */
struct ml_range *ml_ranges_outermost(struct ml_range *root, unsigned side);

/* The range next to this one: side 1 is the one behind, side 0 the one before. NULL: none. */
struct ml_range *ml_ranges_beside(const struct ml_range *range, unsigned side);

/* range->first and last are set, and meet no other range of the tree. */
void ml_ranges_insert(struct ml_range **root, struct ml_range *range);

/*
 * range was cut in two, or in three if `end` is not NULL: its last and the ends of the parts behind
 * it are set. No hole changes.
 */
void ml_ranges_cut(struct ml_range **root, struct ml_range *range, struct ml_range *behind,
		   struct ml_range *end);

void ml_ranges_remove(struct ml_range **root, struct ml_range *range);

/* range->first or last changed, its place among the others did not. */
void ml_ranges_resized(struct ml_range *range);

/*
 * The range with a hole of `length` or more before it that comes next to `range` on that side
 * (1: behind, 0: before); NULL as range: the outermost one. NULL: none.
 */
struct ml_range *ml_ranges_hole(struct ml_range *root, const struct ml_range *range, unsigned side,
				uint64_t length);

/* Order, holes, heights and balance of the whole tree. */
bool ml_ranges_check(const struct ml_range *root);

#endif
