/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* tlbie and tlbiel with R = 1: Power ISA 3.1 book III, 6.9.3. */
#include "format/tlb_range.h"

#define MOST 33
#define SIZES 3

/* RB: the page, or with tlbiel of a whole space the set; what is selected; the page size. */
#define RB_ADDRESS(va) ((va) & ~ML_BITS(11, 0))
#define RB_SET(set) ((uint64_t)(set) << 12)
#define RB_IS(is) ((uint64_t)(is) << 10)
#define RB_AP(ap) ((uint64_t)(ap) << 5)
#define RS(pid, lpid) ((uint64_t)(pid) << 32 | (lpid))

#define IS_PID 1
#define IS_LPID 2

#define RIC_TLB 0
#define RIC_TABLES 1
#define RIC_ALL 2

static unsigned size_shift(const struct ml_tlb_power *space, unsigned size)
{
	return size == 0 ? space->page_shift : size == 1 ? 21 : 30;
}

/* Actual page sizes: 4K 0, 64K 5, 2M 1, 1G 2. */
static unsigned page_size_code(const struct ml_tlb_power *space, unsigned size)
{
	return size == 0 && space->page_shift == 16 ? 5 : size;
}

/* The largest size up to the stride. */
static unsigned size_of(const struct ml_tlb_power *space, unsigned stride_shift)
{
	unsigned size = SIZES - 1;

	while (size && size_shift(space, size) > stride_shift)
		size--;
	return size;
}

/* Begin the pass of one size: leaves of it that lie wholly in the range, none else can be there. */
static uint64_t begin_pass(struct ml_tlb_power_cursor *cursor, unsigned size)
{
	const unsigned shift = size_shift(cursor->space, size);
	const uint64_t first = (cursor->first >> shift) + !ml_aligned(cursor->first, shift);
	const uint64_t last = cursor->last >> shift;
	const uint64_t end = last + (cursor->last == ml_align_last(cursor->last, shift));

	cursor->size = (uint8_t)size;
	cursor->va = first << shift;
	cursor->left = end > first ? end - first : 0;
	return cursor->left;
}

/* Everything of the address space. */
static unsigned start_all(struct ml_tlb_power_cursor *cursor)
{
	const struct ml_tlb_power *space = cursor->space;

	cursor->tables = false;
	cursor->left = 0;
	cursor->size = cursor->sizes;
	cursor->sets = space->local && space->sets ? space->sets : 1;
	return cursor->sets;
}

unsigned ml_tlb_power_start(struct ml_tlb_power_cursor *cursor, const struct ml_tlb_power *space,
			    const struct ml_invalidation *what)
{
	const unsigned low = size_of(space, what->stride_shift);
	const struct tlb_range range = tlb_range(what, size_shift(space, low));
	const bool one_size = what->leaves_only && what->level == low;
	uint64_t count = !what->leaves_only;
	unsigned size;

	cursor->space = space;
	cursor->first = range.first;
	cursor->last = range.last;
	cursor->sizes = (uint8_t)(one_size ? low : SIZES - 1);
	cursor->leaves_only = what->leaves_only;
	cursor->tables = !what->leaves_only;
	cursor->set = cursor->sets = 0;
	/* For every PID there is no form with an address. */
	if (!range.count || (space->tags != ML_TLB_ONE && !space->partition))
		return start_all(cursor);
	for (size = cursor->sizes + 1u; size-- > low;)
		count += begin_pass(cursor, size);
	if (count > (space->most ? space->most : MOST))
		return start_all(cursor);
	return (unsigned)count;
}

/* A selection without an address. */
static void space_op(const struct ml_tlb_power *space, unsigned ric, struct ml_tlb_power_op *op)
{
	op->rb = RB_IS(space->partition || space->tags != ML_TLB_ONE ? IS_LPID : IS_PID);
	op->ric = (uint8_t)ric;
}

static void page_op(struct ml_tlb_power_cursor *cursor, struct ml_tlb_power_op *op)
{
	const struct ml_tlb_power *space = cursor->space;

	op->rb = RB_ADDRESS(cursor->va) | RB_AP(page_size_code(space, cursor->size));
	op->ric = RIC_TLB;
	cursor->va += ML_BIT(size_shift(space, cursor->size));
	cursor->left--;
}

bool ml_tlb_power_next(struct ml_tlb_power_cursor *cursor, struct ml_tlb_power_op *op)
{
	const struct ml_tlb_power *space = cursor->space;

	while (!cursor->left && cursor->size < cursor->sizes)
		begin_pass(cursor, cursor->size + 1u);
	if (!cursor->tables && !cursor->left && cursor->set == cursor->sets)
		return false;
	op->prs = !space->partition;
	op->rs = RS(space->partition || space->tags != ML_TLB_ONE ? 0 : space->pid, space->lpid);
	if (cursor->tables) {
		space_op(space, RIC_TABLES, op);
		cursor->tables = false;
	} else if (cursor->left) {
		page_op(cursor, op);
	} else {
		/* What is cached of tables goes with the first set. */
		space_op(space, cursor->set || cursor->leaves_only ? RIC_TLB : RIC_ALL, op);
		op->rb |= RB_SET(cursor->set++);
	}
	return true;
}
