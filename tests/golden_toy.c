/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Golden vectors of the toy, from its description in ports/hosted/model_toy.c. */
#include "golden.h"

#define FORMAT (&ml_format_toy)

static const struct golden vectors[] = {
	{ 0x01003, 0x1000, ML_READ, 0, false },
	{ 0x0100b, 0x1000, ML_RW, 0, false },
	{ 0x01013, 0x1000, ML_READ | ML_USER, 0, false },
	{ 0x01023, 0x1000, ML_READ | ML_ACCESSED, 0, false },
	{ 0x01043, 0x1000, ML_READ | ML_DIRTY, 0, false },
	{ 0x01083, 0x1000, ML_READ | ML_PEXEC, 0, false },
	{ 0x01093, 0x1000, ML_READ | ML_USER | ML_EXEC, 0, false },
	{ 0x01103, 0x1000, ML_READ | ML_NC, 0, false },
	{ 0x01203, 0x1000, ML_READ | ML_DEV, 0, false },
	{ 0x01403, 0x1000, ML_READ | ML_SPECIAL, 0, false },
	{ 0x01803, 0x1000, ML_READ | ML_SOFT(0), 0, false },
	{ 0x01007, 0x1000, ML_READ, 0, true },
	{ 0xff003, 0xff000, ML_READ, 0, false },
	{ 0x04003, 0x4000, ML_READ, 1, false },
	{ 0x04007, 0x4000, ML_READ, 1, true },
	{ 0xfcefb, 0xfc000,
	  ML_RW | ML_USER | ML_EXEC | ML_PROT_AD | ML_DEV | ML_SPECIAL | ML_SOFT(0), 1, false },
};

TEST(vectors)
{
	golden_check_all(FORMAT, 0, vectors, GOLDEN_COUNT(vectors));
}

TEST(table_entries)
{
	struct ml_entry entry;

	t_eq(golden_decode(FORMAT, 0x12341, 1, &entry), ML_KIND_TABLE);
	t_eq(entry.pa, 0x12340);
	t_eq(entry.reserved, 0);
	t_eq(entry.residue, 0);
	t_eq(golden_decode(FORMAT, 0xfffe1, 1, &entry), ML_KIND_TABLE);
	t_eq(entry.pa, 0xfffe0);
}

TEST(entries_that_are_not_valid)
{
	struct ml_entry entry;

	for (unsigned level = 0; level < 2; level++) {
		t_eq(golden_decode(FORMAT, 0, level, &entry), ML_KIND_EMPTY);
		t_eq(golden_decode(FORMAT, 0xfffffffffffffffe, level, &entry), ML_KIND_INVALID);
	}
	t_eq(golden_decode(FORMAT, 0x1001, 0, &entry), ML_KIND_INVALID);
	t_eq(entry.reserved, 1);
}

TEST(reserved_bits_and_residue)
{
	struct ml_entry entry;

	t_eq(golden_decode(FORMAT, 0xfffffffffff03003, 0, &entry), ML_KIND_LEAF);
	t_eq(entry.reserved, 0x7ffffffffff00000);
	t_eq(entry.residue, 0x8000000000000000);
	t_eq(entry.pa, 0x3000);
	t_eq(golden_decode(FORMAT, 0x7003, 1, &entry), ML_KIND_LEAF);
	t_eq(entry.reserved, 0x2000); /* bit 12 announces */
	t_eq(entry.pa, 0x4000);
	t_eq(golden_decode(FORMAT, 0xfffffffffffffffd, 1, &entry), ML_KIND_TABLE);
	t_eq(entry.reserved, 0x7ffffffffff0001c);
	t_eq(entry.residue, 0x8000000000000000);
	t_eq(entry.pa, 0xfffe0);
}

TEST(reserved_type)
{
	struct ml_types types;
	struct ml_entry entry;

	ml_types_init(&types, FORMAT, 0);
	for (unsigned slot = 3; slot < 8; slot++)
		t_eq(types.type_of_slot >> (4 * slot) & 0xf, ML_TYPE_COUNT);
	t_eq(golden_decode(FORMAT, 0x1303, 0, &entry), ML_KIND_LEAF);
	t_eq(ML_TYPE_OF(entry.prot), ML_TYPE_COUNT);
}

TEST(frames_that_do_not_fit)
{
	golden_frames(FORMAT, 1, 2, 20);
}

TEST(levels_without_leaves)
{
	struct ml_types types;
	ml_pte pte = 1;

	ml_types_init(&types, FORMAT, 0);
	t_eq(ml_format_encode(FORMAT, &types, 0, ML_READ, 2, false, &pte), ML_ERR_SIZE);
	t_eq(pte, 1);
}
