/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A static pool of tables (pool.h) of which the adversarial TLB (hosted.h) hears everything. */
#ifndef TESTS_HEARD_POOL_H
#define TESTS_HEARD_POOL_H

#include <maxleaf/hosted.h>
#include <maxleaf/pool.h>

extern struct heard_pool {
	struct ml_pool *pool;
	struct ml_oracle *oracle;
} heard_pool;

/* The platform of tables of it; its cookie is the pool. */
extern const struct ml_platform heard_pool_platform;

/* The watch of a trace: where the event's pointer is an entry of the pool, by its address. */
void heard_pool_hear(void *cookie, const struct ml_event *event);

/* An event of a table, or of none. */
void heard_pool_tell(enum ml_event_kind kind, const void *table);

/* The read of a model. */
bool heard_pool_read(void *cookie, ml_pa pa, uint64_t *memory);

#endif
