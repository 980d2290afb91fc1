/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The adversarial TLB (hosted.h) over the table of a rig: switched on by one call, told where
 * operations begin and end, it judges every store and every invalidation in between.
 */
#ifndef TESTS_WATCH_H
#define TESTS_WATCH_H

#include "reference.h"
#include "rig.h"
#include "sequence.h"

#define WATCH_MARKS 512

struct watch_mark {
	ml_va va;
	uint64_t length;
	ml_pa pa;
	ml_prot bits;
};

struct watch {
	const struct setting *setting;
	struct rig *rig;
	struct ml_oracle *oracle;
	struct ml_trace trace;
	struct reference before; /* the model when the operation began */
	struct source hardware;  /* what it marks, and when */
	struct reference *told;  /* of what is marked while an operation runs */
	struct watch_mark marks[WATCH_MARKS];
	size_t mark_count;
	bool quiet; /* hardware marks nothing during this operation */
};

/* The rules that a table of this rig's format keeps where walkers bear so much. */
enum ml_oracle_rules watch_rules(const struct rig *rig, unsigned bbm, unsigned errata);

/* Two CPUs and a lazy one; and a device, where walkers may judge each member of a group alone. */
const enum ml_oracle_agent *watch_agents(bool each_member);

/*
 * Listen from now on, under the rules that the table's format and the setting promise to keep. Both
 * arguments stay where they are.
 */
void watch_begin(struct watch *watch, struct rig *rig, const struct setting *setting);

/* Hardware marks leaves in the middle of operations, too; `before` learns of it at once. */
void watch_hardware(struct watch *watch, uint64_t seed, struct reference *before);

/* The operation is done: what it left mapped may have been marked meanwhile. */
void watch_marks(const struct watch *watch, struct reference *after);

/* An operation begins, on what the model says now, that may lose these of accessed and dirty. */
void watch_operation(struct watch *watch, const struct reference *model, ml_prot may_lose);

/* It reports a run that it removed. */
void watch_told(struct watch *watch, const struct ml_run *run);

/* It ends; NULL, or what was wrong first since watch_begin(). The model says what it is to be. */
const char *watch_settled(struct watch *watch, const struct reference *model);

/* The table became live, or stopped being. */
void watch_live(struct watch *watch, bool live);

/* Nobody walks the table any more, and nobody listens. */
void watch_end(struct watch *watch);

/* What a flat model (struct reference) promises about a page, for ml_oracle_end(). */
void watch_promise(const void *map, ml_va va, struct ml_oracle_page *page);

#endif
