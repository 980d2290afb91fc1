/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Hardware that marks entries put up for a test (entries.h) accessed and dirty whenever it may:
 * before any access that a call makes to any entry. The mark of a member is that of its whole
 * group. What it marks must be in the table when the call ends, or the call has told of it.
 */
#ifndef TESTS_ENTRIES_HARDWARE_H
#define TESTS_ENTRIES_HARDWARE_H

#include "entries.h"

struct entries_hardware {
	struct entries *entries; /* NULL: walkers of this table mark nothing */
	struct source s;
	bool acts;
	ml_prot came[ENTRIES_MOST]; /* during this call */
	uint64_t marks;             /* made so far, by all calls */
};

/* From now on; quiet until a call begins. The entries stay where they are. */
void entries_hardware_begin(struct entries_hardware *h, struct entries *e, uint64_t seed);
void entries_hardware_end(struct entries_hardware *h);

/* A call begins. */
void entries_hardware_call(struct entries_hardware *h);

/* What came to a run of entries since. */
ml_prot entries_hardware_came(const struct entries_hardware *h, unsigned from, unsigned count);

/*
 * It ends, and the flat model says what it did: `told` are the marks of each entry that it told
 * of, or that it may lose. The model learns what is in the table now. NULL, or what was wrong.
 */
const char *entries_hardware_settle(struct entries_hardware *h, const ml_prot *told);

#endif
