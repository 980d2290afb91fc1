/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The owner of a mapping, for tests: a file of counted frames, or a device of raw ones, that
 * answers faults as it is told to; and the kinds of spaces that such tests run over.
 */
#ifndef TESTS_OWNER_H
#define TESTS_OWNER_H

#include "home.h"

struct owner {
	struct ml_mapping mapping;
	struct ml_region_ops ops;
	struct home *home;
	/* the caller's to change at any time */
	bool raw;
	unsigned most;               /* larger rungs: FALLBACK */
	enum ml_fault_result answer; /* for all others */
	ml_pa skew;                  /* added to the answer */
	bool inserts;                /* it says so, and does nothing */
	/* what it was asked for: how often, first and last */
	unsigned asked;
	struct ml_fault_request first, last;
	/* its memory */
	ml_pa pa;
	uint64_t bytes;
};

/* Two of the home's smallest leaves above level 0, aligned to both; page n is full of n + 1. */
void owner_open(struct owner *owner, struct home *home, bool raw);

/* Drop what it has; true if nobody else holds any of it. */
bool owner_close(struct owner *owner);

/* Whether its memory is as it was at first. */
bool owner_is_untouched(const struct owner *owner);

#define OWNER_KINDS 6

/*
 * Configurations that faults differ in: live or not, guaranteed, accessed/dirty tracked by whom,
 * fold policies, refaultable leaves marked or not. fault_rungs: all.
 */
struct ml_space_config owner_kind(unsigned kind);

/* Put up a space of a kind, its model as able as its hardware is said to be. */
void owner_home(struct home *home, enum world world, unsigned kind, const struct ml_frames *frames);

#define EACH_HOME(world, kind)                                                                     \
	FOR_EACH_WORLD(world)                                                                      \
	for (unsigned kind = 0; kind < OWNER_KINDS && (T_CONTEXT(worlds[world].name, kind), true); \
	     kind++)

/* A region of the owner's bytes; ML_REGION_RAW is added where they are raw. */
struct ml_region_spec owner_region(struct owner *owner, unsigned flags);

/* Put up a space of a kind, and at its start a region of all bytes of a new owner. */
void owner_move_in(struct owner *owner, struct home *home, enum world world, unsigned kind,
		   bool raw, unsigned flags, const struct ml_frames *frames);

/* home_leave(), and the owner's is all that is left. */
void owner_leave(struct owner *owner);

/* Whether every byte of the page at va is `byte`, as the program sees it. */
bool owner_page_holds(struct home *home, ml_va va, unsigned char byte);

#endif
