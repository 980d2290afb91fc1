/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Golden vectors: one entry and what it means, checked in both directions. */
#ifndef GOLDEN_H
#define GOLDEN_H

#include "t.h"

struct golden {
	ml_pte pte;
	ml_pa pa;
	ml_prot prot;
	uint8_t level;
	bool group;
};

#define GOLDEN_COUNT(vectors) (sizeof(vectors) / sizeof((vectors)[0]))

/* pte decodes as that leaf, with nothing over, and that leaf encodes as pte. */
static inline void golden_check(const struct ml_format *format, uint64_t layout,
				const struct golden *vector)
{
	struct ml_types types;
	struct ml_entry entry;
	ml_pte pte = 0;

	ml_types_init(&types, format, layout);
	t_eq(ml_format_encode(format, &types, vector->pa, vector->prot, vector->level,
			      vector->group, &pte),
	     ML_OK);
	t_eq(pte, vector->pte);
	t_eq(ml_format_decode(format, &types, vector->pte, vector->level, &entry), ML_OK);
	t_eq(entry.kind, ML_KIND_LEAF);
	t_eq(entry.pa, vector->pa);
	t_eq(entry.prot, vector->prot);
	t_eq(entry.group, vector->group);
	t_eq(entry.residue, 0);
	t_eq(entry.reserved, 0);
}

static inline void golden_check_all(const struct ml_format *format, uint64_t layout,
				    const struct golden *vectors, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		T_CONTEXT("vector", i);
		golden_check(format, layout, &vectors[i]);
	}
}

/* Decode with the format's default layout; the kind is returned. */
static inline enum ml_kind golden_decode(const struct ml_format *format, ml_pte pte, unsigned level,
					 struct ml_entry *entry)
{
	struct ml_types types;

	ml_types_init(&types, format, 0);
	t_eq(ml_format_decode(format, &types, pte, level, entry), ML_OK);
	return entry->kind;
}

/* An entry that links the table at pa, with nothing else in it, at every level that may. */
static inline void golden_tables(const struct ml_format *format, ml_pte pte, ml_pa pa)
{
	for (unsigned level = 1; level < format->levels_max; level++) {
		struct ml_entry entry;

		T_CONTEXT("level", level);
		t_eq(golden_decode(format, pte, level, &entry), ML_KIND_TABLE);
		t_eq(entry.pa, pa);
		t_eq(entry.residue, 0);
		t_eq(entry.reserved, 0);
	}
}

/* Leaves of levels up to `top`, of 1 << (12 + level * step) bytes, on frames below 1 << pa_bits. */
static inline void golden_frames(const struct ml_format *format, unsigned top, unsigned step,
				 unsigned pa_bits)
{
	struct ml_types types;
	ml_pte pte = 1;

	ml_types_init(&types, format, 0);
	for (unsigned level = 0; level <= top; level++) {
		const ml_pa bytes = (ml_pa)0x1000 << (step * level);

		T_CONTEXT("level", level);
		for (ml_pa bit = 1; bit < bytes; bit <<= 1)
			t_eq(ml_format_encode(format, &types, bytes | bit, ML_READ, level, false,
					      &pte),
			     ML_ERR_ALIGN);
		for (ml_pa bit = (ml_pa)1 << pa_bits; bit; bit <<= 1)
			t_eq(ml_format_encode(format, &types, bit, ML_READ, level, false, &pte),
			     ML_ERR_PA_RANGE);
	}
	t_eq(pte, 1);
}

#endif
