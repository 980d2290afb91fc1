/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* TLBI and its operands: Arm ARM C5.5, D8.14. */
#include "format/tlb_range.h"

#define MOST 512

#define ASID(asid) ((uint64_t)(asid) << 48)
#define ADDRESS(va) ((va) >> 12 & ML_BITS(43, 0))
/* FEAT_TTL: the granule and the level, of the architecture's numbers, that holds the leaf. */
#define TTL(granule, level) ((uint64_t)(granule) << 46 | (uint64_t)(level) << 44)

/* Range forms: (NUM + 1) << (5 * SCALE + 1) granules from BaseADDR on. */
#define BASE(number) ((number)&ML_BITS(36, 0))
#define RANGE_TTL(level) ((uint64_t)(level) << 37)
#define NUM(number) ((uint64_t)(number) << 39)
#define SCALE(number) ((uint64_t)(number) << 44)
#define GRANULE(granule) ((uint64_t)(granule) << 46)
#define SCALE_SHIFT(scale) (5 * (scale) + 1)
#define SCALE_MOST 3
#define NUM_COUNT 32
/* With TCR_ELx.DS, BaseADDR is in units of 64K whatever the granule. */
#define DS_SHIFT 16

/* Forms come in fours: to all levels or the last, for one ASID or all. */
#define LAST_LEVEL 1
#define ALL_ASIDS 2
#define TO_RANGE (ML_TLBI_RVAE1 - ML_TLBI_VAE1)
#define TO_RANGE_STAGE_2 (ML_TLBI_RIPAS2E1 - ML_TLBI_IPAS2E1)

/* TG: 4K, 16K, 64K are 1, 2, 3. */
static unsigned granule(const struct ml_tlb_arm64 *space)
{
	return (space->page_shift - 10u) / 2;
}

static bool has_asid(const struct ml_tlb_arm64 *space)
{
	return space->tags == ML_TLB_ONE || space->tags == ML_TLB_ONE_OR_GLOBAL;
}

/*
 * The level, or 0: no hint. Where the tables went too it would be of the leaves alone, and a
 * wrong one drops nothing.
 */
static unsigned hint_level(const struct ml_tlb_arm64 *space, const struct ml_invalidation *what,
			   unsigned shift)
{
	const unsigned bits = space->page_shift - 3u;

	if (!space->has_ttl || !what->leaves_only || what->level > 2 ||
	    shift != space->page_shift + what->level * bits)
		return 0;
	if (what->level == 2 && space->page_shift == 14 && !space->ds)
		return 0; /* reserved there */
	return 3u - what->level;
}

/* Granules before the first that a range form may begin with. */
static uint64_t head(const struct ml_tlb_arm64 *space, ml_va va)
{
	if (!space->ds)
		return 0;
	return (-va & (ML_BIT(DS_SHIFT) - 1)) >> space->page_shift;
}

/* The largest scale of which at least one piece fits. */
static unsigned largest_scale(uint64_t pages)
{
	unsigned scale = SCALE_MOST;

	while (scale && !(pages >> SCALE_SHIFT(scale)))
		scale--;
	return scale;
}

/* How many pieces of this scale the next op covers. */
static uint64_t pieces(uint64_t pages, unsigned scale)
{
	return ml_min(pages >> SCALE_SHIFT(scale), NUM_COUNT);
}

static uint64_t count_range(const struct ml_tlb_arm64 *space, ml_va va, uint64_t pages)
{
	uint64_t count = ml_min(head(space, va), pages);
	unsigned scale;

	pages -= count;
	count += pages & 1;
	for (scale = 0; scale < SCALE_MOST; scale++)
		count += pages >> SCALE_SHIFT(scale) & (NUM_COUNT - 1) ? 1 : 0;
	return count + ((pages >> SCALE_SHIFT(SCALE_MOST)) + NUM_COUNT - 1) / NUM_COUNT;
}

static unsigned single_form(const struct ml_tlb_arm64 *space, bool leaves_only)
{
	unsigned form = leaves_only ? LAST_LEVEL : 0;

	if (space->stage2)
		return ML_TLBI_IPAS2E1 + form;
	if (!has_asid(space))
		form |= ALL_ASIDS;
	return ML_TLBI_VAE1 + form;
}

/* Everything of the address space. What is global has no ASID. */
static unsigned everything(const struct ml_tlb_arm64 *space)
{
	if (space->stage2)
		return ML_TLBI_VMALLS12E1;
	return space->tags == ML_TLB_ONE ? ML_TLBI_ASIDE1 : ML_TLBI_VMALLE1;
}

unsigned ml_tlb_arm64_start(struct ml_tlb_arm64_cursor *cursor, const struct ml_tlb_arm64 *space,
			    const struct ml_invalidation *what)
{
	const unsigned bits = space->page_shift - 3u;
	const struct tlb_range range =
		tlb_range(what, tlb_level_shift(what, space->page_shift, bits));
	const unsigned level = hint_level(space, what, range.shift);
	uint64_t count = range.count, by_range;

	cursor->space = space;
	cursor->va = range.first;
	cursor->pages = count << (range.shift - space->page_shift);
	cursor->hint = level ? TTL(granule(space), level) : 0;
	cursor->shift = range.shift;
	cursor->tlbi = (uint8_t)single_form(space, what->leaves_only);
	by_range = count_range(space, range.first, cursor->pages);
	cursor->range = space->has_range && by_range < count;
	if (cursor->range)
		count = by_range;
	/* Combined entries of both stages are found by the VA alone: D8.14.5. */
	cursor->closing = space->stage2 ? ML_TLBI_VMALLE1 : ML_TLBI_COUNT;
	if (count && count + space->stage2 <= (space->most ? space->most : MOST))
		return (unsigned)count + space->stage2;
	cursor->pages = 0;
	cursor->closing = (uint8_t)everything(space);
	return 1;
}

static void range_op(struct ml_tlb_arm64_cursor *cursor, struct ml_tlb_arm64_op *op)
{
	const struct ml_tlb_arm64 *space = cursor->space;
	const unsigned scale = largest_scale(cursor->pages);
	const uint64_t number = pieces(cursor->pages, scale);
	const uint64_t pages = number << SCALE_SHIFT(scale);
	const unsigned unit = space->ds ? DS_SHIFT : space->page_shift;

	op->tlbi = (uint8_t)(cursor->tlbi + (space->stage2 ? TO_RANGE_STAGE_2 : TO_RANGE));
	op->operand = BASE(cursor->va >> unit) | RANGE_TTL(cursor->hint >> 44 & 3) |
		      NUM(number - 1) | SCALE(scale) | GRANULE(granule(space));
	cursor->va += pages << space->page_shift;
	cursor->pages -= pages;
}

static void single_op(struct ml_tlb_arm64_cursor *cursor, struct ml_tlb_arm64_op *op)
{
	op->tlbi = cursor->tlbi;
	op->operand = ADDRESS(cursor->va) | cursor->hint;
	cursor->va += ML_BIT(cursor->shift);
	cursor->pages -= ML_BIT(cursor->shift - cursor->space->page_shift);
}

bool ml_tlb_arm64_next(struct ml_tlb_arm64_cursor *cursor, struct ml_tlb_arm64_op *op)
{
	const struct ml_tlb_arm64 *space = cursor->space;

	op->after = false;
	if (cursor->pages) {
		if (cursor->range && cursor->pages > 1 && !head(space, cursor->va))
			range_op(cursor, op);
		else
			single_op(cursor, op);
		if (!space->stage2 && has_asid(space))
			op->operand |= ASID(space->asid);
		return true;
	}
	if (cursor->closing == ML_TLBI_COUNT)
		return false;
	op->tlbi = cursor->closing;
	op->operand = op->tlbi == ML_TLBI_ASIDE1 ? ASID(space->asid) : 0;
	op->after = op->tlbi == ML_TLBI_VMALLE1 && space->stage2;
	cursor->closing = ML_TLBI_COUNT;
	return true;
}
