/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Entries that no walker uses: each kind is told from all others, and what waits comes back. */
#include "format/absent.h"
#include "prove.h"

PROOF(a_leaf_that_waits_comes_back)
{
	const struct ml_types types = any_types();
	const struct leaf leaf = any_leaf(&types);
	const ml_pte waiting = absent_wait(F, leaf.pte | MUTANT((ml_pte)0, codec_accessed(F)));
	const ml_pte back = absent_waited(F, waiting);

	PROVE(absent_waits(F, waiting), "it waits");
	PROVE(!(waiting & codec_valid(F)), "no walker uses it");
	PROVE(!codec_group(F) || !(waiting & codec_group(F)), "it is of no group");
	PROVE(codec_is_leaf(F, back, leaf.level), "a leaf comes back");
	PROVE(codec_leaf_pa(F, back, leaf.level) == leaf.pa, "of the same frame");
	PROVE((back & codec_group(F)) == (leaf.pte & codec_group(F)), "of the same size");
	PROVE(codec_prot(F, &types, back, leaf.level) ==
		      codec_prot(F, &types, leaf.pte, leaf.level),
	      "of the same protection");
}

PROOF(a_link_that_waits_comes_back)
{
	const unsigned level = 1 + any_below(F->levels_max - 1);
	const ml_pte link = codec_table(F, codec_table_pa(F, nondet_uint64_t()));
	const ml_pte holds = any_bool() ? ABSENT_HOLDS : 0;
	const ml_pte waiting = absent_wait(F, link) | holds;
	const ml_pte back = absent_waited(F, MUTANT(waiting, waiting ^ ABSENT_WAITS));

	PROVE(absent_waits(F, waiting), "it waits");
	PROVE(codec_is_table(F, back, level), "a link comes back");
	PROVE(codec_table_pa(F, back) == codec_table_pa(F, link), "to the same table");
}

/* Of whatever bits. */
PROOF(what_waits_is_nothing_else)
{
	const ml_pte pte = nondet_uint64_t();
	const unsigned level = any_below(F->levels_max);

	if (!absent_waits(F, pte)) {
		PROVE(!absent_waited(F, MUTANT(pte, pte | ABSENT_WAITS)), "nothing comes back");
		return;
	}
	PROVE(pte != ABSENT_BROKEN && pte, "neither broken nor empty");
	PROVE(absent_kind(F, pte) == ABSENT_NO, "of no kind");
	PROVE(codec_kind(F, pte, level) == ML_KIND_INVALID, "no walker uses it");
	PROVE(!codec_own_is_table(F, pte, level), "nor does a reader");
}
