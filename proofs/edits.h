/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Any edit, and what it makes of an entry. */
#ifndef EDITS_H
#define EDITS_H

#include "format/edit.h"

#include "prove.h"

/* Any change that may be asked for: a type is changed whole or not at all. */
static inline struct ml_edit any_edit(void)
{
	const ml_prot mask = nondet_uint64_t(), value = nondet_uint64_t();

	ASSUME(!(mask & ~F->prot_mask) && !(value & ~mask));
	ASSUME(!(mask & ML_TYPE_MASK) || (mask & ML_TYPE_MASK) == ML_TYPE_MASK);
	return edit_make(F, mask, value);
}

static inline ml_pte edited(const struct ml_types *types, const struct ml_edit *edit, ml_pte pte,
			    unsigned level)
{
	return edit_apply(F, types, edit, edit->kind, edit_bits(F, types, edit, level), pte, level);
}

#endif
