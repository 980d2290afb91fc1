/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * INVLPG, INVPCID, INVLPGB, decoded as the manuals have them: what is begun is the range, and each
 * op covers the first part of what is left and steps over just that.
 */
#include "tlb.h"

#define UNWIND 7 /* the sizes of levels */

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
	if (cursor.all)
		return;
	PROVE(is_range(&what, cursor.va, cursor.left, cursor.shift, cursor.shift),
	      "all of it, and nothing else");
	PROVE(cursor.shift == 12 || cursor.shift <= what.stride_shift,
	      "in steps that miss no leaf");
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
