/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Running a sequence on a table and on the reference model, and judging every step: the
 * result, what the sink heard, the whole table, what two walkers see, and that a refused
 * operation left no trace.
 */
#ifndef TESTS_JUDGE_H
#define TESTS_JUDGE_H

#include "reference.h"
#include "rig.h"
#include "sequence.h"
#include "watch.h"

#define JUDGE_RUNS 16384 /* runs of one table at most */
#define JUDGE_SINK 16384 /* runs one operation removes at most */

struct judge {
	struct setting setting;
	struct rig rig;
	struct source probes; /* where to look, besides the edges */
	uint64_t actions;     /* so far */
	bool failed;
	char message[400]; /* what was wrong first */
	/* what an operation is judged by */
	struct reference model;
	struct reference before;        /* the model when the operation began */
	struct ml_run runs[JUDGE_RUNS]; /* the whole table when the operation began */
	size_t run_count;
	struct ml_run removed[JUDGE_SINK];
	size_t removed_count;
	struct picture picture;
	uint64_t refusals;
	bool watched; /* set it before judge_open(): the adversarial TLB judges, too */
	struct watch watch;
	uint64_t copied;           /* bytes that the last judge_copy() brought */
	const struct judge *other; /* its table has memory of the same arena, too; or NULL */
	uint64_t lodgers;          /* tables of the arena that are no judge's */
};

/* Put up the table; false if that failed. The judge is large: keep it static. */
bool judge_open(struct judge *j, const struct setting *setting, uint64_t probe_seed);

/* Do one action and judge it; false from the first fault on. */
bool judge_action(struct judge *j, const struct action *action);

/* A bit for each error that a range deserves. */
#define CAUSE(error) ((uint64_t)1 << -(error))
uint64_t judge_range(const struct judge *j, ml_va va, uint64_t len);

/* Tables of the arena that belong to neither. */
uint64_t judge_strays(const struct judge *j);

/*
 * Copy what j maps in the action's range to `to`, another judge's table: mask is what j's leaves
 * lose, prot what the copies do. Both are judged.
 */
bool judge_copy(struct judge *j, struct judge *to, const struct action *action);

/* Take the table down; false if tables were lost. */
bool judge_close(struct judge *j);

/* Note the first fault. */
__attribute__((format(printf, 2, 3))) bool judge_fail(struct judge *j, const char *format, ...);

/* verify.c: compare the table with the model; everything, or what changes often. */
bool judge_table(struct judge *j, bool everything);

/* verify.c: the table is as it was when the operation began. */
bool judge_unchanged(struct judge *j, const struct ml_stats *stats, bool every_byte);

/* verify.c: the sink heard of every page of first..last that was mapped, once. */
bool judge_removed(struct judge *j, ml_va first, ml_va last);

/*
 * verify.c: the leaves of [va, va + len) are at least as large as the plan of the mapping, and none
 * is of a rung that it must not choose (rungs; 0: the table's).
 */
bool judge_planned(struct judge *j, ml_va va, uint64_t len, ml_pa pa, ml_prot prot, uint32_t rungs);

/* verify.c: no leaf in the range is larger than the rung / could still be folded up to it. */
bool judge_split(struct judge *j, ml_va first, ml_va last, unsigned rung);
bool judge_folded(struct judge *j, ml_va first, ml_va last, unsigned rung);

#endif
