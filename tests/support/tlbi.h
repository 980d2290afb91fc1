/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* TLBI operands, decoded as the manual describes them (Arm ARM C5.5). */
#ifndef TESTS_TLBI_H
#define TESTS_TLBI_H

#include <maxleaf/tlb.h>

/* What one TLBI drops. */
struct tlbi_dropped {
	uint64_t first, last; /* addresses, if not all */
	unsigned asid;
	bool all, all_asids, globals, tables, stage2;
	bool range;
	unsigned level; /* of the leaves, as the manual counts; 0: every */
};

/* Of an op for leaves of 1 << shift bytes; what is wrong with its operand is a complaint. */
struct tlbi_dropped tlbi_decode(const struct ml_tlb_arm64 *space, const struct ml_tlb_arm64_op *op,
				unsigned shift);

#endif
