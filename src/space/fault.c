/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A fault: who may do what, and what is missing for it. */
#include "space/fault.h"
#include <maxleaf/pte.h>

/* What allows anything is readable. */
static bool is_allowed(const struct access *a)
{
	const ml_prot rights = a->region->prot & ML_RIGHTS;

	return rights && !(a->tried & (ML_WRITE | ML_EXEC) & ~rights);
}

enum ml_fault_result ml_relax_leaf(const struct access *a, const struct ml_translation *leaf,
				   ml_prot more)
{
	struct ml_table *t = &a->s->table;
	const unsigned shift = t->format->level_shift[leaf->level];
	const ml_prot prot = ml_translation_prot(t, leaf) | access_marks(a) | more;
	ml_pte *entry = ml_pte_pointer(t, a->va, leaf->level);
	ml_pte pte;
	int error = ml_pte_make(t, ml_align_down(leaf->pa, shift), prot, leaf->level, &pte);

	if (error || !entry)
		return ML_FAULT_BUS;
	if (!ml_ptep_set_access_flags(t, ml_align_down(a->va, shift), entry, leaf->level, pte,
				      access_writes(a)))
		return ML_FAULT_SPURIOUS;
	return ML_FAULT_DONE;
}

static enum ml_fault_result fault_on_leaf(const struct access *a, const struct ml_translation *leaf)
{
	const ml_prot prot = ml_translation_prot(&a->s->table, leaf);

	if (!access_writes(a) || prot & ML_WRITE)
		return ml_relax_leaf(a, leaf, 0); /* marks alone: as a whole */
	if (access_is_private(a))
		return ml_copy_on_write(a, leaf);
	if (ml_region_refaultable(a->region))
		return ml_fault_ask(a, leaf);
	return ml_grant_leaf(a, leaf);
}

enum ml_fault_result ml_fault_in(const struct access *a)
{
	struct ml_translation leaf;
	int error;

	if (!is_allowed(a))
		return ML_FAULT_ACCESS;
	error = ml_translate(&a->s->table, a->va, &leaf);
	if (!error)
		return fault_on_leaf(a, &leaf);
	if (error != ML_ERR_NOT_MAPPED)
		return ML_FAULT_BUS;
	if (region_is_anonymous(a->region))
		return ml_fault_anonymous(a);
	return ml_region_refaultable(a->region) ? ml_fault_ask(a, NULL) : ML_FAULT_BUS;
}

#define TRIES 16 /* of a handler that has let go of the lock */

static int error_of(enum ml_fault_result result)
{
	switch (result) {
	case ML_FAULT_DONE:
	case ML_FAULT_SPURIOUS:
		return ML_OK;
	case ML_FAULT_NO_REGION:
		return ML_ERR_NOT_MAPPED;
	case ML_FAULT_ACCESS:
		return ML_ERR_ACCESS;
	case ML_FAULT_NO_MEMORY:
		return ML_ERR_NO_MEMORY;
	case ML_FAULT_RETRY:
		return ML_ERR_CONTENDED;
	default:
		return ML_ERR_FAULT;
	}
}

int ml_fault_through(struct ml_space *s, ml_va va, ml_prot tried, struct reached *reached)
{
	struct access access = { s, NULL, va, tried };
	enum ml_fault_result result = ML_FAULT_RETRY;
	unsigned tries;
	int error;

	for (tries = 0; tries < TRIES && result == ML_FAULT_RETRY; tries++) {
		access.region = ml_space_find(s, va);
		result = access.region ? ml_fault_in(&access) : ML_FAULT_NO_REGION;
	}
	error = error_of(result);
	if (!error)
		error = ml_translate(&s->table, va, &reached->leaf);
	if (error)
		return error;
	reached->region = access.region;
	reached->last = ml_min(leaf_last(s, va, &reached->leaf), access.region->range.last);
	return ML_OK;
}

enum ml_fault_result ml_space_fault(struct ml_space *s, ml_va va, ml_prot tried)
{
	const ml_va page = ml_align_down(va, s->table.format->page_shift);
	const struct access access = { s, ml_space_find(s, va), page, tried };
	enum ml_fault_result result;

	if (!access.region)
		return ML_FAULT_NO_REGION;
	result = ml_fault_in(&access);
	/*
	 * A TLB may hold it read-only: who gave the right may not have come to the end of it yet.
	 */
	if (result == ML_FAULT_SPURIOUS && access_writes(&access))
		ml_flush_range(&s->table, page, page_bytes(s), ML_LEVEL_ANY, true);
	return result;
}
