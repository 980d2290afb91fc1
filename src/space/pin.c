/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Memory held for others: references on counted pages, and a look at raw frames. */
#include "space/fault.h"

/* Raw frames are refused before anybody asks whose they are: nothing counts them (S4.22). */
static int reach_counted(struct ml_space *s, ml_va va, ml_prot access, struct reached *reached)
{
	const struct ml_region *region = ml_space_find(s, va);
	int error;

	if (region && region_is_raw(region))
		return ML_ERR_FAULT;
	error = ml_fault_through(s, va, access, reached);
	if (!error && ml_translation_prot(&s->table, &reached->leaf) & ML_SPECIAL)
		error = ML_ERR_FAULT;
	return error;
}

/* One piece more; it may go on where the last one ends. */
static int add_extent(struct ml_extent *extents, size_t most, size_t *count, ml_pa pa,
		      uint64_t length)
{
	struct ml_extent *end = extents + *count;

	if (*count && end[-1].pa + end[-1].length == pa) {
		end[-1].length += length;
		return ML_OK;
	}
	if (*count == most)
		return ML_ERR_ARGUMENT;
	end->pa = pa;
	end->length = length;
	++*count;
	return ML_OK;
}

static bool hold(struct ml_space *s, ml_pa pa, uint64_t length)
{
	if (s->frames->pin)
		return s->frames->pin(s->frames_cookie, pa, length);
	s->frames->get(s->frames_cookie, pa, length);
	return true;
}

static void let_go(struct ml_space *s, ml_pa pa, uint64_t length)
{
	if (s->frames->pin)
		s->frames->unpin(s->frames_cookie, pa, length);
	else
		s->frames->put(s->frames_cookie, pa, length);
}

static int pin_pages(struct ml_space *s, ml_va va, ml_va last, ml_prot access,
		     struct ml_extent *extents, size_t most, size_t *count)
{
	for (;;) {
		struct reached reached;
		int error = reach_counted(s, va, access, &reached);
		ml_va end;

		if (error)
			return error;
		end = ml_min(reached.last, last);
		if (!hold(s, reached.leaf.pa, end - va + 1))
			return ML_ERR_NO_MEMORY;
		error = add_extent(extents, most, count, reached.leaf.pa, end - va + 1);
		if (error) {
			let_go(s, reached.leaf.pa, end - va + 1);
			return error;
		}
		if (end == last)
			return ML_OK;
		va = end + 1;
	}
}

int ml_pin_pages(struct ml_space *s, ml_va va, uint64_t len, ml_prot access,
		 struct ml_extent *extents, size_t most, size_t *count)
{
	int error = ml_table_check_range(&s->table, va, len);

	*count = 0;
	if (error)
		return error;
	error = pin_pages(s, va, va + (len - 1), access, extents, most, count);
	if (error) {
		ml_unpin_pages(s, extents, *count);
		*count = 0;
	}
	return error;
}

void ml_unpin_pages(struct ml_space *s, const struct ml_extent *extents, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		let_go(s, extents[i].pa, extents[i].length);
}

/* The first page of the run that is pinned, and nobody else's; false: there is none. */
static bool pinned_in(const struct ml_space *s, const struct ml_run *run, struct pinned *page)
{
	const struct ml_frames *frames = s->frames;
	const uint64_t bytes = page_bytes(s);
	uint64_t at;

	if (!frames->pinned(s->frames_cookie, run->pa, run->length))
		return false;
	for (at = 0; at < run->length; at += bytes) {
		page->va = run->va + at;
		page->last = page->va + (bytes - 1);
		page->pa = run->pa + at;
		page->prot = run->prot;
		if (frames->pinned(s->frames_cookie, page->pa, bytes) &&
		    frames->exclusive(s->frames_cookie, page->pa, bytes))
			return true;
	}
	return false;
}

bool ml_pinned_next(const struct ml_space *s, ml_va va, ml_va last, struct pinned *page)
{
	struct ml_cursor cursor = { va, last, !s->frames->pinned || !s->frames->alloc };
	struct ml_run run;

	while (ml_run_next(&s->table, &cursor, &run))
		if (!(run.prot & (ML_SPECIAL | s->table.refaultable)) && pinned_in(s, &run, page))
			return true;
	return false;
}

int ml_follow_pfn(const struct ml_space *s, ml_va va, struct ml_follow *follow)
{
	const struct ml_region *region = ml_space_find(s, va);
	struct ml_translation leaf;
	ml_prot prot;

	if (!region)
		return ML_ERR_NOT_MAPPED;
	if (!(region->flags & (ML_REGION_RAW | ML_REGION_MIXED)))
		return ML_ERR_ARGUMENT;
	if (ml_translate(&s->table, va, &leaf))
		return ML_ERR_NOT_MAPPED;
	prot = ml_translation_prot(&s->table, &leaf);
	if (!(prot & ML_SPECIAL))
		return ML_ERR_ARGUMENT;
	follow->pa = leaf.pa;
	follow->prot = prot;
	follow->rung = ml_translation_rung(&s->table, &leaf);
	follow->left = ml_min(leaf_last(s, va, &leaf), region->range.last) - va + 1;
	return ML_OK;
}
