/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Fork: regions are copied one by one, leaves in runs of regions of one kind. What the child needs
 * is counted and taken first, pages that are pinned are copied for it; then nothing fails.
 */
#include "space/fault.h"

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

struct forking {
	struct ml_space *child, *parent;
};

/* Neither what no table translates lies between them, nor what one of the two borrows. */
static bool is_one_range(const struct forking *fork, ml_va va, ml_va last)
{
	return !ml_table_check_range(&fork->parent->table, va, last - va + 1) &&
	       !ml_table_check_range(&fork->child->table, va, last - va + 1);
}

/* The next run from `region` on, and the region behind it. */
static struct ml_region *next_run(const struct forking *fork, struct ml_region *region,
				  struct fork_run *run)
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
		 !(region->flags & ML_REGION_SHARED) == !run->shared &&
		 is_one_range(fork, run->va, region->range.last));
	return region;
}

/* One more reference on everything counted that the child has there. */
static void get_range(struct ml_space *child, const struct fork_run *run)
{
	struct ml_cursor cursor = { run->va, run->last, false };
	struct ml_run found;

	while (ml_space_run_next(child, &cursor, &found))
		if (!(found.prot & ML_SPECIAL))
			child->frames->get(child->frames_cookie, found.pa, found.length);
}

/* Private pages lose the right to write on both sides; marks are the parent's (S4.24). */
static int copy_part(const struct forking *fork, const struct fork_run *run, struct ml_op *op,
		     uint64_t *tables)
{
	const ml_prot marks = fork->child->table.track_ad ? ML_ACCESSED : 0;
	const ml_prot write = run->shared ? 0 : ML_WRITE;
	const ml_prot dirty = run->shared && marks ? ML_DIRTY : 0;
	const int error = ml_copy(&fork->child->table, &fork->parent->table, run->va,
				  run->last - run->va + 1, write, write | marks | dirty, op);

	*tables += op->tables_needed;
	if (!error && !(op->flags & ML_OP_DRY))
		get_range(fork->child, run);
	return error;
}

/* All of a run but the pages that the child has copies of. */
static int copy_run(const struct forking *fork, const struct fork_run *run, struct ml_op *op,
		    uint64_t *tables)
{
	struct fork_run part = *run;
	struct pinned page;
	int error = ML_OK;

	while (!error && !run->shared && ml_pinned_next(fork->parent, part.va, run->last, &page)) {
		part.last = page.va - 1;
		if (page.va > part.va)
			error = copy_part(fork, &part, op, tables);
		if (page.last == run->last)
			return error;
		part.va = page.last + 1;
	}
	part.last = run->last;
	return error ? error : copy_part(fork, &part, op, tables);
}

/* The child's own copy of a page that somebody wants to stay the parent's. */
static int copy_page(const struct forking *fork, const struct pinned *page)
{
	struct ml_space *child = fork->child;
	const uint64_t bytes = page->last - page->va + 1;
	struct ml_op op = { .context = fork->parent->context, .rungs = 1 };
	ml_pa pa;
	int error;

	if (!child->frames->alloc(child->frames_cookie, bytes, false, &pa))
		return ML_ERR_NO_MEMORY;
	child->frames->copy(child->frames_cookie, pa, page->pa, bytes);
	publish_frames();
	error = ml_map(&child->table, page->va, bytes, pa, page->prot, &op);
	if (error)
		child->frames->put(child->frames_cookie, pa, bytes);
	return error;
}

static int copy_pinned(const struct forking *fork, const struct fork_run *run, struct ml_op *op,
		       uint64_t *tables)
{
	struct pinned page = { .last = run->va - 1 };
	int error = ML_OK;

	(void)op;
	(void)tables;
	while (!error && !run->shared && page.last != run->last &&
	       ml_pinned_next(fork->parent, page.last + 1, run->last, &page))
		error = copy_page(fork, &page);
	return error;
}

/* What copy_pinned() has done is undone: base pages, which takes no tables. */
static int drop_pinned(const struct forking *fork, const struct fork_run *run, struct ml_op *op,
		       uint64_t *tables)
{
	(void)tables;
	return ml_unmap(&fork->child->table, run->va, run->last - run->va + 1, op);
}

typedef int fork_step(const struct forking *fork, const struct fork_run *run, struct ml_op *op,
		      uint64_t *tables);

static int each_run(const struct forking *fork, fork_step *step, struct ml_op *op, uint64_t *tables)
{
	struct ml_region *region = ml_space_find_from(fork->parent, 0);
	struct fork_run run = { 0, 0, false };
	int error = ML_OK;

	while (region && !error) {
		run.last = 0;
		region = next_run(fork, region, &run);
		if (!run.last)
			break;
		error = step(fork, &run, op, tables);
	}
	return error;
}

/* Copy all leaves, or find out what tables that takes. */
static int copy_leaves(void *what, struct ml_op *op, uint64_t *tables)
{
	return each_run(what, copy_run, op, tables);
}

/* Take what the child needs, and copy. */
static int fork_leaves(struct ml_space *child, struct ml_space *parent)
{
	const struct ml_cursor span = ml_space_span(parent);
	struct forking fork = { child, parent };
	struct ml_op op = { .context = parent->context }, undo = ml_space_op(child);
	int error;

	if (span.done)
		return ML_OK;
	ml_space_begin(parent, span.va, span.last);
	error = each_run(&fork, copy_pinned, NULL, NULL);
	if (!error)
		error = ml_space_together(&child->table, &op, copy_leaves, &fork);
	if (error)
		(void)each_run(&fork, drop_pinned, &undo, NULL);
	ml_space_end(parent, span.va, span.last);
	return error;
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
	copy_regions(child, parent, chain);
	return ML_OK;
}
