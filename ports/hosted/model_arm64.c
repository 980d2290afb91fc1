/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The model MMU as an arm64 processor, EL1&0 stage 1, 4 KiB granule: Arm ARM D8.3-D8.7. */
#include "model.h"

#define VALID MODEL_BIT(0)
#define TABLE_OR_PAGE MODEL_BIT(1)
#define AP_USER MODEL_BIT(6)      /* AP[1] */
#define AP_READ_ONLY MODEL_BIT(7) /* AP[2] */
#define ACCESS_FLAG MODEL_BIT(10)
#define NOT_GLOBAL MODEL_BIT(11)
#define NOT_TRANSLATED MODEL_BIT(16)
#define DIRTY_MODIFIER MODEL_BIT(51) /* DBM */
#define CONTIGUOUS MODEL_BIT(52)
#define PXN MODEL_BIT(53)
#define UXN MODEL_BIT(54)
#define SOFTWARE (MODEL_BITS(58, 55) | MODEL_BIT(63))
#define PXN_TABLE MODEL_BIT(59)
#define UXN_TABLE MODEL_BIT(60)
#define AP_TABLE_NO_USER MODEL_BIT(61)
#define AP_TABLE_READ_ONLY MODEL_BIT(62)

/* D8.2.1: TTBR0 translates addresses whose upper bits are zero, TTBR1 those whose are one. */
static bool covers(const struct ml_model *model, ml_va va)
{
	const unsigned bits = 12 + 9 * model->levels;

	return va >> bits == (model->high ? ~(uint64_t)0 >> bits : 0);
}

/* D8.3.1: 0b01 is a block at levels 1 and 2 of the manual, reserved elsewhere. */
static enum model_sort sort(uint64_t entry, unsigned level)
{
	if (!(entry & VALID))
		return MODEL_INVALID;
	if (level == 0)
		return entry & TABLE_OR_PAGE ? MODEL_LEAF : MODEL_BAD;
	if (entry & TABLE_OR_PAGE)
		return MODEL_TABLE;
	return level <= 2 ? MODEL_LEAF : MODEL_BAD;
}

/* RES0 fields of the 48-bit formats. */
static uint64_t must_be_zero(enum model_sort sort, unsigned level)
{
	if (sort == MODEL_TABLE)
		return MODEL_BITS(50, 48);
	if (level == 0)
		return MODEL_BITS(49, 48);
	return MODEL_BITS(49, 48) | (MODEL_BITS(11 + 9 * level, 12) & ~NOT_TRANSLATED);
}

/*
 * D8.7.1: members agree in all but what tracks use; software's bits are ignored. With DBM,
 * AP[2] is the dirty state (D8.5.2).
 */
static uint64_t member_differs(uint64_t entry)
{
	const uint64_t differs = ACCESS_FLAG | SOFTWARE;

	return entry & DIRTY_MODIFIER ? differs | AP_READ_ONLY : differs;
}

/* The MAIR_EL1 register. */
static ml_prot memory_type(uint64_t mair, uint64_t leaf)
{
	switch (mair >> (8 * (leaf >> 2 & 7)) & 0xff) {
	case 0x00:
		return ML_DEV_STRICT; /* nGnRnE */
	case 0x04:
		return ML_DEV; /* nGnRE */
	case 0x44:
		return ML_NC;
	case 0xbb:
		return ML_WT;
	case 0xf0:
		return ML_TAGGED;
	case 0xff:
		return ML_WB;
	default:
		return ML_TYPE(ML_TYPE_COUNT);
	}
}

/* D8.5.2: the hardware tracks dirty pages only if it tracks accessed ones. */
static bool tracks_dirty(const struct ml_model *model, uint64_t leaf)
{
	return model->hardware_accessed && model->hardware_dirty && leaf & DIRTY_MODIFIER;
}

/*
 * D8.4: AP, UXN, PXN with what the tables above take away; a page that EL0 may write is never
 * executed at EL1. With dirty tracking, DBM makes AP[2] a dirty state.
 */
static ml_prot prot(const struct ml_model *model, uint64_t leaf, unsigned level,
		    const struct model_path *path)
{
	const bool writable = !(leaf & AP_READ_ONLY) || tracks_dirty(model, leaf);
	ml_prot prot = ML_READ | memory_type(model->types, leaf);

	(void)level;
	if (writable && !(path->any & AP_TABLE_READ_ONLY))
		prot |= ML_WRITE;
	if (leaf & AP_USER && !(path->any & AP_TABLE_NO_USER))
		prot |= ML_USER;
	if (!(leaf & UXN) && !(path->any & UXN_TABLE))
		prot |= ML_EXEC;
	if (!(leaf & PXN) && !(path->any & PXN_TABLE) &&
	    (prot & (ML_USER | ML_WRITE)) != (ML_USER | ML_WRITE))
		prot |= ML_PEXEC;
	if (leaf & ACCESS_FLAG)
		prot |= ML_ACCESSED;
	if (!(leaf & AP_READ_ONLY))
		prot |= ML_DIRTY;
	if (!(leaf & NOT_GLOBAL))
		prot |= ML_GLOBAL;
	return prot;
}

/* D8.5.1: AF clear faults unless the hardware sets it. */
static bool mark(const struct ml_model *model, uint64_t leaf, bool write,
		 struct ml_model_result *result)
{
	if (!(leaf & ACCESS_FLAG)) {
		if (!model->hardware_accessed)
			return false;
		result->sets_accessed = true;
	}
	result->sets_dirty = write && leaf & AP_READ_ONLY && tracks_dirty(model, leaf);
	return true;
}

static uint64_t marked(const struct ml_model *model, uint64_t leaf, bool write)
{
	if (model->hardware_accessed)
		leaf |= ACCESS_FLAG;
	return write && tracks_dirty(model, leaf) ? leaf & ~AP_READ_ONLY : leaf;
}

const struct model_isa ml_model_arm64 = {
	.page_shift = 12,
	.index_bits = 9,
	.pa_bits = 48,
	.lg2_group = 4,
	.group = CONTIGUOUS,
	.table_address = MODEL_BITS(47, 12),
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
