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

struct protecting {
	struct ml_space *s;
	const struct ml_region *first; /* the one that holds va */
	ml_va va, last;
	ml_prot rights;
};

/* Change the leaves of all regions in [va, last], or find out what tables that takes. */
static int protect_leaves(void *what, struct ml_op *op, uint64_t *tables)
{
	const struct protecting *p = what;
	const struct ml_region *region = p->first;
	int error = ML_OK;

	for (; region && !error; region = region_next_in(region, p->last)) {
		const ml_va from = ml_max(p->va, region->range.first);
		const ml_va to = ml_min(p->last, region->range.last);
		const ml_prot mask = changed_rights(region, p->rights);

		if (!mask)
			continue;
		error = ml_protect(&p->s->table, from, to - from + 1, mask,
				   region_rights(region, p->rights) & mask, op);
		*tables += op->tables_needed;
	}
	return error;
}

/* One call of the table is all or nothing by itself. */
static int protect_all(struct protecting *p)
{
	struct ml_op op = { .context = p->s->context };
	uint64_t tables = 0;
	int error;

	ml_space_begin(p->s, p->va, p->last);
	if (p->first->range.last >= p->last)
		error = protect_leaves(p, &op, &tables);
	else
		error = ml_space_together(&p->s->table, &op, protect_leaves, p);
	ml_space_end(p->s, p->va, p->last);
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
	struct protecting p = { s, NULL, va, last, prot };
	struct ml_region *first;
	struct cuts cuts;
	int error = ml_table_check_range(&s->table, va, len);

	if (error)
		return error;
	first = ml_space_find(s, va);
	error = check_rights(first, last, prot);
	if (!error)
		error = ml_cuts_prepare_in(s, first, va, last, &cuts);
	if (error)
		return error;
	p.first = first;
	error = protect_all(&p);
	if (error) {
		ml_cuts_drop(s, &cuts);
		return error;
	}
	protect_regions(s, ml_cuts_make(s, &cuts), last, prot);
	return ML_OK;
}
