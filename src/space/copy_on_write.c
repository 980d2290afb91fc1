/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Writing to private memory: to what is nobody else's as it is, to anything else in a copy. */
#include "space/fault.h"

static struct piece page_of(const struct access *a, const struct ml_translation *leaf)
{
	const struct piece page = { a->va, a->va + (page_bytes(a->s) - 1), leaf->pa };

	return page;
}

static bool is_ours_alone(const struct ml_space *s, struct piece piece)
{
	return s->frames->exclusive &&
	       s->frames->exclusive(s->frames_cookie, piece.pa, piece.last - piece.va + 1);
}

/* One entry is changed as it is; a group would come apart. */
static enum ml_fault_result grant(const struct access *a, const struct ml_translation *leaf,
				  struct piece piece)
{
	const struct ml_rung *rung =
		&a->s->table.format->rungs[ml_translation_rung(&a->s->table, leaf)];
	const ml_prot gives = ML_WRITE | ML_PROT_AD;
	struct ml_op op = { .context = a->s->context };

	if (!rung->lg2_entries && piece.last - piece.va == ML_BIT(rung->shift) - 1)
		return ml_relax_leaf(a, leaf, ML_WRITE);
	return fault_of(
		ml_protect(&a->s->table, piece.va, piece.last - piece.va + 1, gives, gives, &op));
}

enum ml_fault_result ml_grant_leaf(const struct access *a, const struct ml_translation *leaf)
{
	return grant(a, leaf, ml_space_piece(a->s, a->region, a->va, leaf));
}

/* From now on the region holds what nobody could bring back. */
static void note_copy(const struct access *a)
{
	if (region_is_raw(a->region) || ml_region_refaultable(a->region))
		a->region->copied = true;
}

/* Written to as it is: the whole leaf if it may be, so that it stays whole; else the page. */
static enum ml_fault_result reuse(const struct access *a, const struct ml_translation *leaf)
{
	struct piece piece = ml_space_piece(a->s, a->region, a->va, leaf);
	enum ml_fault_result result = ML_FAULT_FALLBACK;

	if (!is_ours_alone(a->s, piece))
		piece = page_of(a, leaf);
	if (is_ours_alone(a->s, piece))
		result = grant(a, leaf, piece);
	if (result == ML_FAULT_DONE)
		note_copy(a);
	return result;
}

/* Raw frames are never ours, and what is marked as the owner's would be lost at a revocation. */
enum ml_fault_result ml_copy_on_write(const struct access *a, const struct ml_translation *leaf)
{
	const ml_prot prot = ml_translation_prot(&a->s->table, leaf);
	enum ml_fault_result result = ML_FAULT_FALLBACK;

	if (!(prot & (ML_SPECIAL | a->s->table.refaultable)))
		result = reuse(a, leaf);
	return result == ML_FAULT_FALLBACK ? ml_copy_in(a, leaf->pa) : result;
}

enum ml_fault_result ml_copy_in(const struct access *a, ml_pa from)
{
	struct ml_space *s = a->s;
	const uint64_t bytes = page_bytes(s);
	const ml_prot prot = region_rights(a->region, a->region->prot) | ML_WRITE | ML_PROT_AD |
			     (a->region->prot & ML_TYPE_MASK);
	struct ml_op op = ml_space_op(s);
	ml_pa pa;
	int error;

	if (!s->frames->alloc || !s->frames->alloc(s->frames_cookie, bytes, false, &pa))
		return ML_FAULT_NO_MEMORY;
	s->frames->copy(s->frames_cookie, pa, from, bytes);
	publish_frames();
	op.flags |= ML_OP_REPLACE;
	op.rungs = region_rungs(s, a->region);
	ml_space_begin(s, a->va, a->va + (bytes - 1));
	error = ml_map(&s->table, a->va, bytes, pa, prot, &op);
	ml_space_end(s, a->va, a->va + (bytes - 1));
	if (error)
		s->frames->put(s->frames_cookie, pa, bytes);
	else
		note_copy(a);
	return fault_of(error);
}
