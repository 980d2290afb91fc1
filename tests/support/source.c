/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Choices from a seed (splitmix64, Steele et al. 2014) or from bytes. */
#include <stdlib.h>

#include "source.h"

struct source source_seeded(uint64_t seed)
{
	return (struct source){ .state = seed };
}

struct source source_bytes(const uint8_t *bytes, size_t count)
{
	return (struct source){ .bytes = bytes, .left = count };
}

uint64_t source_next(struct source *s)
{
	uint64_t z = s->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* One byte chooses among up to 256, two among more: that is what makes short inputs rich. */
static uint64_t next_bytes(struct source *s, uint64_t below)
{
	uint64_t value = 0;

	for (uint64_t reach = 1; reach < below && reach < (1u << 16); reach <<= 8) {
		value = value << 8 | (s->left ? *s->bytes : 0);
		s->bytes += s->left ? 1 : 0;
		s->left -= s->left ? 1 : 0;
	}
	return value % below;
}

uint64_t source_below(struct source *s, uint64_t below)
{
	return s->bytes ? next_bytes(s, below) : source_next(s) % below;
}

bool source_chance(struct source *s, unsigned in, unsigned of)
{
	return source_below(s, of) >= of - in;
}

bool source_more(const struct source *s)
{
	return !s->bytes || s->left > 0;
}

uint64_t source_amount(uint64_t usual)
{
	const char *text = getenv("ML_TEST_OPS"), *times = getenv("ML_TEST_TIMES");

	if (text)
		return strtoull(text, NULL, 0);
	return times ? usual * strtoull(times, NULL, 0) : usual;
}
