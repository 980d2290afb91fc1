/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Which edits of a live entry need break-before-make, against the manuals' own list of fields: for
 * any entry at all and any edit of it. Arm ARM D8.16.1: what is read through two entries of one
 * address may differ in permissions and in nothing else.
 */
#include "edits.h"
#include "rules.h"

/* Any leaf of anybody's, and what an edit makes of it. */
struct change {
	struct ml_types types;
	struct ml_edit edit;
	unsigned level;
	ml_pte from, to;
};

static struct change any_change(void)
{
	struct change change;

	change.types = any_types();
	change.edit = any_edit();
	change.level = any_below(F->levels_max);
	change.from = nondet_uint64_t();
	ASSUME(!(change.edit.mask & ~change.edit.value & ML_READ)); /* refused */
	ASSUME(codec_kind(F, change.from, change.level) == ML_KIND_LEAF);
	change.to = edited(&change.types, &change.edit, change.from, change.level);
	return change;
}

PROOF(an_edit_breaks_where_the_manual_says)
{
	const struct change c = any_change();

	PROVE(edit_breaks(F, c.from, c.to, c.level) == needs_break(c.from, c.to, c.level),
	      "there, and nowhere else");
}

/* What always breaks: the edit of a leaf leaves it alone. */
PROOF(an_edit_keeps_frame_and_size)
{
	const struct change c = any_change();
	const struct fields fields = fields_of(c.level);
	const ml_pte changed = c.from ^ c.to;

	PROVE(!(changed & (fields.frame | MUTANT((ml_pte)0, codec_accessed(F)))), "the frame");
	PROVE(!(changed & (fields.size | fields.group)), "the size, and the group");
}

/* Where anything breaks. The way of a pass is chosen by the edit alone, before it sees an entry. */
PROOF_OF_GROUPS(an_edit_that_breaks_says_so_before)
{
	const struct ml_types types = any_types();
	const struct leaf leaf = any_leaf(&types);
	const struct ml_edit edit = any_edit();
	const ml_pte to = edited(&types, &edit, leaf.pte, leaf.level);
	const struct ml_edit asked = { edit.mask & ~MUTANT((ml_prot)0, ML_TYPE_MASK), edit.value,
				       edit.kind };

	ASSUME(ml_format_expressible(F, &types, edit_prot(&edit, leaf.prot)));
	PROVE(!edit_breaks(F, leaf.pte, to, leaf.level) || edit_may_break(F, &asked, false),
	      "of every leaf that the library coded");
}
