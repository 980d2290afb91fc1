/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The adversarial TLB (hosted.h) over all homes of a life.h program: a process is a space of it,
 * and live as long as it runs. A flat picture of pages knows no frames, so what each table says
 * before a call, and after it, is the promise: what may be held when the call is done must be in
 * the table then, and what could be read on the way must be in one of them.
 */
#ifndef TESTS_LIFE_WATCH_H
#define TESTS_LIFE_WATCH_H

#include "life_homes.h"
#include "reference.h"

#define LIFE_WATCH_MARKS 512

/* What hardware marked in the middle of a call. */
struct life_mark {
	ml_va va;
	uint64_t length;
	ml_pa pa;
	ml_prot bits;
};

/* Hears the changes of one space, where a call makes those of several. */
struct life_ear {
	struct ml_notifier notifier; /* must be first */
	struct life_watch *watch;
	unsigned process;
};

struct life_watch {
	struct life_homes *homes;
	struct ml_oracle *oracle;
	struct ml_trace trace;
	struct source hardware; /* what it marks, and when */
	struct life_ear ears[LIFE_PROCESSES];
	bool by_ear; /* the call at hand is judged change by change */
	struct reference before, after;
	struct life_mark marks[LIFE_WATCH_MARKS];
	size_t mark_count;
	ml_va move_from, move_to; /* where the call has moved pages, if it has */
	uint64_t move_bytes;
	ml_pa filled; /* these frames were, and a barrier has not come since */
	uint64_t filled_bytes;
	uint64_t frames_freed; /* last references that were put, */
	const char *what;      /* and the first thing that was wrong with one */
};

/* Tables are live, and frames that go pass by; call it before life_homes_open(). */
void life_watch_wish(struct ml_space_config *config);

/* Listen from now on, to one program at a time; it has one process. */
void life_watch_begin(struct life_watch *w, struct life_homes *homes, uint64_t seed);

/* life_homes_do(). */
int life_watch_do(struct life_watch *w, const struct life_action *a, uint32_t *to, uint8_t *byte);

/* What was wrong first, or NULL. */
const char *life_watch_fault(const struct life_watch *w);

/* Nobody runs on these tables any more, and nobody listens. */
void life_watch_end(struct life_watch *w);

#endif
