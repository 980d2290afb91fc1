/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Judges the order of events on one table: what a store may change under a walker's eyes,
 * that what was cached is invalidated before it matters, that tables are whole before they
 * are linked and free only when no walker can be in them. It listens to the hosted trace.
 */
#ifndef TESTS_ORDER_H
#define TESTS_ORDER_H

#include "rig.h"

#define ORDER_TABLES 8192
#define ORDER_STALE 32768
#define ORDER_KEPT 64

/* One table of the arena. */
struct order_table {
	ml_pa pa;
	bool linked;    /* a walker can reach it */
	bool entered;   /* a walker that has reached it may still be inside */
	bool moves;     /* unlinked in this operation, and whole: it may be linked elsewhere */
	uint8_t level;  /* of a linked one, */
	ml_va va;       /* and the first address below it */
	uint16_t holes; /* entries of a new one not yet filled */
};

/* A translation, or a whole table, that walkers may still hold. */
struct order_stale {
	ml_va first, last;
	ml_pte *entry;
	uint8_t level;
	bool table;     /* a link was removed: last-level forms do not help */
	bool covered;   /* an invalidation for it was issued, */
	uint8_t rounds; /* and completed so often */
};

struct order {
	struct rig *rig;
	unsigned bbm;  /* what the walkers bear: 0, 1 or 2, errata taken into account */
	bool repeated; /* one invalidation is not enough: two, each completed */
	struct ml_trace trace;
	bool failed;
	char message[300];
	bool stored;      /* something visible in this operation */
	bool unpublished; /* stores that walkers need not see yet */
	uint64_t invalidations;
	size_t table_count, stale_count, kept_count;
	struct {
		ml_va va;
		ml_pa pa;
	} kept[ORDER_KEPT]; /* pages that must translate after every store */
	struct order_table tables[ORDER_TABLES];
	struct order_stale stale[ORDER_STALE];
};

/*
 * Listen from now on; the table is empty, and the order large: keep it static. The wish is what the
 * table was opened with.
 */
void order_begin(struct order *order, struct rig *rig, const struct ml_table_config *wish);

/*
 * Until the next operation begins, what is mapped of [va, last] has to stay so, and never by an
 * entry that may fault: as many pages as there is room for are watched, those at the ends among
 * them.
 */
void order_keep(struct order *order, ml_va va, ml_va last);

/* An operation begins; ends: nothing stale may be left. Both return false after a fault. */
bool order_operation(struct order *order);
bool order_settled(struct order *order);

void order_end(struct order *order);

#endif
