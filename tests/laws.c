/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The laws of coding, over every combination of protection bits, types, levels and groups:
 * decode(encode(p)) is p for every p a format can express, everything else is refused, and
 * what a decoded entry does not name is carried as residue.
 */
#include "laws.h"

/* What each format's documentation says it cannot express. */
static bool types_hold(const struct ml_types *types, ml_prot prot)
{
	for (unsigned slot = 0; slot < 8; slot++)
		if (ML_TYPE_OF(prot) < ML_TYPE_COUNT &&
		    (types->type_of_slot >> (4 * slot) & 0xf) == ML_TYPE_OF(prot))
			return true;
	return false;
}

/* One execute bit, which belongs to the mode that owns the page. */
static bool one_execute_bit(ml_prot prot)
{
	return prot & ML_USER ? !(prot & ML_PEXEC) : !(prot & ML_EXEC);
}

static bool documented(const struct ml_format *format, const struct ml_types *types, ml_prot prot)
{
	const ml_prot no_kernel_execution = ML_USER | ML_WRITE | ML_PEXEC;

	if (!(prot & ML_READ) || prot & ~ML_PROT_ALL || !types_hold(types, prot))
		return false;
	switch (format->encoding) {
	case ML_ENCODING_X86_64:
		return !(prot >> ML_SOFT_SHIFT >> 6) && one_execute_bit(prot);
	case ML_ENCODING_ARM64:
		return !(prot >> ML_SOFT_SHIFT >> 2) &&
		       (prot & no_kernel_execution) != no_kernel_execution;
	default:
		return !(prot >> ML_SOFT_SHIFT >> 1) && one_execute_bit(prot) &&
		       !(prot & (ML_GLOBAL | ML_DEVICE_MARK));
	}
}

/* Both halves of the first law for one protection at one place. */
static void check_one(const struct ml_format *format, const struct ml_types *types, ml_prot prot,
		      struct place place, bool expressible)
{
	const ml_pa pa = some_frame(format, place.level);
	struct ml_entry entry;
	ml_pte pte = 0x5a5a;

	if (!expressible) {
		t_eq(ml_format_encode(format, types, pa, prot, place.level, place.group, &pte),
		     ML_ERR_PROT);
		t_eq(pte, 0x5a5a);
		return;
	}
	t_eq(ml_format_encode(format, types, pa, prot, place.level, place.group, &pte), ML_OK);
	t_eq(ml_format_decode(format, types, pte, place.level, &entry), ML_OK);
	t_eq(entry.kind, ML_KIND_LEAF);
	t_eq(entry.prot, prot);
	t_eq(entry.pa, pa);
	t_eq(entry.group, place.group);
	t_eq(entry.residue | entry.reserved, 0);
}

static void check_everywhere(const struct ml_format *format, const struct ml_types *types,
			     ml_prot prot)
{
	const bool expressible = documented(format, types, prot);
	struct place places[ML_RUNG_MAX];
	unsigned count = leaf_places(format, places);

	t_eq(ml_format_expressible(format, types, prot), expressible);
	for (unsigned i = 0; i < count; i++)
		check_one(format, types, prot, places[i], expressible);
}

/* Flags, one bit without a meaning among them, 16 types, 8 software bits: 2^23. */
TEST(every_protection)
{
	const struct ml_format *format;

	FOR_EACH_FORMAT(format) {
		struct ml_types types;

		ml_types_init(&types, format, 0);
		for (ml_prot bits = 0; bits < BIT(23); bits++) {
			ml_prot flags = bits & 0x7ff;

			check_everywhere(format, &types,
					 flags | (bits & ~(ml_prot)0x7ff) << (ML_TYPE_SHIFT - 11));
		}
	}
}

TEST(software_bits_are_as_many_as_told)
{
	const struct ml_format *format;

	FOR_EACH_FORMAT(format) {
		struct ml_types types;

		ml_types_init(&types, format, 0);
		t_eq(ml_format_soft_bits(format), format->soft_bits);
		for (unsigned bit = 0; bit < 8; bit++)
			t_eq(ml_format_expressible(format, &types, ML_READ | ML_SOFT(bit)),
			     bit < ml_format_soft_bits(format));
	}
}

/* Bits without a meaning are refused, not dropped. */
TEST(bits_without_a_meaning)
{
	const struct ml_format *format;

	FOR_EACH_FORMAT(format) {
		struct ml_types types;

		ml_types_init(&types, format, 0);
		for (unsigned bit = 0; bit < 64; bit++)
			if (!(ML_PROT_ALL & BIT(bit)))
				check_everywhere(format, &types, ML_READ | BIT(bit));
		t_eq(format->prot_mask & ~ML_PROT_ALL, 0);
	}
}

/* Random layouts: many slots of one type, unknown attributes, types that are missing. */
TEST(every_type_layout)
{
	static const uint8_t codes[] = { 0x00, 0x01, 0x04, 0x05, 0x06, 0x07, 0x44,
					 0xbb, 0xf0, 0xff, 0x02, 0x0c, 0x33 };
	const struct ml_format *format;
	uint64_t seed = t_seed(20);

	FOR_EACH_FORMAT(format)
		for (unsigned layout = 0; layout < 2000; layout++) {
			struct ml_types types;
			uint64_t value = 0;

			for (unsigned slot = 0; slot < 8; slot++)
				value = value << 8 | codes[t_random(&seed) % sizeof(codes)];
			T_CONTEXT("layout", value);
			ml_types_init(&types, format, value);
			for (unsigned type = 0; type < 16; type++)
				check_everywhere(format, &types, ML_READ | ML_TYPE(type));
		}
}

/* The second law: every subset of foreign bits comes back as residue and disturbs nothing. */
TEST(foreign_bits_are_residue)
{
	const struct ml_format *format;
	uint64_t seed = t_seed(21);

	FOR_EACH_FORMAT(format) {
		struct place places[ML_RUNG_MAX];
		unsigned count = leaf_places(format, places);
		struct ml_types types;

		ml_types_init(&types, format, 0);
		for (unsigned i = 0; i < 40 * count; i++) {
			const struct place place = places[i % count];
			const uint64_t foreign = foreign_bits(format, place.level);
			const ml_prot prot = random_prot(format, &types, &seed);
			const ml_pa pa = some_frame(format, place.level);
			uint64_t subset = 0;
			ml_pte pte;

			T_REQUIRE(t_eq(ml_format_encode(format, &types, pa, prot, place.level,
							place.group, &pte),
				       ML_OK));
			do {
				struct ml_entry entry;

				subset = (subset - foreign) & foreign;
				t_eq(ml_format_decode(format, &types, pte | subset, place.level,
						      &entry),
				     ML_OK);
				t_eq(entry.residue, subset);
				t_eq(entry.prot, prot);
				t_eq(entry.pa, pa);
				t_eq(entry.group, place.group);
				t_eq(entry.reserved, 0);
			} while (subset);
		}
	}
}

/*
 * Any 64 bits: residue and reserved are bits of the entry and share none; and a leaf without
 * reserved bits, coded again with its residue, means the same as before.
 */
static void check_any(const struct ml_format *format, const struct ml_types *types, ml_pte pte,
		      unsigned level)
{
	struct ml_entry entry, again;
	ml_pte coded;

	t_eq(ml_format_decode(format, types, pte, level, &entry), ML_OK);
	t_eq((entry.residue | entry.reserved) & ~pte, 0);
	t_eq(entry.residue & entry.reserved, 0);
	t_eq(entry.kind == ML_KIND_EMPTY, pte == 0);
	if (entry.kind != ML_KIND_LEAF || entry.reserved ||
	    !ml_format_expressible(format, types, entry.prot))
		return;
	if (!t_eq(ml_format_encode(format, types, entry.pa, entry.prot, level, entry.group, &coded),
		  ML_OK))
		return;
	t_eq(coded & entry.residue, 0);
	t_eq(ml_format_decode(format, types, coded | entry.residue, level, &again), ML_OK);
	t_eq(again.kind, ML_KIND_LEAF);
	t_eq(again.prot, entry.prot);
	t_eq(again.pa, entry.pa);
	t_eq(again.group, entry.group);
	t_eq(again.residue, entry.residue);
	t_eq(again.reserved, 0);
}

TEST(any_bits)
{
	const struct ml_format *format;
	uint64_t seed = t_seed(22);

	FOR_EACH_FORMAT(format) {
		struct ml_types types;

		ml_types_init(&types, format, 0);
		for (unsigned level = 0; level < format->levels_max; level++) {
			const uint64_t low = format->level_shift[level] > 13 ? 0xfff : 0;

			check_any(format, &types, 0, level);
			for (unsigned i = 0; i < 200000; i++) {
				ml_pte pte = t_random(&seed);

				if (i & 1) /* half of them valid, the frame aligned */
					pte = (pte &
					       (~(BIT(format->level_shift[level]) - 1) | low)) |
					      1;
				if (format->encoding == ML_ENCODING_TOY && i & 2)
					pte &= ~(BIT(63) - BIT(20));
				check_any(format, &types, pte, level);
			}
		}
	}
}
