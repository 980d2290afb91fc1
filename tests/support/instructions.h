/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What the library asks to be invalidated as the instructions of <maxleaf/tlb.h>, each decoded by
 * the manual, for the adversarial TLB: it hears of nothing but what they drop.
 */
#ifndef TESTS_INSTRUCTIONS_H
#define TESTS_INSTRUCTIONS_H

#include <maxleaf/format.h>
#include <maxleaf/hosted.h>

enum instructions {
	INSTRUCTIONS_NONE,   /* what was asked for is what goes */
	INSTRUCTIONS_SINGLE, /* one for each address */
	INSTRUCTIONS_RANGES, /* with ranges, where the ISA has them */
	INSTRUCTIONS_KINDS
};

/* Issue it to the oracle, for `space`. */
void instructions_issue(struct ml_oracle *oracle, enum instructions kind,
			const struct ml_format *format, unsigned space,
			const struct ml_invalidation *what);

#endif
