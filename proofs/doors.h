/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The port of the proofs: entries are plain memory, and the core's assertions are proved, too. */
#ifndef PROOFS_DOORS_H
#define PROOFS_DOORS_H

#define ML_PORT_LOAD(p) (*(p))
#define ML_PORT_STORE(p, v) ((void)(*(p) = (v)))
#define ML_PORT_FILL(p, v) ((void)(*(p) = (v)))
#define ML_PORT_LINK(p, v) ((void)(*(p) = (v)))
#define ML_PORT_PUBLISH() ((void)0)
#define ML_ASSERT(condition) __CPROVER_assert(condition, #condition)

#endif
