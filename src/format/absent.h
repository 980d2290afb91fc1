/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Entries that no walker uses and software reads: hidden leaves, and a kind with a payload.
 *
 * Once the valid bit is clear a walker ignores all others. Three things restrict their use all the
 * same: a hidden leaf keeps every bit it had, so what marks it must be a bit that leaves do not
 * have; the bits by which tables are told from leaves, and the group's, stay clear; and what an
 * invalid entry says must not look like one that is broken for a moment.
 */
#ifndef ML_FORMAT_ABSENT_H
#define ML_FORMAT_ABSENT_H

#include "format/codec.h"

enum absent_kind { ABSENT_NO, ABSENT_HIDDEN = 4 }; /* 1 to 3: with a payload */

/*
 * An entry that is broken, to be made again: not empty, and of no kind. Its frame is that of an
 * empty entry, so that nothing is speculated through it that was not before.
 */
#define ABSENT_BROKEN ML_BIT(3)

struct absent_layout {
	ml_pte hidden_mask, hidden; /* entry & mask == value: a hidden leaf, */
	ml_pte other_mask, other;   /* and one with a payload, if its kind is not 0 */
	uint8_t kind_shift;         /* two bits */
	uint8_t payload_shift;
	uint8_t payload_bits;
	ml_pte flip; /* bits that are stored inverted */
};

ML_INLINE struct absent_layout absent_layout(const struct ml_format *f)
{
	/*
	 * Bit 11 is software's. Frames are inverted: what is speculated through an invalid entry
	 * must not be memory (L1 terminal fault).
	 */
	static const struct absent_layout x86 = {
		.hidden_mask = ML_BIT(11),
		.hidden = ML_BIT(11),
		.other_mask = ML_BIT(11),
		.kind_shift = 1,
		.payload_shift = 12,
		.payload_bits = 51,
		.flip = X86_ADDRESS,
	};
	/* Bit 5 is NS, 62 one that implementations define. */
	static const struct absent_layout arm64 = {
		.hidden_mask = ML_BIT(5) | ML_BIT(62),
		.hidden = ML_BIT(5),
		.other_mask = ML_BIT(5) | ML_BIT(62),
		.other = ML_BIT(5) | ML_BIT(62),
		.kind_shift = 2,
		.payload_shift = 6,
		.payload_bits = 46,
	};
	/* Bits 20 and up are reserved in leaves. */
	static const struct absent_layout toy = {
		.hidden_mask = ML_BITS(22, 20),
		.hidden = ML_BIT(20),
		.other_mask = ML_BIT(20),
		.other = ML_BIT(20),
		.kind_shift = 21,
		.payload_shift = 23,
		.payload_bits = 40,
	};

	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return x86;
	case ML_ENCODING_ARM64:
		return arm64;
	default:
		return toy;
	}
}

ML_INLINE unsigned absent_kind(const struct ml_format *f, ml_pte pte)
{
	const struct absent_layout at = absent_layout(f);

	if (pte & codec_valid(f))
		return ABSENT_NO;
	if ((pte & at.hidden_mask) == at.hidden)
		return ABSENT_HIDDEN;
	return (pte & at.other_mask) == at.other ? (unsigned)(pte >> at.kind_shift) & 3 : ABSENT_NO;
}

/* kind is 1 to 3, and the payload fits. */
ML_INLINE ml_pte absent_make(const struct ml_format *f, unsigned kind, uint64_t payload)
{
	const struct absent_layout at = absent_layout(f);

	return (at.other | (ml_pte)kind << at.kind_shift | payload << at.payload_shift) ^ at.flip;
}

ML_INLINE uint64_t absent_payload(const struct ml_format *f, ml_pte pte)
{
	const struct absent_layout at = absent_layout(f);

	return (pte ^ at.flip) >> at.payload_shift & (ML_BIT(at.payload_bits) - 1);
}

/* Whether a leaf can be hidden and come back as it was. */
ML_INLINE bool absent_hides(const struct ml_format *f, ml_pte leaf)
{
	return !(leaf & absent_layout(f).hidden_mask);
}

ML_INLINE ml_pte absent_hide(const struct ml_format *f, ml_pte leaf)
{
	const struct absent_layout at = absent_layout(f);

	return ((leaf & ~(codec_valid(f) | codec_group(f))) | at.hidden) ^ at.flip;
}

ML_INLINE ml_pte absent_restore(const struct ml_format *f, ml_pte pte)
{
	const struct absent_layout at = absent_layout(f);

	if (absent_kind(f, pte) != ABSENT_HIDDEN)
		return pte;
	return ((pte ^ at.flip) & ~at.hidden) | codec_valid(f);
}

/*
 * An entry that was removed and waits, where it stood, until walkers have left: of no kind. The two
 * bits that may be a kind, and the group's, stand elsewhere; what they displace is not asked for
 * any more.
 */
#define ABSENT_WAITS ML_BIT(61)
#define ABSENT_HOLDS ML_BIT(62) /* of a link: entries of its table wait, too */
#define ABSENT_GROUP ML_BIT(62) /* of a leaf */
#define ABSENT_LOW ML_BITS(2, 1)
#define ABSENT_LOW_UP 58

ML_INLINE bool absent_waits(const struct ml_format *f, ml_pte pte)
{
	const ml_pte none = codec_valid(f) | ABSENT_LOW | absent_layout(f).hidden;

	return (pte & (none | ABSENT_WAITS)) == ABSENT_WAITS;
}

/* What such an entry keeps where it was. */
ML_INLINE ml_pte absent_kept(const struct ml_format *f)
{
	return ~(codec_valid(f) | ABSENT_LOW | ABSENT_LOW << ABSENT_LOW_UP | ABSENT_WAITS |
		 ABSENT_HOLDS | absent_layout(f).hidden | codec_group(f));
}

/* A leaf, or the link of a table as codec_table() makes it. */
ML_INLINE ml_pte absent_wait(const struct ml_format *f, ml_pte pte)
{
	const ml_pte group = pte & codec_group(f) ? ABSENT_GROUP : 0;

	return ((pte & absent_kept(f)) | (pte & ABSENT_LOW) << ABSENT_LOW_UP | group |
		ABSENT_WAITS) ^
	       absent_layout(f).flip;
}

/* What waits there, as far as it is asked for: frame, size, protection; 0: nothing. */
ML_INLINE ml_pte absent_waited(const struct ml_format *f, ml_pte waiting)
{
	const ml_pte pte = waiting ^ absent_layout(f).flip;

	if (!absent_waits(f, waiting))
		return 0;
	return (pte & absent_kept(f)) | (pte >> ABSENT_LOW_UP & ABSENT_LOW) |
	       (pte & ABSENT_GROUP ? codec_group(f) : 0) | codec_valid(f);
}

#endif
