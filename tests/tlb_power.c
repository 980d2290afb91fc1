/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * tlbie and tlbiel of the radix MMU, decoded as the Power ISA describes them: an op with an
 * address drops leaves of its own page size and nothing of tables. All of the small requests.
 */
#include <maxleaf/tlb.h>

#include "t.h"

#define BIT(number) ((uint64_t)1 << (number))
#define OPS_MOST 4096
#define PAGES 1100
#define SIZES 3

/* What the ops of one request drop. */
struct result {
	unsigned count;
	bool all, all_tables;
	uint64_t pages[SIZES], first[SIZES], last[SIZES]; /* leaves by size */
};

static unsigned shift_of(const struct ml_tlb_power *space, unsigned size)
{
	static const uint8_t shifts[] = { 0, 21, 30 };

	return size ? shifts[size] : space->page_shift;
}

/* RB: EPN 63:12, IS 11:10, AP 7:5. AP 0 4K, 5 64K, 1 2M, 2 1G. */
static void check_page(const struct ml_tlb_power *space, uint64_t rb, struct result *r)
{
	static const uint8_t shifts[] = { 12, 21, 30, 0, 0, 16, 0, 0 };
	const unsigned shift = shifts[rb >> 5 & 7];
	const uint64_t va = rb & ~(uint64_t)0xfff;
	unsigned size = 0;

	while (size < SIZES && shift_of(space, size) != shift)
		size++;
	T_REQUIRE(t_ok(size < SIZES));
	t_eq(va & (BIT(shift) - 1), 0);
	if (r->pages[size]++ == 0)
		r->first[size] = va;
	else
		t_eq(va, r->last[size] + 1);
	r->last[size] = va + BIT(shift) - 1;
}

static void check_op(const struct ml_tlb_power *space, const struct ml_tlb_power_op *op,
		     struct result *r)
{
	const unsigned selection = op->rb >> 10 & 3;
	const bool one = space->tags == ML_TLB_ONE && !space->partition;

	t_eq(op->prs, !space->partition);
	t_eq(op->rs, one ? (uint64_t)space->pid << 32 | space->lpid : space->lpid);
	t_eq(op->rb & 0x31f, 0);
	if (selection == 0) {
		t_ok(one || space->partition);
		t_eq(op->ric, 0);
		check_page(space, op->rb, r);
		return;
	}
	t_eq(selection, one ? 1 : 2);
	t_eq(op->rb >> 5 & 7, 0);
	r->all_tables |= op->ric != 0;
	if (op->ric == 1) {
		t_eq(op->rb >> 12, 0);
		return;
	}
	t_eq(op->rb >> 12, r->count);
	t_ok(op->ric != 2 || r->count == 0);
	r->all = true;
}

static struct result run(const struct ml_tlb_power *space, const struct ml_invalidation *what)
{
	struct ml_tlb_power_cursor cursor;
	struct ml_tlb_power_op op;
	struct result r = { 0 };
	const unsigned promised = ml_tlb_power_start(&cursor, space, what);

	for (; r.count < OPS_MOST && ml_tlb_power_next(&cursor, &op); r.count++)
		check_op(space, &op, &r);
	t_eq(r.count, promised);
	t_ok(r.all_tables == !what->leaves_only);
	if (r.all)
		t_eq(r.count, space->local && space->sets ? space->sets : 1);
	return r;
}

/* Leaves of a size that lie wholly in the range. */
static uint64_t leaves_in(uint64_t first, uint64_t last, unsigned shift)
{
	uint64_t count = 0;

	for (uint64_t leaf = first >> shift; leaf <= last >> shift; leaf++)
		count += leaf << shift >= first && (leaf << shift) + (BIT(shift) - 1) <= last;
	return count;
}

static void check_request(const struct ml_tlb_power *space, uint64_t va, uint64_t pages,
			  unsigned low, unsigned level, bool leaves_only)
{
	const unsigned shift = shift_of(space, low);
	const struct ml_invalidation what = {
		.va = va & ~(BIT(shift) - 1),
		.length = pages << shift,
		.stride_shift = (uint8_t)shift,
		.level = (uint8_t)level,
		.leaves_only = leaves_only,
	};
	const uint64_t last = what.va + what.length - 1;
	const bool known = leaves_only && level == low;
	const struct result r = run(space, &what);
	uint64_t count = !leaves_only;

	for (unsigned size = low; size < SIZES; size++)
		if (size == low || !known)
			count += leaves_in(what.va, last, shift_of(space, size));
	t_eq(r.all, count > (space->most ? space->most : 33) ||
			    (space->tags != ML_TLB_ONE && !space->partition));
	if (r.all)
		return;
	t_eq(r.count, count);
	for (unsigned size = 0; size < SIZES; size++) {
		const unsigned bits = shift_of(space, size);
		const bool there = size >= low && (size == low || !known);

		t_eq(r.pages[size], there ? leaves_in(what.va, last, bits) : 0);
		if (r.pages[size])
			t_ok(r.first[size] >= what.va && r.last[size] <= last);
	}
}

static struct ml_tlb_power space_of(unsigned number)
{
	struct ml_tlb_power space = { .page_shift = number & 1 ? 16 : 12,
				      .pid = 0xabcde,
				      .lpid = 0x123 };

	space.tags = number >> 1 & 1 ? ML_TLB_ONE : ML_TLB_ANY;
	space.partition = number >> 2 & 1;
	space.local = number >> 3 & 1;
	space.sets = number >> 4 & 1 ? 128 : 0;
	space.most = number >> 5 & 1 ? PAGES : 0;
	return space;
}

#define SPACES 64

TEST(every_small_request)
{
	static const uint64_t bases[] = { 0, 0x0000123440000000, 0xc000000000000000 };

	for (unsigned number = 0; number < SPACES; number++) {
		const struct ml_tlb_power space = space_of(number);

		T_CONTEXT("capabilities", number);
		for (uint64_t pages = 1; pages <= PAGES; pages += pages < 70 ? 1 : 51)
			for (unsigned kind = 0; kind < 12; kind++) {
				const unsigned low = kind % 3, form = kind / 3;
				const uint64_t va = bases[pages % 3] + (pages % 600) * 65536;

				check_request(&space, va, pages, low, form % 2 ? low : 0xff,
					      form < 2);
			}
	}
}

/* All lengths that hold leaves of several sizes, at every start modulo 2M. */
TEST(every_start)
{
	static const struct ml_tlb_power space = { .page_shift = 16,
						   .tags = ML_TLB_ONE,
						   .most = PAGES };

	for (uint64_t pages = 1; pages <= PAGES; pages += 13)
		for (uint64_t start = 0; start < 32; start++)
			check_request(&space, (BIT(30) - BIT(25)) + (start << 16), pages, 0, 0xff,
				      start & 1);
}

TEST(both_ends_of_the_address_space)
{
	for (unsigned number = 0; number < SPACES; number++) {
		const struct ml_tlb_power space = space_of(number);

		for (uint64_t pages = 1; pages <= 30; pages++) {
			check_request(&space, -(pages << space.page_shift), pages, 0, 0xff, true);
			check_request(&space, -(pages << 21), pages, 1, 1, true);
			check_request(&space, 0, pages, 0, 0xff, false);
		}
	}
}

static struct ml_tlb_power_op first_op(const struct ml_tlb_power *space,
				       const struct ml_invalidation *what)
{
	struct ml_tlb_power_cursor cursor;
	struct ml_tlb_power_op op = { 0, 0, 9, false };

	ml_tlb_power_start(&cursor, space, what);
	t_ok(ml_tlb_power_next(&cursor, &op));
	return op;
}

TEST(operands_as_the_manual_has_them)
{
	static const struct ml_tlb_power space = {
		.page_shift = 16, .tags = ML_TLB_ONE, .pid = 0x42, .lpid = 7
	};
	static const struct ml_invalidation page = { 0x7fff12340000, 0x10000, 16, 0, 1 };
	static const struct ml_invalidation large = { 0x7fff12200000, 0x200000, 21, 1, 1 };
	static const struct ml_invalidation all = { .level = 0xff };

	t_eq(first_op(&space, &page).rb, 0x7fff123400a0);
	t_eq(first_op(&space, &page).rs, 0x4200000007);
	t_eq(first_op(&space, &large).rb, 0x7fff12200020);
	t_eq(first_op(&space, &all).rb, 0x400);
	t_eq(first_op(&space, &all).ric, 2);
}

TEST(everything)
{
	static const struct ml_invalidation all = { .level = 0xff };

	for (unsigned number = 0; number < SPACES; number++) {
		const struct ml_tlb_power space = space_of(number);

		t_ok(run(&space, &all).all);
	}
}
