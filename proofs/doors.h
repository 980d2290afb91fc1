/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The port of the proofs: entries are plain memory, and the core's assertions are proved, too. A
 * proof that is about the stores themselves defines WATCHED, and sees each of them.
 */
#ifndef PROOFS_DOORS_H
#define PROOFS_DOORS_H

#include <maxleaf/types.h>

#ifdef WATCHED
static ml_pte watch_load(const ml_pte *p);
static void watch_store(ml_pte *p, ml_pte pte);
static void watch_link(ml_pte *p, ml_pte pte);
static void watch_fill(ml_pte *p, ml_pte pte);
static ml_pte watch_exchange(ml_pte *p, ml_pte pte);
static bool watch_replace(ml_pte *p, ml_pte *old, ml_pte pte);
static void watch_publish(void);

#define ML_PORT_LOAD(p) watch_load(p)
#define ML_PORT_STORE(p, v) watch_store((p), (v))
#define ML_PORT_FILL(p, v) watch_fill((p), (v))
#define ML_PORT_LINK(p, v) watch_link((p), (v))
#define ML_PORT_EXCHANGE(p, v) watch_exchange((p), (v))
#define ML_PORT_COMPARE_EXCHANGE(p, old, v) watch_replace((p), (old), (v))
#define ML_PORT_PUBLISH() watch_publish()
#else
#define ML_PORT_LOAD(p) (*(p))
#define ML_PORT_STORE(p, v) ((void)(*(p) = (v)))
#define ML_PORT_FILL(p, v) ((void)(*(p) = (v)))
#define ML_PORT_LINK(p, v) ((void)(*(p) = (v)))
#define ML_PORT_PUBLISH() ((void)0)
#endif
#define ML_ASSERT(condition) __CPROVER_assert(condition, #condition)

#endif
