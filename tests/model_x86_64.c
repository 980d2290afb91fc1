/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The model MMU as x86-64, on tables written by hand. */
#include "model_ram.h"

#define BIT(number) ((uint64_t)1 << (number))
#define P BIT(0)
#define RW BIT(1)
#define US BIT(2)
#define PWT BIT(3)
#define PCD BIT(4)
#define A BIT(5)
#define D BIT(6)
#define PS BIT(7)
#define G BIT(8)
#define NX BIT(63)
#define TABLE (P | RW | US | A)

/* va = index 1 of the PML4, 2 of the PDPT, 3 of the PD, 4 of the PT, byte 0x567. */
#define VA (BIT(39) | 2 * BIT(30) | 3 * BIT(21) | 4 * BIT(12) | 0x567)

/* Tables down to the one of `level`, where the entry for VA is returned. */
static uint64_t *build(struct ml_model *model, unsigned levels, unsigned level)
{
	*model = ram_model(ML_MODEL_X86_64, levels, ML_MODEL_PAT);
	for (unsigned at = levels - 1; at > level; at--)
		ram[levels - 1 - at][VA >> (12 + 9 * at) & 511] = RAM_TABLE(levels - at) | TABLE;
	return &ram[levels - 1 - level][VA >> (12 + 9 * level) & 511];
}

TEST(leaves_of_every_size)
{
	static const uint64_t frames[] = { 0x123456789000, 0x456789a00000, 0xabcd40000000 };

	for (unsigned levels = 4; levels <= 5; levels++)
		for (unsigned level = 0; level <= 2; level++) {
			struct ml_model_result result;
			struct ml_model model;
			uint64_t bytes = BIT(12 + 9 * level);

			T_CONTEXT("level", level);
			*build(&model, levels, level) = frames[level] | P | A | (level ? PS : 0);
			t_eq(ml_model_walk(&model, VA, ML_MODEL_READ, false, &result), ML_MODEL_OK);
			t_eq(result.pa, frames[level] + (VA & (bytes - 1)));
			t_eq(result.level, level);
			t_eq(result.leaf_bytes, bytes);
			t_eq(result.page_bytes, bytes);
			t_eq(result.entry_pa & 0xfff, (VA >> (12 + 9 * level) & 511) * 8);
			t_eq(result.prot, ML_READ | ML_ACCESSED | ML_PEXEC);
			t_ok(!result.contiguous && !result.sets_accessed && !result.sets_dirty);
			t_eq(ram_fault(&model, VA ^ bytes), ML_MODEL_NOT_MAPPED);
		}
}

TEST(canonical_addresses)
{
	for (unsigned levels = 4; levels <= 5; levels++) {
		struct ml_model model = ram_model(ML_MODEL_X86_64, levels, ML_MODEL_PAT);
		uint64_t half = BIT(11 + 9 * levels);

		T_CONTEXT("levels", levels);
		t_eq(ram_fault(&model, 0), ML_MODEL_NOT_MAPPED);
		t_eq(ram_fault(&model, half - 1), ML_MODEL_NOT_MAPPED);
		t_eq(ram_fault(&model, half), ML_MODEL_CANONICAL);
		t_eq(ram_fault(&model, 0 - half - 1), ML_MODEL_CANONICAL);
		t_eq(ram_fault(&model, 0 - half), ML_MODEL_NOT_MAPPED);
		t_eq(ram_fault(&model, UINT64_MAX), ML_MODEL_NOT_MAPPED);
	}
}

/* The upper half is reached through the upper half of the root. */
TEST(upper_half)
{
	struct ml_model model = ram_model(ML_MODEL_X86_64, 4, ML_MODEL_PAT);

	ram[0][511] = RAM_TABLE(1) | TABLE;
	ram[1][511] = 0x40000000 | P | PS;
	t_eq(ram_fault(&model, 0xffffffffc0000000), ML_MODEL_OK);
	t_eq(ram_fault(&model, UINT64_MAX), ML_MODEL_OK);
	t_eq(ram_fault(&model, 0xffffffffbfffffff), ML_MODEL_NOT_MAPPED);
}

/* For each level, every bit that is reserved in a leaf, and only those. */
TEST(reserved_bits_of_leaves)
{
	static const uint64_t reserved[] = { 0, 0x1fe000, 0x3fffe000 };

	for (unsigned level = 0; level <= 2; level++)
		for (unsigned bit = 1; bit < 64; bit++) {
			struct ml_model model;
			uint64_t *entry = build(&model, 4, level);
			bool bad = reserved[level] & BIT(bit);

			if (level && BIT(bit) == PS)
				continue;
			T_CONTEXT("bit", bit);
			*entry = P | (level ? PS : 0) | BIT(bit);
			t_eq(ram_fault(&model, VA), bad ? ML_MODEL_RESERVED : ML_MODEL_OK);
		}
}

TEST(reserved_bits_of_tables)
{
	for (unsigned level = 3; level <= 4; level++) {
		struct ml_model model;
		uint64_t *entry = build(&model, 5, level);

		*entry = RAM_TABLE(5) | TABLE | PS;
		t_eq(ram_fault(&model, VA), ML_MODEL_RESERVED);
		*entry &= ~PS;
		t_eq(ram_fault(&model, VA), ML_MODEL_NOT_MAPPED);
	}
}

TEST(physical_width)
{
	struct ml_model model;
	uint64_t *entry = build(&model, 4, 0);
	struct ml_model_result result;

	*entry = BIT(51) | P;
	t_eq(ml_model_walk(&model, VA, ML_MODEL_READ, false, &result), ML_MODEL_OK);
	t_eq(result.pa, BIT(51) | 0x567);
	model.pa_bits = 51;
	t_eq(ram_fault(&model, VA), ML_MODEL_RESERVED);
	*entry = BIT(50) | P;
	t_eq(ram_fault(&model, VA), ML_MODEL_OK);
	model.pa_bits = 46;
	ram[0][1] |= BIT(46);
	t_eq(ram_fault(&model, VA), ML_MODEL_RESERVED);
	model.pa_bits = 47;
	t_eq(ram_fault(&model, VA), ML_MODEL_BUS);
}

/* RW and US are AND-ed and NX is OR-ed over the walk; SMEP keeps the kernel from user pages. */
TEST(permissions_down_the_walk)
{
	for (unsigned bits = 0; bits < 64; bits++) {
		struct ml_model model;
		uint64_t *leaf = build(&model, 4, 0);
		bool rw = (bits & 1) && (bits & 2);
		bool us = (bits & 4) && (bits & 8);
		bool nx = (bits & 16) || (bits & 32);

		T_CONTEXT("bits", bits);
		*leaf = 0x1000 | P | (bits & 1 ? RW : 0) | (bits & 4 ? US : 0) |
			(bits & 16 ? NX : 0);
		ram[1][2] = (ram[1][2] & ~(RW | US)) | (bits & 2 ? RW : 0) | (bits & 8 ? US : 0) |
			    (bits & 32 ? NX : 0);
		t_eq(ram_rights(&model, VA),
		     ram_rights_of(us, rw, us && rw, !us && !nx, us && !nx));
	}
}

TEST(pat_selects_the_memory_type)
{
	static const ml_prot types[] = { ML_WB, ML_NC, ML_DEV, ML_DEV_STRICT,
					 ML_WB, ML_WP, ML_DEV, ML_WT };

	for (unsigned level = 0; level <= 2; level++)
		for (unsigned slot = 0; slot < 8; slot++) {
			struct ml_model_result result;
			struct ml_model model;
			uint64_t *leaf = build(&model, 4, level);

			T_CONTEXT("slot", slot);
			*leaf = P | NX | (level ? PS : 0) | (slot & 1 ? PWT : 0) |
				(slot & 2 ? PCD : 0);
			*leaf |= slot & 4 ? BIT(level ? 12 : 7) : 0;
			t_eq(ml_model_walk(&model, VA, ML_MODEL_READ, false, &result), ML_MODEL_OK);
			t_eq(result.prot, ML_READ | types[slot]);
			t_eq(result.pa, VA & (BIT(12 + 9 * level) - 1));
		}
}

TEST(reserved_pat_encodings_have_no_type)
{
	struct ml_model_result result;
	struct ml_model model;

	*build(&model, 4, 0) = P;
	model.types = 0x0407050600070103; /* slot 0 holds 3 */
	t_eq(ml_model_walk(&model, VA, ML_MODEL_READ, false, &result), ML_MODEL_OK);
	t_eq(ML_TYPE_OF(result.prot), ML_TYPE_COUNT);
}

/* A in every entry, D only in a leaf that is written, neither by an access that faults. */
TEST(accessed_and_dirty)
{
	struct ml_model_result result;
	struct ml_model model;
	uint64_t *leaf = build(&model, 4, 1);

	*leaf = P | RW | PS;
	t_eq(ml_model_walk(&model, VA, ML_MODEL_READ, false, &result), ML_MODEL_OK);
	t_ok(result.sets_accessed && !result.sets_dirty);
	*leaf |= A;
	ml_model_walk(&model, VA, ML_MODEL_WRITE, false, &result);
	t_ok(!result.sets_accessed && result.sets_dirty && !(result.prot & ML_DIRTY));
	*leaf |= D;
	ml_model_walk(&model, VA, ML_MODEL_WRITE, false, &result);
	t_ok(!result.sets_accessed && !result.sets_dirty && result.prot & ML_DIRTY);
	ram[0][1] &= ~A;
	ml_model_walk(&model, VA, ML_MODEL_WRITE, false, &result);
	t_ok(result.sets_accessed);
	*leaf = P | PS;
	t_eq(ml_model_walk(&model, VA, ML_MODEL_WRITE, false, &result), ML_MODEL_PERMISSION);
	t_ok(!result.sets_accessed && !result.sets_dirty);
}

TEST(read_only_and_dirty_is_a_shadow_stack)
{
	struct ml_model_result result;
	struct ml_model model;
	uint64_t *leaf = build(&model, 4, 0);

	for (unsigned bits = 0; bits < 4; bits++) {
		*leaf = P | A | (bits & 1 ? RW : 0) | (bits & 2 ? D : 0);
		ml_model_walk(&model, VA, ML_MODEL_READ, false, &result);
		t_eq(result.shadow_stack, bits == 2);
	}
}

TEST(global)
{
	struct ml_model_result result;
	struct ml_model model;

	*build(&model, 4, 2) = P | NX | PS | G;
	ml_model_walk(&model, VA, ML_MODEL_READ, false, &result);
	t_eq(result.prot, ML_READ | ML_GLOBAL);
}

/* At each level: a missing entry, and a table where there is no memory. */
TEST(walks_that_end_early)
{
	for (unsigned level = 0; level <= 3; level++) {
		struct ml_model_result result;
		struct ml_model model;
		uint64_t *entry = build(&model, 4, level);

		T_CONTEXT("level", level);
		*entry = ~P & 0xfff;
		t_eq(ml_model_walk(&model, VA, ML_MODEL_READ, false, &result), ML_MODEL_NOT_MAPPED);
		t_eq(result.level, level);
		t_eq(result.entry, *entry);
		if (level == 0)
			continue;
		*entry = 0x100000 | TABLE;
		t_eq(ml_model_walk(&model, VA, ML_MODEL_READ, false, &result), ML_MODEL_BUS);
		t_eq(result.level, level - 1);
	}
}
