/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Counting what a space maps, and checking that its leaves and its regions agree. */
#include "space/space.h"

static const struct ml_cursor everything = { 0, ~(ml_va)0, false };

void ml_space_stats(const struct ml_space *s, struct ml_space_stats *stats)
{
	struct ml_cursor cursor = everything;
	struct ml_space_stats found = { 0 };
	struct ml_stats tables;
	struct ml_run run;

	while (ml_space_run_next(s, &cursor, &run)) {
		const unsigned shift = s->table.format->rungs[run.rung].shift;
		const bool raw = run.prot & ML_SPECIAL;

		found.leaves[run.rung] += run.length >> shift;
		found.raw_leaves[run.rung] += raw ? run.length >> shift : 0;
		*(raw ? &found.raw_bytes : &found.counted_bytes) += run.length;
	}
	ml_table_stats(&s->table, &tables);
	found.table_bytes = tables.table_bytes;
	found.deposits = tables.reserved;
	found.regions = s->regions;
	*stats = found;
}

/* What is wrong with a run of leaves inside one region, or NULL. */
static const char *run_fault(const struct ml_space *s, const struct ml_region *region,
			     const struct ml_run *run)
{
	const ml_prot rights = region->prot & ML_RIGHTS;
	const bool raw = run->prot & ML_SPECIAL;

	if (!(run->prot & ML_USER) != !rights)
		return "a leaf within the user's reach, or out of it, where the region is not";
	if (run->prot & ML_WRITE && !(rights & ML_WRITE))
		return "a leaf more writable than its region";
	if (!(run->prot & ML_EXEC) != !(rights & ML_EXEC))
		return "a leaf executable where its region is not, or not where it is";
	if (raw && !(region->flags & (ML_REGION_RAW | ML_REGION_MIXED)))
		return "raw frames in a counted region";
	if (!raw && region_is_raw(region) && !region->copied)
		return "counted frames in a raw region";
	if (raw && run->prot & ML_WRITE && region_copies(region))
		return "raw frames writable in a private region";
	if (run->prot & s->table.refaultable && !ml_region_refaultable(region))
		return "a leaf marked refaultable in a region that is not";
	return NULL;
}

/* A run of leaves may reach over regions. */
static int check_run(const struct ml_space *s, const struct ml_run *run, struct ml_fault *fault)
{
	const ml_va last = run->va + (run->length - 1);
	const struct ml_region *region = ml_space_find(s, run->va);
	const char *what = region ? NULL : "a leaf outside all regions";

	while (!what) {
		what = run_fault(s, region, run);
		if (what || region->range.last >= last)
			break;
		region = ml_space_find(s, region->range.last + 1);
		what = region ? NULL : "a leaf that reaches out of its region";
	}
	if (!what)
		return ML_OK;
	if (fault) {
		*fault = (struct ml_fault){ .va = run->va, .what = what };
		fault->level = s->table.format->rungs[run->rung].level;
	}
	return ML_ERR_BUG;
}

/* Counts and links. */
static bool regions_are_right(const struct ml_space *s)
{
	const struct ml_region *region = ml_space_find_from(s, 0);
	uint64_t count = 0, bytes = 0;

	for (; region; region = ml_region_next(region)) {
		if (region->space != s || (region->prot & ML_RIGHTS & ~region->may))
			return false;
		if (region->mapping && *region->mapping_link != region)
			return false;
		count++;
		bytes += ml_region_length(region);
	}
	return count == s->regions && bytes == s->mapped;
}

int ml_space_check(const struct ml_space *s, struct ml_fault *fault)
{
	struct ml_cursor cursor = everything;
	struct ml_run run;
	int error;

	if (!ml_ranges_check(s->root) || !regions_are_right(s)) {
		if (fault)
			*fault = (struct ml_fault){ .what = "the tree of regions" };
		return ML_ERR_BUG;
	}
	error = ml_table_check(&s->table, fault);
	while (!error && ml_space_run_next(s, &cursor, &run))
		error = check_run(s, &run, fault);
	return error;
}
