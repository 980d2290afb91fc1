/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The adversarial TLB (hosted.h) over entries put up for a test (entries.h): an operation is a call
 * of pte.h together with what its caller owes, and what the entries' flat model says is promised.
 */
#ifndef TESTS_ENTRIES_WATCH_H
#define TESTS_ENTRIES_WATCH_H

#include <maxleaf/hosted.h>

#include "entries.h"

struct entries_watch {
	struct ml_oracle *oracle; /* NULL: the table is not live, and nobody listens */
	const struct entries *entries;
	struct order *order;
	struct flat before[ENTRIES_MOST]; /* the model when the operation began */
};

/* Listen from now on, after the order judge; wish is what the entries were opened with. */
void entries_watch_begin(struct entries_watch *w, const struct entries *e, struct order *order,
			 const struct ml_table_config *wish);

/* An operation begins that may lose these of accessed and dirty. */
void entries_watch_operation(struct entries_watch *w, ml_prot may_lose);

/* It ends; NULL, or what was wrong first. */
const char *entries_watch_settled(struct entries_watch *w);

void entries_watch_end(struct entries_watch *w);

#endif
