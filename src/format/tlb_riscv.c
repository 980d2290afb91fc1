/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* SFENCE.VMA and its kin: RISC-V privileged manual, "Supervisor Memory-Management Fence". */
#include "format/tlb_range.h"

#define MOST 64
#define PAGE_SHIFT 12
#define INDEX_BITS 9

/* INVAL forms stand behind the FENCE forms. */
#define TO_INVAL (ML_SINVAL_VMA - ML_SFENCE_VMA)

static unsigned fence(const struct ml_tlb_riscv *space)
{
	static const uint8_t forms[] = { ML_SFENCE_VMA, ML_HFENCE_VVMA, ML_HFENCE_GVMA };

	return forms[space->stage];
}

unsigned ml_tlb_riscv_start(struct ml_tlb_riscv_cursor *cursor, const struct ml_tlb_riscv *space,
			    const struct ml_invalidation *what)
{
	const unsigned shift = tlb_level_shift(what, PAGE_SHIFT, INDEX_BITS);
	const struct tlb_range range = tlb_range(what, shift);
	const bool inval = space->svinval && range.count > 1;
	/* the fences around them are counted, too */
	const uint64_t most = ml_min(space->most ? space->most : MOST, UINT32_MAX - 2);

	cursor->space = space;
	cursor->va = range.first;
	cursor->left = range.count;
	cursor->shift = range.shift;
	cursor->form = (uint8_t)(fence(space) + (inval ? TO_INVAL : 0));
	cursor->opening = cursor->closing = inval;
	/* By address it is of leaves alone. */
	cursor->all = !range.count || !what->leaves_only || range.count > most;
	if (!cursor->all)
		return (unsigned)range.count + (inval ? 2 : 0);
	cursor->left = 1;
	cursor->form = (uint8_t)fence(space);
	cursor->opening = cursor->closing = false;
	return 1;
}

static void address_op(struct ml_tlb_riscv_cursor *cursor, struct ml_tlb_riscv_op *op)
{
	const struct ml_tlb_riscv *space = cursor->space;

	op->form = cursor->form;
	op->has_rs1 = !cursor->all;
	if (op->has_rs1)
		op->rs1 = space->stage == ML_TLB_HGATP ? cursor->va >> 2 : cursor->va;
	op->has_rs2 = space->tags == ML_TLB_ONE; /* with an id, what is global stays */
	if (op->has_rs2)
		op->rs2 = space->id;
	cursor->va += ML_BIT(cursor->shift);
	cursor->left--;
}

bool ml_tlb_riscv_next(struct ml_tlb_riscv_cursor *cursor, struct ml_tlb_riscv_op *op)
{
	const struct ml_tlb_riscv_op nothing = { 0, 0, false, false, 0 };

	if (!cursor->left && !cursor->closing)
		return false;
	*op = nothing;
	if (cursor->opening) {
		op->form = ML_SFENCE_W_INVAL;
		cursor->opening = false;
	} else if (cursor->left) {
		address_op(cursor, op);
	} else {
		op->form = ML_SFENCE_INVAL_IR;
		cursor->closing = false;
	}
	return true;
}
