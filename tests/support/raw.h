/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Raw frames in the regions of a home: mapped, and looked at with the MMU's eyes. */
#ifndef TESTS_RAW_H
#define TESTS_RAW_H

#include "home.h"

/* Flags of a region of a device, shared. */
#define RAW_SHARED (ML_REGION_SHARED | ML_REGION_RAW)

/* Put up a space with a table like this; NULL: a live one. */
void raw_home(struct home *home, enum world world, const struct ml_table_config *table);

/* An address that is a multiple of all leaf sizes. */
ml_va raw_va(const struct home *home);

/* A region that may be read and written, and these rights are the most. */
int raw_map(struct home *home, ml_va va, uint64_t len, unsigned flags, struct ml_mapping *mapping);

/*
 * Whether the program in the home finds the frames from pa on at every page of [va, va + len), with
 * this memory type, and every leaf is the largest of `rungs` that lies inside and is congruent.
 * Complains where not. rungs 0: all of the table's.
 */
bool raw_shows(const struct home *home, ml_va va, uint64_t len, ml_pa pa, ml_prot type,
	       uint32_t rungs);

/* Whether nothing is mapped in the range. */
bool raw_is_empty(const struct home *home, ml_va va, uint64_t len);

#endif
