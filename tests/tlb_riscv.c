/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * SFENCE.VMA and its kin, as the privileged manual describes them: rs1 other than x0 is of leaves
 * at one address; rs2 other than x0 is of one id, and leaves what is global. All of the small
 * requests, with every set of capabilities.
 */
#include <maxleaf/tlb.h>

#include "t.h"

#define BIT(number) ((uint64_t)1 << (number))
#define OPS_MOST 2048
#define PAGES 1100

struct result {
	unsigned count; /* of fences */
	bool all;
	uint64_t first, last;
};

/* The fence of a stage; the form with INVAL in its name follows it. */
static unsigned fence_of(const struct ml_tlb_riscv *space)
{
	return space->stage == ML_TLB_SATP    ? ML_SFENCE_VMA
	       : space->stage == ML_TLB_VSATP ? ML_HFENCE_VVMA
					      : ML_HFENCE_GVMA;
}

/* One fence: which ids, and whether leaves at an address or all of them and the tables. */
static void check_fence(const struct ml_tlb_riscv *space, const struct ml_invalidation *what,
			const struct ml_tlb_riscv_op *op, struct result *r)
{
	unsigned shift = 12;
	uint64_t va;

	while (shift + 9 <= what->stride_shift)
		shift += 9;
	t_eq(op->has_rs2, space->tags == ML_TLB_ONE);
	if (op->has_rs2)
		t_eq(op->rs2, space->id);
	t_ok(!r->all);
	if (!op->has_rs1) {
		t_eq(r->count++, 0);
		r->all = true;
		return;
	}
	t_ok(what->leaves_only);
	va = space->stage == ML_TLB_HGATP ? op->rs1 << 2 : op->rs1;
	if (r->count++ == 0)
		r->first = va & ~(BIT(shift) - 1);
	else
		t_eq(va >> shift, (r->last + 1) >> shift);
	r->last = va | (BIT(shift) - 1);
}

/* INVAL forms stand between SFENCE.W.INVAL and SFENCE.INVAL.IR, which stand nowhere else. */
static struct result run(const struct ml_tlb_riscv *space, const struct ml_invalidation *what)
{
	struct ml_tlb_riscv_cursor cursor;
	struct ml_tlb_riscv_op op;
	struct result r = { 0 };
	const unsigned promised = ml_tlb_riscv_start(&cursor, space, what);
	bool open = false;
	unsigned ops = 0;

	for (; ops < OPS_MOST && ml_tlb_riscv_next(&cursor, &op); ops++) {
		if (op.form == ML_SFENCE_W_INVAL || op.form == ML_SFENCE_INVAL_IR) {
			t_eq(open, op.form == ML_SFENCE_INVAL_IR);
			t_ok(space->svinval && (open || ops == 0));
			open = !open;
			t_ok(!op.has_rs1 && !op.has_rs2);
			continue;
		}
		t_eq(op.form, fence_of(space) + open);
		check_fence(space, what, &op, &r);
	}
	t_ok(!open);
	t_eq(ops, promised);
	t_eq(ops, r.count + (space->svinval && r.count > 1 ? 2 : 0));
	return r;
}

static void check_request(const struct ml_tlb_riscv *space, uint64_t va, uint64_t pages,
			  unsigned shift, bool leaves_only)
{
	const struct ml_invalidation what = {
		.va = va & ~(BIT(shift) - 1),
		.length = pages << shift,
		.stride_shift = (uint8_t)shift,
		.level = 0xff,
		.leaves_only = leaves_only,
	};
	struct result r;

	if (what.va + what.length - 1 < what.va)
		return;
	r = run(space, &what);
	t_eq(r.all, !leaves_only || pages > (space->most ? space->most : 64));
	if (r.all)
		return;
	t_eq(r.count, pages);
	t_eq(r.first, what.va);
	t_eq(r.last, what.va + what.length - 1);
}

static struct ml_tlb_riscv space_of(unsigned number)
{
	struct ml_tlb_riscv space = { .tags = number & 3, .id = 0xfedc };

	space.svinval = number >> 2 & 1;
	space.most = number >> 3 & 1 ? PAGES : 0;
	space.stage = (uint8_t)(number / 16);
	return space;
}

#define SPACES 48

TEST(every_small_request)
{
	static const uint64_t bases[] = { 0, 0x3fc0000000, 0xffffffc000000000, 0xff00000000000000 };

	for (unsigned number = 0; number < SPACES; number++) {
		const struct ml_tlb_riscv space = space_of(number);

		T_CONTEXT("capabilities", number);
		for (uint64_t pages = 1; pages <= PAGES; pages++)
			for (unsigned kind = 0; kind < 6; kind++)
				check_request(&space, bases[pages % 4] + pages * 4096, pages,
					      12 + 9 * (kind % 3), kind / 3);
	}
}

TEST(both_ends_of_the_address_space)
{
	for (unsigned number = 0; number < SPACES; number++) {
		const struct ml_tlb_riscv space = space_of(number);

		for (uint64_t pages = 1; pages <= 64 && space.stage != ML_TLB_HGATP; pages++)
			check_request(&space, -(pages << 12), pages, 12, true);
		check_request(&space, 0, 1, 12, true);
	}
}

/* A NAPOT region may be cached in parts: each of its pages is fenced. */
TEST(a_group_goes_page_by_page)
{
	static const struct ml_tlb_riscv space = { .tags = ML_TLB_ONE, .id = 1 };
	static const struct ml_invalidation what = { 0x40000, 0x10000, 16, 0, 1 };
	const struct result r = run(&space, &what);

	t_eq(r.count, 16);
	t_eq(r.first, 0x40000);
	t_eq(r.last, 0x4ffff);
}

/* The fences around those by address count, too: all are as many as can be told, or fewer. */
TEST(no_more_than_can_be_told)
{
	const struct ml_tlb_riscv space = { .most = UINT32_MAX, .svinval = true };
	struct ml_invalidation what = { .stride_shift = 12, .leaves_only = true };
	struct ml_tlb_riscv_cursor cursor;
	struct ml_tlb_riscv_op op;

	what.length = (uint64_t)(UINT32_MAX - 2) << 12;
	t_eq(ml_tlb_riscv_start(&cursor, &space, &what), UINT32_MAX);
	for (uint64_t more = 1; more <= 2; more++) {
		what.length = (UINT32_MAX - 2 + more) << 12;
		t_eq(ml_tlb_riscv_start(&cursor, &space, &what), 1);
		t_ok(ml_tlb_riscv_next(&cursor, &op));
		t_ok(!op.has_rs1);
		t_ok(!ml_tlb_riscv_next(&cursor, &op));
	}
}

TEST(everything)
{
	static const struct ml_invalidation all = { .level = 0xff, .leaves_only = 1 };

	for (unsigned number = 0; number < SPACES; number++) {
		const struct ml_tlb_riscv space = space_of(number);

		t_ok(run(&space, &all).all);
	}
}
