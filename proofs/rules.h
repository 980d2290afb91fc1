/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Break-before-make as the manuals have it, by the fields of their figures: Arm ARM D8.16.1. What
 * is read through two entries of one address may differ in permissions and in nothing else.
 */
#ifndef RULES_H
#define RULES_H

#include "prove.h"

/* The fields of a descriptor, from the manual's figures; toy's from its description. */
struct fields {
	ml_pte type;       /* memory type, cacheability, shareability */
	ml_pte not_global; /* that it is of one address space */
	ml_pte group;      /* that it is a member of a group, */
	ml_pte borne;      /* and what members may differ in until they are invalidated */
	ml_pte size;       /* valid, and what makes a leaf of it */
	ml_pte frame;
};

static inline struct fields fields_of(unsigned level)
{
	const ml_pte arm64_borne = ML_BIT(7) | ML_BIT(10) | ML_BIT(51) | ML_BITS(58, 55) |
				   ML_BIT(63); /* AP[2], AF, DBM, software's */
	const struct fields arm64 = { .type = ML_BITS(4, 2) | ML_BITS(9, 8),
				      .not_global = MUTANT(ML_BIT(11), 0),
				      .group = ML_BIT(52),
				      .borne = arm64_borne,
				      .size = ML_BITS(1, 0),
				      .frame = ML_BITS(47, 12) };
	const struct fields toy = { .type = ML_BITS(9, MUTANT(8, 6)),
				    .group = ML_BIT(2),
				    .borne = ML_BIT(3) | ML_BITS(6, 5) | ML_BITS(11, 10) |
					     ML_BIT(63),
				    .size = ML_BITS(1, 0),
				    .frame = ML_BITS(19, 12) };
	const struct fields x86 = { .type = MUTANT(0, ML_BIT(1)),
				    .size = ML_BIT(0) | (level ? ML_BIT(7) : 0),
				    .frame = level ? ML_BITS(51, 13) : ML_BITS(51, 12) };

	switch (F->encoding) {
	case ML_ENCODING_X86_64:
		return x86;
	case ML_ENCODING_ARM64:
		return arm64;
	default:
		return toy;
	}
}

/* x86-64 has no such rule: Intel SDM vol. 3A 4.10.2.4 allows the old, and the new, and no mix. */
static inline bool needs_break(ml_pte from, ml_pte to, unsigned level)
{
	const struct fields fields = fields_of(level);
	const ml_pte changed = from ^ to;

	if (from & fields.group && changed & ~fields.borne)
		return true;
	return changed & fields.type || (from & ~to & fields.not_global);
}

#endif
