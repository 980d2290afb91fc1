/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Calls that pass each other on one toy table of 16 pages: tasks that change or read it, run in
 * every order that makes a difference (explore.h). What a reader says must have been so at one
 * instant of its call, by a walk written here; what writers leave must be what one after the other
 * would have left.
 */
#ifndef TESTS_PASSING_H
#define TESTS_PASSING_H

#include <stdbool.h>
#include <stdint.h>

#include "explore.h"

#define PASSING_PAGE ((uint64_t)0x1000)
#define PASSING_PAGES 16

enum passing_kind {
	/* table.h */
	PASS_MAP,
	PASS_REPLACE,
	PASS_UNMAP,
	PASS_UNMAP_TOLD,
	PASS_PROTECT, /* takes writing away */
	PASS_RELAX,
	PASS_RETYPE, /* makes it uncached, which breaks what is live */
	PASS_SPLIT,
	PASS_FOLD,
	PASS_HARVEST,
	PASS_TRIM,
	/* pte.h, entries of level 0 of one table; ml_flush_range() follows */
	PASS_SET,      /* a run only where nothing is */
	PASS_SWAP_OUT, /* a software entry in each */
	PASS_CLEAR,
	PASS_WRPROTECT,
	PASS_YOUNG,
	PASS_ACCESS, /* writing, accessed, dirty */
	PASS_FLIP,   /* the first entry made read-only, and writable again: a group comes back */
	/* readers */
	PASS_TRANSLATE,
	PASS_WALK,
	PASS_RUNS,
	PASS_LOCKLESS, /* of level `rung` */
};

struct passing_call {
	uint8_t kind, first, pages, rung;
};

/* How a table is set up, and by what calls. */
struct passing_setup {
	uint8_t fold, bbm;
	bool live, track_ad;
	bool watched;   /* by the adversarial TLB; live tables alone */
	bool one_waits; /* a mistake: only the first task waits for completion; it is counted */
	uint64_t unit;  /* lock_unit */
	struct passing_call calls[4];
	unsigned count;
};

/* What stands there before: pages, groups, blocks, pieces of them. */
#define PASSING_STARTS 10
extern const struct passing_setup passing_starts[PASSING_STARTS];

/* What passes: the last is run first where it makes no difference. */
extern struct passing_call passing_tasks[EXPLORE_TASKS];

struct passing_sum {
	uint64_t cases, orders, broken;
	uint64_t found; /* by the adversarial TLB */
};

extern struct passing_sum passing_sum;

/* Put a table up, for all cases until the next; it is copied. */
void passing_set_up(const struct passing_setup *setup);

/* Every order of passing_tasks[0 .. count). False: the test has failed often enough. */
bool passing_explore(unsigned count);

/* Not live, or live with walkers that bear break-before-make of level way - 1. */
void passing_make_live(struct passing_setup *setup, unsigned way);

/* The calls of table.h that change a range, one after another: false when there are no more. */
bool passing_change(unsigned number, uint8_t first, uint8_t pages, struct passing_call *c);

/* The same of pte.h; false, too, where the range is in two tables. */
bool passing_edit(unsigned number, uint8_t first, uint8_t pages, struct passing_call *c);

/* Say what was explored, as TAP comment, and count from zero. */
void passing_tell(const char *what);

#endif
