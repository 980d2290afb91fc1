/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Raw frames come into regions: as many as the owner has, or one leaf at a fault. */
#include "space/space.h"

/* What is mapped: len bytes that lie `skip` bytes into the extents. */
struct source {
	const struct ml_extent *extents;
	size_t count;
	uint64_t skip, len;
};

/* The frames that are asked for, piece by piece. */
static int check_source(const struct ml_space *s, const struct ml_region *region,
			const struct source *from, ml_prot type)
{
	uint64_t skip = from->skip, left = from->len;
	int error = ML_OK;
	size_t i;

	for (i = 0; !error && left && i < from->count; i++) {
		const struct ml_extent *extent = &from->extents[i];
		const uint64_t gone = ml_min(skip, extent->length);
		const uint64_t length = ml_min(extent->length - gone, left);

		skip -= gone;
		left -= length;
		if (length)
			error = ml_space_check_frames(s, region, extent->pa + gone, length, type);
	}
	return !error && left ? ML_ERR_ARGUMENT : error;
}

/* A region for raw frames, and a memory type that is nothing else. */
static int check_class(const struct ml_region *region, ml_prot type)
{
	if (!(region->flags & (ML_REGION_RAW | ML_REGION_MIXED)) || type & ~ML_TYPE_MASK)
		return ML_ERR_ARGUMENT;
	return ML_OK;
}

static int map_once(struct ml_space *s, ml_va va, const struct source *from, ml_prot prot,
		    uint32_t rungs)
{
	struct ml_op op = { .context = s->context, .rungs = rungs };

	return ml_map_extents_part(&s->table, va, from->len, from->extents, from->count, from->skip,
				   prot, &op);
}

/*
 * Without the tables of large leaves, smaller ones are tried: in the end no more is asked for than
 * what small pages take (S4.8).
 */
static int map_frames(struct ml_space *s, ml_va va, const struct source *from, ml_prot prot,
		      uint32_t rungs)
{
	const struct ml_format *f = s->table.format;
	int error = map_once(s, va, from, prot, rungs);
	unsigned rung = f->rung_count;

	while (error == ML_ERR_NO_MEMORY && --rung)
		if (rungs >> rung & 1 && from->len >> f->rungs[rung].shift)
			error = map_once(s, va, from, prot, rungs & (((uint32_t)1 << rung) - 1));
	return error;
}

static int remap(struct ml_space *s, ml_va va, const struct source *from, ml_prot type)
{
	const struct ml_region *region;
	uint32_t rungs = s->table.rungs;
	int error = ml_table_check_range(&s->table, va, from->len);

	if (error)
		return error;
	region = ml_region_around(s, va, va + (from->len - 1));
	if (!region)
		return ML_ERR_NOT_MAPPED;
	error = check_class(region, type);
	if (!error && region_comes_whole(region) && ml_region_length(region) != from->len)
		error = ML_ERR_ARGUMENT;
	if (!error)
		error = check_source(s, region, from, type);
	if (error)
		return error;
	if (ml_region_refaultable(region) || region->flags & ML_REGION_NO_HUGE)
		rungs = 1;
	return map_frames(s, va, from, ml_space_leaf_prot(s, region, type, true), rungs);
}

int ml_remap_pfn_range(struct ml_space *s, ml_va va, uint64_t len, ml_pa pa, ml_prot type)
{
	const struct ml_extent extent = { pa, len };
	const struct source from = { &extent, 1, 0, len };

	return remap(s, va, &from, type);
}

int ml_remap_extents(struct ml_space *s, ml_va va, uint64_t len, const struct ml_extent *extents,
		     size_t count, uint64_t skip, ml_prot type)
{
	const struct source from = { extents, extents ? count : 0, skip, len };

	return remap(s, va, &from, type);
}

/* A place in a region for one leaf of this size. */
static int check_place(const struct ml_space *s, ml_va va, ml_pa pa, unsigned rung,
		       struct ml_region **region)
{
	uint64_t size;
	int error;

	if (!ml_space_can_hold(s, rung))
		return ML_ERR_SIZE;
	size = ML_BIT(s->table.format->rungs[rung].shift);
	error = ml_table_check_range(&s->table, va, size);
	if (error)
		return error;
	if ((va | pa) & (size - 1))
		return ML_ERR_ALIGN;
	*region = ml_space_find(s, va);
	if (!*region)
		return ML_ERR_NOT_MAPPED;
	if ((*region)->range.last < va + (size - 1))
		return ML_ERR_SIZE;
	return rung && (*region)->flags & ML_REGION_NO_HUGE ? ML_ERR_SIZE : ML_OK;
}

static int check_insert(const struct ml_space *s, const struct ml_region *region, ml_pa pa,
			unsigned rung, ml_prot type, bool write)
{
	const uint64_t size = ML_BIT(s->table.format->rungs[rung].shift);
	int error = check_class(region, type);

	if (error)
		return error;
	if (region_is_raw(region) && region_copies(region))
		return ML_ERR_ARGUMENT;
	if (write && !(region->prot & ML_WRITE))
		return ML_ERR_ACCESS;
	return ml_space_check_frames(s, region, pa, size, type);
}

/*
 * What a leaf that is there gains by the access. All of it that lies in the region does: no split
 * for a part. Raw frames of private regions are written to in a copy, which is a fault's to make.
 */
static int upgrade(struct ml_space *s, const struct ml_region *region, ml_va va,
		   const struct ml_translation *leaf, bool write)
{
	const struct piece piece = ml_space_piece(s, region, va, leaf);
	struct ml_op op = { .context = s->context };

	if (!write || !(region_rights(region, region->prot) & ML_WRITE))
		return ML_OK;
	return ml_protect(&s->table, piece.va, piece.last - piece.va + 1, ML_WRITE | ML_PROT_AD,
			  ML_WRITE | ML_PROT_AD, &op);
}

int ml_insert_pfn(struct ml_space *s, ml_va va, ml_pa pa, unsigned rung, ml_prot type, bool write)
{
	struct ml_translation leaf;
	struct ml_region *region;
	struct ml_extent extent = { pa, 0 };
	struct source from = { &extent, 1, 0, 0 };
	ml_prot prot;
	int error = check_place(s, va, pa, rung, &region);

	if (!error)
		error = check_insert(s, region, pa, rung, type, write);
	if (error)
		return error;
	if (ml_translate(&s->table, va, &leaf) == ML_OK) {
		if (leaf.pa != pa || ml_translation_rung(&s->table, &leaf) < rung ||
		    !(ml_translation_prot(&s->table, &leaf) & ML_SPECIAL))
			return ML_ERR_EXISTS;
		return upgrade(s, region, va, &leaf, write);
	}
	prot = ml_space_leaf_prot(s, region, type, true) | ML_ACCESSED;
	if (write && prot & ML_WRITE)
		prot |= ML_DIRTY;
	extent.length = from.len = ML_BIT(s->table.format->rungs[rung].shift);
	return map_frames(s, va, &from, prot,
			  region->flags & ML_REGION_NO_HUGE ? 1 : s->table.rungs);
}
