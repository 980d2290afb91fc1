/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Operands of invalidations, decoded as the manuals have them: what is begun is the range, and each
 * op covers the first part of what is left and steps over just that. So together they cover it, and
 * each address once.
 */
#include <maxleaf/tlb.h>

#include "prove.h"

#define UNWIND 5 /* the scales of a range */

/* Bits [last, first] of an operand, as a number. */
static uint64_t field(uint64_t operand, unsigned last, unsigned first)
{
	return (operand & ML_BITS(last, first)) >> first;
}

static struct ml_invalidation any_invalidation(unsigned page_shift)
{
	struct ml_invalidation what = { 0 };

	what.va = nondet_uint64_t();
	what.length = nondet_uint64_t();
	what.stride_shift = (uint8_t)page_shift;
	what.level = 0xff;
	what.leaves_only = any_bool();
	ASSUME(what.length && ml_aligned(what.va | what.length, page_shift));
	ASSUME((wide)what.va + what.length <= (wide)1 << 64);
	return what;
}

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
	if (cursor.pages) {
		PROVE(cursor.va == what.va, "from its start");
		PROVE(cursor.pages == MUTANT(what.length, what.length - 1) >> space.page_shift,
		      "all of it");
		PROVE(cursor.hint == 0, "without a hint where there are several levels");
	} else {
		PROVE(ops == 1 && cursor.closing != ML_TLBI_COUNT, "or everything at once");
	}
}

/* Arm ARM C5.5: TLBI RVAE1, BaseADDR in granules, or with DS in 64K. */
static bool covers_by_range(const struct ml_tlb_arm64 *space, ml_va va, uint64_t operand,
			    uint64_t pages)
{
	const unsigned unit = space->ds ? 16 : space->page_shift;
	const unsigned scale = (unsigned)field(operand, 45, 44);

	return field(operand, 36, 0) == field(va >> unit, 36, 0) && ml_aligned(va, unit) &&
	       pages == (field(operand, 43, 39) + MUTANT(1u, 0)) << (5 * scale + 1) &&
	       field(operand, 47, 46) == (space->page_shift - 10u) / 2 &&
	       field(operand, 38, 37) == 0;
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
	cursor.shift = space.page_shift;
	cursor.tlbi = space.stage2 ? ML_TLBI_IPAS2E1 : ML_TLBI_VAE1;
	cursor.range = any_bool();
	ASSUME(ml_aligned(cursor.va, space.page_shift) && cursor.pages);
	ASSUME((wide)cursor.va + ((wide)cursor.pages << space.page_shift) <= (wide)1 << 64);
	rest = cursor;
	PROVE(ml_tlb_arm64_next(&rest, &op), "there is an op");
	pages = cursor.pages - rest.pages;
	PROVE(pages > 0 && pages <= cursor.pages, "that covers some of what is left");
	PROVE(rest.va == cursor.va + (pages << space.page_shift), "and steps over it");
	if (op.tlbi == cursor.tlbi)
		PROVE(pages == 1 && field(op.operand, 43, 0) == field(cursor.va, 55, 12) &&
			      field(op.operand, 47, 44) == 0,
		      "one page, and no hint");
	else
		PROVE(covers_by_range(&space, cursor.va, op.operand, pages), "or a range");
	PROVE(field(op.operand, 63, 48) == (!space.stage2 && (space.tags == ML_TLB_ONE ||
							      space.tags == ML_TLB_ONE_OR_GLOBAL)
						    ? space.asid
						    : 0),
	      "of its address space");
}

static struct ml_tlb_x86_64 any_x86_64(void)
{
	struct ml_tlb_x86_64 space = { 0 };

	space.tags = (uint8_t)any_below(4);
	space.current = any_bool();
	space.pcids = any_bool();
	space.invpcid = any_bool();
	space.invlpgb = any_bool();
	space.spares_globals = any_bool();
	space.pcid = (uint16_t)nondet_unsigned();
	space.asid = (uint16_t)nondet_unsigned();
	space.invlpgb_most = (uint16_t)nondet_unsigned();
	space.most = nondet_unsigned();
	return space;
}

PROOF_OF_TOY(x86_64_begins_with_the_whole_range)
{
	const struct ml_tlb_x86_64 space = any_x86_64();
	const struct ml_invalidation what = any_invalidation(12);
	struct ml_tlb_x86_64_cursor cursor;

	PROVE(ml_tlb_x86_64_start(&cursor, &space, &what) > 0, "at least one op");
	PROVE(cursor.all || (cursor.va == what.va &&
			     cursor.left << cursor.shift == what.length + MUTANT(0, 1)),
	      "all of it, or everything at once");
}

/* Addresses that an op by address drops, from its own on; in pages of the stride. */
static uint64_t dropped(const struct ml_tlb_x86_64_op *op)
{
	return op->form == ML_INVLPGB ? (op->ecx & 0xffff) + MUTANT(1u, 2) : 1;
}

PROOF_OF_TOY(x86_64_ops_cover_one_part_after_another)
{
	const struct ml_tlb_x86_64 space = any_x86_64();
	struct ml_tlb_x86_64_cursor cursor = { 0 }, rest;
	const uint8_t forms[] = { ML_INVLPG, ML_INVPCID, ML_INVLPGB };
	struct ml_tlb_x86_64_op op;
	ml_va va;

	cursor.space = &space;
	cursor.shift = any_bool() ? 12 : 21;
	cursor.form = forms[any_below(3)];
	cursor.leaves_only = any_bool();
	cursor.va = nondet_uint64_t();
	cursor.left = nondet_uint64_t();
	ASSUME(ml_aligned(cursor.va, cursor.shift) && cursor.left);
	ASSUME((wide)cursor.va + ((wide)cursor.left << cursor.shift) <= (wide)1 << 64);
	rest = cursor;
	PROVE(ml_tlb_x86_64_next(&rest, &op), "there is an op");
	va = op.form == ML_INVPCID ? op.operand[1] : op.operand[0] & ~ML_BITS(11, 0);
	PROVE(va == cursor.va, "from where it stands");
	PROVE(rest.left < cursor.left && cursor.left - rest.left == dropped(&op), "what it drops");
	PROVE(rest.va == cursor.va + (dropped(&op) << cursor.shift), "is stepped over");
	PROVE(op.form != ML_INVLPGB || op.ecx >> 31 == (cursor.shift == 21),
	      "in pages of its size");
}
