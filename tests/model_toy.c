/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The model MMU as the toy, on tables written by hand. */
#include "model_ram.h"

#define BIT(number) ((uint64_t)1 << (number))
#define VALID BIT(0)
#define LEAF 3
#define GROUP BIT(2)

#define VA 0x6123 /* index 1 of the root, 2 of the table */

TEST(leaves_of_both_sizes)
{
	struct ml_model_result result;
	struct ml_model model = ram_model(ML_MODEL_TOY, 2, 0);

	ram[0][1] = 0x84000 | LEAF;
	t_eq(ml_model_walk(&model, VA, ML_MODEL_READ, false, &result), ML_MODEL_OK);
	t_eq(result.pa, 0x86123);
	t_eq(result.leaf_bytes, 0x4000);
	ram[0][1] = RAM_TABLE(1) | VALID;
	t_eq(ram_fault(&model, VA), ML_MODEL_NOT_MAPPED);
	ram[1][2] = 0x9f000 | LEAF;
	t_eq(ml_model_walk(&model, VA, ML_MODEL_READ, false, &result), ML_MODEL_OK);
	t_eq(result.pa, 0x9f123);
	t_eq(result.leaf_bytes, 0x1000);
	t_eq(ram_fault(&model, 0x10000), ML_MODEL_CANONICAL);
	t_eq(ram_fault(&model, UINT64_MAX), ML_MODEL_CANONICAL);
}

/* Tables are 32 bytes: four fit where others have one entry's alignment. */
TEST(tables_are_32_bytes)
{
	struct ml_model model = ram_model(ML_MODEL_TOY, 2, 0);

	ram[0][1] = (RAM_TABLE(1) + 0x20) | VALID;
	ram[1][4 + 2] = 0x9f000 | LEAF;
	t_eq(ram_fault(&model, VA), ML_MODEL_OK);
}

TEST(reserved_bits)
{
	for (unsigned bit = 3; bit < 64; bit++) {
		struct ml_model model = ram_model(ML_MODEL_TOY, 2, 0);
		bool high = bit >= 20 && bit < 63;

		T_CONTEXT("bit", bit);
		ram[0][1] = LEAF | BIT(bit);
		t_eq(ram_fault(&model, VA),
		     high || bit == 13 ? ML_MODEL_RESERVED : ML_MODEL_OK); /* 12: nT of a block */
		ram[0][1] = RAM_TABLE(1) | VALID;
		ram[1][2] = LEAF | BIT(bit);
		t_eq(ram_fault(&model, VA), high ? ML_MODEL_RESERVED : ML_MODEL_OK);
		ram[0][1] ^= BIT(bit);
		ram[1][2] = LEAF;
		if (bit < 5 || bit >= 20)
			t_eq(ram_fault(&model, VA), bit == 63 ? ML_MODEL_OK : ML_MODEL_RESERVED);
	}
}

TEST(last_level_holds_no_tables)
{
	struct ml_model model = ram_model(ML_MODEL_TOY, 2, 0);

	ram[0][1] = RAM_TABLE(1) | VALID;
	ram[1][2] = RAM_TABLE(2) | VALID;
	t_eq(ram_fault(&model, VA), ML_MODEL_RESERVED);
}

TEST(permissions_and_types)
{
	static const ml_prot types[] = { ML_WB, ML_NC, ML_DEV, ML_TYPE(ML_TYPE_COUNT) };

	for (unsigned bits = 0; bits < 128; bits++) {
		struct ml_model model = ram_model(ML_MODEL_TOY, 2, 0);
		struct ml_model_result result;
		bool write = bits & 1, user = bits & 2, execute = bits & 16;

		T_CONTEXT("bits", bits);
		ram[0][1] = LEAF | bits << 3;
		t_eq(ram_rights(&model, VA),
		     ram_rights_of(user, write, user && write, execute && !user, execute && user));
		t_eq(ml_model_walk(&model, VA, ML_MODEL_READ, false, &result), ML_MODEL_OK);
		t_eq(result.prot & ML_TYPE_MASK, types[bits >> 5]);
		t_eq(result.sets_accessed, !(bits & 4));
		t_ok(!result.sets_dirty);
		ml_model_walk(&model, VA, ML_MODEL_WRITE, false, &result);
		t_eq(result.sets_dirty, write && !(bits & 8));
	}
}

/* Every bit of the other member flipped alone, at both levels. */
TEST(groups_of_two)
{
	const uint64_t free_bits = BIT(5) | BIT(6) | BIT(10) | BIT(11);

	for (unsigned level = 0; level < 2; level++)
		for (unsigned bit = 0; bit <= 64; bit++) {
			struct ml_model model = ram_model(ML_MODEL_TOY, 2, 0);
			struct ml_model_result result;
			uint64_t *entries = level ? &ram[0][0] : &ram[1][2];
			enum ml_model_fault want = ML_MODEL_OK;

			T_CONTEXT("bit", bit);
			ram[0][1] = RAM_TABLE(1) | VALID;
			entries[0] = 0x80000 | LEAF | GROUP;
			entries[1] = (0x80000 + BIT(12 + 2 * level)) | LEAF | GROUP;
			if (bit < 64) {
				entries[!level] ^= BIT(bit);
				want = free_bits & BIT(bit) ? ML_MODEL_OK : ML_MODEL_GROUP;
			}
			t_eq(ml_model_walk(&model, VA, ML_MODEL_READ, false, &result), want);
			if (!want)
				t_eq(result.page_bytes, BIT(13 + 2 * level));
		}
}
