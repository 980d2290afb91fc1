/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Sequences of operations as data: what table they run on, what they do. They are made
 * from a source, printed as a script, and judged in judge.h. No action depends on the
 * ones before it, so any of them can be left out.
 */
#ifndef TESTS_SEQUENCE_H
#define TESTS_SEQUENCE_H

#include <maxleaf/table.h>

#include "source.h"

enum world { WORLD_X86_4, WORLD_X86_5, WORLD_ARM_LOW, WORLD_ARM_HIGH, WORLD_TOY, WORLDS };

/* A part of the address space where operations meet. */
struct window {
	ml_va first;
	uint64_t bytes;
	bool coarse; /* frames are shifted, and leaves split, by multiples of 2M alone */
};

#define WORLD_WINDOWS 6

struct world_facts {
	const char *name;
	const struct ml_format *format;
	uint8_t levels;
	bool high;
	uint8_t coarse_shift; /* lg2 of the first size that stands above level 0 */
	ml_va low_last;       /* the space is 0..low_last */
	ml_va high_first; /* and high_first..~0; either may be missing: low_last 0, high_first 0 */
	struct window windows[WORLD_WINDOWS];
};

extern const struct world_facts worlds[WORLDS];

#define FOR_EACH_WORLD(world)                                                                      \
	for (enum world world = 0; world < WORLDS && (T_CONTEXT(worlds[world].name, world), true); \
	     world++)

/* The table a sequence runs on. */
struct setting {
	uint8_t world;
	uint8_t fold; /* enum ml_fold_policy */
	bool live, guaranteed, deposit_one, track_ad, hardware_ad, any;
	bool refaultable; /* leaves marked ML_SOFT(0) own no tables */
	bool hooked;      /* no base: every table through the platform's hook */
	uint32_t rungs;
	uint8_t pa_bits;
	uint8_t ad_shift;   /* lg2 of the accessed/dirty unit; 0: none is told */
	uint8_t unit_shift; /* lg2 of lock_unit; 0: one writer */
	uint8_t window;     /* index of the window its actions fall into */
	uint8_t bbm, errata;
	bool each_member;
	uint8_t instructions;        /* enum instructions, under the adversarial TLB */
	struct ml_never_fault never; /* declared before anything is mapped; len 0: not */
};

/* What of it is ml_table_init()'s. */
struct ml_table_config setting_config(const struct setting *setting);

/* Whether walkers of such a table bear every change of size. */
bool setting_is_hitless(const struct setting *setting);

/* Whether [first, last] meets what must never fault. */
bool setting_never_faults(const struct setting *setting, ml_va first, ml_va last);

enum action_kind {
	ACTION_MAP,
	ACTION_EXTENTS,
	ACTION_UNMAP,
	ACTION_PROTECT,
	ACTION_SPLIT,
	ACTION_FOLD,
	ACTION_MOVE,
	ACTION_MAP_STEP,
	ACTION_UNMAP_STEP,
	ACTION_TOUCH, /* hardware reads or writes a page, and marks its leaf */
	ACTION_LIVE,  /* becomes live, or stops being */
	ACTIONS
};

/* Where an action takes its tables from. */
enum feed {
	FEED_PLATFORM,
	FEED_RESERVE, /* from a reserve of exactly what is needed */
	FEED_SHORT,   /* first from one that is short by one table, */
	FEED_PREPARE  /* from what ml_prepare() took; mapping only */
};

#define ACTION_EXTENTS_MOST 4

struct action {
	uint8_t kind, rung, feed;
	uint8_t fail; /* this allocation fails; 0: none */
	bool replace, sink, write;
	bool bare; /* no ml_op at all, which takes the short ways; excludes the above */
	uint8_t extent_count;
	uint32_t rungs; /* mapping chooses among these alone; 0: no limit */
	ml_va va;
	uint64_t len;
	ml_va to; /* moves */
	ml_pa pa;
	ml_prot mask, prot; /* protect: value; TOUCH and LIVE use write */
	struct ml_extent extents[ACTION_EXTENTS_MOST];
};

struct setting sequence_setting(struct source *s);
struct action sequence_action(struct source *s, const struct setting *setting);

/* One line each, as TAP comments. */
void sequence_print_setting(const struct setting *setting);
void sequence_print_action(size_t number, const struct action *action);

#endif
