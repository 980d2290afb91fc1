/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * TLBI operands, decoded (support/tlbi.h): what each drops, of which address space, from which
 * caches. All of the small requests, each against what it asked for.
 */
#include "support/tlbi.h"
#include "t.h"

#define BIT(number) ((uint64_t)1 << (number))
#define OPS_MOST 4096
#define PAGES 1100

static uint64_t level_shift(const struct ml_tlb_arm64 *space, unsigned level)
{
	return space->page_shift + level * (space->page_shift - 3u);
}

/* A request, and what its ops came to. */
struct result {
	unsigned count;
	bool all;
	uint64_t first, last, pages; /* of the union, and of the ops one by one */
	unsigned ranges;
};

/* Every tag that the range may be cached under is reached; and no other, if it can be told. */
static void check_tags(const struct ml_tlb_arm64 *space, const struct tlbi_dropped *d)
{
	const bool one = space->tags == ML_TLB_ONE || space->tags == ML_TLB_ONE_OR_GLOBAL;

	if (one && !d->all_asids)
		t_eq(d->asid, space->asid);
	else if (one)
		t_ok(d->all && space->tags == ML_TLB_ONE_OR_GLOBAL);
	else
		t_ok(d->all_asids);
	if (space->tags != ML_TLB_ONE)
		t_ok(d->globals);
}

/* A hint is the level of all leaves, and nowhere else. */
static void check_hint(const struct ml_tlb_arm64 *space, const struct ml_invalidation *what,
		       const struct tlbi_dropped *d)
{
	const bool known = what->leaves_only && what->level <= 2 && space->has_ttl &&
			   !(space->page_shift == 14 && what->level == 2 && !space->ds);

	t_eq(d->level, known ? 3u - what->level : 0);
}

/* Join what one op drops to the union, which has no gaps. */
static void join(struct result *r, const struct ml_tlb_arm64 *space, const struct tlbi_dropped *d)
{
	r->pages += (d->last - d->first + 1) >> space->page_shift;
	r->ranges += d->range;
	if (r->count == 0) {
		r->first = d->first;
		r->last = d->last;
	} else if (d->first == r->last + 1) {
		r->last = d->last;
	} else {
		t_eq(d->last + 1, r->first);
		r->first = d->first;
	}
}

static struct result run(const struct ml_tlb_arm64 *space, const struct ml_invalidation *what)
{
	struct ml_tlb_arm64_cursor cursor;
	struct ml_tlb_arm64_op op;
	struct result r = { 0 };
	const unsigned promised = ml_tlb_arm64_start(&cursor, space, what);
	unsigned bits = space->page_shift - 3u, shift = space->page_shift;
	bool closed = false;

	while (shift + bits <= what->stride_shift)
		shift += bits;
	for (; r.count < OPS_MOST && ml_tlb_arm64_next(&cursor, &op); r.count++) {
		const struct tlbi_dropped d = tlbi_decode(space, &op, shift);

		t_ok(!r.all && !closed);
		if (space->stage2 && op.tlbi == ML_TLBI_VMALLE1) {
			t_ok(op.after && r.count);
			closed = true;
			continue;
		}
		t_ok(!op.after);
		t_ok(what->leaves_only || d.tables);
		t_eq(d.stage2, space->stage2);
		if (!space->stage2)
			check_tags(space, &d);
		if (d.all) {
			r.all = true;
			t_eq(r.count, 0);
			continue;
		}
		t_ok(d.tables == !what->leaves_only);
		check_hint(space, what, &d);
		if (d.range)
			t_ok(space->has_range);
		join(&r, space, &d);
	}
	t_eq(r.count, promised);
	t_eq(closed, space->stage2 && !r.all);
	return r;
}

/* ---- every small request --------------------------------------------------------------- */

/* Starts, of which the low bits matter, in both halves. */
static const uint64_t bases[] = { 0, 0x0000123456600000, 0x0000fffffc000000, 0xffff000000000000,
				  0xffff8000401ff000 };

/* Ranges of 48-bit addresses, from either end. */
static bool in_one_half(uint64_t first, uint64_t last)
{
	return first <= last && first >> 48 == last >> 48 &&
	       (first >> 48 == 0 || ~first >> 48 == 0);
}

static void check_request(const struct ml_tlb_arm64 *space, unsigned level, uint64_t va,
			  uint64_t pages, bool leaves_only, unsigned hint)
{
	const unsigned shift = (unsigned)level_shift(space, level);
	const struct ml_invalidation what = {
		.va = va & ~(BIT(shift) - 1),
		.length = pages << shift,
		.stride_shift = (uint8_t)shift,
		.level = (uint8_t)hint,
		.leaves_only = leaves_only,
	};
	const uint64_t most = space->most ? space->most : 512;
	struct result r;

	if (!in_one_half(what.va, what.va + what.length - 1))
		return;
	r = run(space, &what);
	if (r.all) {
		/* Range forms do not help up to a multiple of 64K, nor with too large leaves. */
		t_ok(pages + space->stage2 > most &&
		     (!space->has_range || space->ds || shift - space->page_shift > 21));
		return;
	}
	t_ok(r.count <= most);
	t_eq(r.first, what.va);
	t_eq(r.last, what.va + what.length - 1);
	t_eq(r.pages, what.length >> space->page_shift);
	if (!space->has_range)
		t_eq(r.count, pages + space->stage2);
}

/* Whatever lies across the ends of a stride goes as a whole. */
TEST(ends_inside_a_leaf)
{
	static const struct ml_tlb_arm64 space = { .page_shift = 12 };
	static const struct ml_tlb_arm64 ranges = { .page_shift = 12, .has_range = true };

	for (unsigned start = 0; start < 512; start += 73)
		for (uint64_t pages = 1; pages < 2000; pages += 97) {
			const uint64_t va = BIT(30) + start * 4096, last = va + pages * 4096 - 1;
			const struct ml_invalidation what = { va, pages * 4096, 21, 0xff, 0 };

			for (unsigned i = 0; i < 2; i++) {
				const struct result r = run(i ? &ranges : &space, &what);

				t_eq(r.first, va & ~(BIT(21) - 1));
				t_eq(r.last, last | (BIT(21) - 1));
			}
		}
}

/* Capabilities by number. */
static struct ml_tlb_arm64 space_of(unsigned number)
{
	struct ml_tlb_arm64 space = { .page_shift = (uint8_t)(12 + 2 * (number % 3)),
				      .asid = 0xbeef };

	number /= 3;
	space.has_range = number & 1;
	space.has_ttl = number >> 1 & 1;
	space.ds = number >> 2 & 1 && space.page_shift < 16;
	space.stage2 = number >> 3 & 1;
	space.tags = number >> 4 & 3;
	return space;
}

#define SPACES (3 * 64)

TEST(every_small_request)
{
	for (unsigned number = 0; number < SPACES; number++) {
		const struct ml_tlb_arm64 space = space_of(number);

		T_CONTEXT("capabilities", number);
		for (uint64_t pages = 1; pages <= PAGES; pages += pages < 70 ? 1 : 37)
			for (unsigned kind = 0; kind < 12 * 5; kind++) {
				const unsigned level = kind % 3, form = kind / 3 % 4;
				uint64_t va = bases[kind / 12];

				va += (pages % 17) << space.page_shift;
				check_request(&space, level, space.stage2 ? va & (BIT(48) - 1) : va,
					      pages, form < 2, form % 2 ? level : 0xff);
			}
	}
}

/* All lengths at every start modulo 64K, with and without tables. */
TEST(every_length)
{
	static const struct ml_tlb_arm64 spaces[] = {
		{ .page_shift = 12, .tags = ML_TLB_ONE, .asid = 7, .has_range = true },
		{ .page_shift = 12, .asid = 7, .has_range = true, .has_ttl = true, .ds = true },
		{ .page_shift = 12, .tags = ML_TLB_ONE, .asid = 7, .has_ttl = true, .most = 64 },
		{ .page_shift = 14, .asid = 7, .has_range = true, .has_ttl = true, .ds = true },
	};

	for (unsigned number = 0; number < 4; number++)
		for (uint64_t pages = 1; pages <= PAGES; pages++)
			for (unsigned start = 0; start < 16; start++)
				check_request(&spaces[number], 0, 0xffff800040000000 + start * 4096,
					      pages, start & 1, start & 1 ? 0 : 0xff);
}

/* The last pages there are, and the first. */
TEST(both_ends_of_the_address_space)
{
	for (unsigned number = 0; number < SPACES; number++) {
		struct ml_tlb_arm64 space = space_of(number);

		if (space.stage2)
			continue;
		for (uint64_t pages = 1; pages <= 130; pages++) {
			check_request(&space, 0, -(pages << space.page_shift), pages, true, 0);
			check_request(&space, 0, 0, pages, false, 0xff);
		}
		check_request(&space, 1, -BIT(level_shift(&space, 1)), 1, true, 1);
	}
}

/* ---- the fewest ------------------------------------------------------------------------ */

#define DEEP 70000

/* The fewest ops that cover exactly so many pages, by trying all last ones. */
TEST(no_fewer_ops_would_do)
{
	static const struct ml_tlb_arm64 space = { .page_shift = 12, .has_range = true };
	static uint8_t fewest[DEEP + 1];
	struct ml_tlb_arm64_cursor cursor;

	for (uint64_t pages = 1; pages <= DEEP; pages++) {
		const struct ml_invalidation what = {
			.va = 0x7000, .length = pages * 4096, .stride_shift = 12, .level = 0xff
		};
		unsigned best = fewest[pages - 1];

		for (unsigned scale = 0; scale < 4; scale++)
			for (uint64_t num = 0; num < 32; num++) {
				const uint64_t covers = (num + 1) << (5 * scale + 1);

				if (covers > pages)
					break;
				if (fewest[pages - covers] < best)
					best = fewest[pages - covers];
			}
		fewest[pages] = (uint8_t)(best + 1);
		t_eq(ml_tlb_arm64_start(&cursor, &space, &what), fewest[pages]);
	}
}

/* The same where range forms begin at multiples of 64K: fewest[n] ops from the n-th page on. */
TEST(no_fewer_ops_would_do_with_ds)
{
	static const struct ml_tlb_arm64 space = { .page_shift = 12,
						   .has_range = true,
						   .ds = true };
	enum { MOST = 300 };

	for (unsigned start = 0; start < 16; start++)
		for (unsigned pages = 1; pages <= MOST; pages++) {
			const struct ml_invalidation what = { .va = start * 4096,
							      .length = pages * 4096,
							      .stride_shift = 12,
							      .level = 0xff };
			unsigned fewest[MOST + 1];
			struct ml_tlb_arm64_cursor cursor;

			fewest[pages] = 0;
			for (unsigned at = pages; at-- > 0;) {
				fewest[at] = fewest[at + 1] + 1;
				for (unsigned covers = 2; covers <= pages - at; covers += 2)
					if ((start + at) % 16 == 0 &&
					    (covers <= 64 || covers % 64 == 0) &&
					    fewest[at + covers] + 1 < fewest[at])
						fewest[at] = fewest[at + covers] + 1;
			}
			t_eq(ml_tlb_arm64_start(&cursor, &space, &what), fewest[0]);
		}
}

/* Large leaves, in ranges longer than one op. */
TEST(large_leaves_by_range)
{
	static const struct ml_tlb_arm64 space = {
		.page_shift = 12, .tags = ML_TLB_ONE, .asid = 1, .has_range = true, .has_ttl = true
	};
	static const struct {
		unsigned level;
		uint64_t leaves;
		unsigned ops;
	} cases[] = { { 1, 1, 1 }, { 1, 5, 2 }, { 1, 512, 1 }, { 1, 513, 2 }, { 2, 1, 1 },
		      { 2, 8, 1 }, { 2, 9, 2 }, { 2, 17, 3 },  { 2, 16, 2 } };

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const unsigned shift = (unsigned)level_shift(&space, cases[i].level);
		const struct ml_invalidation what = { 0x4000000000, cases[i].leaves << shift,
						      (uint8_t)shift, (uint8_t)cases[i].level, 1 };
		const struct result r = run(&space, &what);

		T_CONTEXT("case", i);
		t_eq(r.count, cases[i].ops);
		t_eq(r.first, what.va);
		t_eq(r.last, what.va + what.length - 1);
		t_eq(r.pages, what.length >> 12);
	}
}

/* ---- operands written out ---------------------------------------------------------------- */

static struct ml_tlb_arm64_op first_op(const struct ml_tlb_arm64 *space,
				       const struct ml_invalidation *what)
{
	struct ml_tlb_arm64_cursor cursor;
	struct ml_tlb_arm64_op op = { 0, ML_TLBI_COUNT, false };

	ml_tlb_arm64_start(&cursor, space, what);
	t_ok(ml_tlb_arm64_next(&cursor, &op));
	return op;
}

TEST(operands_as_the_manual_has_them)
{
	static const struct ml_tlb_arm64 one = {
		.page_shift = 12, .tags = ML_TLB_ONE, .asid = 0x1234, .has_ttl = true
	};
	struct ml_tlb_arm64 space = one;
	/* One page of the kernel's: the bits above VA[55] do not reach the hint. */
	struct ml_invalidation what = { 0xffff800012345000, 4096, 12, 0, 1 };

	t_eq(first_op(&space, &what).tlbi, ML_TLBI_VALE1);
	t_eq(first_op(&space, &what).operand, 0x12347ff800012345);
	what.leaves_only = 0;
	t_eq(first_op(&space, &what).tlbi, ML_TLBI_VAE1);
	t_eq(first_op(&space, &what).operand, 0x12340ff800012345);
	/* Groups of 16 pages: level 3 or none; 16 pages are NUM 7 and SCALE 0. */
	what = (struct ml_invalidation){ 0x123450000, 0x10000, 12, 0, 1 };
	space.has_range = true;
	t_eq(first_op(&space, &what).tlbi, ML_TLBI_RVALE1);
	t_eq(first_op(&space, &what).operand, 0x123443e000123450);
	what.length = 0x20000; /* NUM 15 */
	t_eq(first_op(&space, &what).operand, 0x123447e000123450);
	what.length = 128 * 4096; /* NUM 1, SCALE 1 */
	t_eq(first_op(&space, &what).operand, 0x123450e000123450);
	space.tags = ML_TLB_ANY;
	t_eq(first_op(&space, &what).tlbi, ML_TLBI_RVAALE1);
	t_eq(first_op(&space, &what).operand, 0x000050e000123450);
	/* BaseADDR in units of 64K. */
	space.ds = true;
	t_eq(first_op(&space, &what).operand, 0x000050e000012345);
}

TEST(everything)
{
	static const struct ml_invalidation all = { .level = 0xff };
	static const uint8_t forms[] = {
		[ML_TLB_ANY] = ML_TLBI_VMALLE1,
		[ML_TLB_ONE] = ML_TLBI_ASIDE1,
		[ML_TLB_ONE_OR_GLOBAL] = ML_TLBI_VMALLE1,
		[ML_TLB_GLOBAL] = ML_TLBI_VMALLE1,
	};
	struct ml_tlb_arm64 space = { .page_shift = 12, .asid = 5, .has_range = true };

	for (space.tags = 0; space.tags < 4; space.tags++) {
		t_ok(run(&space, &all).all);
		t_eq(first_op(&space, &all).tlbi, forms[space.tags]);
	}
	space.tags = ML_TLB_ONE;
	t_eq(first_op(&space, &all).operand, (uint64_t)5 << 48);
	space.stage2 = true;
	t_eq(first_op(&space, &all).tlbi, ML_TLBI_VMALLS12E1);
}

/* What wraps is not believed. */
TEST(a_range_that_wraps_is_everything)
{
	static const struct ml_tlb_arm64 space = { .page_shift = 12 };
	static const struct ml_invalidation what = { -(uint64_t)4096, 8192, 12, 0, 1 };

	t_eq(first_op(&space, &what).tlbi, ML_TLBI_VMALLE1);
}

/* The last op of stage 2 counts: one more than any number there is would be none. */
TEST(no_more_ops_than_the_most)
{
	static const struct ml_tlb_arm64 space = {
		.page_shift = 16,
		.stage2 = true,
		.most = UINT32_MAX,
	};
	const struct ml_invalidation what = { 0, (uint64_t)UINT32_MAX << 16, 16, 0xff, 1 };
	struct ml_tlb_arm64_cursor cursor;

	t_eq(ml_tlb_arm64_start(&cursor, &space, &what), 1);
}

/* A hint that contradicts the stride is none; nor is there one for sizes that no hint has. */
TEST(no_hint_rather_than_a_wrong_one)
{
	static const struct ml_tlb_arm64 space = { .page_shift = 12, .has_ttl = true };

	for (unsigned level = 0; level < 256; level++)
		for (unsigned shift = 12; shift < 64; shift++) {
			const struct ml_invalidation what = { BIT(63), BIT(shift), (uint8_t)shift,
							      (uint8_t)level, 1 };
			const uint64_t hint = first_op(&space, &what).operand >> 44 & 0xf;
			const bool fits = level < 3 && (shift - 12) / 9 == level;

			t_eq(hint, fits ? 4u + 3 - level : 0);
		}
}

/* Of a group of 16 pages whoever gives its size as the stride: each may be cached by itself. */
TEST(a_group_goes_page_by_page)
{
	static const struct ml_tlb_arm64 space = { .page_shift = 12, .has_ttl = true };
	static const struct ml_invalidation what = { 0x40000, 0x10000, 16, 0, 1 };

	t_eq(run(&space, &what).count, 16);
}
