/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * One table put up for a test: an arena under it, a model MMU beside it, and a picture of
 * its whole state to compare with later.
 */
#ifndef TESTS_RIG_H
#define TESTS_RIG_H

#include <maxleaf/hosted.h>
#include <maxleaf/table.h>

#include "sequence.h"

struct rig {
	const struct world_facts *facts;
	struct ml_arena *arena; /* shared by all rigs whose format reaches it */
	struct ml_table table;
	struct ml_model model;
};

/* The arena tables of this world come from; made at first use, never given back. */
struct ml_arena *rig_arena(enum world world);

/*
 * Put up a table. `wish` may be NULL; platform, cookie, base, levels and high are filled in.
 * Returns what ml_table_init() does.
 */
int rig_open(struct rig *rig, enum world world, const struct ml_table_config *wish);

/* The same, but every table is reached through the platform's hook: no base. */
int rig_open_hooked(struct rig *rig, enum world world, const struct ml_table_config *wish);

/* A table of this setting, which must stay: the table knows its `never`. */
int rig_open_setting(struct rig *rig, struct setting *setting);

/* Point the model MMU at the rig's table: rig_open() has done it. */
void rig_model(struct rig *rig);

/* Take the table down; true if it gave back every table it took. */
bool rig_close(struct rig *rig);

/* Do what the action says; steps, touches and LIVE are not calls. */
int rig_call(struct rig *rig, const struct action *action, struct ml_op *op);

/* Bytes of the base page. */
uint64_t rig_page(const struct rig *rig);

/* The format's rung of 1 << shift bytes; ML_RUNG_MAX if it has none. */
unsigned rig_rung(const struct rig *rig, unsigned shift);

/* Whether [va, va + len) translates to pa on, at every base page, in leaves of this rung. */
bool rig_maps(const struct rig *rig, ml_va va, uint64_t len, ml_pa pa, unsigned rung);

/* The entry of this level for va, which must be there. */
ml_pte *rig_entry(struct rig *rig, ml_va va, unsigned level);

#define RIG_ENTRIES 6

/* One entry of every sort from va on: nothing, each of software's, a hidden leaf, and a leaf. */
void rig_put_each(struct rig *rig, ml_va va, unsigned level, ml_pte entries[RIG_ENTRIES]);

/* Leaves of this rung in the whole table. */
uint64_t rig_leaves(const struct rig *rig, unsigned rung);

/* Bytes mapped in the whole table. */
uint64_t rig_bytes(const struct rig *rig);

/* Mark the leaf of va as hardware would: accessed, and dirty if it is written and may be. */
bool rig_touch(const struct rig *rig, ml_va va, bool write, struct ml_model_result *result);

/* The same of a leaf that stands there, and that may be written if it is. */
void rig_mark(const struct rig *rig, ml_pte *leaf, bool write);

/* Every table handed out, byte by byte, spare ones aside, and the table's own accounts. */
struct picture {
	struct ml_table table;
	uint64_t in_use;
	size_t used, room; /* bytes of memory */
	unsigned char *memory;
};

/* Take a picture into *picture, which is zero or an older one. */
void picture_take(struct picture *picture, const struct rig *rig);

/* NULL if nothing has changed since, or what has. */
const char *picture_difference(const struct picture *picture, const struct rig *rig);

void picture_release(struct picture *picture);

#endif
