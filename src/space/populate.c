/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Bringing memory in where none is: zeroes, or what the owner of a mapping has, in the largest leaf
 * that fits, and in smaller ones where there is none of that size.
 */
#include "space/fault.h"

/* The sizes still to be tried around a page, and the level at which the way to it ends. */
struct ladder {
	uint32_t rungs;
	unsigned rung; /* the size at hand */
	unsigned level;
};

/* An upper level that the way to va does not reach down from is empty below. */
static struct ladder ladder_of(const struct access *a, uint32_t rungs)
{
	struct ladder ladder = { rungs & region_rungs(a->s, a->region),
				 a->s->table.format->rung_count, 0 };
	struct ml_walk walk;

	if (ladder.rungs > 1 && !ml_walk(&a->s->table, a->va, &walk))
		ladder.level = walk.entries[walk.count - 1].level;
	else
		ladder.rungs = 1;
	return ladder;
}

/* Whether nothing stands where a leaf of this size around va would. */
static bool slot_is_free(const struct access *a, const struct ml_rung *rung, unsigned level)
{
	struct ml_cursor cursor = { ml_align_down(a->va, rung->shift),
				    ml_align_last(a->va, rung->shift), false };
	struct ml_run run;

	if (rung->level > level)
		return false;
	return rung->level < level || !rung->lg2_entries ||
	       !ml_run_next(&a->s->table, &cursor, &run);
}

/* Whether it lies inside the region, and at such a place of the mapping, too. */
static bool slot_fits(const struct access *a, const struct ml_rung *rung)
{
	const ml_va first = ml_align_down(a->va, rung->shift);

	if (first < a->region->range.first ||
	    ml_align_last(a->va, rung->shift) > a->region->range.last)
		return false;
	return region_is_anonymous(a->region) ||
	       ml_aligned(region_offset(a->region, first), rung->shift);
}

/* The next smaller size; there is one but after base pages. */
static void ladder_step(const struct access *a, struct ladder *ladder)
{
	const struct ml_rung *rungs = a->s->table.format->rungs;

	while (--ladder->rung) {
		const struct ml_rung *rung = &rungs[ladder->rung];

		if (ladder->rungs >> ladder->rung & 1 && slot_fits(a, rung) &&
		    slot_is_free(a, rung, ladder->level))
			return;
	}
}

/* Map frames of this size; a reference on each page of them is the leaf's, or goes back. */
static enum ml_fault_result bring_in(const struct access *a, unsigned rung, ml_pa pa, ml_prot prot,
				     unsigned flags)
{
	struct ml_space *s = a->s;
	const unsigned shift = s->table.format->rungs[rung].shift;
	const ml_va va = ml_align_down(a->va, shift);
	struct ml_op op = ml_space_op(s);
	int error;

	op.flags |= flags;
	op.rungs = region_rungs(s, a->region);
	publish_frames();
	if (flags)
		ml_space_begin(s, va, va + (ML_BIT(shift) - 1));
	error = ml_map(&s->table, va, ML_BIT(shift), pa, prot | access_marks(a), &op);
	if (flags)
		ml_space_end(s, va, va + (ML_BIT(shift) - 1));
	if (error && !(prot & ML_SPECIAL))
		s->frames->put(s->frames_cookie, pa, ML_BIT(shift));
	return fault_of(error);
}

static enum ml_fault_result bring_zeroes(const struct access *a, unsigned rung)
{
	struct ml_space *s = a->s;
	const uint64_t bytes = ML_BIT(s->table.format->rungs[rung].shift);
	ml_prot prot = ml_space_leaf_prot(s, a->region, a->region->prot & ML_TYPE_MASK, false);
	ml_pa pa;

	if (!s->frames->alloc || !s->frames->alloc(s->frames_cookie, bytes, true, &pa))
		return ML_FAULT_NO_MEMORY;
	if (access_writes(a))
		prot |= ML_WRITE;
	return bring_in(a, rung, pa, prot, 0);
}

enum ml_fault_result ml_fault_anonymous(const struct access *a)
{
	struct ladder ladder = ladder_of(a, a->s->fault_rungs);
	enum ml_fault_result result;

	do {
		ladder_step(a, &ladder);
		result = bring_zeroes(a, ladder.rung);
	} while (result == ML_FAULT_NO_MEMORY && ladder.rung);
	return result;
}

static struct ml_fault_request request_of(const struct access *a, unsigned rung)
{
	const unsigned shift = a->s->table.format->rungs[rung].shift;
	const ml_va va = ml_align_down(a->va, shift);
	const struct ml_fault_request request = {
		.space = a->s,
		.region = a->region,
		.va = va,
		.offset = region_offset(a->region, va),
		.length = ML_BIT(shift),
		.rung = rung,
		.access = a->tried,
	};

	return request;
}

/* Whether the answer is frames that may stand in the region: a handler is not believed blindly. */
static bool answer_is_right(const struct ml_fault_request *request)
{
	const struct ml_space *s = request->space;
	const unsigned classes = request->region->flags & (ML_REGION_RAW | ML_REGION_MIXED);

	if (request->pa & (request->length - 1))
		return false;
	if (!request->raw)
		return classes != ML_REGION_RAW;
	return classes && ml_space_check_frames(s, request->region, request->pa, request->length,
						request->region->prot & ML_TYPE_MASK) == ML_OK;
}

static void put_answer(const struct ml_fault_request *request)
{
	const struct ml_space *s = request->space;

	if (!request->raw && ml_aligned(request->pa, s->table.format->page_shift))
		s->frames->put(s->frames_cookie, request->pa, request->length);
}

/* The handler says that it mapped the page itself. */
static enum ml_fault_result after_insertion(const struct access *a)
{
	struct ml_translation leaf;

	if (ml_translate(&a->s->table, a->va, &leaf))
		return ML_FAULT_BUS;
	if (!access_writes(a) || ml_translation_prot(&a->s->table, &leaf) & ML_WRITE)
		return ML_FAULT_DONE;
	return access_is_private(a) ? ml_copy_on_write(a, &leaf) : ML_FAULT_BUS;
}

static enum ml_fault_result take_answer(const struct access *a,
					const struct ml_fault_request *request, unsigned flags)
{
	const ml_prot type = a->region->prot & ML_TYPE_MASK;
	enum ml_fault_result result;

	if (request->inserted)
		return after_insertion(a);
	if (!answer_is_right(request)) {
		put_answer(request);
		return ML_FAULT_BUS;
	}
	if (access_is_private(a) && access_writes(a)) {
		result = ml_copy_in(a, request->pa);
		put_answer(request);
		return result;
	}
	return bring_in(a, request->rung, request->pa,
			ml_space_leaf_prot(a->s, a->region, type, request->raw), flags);
}

/* Around a leaf that stands there already sizes are those up to its own, and the ladder is free. */
static struct ladder ladder_around(const struct access *a, const struct ml_translation *leaf,
				   uint32_t rungs)
{
	struct ladder ladder = { rungs & region_rungs(a->s, a->region), 0, ML_LEVEL_MAX };

	ladder.rung = ml_translation_rung(&a->s->table, leaf) + 1;
	return ladder;
}

/* Whoever writes to private memory gets a copy of one page, and asks for no more. */
enum ml_fault_result ml_fault_ask(const struct access *a, const struct ml_translation *leaf)
{
	const struct ml_region_ops *ops = a->region->mapping->ops;
	const uint32_t rungs = access_is_private(a) && access_writes(a) ? 1 : ops->rungs | 1;
	struct ladder ladder = leaf ? ladder_around(a, leaf, rungs) : ladder_of(a, rungs);

	for (;;) {
		struct ml_fault_request request;
		enum ml_fault_result result;

		ladder_step(a, &ladder);
		request = request_of(a, ladder.rung);
		result = ops->fault(&request);
		if (result == ML_FAULT_DONE)
			return take_answer(a, &request, leaf ? ML_OP_REPLACE : 0);
		if (result != ML_FAULT_FALLBACK)
			return result;
		if (!ladder.rung)
			return ML_FAULT_BUS;
	}
}
