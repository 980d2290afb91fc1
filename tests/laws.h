/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What the tests of coding share: where leaves stand, and what is foreign in them. */
#ifndef LAWS_H
#define LAWS_H

#include "t.h"

#define BIT(number) ((uint64_t)1 << (number))

/* A kind of entry that can be a leaf of a format. */
struct place {
	unsigned level;
	bool group;
};

/* The place of each rung; ML_RUNG_MAX of them have room. */
static inline unsigned leaf_places(const struct ml_format *format, struct place *places)
{
	unsigned count = 0;

	for (unsigned rung = 0; rung < format->rung_count; rung++)
		places[count++] = (struct place){ format->rungs[rung].level,
						  format->rungs[rung].lg2_entries > 0 };
	return count;
}

/* A frame that sets every other address bit the entry has. */
static inline ml_pa some_frame(const struct ml_format *format, unsigned level)
{
	return 0x000aaaaaaaaaaaaa & (BIT(format->pa_bits) - BIT(format->level_shift[level]));
}

/* Bits of a leaf that are not the library's: to be carried, and told. */
static inline uint64_t foreign_bits(const struct ml_format *format, unsigned level)
{
	switch (format->encoding) {
	case ML_ENCODING_X86_64:
		return BIT(11) | 15 * BIT(59); /* available; protection key */
	case ML_ENCODING_ARM64:                /* NS, GP, PBHA, and nT of blocks */
		return BIT(5) | BIT(50) | 15 * BIT(59) | (level ? BIT(16) : 0);
	default:
		return BIT(63);
	}
}

/* A protection the format can express; types evenly, so that others than 0 are common. */
static inline ml_prot random_prot(const struct ml_format *format, const struct ml_types *types,
				  uint64_t *seed)
{
	ml_prot prot;

	do
		prot = (t_random(seed) & format->prot_mask & ~ML_TYPE_MASK) | ML_READ |
		       ML_TYPE(t_random(seed) % ML_TYPE_COUNT);
	while (!ml_format_expressible(format, types, prot));
	return prot;
}

#endif
