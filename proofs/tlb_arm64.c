/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * TLBI operands, decoded as the manual has them: what is begun is the range, and each op covers the
 * first part of what is left and steps over just that. So together they cover it, and each address
 * once. A level is named where it is certain: a wrong one may drop nothing.
 */
#include "tlb.h"

#define UNWIND 7 /* the sizes of levels, the scales of a range */

static struct ml_tlb_arm64 any_arm64(void)
{
	struct ml_tlb_arm64 space = { 0 };

	space.page_shift = (uint8_t)(12 + 2 * any_below(3));
	space.tags = (uint8_t)any_below(4);
	space.asid = (uint16_t)nondet_unsigned();
	space.stage2 = any_bool();
	space.has_ttl = any_bool();
	space.has_range = any_bool();
	space.ds = space.page_shift < 16 && any_bool();
	space.most = nondet_unsigned();
	return space;
}

PROOF_OF_TOY(arm64_begins_with_the_whole_range)
{
	const struct ml_tlb_arm64 space = any_arm64();
	const struct ml_invalidation what = any_invalidation(space.page_shift);
	struct ml_tlb_arm64_cursor cursor;
	const unsigned ops = ml_tlb_arm64_start(&cursor, &space, &what);

	PROVE(ops > 0, "at least one op");
	if (!cursor.pages) {
		PROVE(ops == 1 && cursor.closing != ML_TLBI_COUNT, "everything at once");
		return;
	}
	PROVE(is_range(&what, cursor.va, cursor.pages, space.page_shift, cursor.shift),
	      "or all of it, and nothing else");
	PROVE(cursor.shift == space.page_shift || cursor.shift <= what.stride_shift,
	      "in steps that miss no leaf");
}

/* Leaf sizes by granule and level, the last first: Arm ARM D8.2; 0: none that a TTL can name. */
static unsigned leaf_shift(const struct ml_tlb_arm64 *space, unsigned level)
{
	static const uint8_t shifts[3][3] = { { 12, 21, 30 }, { 14, 25, 36 }, { 16, 29, 42 } };

	if (space->page_shift == 14 && level == 2 && !space->ds)
		return 0; /* reserved without FEAT_LPA2 */
	return level < 3 ? shifts[(space->page_shift - 12) / 2][level] : 0;
}

/* The level, counted up from the last, that an op names; 3: none. */
static unsigned named_level(const struct ml_tlb_arm64_cursor *cursor,
			    const struct ml_tlb_arm64_op *op)
{
	const bool range = op->tlbi != cursor->tlbi;

	if (!range && !field(op->operand, 47, 44))
		return 3;
	PROVE(field(op->operand, 47, 46) == (cursor->space->page_shift - 10u) / 2,
	      "of its granule");
	return 3 - (unsigned)(range ? field(op->operand, 38, 37) : field(op->operand, 45, 44));
}

PROOF_OF_TOY(arm64_names_a_level_where_it_is_certain)
{
	const struct ml_tlb_arm64 space = any_arm64();
	const struct ml_invalidation what = any_invalidation(space.page_shift);
	const unsigned shift = leaf_shift(&space, what.level);
	const bool certain = space.has_ttl && what.leaves_only && shift &&
			     what.stride_shift >= shift &&
			     what.stride_shift < shift + space.page_shift - 3;
	struct ml_tlb_arm64_cursor cursor;
	struct ml_tlb_arm64_op op;
	unsigned level;

	ml_tlb_arm64_start(&cursor, &space, &what);
	ASSUME(cursor.pages); /* by address */
	PROVE(ml_tlb_arm64_next(&cursor, &op), "there is an op");
	level = named_level(&cursor, &op);
	PROVE(level == 3 || level == what.level + MUTANT(0u, 1u), "that of all the leaves");
	PROVE((level != 3) == certain, "where there is one, and it may be named");
	PROVE(level == 3 || op.tlbi != cursor.tlbi || cursor.shift == shift,
	      "each op of one of them");
}

/* Arm ARM C5.5: TLBI RVAE1, BaseADDR in granules, or with DS in 64K. */
static bool covers_by_range(const struct ml_tlb_arm64 *space, ml_va va, uint64_t operand,
			    uint64_t pages)
{
	const unsigned unit = space->ds ? 16 : space->page_shift;
	const unsigned scale = (unsigned)field(operand, 45, 44);

	return field(operand, 36, 0) == field(va >> unit, 36, 0) && ml_aligned(va, unit) &&
	       pages == (field(operand, 43, 39) + MUTANT(1u, 0)) << (5 * scale + 1) &&
	       field(operand, 47, 46) == (space->page_shift - 10u) / 2;
}

/*
 * What holds between two ops: whole leaves are left. Where ranges take them apart there is an even
 * number of granules from where a range may begin, so that none is left for an op of its own.
 */
static bool is_in_step(const struct ml_tlb_arm64_cursor *cursor)
{
	const struct ml_tlb_arm64 *space = cursor->space;
	const unsigned more = cursor->shift - space->page_shift;

	if (more && cursor->range)
		return cursor->pages % 2 == 0 &&
		       (!cursor->pages || !space->ds || ml_aligned(cursor->va, 16));
	return ml_aligned(cursor->va, cursor->shift) && ml_aligned(cursor->pages, more);
}

PROOF_OF_TOY(arm64_ops_cover_one_part_after_another)
{
	const struct ml_tlb_arm64 space = any_arm64();
	struct ml_tlb_arm64_cursor cursor = { 0 }, rest;
	struct ml_tlb_arm64_op op;
	uint64_t pages;

	cursor.space = &space;
	cursor.va = nondet_uint64_t();
	cursor.pages = nondet_uint64_t();
	cursor.shift = (uint8_t)(space.page_shift + any_below(4) * (space.page_shift - 3u));
	cursor.hint = (uint64_t)any_below(16) << 44;
	cursor.tlbi = space.stage2 ? ML_TLBI_IPAS2E1 : ML_TLBI_VAE1;
	cursor.range = any_bool();
	ASSUME(ml_aligned(cursor.va, space.page_shift) && cursor.pages && is_in_step(&cursor));
	ASSUME((wide)cursor.va + ((wide)cursor.pages << space.page_shift) <= (wide)1 << 64);
	rest = cursor;
	PROVE(ml_tlb_arm64_next(&rest, &op), "there is an op");
	pages = cursor.pages - rest.pages;
	PROVE(pages > 0 && pages <= cursor.pages, "that covers some of what is left");
	PROVE(rest.va == cursor.va + (pages << space.page_shift), "and steps over it");
	PROVE(is_in_step(&rest), "leaving what ops can cover");
	if (op.tlbi == cursor.tlbi)
		PROVE(pages << space.page_shift == ML_BIT(cursor.shift) &&
			      field(op.operand, 43, 0) == field(cursor.va, 55, 12) &&
			      field(op.operand, 47, 44) == field(cursor.hint, 47, 44),
		      "one leaf");
	else
		PROVE(covers_by_range(&space, cursor.va, op.operand, pages) &&
			      field(op.operand, 38, 37) == field(cursor.hint, 45, 44),
		      "or a range");
	PROVE(field(op.operand, 63, 48) == (!space.stage2 && (space.tags == ML_TLB_ONE ||
							      space.tags == ML_TLB_ONE_OR_GLOBAL)
						    ? space.asid
						    : 0),
	      "of its address space");
}
