/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Fields of operands, as C5.5 numbers their bits. */
#define T_NO_MAIN
#include "tlbi.h"
#include "t.h"

#define BIT(number) ((uint64_t)1 << (number))

static uint64_t field(uint64_t value, unsigned last, unsigned first)
{
	return value >> first & (BIT(last - first + 1) - 1);
}

static uint64_t sign_extend(uint64_t value, unsigned bits)
{
	return value >> (bits - 1) & 1 ? value | ~(BIT(bits) - 1) : value;
}

/* Granule codes 1 to 3. */
static bool is_granule(const struct ml_tlb_arm64 *space, uint64_t code)
{
	static const uint8_t shifts[] = { 0, 12, 14, 16 };

	return shifts[code] == space->page_shift;
}

/* The forms with a range: BaseADDR 36:0, TTL 38:37, NUM 43:39, SCALE 45:44, TG 47:46. */
static void decode_range(const struct ml_tlb_arm64 *space, uint64_t operand, struct tlbi_dropped *d)
{
	const unsigned unit = space->ds ? 16 : space->page_shift;
	const uint64_t num = field(operand, 43, 39), scale = field(operand, 45, 44);
	const uint64_t pages = (num + 1) << (5 * scale + 1);

	t_ok(is_granule(space, field(operand, 47, 46)));
	d->range = true;
	d->first = sign_extend(field(operand, 36, 0), 37) << unit;
	d->last = d->first + (pages << space->page_shift) - 1;
	d->level = (unsigned)field(operand, 38, 37);
}

/* The forms with an address: VA[55:12] 43:0, TTL 47:44. The leaf is of the size asked for. */
static void decode_single(const struct ml_tlb_arm64 *space, uint64_t operand, unsigned shift,
			  struct tlbi_dropped *d)
{
	const uint64_t va = sign_extend(field(operand, 43, 0), 44) << 12;

	if (field(operand, 47, 46))
		t_ok(is_granule(space, field(operand, 47, 46)));
	else
		t_eq(field(operand, 45, 44), 0);
	d->first = va & ~(BIT(shift) - 1);
	d->last = va | (BIT(shift) - 1);
	d->level = (unsigned)field(operand, 45, 44);
}

static void decode_stage_1(const struct ml_tlb_arm64 *space, const struct ml_tlb_arm64_op *op,
			   unsigned shift, struct tlbi_dropped *d)
{
	static const struct {
		bool range, all_asids, tables;
	} forms[] = {
		[ML_TLBI_VAE1] = { false, false, true }, [ML_TLBI_VALE1] = { false, false, false },
		[ML_TLBI_VAAE1] = { false, true, true }, [ML_TLBI_VAALE1] = { false, true, false },
		[ML_TLBI_RVAE1] = { true, false, true }, [ML_TLBI_RVALE1] = { true, false, false },
		[ML_TLBI_RVAAE1] = { true, true, true }, [ML_TLBI_RVAALE1] = { true, true, false },
	};

	d->globals = true;
	d->all_asids = forms[op->tlbi].all_asids;
	d->tables = forms[op->tlbi].tables;
	d->asid = (unsigned)field(op->operand, 63, 48);
	if (d->all_asids)
		t_eq(d->asid, 0);
	if (forms[op->tlbi].range)
		decode_range(space, op->operand, d);
	else
		decode_single(space, op->operand, shift, d);
}

struct tlbi_dropped tlbi_decode(const struct ml_tlb_arm64 *space, const struct ml_tlb_arm64_op *op,
				unsigned shift)
{
	struct tlbi_dropped d = { 0 };

	switch (op->tlbi) {
	case ML_TLBI_IPAS2E1:
	case ML_TLBI_IPAS2LE1:
	case ML_TLBI_RIPAS2E1:
	case ML_TLBI_RIPAS2LE1:
		d.stage2 = true;
		d.tables = op->tlbi == ML_TLBI_IPAS2E1 || op->tlbi == ML_TLBI_RIPAS2E1;
		t_eq(field(op->operand, 63, 48), 0);
		if (op->tlbi == ML_TLBI_RIPAS2E1 || op->tlbi == ML_TLBI_RIPAS2LE1)
			decode_range(space, op->operand, &d);
		else
			decode_single(space, op->operand, shift, &d);
		break;
	case ML_TLBI_ASIDE1:
		d.all = d.tables = true;
		d.asid = (unsigned)field(op->operand, 63, 48);
		t_eq(field(op->operand, 47, 0), 0);
		break;
	case ML_TLBI_VMALLE1:
	case ML_TLBI_VMALLS12E1:
		d.all = d.all_asids = d.globals = d.tables = true;
		d.stage2 = op->tlbi == ML_TLBI_VMALLS12E1;
		break;
	default:
		T_REQUIRE_VALUE(op->tlbi <= ML_TLBI_RVAALE1, d);
		decode_stage_1(space, op, shift, &d);
	}
	return d;
}
