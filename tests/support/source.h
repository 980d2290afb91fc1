/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Where a test takes its choices from: a seed, or the bytes of a fuzzer. When the bytes end
 * every choice is 0.
 */
#ifndef TESTS_SOURCE_H
#define TESTS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source {
	uint64_t state;
	const uint8_t *bytes; /* borrows; NULL: seeded */
	size_t left;
};

struct source source_seeded(uint64_t seed);
struct source source_bytes(const uint8_t *bytes, size_t count);

uint64_t source_next(struct source *s);

/* A number in 0 .. below - 1; below is not 0. */
uint64_t source_below(struct source *s, uint64_t below);

/* True `in` times out of `of`. */
bool source_chance(struct source *s, unsigned in, unsigned of);

/* Whether there are bytes left; always true when seeded. */
bool source_more(const struct source *s);

/* How much to do: ML_TEST_OPS, else ML_TEST_TIMES as often as `usual`, else that. */
uint64_t source_amount(uint64_t usual);

#endif
