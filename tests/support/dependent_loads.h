/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The entry doors for ThreadSanitizer. A walker's loads depend on one another, which orders them on
 * every machine we know, but C has no way of saying so that compilers support: acquire says more.
 */
#ifndef TESTS_DEPENDENT_LOADS_H
#define TESTS_DEPENDENT_LOADS_H

#define ML_PORT_LOAD(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define ML_PORT_COMPARE_EXCHANGE(p, old, v) \
	__atomic_compare_exchange_n((p), (old), (v), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)

#endif
