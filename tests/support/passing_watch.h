/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The adversarial TLB (hosted.h) over calls that pass each other: each task is a CPU of its own,
 * which publishes its own stores and completes its own invalidations. What the calls promise
 * together is the table as it was and as it is when all are done.
 */
#ifndef TESTS_PASSING_WATCH_H
#define TESTS_PASSING_WATCH_H

#include <stdbool.h>

#include <maxleaf/hosted.h>

/* Listen to this toy table from now on; its memory stays where it is. */
void passing_watch_open(char *memory, size_t bytes, ml_pa pa, ml_pa root, unsigned bbm);
void passing_watch_close(void);

/* As it stands now, every run begins. */
void passing_watch_keep(void);

/* A run begins; its tasks are on CPUs of their numbers. */
void passing_watch_begin(void);

/* The table's platform was called. */
void passing_watch_tell(enum ml_event_kind kind, const void *table,
			const struct ml_invalidation *what);

/* A run has ended, before which the memory was this; NULL, or what was wrong first. */
const char *passing_watch_end(const char *before);

#endif
