/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Some entries of one level of one table, put up for tests of the entry-level contract: what they
 * hold beside a flat model that knows of no groups but by their effect on accessed and dirty, the
 * order judge listening, and a look at every group at every event.
 */
#ifndef TESTS_ENTRIES_H
#define TESTS_ENTRIES_H

#include <maxleaf/pte.h>

#include "order.h"
#include "rig.h"

#define ENTRIES_MOST 64

/* What a flat table says of one entry. */
struct flat {
	ml_pa pa;      /* of a leaf */
	ml_prot prot;  /* of a leaf, 0: it is none */
	ml_pte absent; /* a software entry, or 0 */
	bool hidden;   /* a leaf that may not be accessed */
};

struct entries {
	struct rig rig;
	unsigned level;
	unsigned count; /* the last entries of their table */
	unsigned size;  /* of a group; 1: the level has none */
	ml_va va;       /* of the first */
	ml_pte *p;
	uint64_t step;     /* bytes of one */
	const char *mixed; /* what was wrong with a group at some event; NULL: nothing */
	struct flat flat[ENTRIES_MOST];
};

/* Put up a table with one of `level`, empty; no order judge is needed. */
bool entries_open(struct entries *e, enum world world, const struct ml_table_config *wish,
		  unsigned level, struct order *order);
bool entries_close(struct entries *e, struct order *order);

ml_va entries_va(const struct entries *e, unsigned index);

/* Whether the entry is valid and hinted, as it stands in memory. */
bool entries_hinted(const struct entries *e, unsigned index);

/* The bit that marks members of groups of this level; 0: there are none. */
ml_pte entries_hint(const struct entries *e);

/* Entries of folded groups. */
unsigned entries_folded(const struct entries *e);

/* NULL, or what is wrong with the groups: when nothing is under way, or at any instant. */
const char *entries_groups(const struct entries *e, bool settled);

/* NULL, or what differs from the model. */
const char *entries_differ(const struct entries *e);

/* What marks one member of a folded group marks them all. */
void entries_share(struct entries *e);

/* Whether this entry's group is complete: one sequence that could be one leaf. */
bool entries_complete(const struct entries *e, unsigned index);

#endif
