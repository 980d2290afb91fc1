/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The laws of editing an entry in place: a change of protection is decode, change, encode,
 * with every foreign bit carried; going to another level, gathering accessed/dirty and
 * comparing members do what the protection says.
 */
#include <string.h>

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

/* A leaf, a change of its protection, and what that comes to. */
struct trial {
	const struct ml_format *format;
	struct ml_types types;
	uint64_t seed;
	struct leaf leaf;
	ml_prot mask, prot;
	struct ml_edit edit;
	unsigned count[4]; /* of what a law is about */
};

static void draw(struct trial *t)
{
	t->leaf = random_leaf(t->format, &t->types, &t->seed);
	t->mask = random_mask(t->format, &t->seed);
	t->prot = random_prot(t->format, &t->types, &t->seed) & t->mask;
	t->edit = edit_make(t->format, t->mask, t->prot);
	t->prot |= t->leaf.prot & ~t->mask;
}

static bool is_expressible(const struct trial *t)
{
	return ml_format_expressible(t->format, &t->types, t->prot);
}

/*
 * A law of every format's leaves, with these layouts of types (NULL: the formats' own). So many
 * counts become large; all but the first may be about what toy has not.
 */
static void hold(bool (*law)(struct trial *t), uint64_t seed, const uint64_t *layouts,
		 unsigned counts)
{
	struct trial t = { .seed = t_seed(seed) };
	const struct ml_format *format;

	FOR_EACH_FORMAT(format) {
		t.format = format;
		memset(t.count, 0, sizeof(t.count));
		ml_types_init(&t.types, format, layouts ? layouts[format->encoding] : 0);
		for (unsigned i = 0; i < ROUNDS; i++) {
			draw(&t);
			T_REQUIRE(law(&t));
		}
		for (unsigned i = 0; i < counts; i++)
			t_ok(t.count[i] > 100 || (i && format->encoding == ML_ENCODING_TOY));
	}
}

static bool is_decode_change_encode(struct trial *t)
{
	const unsigned level = t->leaf.place.level;

	if (edit_is_closed(&t->edit))
		t_ok(is_expressible(t));
	if (!is_expressible(t))
		return true;
	t->count[t->edit.kind]++;
	return t_eq(edited(t->format, &t->types, &t->edit, t->leaf.pte, level),
		    code(t->format, &t->types, t->leaf.place, t->prot) | t->leaf.foreign);
}

TEST(an_edit_is_decode_change_encode)
{
	hold(is_decode_change_encode, 50, NULL, 4);
}

/*
 * The form that changes several alike leaves at once: whatever it takes for alike is a leaf,
 * changes, and comes to the same as the edit. Of the library's leaves and of any bits.
 */
static bool alike_is_edited(struct trial *t)
{
	const struct ml_edit_alike alike =
		edit_alike(t->format, t->edit.kind, edit_bits(t->format, &t->types, &t->edit, 0));
	const ml_pte any = t->leaf.pte ^ (t_random(&t->seed) & t_random(&t->seed));
	const ml_pte pte = t->leaf.place.level || t_random(&t->seed) & 1 ? any : t->leaf.pte;
	const ml_pte flipped = pte ^ alike.flip;

	if (!alike.need || (flipped & alike.need) != alike.need)
		return true;
	t->count[0]++;
	t_ok((flipped & alike.keep) != pte);
	t_ok(codec_is_leaf(t->format, pte, 0));
	return t_eq(flipped & alike.keep, edited(t->format, &t->types, &t->edit, pte, 0));
}

TEST(alike_leaves_are_edited_alike)
{
	hold(alike_is_edited, 58, NULL, 1);
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
static bool goes_to_another_level(struct trial *t)
{
	const struct leaf *leaf = &t->leaf;
	struct place places[ML_RUNG_MAX];
	const struct place to = places[t_random(&t->seed) % leaf_places(t->format, places)];
	const unsigned large = to.level > leaf->place.level ? to.level : leaf->place.level;
	const ml_pa pa = some_frame(t->format, large);
	const uint64_t kept = leaf->foreign & foreign_bits(t->format, to.level);
	ml_pte from_pte, to_pte;

	t_eq(ml_format_encode(t->format, &t->types, pa, leaf->prot, leaf->place.level, false,
			      &from_pte),
	     ML_OK);
	t_eq(ml_format_encode(t->format, &t->types, pa, leaf->prot, to.level, false, &to_pte),
	     ML_OK);
	return t_eq(codec_relevel(t->format, from_pte | leaf->foreign, leaf->place.level, to.level),
		    to_pte | kept);
}

TEST(another_level)
{
	hold(goes_to_another_level, 51, NULL, 0);
}

/* The OR of both, and nothing else changes. */
static bool gathers(struct trial *t)
{
	const struct leaf *leaf = &t->leaf;
	const ml_prot ad = t_random(&t->seed) & ML_PROT_AD;
	const ml_pte other =
		code(t->format, &t->types, leaf->place, (leaf->prot & ~ML_PROT_AD) | ad);
	const ml_pte differ = leaf->pte ^ other ^ leaf->foreign;

	return t_eq(codec_merge_ad(t->format, leaf->pte, differ),
		    code(t->format, &t->types, leaf->place, leaf->prot | ad) | leaf->foreign);
}

TEST(gathering_accessed_and_dirty)
{
	hold(gathers, 52, NULL, 0);
}

/* Members are equal exactly when they differ in nothing but accessed, dirty and the hint. */
static bool tells_members_apart(struct trial *t)
{
	const struct leaf *leaf = &t->leaf;
	const ml_prot flip = t_random(&t->seed) & t_random(&t->seed) & t_random(&t->seed) &
			     (t->format->prot_mask & ~ML_TYPE_MASK);
	const uint64_t foreign = t_random(&t->seed) % 4 ? leaf->foreign : 0;
	const bool same = !(flip & ~ML_PROT_AD) && foreign == leaf->foreign;
	const ml_pte hint = codec_group(t->format);
	ml_pte pte, differ;

	t->prot = leaf->prot ^ flip;
	if (!is_expressible(t))
		return true;
	pte = code(t->format, &t->types, leaf->place, t->prot) ^
	      (t_random(&t->seed) & 1 ? hint : 0);
	differ = (leaf->pte ^ (pte | foreign)) & ~hint;
	t->count[0] += same;
	return t_eq(!(differ & ~codec_ad_bits(t->format, leaf->pte)), same);
}

TEST(identity_of_members)
{
	hold(tells_members_apart, 53, NULL, 1);
}

/* Software's bits need no flush; whatever the hardware sees does (X11, A12). */
static bool is_flushed_where_it_must(struct trial *t)
{
	const ml_prot software = ML_SPECIAL | ML_DEVICE_MARK | ML_SOFT_MASK;
	const ml_prot told =
		(t->leaf.prot ^ t->prot) & ~software & ~(t->mask & t->prot & ML_ACCESSED);
	ml_pte pte;

	if (!is_expressible(t) || told == ML_DIRTY)
		return true; /* dirty may be software's or hardware's */
	pte = code(t->format, &t->types, t->leaf.place, t->prot) | t->leaf.foreign;
	return t_eq(((t->leaf.pte ^ pte) & ~edit_silent(t->format, &t->edit)) != 0, told != 0);
}

TEST(what_needs_a_flush)
{
	hold(is_flushed_where_it_must, 54, NULL, 0);
}

/*
 * Where a live entry must be broken first: the type, global gained (A11), and any right of a
 * group's member but writing (A12).
 */
static bool is_broken_where_it_must(struct trial *t)
{
	const ml_prot differ = t->leaf.prot ^ t->prot;
	const bool type = differ & ML_TYPE_MASK;
	const bool global = ~t->leaf.prot & t->prot & ML_GLOBAL;
	const bool group = t->leaf.place.group && differ & ~(ML_WRITE | ML_PROT_AD | ML_SPECIAL |
							     ML_DEVICE_MARK | ML_SOFT_MASK);
	const bool want = t->format->encoding == ML_ENCODING_ARM64 ? type || global || group
			  : t->format->encoding == ML_ENCODING_TOY ? type || group
								   : false;

	if (!is_expressible(t))
		return true;
	return t_eq(
		edit_breaks(t->format, t->leaf.pte,
			    code(t->format, &t->types, t->leaf.place, t->prot) | t->leaf.foreign,
			    t->leaf.place.level),
		want);
}

TEST(what_needs_a_break)
{
	hold(is_broken_where_it_must, 55, NULL, 0);
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
static bool keeps_its_slot(struct trial *t)
{
	const struct leaf *leaf = &t->leaf;
	const unsigned level = leaf->place.level;
	const unsigned slots = t->format->encoding == ML_ENCODING_TOY ? 4 : 8;
	const unsigned slot = (unsigned)(t_random(&t->seed) % slots);

	t->mask &= ~ML_TYPE_MASK;
	t->edit = edit_make(t->format, t->mask, t->prot & t->mask);
	t->prot = (leaf->prot & ~t->mask) | (t->prot & t->mask);
	if (!is_expressible(t))
		return true;
	return t_eq(edited(t->format, &t->types, &t->edit,
			   with_slot(t->format, leaf->pte, slot, level), level),
		    with_slot(t->format,
			      code(t->format, &t->types, leaf->place, t->prot) | leaf->foreign,
			      slot, level));
}

TEST(slots_stay_when_the_type_does_not_change)
{
	static const uint64_t layouts[] = {
		[ML_ENCODING_X86_64] = 0x0306060602060606, /* WB, and reserved ones */
		[ML_ENCODING_ARM64] = 0x0c00ff00ff0cff00,  /* nGnRnE, WB, and GRE */
		[ML_ENCODING_TOY] = 0,
	};

	hold(keeps_its_slot, 56, layouts, 0);
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
