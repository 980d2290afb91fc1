/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Golden vectors of arm64 stage 1 with 4 KiB granules and 48-bit addresses, written down
 * from Arm ARM D8.3 (descriptors), D8.4 (AP, XN), D8.5 (AF, DBM), D8.7 (Contiguous).
 */
#include "golden.h"

#define FORMAT (&ml_format_arm64_4k)

static const struct golden vectors[] = {
	/* one bit after the other: AP[2]=1, SH=3, nG, PXN and UXN are what nothing allows means */
	{ 0x0060000000001b83, 0x1000, ML_READ, 0, false },
	{ 0x0060000000001bc3, 0x1000, ML_READ | ML_USER, 0, false },
	{ 0x0068000000001b83, 0x1000, ML_RW, 0, false },
	{ 0x0068000000001b03, 0x1000, ML_RW | ML_DIRTY, 0, false },
	{ 0x0020000000001b83, 0x1000, ML_READ | ML_EXEC, 0, false },
	{ 0x0040000000001b83, 0x1000, ML_READ | ML_PEXEC, 0, false },
	{ 0x0000000000001b83, 0x1000, ML_READ | ML_EXEC | ML_PEXEC, 0, false },
	{ 0x0060000000001f83, 0x1000, ML_READ | ML_ACCESSED, 0, false },
	{ 0x0060000000001383, 0x1000, ML_READ | ML_GLOBAL, 0, false },
	/* a read-only page that was written: bit 55 */
	{ 0x00e0000000001b83, 0x1000, ML_READ | ML_DIRTY, 0, false },
	/* marks and software's bits: 56, 57, 58, 63 */
	{ 0x0160000000001b83, 0x1000, ML_READ | ML_SPECIAL, 0, false },
	{ 0x0260000000001b83, 0x1000, ML_READ | ML_DEVICE_MARK, 0, false },
	{ 0x0460000000001b83, 0x1000, ML_READ | ML_SOFT(0), 0, false },
	{ 0x8060000000001b83, 0x1000, ML_READ | ML_SOFT(1), 0, false },
	/* what is usual: user data, user code, kernel data, kernel code */
	{ 0x0068001234567f43, 0x1234567000, ML_RW | ML_USER | ML_PROT_AD, 0, false },
	{ 0x0020001234567fc3, 0x1234567000, ML_READ | ML_USER | ML_EXEC | ML_ACCESSED, 0, false },
	{ 0x0068000040001703, 0x40001000, ML_RW | ML_PROT_AD | ML_GLOBAL, 0, false },
	{ 0x0040000040001783, 0x40001000, ML_READ | ML_PEXEC | ML_ACCESSED | ML_GLOBAL, 0, false },
	/* writable by users, executed by them; execute-only for users */
	{ 0x0028000040001f43, 0x40001000, ML_RW | ML_USER | ML_EXEC | ML_PROT_AD, 0, false },
	{ 0x0020000040001f83, 0x40001000, ML_READ | ML_EXEC | ML_ACCESSED, 0, false },
	/* blocks: bit 1 is clear */
	{ 0x0068000040200701, 0x40200000, ML_RW | ML_PROT_AD | ML_GLOBAL, 1, false },
	{ 0x0068000040000701, 0x40000000, ML_RW | ML_PROT_AD | ML_GLOBAL, 2, false },
	/* members of contiguous groups: bit 52 */
	{ 0x0078000040001703, 0x40001000, ML_RW | ML_PROT_AD | ML_GLOBAL, 0, true },
	{ 0x0078000040200701, 0x40200000, ML_RW | ML_PROT_AD | ML_GLOBAL, 1, true },
	{ 0x0078000040000701, 0x40000000, ML_RW | ML_PROT_AD | ML_GLOBAL, 2, true },
	/* frames of 48 bits */
	{ 0x0060fffffffffb83, 0xfffffffff000, ML_READ, 0, false },
	{ 0x0060ffffffe00b81, 0xffffffe00000, ML_READ, 1, false },
	{ 0x0060ffffc0000b81, 0xffffc0000000, ML_READ, 2, false },
	/* memory types of the usual MAIR: AttrIndx in bits 4:2 */
	{ 0x0060000000001b87, 0x1000, ML_READ | ML_TAGGED, 0, false },
	{ 0x0060000000001b8b, 0x1000, ML_READ | ML_NC, 0, false },
	{ 0x0060000000001b8f, 0x1000, ML_READ | ML_DEV_STRICT, 0, false },
	{ 0x0060000000001b93, 0x1000, ML_READ | ML_DEV, 0, false },
	{ 0x0060000000001b97, 0x1000, ML_READ | ML_WT, 0, false },
	{ 0x0060000000200b8d, 0x200000, ML_READ | ML_DEV_STRICT, 1, false },
	/* a device's registers for the kernel and for a user's driver */
	{ 0x0068000009000713, 0x9000000, ML_RW | ML_PROT_AD | ML_GLOBAL | ML_DEV, 0, false },
	{ 0x0168008000000f4d, 0x8000000000,
	  ML_RW | ML_USER | ML_PROT_AD | ML_SPECIAL | ML_DEV_STRICT, 1, false },
};

TEST(vectors)
{
	golden_check_all(FORMAT, 0, vectors, GOLDEN_COUNT(vectors));
}

/* Normal-NC in one slot, write-back in the others. */
TEST(all_eight_mair_slots)
{
	for (unsigned slot = 0; slot < 8; slot++) {
		const uint64_t mair = ~((uint64_t)0xbb << (8 * slot));
		const struct golden cases[] = {
			{ 0x0060000040000b83 | slot << 2, 0x40000000, ML_READ | ML_NC, 0, false },
			{ 0x0060000040000b81 | slot << 2, 0x40000000, ML_READ | ML_NC, 1, false },
			{ 0x0060000040000b81 | slot << 2, 0x40000000, ML_READ | ML_NC, 2, false },
		};

		golden_check_all(FORMAT, mair, cases, GOLDEN_COUNT(cases));
	}
}

/* The layout taken when none is given. */
TEST(default_mair)
{
	t_eq(FORMAT->types_default, 0x0000bb040044f0ff);
}

/* Attributes that are none of the library's types. */
TEST(other_mair_attributes)
{
	struct ml_types types;
	struct ml_entry entry;

	ml_types_init(&types, FORMAT, 0x0000bb040c44f0ff); /* slot 3: Device-GRE */
	t_eq(ml_format_decode(FORMAT, &types, 0x0060000000001b8f, 0, &entry), ML_OK);
	t_eq(ML_TYPE_OF(entry.prot), ML_TYPE_COUNT);
	t_ok(!ml_format_expressible(FORMAT, &types, ML_READ | ML_WP));
}

/* Entries other code makes: no DBM, writable means AP[2]=0, and that is dirty as well (A4). */
TEST(writable_without_dbm)
{
	struct ml_entry entry;

	t_eq(golden_decode(FORMAT, 0x0060000040001703, 0, &entry), ML_KIND_LEAF);
	t_eq(entry.prot, ML_RW | ML_PROT_AD | ML_GLOBAL);
}

/* PXN clear on a page that users may write allows nothing (D8.4). */
TEST(user_writable_is_never_executed_by_the_kernel)
{
	struct ml_types types;
	struct ml_entry entry;

	ml_types_init(&types, FORMAT, 0);
	t_eq(golden_decode(FORMAT, 0x0048001234567f43, 0, &entry), ML_KIND_LEAF);
	t_eq(entry.prot, ML_RW | ML_USER | ML_PROT_AD);
	t_ok(!ml_format_expressible(FORMAT, &types, ML_RW | ML_USER | ML_PEXEC));
	t_ok(ml_format_expressible(FORMAT, &types, ML_READ | ML_USER | ML_PEXEC));
	t_ok(ml_format_expressible(FORMAT, &types, ML_RW | ML_PEXEC));
}

TEST(table_entries)
{
	golden_tables(FORMAT, 0x0000123456789003, 0x123456789000);
	golden_tables(FORMAT, 0x0000fffffffff003, 0xfffffffff000);
}

/* All bits: hierarchical limits and what hardware ignores are residue. */
TEST(table_entries_with_every_bit)
{
	struct ml_entry entry;

	t_eq(golden_decode(FORMAT, 0xffffffffffffffff, 1, &entry), ML_KIND_TABLE);
	t_eq(entry.pa, 0xfffffffff000);
	t_eq(entry.residue, 0xfff8000000000ffc);
	t_eq(entry.reserved, 0x0007000000000000);
}

/* Bit 0 clear; or 0b01 where there are no blocks: the last level, and the first of four. */
TEST(entries_that_are_not_valid)
{
	for (unsigned level = 0; level <= 3; level++) {
		struct ml_entry entry;

		T_CONTEXT("level", level);
		t_eq(golden_decode(FORMAT, 0, level, &entry), ML_KIND_EMPTY);
		t_eq(golden_decode(FORMAT, 0x800, level, &entry), ML_KIND_INVALID);
		t_eq(entry.reserved, 0);
		t_eq(golden_decode(FORMAT, 0xfffffffffffffffe, level, &entry), ML_KIND_INVALID);
		t_eq(entry.reserved, 0);
		t_eq(golden_decode(FORMAT, 0x0060000040000f81, level, &entry),
		     level == 0 || level == 3 ? ML_KIND_INVALID : ML_KIND_LEAF);
		t_eq(entry.reserved, level == 0 || level == 3);
	}
}

TEST(reserved_bits)
{
	struct ml_entry entry;

	t_eq(golden_decode(FORMAT, 0x0063000040001f83, 0, &entry), ML_KIND_LEAF);
	t_eq(entry.reserved, 0x0003000000000000);
	t_eq(entry.pa, 0x40001000);
	t_eq(golden_decode(FORMAT, 0x00630000401eff81, 1, &entry), ML_KIND_LEAF);
	t_eq(entry.reserved, 0x00030000001ef000);
	t_eq(entry.pa, 0x40000000);
	t_eq(golden_decode(FORMAT, 0x006300007ffeff81, 2, &entry), ML_KIND_LEAF);
	t_eq(entry.reserved, 0x000300003ffef000);
	t_eq(entry.pa, 0x40000000);
	t_eq(golden_decode(FORMAT, 0x0007000040000003, 1, &entry), ML_KIND_TABLE);
	t_eq(entry.reserved, 0x0007000000000000); /* RES0: 50:48 */
}

/* NS, nT in blocks, GP, and 62:59 are not the library's. */
TEST(residue)
{
	struct ml_entry entry;

	t_eq(golden_decode(FORMAT, 0x7864000040001fa3, 0, &entry), ML_KIND_LEAF);
	t_eq(entry.residue, 0x7804000000000020);
	t_eq(entry.pa, 0x40001000);
	for (unsigned level = 1; level <= 2; level++) {
		t_eq(golden_decode(FORMAT, 0x7864000040010fa1, level, &entry), ML_KIND_LEAF);
		t_eq(entry.residue, 0x7804000000010020);
		t_eq(entry.pa, 0x40000000);
		t_eq(entry.prot, ML_READ | ML_ACCESSED);
	}
}

TEST(levels_without_leaves)
{
	struct ml_types types;
	ml_pte pte = 1;

	ml_types_init(&types, FORMAT, 0);
	for (unsigned level = 3; level < 8; level++) {
		t_eq(ml_format_encode(FORMAT, &types, 0, ML_READ, level, false, &pte), ML_ERR_SIZE);
		t_eq(ml_format_encode(FORMAT, &types, 0, ML_READ, level, true, &pte), ML_ERR_SIZE);
	}
	t_eq(pte, 1);
}

TEST(frames_that_do_not_fit)
{
	golden_frames(FORMAT, 2, 9, 48);
}
