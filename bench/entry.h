/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Entries as the limit reads and writes them.
 *
 * Every access to an entry is a relaxed atomic: no compiler turns these loops into vector
 * code or memset, so they use general registers alone, as the core must.
 */
#ifndef BENCH_ENTRY_H
#define BENCH_ENTRY_H

#include <stdint.h>

#define ENTRIES 512u
#define VALID ((uint64_t)1)
#define ADDRESS ((uint64_t)0x0000fffffffff000)
#define NOINLINE __attribute__((noinline))
#define INLINE static inline __attribute__((always_inline))

INLINE uint64_t load(const uint64_t *entry)
{
	return __atomic_load_n(entry, __ATOMIC_RELAXED);
}

INLINE void store(uint64_t *entry, uint64_t value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELAXED);
}

#endif
