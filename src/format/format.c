/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The public face of the format floor: type layouts, coding of one entry. */
#include "format/codec.h"

/* IA32_PAT encodings, SDM vol. 3A 11.12.2; 0xff: reserved. */
static unsigned pat_type(unsigned code)
{
	static const uint8_t types[8] = { 5, 3, ML_TYPE_COUNT, ML_TYPE_COUNT, 1, 2, 0, 4 };

	return code < 8 ? types[code] : ML_TYPE_COUNT;
}

/* The attribute fields of MAIR_EL1, Arm ARM. */
static unsigned mair_type(unsigned code)
{
	switch (code) {
	case 0xff:
		return ML_TYPE_OF(ML_WB);
	case 0xbb:
		return ML_TYPE_OF(ML_WT);
	case 0x44:
		return ML_TYPE_OF(ML_NC);
	case 0x04:
		return ML_TYPE_OF(ML_DEV);
	case 0x00:
		return ML_TYPE_OF(ML_DEV_STRICT);
	case 0xf0:
		return ML_TYPE_OF(ML_TAGGED);
	default:
		return ML_TYPE_COUNT;
	}
}

static unsigned toy_type(unsigned slot)
{
	static const uint8_t types[4] = { 0, 3, 4, ML_TYPE_COUNT };

	return slot < 4 ? types[slot] : ML_TYPE_COUNT;
}

static unsigned slot_type(const struct ml_format *format, uint64_t value, unsigned slot)
{
	const unsigned code = value >> (slot * 8) & 0xff;

	switch (format->encoding) {
	case ML_ENCODING_X86_64:
		return pat_type(code);
	case ML_ENCODING_ARM64:
		return mair_type(code);
	default:
		return toy_type(slot);
	}
}

void ml_types_init(struct ml_types *types, const struct ml_format *format, uint64_t value)
{
	unsigned slot;

	if (!value)
		value = format->types_default;
	types->slot_of_type = ~(uint64_t)0;
	types->type_of_slot = 0;
	for (slot = 8; slot-- > 0;) { /* downwards: the lowest slot of a type is encoded */
		const unsigned type = slot_type(format, value, slot);

		types->type_of_slot |= (uint64_t)type << (slot * 4);
		if (type < ML_TYPE_COUNT) {
			types->slot_of_type &= ~((uint64_t)0xf << (type * 4));
			types->slot_of_type |= (uint64_t)slot << (type * 4);
		}
	}
}

bool ml_format_expressible(const struct ml_format *format, const struct ml_types *types,
			   ml_prot prot)
{
	return codec_expressible(format, types, prot);
}

unsigned ml_format_soft_bits(const struct ml_format *format)
{
	return format->soft_bits;
}

size_t ml_format_table_bytes(const struct ml_format *format, unsigned level)
{
	return sizeof(ml_pte) << format->index_bits[level];
}

/* Whether leaves, or members of groups, exist at this level. */
static bool level_has(const struct ml_format *format, unsigned level, bool group)
{
	unsigned rung;

	for (rung = 0; rung < format->rung_count; rung++)
		if (format->rungs[rung].level == level &&
		    (format->rungs[rung].lg2_entries > 0) == group)
			return true;
	return false;
}

int ml_format_encode(const struct ml_format *format, const struct ml_types *types, ml_pa pa,
		     ml_prot prot, unsigned level, bool group, ml_pte *pte)
{
	if (level >= format->levels_max || !level_has(format, level, group))
		return ML_ERR_SIZE;
	if (!codec_expressible(format, types, prot))
		return ML_ERR_PROT;
	if (!ml_aligned(pa, format->level_shift[level]))
		return ML_ERR_ALIGN;
	if (pa >> format->pa_bits)
		return ML_ERR_PA_RANGE;
	*pte = pa | codec_leaf_bits(format, types, prot, level) | (group ? codec_group(format) : 0);
	return ML_OK;
}

int ml_format_decode(const struct ml_format *format, const struct ml_types *types, ml_pte pte,
		     unsigned level, struct ml_entry *entry)
{
	const struct ml_entry nothing = { ML_KIND_EMPTY, 0, 0, false, 0, 0 };
	ml_pte made;

	if (level >= format->levels_max)
		return ML_ERR_SIZE;
	*entry = nothing;
	entry->kind = codec_kind(format, pte, level);
	entry->reserved = codec_reserved(format, pte, level);
	if (entry->kind == ML_KIND_TABLE) {
		entry->pa = codec_table_pa(format, pte);
		made = codec_table(format, entry->pa);
	} else if (entry->kind == ML_KIND_LEAF) {
		entry->pa = codec_leaf_pa(format, pte, level);
		entry->prot = codec_prot(format, types, pte, level);
		entry->group = (pte & codec_group(format)) != 0;
		made = entry->pa | codec_group(format) | codec_named(format) |
		       codec_type_bits(format, level) |
		       codec_leaf_bits(format, types, ML_READ, level);
	} else {
		made = entry->reserved;
	}
	entry->residue = pte & ~made & ~entry->reserved;
	return ML_OK;
}
