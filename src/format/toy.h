/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The toy entry: no hardware has it. Two levels of four entries, groups of two at both, so
 * that every state of a table can be enumerated. Its rules are Arm's: size, group and type
 * changes need break-before-make.
 */
#ifndef ML_FORMAT_TOY_H
#define ML_FORMAT_TOY_H

#include "base/bits.h"
#include <maxleaf/format.h>

#define TOY_VALID ML_BIT(0)
#define TOY_LEAF ML_BIT(1)
#define TOY_GROUP ML_BIT(2)
#define TOY_WRITE ML_BIT(3)
#define TOY_USER ML_BIT(4)
#define TOY_ACCESSED ML_BIT(5)
#define TOY_DIRTY ML_BIT(6)
#define TOY_EXECUTE ML_BIT(7)
#define TOY_TYPE ML_BITS(9, 8)
#define TOY_SPECIAL ML_BIT(10)
#define TOY_SOFT ML_BIT(11)
#define TOY_ADDRESS ML_BITS(19, 12)
#define TOY_TABLE_ADDRESS ML_BITS(19, 5)
#define TOY_ANNOUNCE ML_BIT(12) /* of a block: its size is about to change */

#define TOY_PROT_MASK                                                                              \
	(ML_READ | ML_WRITE | ML_USER | ML_EXEC | ML_PEXEC | ML_ACCESSED | ML_DIRTY | ML_SPECIAL | \
	 ML_TYPE_MASK | ML_SOFT(0))

ML_INLINE ml_pte toy_plain_bits(ml_prot mask)
{
	ml_pte bits = (mask & ML_WRITE) << 2 | (mask & (ML_ACCESSED | ML_DIRTY));

	bits |= (mask & ML_SPECIAL) << 1 | (mask & ML_SOFT(0)) >> (ML_SOFT_SHIFT - 11);
	return mask & ML_TYPE_MASK ? bits | TOY_TYPE : bits;
}

ML_INLINE ml_pte toy_leaf_bits(uint64_t slot, ml_prot prot)
{
	ml_pte pte = TOY_VALID | TOY_LEAF | (slot & 3) << 8;

	pte |= toy_plain_bits(prot & ~ML_TYPE_MASK) | (prot & ML_USER) << 2;
	return prot & (ML_EXEC | ML_PEXEC) ? pte | TOY_EXECUTE : pte;
}

ML_INLINE ml_prot toy_prot(ml_pte pte)
{
	ml_prot prot =
		ML_READ | (pte >> 2 & (ML_WRITE | ML_USER)) | (pte & (ML_ACCESSED | ML_DIRTY));

	prot |= (pte >> 1 & ML_SPECIAL) | (pte & TOY_SOFT) << (ML_SOFT_SHIFT - 11);
	if (pte & TOY_EXECUTE)
		prot |= pte & TOY_USER ? ML_EXEC : ML_PEXEC;
	return prot;
}

ML_INLINE enum ml_kind toy_kind(ml_pte pte, unsigned level)
{
	if (!(pte & TOY_VALID))
		return pte ? ML_KIND_INVALID : ML_KIND_EMPTY;
	if (pte & TOY_LEAF)
		return ML_KIND_LEAF;
	return level ? ML_KIND_TABLE : ML_KIND_INVALID;
}

ML_INLINE uint64_t toy_reserved(ml_pte pte, enum ml_kind kind, unsigned level)
{
	if (kind == ML_KIND_INVALID)
		return pte & TOY_VALID;
	if (kind == ML_KIND_TABLE)
		return pte & (ML_BITS(62, 20) | ML_BITS(4, 1));
	return pte & (ML_BITS(62, 20) | ((ML_BIT(12 + 2 * level) - ML_BIT(12)) & ~TOY_ANNOUNCE));
}

#define TOY_NAMED \
	(TOY_WRITE | TOY_USER | TOY_ACCESSED | TOY_DIRTY | TOY_EXECUTE | TOY_SPECIAL | TOY_SOFT)

#define TOY_ACCESS (TOY_WRITE | TOY_ACCESSED | TOY_DIRTY)

#define TOY_PLAIN (ML_WRITE | ML_ACCESSED | ML_DIRTY | ML_SPECIAL | ML_SOFT_MASK | ML_TYPE_MASK)

#endif
