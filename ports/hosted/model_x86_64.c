/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The model MMU as an x86-64 processor: Intel SDM vol. 3A 4.5-4.9, 11.12. */
#include "model.h"

#define PRESENT MODEL_BIT(0)
#define WRITABLE MODEL_BIT(1)
#define USER MODEL_BIT(2)
#define WRITE_THROUGH MODEL_BIT(3)
#define CACHE_DISABLE MODEL_BIT(4)
#define ACCESSED MODEL_BIT(5)
#define DIRTY MODEL_BIT(6)
#define PAGE_SIZE MODEL_BIT(7)
#define PAT_OF_PAGE MODEL_BIT(7)
#define GLOBAL MODEL_BIT(8)
#define PAT_OF_LARGE_PAGE MODEL_BIT(12)
#define EXECUTE_DISABLE MODEL_BIT(63)

/* 3.3.7.1: canonical, all bits above the last translated one equal to it. */
static bool covers(const struct ml_model *model, ml_va va)
{
	const unsigned bits = 12 + 9 * model->levels;
	const uint64_t above = va >> (bits - 1);

	return above == 0 || above == ~(uint64_t)0 >> (bits - 1);
}

/* Tables 4-15 to 4-20. */
static enum model_sort sort(uint64_t entry, unsigned level)
{
	if (!(entry & PRESENT))
		return MODEL_INVALID;
	if (level == 0)
		return MODEL_LEAF;
	if (level <= 2 && entry & PAGE_SIZE)
		return MODEL_LEAF;
	return MODEL_TABLE;
}

static uint64_t must_be_zero(enum model_sort sort, unsigned level)
{
	if (level >= 3) /* PML4E, PML5E: PS is reserved */
		return PAGE_SIZE;
	if (sort == MODEL_TABLE || level == 0)
		return 0;
	return level == 1 ? MODEL_BITS(20, 13) : MODEL_BITS(29, 13);
}

static uint64_t member_differs(uint64_t entry)
{
	(void)entry;
	return 0;
}

/* Table 11-10 of the PAT's encodings; 11.12.3 of how an entry selects one. */
static ml_prot memory_type(uint64_t pat, uint64_t leaf, unsigned level)
{
	const uint64_t high = level ? PAT_OF_LARGE_PAGE : PAT_OF_PAGE;
	const unsigned slot = (leaf & high ? 4 : 0) + (leaf & CACHE_DISABLE ? 2 : 0) +
			      (leaf & WRITE_THROUGH ? 1 : 0);

	switch (pat >> (8 * slot) & 0xff) {
	case 0x00:
		return ML_DEV_STRICT; /* UC */
	case 0x01:
		return ML_NC; /* WC */
	case 0x04:
		return ML_WT;
	case 0x05:
		return ML_WP;
	case 0x06:
		return ML_WB;
	case 0x07:
		return ML_DEV; /* UC- */
	default:
		return ML_TYPE(ML_TYPE_COUNT);
	}
}

/* 4.6: R/W and U/S count only if set in every entry, XD if set in any. */
static ml_prot prot(const struct ml_model *model, uint64_t leaf, unsigned level,
		    const struct model_path *path)
{
	const bool user = leaf & path->all & USER;
	ml_prot prot = ML_READ | memory_type(model->types, leaf, level);

	if (leaf & path->all & WRITABLE)
		prot |= ML_WRITE;
	if (user)
		prot |= ML_USER;
	if (!((leaf | path->any) & EXECUTE_DISABLE))
		prot |= user ? ML_EXEC : ML_PEXEC; /* SMEP: never both */
	if (leaf & ACCESSED)
		prot |= ML_ACCESSED;
	if (leaf & DIRTY)
		prot |= ML_DIRTY;
	if (leaf & GLOBAL)
		prot |= ML_GLOBAL;
	return prot;
}

/* 4.8: the processor sets A in every entry it uses and D in the leaf it writes through. */
static bool mark(const struct ml_model *model, uint64_t leaf, bool write,
		 struct ml_model_result *result)
{
	(void)model;
	if (!(leaf & ACCESSED))
		result->sets_accessed = true;
	result->sets_dirty = write && !(leaf & DIRTY);
	result->shadow_stack = !(leaf & WRITABLE) && leaf & DIRTY; /* SDM vol. 1 17.2.1 */
	return true;
}

static uint64_t marked(const struct ml_model *model, uint64_t leaf, bool write)
{
	(void)model;
	return leaf | ACCESSED | (write && leaf & WRITABLE ? DIRTY : 0);
}

const struct model_isa ml_model_x86_64 = {
	.page_shift = 12,
	.index_bits = 9,
	.pa_bits = 52,
	.table_address = MODEL_BITS(51, 12),
	.accessed_in_tables = ACCESSED,
	.too_wide = ML_MODEL_RESERVED,
	.covers = covers,
	.sort = sort,
	.must_be_zero = must_be_zero,
	.member_differs = member_differs,
	.prot = prot,
	.mark = mark,
	.marked = marked,
};
