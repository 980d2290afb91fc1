/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The contract every encoding fulfils, bound by a closed switch on the encoding: with a
 * constant descriptor each function folds to the encoding's own code.
 *
 * A new encoding adds its header and one case to each switch. All functions are pure and work
 * on entries in CPU order.
 */
#ifndef ML_FORMAT_CODEC_H
#define ML_FORMAT_CODEC_H

#include "format/arm64.h"
#include "format/toy.h"
#include "format/x86_64.h"

#define ML_NO_SLOT 0xfu

ML_INLINE uint64_t codec_slot_of(const struct ml_types *types, ml_prot prot)
{
	return types->slot_of_type >> (ML_TYPE_OF(prot) * 4) & 0xf;
}

/*
 * Whether the rights go together; known bits, readable and with a known type are asked elsewhere.
 */
ML_INLINE bool codec_rights_expressible(const struct ml_format *f, ml_prot prot)
{
	switch (f->encoding) {
	case ML_ENCODING_ARM64:
		return arm64_expressible(prot);
	default: /* x86-64 and toy: one execute bit, of whoever owns the page */
		return x86_expressible(prot);
	}
}

ML_INLINE bool codec_expressible(const struct ml_format *f, const struct ml_types *types,
				 ml_prot prot)
{
	return !(prot & ~f->prot_mask) && prot & ML_READ &&
	       codec_slot_of(types, prot) != ML_NO_SLOT && codec_rights_expressible(f, prot);
}

/* A leaf without its address. prot is expressible. */
ML_INLINE ml_pte codec_leaf_bits(const struct ml_format *f, const struct ml_types *types,
				 ml_prot prot, unsigned level)
{
	const uint64_t slot = codec_slot_of(types, prot);

	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return x86_leaf_bits(slot, prot, level);
	case ML_ENCODING_ARM64:
		return arm64_leaf_bits(slot, prot, level);
	default:
		return toy_leaf_bits(slot, prot);
	}
}

/* The bit that makes an entry a member of a contiguous group; 0 where there is none. */
ML_INLINE ml_pte codec_group(const struct ml_format *f)
{
	switch (f->encoding) {
	case ML_ENCODING_ARM64:
		return ARM64_GROUP;
	case ML_ENCODING_TOY:
		return TOY_GROUP;
	default:
		return 0;
	}
}

/* The bit of a large leaf that announces a change of its size; 0 where there is none. */
ML_INLINE ml_pte codec_announce(const struct ml_format *f)
{
	return f->announce_bit ? ML_BIT(f->announce_bit) : 0;
}

ML_INLINE unsigned codec_slot(const struct ml_format *f, ml_pte pte, unsigned level)
{
	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return x86_slot(pte, level);
	case ML_ENCODING_ARM64:
		return pte >> 2 & 7;
	default:
		return pte >> 8 & 3;
	}
}

ML_INLINE ml_prot codec_prot(const struct ml_format *f, const struct ml_types *types, ml_pte pte,
			     unsigned level)
{
	const ml_prot type = ML_TYPE(types->type_of_slot >> (codec_slot(f, pte, level) * 4) & 0xf);

	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return x86_prot(pte) | type;
	case ML_ENCODING_ARM64:
		return arm64_prot(pte) | type;
	default:
		return toy_prot(pte) | type;
	}
}

ML_INLINE enum ml_kind codec_kind(const struct ml_format *f, ml_pte pte, unsigned level)
{
	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return x86_kind(pte, level);
	case ML_ENCODING_ARM64:
		return arm64_kind(pte, level);
	default:
		return toy_kind(pte, level);
	}
}

/* The bit whose absence stops a walker, whatever else the entry holds. */
ML_INLINE ml_pte codec_valid(const struct ml_format *f)
{
	(void)f; /* bit 0 in every format so far */
	return 1;
}

/* The bits that make an entry of level 0 a leaf. */
ML_INLINE ml_pte codec_small_leaf(const struct ml_format *f)
{
	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return X86_PRESENT;
	case ML_ENCODING_ARM64:
		return ARM64_VALID | ARM64_PAGE_OR_TABLE;
	default:
		return TOY_VALID | TOY_LEAF;
	}
}

/* Whether a walker goes on below the entry; codec_kind() in one test. */
ML_INLINE bool codec_is_table(const struct ml_format *f, ml_pte pte, unsigned level)
{
	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return level && (pte & (X86_PRESENT | (level <= 2 ? X86_LARGE : 0))) == X86_PRESENT;
	case ML_ENCODING_ARM64:
		return level && (pte & 3) == (ARM64_VALID | ARM64_PAGE_OR_TABLE);
	default:
		return level && (pte & 3) == TOY_VALID;
	}
}

ML_INLINE bool codec_is_leaf(const struct ml_format *f, ml_pte pte, unsigned level)
{
	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		if (level == 0)
			return pte & X86_PRESENT;
		return level <= 2 && (pte & (X86_PRESENT | X86_LARGE)) == (X86_PRESENT | X86_LARGE);
	case ML_ENCODING_ARM64:
		if (level == 0)
			return (pte & 3) == (ARM64_VALID | ARM64_PAGE_OR_TABLE);
		return level <= 2 && (pte & 3) == ARM64_VALID;
	default:
		return (pte & 3) == (TOY_VALID | TOY_LEAF);
	}
}

/*
 * The same for tables that hold nothing but what this library wrote: an entry is empty, links a
 * table, is a leaf where one may be, or lacks the valid bit. One bit tells.
 */
ML_INLINE bool codec_own_is_table(const struct ml_format *f, ml_pte pte, unsigned level)
{
	if (f->encoding == ML_ENCODING_ARM64 && level)
		return pte & ARM64_PAGE_OR_TABLE;
	return codec_is_table(f, pte, level);
}

/* pte is no table. */
ML_INLINE bool codec_own_is_leaf(const struct ml_format *f, ml_pte pte, unsigned level)
{
	return level <= 2 && pte & codec_valid(f);
}

ML_INLINE ml_pa codec_leaf_pa(const struct ml_format *f, ml_pte pte, unsigned level)
{
	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return x86_leaf_pa(pte, level);
	case ML_ENCODING_ARM64:
		return arm64_leaf_pa(pte, level);
	default:
		return pte & TOY_ADDRESS & ~(ML_BIT(12 + 2 * level) - 1);
	}
}

ML_INLINE ml_pa codec_table_pa(const struct ml_format *f, ml_pte pte)
{
	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return pte & X86_ADDRESS;
	case ML_ENCODING_ARM64:
		return pte & ARM64_ADDRESS;
	default:
		return pte & TOY_TABLE_ADDRESS;
	}
}

/* An entry that links the table at pa and limits nothing below it. */
ML_INLINE ml_pte codec_table(const struct ml_format *f, ml_pa pa)
{
	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return pa | X86_PRESENT | X86_WRITE | X86_USER | X86_ACCESSED;
	case ML_ENCODING_ARM64:
		return pa | ARM64_VALID | ARM64_PAGE_OR_TABLE;
	default:
		return pa | TOY_VALID;
	}
}

/* Bits set that the manual demands to be zero. */
ML_INLINE uint64_t codec_reserved(const struct ml_format *f, ml_pte pte, unsigned level)
{
	const enum ml_kind kind = codec_kind(f, pte, level);

	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return pte & x86_reserved(kind, level);
	case ML_ENCODING_ARM64:
		return arm64_reserved(pte, kind, level);
	default:
		return toy_reserved(pte, kind, level);
	}
}

/* The bits of a leaf that hold its memory type. */
ML_INLINE ml_pte codec_type_bits(const struct ml_format *f, unsigned level)
{
	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return x86_slot_bits(7, level);
	case ML_ENCODING_ARM64:
		return ARM64_ATTRIBUTE;
	default:
		return TOY_TYPE;
	}
}

/* Every bit of a leaf that stands for some bit of a protection; the type's bits are extra. */
ML_INLINE ml_pte codec_named(const struct ml_format *f)
{
	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return X86_NAMED;
	case ML_ENCODING_ARM64:
		return ARM64_NAMED;
	default:
		return TOY_NAMED;
	}
}

/* Bits only software reads. */
ML_INLINE ml_pte codec_software(const struct ml_format *f)
{
	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return ML_BITS(11, 9) | ML_BITS(58, 52);
	case ML_ENCODING_ARM64:
		return ML_BITS(58, 55) | ML_BIT(63);
	default:
		return TOY_SPECIAL | TOY_SOFT | ML_BIT(63);
	}
}

/*
 * Bits in which members of a live group may differ until the invalidation that follows: whether the
 * page may be written, what marks it, and what only software reads (4.6, 4.7).
 */
ML_INLINE ml_pte codec_group_bears(const struct ml_format *f)
{
	switch (f->encoding) {
	case ML_ENCODING_ARM64:
		return ARM64_WRITE | ARM64_READ_ONLY | ARM64_ACCESSED | codec_software(f);
	default:
		return TOY_WRITE | TOY_ACCESSED | TOY_DIRTY | codec_software(f);
	}
}

/* The bits in which the members of one group or block may differ from pte: accessed and dirty. */
ML_INLINE ml_pte codec_ad_bits(const struct ml_format *f, ml_pte pte)
{
	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return X86_ACCESSED | X86_DIRTY | X86_SAVED_DIRTY;
	case ML_ENCODING_ARM64:
		return arm64_ad_bits(pte);
	default:
		return TOY_ACCESSED | TOY_DIRTY;
	}
}

/* The bit that says a leaf was accessed. */
ML_INLINE ml_pte codec_accessed(const struct ml_format *f)
{
	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return X86_ACCESSED;
	case ML_ENCODING_ARM64:
		return ARM64_ACCESSED;
	default:
		return TOY_ACCESSED;
	}
}

ML_INLINE bool codec_is_dirty(const struct ml_format *f, ml_pte leaf)
{
	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return (leaf & (X86_DIRTY | X86_SAVED_DIRTY)) != 0;
	case ML_ENCODING_ARM64:
		return (leaf & (ARM64_READ_ONLY | ARM64_SAVED_DIRTY)) != ARM64_READ_ONLY;
	default:
		return (leaf & TOY_DIRTY) != 0;
	}
}

/*
 * pte with accessed and dirty of others added, which differ from it in `bits` and, beyond
 * accessed and dirty, in nothing that counts.
 */
ML_INLINE ml_pte codec_merge_ad(const struct ml_format *f, ml_pte pte, ml_pte bits)
{
	bits &= codec_ad_bits(f, pte);
	switch (f->encoding) {
	case ML_ENCODING_ARM64: /* clear is what marks a page written */
		return (pte | (bits & ~ARM64_READ_ONLY)) & ~(bits & ARM64_READ_ONLY);
	default:
		return pte | bits;
	}
}

/* The leaf as the tables above it limit it: `all` is the AND, `any` the OR of their entries. */
ML_INLINE ml_pte codec_limit(const struct ml_format *f, ml_pte leaf, ml_pte all, ml_pte any)
{
	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return x86_limit(leaf, all, any);
	case ML_ENCODING_ARM64:
		return arm64_limit(leaf, any);
	default:
		return leaf;
	}
}

/*
 * The same leaf, one entry of level + 1, as the first entry of the table that replaces it; or the
 * other way round. Only the size bit and the place of the type change (S4.4).
 */
ML_INLINE ml_pte codec_relevel(const struct ml_format *f, ml_pte pte, unsigned from, unsigned to)
{
	if (from == to)
		return pte;
	switch (f->encoding) {
	case ML_ENCODING_X86_64: {
		const unsigned slot = x86_slot(pte, from);

		if (from) /* the PAT bit of a large leaf is a bit of a small one's address */
			pte &= ~(X86_LARGE | ML_BIT(12));
		else
			pte &= ~X86_LARGE;
		pte = (pte & ~x86_slot_bits(3, 0)) | x86_slot_bits(slot, to);
		return to ? pte | X86_LARGE : pte;
	}
	case ML_ENCODING_ARM64:
		if (to)
			return pte & ~ARM64_PAGE_OR_TABLE;
		return (pte & ~ML_BIT(16)) | ARM64_PAGE_OR_TABLE; /* nT is a block's alone */
	default:
		return to ? pte : pte & ~TOY_ANNOUNCE;
	}
}

#endif
