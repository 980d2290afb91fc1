/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* INVLPG, INVPCID and INVLPGB, decoded as the manuals describe them (SDM 4.10.4.1, APM vol. 3). */
#ifndef TESTS_INVLPG_H
#define TESTS_INVLPG_H

#include <maxleaf/tlb.h>

/* What a form drops wherever it applies: leaves under this PCID, others, global; tables. */
struct invlpg_scope {
	bool here, elsewhere, globals, tables_here, tables_elsewhere;
};

struct invlpg_dropped {
	struct invlpg_scope scope;
	bool all;
	uint64_t first, last;
};

/* The table's root is the CPU's, as far as PCIDs tell. */
bool invlpg_is_current(const struct ml_tlb_x86_64 *space);

/* What goes under the one PCID: nothing global. */
struct invlpg_scope invlpg_under(const struct ml_tlb_x86_64 *space, unsigned pcid);

/* What INVLPG itself goes through. */
struct invlpg_scope invlpg_alone(const struct ml_tlb_x86_64 *space);

/* Of an op for leaves of 1 << shift bytes; what is wrong with it is a complaint. */
struct invlpg_dropped invlpg_decode(const struct ml_tlb_x86_64 *space,
				    const struct ml_tlb_x86_64_op *op, unsigned shift);

#endif
