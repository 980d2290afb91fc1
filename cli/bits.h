/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Names for bits of raw entries: what the library keeps as residue, refuses, or leaves to tables.
 */
#ifndef MAXLEAF_CLI_BITS_H
#define MAXLEAF_CLI_BITS_H

#include "cli.h"

/* Some bits that stand side by side, and what the manual calls them; name "" where it has none. */
struct bits_field {
	unsigned high;
	unsigned low;
	const char *name;
};

/*
 * Take the lowest named field, or else the lowest run of bits, out of *bits, which are
 * set in an entry of this kind and level. Returns false when *bits is 0.
 */
bool bits_next(const struct ml_format *format, unsigned level, enum ml_kind kind, uint64_t *bits,
	       struct bits_field *field);

/*
 * The n-th limit that a table entry puts on everything below it ("not writable"), NULL
 * after the last.
 */
const char *bits_limit(const struct ml_format *format, ml_pte pte, unsigned n);

#endif
