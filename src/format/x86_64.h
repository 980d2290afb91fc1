/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The x86-64 entry: Intel SDM vol. 3A 4.5 and 4.9, AMD APM vol. 2 5.3 and 7.8; facts X1-X11.
 *
 * The protection bits of types.h stand where the hardware's stand, so most of the coding
 * is one mask. Two things differ: the PAT bit moves with the level (X2), and a dirty page that
 * may not be written keeps its mark in a software bit, because RW=0 with D=1 is a shadow
 * stack (X4).
 */
#ifndef ML_FORMAT_X86_64_H
#define ML_FORMAT_X86_64_H

#include "base/bits.h"
#include <maxleaf/format.h>

#define X86_PRESENT ML_BIT(0)
#define X86_WRITE ML_BIT(1)
#define X86_USER ML_BIT(2)
#define X86_ACCESSED ML_BIT(5)
#define X86_DIRTY ML_BIT(6)
#define X86_LARGE ML_BIT(7)
#define X86_SAME ((uint64_t)0x767) /* present write user accessed dirty global special device */
#define X86_ADDRESS ML_BITS(51, 12)
#define X86_SOFT ML_BITS(57, 52)
#define X86_SAVED_DIRTY ML_BIT(58)
#define X86_NO_EXECUTE ML_BIT(63)
#define X86_SOFT_UP (52 - ML_SOFT_SHIFT)
#define X86_DIRTY_UP (58 - 6)

#define X86_PROT_MASK \
	((ml_prot)X86_SAME | ML_EXEC | ML_PEXEC | ML_TYPE_MASK | ((ml_prot)0x3f << ML_SOFT_SHIFT))

/* PAT, PCD and PWT of a slot (X1). */
ML_INLINE uint64_t x86_slot_bits(uint64_t slot, unsigned level)
{
	return (slot & 3) << 3 | (slot & 4) << (level ? 10 : 5);
}

ML_INLINE unsigned x86_slot(ml_pte pte, unsigned level)
{
	return (unsigned)((pte >> 3 & 3) | (pte >> (level ? 10 : 5) & 4));
}

/*
 * One execute bit serves both modes: it belongs to the mode that owns the page; whether the
 * privileged mode executes user pages is CR4.SMEP's, not the entry's.
 */
ML_INLINE bool x86_expressible(ml_prot prot)
{
	return !(prot & (prot & ML_USER ? ML_PEXEC : ML_EXEC));
}

ML_INLINE ml_pte x86_leaf_bits(uint64_t slot, ml_prot prot, unsigned level)
{
	const uint64_t saved = prot & ~(prot << 5) & ML_DIRTY;
	ml_pte pte = (prot & X86_SAME) ^ saved;

	pte |= saved << X86_DIRTY_UP;
	pte |= (prot & ML_SOFT_MASK) << X86_SOFT_UP;
	pte |= prot & (ML_EXEC | ML_PEXEC) ? 0 : X86_NO_EXECUTE;
	pte |= x86_slot_bits(slot, level);
	return level ? pte | X86_LARGE : pte;
}

ML_INLINE ml_prot x86_prot(ml_pte pte)
{
	ml_prot prot = pte & X86_SAME;

	prot |= pte >> X86_DIRTY_UP & ML_DIRTY;
	prot |= (pte & X86_SOFT) >> X86_SOFT_UP;
	prot |= (~pte >> 63) << 4 >> (pte >> 2 & 1); /* ML_EXEC for user pages, else ML_PEXEC */
	return prot;
}

ML_INLINE enum ml_kind x86_kind(ml_pte pte, unsigned level)
{
	if (!(pte & X86_PRESENT))
		return pte ? ML_KIND_INVALID : ML_KIND_EMPTY;
	return level == 0 || (level <= 2 && pte & X86_LARGE) ? ML_KIND_LEAF : ML_KIND_TABLE;
}

ML_INLINE ml_pa x86_leaf_pa(ml_pte pte, unsigned level)
{
	return pte & X86_ADDRESS & ~(ML_BIT(12 + 9 * level) - 1);
}

/* Bits an entry of this kind and level must have zero. */
ML_INLINE uint64_t x86_reserved(enum ml_kind kind, unsigned level)
{
	if (kind == ML_KIND_TABLE)
		return level >= 3 ? X86_LARGE : 0;
	return kind == ML_KIND_LEAF && level ? ML_BIT(12 + 9 * level) - ML_BIT(13) : 0;
}

/* Every bit the library names in a leaf, the address, the size bit and the type aside. */
#define X86_NAMED (X86_SAME | X86_SOFT | X86_SAVED_DIRTY | X86_NO_EXECUTE)

/* Protection changes that are one mask whatever the rest of the entry says. */
#define X86_PLAIN \
	(ML_ACCESSED | ML_GLOBAL | ML_SPECIAL | ML_DEVICE_MARK | ML_SOFT_MASK | ML_TYPE_MASK)

ML_INLINE ml_pte x86_plain_bits(ml_prot mask, unsigned level)
{
	ml_pte bits = (mask & X86_SAME) | ((mask & ML_SOFT_MASK) << X86_SOFT_UP & X86_SOFT);

	return mask & ML_TYPE_MASK ? bits | x86_slot_bits(7, level) : bits;
}

ML_INLINE ml_pte x86_write_protect(ml_pte pte)
{
	return (pte & ~(X86_WRITE | X86_DIRTY)) | (pte & X86_DIRTY) << X86_DIRTY_UP;
}

/* Every bit that says who may access the page now, or marks that somebody did. */
#define X86_ACCESS (X86_WRITE | X86_ACCESSED | X86_DIRTY | X86_SAVED_DIRTY)

/* pte with what `more` allows and marks; the dirty mark moves to where writing wants it (X4). */
ML_INLINE ml_pte x86_relax(ml_pte pte, ml_pte more)
{
	const ml_pte dirty = (pte | more) & (X86_DIRTY | X86_SAVED_DIRTY);

	pte = (pte | (more & (X86_WRITE | X86_ACCESSED))) & ~(X86_DIRTY | X86_SAVED_DIRTY);
	if (!dirty)
		return pte;
	return pte | (pte & X86_WRITE ? X86_DIRTY : X86_SAVED_DIRTY);
}

/* A table entry's limits on what is below it: RW and US are AND-ed, NX OR-ed on the way down. */
ML_INLINE ml_pte x86_limit(ml_pte leaf, ml_pte all, ml_pte any)
{
	leaf = (leaf & (all | ~X86_USER)) | (any & X86_NO_EXECUTE);
	return all & X86_WRITE ? leaf : x86_write_protect(leaf);
}

#endif
