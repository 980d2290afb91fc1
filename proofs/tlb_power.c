/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * tlbie and tlbiel of the radix MMU, as the Power ISA has them (book III, 6.9.3): one with an
 * address drops leaves of its own page size alone, and nothing of tables. So there is a pass for
 * each size, and one op for what is cached of tables.
 */
#include "tlb.h"

#define UNWIND 5 /* the sizes */

#define SIZES 3

static struct ml_tlb_power any_power(void)
{
	struct ml_tlb_power space = { 0 };

	space.page_shift = any_bool() ? 16 : 12;
	space.tags = (uint8_t)any_below(4);
	space.partition = any_bool();
	space.local = any_bool();
	space.sets = (uint16_t)nondet_unsigned();
	space.pid = nondet_unsigned();
	space.lpid = nondet_unsigned();
	space.most = nondet_unsigned();
	return space;
}

/* The leaf size of a pass, and the code the manual gives it: AP, RB[7:5]. */
static unsigned shift_of(const struct ml_tlb_power *space, unsigned size)
{
	return size == 0 ? space->page_shift : size == 1 ? 21 : 30;
}

static unsigned shift_of_code(uint64_t code)
{
	return code == 0 ? 12 : code == 5 ? 16 : code == 1 ? 21 : code == 2 ? MUTANT(30, 21) : 0;
}

/* Whether the leaf of this size that holds va lies wholly in the range of the cursor. */
static bool is_inside(const struct ml_tlb_power_cursor *cursor, ml_va va, unsigned shift)
{
	return ml_align_down(va, shift) >= cursor->first &&
	       ml_align_last(va, shift) <= cursor->last;
}

/* Whether the pass has an op for it. */
static bool has_op(const struct ml_tlb_power_cursor *cursor, ml_va va, unsigned shift)
{
	return (va >> shift) - (cursor->va >> shift) < cursor->left;
}

/* Whether there is an address that selects no more than one id can have. */
static bool by_address(const struct ml_tlb_power *space)
{
	return space->tags == ML_TLB_ONE || space->partition;
}

PROOF_OF_TOY(power_begins_with_the_smallest_leaves_of_the_range)
{
	const struct ml_tlb_power space = any_power();
	const struct ml_invalidation what =
		any_bool() ? any_invalidation(space.page_shift) : everything();
	struct ml_tlb_power_cursor cursor;
	const unsigned ops = ml_tlb_power_start(&cursor, &space, &what);
	unsigned shift;

	PROVE(ops > 0, "at least one op");
	if (cursor.sets) {
		PROVE(!cursor.left && !cursor.tables && cursor.size == cursor.sizes &&
			      ops == (space.local && space.sets ? space.sets : 1),
		      "everything, one op a set");
		return;
	}
	shift = shift_of(&space, cursor.size);
	PROVE(what.length && by_address(&space), "or by address");
	PROVE(is_range(&what, cursor.first, 1 + (cursor.last - cursor.first), 0, shift),
	      "all of it, and nothing else");
	PROVE(cursor.size == 0 || shift <= what.stride_shift, "from the smallest leaf on");
	PROVE(cursor.sizes == SIZES - 1 ||
		      (what.leaves_only && what.level == cursor.size + MUTANT(0, 1)),
	      "of all sizes that may be there");
	PROVE(cursor.va == cursor.first && cursor.va + (cursor.left << shift) - 1 == cursor.last,
	      "each leaf of it");
	PROVE(cursor.tables == !what.leaves_only, "and of the tables");
}

static struct ml_tlb_power_cursor any_cursor(const struct ml_tlb_power *space)
{
	struct ml_tlb_power_cursor cursor = { 0 };

	cursor.space = space;
	cursor.first = nondet_uint64_t();
	cursor.last = nondet_uint64_t();
	cursor.sizes = (uint8_t)any_below(SIZES);
	cursor.size = (uint8_t)any_below(cursor.sizes + 1u);
	cursor.va = nondet_uint64_t();
	cursor.left = nondet_uint64_t();
	cursor.leaves_only = any_bool();
	ASSUME(cursor.first <= cursor.last && ml_aligned(cursor.first, space->page_shift) &&
	       ml_aligned(cursor.last + 1, space->page_shift));
	ASSUME(ml_aligned(cursor.va, shift_of(space, cursor.size)));
	return cursor;
}

/* RB and RS of a page, with the size it names. */
static void prove_page(const struct ml_tlb_power *space, const struct ml_tlb_power_op *op, ml_va va,
		       unsigned shift)
{
	PROVE(field(op->rb, 63, 12) == va >> 12 && field(op->rb, 11, 8) == 0 &&
		      field(op->rb, 4, 0) == 0,
	      "by its address");
	PROVE(shift_of_code(field(op->rb, 7, 5)) == shift, "of its size");
	PROVE(op->ric == 0 && op->prs == !space->partition, "of leaves alone");
	PROVE(op->rs == (space->partition ? space->lpid : (uint64_t)space->pid << 32 | space->lpid),
	      "of its address space");
}

PROOF_OF_TOY(power_ops_drop_one_leaf_after_another)
{
	const struct ml_tlb_power space = any_power();
	const struct ml_tlb_power_cursor cursor = any_cursor(&space);
	struct ml_tlb_power_cursor rest = cursor;
	const unsigned shift = shift_of(&space, cursor.size);
	struct ml_tlb_power_op op;

	ASSUME(cursor.left && by_address(&space));
	PROVE(ml_tlb_power_next(&rest, &op), "there is an op");
	prove_page(&space, &op, cursor.va, shift);
	PROVE(rest.left == cursor.left - 1 && rest.size == cursor.size &&
		      rest.va == cursor.va + ML_BIT(shift),
	      "and steps over it");
}

/* A pass is over: the next one that is not empty has every leaf of its size, and no other. */
PROOF_OF_TOY(power_passes_have_all_leaves_of_their_size)
{
	const struct ml_tlb_power space = any_power();
	const struct ml_tlb_power_cursor cursor = any_cursor(&space);
	struct ml_tlb_power_cursor rest = cursor;
	const ml_va va = nondet_uint64_t();
	const unsigned size = any_below(SIZES), shift = shift_of(&space, size);
	struct ml_tlb_power_op op;
	bool more;

	ASSUME(!cursor.left && by_address(&space) && size > cursor.size && size <= cursor.sizes);
	more = ml_tlb_power_next(&rest, &op);
	if (more && rest.size == size) {
		rest.va -= ML_BIT(shift); /* before the op */
		rest.left++;
		prove_page(&space, &op, rest.va, shift);
		PROVE(has_op(&rest, va, shift) == is_inside(&rest, va, shift), "each of them");
	}
	if (!more || rest.size > size)
		PROVE(!is_inside(&cursor, va, shift + MUTANT(0, -1)), "or there is none");
}

/* Without an address: what is cached of tables, or the whole space, set by set. */
PROOF_OF_TOY(power_drops_tables_with_the_first_op)
{
	const struct ml_tlb_power space = any_power();
	struct ml_tlb_power_cursor cursor = any_cursor(&space), rest;
	const bool one = space.tags == ML_TLB_ONE && !space.partition;
	struct ml_tlb_power_op op;

	cursor.tables = any_bool();
	cursor.left = cursor.tables ? cursor.left : 0;
	cursor.set = (uint16_t)nondet_unsigned();
	cursor.sets = (uint16_t)nondet_unsigned();
	cursor.size = cursor.tables ? cursor.size : cursor.sizes;
	ASSUME(cursor.tables ? !cursor.sets && !cursor.set && !cursor.leaves_only && cursor.left
			     : cursor.set < cursor.sets);
	rest = cursor;
	PROVE(ml_tlb_power_next(&rest, &op), "there is an op");
	PROVE(field(op.rb, 11, 10) == (one ? 1 : MUTANT(2, 3)), "of the PID, or of the LPID");
	PROVE(field(op.rb, 9, 0) == 0 && field(op.rb, 63, 12) == (cursor.tables ? 0 : cursor.set),
	      "no address");
	PROVE(op.ric == (cursor.tables                      ? 1
			 : cursor.set || cursor.leaves_only ? 0
							    : 2),
	      "tables once, and leaves unless they have their own ops");
	PROVE(rest.set == cursor.set + !cursor.tables && !rest.tables && rest.left == cursor.left,
	      "and steps over it");
	PROVE(op.rs == (one ? (uint64_t)space.pid << 32 | space.lpid : space.lpid) &&
		      op.prs == !space.partition,
	      "of its address space");
}
