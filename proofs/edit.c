/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The laws of editing an entry in place: decode, change, encode, and every other bit carried. */
#include "edits.h"

PROOF(an_edit_is_decode_change_encode)
{
	const struct ml_types types = any_types();
	const struct leaf leaf = any_leaf(&types);
	const struct ml_edit edit = any_edit();
	const ml_prot want = (leaf.prot & ~edit.mask) | edit.value;
	const ml_pte pte = edited(&types, &edit, leaf.pte, leaf.level);

	PROVE(edit_prot(&edit, leaf.prot) == want, "the protection is what was asked for");
	PROVE(!edit_is_closed(&edit) || (edit.mask & ML_TYPE_MASK) ||
		      ml_format_expressible(F, &types, want),
	      "a closed edit leaves what can be said");
	ASSUME(ml_format_expressible(F, &types, want));
	PROVE(pte == coded(&types, MUTANT(want, want & ~ML_ACCESSED), &leaf),
	      "the entry says it, and carries what is foreign");
}

/* Slots that repeat a type, or name none, stay as they are when something else changes. */
PROOF(a_slot_stays_when_the_type_does)
{
	const struct ml_types types = any_types();
	const struct leaf leaf = any_leaf(&types);
	const struct ml_edit edit = any_edit();
	const ml_pte bits = codec_type_bits(F, leaf.level);
	const ml_pte slot = nondet_uint64_t() & bits;
	const ml_prot want = (leaf.prot & ~edit.mask) | edit.value;

	ASSUME(MUTANT(!(edit.mask & ML_TYPE_MASK), true));
	ASSUME(ml_format_expressible(F, &types, want));
	PROVE(edited(&types, &edit, (leaf.pte & ~bits) | slot, leaf.level) ==
		      ((coded(&types, want, &leaf) & ~bits) | slot),
	      "all else changes as asked");
}

/* The form that changes several leaves at once takes for alike only what it edits right. */
PROOF(alike_leaves_are_edited_alike)
{
	const struct ml_types types = any_types();
	const struct ml_edit edit = any_edit();
	const struct ml_edit_alike alike = edit_alike(F, edit.kind, edit_bits(F, &types, &edit, 0));
	const ml_pte pte = nondet_uint64_t(), flipped = pte ^ alike.flip;

	ASSUME(alike.need); /* there is such a form */
	ASSUME(((flipped & alike.need) | MUTANT(0, 1)) == alike.need);
	PROVE(codec_is_leaf(F, pte, 0), "leaves");
	PROVE((flipped & alike.keep) != pte, "that change");
	PROVE((flipped & alike.keep) == edited(&types, &edit, pte, 0), "as the edit has it");
}

/* Dirty may be software's or hardware's, and is left out. */
PROOF(what_hardware_reads_is_flushed)
{
	const ml_prot software = ML_SPECIAL | ML_DEVICE_MARK | ML_SOFT_MASK;
	const struct ml_types types = any_types();
	const struct leaf leaf = any_leaf(&types);
	const ml_prot prot = nondet_uint64_t();
	const ml_pte changed = leaf.pte ^ coded(&types, prot, &leaf);
	const struct ml_edit unmarked = { 0 }; /* no mark comes */

	ASSUME(((leaf.prot ^ prot) & ~software) != ML_DIRTY);
	PROVE(((changed & ~edit_silent(F, &unmarked)) != 0) ==
		      (((leaf.prot ^ prot) & ~MUTANT(software, 0)) != 0),
	      "and nothing else");
}

/* Write protection of what another wrote, as the hardware has it: never a right gained. */
PROOF(protecting_any_leaf_takes_writing_alone)
{
	const struct ml_types types = any_types();
	const ml_pte pte = nondet_uint64_t();
	const unsigned level = any_below(F->levels_max);
	const struct ml_entry entry = decoded(&types, pte, level);
	struct ml_entry after;

	ASSUME(entry.kind == ML_KIND_LEAF);
	after = decoded(&types, edit_protect(F, pte), level);
	PROVE(after.prot == (entry.prot & ~MUTANT(ML_WRITE, ML_WRITE | ML_DIRTY)), "writing goes");
	PROVE(after.pa == entry.pa && after.kind == entry.kind && after.group == entry.group,
	      "the translation stays");
	PROVE(after.residue == entry.residue, "and what is foreign");
}

PROOF(cleaning_any_leaf_takes_dirty_alone)
{
	const struct ml_types types = any_types();
	const ml_pte pte = nondet_uint64_t();
	const unsigned level = any_below(F->levels_max);
	const struct ml_entry entry = decoded(&types, pte, level);
	struct ml_entry after;

	ASSUME(entry.kind == ML_KIND_LEAF);
	after = decoded(&types, edit_clean(F, pte), level);
	PROVE(after.prot == (entry.prot & ~MUTANT(ML_DIRTY, ML_PROT_AD)), "the mark goes");
	PROVE(after.pa == entry.pa && after.kind == entry.kind && after.group == entry.group,
	      "the translation stays");
	PROVE(after.residue == entry.residue, "and what is foreign");
}

/* What tables above a leaf leave of its rights, as the manuals combine them. */
static ml_prot limited(ml_prot prot, ml_pte all, ml_pte any)
{
	switch (F->encoding) {
	case ML_ENCODING_X86_64:
		if (!(all & X86_WRITE))
			prot &= ~ML_WRITE;
		if (any & X86_NO_EXECUTE)
			prot &= ~(ML_EXEC | ML_PEXEC);
		if (!(all & X86_USER) && prot & ML_USER) /* the one execute bit changes hands */
			prot = (prot & ~(ML_USER | ML_EXEC)) | (prot & ML_EXEC) << 1;
		return prot;
	case ML_ENCODING_ARM64:
		prot &= ~((any >> 59 & 1) * ML_PEXEC | (any >> 60 & 1) * ML_EXEC |
			  (any >> 61 & 1) * ML_USER | (any >> 62 & 1) * ML_WRITE);
		return prot;
	default:
		return prot;
	}
}

PROOF(tables_above_limit_a_leaf)
{
	const struct ml_types types = any_types();
	const struct leaf leaf = any_leaf(&types);
	const ml_pte first = nondet_uint64_t(), second = nondet_uint64_t();
	const ml_pte all = first & second, any = first | second;
	const struct ml_entry after =
		decoded(&types, codec_limit(F, leaf.pte, all, any), leaf.level);

	PROVE(after.prot == MUTANT(limited(leaf.prot, all, any), leaf.prot ^ ML_WRITE),
	      "in the rights they name");
	PROVE(after.pa == leaf.pa && after.kind == ML_KIND_LEAF && after.group == leaf.group,
	      "the translation stays");
	PROVE(after.residue == leaf.foreign, "and what is foreign");
}
