/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The model MMU as the toy: two levels of four entries, a 16-bit address space of 4 KiB
 * pages, groups of two at both levels. An entry:
 *
 *	0 valid  1 leaf  2 group  3 write  4 user  5 accessed  6 dirty  7 execute
 *	9:8 type (WB NC DEV reserved)  10, 11 software's  19:12 frame  62:20 zero  63 ignored
 *
 * A table entry has bit 0, zeros in 4:1, and the table's address in 19:5. Bit 12 of a leaf of level
 * 1, which is no part of its frame, announces a change of its size, as nT does on Arm.
 */
#include "model.h"

#define VALID MODEL_BIT(0)
#define LEAF MODEL_BIT(1)
#define GROUP MODEL_BIT(2)
#define WRITE MODEL_BIT(3)
#define USER MODEL_BIT(4)
#define ACCESSED MODEL_BIT(5)
#define DIRTY MODEL_BIT(6)
#define EXECUTE MODEL_BIT(7)
#define SOFTWARE MODEL_BITS(11, 10)
#define NOT_TRANSLATED MODEL_BIT(12)

static bool covers(const struct ml_model *model, ml_va va)
{
	(void)model;
	return va >> 16 == 0;
}

static enum model_sort sort(uint64_t entry, unsigned level)
{
	if (!(entry & VALID))
		return MODEL_INVALID;
	if (entry & LEAF)
		return MODEL_LEAF;
	return level ? MODEL_TABLE : MODEL_BAD;
}

static uint64_t must_be_zero(enum model_sort sort, unsigned level)
{
	if (sort == MODEL_TABLE)
		return MODEL_BITS(62, 20) | MODEL_BITS(4, 1);
	return MODEL_BITS(62, 20) | (level ? MODEL_BIT(13) : 0);
}

static uint64_t member_differs(uint64_t entry)
{
	(void)entry;
	return ACCESSED | DIRTY | SOFTWARE;
}

static ml_prot prot(const struct ml_model *model, uint64_t leaf, unsigned level,
		    const struct model_path *path)
{
	static const ml_prot types[] = { ML_WB, ML_NC, ML_DEV, ML_TYPE(ML_TYPE_COUNT) };
	ml_prot prot = ML_READ | types[leaf >> 8 & 3];

	(void)model;
	(void)level;
	(void)path;
	if (leaf & WRITE)
		prot |= ML_WRITE;
	if (leaf & USER)
		prot |= ML_USER;
	if (leaf & EXECUTE)
		prot |= leaf & USER ? ML_EXEC : ML_PEXEC;
	if (leaf & ACCESSED)
		prot |= ML_ACCESSED;
	if (leaf & DIRTY)
		prot |= ML_DIRTY;
	return prot;
}

static bool mark(const struct ml_model *model, uint64_t leaf, bool write,
		 struct ml_model_result *result)
{
	(void)model;
	result->sets_accessed = !(leaf & ACCESSED);
	result->sets_dirty = write && !(leaf & DIRTY);
	return true;
}

static uint64_t marked(const struct ml_model *model, uint64_t leaf, bool write)
{
	(void)model;
	return leaf | ACCESSED | (write && leaf & WRITE ? DIRTY : 0);
}

const struct model_isa ml_model_toy = {
	.page_shift = 12,
	.index_bits = 2,
	.pa_bits = 20,
	.lg2_group = 1,
	.group = GROUP,
	.table_address = MODEL_BITS(19, 5),
	.too_wide = ML_MODEL_ADDRESS_SIZE,
	.covers = covers,
	.sort = sort,
	.must_be_zero = must_be_zero,
	.member_differs = member_differs,
	.prot = prot,
	.mark = mark,
	.marked = marked,
	.not_translated = NOT_TRANSLATED,
};
