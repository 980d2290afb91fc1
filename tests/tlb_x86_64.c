/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * INVLPG, INVPCID and INVLPGB, decoded (support/invlpg.h): what each drops, of which PCID, from
 * which caches. All of the small requests, with every set of capabilities.
 */
#include "support/invlpg.h"
#include "t.h"

#define BIT(number) ((uint64_t)1 << (number))
#define OPS_MOST 2048
#define PAGES 1100

/* What a request needs dropped, by its tags. */
static struct invlpg_scope needed(const struct ml_tlb_x86_64 *space, bool leaves_only)
{
	static const struct invlpg_scope scopes[] = {
		[ML_TLB_ANY] = { true, true, true, true, true },
		[ML_TLB_ONE] = { true, false, false, true, false },
		[ML_TLB_ONE_OR_GLOBAL] = { true, false, true, true, false },
		[ML_TLB_GLOBAL] = { false, false, true, true, true },
	};
	struct invlpg_scope scope = scopes[space->tags];

	if (leaves_only)
		scope.tables_here = scope.tables_elsewhere = false;
	return scope;
}

static bool satisfies(struct invlpg_scope has, struct invlpg_scope needs)
{
	return has.here >= needs.here && has.elsewhere >= needs.elsewhere &&
	       has.globals >= needs.globals && has.tables_here >= needs.tables_here &&
	       has.tables_elsewhere >= needs.tables_elsewhere;
}

/* Whether any instruction there is reaches single addresses as needed. */
static bool by_address(const struct ml_tlb_x86_64 *space, bool leaves_only)
{
	const struct invlpg_scope needs = needed(space, leaves_only);

	return space->invlpgb || satisfies(invlpg_alone(space), needs) ||
	       (space->invpcid &&
		satisfies(invlpg_under(space, space->pcids ? space->pcid : 0), needs));
}

/* No more goes than must: another PCID's, and global ones, only if no instruction spares them. */
static void check_spared(const struct ml_tlb_x86_64 *space, const struct invlpg_dropped *d)
{
	if (space->tags != ML_TLB_ONE ||
	    !(space->invlpgb || space->invpcid || invlpg_is_current(space)))
		return;
	t_ok(!d->all || !d->scope.globals);
	t_ok(!space->pcids || !d->scope.elsewhere);
}

struct result {
	unsigned count;
	bool all;
	uint64_t first, last;
};

static struct result run(const struct ml_tlb_x86_64 *space, const struct ml_invalidation *what)
{
	struct ml_tlb_x86_64_cursor cursor;
	struct ml_tlb_x86_64_op op;
	struct result r = { 0 };
	const unsigned promised = ml_tlb_x86_64_start(&cursor, space, what);
	const unsigned shift = what->stride_shift ? what->stride_shift : 12;

	for (; r.count < OPS_MOST && ml_tlb_x86_64_next(&cursor, &op); r.count++) {
		const struct invlpg_dropped d = invlpg_decode(space, &op, shift);

		t_ok(!r.all);
		t_ok(satisfies(d.scope, needed(space, what->leaves_only)));
		check_spared(space, &d);
		r.all = d.all;
		if (d.all) {
			t_eq(r.count, 0);
			continue;
		}
		if (op.form == ML_INVLPGB)
			t_eq(d.scope.tables_here, !what->leaves_only);
		if (r.count == 0)
			r.first = d.first;
		else
			t_eq(d.first, r.last + 1);
		r.last = d.last;
	}
	t_eq(r.count, promised);
	return r;
}

static uint64_t fewest(const struct ml_tlb_x86_64 *space, uint64_t pages, unsigned shift)
{
	const uint64_t at_once = space->invlpgb && shift < 30 ? space->invlpgb_most + 1 : 1;

	return (pages + at_once - 1) / at_once;
}

static void check_request(const struct ml_tlb_x86_64 *space, uint64_t va, uint64_t pages,
			  unsigned shift, bool leaves_only)
{
	const struct ml_invalidation what = {
		.va = va & ~(BIT(shift) - 1),
		.length = pages << shift,
		.stride_shift = (uint8_t)shift,
		.level = 0xff,
		.leaves_only = leaves_only,
	};
	const uint64_t most = space->most ? space->most : 33;
	const uint64_t count = fewest(space, pages, shift);
	const struct result r = run(space, &what);

	t_eq(r.all, !by_address(space, leaves_only) || count > most);
	if (r.all)
		return;
	t_eq(r.count, count);
	t_eq(r.first, what.va);
	t_eq(r.last, what.va + what.length - 1);
}

static struct ml_tlb_x86_64 space_of(unsigned number)
{
	struct ml_tlb_x86_64 space = { .pcid = 0x234, .asid = 3 };

	space.tags = number & 3;
	space.current = number >> 2 & 1;
	space.pcids = number >> 3 & 1;
	space.invpcid = number >> 4 & 1;
	space.invlpgb = number >> 5 & 1;
	space.spares_globals = number >> 6 & 1;
	space.invlpgb_most = number >> 7 & 1 ? 7 : 0;
	space.most = number >> 8 & 1 ? PAGES : 0;
	return space;
}

#define SPACES 512

TEST(every_small_request)
{
	static const uint64_t bases[] = { 0, 0x00007f1234567000, 0xffff800000000000 };

	for (unsigned number = 0; number < SPACES; number++) {
		const struct ml_tlb_x86_64 space = space_of(number);

		T_CONTEXT("capabilities", number);
		for (uint64_t pages = 1; pages <= PAGES; pages += pages < 70 ? 1 : 103)
			for (unsigned kind = 0; kind < 18; kind++)
				check_request(&space, bases[kind / 6] + pages * 4096, pages,
					      12 + 9 * (kind % 3), kind / 3 % 2);
	}
}

TEST(every_length)
{
	for (unsigned number = 0; number < SPACES; number += 37) {
		const struct ml_tlb_x86_64 space = space_of(number);

		T_CONTEXT("capabilities", number);
		for (uint64_t pages = 1; pages <= PAGES; pages++)
			for (unsigned level = 0; level < 3; level++)
				check_request(&space, 0x40000000, pages, 12 + 9 * level, pages & 1);
	}
}

TEST(both_ends_of_the_address_space)
{
	for (unsigned number = 0; number < SPACES; number++) {
		const struct ml_tlb_x86_64 space = space_of(number);

		for (uint64_t pages = 1; pages <= 40; pages++) {
			check_request(&space, -(pages << 12), pages, 12, true);
			check_request(&space, -(pages << 21), pages, 21, false);
			check_request(&space, 0, pages, 12, true);
		}
	}
}

static struct ml_tlb_x86_64_op first_op(const struct ml_tlb_x86_64 *space,
					const struct ml_invalidation *what)
{
	struct ml_tlb_x86_64_cursor cursor;
	struct ml_tlb_x86_64_op op = { { 0, 0 }, 0, 0, 0xff, 0xff };

	ml_tlb_x86_64_start(&cursor, space, what);
	t_ok(ml_tlb_x86_64_next(&cursor, &op));
	return op;
}

TEST(operands_as_the_manuals_have_them)
{
	struct ml_tlb_x86_64 space = { .tags = ML_TLB_ONE,
				       .pcids = true,
				       .invpcid = true,
				       .pcid = 0xabc,
				       .asid = 9,
				       .invlpgb_most = 7 };
	static const struct ml_invalidation what = { 0x7fff00200000, 4 << 21, 21, 1, 1 };
	static const struct ml_invalidation all = { .level = 0xff };
	struct ml_tlb_x86_64_op op = first_op(&space, &what);

	t_eq(op.form, ML_INVPCID);
	t_eq(op.type, 0);
	t_eq(op.operand[0], 0xabc);
	t_eq(op.operand[1], 0x7fff00200000);
	op = first_op(&space, &all);
	t_eq(op.type, 1);
	t_eq(op.operand[0], 0xabc);
	space.invlpgb = true;
	op = first_op(&space, &what);
	t_eq(op.form, ML_INVLPGB);
	t_eq(op.operand[0], 0x7fff00200017); /* VA, PCID, ASID, final only */
	t_eq(op.ecx, 0x80000003);
	t_eq(op.edx, 0x0abc0009);
	space.tags = ML_TLB_ANY;
	op = first_op(&space, &all);
	t_eq(op.operand[0], 0xc); /* ASID, global too */
	t_eq(op.edx, 9);
}

TEST(everything)
{
	static const struct ml_invalidation all = { .level = 0xff };

	for (unsigned number = 0; number < SPACES; number++) {
		const struct ml_tlb_x86_64 space = space_of(number);

		T_CONTEXT("capabilities", number);
		t_ok(run(&space, &all).all);
	}
}
