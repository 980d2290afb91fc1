/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The laws of coding: every protection, frame, level and type layout; and any 64 bits at all. */
#include "prove.h"

PROOF(what_is_encoded_is_decoded)
{
	const struct ml_types types = any_types();
	const struct leaf leaf = any_leaf(&types);
	struct ml_entry entry;

	PROVE(ml_format_decode(F, &types, leaf.pte, leaf.level, &entry) == ML_OK, "it decodes");
	PROVE(entry.kind == ML_KIND_LEAF, "it is a leaf");
	PROVE(entry.prot == MUTANT(leaf.prot, leaf.prot & ~ML_DIRTY), "the same protection");
	PROVE(entry.pa == leaf.pa, "the same frame");
	PROVE(entry.group == leaf.group, "the same membership of a group");
	PROVE(entry.residue == leaf.foreign, "foreign bits are residue");
	PROVE(!entry.reserved, "nothing is reserved");
}

/* The ladder as the manual has it, without the tables of the format. */
static bool is_place(unsigned level, bool group)
{
	switch (F->encoding) {
	case ML_ENCODING_X86_64:
		return level <= 2 && !group;
	case ML_ENCODING_ARM64:
		return level <= 2;
	default:
		return level <= 1;
	}
}

static bool has_type(const struct ml_types *types, ml_prot prot)
{
	unsigned slot;

	for (slot = 0; slot < 8; slot++)
		if ((types->type_of_slot >> 4 * slot & 0xf) == ML_TYPE_OF(prot) &&
		    ML_TYPE_OF(prot) < ML_TYPE_COUNT)
			return true;
	return false;
}

/* One execute bit, which belongs to the mode that owns the page. */
static bool one_execute_bit(ml_prot prot)
{
	return !(prot & ML_USER ? prot & ML_PEXEC : prot & ML_EXEC);
}

/* What the documentation says a format can express. */
static bool is_documented(const struct ml_types *types, ml_prot prot)
{
	const ml_prot all = ML_PROT_ALL & ~ML_SOFT_MASK;

	if (!(prot & ML_READ) || !has_type(types, prot))
		return false;
	switch (F->encoding) {
	case ML_ENCODING_X86_64:
		return !(prot & ~(all | MUTANT(0x3f, 0x1f) * ML_SOFT(0))) && one_execute_bit(prot);
	case ML_ENCODING_ARM64:
		return !(prot & ~(all | MUTANT(3, 1) * ML_SOFT(0))) &&
		       !(prot & ML_USER && prot & ML_WRITE && prot & ML_PEXEC);
	default:
		return !(prot & ~(all | MUTANT(1, 3) * ML_SOFT(0))) && one_execute_bit(prot) &&
		       !(prot & (ML_GLOBAL | ML_DEVICE_MARK));
	}
}

PROOF(what_cannot_be_said_is_refused)
{
	const struct ml_types types = any_types();
	const ml_prot prot = nondet_uint64_t();
	const ml_pa pa = nondet_uint64_t();
	const unsigned level = nondet_unsigned();
	const bool group = any_bool(), place = is_place(level, group);
	const ml_pte before = nondet_uint64_t();
	ml_pte pte = before;
	const int error = ml_format_encode(F, &types, pa, prot, level, group, &pte);

	PROVE((error == ML_ERR_SIZE) == !place, "where no such leaf is");
	if (!place)
		return;
	PROVE((error == ML_ERR_PROT) == !is_documented(&types, prot), "what is not documented");
	PROVE(ml_format_expressible(F, &types, prot) == (error != ML_ERR_PROT), "as it is told");
	if (error != ML_ERR_PROT) {
		const bool aligned = pa % ML_BIT(F->level_shift[level]) == 0;

		PROVE((error == ML_ERR_ALIGN) == !aligned, "a frame between two");
		PROVE((error == ML_ERR_PA_RANGE) == (aligned && pa >= ML_BIT(F->pa_bits)),
		      "a frame that is too high");
	}
	PROVE(!error || pte == before, "nothing is written then");
}

PROOF(any_bits_decode)
{
	const struct ml_types types = any_types();
	const ml_pte pte = nondet_uint64_t();
	const unsigned level = nondet_unsigned();
	struct ml_entry entry;
	const int error = ml_format_decode(F, &types, pte, level, &entry);

	PROVE((error == ML_OK) == (level < F->levels_max), "at every level there is");
	if (error)
		return;
	PROVE(!((entry.residue | entry.reserved) & ~pte), "told bits are there");
	PROVE(!(entry.residue & MUTANT(entry.reserved, pte)), "and told once");
	PROVE((entry.kind == ML_KIND_EMPTY) == !pte, "empty is zero");
	PROVE(!(entry.pa >> F->pa_bits), "an address within the width");
}

PROOF(a_leaf_of_any_bits_is_coded_again)
{
	const struct ml_types types = any_types();
	const ml_pte pte = nondet_uint64_t();
	const unsigned level = any_below(F->levels_max);
	const struct ml_entry entry = decoded(&types, pte, level);
	ml_pte again;

	ASSUME(entry.kind == ML_KIND_LEAF && !entry.reserved);
	ASSUME(ml_format_expressible(F, &types, entry.prot));
	PROVE(ml_format_encode(F, &types, entry.pa, entry.prot, level, entry.group, &again) ==
		      ML_OK,
	      "it can be");
	PROVE(!(again & entry.residue), "beside its residue");
	PROVE(same_entry(decoded(&types, again | MUTANT(entry.residue, 0), level), entry),
	      "and says the same");
}

PROOF(a_link_leads_to_its_table)
{
	const struct ml_types types = default_types();
	const unsigned level = any_below(F->levels_max);
	const ml_pa pa = nondet_uint64_t();
	struct ml_entry entry;

	ASSUME(level > 0 && !(pa >> F->pa_bits));
	ASSUME(ml_aligned(pa, 3 + F->index_bits[level - 1]));
	entry = decoded(&types, codec_table(F, pa), level);
	PROVE(entry.kind == ML_KIND_TABLE, "a table");
	PROVE(entry.pa == MUTANT(pa, pa & ~ML_BIT(12)) &&
		      codec_table_pa(F, codec_table(F, pa)) == pa,
	      "there");
	PROVE(!entry.residue && !entry.reserved, "nothing else");
}

/* What the walk asks, for any bits. */
PROOF(quick_questions_agree_with_the_kind)
{
	const ml_pte pte = nondet_uint64_t();
	const unsigned level = any_below(F->levels_max);
	const enum ml_kind kind = codec_kind(F, pte, level);

	PROVE(codec_is_table(F, pte, MUTANT(level, 0)) == (kind == ML_KIND_TABLE), "a table");
	PROVE(kind == ML_KIND_INVALID || codec_is_leaf(F, pte, level) == (kind == ML_KIND_LEAF),
	      "a leaf, of what is no dead entry");
	PROVE(codec_kind(F, pte & ~codec_valid(F), level) < ML_KIND_TABLE, "without the valid bit");
}

/* And the quickest, of what the library wrote. */
PROOF(one_bit_tells_of_own_entries)
{
	const struct ml_types types = any_types();
	const struct leaf leaf = any_leaf(&types);
	const unsigned level = any_below(F->levels_max);
	const ml_pa pa = nondet_uint64_t();
	ml_pte link;

	ASSUME(level > 0 && !(pa >> F->pa_bits));
	ASSUME(ml_aligned(pa, 3 + F->index_bits[level - 1]));
	link = codec_table(F, pa);
	PROVE(codec_own_is_table(F, link, MUTANT(level, 0)), "a link");
	PROVE(!codec_own_is_table(F, leaf.pte, leaf.level), "a leaf is none");
	PROVE(codec_own_is_leaf(F, leaf.pte, leaf.level), "a leaf");
	PROVE(!codec_own_is_table(F, 0, level) && !codec_own_is_leaf(F, 0, level), "nothing");
	if (leaf.level == 0)
		PROVE((leaf.pte & codec_small_leaf(F)) == codec_small_leaf(F), "a small leaf");
}
