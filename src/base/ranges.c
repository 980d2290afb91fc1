/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The tree of ranges: everything that is not a plain search. */
#include "base/ranges.h"

static uint32_t height(const struct ml_range *node)
{
	return node ? node->height : 0;
}

static uint64_t gap(const struct ml_range *node)
{
	return node ? node->gap : 0;
}

static uint32_t height_of_children(const struct ml_range *node)
{
	return (uint32_t)ml_max(height(node->child[0]), height(node->child[1]));
}

static uint64_t gap_with_children(const struct ml_range *node)
{
	return ml_max(node->hole, ml_max(gap(node->child[0]), gap(node->child[1])));
}

/* Whether what is above must know. */
static bool refresh(struct ml_range *node)
{
	const uint32_t old_height = node->height;
	const uint64_t old_gap = node->gap;

	node->height = 1 + height_of_children(node);
	node->gap = gap_with_children(node);
	return node->height != old_height || node->gap != old_gap;
}

/* What linked `old` links `node` from now on. */
static void replace(struct ml_range **root, struct ml_range *old, struct ml_range *node)
{
	struct ml_range *parent = old->parent;

	if (node)
		node->parent = parent;
	if (parent)
		parent->child[parent->child[1] == old] = node;
	else
		*root = node;
}

static void set_child(struct ml_range *node, unsigned side, struct ml_range *child)
{
	node->child[side] = child;
	if (child)
		child->parent = node;
}

/* The child on that side takes the place of node. */
static struct ml_range *rotate(struct ml_range **root, struct ml_range *node, unsigned side)
{
	struct ml_range *up = node->child[side];

	replace(root, node, up);
	set_child(node, side, up->child[!side]);
	set_child(up, !side, node);
	refresh(node);
	refresh(up);
	return up;
}

static struct ml_range *balance(struct ml_range **root, struct ml_range *node)
{
	const uint32_t left = height(node->child[0]), right = height(node->child[1]);
	const unsigned heavy = right > left;
	struct ml_range *child = node->child[heavy];

	if (left <= right + 1 && right <= left + 1) {
		refresh(node);
		return node;
	}
	if (height(child->child[!heavy]) > height(child->child[heavy]))
		rotate(root, child, !heavy);
	return rotate(root, node, heavy);
}

/* From where something changed, as far as it matters. */
static void balance_up(struct ml_range **root, struct ml_range *node)
{
	while (node) {
		const uint32_t old_height = node->height;
		const uint64_t old_gap = node->gap;

		node = balance(root, node);
		if (node->height == old_height && node->gap == old_gap)
			break;
		node = node->parent;
	}
}

struct ml_range *ml_ranges_outermost(struct ml_range *root, unsigned side)
{
	while (root && root->child[side])
		root = root->child[side];
	return root;
}

struct ml_range *ml_ranges_beside(const struct ml_range *range, unsigned side)
{
	if (range->child[side])
		return ml_ranges_outermost(range->child[side], !side);
	while (range->parent && range->parent->child[side] == range)
		range = range->parent;
	return range->parent;
}

static uint64_t hole_between(const struct ml_range *before, const struct ml_range *range)
{
	return before ? range->first - before->last - 1 : range->first;
}

static void refresh_up(struct ml_range *node)
{
	while (node && refresh(node))
		node = node->parent;
}

/* What is before range, which may be NULL, is another one now, or ends elsewhere. */
static void remeasure(struct ml_range *range, const struct ml_range *before)
{
	if (!range)
		return;
	range->hole = hole_between(before, range);
	refresh_up(range);
}

static void link_leaf(struct ml_range **root, struct ml_range *range, struct ml_range *parent,
		      unsigned side)
{
	range->child[0] = range->child[1] = NULL;
	range->parent = parent;
	if (parent)
		parent->child[side] = range;
	else
		*root = range;
}

static void weigh_leaf(struct ml_range **root, struct ml_range *range, uint64_t hole)
{
	range->hole = range->gap = hole;
	range->height = 1;
	balance_up(root, range->parent);
}

void ml_ranges_insert(struct ml_range **root, struct ml_range *range)
{
	struct ml_range *parent = NULL, *node = *root, *before, *behind;

	while (node) {
		parent = node;
		node = node->child[range->first > node->first];
	}
	link_leaf(root, range, parent, parent && range->first > parent->first);
	before = ml_ranges_beside(range, 0);
	behind = ml_ranges_beside(range, 1);
	weigh_leaf(root, range, hole_between(before, range));
	remeasure(behind, range);
}

void ml_ranges_cut(struct ml_range **root, struct ml_range *range, struct ml_range *behind)
{
	struct ml_range *next = ml_ranges_outermost(range->child[1], 0);

	link_leaf(root, behind, next ? next : range, !next);
	weigh_leaf(root, behind, 0);
}

/*
 * The node behind, which has no child on its near side, takes the place of one with two, and
 * counts as unchanged there until it is looked at.
 */
static struct ml_range *swap_out(struct ml_range **root, struct ml_range *range)
{
	struct ml_range *heir = ml_ranges_beside(range, 1);
	struct ml_range *from = heir->parent == range ? heir : heir->parent;

	replace(root, heir, heir->child[1]);
	replace(root, range, heir);
	set_child(heir, 0, range->child[0]);
	set_child(heir, 1, range->child[1]);
	heir->height = range->height;
	heir->gap = range->gap;
	return from;
}

void ml_ranges_remove(struct ml_range **root, struct ml_range *range)
{
	struct ml_range *before = ml_ranges_beside(range, 0);
	struct ml_range *behind = ml_ranges_beside(range, 1);
	struct ml_range *from = range->parent;

	if (range->child[0] && range->child[1])
		from = swap_out(root, range);
	else
		replace(root, range, range->child[range->child[1] != NULL]);
	balance_up(root, from);
	remeasure(behind, before);
}

void ml_ranges_resized(struct ml_range *range)
{
	remeasure(range, ml_ranges_beside(range, 0));
	remeasure(ml_ranges_beside(range, 1), range);
}

/* The outermost node of a subtree that has such a hole; the subtree has one. */
static struct ml_range *outermost_hole(struct ml_range *node, unsigned side, uint64_t length)
{
	for (;;) {
		if (gap(node->child[side]) >= length)
			node = node->child[side];
		else if (node->hole >= length)
			return node;
		else
			node = node->child[!side];
	}
}

struct ml_range *ml_ranges_hole(struct ml_range *root, const struct ml_range *range, unsigned side,
				uint64_t length)
{
	if (!range)
		return gap(root) >= length && root ? outermost_hole(root, !side, length) : NULL;
	if (gap(range->child[side]) >= length && range->child[side])
		return outermost_hole(range->child[side], !side, length);
	for (; range->parent; range = range->parent) {
		struct ml_range *parent = range->parent;

		if (parent->child[side] == range)
			continue;
		if (parent->hole >= length)
			return parent;
		if (gap(parent->child[side]) >= length && parent->child[side])
			return outermost_hole(parent->child[side], !side, length);
	}
	return NULL;
}

static bool node_is_right(const struct ml_range *node, const struct ml_range *before)
{
	const uint32_t left = height(node->child[0]), right = height(node->child[1]);
	const uint64_t start = before ? before->last + 1 : 0;

	return node->last >= node->first && (!before || node->first > before->last) &&
	       node->hole == node->first - start && node->gap == gap_with_children(node) &&
	       node->height == 1 + height_of_children(node) && left <= right + 1 &&
	       right <= left + 1;
}

bool ml_ranges_check(const struct ml_range *root)
{
	const struct ml_range *before = NULL, *node = root;

	while (node && node->child[0])
		node = node->child[0];
	for (; node; node = ml_ranges_beside(node, 1)) {
		if (!node_is_right(node, before))
			return false;
		before = node;
	}
	return true;
}
