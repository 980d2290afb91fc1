/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Compile-time hooks: what must inline. Define ML_PORT_HEADER to the name of a header that
 * defines any of these macros before this file gives its default:
 *
 *   ML_PORT_LOAD(p)              one whole entry, read once
 *   ML_PORT_STORE(p, v)          one whole entry, visible to walkers at some time after
 *   ML_PORT_FILL(p, v)           the same, into a table that no walker can reach yet
 *   ML_PORT_LINK(p, v)           a store, after all earlier ones (a table is linked)
 *   ML_PORT_EXCHANGE(p, v)       atomic exchange, returns the old entry
 *   ML_PORT_COMPARE_EXCHANGE(p, old, v)  atomic; *old is updated on failure; true on success
 *   ML_PORT_PUBLISH()            entries stored so far are visible to walkers (Arm: DSB ISHST)
 *   ML_ASSERT(condition)         an invariant of the library; default: nothing
 *
 * p is a pointer to ml_pte; v is in memory byte order.
 */
#ifndef MAXLEAF_PORT_H
#define MAXLEAF_PORT_H

#include <maxleaf/types.h>

#ifdef ML_PORT_HEADER
#include ML_PORT_HEADER
#endif

#if defined(__GNUC__) || defined(__clang__)
#define ML_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define ML_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define ML_INLINE static inline __attribute__((always_inline))
#define ML_NOINLINE __attribute__((noinline))
#else
#error "maxleaf needs gcc or clang"
#endif

#ifndef ML_PORT_LOAD
#define ML_PORT_LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#endif
#ifndef ML_PORT_STORE
#define ML_PORT_STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#endif
#ifndef ML_PORT_FILL
#define ML_PORT_FILL(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#endif
#ifndef ML_PORT_LINK
#define ML_PORT_LINK(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#endif
#ifndef ML_PORT_EXCHANGE
#define ML_PORT_EXCHANGE(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)
#endif
#ifndef ML_PORT_COMPARE_EXCHANGE
#define ML_PORT_COMPARE_EXCHANGE(p, old, v) \
	__atomic_compare_exchange_n((p), (old), (v), false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)
#endif
#ifndef ML_PORT_PUBLISH
#if defined(__aarch64__)
#define ML_PORT_PUBLISH() __asm__ volatile("dsb ishst" ::: "memory")
#elif defined(__riscv)
#define ML_PORT_PUBLISH() __asm__ volatile("fence w, rw" ::: "memory")
#elif defined(__powerpc64__)
#define ML_PORT_PUBLISH() __asm__ volatile("ptesync" ::: "memory")
#else
#define ML_PORT_PUBLISH() __asm__ volatile("" ::: "memory")
#endif
#endif
#ifndef ML_ASSERT
#define ML_ASSERT(condition) ((void)0)
#endif

#endif
