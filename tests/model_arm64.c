/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The model MMU as arm64 with 4 KiB granules, on tables written by hand. */
#include "model_ram.h"

#define BIT(number) ((uint64_t)1 << (number))
#define TABLE 3
#define PAGE 3
#define BLOCK 1
#define AP1 BIT(6)
#define AP2 BIT(7)
#define SH_INNER (3 * BIT(8))
#define AF BIT(10)
#define NG BIT(11)
#define DBM BIT(51)
#define CONT BIT(52)
#define PXN BIT(53)
#define UXN BIT(54)

/* Index 1 of the first table, 2 of the second, 0x30 + 3 of the third and of the last. */
#define VA (BIT(39) | 2 * BIT(30) | 0x33 * BIT(21) | 0x33 * BIT(12) | 0x567)

/* Tables down to the one of `level`; returns that table. */
static uint64_t *build(struct ml_model *model, unsigned level)
{
	*model = ram_model(ML_MODEL_ARM64_4K, 4, ML_MODEL_MAIR);
	for (unsigned at = 3; at > level; at--)
		ram[3 - at][VA >> (12 + 9 * at) & 511] = RAM_TABLE(4 - at) | TABLE;
	return ram[3 - level];
}

static unsigned index_of(unsigned level)
{
	return VA >> (12 + 9 * level) & 511;
}

static uint64_t leaf_type(unsigned level)
{
	return level ? BLOCK : PAGE;
}

TEST(leaves_of_every_size)
{
	static const uint64_t frames[] = { 0x123456789000, 0x123456600000, 0xabcd40000000 };

	for (unsigned level = 0; level <= 2; level++) {
		struct ml_model_result result;
		struct ml_model model;
		uint64_t *table = build(&model, level);
		uint64_t bytes = BIT(12 + 9 * level);

		T_CONTEXT("level", level);
		table[index_of(level)] =
			frames[level] | leaf_type(level) | SH_INNER | AF | AP2 | NG;
		t_eq(ml_model_walk(&model, VA, ML_MODEL_READ, false, &result), ML_MODEL_OK);
		t_eq(result.pa, frames[level] + (VA & (bytes - 1)));
		t_eq(result.level, level);
		t_eq(result.leaf_bytes, bytes);
		t_eq(result.page_bytes, bytes);
		t_eq(result.prot, ML_READ | ML_ACCESSED | ML_PEXEC | ML_EXEC);
		t_eq(ram_fault(&model, VA ^ bytes), ML_MODEL_NOT_MAPPED);
	}
}

TEST(two_halves_and_three_widths)
{
	for (unsigned levels = 2; levels <= 4; levels++) {
		struct ml_model model = ram_model(ML_MODEL_ARM64_4K, levels, ML_MODEL_MAIR);
		uint64_t space = BIT(12 + 9 * levels);

		T_CONTEXT("levels", levels);
		t_eq(ram_fault(&model, 0), ML_MODEL_NOT_MAPPED);
		t_eq(ram_fault(&model, space - 1), ML_MODEL_NOT_MAPPED);
		t_eq(ram_fault(&model, space), ML_MODEL_CANONICAL);
		t_eq(ram_fault(&model, UINT64_MAX), ML_MODEL_CANONICAL);
		model.high = true;
		t_eq(ram_fault(&model, 0), ML_MODEL_CANONICAL);
		t_eq(ram_fault(&model, 0 - space - 1), ML_MODEL_CANONICAL);
		t_eq(ram_fault(&model, 0 - space), ML_MODEL_NOT_MAPPED);
		t_eq(ram_fault(&model, UINT64_MAX), ML_MODEL_NOT_MAPPED);
	}
}

TEST(upper_half_starts_at_index_0)
{
	struct ml_model model = ram_model(ML_MODEL_ARM64_4K, 3, ML_MODEL_MAIR);

	model.high = true;
	ram[0][0] = 0x40000000 | BLOCK | AF;
	ram[0][511] = 0x80000000 | BLOCK | AF;
	t_eq(ram_fault(&model, 0xffffff8000000000), ML_MODEL_OK);
	t_eq(ram_fault(&model, UINT64_MAX), ML_MODEL_OK);
	t_eq(ram_fault(&model, 0xffffff8040000000), ML_MODEL_NOT_MAPPED);
}

TEST(descriptor_types_by_level)
{
	struct ml_model model;

	build(&model, 0)[index_of(0)] = BLOCK | AF;
	t_eq(ram_fault(&model, VA), ML_MODEL_RESERVED);
	build(&model, 3)[index_of(3)] = BLOCK | AF;
	t_eq(ram_fault(&model, VA), ML_MODEL_RESERVED);
	for (unsigned level = 0; level <= 3; level++) {
		build(&model, level)[index_of(level)] = ~(uint64_t)1;
		t_eq(ram_fault(&model, VA), ML_MODEL_NOT_MAPPED);
	}
}

/* Every bit alone, in a leaf of each level: RES0 ones fault, and only those. */
TEST(reserved_bits_of_leaves)
{
	static const uint64_t reserved[] = { 0, 0x1ef000, 0x3ffef000 };

	for (unsigned level = 0; level <= 2; level++)
		for (unsigned bit = 2; bit < 64; bit++) {
			struct ml_model model;
			uint64_t *table = build(&model, level);
			bool bad = (reserved[level] | BIT(48) | BIT(49)) & BIT(bit);

			if (BIT(bit) == CONT)
				continue;
			T_CONTEXT("bit", bit);
			table[index_of(level)] = leaf_type(level) | AF | BIT(bit);
			t_eq(ram_fault(&model, VA), bad ? ML_MODEL_RESERVED : ML_MODEL_OK);
		}
}

TEST(reserved_bits_of_tables)
{
	for (unsigned bit = 2; bit < 64; bit++) {
		struct ml_model model;
		uint64_t *table = build(&model, 2);
		bool address = bit >= 12 && bit < 48;

		T_CONTEXT("bit", bit);
		table[index_of(2)] = RAM_TABLE(5) | TABLE;
		table[index_of(2)] |= BIT(bit);
		if (!address || bit > 20)
			t_eq(ram_fault(&model, VA), bit >= 48 && bit <= 50 ? ML_MODEL_RESERVED
						    : address              ? ML_MODEL_BUS
									   : ML_MODEL_NOT_MAPPED);
	}
}

TEST(physical_width)
{
	struct ml_model model;
	uint64_t *table = build(&model, 0);

	table[index_of(0)] = BIT(47) | PAGE | AF;
	t_eq(ram_fault(&model, VA), ML_MODEL_OK);
	model.pa_bits = 40;
	t_eq(ram_fault(&model, VA), ML_MODEL_ADDRESS_SIZE);
	table[index_of(0)] = BIT(39) | PAGE | AF;
	t_eq(ram_fault(&model, VA), ML_MODEL_OK);
	ram[1][2] |= BIT(40);
	t_eq(ram_fault(&model, VA), ML_MODEL_ADDRESS_SIZE);
}

/* Every combination of the leaf's and the tables' permission bits, with DBM managed or not. */
TEST(permissions_down_the_walk)
{
	for (unsigned bits = 0; bits < 1024; bits++) {
		struct ml_model model;
		uint64_t *leaf = &build(&model, 1)[index_of(1)];
		bool write, user, pexec;

		T_CONTEXT("bits", bits);
		*leaf = BLOCK | AF | (bits & 1 ? AP1 : 0) | (bits & 2 ? AP2 : 0) |
			(bits & 4 ? PXN : 0) | (bits & 8 ? UXN : 0) | (bits & 16 ? DBM : 0);
		ram[1][2] |= (uint64_t)(bits >> 5 & 15) << 59; /* PXN, UXN, no user, read only */
		model.hardware_accessed = true;
		model.hardware_dirty = bits & 512;
		write = (!(bits & 2) || (bits & 16 && bits & 512)) && !(bits & 256);
		user = bits & 1 && !(bits & 128);
		pexec = !(bits & 4) && !(bits & 32) && !(write && user);
		t_eq(ram_rights(&model, VA),
		     ram_rights_of(user, write, user && write, pexec, !(bits & (8 | 64))));
	}
}

TEST(access_flag)
{
	struct ml_model_result result;
	struct ml_model model;
	uint64_t *leaf = &build(&model, 0)[index_of(0)];

	*leaf = PAGE;
	t_eq(ml_model_walk(&model, VA, ML_MODEL_READ, false, &result), ML_MODEL_ACCESS_FLAG);
	t_ok(!result.sets_accessed);
	model.hardware_accessed = true;
	t_eq(ml_model_walk(&model, VA, ML_MODEL_READ, false, &result), ML_MODEL_OK);
	t_ok(result.sets_accessed && !(result.prot & ML_ACCESSED));
	*leaf |= AF;
	ml_model_walk(&model, VA, ML_MODEL_READ, false, &result);
	t_ok(!result.sets_accessed && result.prot & ML_ACCESSED);
}

TEST(dirty_state)
{
	struct ml_model_result result;
	struct ml_model model;
	uint64_t *leaf = &build(&model, 0)[index_of(0)];

	*leaf = PAGE | AF | DBM | AP2;
	t_eq(ml_model_walk(&model, VA, ML_MODEL_WRITE, false, &result), ML_MODEL_PERMISSION);
	model.hardware_dirty = true; /* in vain without HA */
	t_eq(ml_model_walk(&model, VA, ML_MODEL_WRITE, false, &result), ML_MODEL_PERMISSION);
	model.hardware_accessed = true;
	t_eq(ml_model_walk(&model, VA, ML_MODEL_WRITE, false, &result), ML_MODEL_OK);
	t_ok(result.sets_dirty && !(result.prot & ML_DIRTY));
	ml_model_walk(&model, VA, ML_MODEL_READ, false, &result);
	t_ok(!result.sets_dirty);
	*leaf = PAGE | AF | DBM;
	ml_model_walk(&model, VA, ML_MODEL_WRITE, false, &result);
	t_ok(!result.sets_dirty && result.prot & ML_DIRTY);
}

TEST(mair_selects_the_memory_type)
{
	static const ml_prot types[] = { ML_WB,  ML_TAGGED, ML_NC,         ML_DEV_STRICT,
					 ML_DEV, ML_WT,     ML_DEV_STRICT, ML_DEV_STRICT };

	for (unsigned slot = 0; slot < 8; slot++) {
		struct ml_model_result result;
		struct ml_model model;

		T_CONTEXT("slot", slot);
		build(&model, 1)[index_of(1)] = BLOCK | AF | slot << 2;
		ml_model_walk(&model, VA, ML_MODEL_READ, false, &result);
		t_eq(result.prot & ML_TYPE_MASK, types[slot]);
	}
}

/* A uniform group of 16 around VA at a level. */
static uint64_t *group(struct ml_model *model, unsigned level)
{
	uint64_t *table = build(model, level);
	unsigned first = index_of(level) & ~15u;

	for (unsigned i = 0; i < 16; i++)
		table[first + i] = (BIT(40) + i * BIT(12 + 9 * level)) | leaf_type(level) |
				   SH_INNER | AF | AP2 | DBM | CONT;
	return &table[first];
}

TEST(contiguous_groups)
{
	for (unsigned level = 0; level <= 2; level++) {
		struct ml_model_result result;
		struct ml_model model;

		T_CONTEXT("level", level);
		group(&model, level);
		t_eq(ml_model_walk(&model, VA, ML_MODEL_READ, false, &result), ML_MODEL_OK);
		t_ok(result.contiguous);
		t_eq(result.leaf_bytes, BIT(12 + 9 * level));
		t_eq(result.page_bytes, BIT(16 + 9 * level));
		t_eq(result.pa, BIT(40) + (VA & (result.page_bytes - 1)));
	}
}

/* Each bit of each member flipped alone: what tracks use or is software's may differ. */
TEST(contiguous_groups_not_uniform)
{
	const uint64_t free_bits = AF | AP2 | 15 * BIT(55) | BIT(63);

	for (unsigned member = 0; member < 16; member++)
		for (unsigned bit = 0; bit < 64; bit++) {
			struct ml_model model;
			uint64_t *entries = group(&model, 0);
			enum ml_model_fault fault;

			if (member == (index_of(0) & 15))
				continue; /* the entry walked is judged by itself first */
			T_CONTEXT("bit", bit);
			entries[member] ^= BIT(bit);
			fault = ram_fault(&model, VA);
			t_eq(fault, free_bits & BIT(bit) ? ML_MODEL_OK : ML_MODEL_GROUP);
		}
}

/* Without DBM, AP[2] is a permission, and must agree. */
TEST(contiguous_groups_with_read_only_members)
{
	struct ml_model model;
	uint64_t *entries = group(&model, 0);

	for (unsigned i = 0; i < 16; i++)
		entries[i] &= ~DBM;
	t_eq(ram_fault(&model, VA), ML_MODEL_OK);
	entries[7] ^= AP2;
	t_eq(ram_fault(&model, VA), ML_MODEL_GROUP);
}

TEST(contiguous_group_of_misaligned_frames)
{
	struct ml_model model;
	uint64_t *entries = group(&model, 0);

	for (unsigned i = 0; i < 16; i++)
		entries[i] += 0x1000;
	t_eq(ram_fault(&model, VA), ML_MODEL_GROUP);
}

TEST(contiguous_group_that_cannot_be_read)
{
	struct ml_model model;

	group(&model, 0);
	ram_hole = RAM_TABLE(3) + (index_of(0) & ~15u) * 8;
	t_eq(ram_fault(&model, VA), ML_MODEL_GROUP);
}

TEST(faults_have_names)
{
	for (unsigned fault = ML_MODEL_OK; fault <= ML_MODEL_PERMISSION; fault++)
		t_ok(ml_model_fault_name((enum ml_model_fault)fault)[0] != '?');
	t_str(ml_model_fault_name((enum ml_model_fault)(ML_MODEL_PERMISSION + 1)), "?");
}
