/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The laws of editing an entry in place: a change of protection is decode, change, encode,
 * with every foreign bit carried; going to another level, gathering accessed/dirty and
 * comparing members do what the protection says.
 */
#include "format/edit.h"

#include "laws.h"

#define ROUNDS 40000

/* A random leaf: its protection, its foreign bits, and the entry they make. */
struct leaf {
	struct place place;
	ml_prot prot;
	uint64_t foreign;
	ml_pte pte;
};

static ml_pte code(const struct ml_format *format, const struct ml_types *types, struct place place,
		   ml_prot prot)
{
	ml_pte pte = 0;

	t_eq(ml_format_encode(format, types, some_frame(format, place.level), prot, place.level,
			      place.group, &pte),
	     ML_OK);
	return pte;
}

static struct leaf random_leaf(const struct ml_format *format, const struct ml_types *types,
			       uint64_t *seed)
{
	struct place places[ML_RUNG_MAX];
	struct leaf leaf;

	leaf.place = places[t_random(seed) % leaf_places(format, places)];
	leaf.prot = random_prot(format, types, seed);
	leaf.foreign = t_random(seed) & foreign_bits(format, leaf.place.level);
	leaf.pte = code(format, types, leaf.place, leaf.prot) | leaf.foreign;
	return leaf;
}

/* One bit, the few that have short cuts, or any; a type is changed whole or not at all. */
static ml_prot random_mask(const struct ml_format *format, uint64_t *seed)
{
	ml_prot mask;

	switch (t_random(seed) % 8) {
	case 0:
		mask = ML_WRITE;
		break;
	case 1:
		mask = ML_DIRTY;
		break;
	case 2:
		mask = ML_PROT_AD;
		break;
	case 3:
		mask = ML_TYPE_MASK;
		break;
	case 4:
		mask = t_random(seed);
		break;
	default:
		mask = BIT(t_random(seed) % 24);
		break;
	}
	mask &= format->prot_mask;
	return mask & ML_TYPE_MASK ? mask | ML_TYPE_MASK : mask;
}

static ml_pte edited(const struct ml_format *format, const struct ml_types *types,
		     const struct ml_edit *edit, ml_pte pte, unsigned level)
{
	return edit_apply(format, types, edit, edit->kind, edit_bits(format, types, edit, level),
			  pte, level);
}

TEST(an_edit_is_decode_change_encode)
{
	const struct ml_format *format;
	uint64_t seed = t_seed(50);

	FOR_EACH_FORMAT(format) {
		unsigned kinds[4] = { 0 };
		struct ml_types types;

		ml_types_init(&types, format, 0);
		for (unsigned i = 0; i < ROUNDS; i++) {
			const struct leaf leaf = random_leaf(format, &types, &seed);
			const ml_prot mask = random_mask(format, &seed);
			const ml_prot value = random_prot(format, &types, &seed) & mask;
			const ml_prot want = (leaf.prot & ~mask) | value;
			const struct ml_edit edit = edit_make(format, mask, value);

			if (edit_is_closed(&edit))
				t_ok(ml_format_expressible(format, &types, want));
			if (!ml_format_expressible(format, &types, want))
				continue;
			kinds[edit.kind]++;
			T_REQUIRE(t_eq(edited(format, &types, &edit, leaf.pte, leaf.place.level),
				       code(format, &types, leaf.place, want) | leaf.foreign));
		}
		for (unsigned kind = 0; kind < 4; kind++)
			if (format->encoding != ML_ENCODING_TOY || kind == ML_EDIT_MASK)
				t_ok(kinds[kind] > 100);
	}
}

/*
 * The form that changes several alike leaves at once: whatever it takes for alike is a leaf,
 * changes, and comes to the same as the edit. Of the library's leaves and of any bits.
 */
TEST(alike_leaves_are_edited_alike)
{
	const struct ml_format *format;
	uint64_t seed = t_seed(58);

	FOR_EACH_FORMAT(format) {
		unsigned taken = 0;
		struct ml_types types;

		ml_types_init(&types, format, 0);
		for (unsigned i = 0; i < ROUNDS; i++) {
			const struct leaf leaf = random_leaf(format, &types, &seed);
			const ml_prot mask = random_mask(format, &seed);
			const ml_prot value = random_prot(format, &types, &seed) & mask;
			const struct ml_edit edit = edit_make(format, mask, value);
			const struct ml_edit_alike alike =
				edit_alike(format, edit.kind, edit_bits(format, &types, &edit, 0));
			const ml_pte any = leaf.pte ^ (t_random(&seed) & t_random(&seed));
			const ml_pte pte = leaf.place.level || i & 1 ? any : leaf.pte;
			const ml_pte flipped = pte ^ alike.flip;

			if (!alike.need || (flipped & alike.need) != alike.need)
				continue;
			taken++;
			t_ok((flipped & alike.keep) != pte);
			t_ok(codec_is_leaf(format, pte, 0));
			T_REQUIRE(
				t_eq(flipped & alike.keep, edited(format, &types, &edit, pte, 0)));
		}
		t_ok(taken > 100);
	}
}

/* What other code wrote: writable by AP[2] alone. Cleaning it must not take writing away. */
TEST(cleaning_what_has_no_dbm)
{
	const struct ml_format *format = &ml_format_arm64_4k;
	const struct ml_edit clean = edit_make(format, ML_DIRTY, 0);
	struct ml_entry entry;
	struct ml_types types;

	ml_types_init(&types, format, 0);
	t_eq(ml_format_decode(format, &types, edited(format, &types, &clean, 0x0060000040001703, 0),
			      0, &entry),
	     ML_OK);
	t_eq(entry.prot, ML_RW | ML_ACCESSED | ML_GLOBAL);
}

/* Between any two leaf levels, with every foreign bit that both have. */
TEST(another_level)
{
	const struct ml_format *format;
	uint64_t seed = t_seed(51);

	FOR_EACH_FORMAT(format) {
		struct ml_types types;

		ml_types_init(&types, format, 0);
		for (unsigned i = 0; i < ROUNDS; i++) {
			const struct leaf leaf = random_leaf(format, &types, &seed);
			struct place places[ML_RUNG_MAX];
			const struct place to =
				places[t_random(&seed) % leaf_places(format, places)];
			const unsigned large =
				to.level > leaf.place.level ? to.level : leaf.place.level;
			const ml_pa pa = some_frame(format, large);
			const uint64_t kept = leaf.foreign & foreign_bits(format, to.level);
			ml_pte from_pte, to_pte;

			t_eq(ml_format_encode(format, &types, pa, leaf.prot, leaf.place.level,
					      false, &from_pte),
			     ML_OK);
			t_eq(ml_format_encode(format, &types, pa, leaf.prot, to.level, false,
					      &to_pte),
			     ML_OK);
			T_REQUIRE(t_eq(codec_relevel(format, from_pte | leaf.foreign,
						     leaf.place.level, to.level),
				       to_pte | kept));
		}
	}
}

/* The OR of both, and nothing else changes. */
TEST(gathering_accessed_and_dirty)
{
	const struct ml_format *format;
	uint64_t seed = t_seed(52);

	FOR_EACH_FORMAT(format) {
		struct ml_types types;

		ml_types_init(&types, format, 0);
		for (unsigned i = 0; i < ROUNDS; i++) {
			const struct leaf leaf = random_leaf(format, &types, &seed);
			const ml_prot ad = t_random(&seed) & ML_PROT_AD;
			const ml_pte other =
				code(format, &types, leaf.place, (leaf.prot & ~ML_PROT_AD) | ad);
			const ml_pte differ = leaf.pte ^ other ^ leaf.foreign;

			T_REQUIRE(t_eq(codec_merge_ad(format, leaf.pte, differ),
				       code(format, &types, leaf.place, leaf.prot | ad) |
					       leaf.foreign));
		}
	}
}

/* Members are equal exactly when they differ in nothing but accessed, dirty and the hint. */
TEST(identity_of_members)
{
	const struct ml_format *format;
	uint64_t seed = t_seed(53);

	FOR_EACH_FORMAT(format) {
		unsigned equal = 0;
		struct ml_types types;

		ml_types_init(&types, format, 0);
		for (unsigned i = 0; i < ROUNDS; i++) {
			const struct leaf leaf = random_leaf(format, &types, &seed);
			const ml_prot flip = t_random(&seed) & t_random(&seed) & t_random(&seed) &
					     (format->prot_mask & ~ML_TYPE_MASK);
			const ml_prot prot = leaf.prot ^ flip;
			const uint64_t foreign = t_random(&seed) % 4 ? leaf.foreign : 0;
			const bool same = !(flip & ~ML_PROT_AD) && foreign == leaf.foreign;
			ml_pte pte, differ;

			if (!ml_format_expressible(format, &types, prot))
				continue;
			pte = code(format, &types, leaf.place, prot) ^
			      (t_random(&seed) & 1 ? codec_group(format) : 0);
			differ = (leaf.pte ^ (pte | foreign)) & ~codec_group(format);
			T_REQUIRE(t_eq(!(differ & ~codec_ad_bits(format, leaf.pte)), same));
			equal += same;
		}
		t_ok(equal > 100);
	}
}

/* Software's bits need no flush; whatever the hardware sees does (X11, A12). */
TEST(what_needs_a_flush)
{
	const ml_prot software = ML_SPECIAL | ML_DEVICE_MARK | ML_SOFT_MASK;
	const struct ml_format *format;
	uint64_t seed = t_seed(54);

	FOR_EACH_FORMAT(format) {
		struct ml_types types;

		ml_types_init(&types, format, 0);
		for (unsigned i = 0; i < ROUNDS; i++) {
			const struct leaf leaf = random_leaf(format, &types, &seed);
			const ml_prot mask = random_mask(format, &seed);
			const ml_prot prot =
				(leaf.prot & ~mask) | (random_prot(format, &types, &seed) & mask);
			const struct ml_edit edit = edit_make(format, mask, prot & mask);
			const ml_prot told =
				(leaf.prot ^ prot) & ~software & ~(mask & prot & ML_ACCESSED);
			ml_pte pte;

			if (!ml_format_expressible(format, &types, prot) || told == ML_DIRTY)
				continue; /* dirty may be software's or hardware's */
			pte = code(format, &types, leaf.place, prot) | leaf.foreign;
			T_REQUIRE(t_eq(((leaf.pte ^ pte) & ~edit_silent(format, &edit)) != 0,
				       told != 0));
		}
	}
}

/*
 * Where a live entry must be broken first: the type, global gained (A11), and any right of a
 * group's member but writing (A12).
 */
TEST(what_needs_a_break)
{
	const struct ml_format *format;
	uint64_t seed = t_seed(55);

	FOR_EACH_FORMAT(format) {
		struct ml_types types;

		ml_types_init(&types, format, 0);
		for (unsigned i = 0; i < ROUNDS; i++) {
			const struct leaf leaf = random_leaf(format, &types, &seed);
			const ml_prot mask = random_mask(format, &seed);
			const ml_prot prot =
				(leaf.prot & ~mask) | (random_prot(format, &types, &seed) & mask);
			bool type = (leaf.prot ^ prot) & ML_TYPE_MASK;
			bool global = ~leaf.prot & prot & ML_GLOBAL;
			bool group = leaf.place.group &&
				     (leaf.prot ^ prot) & ~(ML_WRITE | ML_PROT_AD | ML_SPECIAL |
							    ML_DEVICE_MARK | ML_SOFT_MASK);
			bool want = format->encoding == ML_ENCODING_ARM64 ? type || global || group
				    : format->encoding == ML_ENCODING_TOY ? type || group
									  : false;

			if (!ml_format_expressible(format, &types, prot))
				continue;
			T_REQUIRE(t_eq(
				edit_breaks(format, leaf.pte,
					    code(format, &types, leaf.place, prot) | leaf.foreign,
					    leaf.place.level),
				want));
		}
	}
}

/* A leaf whose type stands in this slot, whatever the type is. */
static ml_pte with_slot(const struct ml_format *format, ml_pte pte, unsigned slot, unsigned level)
{
	const ml_pte bits = codec_type_bits(format, level);
	ml_pte low = bits & (0 - bits);

	pte &= ~bits;
	for (; slot; slot >>= 1) {
		if (slot & 1)
			pte |= low;
		for (low <<= 1; low && !(low & bits);)
			low <<= 1;
	}
	return pte;
}

/* Slots that repeat a type or have none stay as they are when something else changes. */
TEST(slots_stay_when_the_type_does_not_change)
{
	static const uint64_t layouts[] = {
		[ML_ENCODING_X86_64] = 0x0306060602060606, /* WB, and reserved ones */
		[ML_ENCODING_ARM64] = 0x0c00ff00ff0cff00,  /* nGnRnE, WB, and GRE */
		[ML_ENCODING_TOY] = 0,
	};
	const struct ml_format *format;
	uint64_t seed = t_seed(56);

	FOR_EACH_FORMAT(format) {
		struct ml_types types;

		ml_types_init(&types, format, layouts[format->encoding]);
		for (unsigned i = 0; i < ROUNDS; i++) {
			const struct leaf leaf = random_leaf(format, &types, &seed);
			const unsigned level = leaf.place.level;
			const unsigned slot =
				(unsigned)(t_random(&seed) %
					   (format->encoding == ML_ENCODING_TOY ? 4 : 8));
			const ml_prot mask = random_mask(format, &seed) & ~ML_TYPE_MASK;
			const ml_prot value = random_prot(format, &types, &seed) & mask;
			const ml_prot want = (leaf.prot & ~mask) | value;
			const struct ml_edit edit = edit_make(format, mask, value);

			if (!ml_format_expressible(format, &types, want))
				continue;
			T_REQUIRE(t_eq(
				edited(format, &types, &edit,
				       with_slot(format, leaf.pte, slot, level), level),
				with_slot(format,
					  code(format, &types, leaf.place, want) | leaf.foreign,
					  slot, level)));
		}
	}
}

/* The quick questions a walk asks agree with the kind, for any bits. */
TEST(quick_questions)
{
	const struct ml_format *format;
	uint64_t seed = t_seed(57);

	FOR_EACH_FORMAT(format)
		for (unsigned i = 0; i < ROUNDS; i++) {
			const unsigned level = (unsigned)(t_random(&seed) % format->levels_max);
			const ml_pte pte = t_random(&seed) & t_random(&seed);
			const enum ml_kind kind = codec_kind(format, pte, level);

			t_eq(codec_is_table(format, pte, level), kind == ML_KIND_TABLE);
			if (kind !=
			    ML_KIND_INVALID) /* a walk asks for leaves among the rest only */
				t_eq(codec_is_leaf(format, pte, level), kind == ML_KIND_LEAF);
			if (kind == ML_KIND_LEAF || kind == ML_KIND_TABLE)
				t_ok(codec_kind(format, pte & ~codec_valid(format), level) <
				     ML_KIND_TABLE);
		}
}
