/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Operands, descriptors and registers, bit by bit. */
#define T_NO_MAIN
#include "invlpg.h"
#include "t.h"

#define BIT(number) ((uint64_t)1 << (number))
#define OTHER 0x777 /* a PCID that is not this table's */

bool invlpg_is_current(const struct ml_tlb_x86_64 *space)
{
	return space->current || !space->pcids;
}

struct invlpg_scope invlpg_under(const struct ml_tlb_x86_64 *space, unsigned pcid)
{
	const bool here = !space->pcids || pcid == space->pcid;
	const struct invlpg_scope scope = { here, !here || !space->pcids, false, here,
					    !here || !space->pcids };

	t_ok(space->pcids || pcid == 0);
	return scope;
}

static unsigned current_pcid(const struct ml_tlb_x86_64 *space)
{
	if (!space->pcids)
		return 0;
	return space->current ? space->pcid : OTHER;
}

static const struct invlpg_scope every = { true, true, true, true, true };

struct invlpg_scope invlpg_alone(const struct ml_tlb_x86_64 *space)
{
	struct invlpg_scope scope = invlpg_under(space, current_pcid(space));

	scope.globals = !(space->pcids && space->spares_globals);
	return scope;
}

static struct invlpg_dropped decode_invpcid(const struct ml_tlb_x86_64 *space,
					    const struct ml_tlb_x86_64_op *op, unsigned shift)
{
	struct invlpg_dropped d = { every, true, 0, 0 };

	t_ok(space->invpcid);
	t_eq(op->operand[0] >> 12, 0);
	if (op->type < 2)
		d.scope = invlpg_under(space, (unsigned)op->operand[0]);
	d.scope.globals = op->type == 2;
	if (op->type == 0) {
		d.all = false;
		d.first = op->operand[1] & ~(BIT(shift) - 1);
		d.last = op->operand[1] | (BIT(shift) - 1);
	} else {
		t_eq(op->operand[1], 0);
	}
	t_ok(op->type <= 3);
	return d;
}

/* RAX: VA, PCID, ASID valid, global too, final only: bits 0 to 4; 5 to 11 are not used here. */
static struct invlpg_dropped decode_invlpgb(const struct ml_tlb_x86_64 *space,
					    const struct ml_tlb_x86_64_op *op, unsigned shift)
{
	const uint64_t rax = op->operand[0], extra = op->ecx & 0xffff;
	const unsigned step = op->ecx >> 31 ? 21 : 12;
	struct invlpg_dropped d = { every, !(rax & 1), 0, 0 };

	t_ok(space->invlpgb);
	t_eq(rax >> 5 & 0x7f, 0);
	t_eq(op->ecx >> 16 & 0x7fff, 0);
	t_ok(extra <= space->invlpgb_most);
	t_eq(op->edx >> 28, 0);
	if (rax >> 2 & 1)
		t_eq(op->edx & 0xffff, space->asid);
	else
		t_ok(!"of every guest, too");
	if (rax >> 1 & 1)
		d.scope = invlpg_under(space, op->edx >> 16);
	else
		t_eq(op->edx >> 16, 0);
	d.scope.globals = rax >> 3 & 1;
	if (rax >> 4 & 1)
		d.scope.tables_here = d.scope.tables_elsewhere = false;
	if (d.all) {
		t_eq(rax >> 12, 0);
		t_eq(op->ecx, 0);
		return d;
	}
	t_ok(extra == 0 || step == shift);
	d.first = (rax & ~(uint64_t)0xfff) & ~(BIT(shift) - 1);
	d.last = d.first + (extra << step) + BIT(shift) - 1;
	return d;
}

struct invlpg_dropped invlpg_decode(const struct ml_tlb_x86_64 *space,
				    const struct ml_tlb_x86_64_op *op, unsigned shift)
{
	struct invlpg_dropped d = { every, true, 0, 0 };

	switch (op->form) {
	case ML_INVLPG:
		d.scope = invlpg_alone(space);
		d.all = false;
		d.first = op->operand[0] & ~(BIT(shift) - 1);
		d.last = op->operand[0] | (BIT(shift) - 1);
		break;
	case ML_INVPCID:
		return decode_invpcid(space, op, shift);
	case ML_INVLPGB:
		return decode_invlpgb(space, op, shift);
	case ML_MOV_CR3:
		d.scope = invlpg_under(space, current_pcid(space));
		break;
	default:
		t_eq(op->form, ML_TOGGLE_PGE);
	}
	return d;
}
