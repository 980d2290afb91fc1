/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Golden vectors of x86-64, written down from Intel SDM vol. 3A tables 4-15 to 4-20 and
 * 11-10 ... 11-12; software bits as in the format's description.
 */
#include "golden.h"

#define FORMAT (&ml_format_x86_64)

static const struct golden vectors[] = {
	/* one bit after the other; no execution is bit 63 */
	{ 0x8000000000001001, 0x1000, ML_READ, 0, false },
	{ 0x0000000000001001, 0x1000, ML_READ | ML_PEXEC, 0, false },
	{ 0x8000000000001003, 0x1000, ML_READ | ML_WRITE, 0, false },
	{ 0x8000000000001005, 0x1000, ML_READ | ML_USER, 0, false },
	{ 0x0000000000001005, 0x1000, ML_READ | ML_USER | ML_EXEC, 0, false },
	{ 0x8000000000001021, 0x1000, ML_READ | ML_ACCESSED, 0, false },
	{ 0x8000000000001043, 0x1000, ML_RW | ML_DIRTY, 0, false },
	{ 0x8000000000001101, 0x1000, ML_READ | ML_GLOBAL, 0, false },
	{ 0x8000000000001201, 0x1000, ML_READ | ML_SPECIAL, 0, false },
	{ 0x8000000000001401, 0x1000, ML_READ | ML_DEVICE_MARK, 0, false },
	/* dirty and read-only would be a shadow stack: bit 58 keeps it */
	{ 0x8400000000001001, 0x1000, ML_READ | ML_DIRTY, 0, false },
	/* software bits 57:52 */
	{ 0x8010000000001001, 0x1000, ML_READ | ML_SOFT(0), 0, false },
	{ 0x8020000000001001, 0x1000, ML_READ | ML_SOFT(1), 0, false },
	{ 0x8040000000001001, 0x1000, ML_READ | ML_SOFT(2), 0, false },
	{ 0x8080000000001001, 0x1000, ML_READ | ML_SOFT(3), 0, false },
	{ 0x8100000000001001, 0x1000, ML_READ | ML_SOFT(4), 0, false },
	{ 0x8200000000001001, 0x1000, ML_READ | ML_SOFT(5), 0, false },
	/* what is usual: user data, user code, kernel data, kernel code */
	{ 0x8000001234567067, 0x1234567000, ML_RW | ML_USER | ML_PROT_AD, 0, false },
	{ 0x0000001234567025, 0x1234567000, ML_READ | ML_USER | ML_EXEC | ML_ACCESSED, 0, false },
	{ 0x8000000001200163, 0x1200000, ML_RW | ML_PROT_AD | ML_GLOBAL, 0, false },
	{ 0x0000000001200121, 0x1200000, ML_READ | ML_PEXEC | ML_ACCESSED | ML_GLOBAL, 0, false },
	/* frames of 52 bits, at every level */
	{ 0x800ffffffffff001, 0xffffffffff000, ML_READ, 0, false },
	{ 0x800fffffffe00081, 0xfffffffe00000 | 0xf000000000000, ML_READ, 1, false },
	{ 0x800fffffc0000081, 0xfffffc0000000, ML_READ, 2, false },
	/* large leaves: bit 7 is the size */
	{ 0x80000000400000e3, 0x40000000, ML_RW | ML_PROT_AD, 1, false },
	{ 0x80000000400000e3, 0x40000000, ML_RW | ML_PROT_AD, 2, false },
	{ 0x00000000002001a5, 0x200000, ML_READ | ML_USER | ML_EXEC | ML_ACCESSED | ML_GLOBAL, 1,
	  false },
	/* memory types of the usual PAT: slot bits 3 and 4, and bit 7 of a page, */
	{ 0x8000000000001009, 0x1000, ML_READ | ML_NC, 0, false },
	{ 0x8000000000001011, 0x1000, ML_READ | ML_DEV, 0, false },
	{ 0x8000000000001019, 0x1000, ML_READ | ML_DEV_STRICT, 0, false },
	{ 0x8000000000001089, 0x1000, ML_READ | ML_WP, 0, false },
	{ 0x8000000000001099, 0x1000, ML_READ | ML_WT, 0, false },
	/* ... which is bit 12 of a large page */
	{ 0x8000000000200089, 0x200000, ML_READ | ML_NC, 1, false },
	{ 0x8000000000200091, 0x200000, ML_READ | ML_DEV, 1, false },
	{ 0x8000000000200099, 0x200000, ML_READ | ML_DEV_STRICT, 1, false },
	{ 0x8000000000201089, 0x200000, ML_READ | ML_WP, 1, false },
	{ 0x8000000000201099, 0x200000, ML_READ | ML_WT, 1, false },
	{ 0x8000000040001089, 0x40000000, ML_READ | ML_WP, 2, false },
	{ 0x8000000040001099, 0x40000000, ML_READ | ML_WT, 2, false },
	/* a frame whose bit 12 is set is no PAT bit of a page */
	{ 0x8000000000003089, 0x3000, ML_READ | ML_WP, 0, false },
	{ 0x8000000000003009, 0x3000, ML_READ | ML_NC, 0, false },
	/* a device's registers for the kernel and for a user's driver */
	{ 0x80000000fee0017b, 0xfee00000, ML_RW | ML_PROT_AD | ML_GLOBAL | ML_DEV_STRICT, 0,
	  false },
	{ 0x80000380000002f7, 0x38000000000, ML_RW | ML_USER | ML_PROT_AD | ML_SPECIAL | ML_DEV, 1,
	  false },
};

TEST(vectors)
{
	golden_check_all(FORMAT, 0, vectors, GOLDEN_COUNT(vectors));
}

/* WC in one slot, WB in the others: entries of WC select that slot, at every level. */
TEST(all_eight_pat_slots)
{
	static const ml_pte small[] = { 0, 0x8, 0x10, 0x18, 0x80, 0x88, 0x90, 0x98 };
	static const ml_pte large[] = { 0, 0x8, 0x10, 0x18, 0x1000, 0x1008, 0x1010, 0x1018 };

	for (unsigned slot = 0; slot < 8; slot++) {
		const uint64_t pat = 0x0606060606060606 ^ (uint64_t)7 << (8 * slot);
		const struct golden cases[] = {
			{ 0x8000000040000001 | small[slot], 0x40000000, ML_READ | ML_NC, 0, false },
			{ 0x8000000040000081 | large[slot], 0x40000000, ML_READ | ML_NC, 1, false },
			{ 0x8000000040000081 | large[slot], 0x40000000, ML_READ | ML_NC, 2, false },
		};

		golden_check_all(FORMAT, pat, cases, GOLDEN_COUNT(cases));
	}
}

/* Slots 4 and 6 of the usual PAT repeat 0 and 2: they decode alike, and are kept as residue. */
TEST(repeated_slots)
{
	struct ml_entry entry;

	t_eq(golden_decode(FORMAT, 0x8000000000001081, 0, &entry), ML_KIND_LEAF);
	t_eq(entry.prot, ML_READ | ML_WB);
	t_eq(golden_decode(FORMAT, 0x8000000000001091, 0, &entry), ML_KIND_LEAF);
	t_eq(entry.prot, ML_READ | ML_DEV);
	t_eq(golden_decode(FORMAT, 0x8000000000201081, 1, &entry), ML_KIND_LEAF);
	t_eq(entry.prot, ML_READ | ML_WB);
	t_eq(entry.pa, 0x200000);
}

/* The layout taken when none is given: WB WC UC- UC WB WP UC- WT. */
TEST(default_pat)
{
	t_eq(FORMAT->types_default, 0x0407050600070106);
}

/* A reserved encoding in the PAT is a type without a number. */
TEST(reserved_pat_encoding)
{
	struct ml_types types;
	struct ml_entry entry;
	ml_pte pte;

	ml_types_init(&types, FORMAT, 0x0108070605030206); /* 8 of slot 6 is reserved as well */
	t_eq(types.type_of_slot >> 24 & 0xf, ML_TYPE_COUNT);
	ml_types_init(&types, FORMAT, 0x0407050600020106); /* slot 2 holds 2 */
	t_eq(ml_format_decode(FORMAT, &types, 0x8000000000001011, 0, &entry), ML_OK);
	t_eq(ML_TYPE_OF(entry.prot), ML_TYPE_COUNT);
	t_eq(ml_format_encode(FORMAT, &types, 0, ML_READ | ML_TYPE(ML_TYPE_COUNT), 0, false, &pte),
	     ML_ERR_PROT);
	t_ok(!ml_format_expressible(FORMAT, &types, ML_READ | ML_TAGGED));
	t_ok(ml_format_expressible(FORMAT, &types, ML_READ | ML_DEV)); /* slot 6 */
}

TEST(table_entries)
{
	golden_tables(FORMAT, 0x0000123456789027, 0x123456789000);
	golden_tables(FORMAT, 0x000ffffffffff027, 0xffffffffff000);
}

/* All bits: what is not named is residue, or PS at the upper levels. */
TEST(table_entries_with_every_bit)
{
	struct ml_entry entry;

	t_eq(golden_decode(FORMAT, 0xffffffffffffff7f, 1, &entry), ML_KIND_TABLE);
	t_eq(entry.pa, 0xffffffffff000);
	t_eq(entry.residue, 0xfff0000000000f58);
	t_eq(entry.reserved, 0);
	t_eq(golden_decode(FORMAT, 0xffffffffffffffff, 3, &entry), ML_KIND_TABLE);
	t_eq(entry.residue, 0xfff0000000000f58);
	t_eq(entry.reserved, 0x80);
}

TEST(entries_that_are_not_present)
{
	for (unsigned level = 0; level <= 4; level++) {
		struct ml_entry entry;

		t_eq(golden_decode(FORMAT, 0, level, &entry), ML_KIND_EMPTY);
		t_eq(golden_decode(FORMAT, 0x80, level, &entry), ML_KIND_INVALID);
		t_eq(entry.reserved, 0);
		t_eq(golden_decode(FORMAT, 0xfffffffffffffffe, level, &entry), ML_KIND_INVALID);
		t_eq(entry.reserved, 0);
	}
}

/* PS at the two top levels, and the frame bits a large leaf has no use for. */
TEST(reserved_bits)
{
	struct ml_entry entry;

	for (unsigned level = 3; level <= 4; level++) {
		t_eq(golden_decode(FORMAT, 0x00000000400000a7, level, &entry), ML_KIND_TABLE);
		t_eq(entry.reserved, 0x80);
	}
	t_eq(golden_decode(FORMAT, 0x80000000401fe0a1, 1, &entry), ML_KIND_LEAF);
	t_eq(entry.reserved, 0x1fe000);
	t_eq(entry.pa, 0x40000000);
	t_eq(golden_decode(FORMAT, 0x800000007fffe0a1, 2, &entry), ML_KIND_LEAF);
	t_eq(entry.reserved, 0x3fffe000);
	t_eq(entry.pa, 0x40000000);
	t_eq(golden_decode(FORMAT, 0x80000000401ff021, 0, &entry), ML_KIND_LEAF);
	t_eq(entry.reserved, 0);
}

/* Bit 11 and the protection key are not the library's. */
TEST(residue)
{
	struct ml_entry entry;

	for (unsigned level = 0; level <= 2; level++) {
		t_eq(golden_decode(FORMAT, 0xf8000000400008a1 ^ (level ? 0 : 0x80), level, &entry),
		     ML_KIND_LEAF);
		t_eq(entry.residue, 0x7800000000000800);
		t_eq(entry.prot, ML_READ | ML_ACCESSED);
	}
}

TEST(levels_without_leaves)
{
	struct ml_types types;
	struct ml_entry entry;
	ml_pte pte = 1;

	ml_types_init(&types, FORMAT, 0);
	for (unsigned level = 0; level < 8; level++) {
		T_CONTEXT("level", level);
		t_eq(ml_format_encode(FORMAT, &types, 0, ML_READ, level, true, &pte), ML_ERR_SIZE);
		if (level > 2)
			t_eq(ml_format_encode(FORMAT, &types, 0, ML_READ, level, false, &pte),
			     ML_ERR_SIZE);
		t_eq(ml_format_decode(FORMAT, &types, 0, level, &entry),
		     level < 5 ? ML_OK : ML_ERR_SIZE);
	}
	t_eq(pte, 1);
}

TEST(frames_that_do_not_fit)
{
	golden_frames(FORMAT, 2, 9, 52);
}
