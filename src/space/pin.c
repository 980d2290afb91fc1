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
		error = add_extent(extents, most, count, reached.leaf.pa, end - va + 1);
		if (error)
			return error;
		s->frames->get(s->frames_cookie, reached.leaf.pa, end - va + 1);
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
		s->frames->put(s->frames_cookie, extents[i].pa, extents[i].length);
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
