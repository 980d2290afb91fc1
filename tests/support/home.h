/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * An address space put up for a test: tables in an arena, counted frames and raw ones with real
 * bytes in them, and a CPU without a TLB that loads and stores through the model MMU and hands its
 * faults to the space.
 */
#ifndef TESTS_HOME_H
#define TESTS_HOME_H

#include <maxleaf/frames.h>
#include <maxleaf/hosted.h>

#include "rig.h"

/* Raw frames of a world, [first, first + bytes); nobody counts them. */
struct home_raw {
	ml_pa first;
	uint64_t bytes;
	char *memory;
};

struct home {
	const struct world_facts *facts;
	struct ml_arena *arena;     /* shared by all homes of a world, like */
	struct ml_frame_pool *pool; /* the frames and */
	struct home_raw *raw;
	struct ml_space space;
	struct ml_model model;
	enum ml_fault_result fault; /* the last one */
	uint64_t faults;
};

/*
 * Put up a space in the world's first window. `wish` may be NULL; platform, cookies, base, levels,
 * frames (where NULL) and the window (where 0) are filled in. Returns what ml_space_init() does.
 */
int home_open(struct home *home, enum world world, const struct ml_space_config *wish);

/* Take it down; true if every table came back. */
bool home_close(struct home *home);

/* True if no home of the world is open and every table, frame and region came back. */
bool home_is_empty(enum world world);

/* The world's counted frames, and its raw ones. */
struct ml_frame_pool *home_frames(enum world world);
struct home_raw *home_raw(enum world world);

/* The struct ml_frames of homes: those of the pool, and a copy that can read raw frames. */
extern const struct ml_frames home_frame_ops;

/* The n-th request for frames or a region object from now fails, once; 0: none. */
extern uint64_t home_fail_nth;

/* The byte of memory at pa; counted or raw. */
unsigned char *home_byte(const struct home *home, ml_pa pa);

/*
 * A load, or a store, of one byte as an unprivileged program does it: walk, fault, walk again, up
 * to eight times. True if it was done; else home->fault says why not.
 */
bool home_load(struct home *home, ml_va va, unsigned char *byte);
bool home_store(struct home *home, ml_va va, unsigned char byte);

/* The bytes of a base page, and of the smallest leaf above level 0; and that leaf's rung. */
uint64_t home_page(const struct home *home);
uint64_t home_large(const struct home *home);
int home_large_rung(const struct home *home);

/* The leaf that va has now: an index into format->rungs; -1: none. */
int home_rung(const struct home *home, ml_va va);

/* The largest leaf at va, of those of `rungs`, that lies in [first, first + len). */
int home_best_rung(const struct home *home, ml_va va, ml_va first, uint64_t len, uint32_t rungs);

/* ml_space_check(), printed where it fails. */
bool home_is_sound(const struct home *home);

/* The home's table as a rig, for pictures. */
struct rig home_rig(const struct home *home);

/* ---- steps of tests: each complains where it fails ------------------------------------ */

/* Zeroes of its own; raw frames that all share. */
extern const struct ml_region_spec home_memory, home_device;

void home_map(struct home *home, ml_va va, uint64_t len, const struct ml_region_spec *spec);

/* home_device, and the frames from pa on in it. */
void home_map_raw(struct home *home, ml_va va, uint64_t len, ml_pa pa);

/* To this very place, whatever is there. */
void home_move(struct home *home, ml_va va, uint64_t len, uint64_t new_len, ml_va to);

/* The last home of its world: it is sound, and when it is closed nothing is left. */
void home_leave(struct home *home);

/* The leaf that va has, and its rights and marks. */
struct ml_translation home_leaf(const struct home *home, ml_va va);
ml_prot home_prot(const struct home *home, ml_va va);

/* What a load gives. */
unsigned char home_read(struct home *home, ml_va va);

/*
 * From now on the n-th of all requests fails, once: an odd n of those for tables, an even one of
 * those for frames and region objects. 0: none.
 */
void home_fail(const struct home *home, unsigned n);

#endif
