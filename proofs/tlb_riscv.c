/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * SFENCE.VMA, SINVAL.VMA and their kin, as the privileged manual has them: rs1 other than x0 is of
 * the leaves at one address, rs2 other than x0 of one id, and leaves what is global.
 */
#include "tlb.h"

#define UNWIND 7 /* the sizes of levels; the ops of a short range */

#define SHORT 3

static struct ml_tlb_riscv any_riscv(void)
{
	struct ml_tlb_riscv space = { 0 };

	space.tags = (uint8_t)any_below(4);
	space.stage = (uint8_t)any_below(3);
	space.svinval = any_bool();
	space.id = (uint16_t)nondet_unsigned();
	space.most = any_below(~0u - 2); /* more ops could not be told */
	return space;
}

/* The fence of a stage, and with Svinval the form that stands between two others. */
static unsigned form_of(const struct ml_tlb_riscv *space, bool inval)
{
	switch (space->stage) {
	case ML_TLB_SATP:
		return inval ? ML_SINVAL_VMA : ML_SFENCE_VMA;
	case ML_TLB_VSATP:
		return inval ? ML_HINVAL_VVMA : ML_HFENCE_VVMA;
	default:
		return inval ? ML_HINVAL_GVMA : ML_HFENCE_GVMA;
	}
}

PROOF_OF_TOY(riscv_begins_with_the_whole_range)
{
	const struct ml_tlb_riscv space = any_riscv();
	const struct ml_invalidation what = any_bool() ? any_invalidation(12) : everything();
	struct ml_tlb_riscv_cursor cursor;
	const unsigned ops = ml_tlb_riscv_start(&cursor, &space, &what);

	PROVE(cursor.form == form_of(&space, cursor.opening), "a fence, or its parts");
	PROVE(cursor.opening == cursor.closing && (!cursor.opening || space.svinval),
	      "which are opened and closed");
	PROVE(ops == cursor.left + 2 * cursor.opening, "so many ops");
	if (cursor.all) {
		PROVE(ops == 1, "everything at once");
		return;
	}
	PROVE(what.leaves_only && what.length, "or leaves alone");
	PROVE(is_range(&what, cursor.va, cursor.left, cursor.shift, cursor.shift),
	      "all of them, and no others");
	PROVE(cursor.shift % 9 == 3 && cursor.shift >= 12 &&
		      (cursor.shift == 12 || cursor.shift <= what.stride_shift),
	      "by the size of a level: of a group each page may be held by itself");
}

static struct ml_tlb_riscv_cursor any_cursor(const struct ml_tlb_riscv *space)
{
	struct ml_tlb_riscv_cursor cursor = { 0 };

	cursor.space = space;
	cursor.opening = any_bool();
	cursor.closing = cursor.opening || any_bool();
	cursor.form = (uint8_t)form_of(space, cursor.closing);
	cursor.va = nondet_uint64_t();
	cursor.left = nondet_uint64_t();
	cursor.shift = (uint8_t)(12 + 9 * any_below(5));
	cursor.all = !cursor.closing && any_bool();
	ASSUME(ml_aligned(cursor.va, cursor.shift) && (cursor.left || cursor.closing));
	ASSUME(!cursor.all || cursor.left == 1);
	return cursor;
}

PROOF_OF_TOY(riscv_ops_cover_one_leaf_after_another)
{
	const struct ml_tlb_riscv space = any_riscv();
	const struct ml_tlb_riscv_cursor cursor = any_cursor(&space);
	struct ml_tlb_riscv_cursor rest = cursor;
	struct ml_tlb_riscv_op op;
	const bool of_address = !cursor.opening && cursor.left;

	PROVE(ml_tlb_riscv_next(&rest, &op), "there is an op");
	PROVE(op.form == (of_address       ? cursor.form
			  : cursor.opening ? ML_SFENCE_W_INVAL
					   : ML_SFENCE_INVAL_IR),
	      "of its form");
	PROVE(cursor.left - rest.left == of_address, "of one of those that are left");
	if (!of_address) {
		PROVE(!op.has_rs1 && !op.has_rs2 && rest.va == cursor.va, "without operands");
		PROVE(!rest.opening && rest.closing == cursor.opening, "which stands there once");
		return;
	}
	PROVE(op.has_rs1 == !cursor.all, "at an address, unless it is everything");
	PROVE(cursor.all || op.rs1 == cursor.va >> (space.stage == ML_TLB_HGATP ? 2 : 0),
	      "from where it stands");
	PROVE(rest.va == cursor.va + MUTANT(ML_BIT(cursor.shift), 0x1000), "and steps over it");
	PROVE(op.has_rs2 == (space.tags == ML_TLB_ONE) && (!op.has_rs2 || op.rs2 == space.id),
	      "of its id, unless something may be global");
}

/* Whole sequences, of a few leaves. */
PROOF_OF_TOY(riscv_parts_stand_between_their_fences)
{
	const struct ml_tlb_riscv space = any_riscv();
	const struct ml_invalidation what = any_invalidation(12);
	struct ml_tlb_riscv_cursor cursor;
	struct ml_tlb_riscv_op op;
	const unsigned ops = ml_tlb_riscv_start(&cursor, &space, &what);
	unsigned i, open = 0;

	ASSUME(ops <= SHORT + 2);
	for (i = 0; i < ops; i++) {
		PROVE(ml_tlb_riscv_next(&cursor, &op), "as many as were told");
		open += op.form == ML_SFENCE_W_INVAL;
		PROVE(open == (op.form != form_of(&space, false)), "a part only where it is open");
		open -= op.form == MUTANT(ML_SFENCE_INVAL_IR, ML_SINVAL_VMA);
	}
	PROVE(!open && !ml_tlb_riscv_next(&cursor, &op), "and closed at the end");
}
