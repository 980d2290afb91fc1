/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Regions come and go: map, unmap, and taking out what they held. */
#include "space/space.h"

#define CLASSES (ML_REGION_RAW | ML_REGION_MIXED)
#define FLAGS (ML_REGION_SHARED | CLASSES | ML_REGION_NO_HUGE | ML_REGION_FIXED_SIZE)

/* Whether every protection that the region may come to can be expressed. */
static bool rights_expressible(const struct ml_space *s, const struct ml_region_spec *spec)
{
	const ml_prot type = spec->prot & ML_TYPE_MASK;
	ml_prot all = ML_READ | ML_USER | type | (spec->may & (ML_WRITE | ML_EXEC));

	if (spec->flags & CLASSES)
		all |= ML_SPECIAL;
	return ml_format_expressible(s->table.format, &s->table.types, ML_READ | type) &&
	       ml_format_expressible(s->table.format, &s->table.types, all);
}

static int check_spec(const struct ml_space *s, uint64_t len, const struct ml_region_spec *spec)
{
	const ml_prot rights = spec->prot & ~ML_TYPE_MASK;

	if (spec->flags & ~FLAGS || (spec->flags & CLASSES) == CLASSES)
		return ML_ERR_ARGUMENT;
	if ((rights | spec->may) & ~ML_RIGHTS || rights & ~spec->may)
		return ML_ERR_ARGUMENT;
	if (!spec->mapping && spec->flags & ML_REGION_SHARED && !(spec->flags & CLASSES))
		return ML_ERR_ARGUMENT;
	if (!ml_aligned(spec->offset, s->table.format->page_shift))
		return ML_ERR_ALIGN;
	if (spec->offset + (len - 1) < spec->offset)
		return ML_ERR_WRAP;
	return rights_expressible(s, spec) ? ML_OK : ML_ERR_PROT;
}

/* Whether some region of [va, last] may hold what is counted: else subtrees go unread. */
static bool counts_within(const struct ml_space *s, ml_va va, ml_va last)
{
	const struct ml_region *region = ml_region_in(s, va, last);

	for (; region; region = region_next_in(region, last))
		if (region_counts(region))
			return true;
	return false;
}

/* Whether the owner brings this very leaf back at the next access. */
static bool comes_back(const struct ml_space *s, const struct ml_region *region, ml_prot prot)
{
	if (!region || !ml_region_refaultable(region))
		return false;
	return s->table.refaultable ? prot & s->table.refaultable : !region->copied;
}

/* The first and the last address of the leaf at va, if it is one that may go whole; else va. */
static ml_va leaf_edge(const struct ml_space *s, ml_va va, bool upper)
{
	struct ml_translation leaf;
	unsigned shift;

	if (ml_translate(&s->table, va, &leaf) ||
	    !comes_back(s, ml_space_find(s, va), ml_translation_prot(&s->table, &leaf)))
		return va;
	shift = leaf_shift(s, &leaf);
	return upper ? ml_align_last(va, shift) : ml_align_down(va, shift);
}

static int take_out(struct ml_space *s, ml_va va, ml_va last)
{
	struct ml_op op = ml_space_op(s);
	int error;

	if (!counts_within(s, va, last))
		op.sink = NULL;
	ml_space_begin(s, va, last);
	error = ml_unmap(&s->table, va, last - va + 1, &op);
	ml_space_end(s, va, last);
	return error;
}

int ml_space_zap(struct ml_space *s, ml_va va, ml_va last)
{
	int error = take_out(s, va, last);

	if (error == ML_ERR_NO_MEMORY)
		error = take_out(s, leaf_edge(s, va, false), leaf_edge(s, last, true));
	return error;
}

int ml_space_unmap(struct ml_space *s, ml_va va, uint64_t len)
{
	const ml_va last = va + (len - 1);
	struct cuts cuts;
	int error = ml_table_check_range(&s->table, va, len);

	if (error || !ml_region_in(s, va, last))
		return error;
	error = ml_cuts_prepare(s, va, last, &cuts);
	if (error)
		return error;
	error = ml_space_zap(s, va, last);
	if (error) {
		ml_cuts_drop(s, &cuts);
		return error;
	}
	ml_cuts_make(s, &cuts);
	ml_regions_close(s, va, last);
	return ML_OK;
}

/* [from, va) is unmapped: close what ends there, shorten what goes on. */
static void close_before(struct ml_space *s, ml_va from, ml_va va)
{
	struct ml_region *region = ml_space_find(s, va);

	if (region && region->range.first < va)
		ml_region_resize(region, va, region->range.last);
	ml_regions_close(s, from, va - 1);
}

/* One step of the table's; without a table for a split at an end all the rest goes at once. */
static int take_step(struct ml_space *s, struct ml_step *step, const struct ml_region *region)
{
	const ml_va va = step->va, last = va + (step->len - 1);
	struct ml_op op = ml_space_op(s);
	int error;

	if (!region_counts(region))
		op.sink = NULL;
	ml_space_begin(s, va, last);
	error = ml_unmap_step(&s->table, step, &op);
	ml_space_end(s, va, last);
	if (error != ML_ERR_NO_MEMORY)
		return error;
	error = ml_space_zap(s, va, last);
	if (!error) {
		step->va += step->len;
		step->len = 0;
	}
	return error;
}

/* A step ends with the region that it meets first: what that one holds is all it has to ask. */
static int take_part(struct ml_space *s, struct ml_step *step, ml_va last)
{
	const struct ml_region *region = ml_region_in(s, step->va, last);
	struct ml_step part = *step;
	int error = ML_OK;

	if (region) {
		part.len = ml_min(last, region->range.last) - part.va + 1;
		error = take_step(s, &part, region);
	} else {
		part.va += part.len;
	}
	step->len -= part.va - step->va;
	step->va = part.va;
	return error;
}

int ml_space_unmap_step(struct ml_space *s, struct ml_step *step)
{
	const ml_va va = step->va, last = va + (step->len - 1);
	struct cuts cuts;
	int error = ml_table_check_range(&s->table, va, step->len);

	if (!error)
		error = ml_cuts_prepare(s, va, last, &cuts);
	if (error)
		return error;
	error = take_part(s, step, last);
	if (error) {
		ml_cuts_drop(s, &cuts);
		return error;
	}
	ml_cuts_make(s, &cuts);
	if (step->len)
		close_before(s, va, step->va);
	else
		ml_regions_close(s, va, last);
	return ML_OK;
}

static void fill_region(struct ml_region *region, const struct ml_region_spec *spec, ml_va va,
			ml_va last)
{
	region->range.first = va;
	region->range.last = last;
	region->prot = spec->prot;
	region->may = (uint32_t)spec->may;
	region->flags = (uint16_t)spec->flags;
	region->copied = false;
	region->offset = spec->offset;
	region->mapping = spec->mapping;
	region->name = spec->name;
}

int ml_space_map(struct ml_space *s, ml_va va, uint64_t len, const struct ml_region_spec *spec,
		 unsigned flags, struct ml_region **region)
{
	const ml_va last = va + (len - 1);
	struct ml_region *fresh;
	int error = ml_table_check_range(&s->table, va, len);

	if (!error)
		error = flags & ~ML_MAP_REPLACE ? ML_ERR_ARGUMENT : check_spec(s, len, spec);
	if (!error && !(flags & ML_MAP_REPLACE) && ml_region_in(s, va, last))
		error = ML_ERR_EXISTS;
	if (error)
		return error;
	fresh = ml_region_alloc(s);
	if (!fresh)
		return ML_ERR_NO_MEMORY;
	error = flags & ML_MAP_REPLACE ? ml_space_unmap(s, va, len) : ML_OK;
	if (error) {
		ml_region_free(s, fresh);
		return error;
	}
	fill_region(fresh, spec, va, last);
	ml_region_open(s, fresh);
	if (!region_comes_whole(fresh)) /* it could not, as a part of a larger one */
		ml_regions_merge(s, va, last);
	if (region)
		*region = ml_space_find(s, va);
	return ML_OK;
}
