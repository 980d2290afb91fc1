/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Fork: regions are copied one by one, leaves in runs of regions of one kind. What the child needs
 * is counted and taken first; then nothing fails.
 */
#include "space/space.h"

/* Neighbouring regions whose leaves are copied in one call; holes between them hold nothing. */
struct fork_run {
	ml_va va, last;
	bool shared;
};

/* What can be faulted in again, and is nobody's own, is left to that. */
static bool needs_copy(const struct ml_region *region)
{
	return !ml_region_refaultable(region) || region->copied;
}

/* The next run from `region` on, and the region behind it. */
static struct ml_region *next_run(struct ml_region *region, struct fork_run *run)
{
	while (region && !needs_copy(region))
		region = ml_region_next(region);
	if (!region)
		return NULL;
	run->va = region->range.first;
	run->shared = region->flags & ML_REGION_SHARED;
	do {
		run->last = region->range.last;
		region = ml_region_next(region);
	} while (region && needs_copy(region) &&
		 !(region->flags & ML_REGION_SHARED) == !run->shared);
	return region;
}

/* Private pages lose the right to write on both sides; marks are the parent's (S4.24). */
static int copy_run(struct ml_space *child, struct ml_space *parent, const struct fork_run *run,
		    struct ml_op *op)
{
	const ml_prot marks = child->table.track_ad ? ML_ACCESSED : 0;
	const ml_prot write = run->shared ? 0 : ML_WRITE;
	const ml_prot dirty = run->shared && marks ? ML_DIRTY : 0;

	return ml_copy(&child->table, &parent->table, run->va, run->last - run->va + 1, write,
		       write | marks | dirty, op);
}

/* Copy all leaves, or find out what tables that takes. */
static int copy_leaves(struct ml_space *child, struct ml_space *parent, struct ml_op *op,
		       uint64_t *tables)
{
	struct ml_region *region = ml_space_find_from(parent, 0);
	struct fork_run run = { 0, 0, false };
	int error = ML_OK;

	*tables = 0;
	while (region && !error) {
		run.last = 0;
		region = next_run(region, &run);
		if (!run.last)
			break;
		error = copy_run(child, parent, &run, op);
		*tables += op->tables_needed;
	}
	return error;
}

/* One more reference on everything counted that the child maps. */
static void get_all(struct ml_space *child, const struct ml_space *parent)
{
	const struct ml_range *first = ml_ranges_outermost(parent->root, 0);
	const struct ml_range *last = ml_ranges_outermost(parent->root, 1);
	struct ml_cursor cursor = { 0, 0, false };
	struct ml_run run;

	if (!first)
		return;
	cursor.va = first->first;
	cursor.last = last->last;
	while (ml_space_run_next(child, &cursor, &run))
		if (!(run.prot & ML_SPECIAL))
			child->frames->get(child->frames_cookie, run.pa, run.length);
}

static void free_chain(struct ml_space *s, struct ml_region *chain)
{
	while (chain) {
		struct ml_region *next = chain->mapping_next;

		ml_region_free(s, chain);
		chain = next;
	}
}

/* An object for each region, chained. */
static int alloc_chain(struct ml_space *s, uint64_t count, struct ml_region **chain)
{
	*chain = NULL;
	for (; count; count--) {
		struct ml_region *region = ml_region_alloc(s);

		if (!region) {
			free_chain(s, *chain);
			return ML_ERR_NO_MEMORY;
		}
		region->mapping_next = *chain;
		*chain = region;
	}
	return ML_OK;
}

static void copy_regions(struct ml_space *child, const struct ml_space *parent,
			 struct ml_region *chain)
{
	const struct ml_region *region = ml_space_find_from(parent, 0);

	for (; region && chain; region = ml_region_next(region)) {
		struct ml_region *fresh = chain;

		chain = fresh->mapping_next;
		*fresh = *region;
		ml_region_open(child, fresh);
	}
}

/* Take what the child needs, and copy. */
static int fork_leaves(struct ml_space *child, struct ml_space *parent)
{
	struct ml_op op = { .context = parent->context, .flags = ML_OP_DRY };
	struct ml_reserve reserve = { NULL, 0 };
	uint64_t tables;
	int error = copy_leaves(child, parent, &op, &tables);

	if (!error)
		error = ml_reserve_fill(&child->table, &reserve, tables, &op);
	if (error)
		return error;
	op.flags = 0;
	op.reserve = &reserve;
	ml_space_begin(parent, 0, ~(ml_va)0);
	error = copy_leaves(child, parent, &op, &tables);
	ml_space_end(parent, 0, ~(ml_va)0);
	ml_reserve_empty(&child->table, &reserve, &op);
	return error;
}

int ml_space_fork(struct ml_space *child, struct ml_space *parent)
{
	struct ml_region *chain;
	int error;

	if (child->table.format != parent->table.format || child->root)
		return ML_ERR_CONFIG;
	error = alloc_chain(child, parent->regions, &chain);
	if (!error) {
		error = fork_leaves(child, parent);
		if (error)
			free_chain(child, chain);
	}
	if (error)
		return error;
	get_all(child, parent);
	copy_regions(child, parent, chain);
	return ML_OK;
}
