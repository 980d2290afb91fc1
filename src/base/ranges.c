/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The tree of ranges: everything that is not a plain search. */
#include "base/ranges.h"

static uint8_t height(const struct ml_range *node)
{
	return node ? (uint8_t)(1 + ml_max(node->heights[0], node->heights[1])) : 0;
}

static uint64_t gap(const struct ml_range *node)
{
	return node ? node->gap : 0;
}

static uint64_t gap_with_children(const struct ml_range *node)
{
	return ml_max(node->hole, ml_max(gap(node->child[0]), gap(node->child[1])));
}

/* Whether what is above must know. */
static bool refresh(struct ml_range *node)
{
	const uint64_t old = node->gap;

	node->gap = gap_with_children(node);
	return node->gap != old;
}

static void refresh_up(struct ml_range *node)
{
	while (node && refresh(node))
		node = node->parent;
}

/* Of its parent; a root counts as a left one. */
static unsigned side_of(const struct ml_range *node)
{
	return node->parent && node->parent->child[1] == node;
}

/* What linked `old` links `node` from now on. */
static void replace(struct ml_range **root, struct ml_range *old, struct ml_range *node)
{
	if (node)
		node->parent = old->parent;
	if (old->parent)
		old->parent->child[side_of(old)] = node;
	else
		*root = node;
}

static void set_child(struct ml_range *node, unsigned side, struct ml_range *child, uint8_t high)
{
	node->child[side] = child;
	node->heights[side] = high;
	if (child)
		child->parent = node;
}

/* The child on that side takes the place of node. */
static struct ml_range *rotate(struct ml_range **root, struct ml_range *node, unsigned side)
{
	struct ml_range *up = node->child[side];

	replace(root, node, up);
	set_child(node, side, up->child[!side], up->heights[!side]);
	set_child(up, !side, node, height(node));
	up->gap = node->gap;
	refresh(node);
	return up;
}

/* The taller child takes the place of node, or the nearer one of its children does. */
static struct ml_range *balance(struct ml_range **root, struct ml_range *node)
{
	const unsigned tall = node->heights[1] > node->heights[0];
	struct ml_range *child = node->child[tall];

	if (child->heights[!tall] > child->heights[tall])
		rotate(root, child, !tall);
	return rotate(root, node, tall);
}

/*
 * The subtree on that side of node has this height now. Gaps are right: what only turns keeps its
 * own. A node knows the heights on both sides, so that nothing is looked at beside the way up.
 */
static void balance_up(struct ml_range **root, struct ml_range *node, unsigned side, uint8_t high)
{
	while (node && node->heights[side] != high) {
		node->heights[side] = high;
		if (node->heights[side] > node->heights[!side] + 1 ||
		    node->heights[!side] > node->heights[side] + 1)
			node = balance(root, node);
		high = height(node);
		side = side_of(node);
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

/* What is before range, which may be NULL, is another one now, or ends elsewhere. */
static void remeasure(struct ml_range *range, const struct ml_range *before)
{
	if (!range)
		return;
	range->hole = hole_between(before, range);
	refresh_up(range);
}

/* Its parent does not know of its height yet. */
static void link_leaf(struct ml_range **root, struct ml_range *range, struct ml_range *parent,
		      unsigned side)
{
	range->child[0] = range->child[1] = NULL;
	range->heights[0] = range->heights[1] = 0;
	range->parent = parent;
	range->hole = range->gap = 0;
	if (parent)
		parent->child[side] = range;
	else
		*root = range;
}

void ml_ranges_insert(struct ml_range **root, struct ml_range *range)
{
	struct ml_range *parent = NULL, *node = *root;
	unsigned side = 0;

	while (node) {
		parent = node;
		side = range->first > node->first;
		node = node->child[side];
	}
	link_leaf(root, range, parent, side);
	remeasure(range, ml_ranges_beside(range, 0));
	remeasure(ml_ranges_beside(range, 1), range);
	balance_up(root, parent, side, 1);
}

/* Two at once make no subtree higher by more than one: what stood there was balanced. */
void ml_ranges_cut(struct ml_range **root, struct ml_range *range, struct ml_range *behind,
		   struct ml_range *end)
{
	struct ml_range *next = ml_ranges_outermost(range->child[1], 0);

	link_leaf(root, behind, next ? next : range, !next);
	if (end) {
		link_leaf(root, end, behind, 1);
		behind->heights[1] = 1;
	}
	balance_up(root, behind->parent, !next, height(behind));
}

/* A side of a node that is lower now. */
struct lowered {
	struct ml_range *node;
	unsigned side;
	uint8_t height;
};

/* A node with one child, or none, is taken out. */
static struct lowered take_out(struct ml_range **root, struct ml_range *range)
{
	const unsigned side = range->child[1] != NULL;
	const struct lowered lowered = { range->parent, side_of(range), range->heights[side] };

	replace(root, range, range->child[side]);
	return lowered;
}

/* The node behind takes the place of one with two children. */
static struct lowered swap_out(struct ml_range **root, struct ml_range *range,
			       struct ml_range *behind)
{
	struct lowered lowered = take_out(root, behind);

	if (lowered.node == range)
		lowered.node = behind;
	replace(root, range, behind);
	set_child(behind, 0, range->child[0], range->heights[0]);
	set_child(behind, 1, range->child[1], range->heights[1]);
	behind->gap = range->gap;
	return lowered;
}

void ml_ranges_remove(struct ml_range **root, struct ml_range *range)
{
	struct ml_range *before = ml_ranges_beside(range, 0);
	struct ml_range *behind = ml_ranges_beside(range, 1);
	struct lowered lowered;

	if (range->child[0] && range->child[1])
		lowered = swap_out(root, range, behind);
	else
		lowered = take_out(root, range);
	refresh_up(lowered.node);
	remeasure(behind, before);
	balance_up(root, lowered.node, lowered.side, lowered.height);
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
	const unsigned left = height(node->child[0]), right = height(node->child[1]);
	const uint64_t start = before ? before->last + 1 : 0;

	return node->last >= node->first && (!before || node->first > before->last) &&
	       node->hole == node->first - start && node->gap == gap_with_children(node) &&
	       node->heights[0] == left && node->heights[1] == right && left <= right + 1 &&
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
