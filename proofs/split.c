/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Splitting: the pieces of a leaf of every size translate what the leaf did, as it did. */
#include "table/resize.h"

#include "prove.h"

#define UNWIND 9 /* eight slots of types, and one turn to leave */

/* The leaf is no member of a group: such a one is unfolded first. */
static struct leaf any_large_leaf(const struct ml_types *types)
{
	const struct leaf leaf = any_leaf(types);

	ASSUME(leaf.level > 0 && !leaf.group);
	return leaf;
}

/* Bits of a large leaf that small ones have, too. */
static uint64_t shared_bits(unsigned level)
{
	return foreign_bits(level - 1);
}

PROOF(a_piece_of_a_leaf_has_its_frame_and_its_rights)
{
	const struct ml_types types = any_types();
	const struct leaf leaf = any_large_leaf(&types);
	const unsigned below = leaf.level - 1;
	const unsigned i = any_below(table_entries(F, below));
	struct ml_table t = { 0 };
	struct ml_entry piece;

	t.rungs = nondet_unsigned();
	piece = decoded(&types,
			split_first(F, &t, leaf.pte, leaf.level) +
				i * ML_BIT(F->level_shift[below]),
			below);
	PROVE(piece.kind == ML_KIND_LEAF, "a leaf");
	PROVE(piece.pa == leaf.pa + MUTANT(i, (i & ~1u)) * ML_BIT(F->level_shift[below]),
	      "its part of the frame");
	PROVE(piece.prot == leaf.prot, "the same protection and type");
	PROVE(piece.group == (F->group_rung[below] && t.rungs >> F->group_rung[below] & 1),
	      "in a group where one may be");
	PROVE(piece.residue == (leaf.foreign & shared_bits(leaf.level)) && !piece.reserved,
	      "foreign bits that it can have");
}

PROOF(a_leaf_taken_apart_and_put_together_is_the_same)
{
	const struct ml_types types = any_types();
	const struct leaf leaf = any_large_leaf(&types);
	const ml_pte first = codec_relevel(F, leaf.pte, leaf.level, leaf.level - 1);
	const ml_pte again = codec_relevel(F, first, leaf.level - 1, leaf.level);

	PROVE(again == (leaf.pte & ~(leaf.foreign & ~shared_bits(leaf.level))) ^ MUTANT(0, 1),
	      "but for what only a large leaf can have");
}

/* A member of a group without the hint, and the other way round. */
PROOF_OF_GROUPS(a_member_alone_is_the_same_leaf)
{
	const struct ml_types types = any_types();
	const struct leaf leaf = any_leaf(&types);
	struct ml_entry with = decoded(&types, leaf.pte | codec_group(F), leaf.level);
	const struct ml_entry without =
		decoded(&types, leaf.pte & ~(codec_group(F) | MUTANT(0, 1)), leaf.level);

	PROVE(with.group && !without.group, "the hint is the one thing");
	with.group = false;
	PROVE(same_entry(with, without), "in which they differ");
}

/* Every entry of the new table, whatever hole it gets. Toy: the loops are the same for all. */
PROOF_OF_TOY(a_new_table_holds_the_pieces_outside_the_hole)
{
	const struct ml_types types = default_types();
	const struct leaf leaf = any_large_leaf(&types);
	const struct hole hole = { any_below(5), any_below(5) };
	const unsigned i = any_below(4);
	struct ml_table t = { 0 };
	ml_pte table[4];
	struct ml_entry piece;

	ASSUME(hole.from <= hole.to);
	t.rungs = nondet_unsigned();
	fill_split(F, &t, table, leaf.pte, 1, hole);
	piece = decoded(&types, table[i], 0);
	if (i >= hole.from && i < hole.to) {
		PROVE(table[i] == 0, "nothing in the hole");
		return;
	}
	PROVE(piece.kind == ML_KIND_LEAF && piece.prot == leaf.prot, "leaves around it");
	PROVE(piece.pa == leaf.pa + i * MUTANT(0x1000, 0x800), "each with its frame");
	PROVE(piece.group == (t.rungs >> 1 & 1 && !(hole.from < hole.to && (i | 1u) >= hole.from &&
						    (i & ~1u) < hole.to)),
	      "a group that the hole cuts is none");
}
