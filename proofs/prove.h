/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What every proof shares. A proof is a function without arguments: its inputs are free, so what
 * it states holds for all of them. CBMC proves it once for each format, or refutes it with one set
 * of inputs.
 *
 * Each file is also compiled with BROKEN: then MUTANT() takes its second argument, at least one
 * statement must be refuted, and every statement must be one that some inputs come to.
 */
#ifndef PROVE_H
#define PROVE_H

#include "format/codec.h"

/* For each format; for those with groups; once, for what is small or knows no format. */
#define PROOF(name)      \
	void name(void); \
	void name(void)
#define PROOF_OF_GROUPS(name) PROOF(name)
#define PROOF_OF_TOY(name) PROOF(name)

#define ASSUME(condition) __CPROVER_assume(condition)

#ifdef BROKEN
#define MUTANT(right, wrong) (wrong)
#define PROVE(condition, sentence)                               \
	do {                                                     \
		__CPROVER_assert(condition, "prove: " sentence); \
		__CPROVER_assert(false, "reach: " sentence);     \
	} while (0)
#else
#define MUTANT(right, wrong) (right)
#define PROVE(condition, sentence) __CPROVER_assert(condition, "prove: " sentence)
#endif

/* FORMAT comes from the command line. */
#define F (&FORMAT)

/* Sums of addresses that do not wrap. */
typedef unsigned __int128 wide;

/* No body: any value of the type. */
uint64_t nondet_uint64_t(void);
unsigned nondet_unsigned(void);

static inline bool any_bool(void)
{
	return nondet_uint64_t() & 1;
}

static inline unsigned any_below(unsigned end)
{
	const unsigned number = nondet_unsigned();

	ASSUME(number < end);
	return number;
}

/* Any layout of the type register. */
static inline struct ml_types any_types(void)
{
	struct ml_types types;

	ml_types_init(&types, F, nondet_uint64_t());
	return types;
}

static inline struct ml_types default_types(void)
{
	struct ml_types types;

	ml_types_init(&types, F, 0);
	return types;
}

/* Bits of a leaf that the manual gives to others than the library. */
static inline uint64_t foreign_bits(unsigned level)
{
	switch (F->encoding) {
	case ML_ENCODING_X86_64:
		return ML_BIT(11) | ML_BITS(62, 59); /* available; protection key */
	case ML_ENCODING_ARM64:                      /* NS, GP, PBHA, and nT of blocks */
		return ML_BIT(5) | ML_BIT(50) | ML_BITS(62, 59) | (level ? ML_BIT(16) : 0);
	default:
		return ML_BIT(63);
	}
}

/* A leaf, what it says, and what else it holds. */
struct leaf {
	ml_prot prot;
	ml_pa pa;
	unsigned level;
	bool group;
	uint64_t foreign;
	ml_pte pte;
};

/* The entry of a protection, or of none that there is: then these inputs do not count. */
static inline ml_pte coded(const struct ml_types *types, ml_prot prot, const struct leaf *leaf)
{
	ml_pte pte = 0;

	ASSUME(ml_format_encode(F, types, leaf->pa, prot, leaf->level, leaf->group, &pte) == ML_OK);
	return pte | leaf->foreign;
}

/* Any leaf of this level that the format can express, with any foreign bits. */
static inline struct leaf any_leaf_of(const struct ml_types *types, unsigned level)
{
	struct leaf leaf;

	leaf.prot = nondet_uint64_t();
	leaf.pa = nondet_uint64_t();
	leaf.level = level;
	leaf.group = any_bool();
	leaf.foreign = nondet_uint64_t() & foreign_bits(leaf.level);
	leaf.pte = coded(types, leaf.prot, &leaf);
	return leaf;
}

/* At any place. */
static inline struct leaf any_leaf(const struct ml_types *types)
{
	return any_leaf_of(types, any_below(F->levels_max));
}

/* An entry, decoded. */
static inline struct ml_entry decoded(const struct ml_types *types, ml_pte pte, unsigned level)
{
	struct ml_entry entry = { 0 };

	ASSUME(ml_format_decode(F, types, pte, level, &entry) == ML_OK);
	return entry;
}

/* Whether two entries say the same. */
static inline bool same_entry(struct ml_entry a, struct ml_entry b)
{
	return a.kind == b.kind && a.pa == b.pa && a.prot == b.prot && a.group == b.group &&
	       a.residue == b.residue && a.reserved == b.reserved;
}

#endif
