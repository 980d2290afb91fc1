/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Bits and checked arithmetic. Knows nothing of page tables. */
#ifndef ML_BASE_BITS_H
#define ML_BASE_BITS_H

#include <maxleaf/port.h>

/*
 * A part of an algorithm that is too large to be copied into each of its callers. It takes the
 * format as an argument like all others; every call in an instance passes the same constant, so
 * the compiler folds it.
 */
#define ML_PART static ML_NOINLINE __attribute__((unused))

#define ML_BIT(number) ((uint64_t)1 << (number))

/* Bits first..last, both inclusive. */
#define ML_BITS(last, first) ((~(uint64_t)0 >> (63 - (last))) & (~(uint64_t)0 << (first)))

/* The other byte order. Written out: the builtin is a library call on some machines. */
ML_INLINE uint64_t ml_swap(uint64_t value)
{
	const uint64_t bytes = 0x00ff00ff00ff00ff, halves = 0x0000ffff0000ffff;

	value = (value >> 8 & bytes) | (value & bytes) << 8;
	value = (value >> 16 & halves) | (value & halves) << 16;
	return value >> 32 | value << 32;
}

/* How many bits are set. Written out, for the same reason. */
ML_INLINE unsigned ml_count_bits(uint64_t value)
{
	const uint64_t pairs = 0x5555555555555555, nibbles = 0x3333333333333333;

	value -= value >> 1 & pairs;
	value = (value & nibbles) + (value >> 2 & nibbles);
	value = (value + (value >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return (unsigned)(value * 0x0101010101010101 >> 56);
}

ML_INLINE bool ml_aligned(uint64_t value, unsigned shift)
{
	return (value & (ML_BIT(shift) - 1)) == 0;
}

ML_INLINE uint64_t ml_align_down(uint64_t value, unsigned shift)
{
	return value & ~(ML_BIT(shift) - 1);
}

/* The last address of the aligned unit that holds value. */
ML_INLINE uint64_t ml_align_last(uint64_t value, unsigned shift)
{
	return value | (ML_BIT(shift) - 1);
}

ML_INLINE uint64_t ml_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

ML_INLINE uint64_t ml_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

#endif
