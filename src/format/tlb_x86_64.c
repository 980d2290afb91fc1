/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* INVLPG, INVPCID, INVLPGB: SDM vol. 3A 4.10.4.1, vol. 2A INVPCID; APM vol. 3 INVLPGB. */
#include "format/tlb_range.h"

#define MOST 33

/* INVPCID types. */
#define ONE_ADDRESS 0
#define ONE_PCID 1
#define ALL_AND_GLOBAL 2

/* INVLPGB: RAX, beside the address; which tags count, and what goes. */
#define VA_VALID ML_BIT(0)
#define PCID_VALID ML_BIT(1)
#define ASID_VALID ML_BIT(2)
#define GLOBAL_TOO ML_BIT(3)
#define FINAL_ONLY ML_BIT(4)
/* ECX: pages beyond the first, and whether they are 2M apart instead of 4K. */
#define ECX_STEP_2M ((uint32_t)1 << 31)
#define EDX(pcid, asid) ((uint32_t)(pcid) << 16 | (asid))

#define NO_FORM 0xff

/* The form that reaches one address wherever it may be cached, or NO_FORM. */
static unsigned address_form(const struct ml_tlb_x86_64 *space, bool leaves_only)
{
	if (space->invlpgb)
		return ML_INVLPGB;
	if (!space->pcids)
		return ML_INVLPG;
	if (space->tags == ML_TLB_ONE && !space->current)
		return space->invpcid ? ML_INVPCID : NO_FORM;
	if (space->tags == ML_TLB_ONE)
		return ML_INVLPG;
	if (space->spares_globals)
		return NO_FORM;
	if (space->tags == ML_TLB_ONE_OR_GLOBAL)
		return space->current ? ML_INVLPG : NO_FORM;
	/* Of tables it drops what is cached under the current PCID alone. */
	return space->tags == ML_TLB_GLOBAL && leaves_only ? ML_INVLPG : NO_FORM;
}

/* Pages that the next op by address covers. */
static uint64_t pages_at_once(const struct ml_tlb_x86_64_cursor *cursor)
{
	if (cursor->form != ML_INVLPGB || cursor->shift > 21)
		return 1;
	return ml_min(cursor->left, cursor->space->invlpgb_most + (uint64_t)1);
}

unsigned ml_tlb_x86_64_start(struct ml_tlb_x86_64_cursor *cursor, const struct ml_tlb_x86_64 *space,
			     const struct ml_invalidation *what)
{
	const struct tlb_range range = tlb_range(what, tlb_level_shift(what, 12, 9));
	uint64_t count;

	cursor->space = space;
	cursor->va = range.first;
	cursor->left = range.count;
	cursor->shift = range.shift;
	cursor->form = (uint8_t)address_form(space, what->leaves_only);
	cursor->all = false;
	cursor->leaves_only = what->leaves_only;
	count = range.count ? (range.count - 1) / pages_at_once(cursor) + 1 : 0;
	if (count && count <= (space->most ? space->most : MOST) && cursor->form != NO_FORM)
		return (unsigned)count;
	cursor->all = true;
	return 1;
}

/* Without CR4.PCIDE there is PCID 0, and INVPCID takes no other. */
static unsigned pcid(const struct ml_tlb_x86_64 *space)
{
	return space->tags == ML_TLB_ONE && space->pcids ? space->pcid : 0;
}

static void broadcast_op(const struct ml_tlb_x86_64 *space, struct ml_tlb_x86_64_op *op)
{
	op->form = ML_INVLPGB;
	op->operand[0] = ASID_VALID | (space->tags == ML_TLB_ONE ? PCID_VALID : GLOBAL_TOO);
	op->edx = EDX(pcid(space), space->asid);
}

/* Everything of the address space. */
static void all_op(const struct ml_tlb_x86_64 *space, struct ml_tlb_x86_64_op *op)
{
	if (space->invlpgb) {
		broadcast_op(space, op);
	} else if (space->invpcid) {
		op->form = ML_INVPCID;
		op->type = space->tags == ML_TLB_ONE ? ONE_PCID : ALL_AND_GLOBAL;
		op->operand[0] = pcid(space);
	} else if (space->tags == ML_TLB_ONE && (space->current || !space->pcids)) {
		op->form = ML_MOV_CR3;
	} else {
		op->form = ML_TOGGLE_PGE;
	}
}

static void address_op(struct ml_tlb_x86_64_cursor *cursor, struct ml_tlb_x86_64_op *op)
{
	const uint64_t pages = pages_at_once(cursor);

	op->form = cursor->form;
	if (op->form == ML_INVLPG) {
		op->operand[0] = cursor->va;
	} else if (op->form == ML_INVPCID) {
		op->type = ONE_ADDRESS;
		op->operand[0] = pcid(cursor->space);
		op->operand[1] = cursor->va;
	} else {
		broadcast_op(cursor->space, op);
		op->operand[0] |= cursor->va | VA_VALID | (cursor->leaves_only ? FINAL_ONLY : 0);
		op->ecx = (uint32_t)(pages - 1) | (cursor->shift == 21 ? ECX_STEP_2M : 0);
	}
	cursor->va += pages << cursor->shift;
	cursor->left -= pages;
}

bool ml_tlb_x86_64_next(struct ml_tlb_x86_64_cursor *cursor, struct ml_tlb_x86_64_op *op)
{
	const struct ml_tlb_x86_64_op nothing = { { 0, 0 }, 0, 0, 0, 0 };

	if (!cursor->all && !cursor->left)
		return false;
	*op = nothing;
	if (!cursor->all) {
		address_op(cursor, op);
		return true;
	}
	all_op(cursor->space, op);
	cursor->all = false;
	cursor->left = 0;
	return true;
}
