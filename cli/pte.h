/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What `maxleaf pte` was asked: between its options (cmd_pte.c) and its report (pte_report.c),
 * which decodes entries for other commands, too.
 */
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

/* --- for other commands ------------------------------------------------------------------- */

struct pte_phrase {
	char text[512];
};

/*
 * An entry in a line: "2M leaf, pa 0x40000000, rw---, accessed, dirty", "table 0x1000", "not
 * present". count > 1: it is the first of so many that continue it.
 */
struct pte_phrase pte_phrase(const struct ml_format *format, const struct ml_types *types,
			     ml_pte pte, unsigned level, uint64_t count);

/* A protection in a line: "rw---, accessed, dirty, NC". */
struct pte_phrase pte_prot_phrase(ml_prot prot);

/* The fields of an entry's record, into an open object. */
void pte_write(struct cli_json *json, const struct ml_format *format, const struct ml_types *types,
	       ml_pte pte, unsigned level);

/* Of these, the ones that a protection gives. */
void pte_write_prot(struct cli_json *json, ml_prot prot);

#endif
