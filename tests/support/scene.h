/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * One live table with every judge at hand: the model of judge.h, the order of events, and the
 * adversarial TLB. Each call is made, judged, and its events kept to be looked at.
 */
#ifndef TESTS_SCENE_H
#define TESTS_SCENE_H

#include "judge.h"
#include "order.h"

#define SCENE_EVENTS 8192

struct scene {
	struct judge judge;
	struct order order;
	struct ml_trace trace;
	/* a test's own eyes: called after the judges, for every event; NULL: none */
	void (*look)(struct scene *scene, const struct ml_event *event);
	const char *seen;            /* what look() found wrong first */
	ml_va va;                    /* where the space begins; a multiple of every leaf size */
	uint64_t page, group, block; /* bytes of leaves: of level 0, of its group, of level 1 */
	/* of the last call */
	bool refused;
	size_t count;
	struct ml_event events[SCENE_EVENTS];
};

/* There is one, and it is large. */
extern struct scene scene;

/* All return NULL, or what was wrong. */

/* A live table of this world; setting may be NULL, and says how it differs from a plain one. */
const char *scene_open(enum world world, const struct setting *setting);
const char *scene_close(void);

/* Calls. They must succeed, except where the arguments deserve a refusal, or allocation fails. */
const char *scene_map(ml_va va, uint64_t len, ml_pa pa, ml_prot prot);
const char *scene_replace(ml_va va, uint64_t len, ml_pa pa, ml_prot prot);
const char *scene_unmap(ml_va va, uint64_t len); /* with a sink */
const char *scene_drop(ml_va va, uint64_t len);  /* without */
const char *scene_protect(ml_va va, uint64_t len, ml_prot mask, ml_prot value);
const char *scene_split(ml_va va, uint64_t len, uint64_t leaf);
const char *scene_fold(ml_va va, uint64_t len, uint64_t leaf);
const char *scene_do(const struct action *action);

/* Hardware reads or writes a page. */
const char *scene_touch(ml_va va, bool write);

/* Bytes of the leaf at va; 0: nothing is mapped. */
uint64_t scene_leaf(ml_va va);

/* Events of this kind in the last call. */
size_t scene_events(enum ml_event_kind kind);

/* The n-th invalidation of the last call. */
const struct ml_invalidation *scene_invalidation(size_t number);

/* The last call's first event of this kind from `from` on, as an index; or scene.count. */
size_t scene_next(size_t from, enum ml_event_kind kind);

/* The entry of this level for va, in memory. */
ml_pte *scene_entry(ml_va va, unsigned level);

#endif
