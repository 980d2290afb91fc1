/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What `maxleaf pte` was asked: between its options (cmd_pte.c) and its report (pte_report.c). */
#ifndef MAXLEAF_CLI_PTE_H
#define MAXLEAF_CLI_PTE_H

#include "cli.h"

#define PTE_ANY_LEVEL ML_LEVEL_MAX /* decode at every level where it is plausible */

/* The running sums of a decoding. */
struct pte_sums {
	uint64_t entries;
	uint64_t malformed; /* of these, how many have reserved bits set */
};

/* Decode one value and report it, once for each level asked for. */
void pte_decode(const struct ml_format *format, const struct ml_types *types, ml_pte pte,
		unsigned level, bool json, struct pte_sums *sums);

#endif
