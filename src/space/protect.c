/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The rights of regions, and of the leaves in them. */
#include "space/space.h"

/*
 * What changes in the leaves of a region. Pages that a private region wrote to stay writable as
 * long as it may be written; the others wait for a fault.
 */
static ml_prot changed_rights(const struct ml_region *region, ml_prot rights)
{
	const ml_prot had = region->prot & ML_RIGHTS;
	const ml_prot lost = had & ~rights & ML_WRITE;

	return (region_rights(region, had) ^ region_rights(region, rights)) | lost;
}

/* Change the leaves of all regions in [va, last], or find out what tables that takes. */
static int protect_leaves(struct ml_space *s, const struct ml_region *region, ml_va va, ml_va last,
			  ml_prot rights, struct ml_op *op, uint64_t *tables)
{
	int error = ML_OK;

	*tables = 0;
	for (; region && !error; region = region_next_in(region, last)) {
		const ml_va from = ml_max(va, region->range.first);
		const ml_va to = ml_min(last, region->range.last);
		const ml_prot mask = changed_rights(region, rights);

		if (!mask)
			continue;
		error = ml_protect(&s->table, from, to - from + 1, mask,
				   region_rights(region, rights) & mask, op);
		*tables += op->tables_needed;
	}
	return error;
}

/* One call of the table is all or nothing by itself. */
static int protect_one(struct ml_space *s, const struct ml_region *first, ml_va va, ml_va last,
		       ml_prot rights)
{
	struct ml_op op = { .context = s->context };
	uint64_t tables;
	int error;

	ml_space_begin(s, va, last);
	error = protect_leaves(s, first, va, last, rights, &op, &tables);
	ml_space_end(s, va, last);
	return error;
}

/* Several are not: what they take is there before the first region changes. */
static int protect_all(struct ml_space *s, const struct ml_region *first, ml_va va, ml_va last,
		       ml_prot rights)
{
	struct ml_op op = { .context = s->context, .flags = ML_OP_DRY };
	struct ml_reserve reserve = { NULL, 0 };
	uint64_t tables;
	int error = protect_leaves(s, first, va, last, rights, &op, &tables);

	if (!error)
		error = ml_reserve_fill(&s->table, &reserve, tables, &op);
	if (error)
		return error;
	op.flags = 0;
	op.reserve = &reserve;
	ml_space_begin(s, va, last);
	error = protect_leaves(s, first, va, last, rights, &op, &tables);
	ml_space_end(s, va, last);
	ml_reserve_empty(&s->table, &reserve, &op);
	return error;
}

/* All of [va, last] is in regions, from `region` on, which may have these rights. */
static int check_rights(const struct ml_region *region, ml_va last, ml_prot rights)
{
	if (rights & ~ML_RIGHTS)
		return ML_ERR_ARGUMENT;
	if (!ml_regions_cover(region, last))
		return ML_ERR_NOT_MAPPED;
	for (; region; region = region_next_in(region, last))
		if (rights & ~region->may)
			return ML_ERR_ACCESS;
	return ML_OK;
}

static void protect_regions(struct ml_space *s, struct ml_region *first, ml_va last, ml_prot rights)
{
	struct ml_range *before = ml_ranges_beside(&first->range, 0);
	struct ml_region *region = first;

	for (; region; region = region_next_in(region, last))
		region->prot = (region->prot & ML_TYPE_MASK) | rights;
	ml_regions_merge_from(s, before ? region_of(before) : first, last);
}

int ml_space_protect(struct ml_space *s, ml_va va, uint64_t len, ml_prot prot)
{
	const ml_va last = va + (len - 1);
	struct ml_region *first;
	struct cuts cuts;
	int error = ml_space_check_range(s, va, len);

	if (error)
		return error;
	first = ml_space_find(s, va);
	error = check_rights(first, last, prot);
	if (!error)
		error = ml_cuts_prepare_in(s, first, va, last, &cuts);
	if (error)
		return error;
	if (first->range.last >= last)
		error = protect_one(s, first, va, last, prot);
	else
		error = protect_all(s, first, va, last, prot);
	if (error) {
		ml_cuts_drop(s, &cuts);
		return error;
	}
	protect_regions(s, ml_cuts_make(s, &cuts), last, prot);
	return ML_OK;
}
