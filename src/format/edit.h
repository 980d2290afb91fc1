/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * A change of protection, prepared once and applied to many entries: most are one mask, the rest
 * go through the protection and back. Bits the library does not name are carried unchanged.
 */
#ifndef ML_FORMAT_EDIT_H
#define ML_FORMAT_EDIT_H

#include "format/codec.h"

enum ml_edit_kind {
	ML_EDIT_MASK,    /* (pte & ~clear) | set */
	ML_EDIT_PROTECT, /* take writing away, keeping dirty where it belongs then */
	ML_EDIT_CLEAN,   /* clear dirty */
	ML_EDIT_GENERAL  /* decode, change, encode */
};

/* The change as it was asked for. */
struct ml_edit {
	ml_prot mask;
	ml_prot value;
	enum ml_edit_kind kind;
};

/* The raw masks of one level. */
struct ml_edit_bits {
	ml_pte clear;
	ml_pte set;
};

ML_INLINE ml_prot codec_plain(const struct ml_format *f)
{
	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return X86_PLAIN;
	case ML_ENCODING_ARM64:
		return ARM64_PLAIN;
	default:
		return TOY_PLAIN;
	}
}

ML_INLINE ml_pte codec_plain_bits(const struct ml_format *f, ml_prot mask, unsigned level)
{
	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return x86_plain_bits(mask, level);
	case ML_ENCODING_ARM64:
		return arm64_plain_bits(mask);
	default:
		return toy_plain_bits(mask);
	}
}

ML_INLINE struct ml_edit edit_make(const struct ml_format *f, ml_prot mask, ml_prot value)
{
	struct ml_edit edit = { mask, value, ML_EDIT_GENERAL };

	if (!(mask & ~codec_plain(f)))
		edit.kind = ML_EDIT_MASK;
	else if (mask == ML_WRITE && !value)
		edit.kind = ML_EDIT_PROTECT;
	else if (mask == ML_DIRTY && !value)
		edit.kind = ML_EDIT_CLEAN;
	return edit;
}

ML_INLINE struct ml_edit_bits edit_bits(const struct ml_format *f, const struct ml_types *types,
					const struct ml_edit *edit, unsigned level)
{
	struct ml_edit_bits bits = { 0, 0 };

	if (edit->kind == ML_EDIT_MASK) {
		bits.clear = codec_plain_bits(f, edit->mask, level);
		bits.set = codec_leaf_bits(f, types, edit->value | ML_READ, level) & bits.clear;
	}
	return bits;
}

/*
 * The change of small leaves that are all alike: each has the bits that go and lacks those that
 * come. Then one test tells for several, and each of them changes.
 */
struct ml_edit_alike {
	ml_pte flip; /* bits that come, */
	ml_pte need; /* what every entry has once they are flipped (0: there is no form), */
	ml_pte keep; /* and all but the bits that go */
};

/* No form: every entry is edited by itself. */
#define EDIT_NONE_ALIKE \
	{               \
		0, 0, 0 \
	}

/* Written leaves, as most are that lose writing (protects) or the mark of it. */
ML_INLINE struct ml_edit_alike edit_alike_written(const struct ml_format *f, bool protects)
{
	const struct ml_edit_alike none = EDIT_NONE_ALIKE;
	struct ml_edit_alike alike;

	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		alike.flip = protects ? X86_SAVED_DIRTY : 0;
		alike.need = X86_DIRTY;
		alike.keep = ~(X86_DIRTY | (protects ? X86_WRITE : X86_SAVED_DIRTY));
		break;
	case ML_ENCODING_ARM64: /* DBM: what is not read-only is so because it was written */
		alike.flip = ARM64_READ_ONLY | (protects ? ARM64_SAVED_DIRTY : 0);
		alike.need = ARM64_WRITE | (protects ? ARM64_PXN : 0);
		alike.keep = protects ? ~ARM64_WRITE : ~ARM64_SAVED_DIRTY;
		break;
	default: /* toy's are masks */
		return none;
	}
	alike.need |= alike.flip | codec_small_leaf(f);
	return alike;
}

ML_INLINE struct ml_edit_alike edit_alike(const struct ml_format *f, enum ml_edit_kind kind,
					  struct ml_edit_bits bits)
{
	struct ml_edit_alike alike = EDIT_NONE_ALIKE;

	if (kind == ML_EDIT_PROTECT || kind == ML_EDIT_CLEAN)
		return edit_alike_written(f, kind == ML_EDIT_PROTECT);
	if (kind == ML_EDIT_GENERAL || !bits.clear)
		return alike;
	alike.flip = bits.set;
	alike.need = (bits.set ? bits.set : bits.clear) | codec_small_leaf(f);
	alike.keep = ~(bits.clear & ~bits.set);
	return alike;
}

/* Whether the change, if it applies to an expressible leaf, always leaves an expressible one. */
ML_INLINE bool edit_is_closed(const struct ml_edit *edit)
{
	return edit->kind != ML_EDIT_GENERAL ||
	       !(edit->mask & (ML_READ | ML_WRITE | ML_USER | ML_EXEC | ML_PEXEC));
}

ML_INLINE ml_prot edit_prot(const struct ml_edit *edit, ml_prot prot)
{
	return (prot & ~edit->mask) | edit->value;
}

ML_INLINE ml_pte edit_general(const struct ml_format *f, const struct ml_types *types,
			      const struct ml_edit *edit, ml_pte pte, unsigned level)
{
	const ml_prot prot = edit_prot(edit, codec_prot(f, types, pte, level));
	const ml_pte type = codec_type_bits(f, level);
	ml_pte keep = ~codec_named(f);
	ml_pte bits = codec_leaf_bits(f, types, prot, level);

	if (edit->mask & ML_TYPE_MASK)
		keep &= ~type;
	else
		bits &= ~type;
	return (pte & keep) | (bits & ~keep);
}

ML_INLINE ml_pte edit_protect(const struct ml_format *f, ml_pte pte)
{
	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return x86_write_protect(pte);
	case ML_ENCODING_ARM64:
		return arm64_write_protect(pte);
	default:
		return pte & ~TOY_WRITE;
	}
}

ML_INLINE ml_pte edit_clean(const struct ml_format *f, ml_pte pte)
{
	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return pte & ~(X86_DIRTY | X86_SAVED_DIRTY);
	case ML_ENCODING_ARM64:
		return arm64_clean(pte);
	default:
		return pte & ~TOY_DIRTY;
	}
}

/* kind is edit->kind, passed apart so that a loop can fix it outside. */
ML_INLINE ml_pte edit_apply(const struct ml_format *f, const struct ml_types *types,
			    const struct ml_edit *edit, enum ml_edit_kind kind,
			    struct ml_edit_bits bits, ml_pte pte, unsigned level)
{
	switch (kind) {
	case ML_EDIT_MASK:
		return (pte & ~bits.clear) | bits.set;
	case ML_EDIT_PROTECT:
		return edit_protect(f, pte);
	case ML_EDIT_CLEAN:
		return edit_clean(f, pte);
	default:
		return edit_general(f, types, edit, pte, level);
	}
}

/* The bits in which a request for more access is compared with what stands there (4.7). */
ML_INLINE ml_pte codec_access_bits(const struct ml_format *f)
{
	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return X86_ACCESS;
	case ML_ENCODING_ARM64:
		return ARM64_ACCESS;
	default:
		return TOY_ACCESS;
	}
}

/* The one of them that says whether the page may be written at all. */
ML_INLINE ml_pte codec_write(const struct ml_format *f)
{
	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return X86_WRITE;
	case ML_ENCODING_ARM64:
		return ARM64_WRITE;
	default:
		return TOY_WRITE;
	}
}

/* A leaf with everything that another allows and marks: never less. */
ML_INLINE ml_pte edit_relax(const struct ml_format *f, ml_pte pte, ml_pte more)
{
	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return x86_relax(pte, more);
	case ML_ENCODING_ARM64:
		return arm64_relax(pte, more);
	default:
		return pte | (more & TOY_ACCESS);
	}
}

/* A leaf with these marks added. */
ML_INLINE ml_pte edit_mark(const struct ml_format *f, ml_pte pte, bool accessed, bool dirty)
{
	ml_pte more = accessed ? codec_accessed(f) : 0;

	switch (f->encoding) {
	case ML_ENCODING_X86_64:
		return x86_relax(pte, more | (dirty ? X86_SAVED_DIRTY : 0));
	case ML_ENCODING_ARM64:
		return arm64_relax(pte, more | ARM64_READ_ONLY | (dirty ? ARM64_SAVED_DIRTY : 0));
	default:
		return pte | more | (dirty ? TOY_DIRTY : 0);
	}
}

/*
 * Whether going from one valid leaf to the other in place needs break-before-make (A11, A12): the
 * memory type changes, or the entry becomes global, or members of a group would differ for a while
 * in more than what walkers bear in them.
 */
ML_INLINE bool edit_breaks(const struct ml_format *f, ml_pte from, ml_pte to, unsigned level)
{
	const ml_pte changed = from ^ to;
	ml_pte bits = codec_type_bits(f, level);

	if (f->break_group && from & codec_group(f) && changed & ~codec_group_bears(f))
		return true;
	if (f->encoding == ML_ENCODING_ARM64)
		bits |= from & ARM64_NOT_GLOBAL;
	return f->break_type && changed & bits;
}

/*
 * Whether an edit with this mask may break live entries; foreign: others made some of them, and
 * what changes writing may change who executes, too.
 */
ML_INLINE bool edit_may_break(const struct ml_format *f, const struct ml_edit *edit, bool foreign)
{
	const bool tears = edit->mask & (ML_USER | ML_EXEC | ML_PEXEC) ||
			   (foreign && edit->kind != ML_EDIT_MASK);

	return (f->break_type && edit->mask & (ML_TYPE_MASK | ML_GLOBAL)) ||
	       (f->break_group && tears);
}

/*
 * The bits whose change no walker needs to be told of: software's, and marks that come. Without
 * accessed a leaf is not held (Arm ARM D8.5.1), or hardware would set the mark itself, as x86-64's
 * does with dirty, too (Intel SDM 4.8). Others may hold a leaf that is not dirty as read-only.
 */
ML_INLINE ml_pte edit_silent(const struct ml_format *f, const struct ml_edit *edit)
{
	const ml_prot come = edit->mask & edit->value;
	ml_pte bits = codec_software(f);

	if (come & ML_ACCESSED)
		bits |= codec_accessed(f);
	if (come & ML_DIRTY && f->encoding == ML_ENCODING_X86_64)
		bits |= X86_DIRTY;
	return bits;
}

#endif
