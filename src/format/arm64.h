/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The arm64 stage 1 entry, 4 KiB granule, 48-bit addresses: Arm ARM D8.3; facts A4, A7, A11.
 *
 * Writing follows A4: DBM says the page may be written, AP[2] clear says it was; a page that
 * may not be written keeps its dirty mark in a software bit.
 */
#ifndef ML_FORMAT_ARM64_H
#define ML_FORMAT_ARM64_H

#include "base/bits.h"
#include <maxleaf/format.h>

#define ARM64_VALID ML_BIT(0)
#define ARM64_PAGE_OR_TABLE ML_BIT(1)
#define ARM64_ATTRIBUTE ML_BITS(4, 2)
#define ARM64_USER ML_BIT(6)      /* AP[1] */
#define ARM64_READ_ONLY ML_BIT(7) /* AP[2] */
#define ARM64_SHARE_INNER ML_BITS(9, 8)
#define ARM64_ACCESSED ML_BIT(10) /* AF */
#define ARM64_NOT_GLOBAL ML_BIT(11)
#define ARM64_ADDRESS ML_BITS(47, 12)
#define ARM64_WRITE ML_BIT(51) /* DBM */
#define ARM64_GROUP ML_BIT(52) /* Contiguous */
#define ARM64_PXN ML_BIT(53)
#define ARM64_UXN ML_BIT(54)
#define ARM64_SAVED_DIRTY ML_BIT(55)
#define ARM64_MARKS ML_BITS(57, 56) /* special, device */
#define ARM64_SOFT_0 ML_BIT(58)
#define ARM64_SOFT_1 ML_BIT(63)
#define ARM64_TABLE_LIMITS ML_BITS(62, 59) /* PXNTable UXNTable APTable[0] APTable[1] */

#define ARM64_MARKS_UP (56 - 9)
#define ARM64_PROT_MASK                                                                           \
	(ML_READ | ML_WRITE | ML_USER | ML_EXEC | ML_PEXEC | ML_ACCESSED | ML_DIRTY | ML_GLOBAL | \
	 ML_SPECIAL | ML_DEVICE_MARK | ML_TYPE_MASK | ML_SOFT(0) | ML_SOFT(1))

/* What the unprivileged mode may write, the privileged mode never executes (Arm ARM D8.4.1). */
ML_INLINE bool arm64_expressible(ml_prot prot)
{
	return (prot & (ML_USER | ML_WRITE | ML_PEXEC)) != (ML_USER | ML_WRITE | ML_PEXEC);
}

ML_INLINE ml_pte arm64_soft_bits(ml_prot prot)
{
	return (prot & ML_SOFT(0)) << (58 - ML_SOFT_SHIFT) | (prot & ML_SOFT(1))
								     << (63 - ML_SOFT_SHIFT - 1);
}

ML_INLINE ml_pte arm64_leaf_bits(uint64_t slot, ml_prot prot, unsigned level)
{
	ml_pte pte = ARM64_VALID | ARM64_SHARE_INNER | (slot & 7) << 2;

	pte |= level ? 0 : ARM64_PAGE_OR_TABLE;
	pte |= (prot & ML_USER) << 4;
	pte |= (prot & ML_ACCESSED) << 5;
	pte |= (~prot & ML_GLOBAL) << 3;
	pte |= (prot & (ML_SPECIAL | ML_DEVICE_MARK)) << ARM64_MARKS_UP;
	pte |= (~prot & ML_PEXEC) << (53 - 4) | (~prot & ML_EXEC) << (54 - 3);
	pte |= (prot & ML_WRITE) << (51 - 1);
	pte |= (~(prot << 5 & prot) & ML_DIRTY) << 1; /* AP[2] unless written */
	pte |= (prot & ~(prot << 5) & ML_DIRTY) << (55 - 6);
	return pte | arm64_soft_bits(prot);
}

ML_INLINE ml_prot arm64_prot(ml_pte pte)
{
	const uint64_t writable = (pte >> 51 | ~pte >> 7) & 1;
	const uint64_t user = pte >> 6 & 1;
	ml_prot prot = ML_READ | writable << 1 | user << 2;

	prot |= pte >> 5 & ML_ACCESSED;
	prot |= (~pte >> 7 | pte >> 55) << 6 & ML_DIRTY;
	prot |= ~pte >> 3 & ML_GLOBAL;
	prot |= pte >> ARM64_MARKS_UP & (ML_SPECIAL | ML_DEVICE_MARK);
	prot |= ~pte >> (54 - 3) & ML_EXEC;
	prot |= (~pte >> 53 & ~(user & writable) & 1) << 4;
	prot |= (pte >> 58 & 1) << ML_SOFT_SHIFT | pte >> 63 << (ML_SOFT_SHIFT + 1);
	return prot;
}

ML_INLINE enum ml_kind arm64_kind(ml_pte pte, unsigned level)
{
	if (!(pte & ARM64_VALID))
		return pte ? ML_KIND_INVALID : ML_KIND_EMPTY;
	if (level == 0) /* bit 1 clear is a fault at the last level, */
		return pte & ARM64_PAGE_OR_TABLE ? ML_KIND_LEAF : ML_KIND_INVALID;
	if (pte & ARM64_PAGE_OR_TABLE)
		return ML_KIND_TABLE;
	return level <= 2 ? ML_KIND_LEAF : ML_KIND_INVALID; /* and at the first */
}

ML_INLINE ml_pa arm64_leaf_pa(ml_pte pte, unsigned level)
{
	return pte & ARM64_ADDRESS & ~(ML_BIT(12 + 9 * level) - 1);
}

/* Bit 16 of a block is nT, residue; bits 49:48 wait for wider addresses. */
ML_INLINE uint64_t arm64_reserved(ml_pte pte, enum ml_kind kind, unsigned level)
{
	if (kind == ML_KIND_INVALID)
		return pte & ARM64_VALID;
	if (kind == ML_KIND_TABLE)
		return pte & ML_BITS(50, 48);
	if (level == 0)
		return pte & ML_BITS(49, 48);
	return pte & (ML_BITS(49, 48) | ((ML_BIT(12 + 9 * level) - ML_BIT(12)) & ~ML_BIT(16)));
}

#define ARM64_NAMED                                                                       \
	(ARM64_USER | ARM64_READ_ONLY | ARM64_ACCESSED | ARM64_NOT_GLOBAL | ARM64_WRITE | \
	 ARM64_PXN | ARM64_UXN | ARM64_SAVED_DIRTY | ARM64_MARKS | ARM64_SOFT_0 | ARM64_SOFT_1)

#define ARM64_PLAIN \
	(ML_ACCESSED | ML_GLOBAL | ML_SPECIAL | ML_DEVICE_MARK | ML_SOFT_MASK | ML_TYPE_MASK)

ML_INLINE ml_pte arm64_plain_bits(ml_prot mask)
{
	ml_pte bits = (mask & ML_ACCESSED) << 5 | (mask & ML_GLOBAL) << 3;

	bits |= (mask & (ML_SPECIAL | ML_DEVICE_MARK)) << ARM64_MARKS_UP;
	bits |= arm64_soft_bits(mask);
	return mask & ML_TYPE_MASK ? bits | ARM64_ATTRIBUTE : bits;
}

/* Not to be written; dirty keeps its mark. */
ML_INLINE ml_pte arm64_read_only(ml_pte pte)
{
	return (pte & ~ARM64_WRITE) | ARM64_READ_ONLY | (~pte & ARM64_READ_ONLY) << (55 - 7);
}

/*
 * The same of an entry: what the user could write was not executable to the privileged mode,
 * whatever PXN says, and must not become so.
 */
ML_INLINE ml_pte arm64_write_protect(ml_pte pte)
{
	const uint64_t writable = pte >> 51 | ~pte >> 7;

	return arm64_read_only(pte) | (writable & pte >> 6 & 1) << 53; /* PXN */
}

/* A page written by other code without DBM becomes one with DBM: clean, and still writable. */
ML_INLINE ml_pte arm64_clean(ml_pte pte)
{
	return (pte & ~ARM64_SAVED_DIRTY) | ARM64_READ_ONLY | (~pte & ARM64_READ_ONLY) << (51 - 7);
}

/* Accessed, the saved dirty mark, and AP[2] where DBM makes it a dirty mark. */
ML_INLINE ml_pte arm64_ad_bits(ml_pte pte)
{
	return ARM64_ACCESSED | ARM64_SAVED_DIRTY | (pte & ARM64_WRITE) >> (51 - 7);
}

/* Every bit that says who may access the page now, or marks that somebody did. */
#define ARM64_ACCESS (ARM64_WRITE | ARM64_READ_ONLY | ARM64_ACCESSED | ARM64_SAVED_DIRTY)

/*
 * pte with what `more` allows and marks; a page that may be written marks it by AP[2] (A4). What
 * the user may write from now on, the privileged mode executes no more, and no bit says otherwise.
 */
ML_INLINE ml_pte arm64_relax(ml_pte pte, ml_pte more)
{
	const ml_pte given = more & ~pte & ARM64_WRITE;

	pte |= (given >> 51 & pte >> 6 & 1) << 53; /* PXN */
	pte |= more & (ARM64_WRITE | ARM64_ACCESSED | ARM64_SAVED_DIRTY);
	pte &= more | ~ARM64_READ_ONLY;
	if (pte & ARM64_WRITE && pte & ARM64_SAVED_DIRTY)
		pte &= ~(ARM64_SAVED_DIRTY | ARM64_READ_ONLY);
	return pte;
}

ML_INLINE ml_pte arm64_limit(ml_pte leaf, ml_pte any)
{
	if (ML_LIKELY(!(any & ARM64_TABLE_LIMITS)))
		return leaf;
	leaf |= (any & ML_BITS(60, 59)) >> (59 - 53);
	if (any & ML_BIT(61))
		leaf &= ~ARM64_USER;
	return any & ML_BIT(62) ? arm64_read_only(leaf) : leaf;
}

#endif
