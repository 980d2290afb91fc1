/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Sequences of equal leaves: who fits whom, when a group may fold, and what accessed and dirty of
 * all of them are. A group of the largest size any format has, at every level.
 */
#include "table/fold.h"

#include "prove.h"

#define UNWIND 18 /* a turn for each member, and one to leave */

#define MEMBERS_MAX 16

/* Members of a group; a format without groups: as many entries of a table. */
static unsigned members(unsigned level)
{
	const unsigned rung = F->group_rung[level];

	return rung ? 1u << F->rungs[rung].lg2_entries : 4;
}

/* Any leaf, its place in the group, and the group's entries. */
struct group {
	struct ml_types types;
	struct leaf leaf;
	unsigned at, count;
	ml_pte entries[MEMBERS_MAX];
};

static struct group group_at(unsigned level, unsigned at)
{
	struct group group = { 0 };

	group.types = default_types();
	group.leaf = any_leaf_of(&group.types, level);
	group.count = members(group.leaf.level);
	ASSUME(at < group.count);
	group.at = at;
	ASSUME((group.leaf.pa >> F->level_shift[group.leaf.level] & (group.count - 1)) == group.at);
	return group;
}

static struct group any_group(void)
{
	return group_at(any_below(F->levels_max), nondet_unsigned());
}

/* Whether entry `index` says what the leaf's group says there, accessed and dirty aside. */
static bool agrees(const struct group *group, unsigned index)
{
	const unsigned level = group->leaf.level;
	const struct ml_entry entry = decoded(&group->types, group->entries[index], level);
	const uint64_t step = ML_BIT(F->level_shift[level]);

	return entry.kind == ML_KIND_LEAF &&
	       !((entry.prot ^ group->leaf.prot) & ~MUTANT(ML_PROT_AD, ML_DIRTY)) &&
	       entry.pa == group->leaf.pa + index * step - group->at * step &&
	       entry.residue == group->leaf.foreign && !entry.reserved;
}

PROOF(what_fits_says_the_same)
{
	struct group group = any_group();
	const unsigned index = any_below(group.count);

	group.entries[index] = nondet_uint64_t();
	ASSUME(entry_fits(F, group.entries, index, group.leaf.pte, group.at, group.leaf.level));
	PROVE(agrees(&group, index), "whatever bits it has");
}

/* A leaf beside the first, coded by the library. */
static ml_pte beside(const struct group *group, unsigned index, ml_prot prot)
{
	const uint64_t step = ML_BIT(F->level_shift[group->leaf.level]);
	struct leaf leaf = group->leaf;

	leaf.pa += index * step - group->at * step;
	leaf.group = any_bool();
	return coded(&group->types, prot, &leaf);
}

PROOF(what_says_the_same_fits)
{
	struct group group = any_group();
	const unsigned index = any_below(group.count);
	const ml_prot marks = nondet_uint64_t() & ML_PROT_AD;

	group.entries[index] = beside(
		&group, index, (group.leaf.prot & ~ML_PROT_AD) | marks | MUTANT(0, ML_WRITE));
	PROVE(entry_fits(F, group.entries, index, group.leaf.pte, group.at, group.leaf.level),
	      "whatever marks and hint it has");
}

/* With what fits proved above, it is enough that all were asked, outward from one between. */
PROOF_OF_GROUPS(a_group_is_complete_when_all_its_members_fit)
{
	const unsigned at = F->encoding == ML_ENCODING_TOY ? 1 : 5;
	struct group group = group_at(0, at);
	const unsigned any = any_below(group.count);
	const struct known known = { group.leaf.pte ^ MUTANT(0, ML_BIT(12)), at, at, at + 1 };
	unsigned misfit = 0, i;
	bool complete;

	for (i = 0; i < MEMBERS_MAX; i++)
		group.entries[i] = nondet_uint64_t();
	group.entries[at] = group.leaf.pte;
	complete = sequence_is_complete(F, group.entries, members(0), known, 0, &misfit);
	if (complete)
		PROVE(entry_fits(F, group.entries, any, group.leaf.pte, at, 0), "each of them");
	else
		PROVE(!entry_fits(F, group.entries, misfit, group.leaf.pte, at, 0),
		      "or one is told that does not");
}

/* All members as the library makes them, each with its own marks; returns the OR of these. */
static ml_prot fill(struct group *group, bool hint)
{
	const ml_prot prot = group->leaf.prot & ~ML_PROT_AD;
	ml_prot all = 0;
	unsigned i;

	ASSUME(group->at == 0);
	for (i = 0; i < group->count; i++) {
		const ml_prot marks = nondet_uint64_t() & ML_PROT_AD;
		struct leaf leaf = group->leaf;

		leaf.pa += i * ML_BIT(F->level_shift[leaf.level]);
		leaf.group = hint && F->group_rung[leaf.level];
		group->entries[i] = coded(&group->types, prot | marks, &leaf);
		all |= marks;
	}
	return all;
}

PROOF(marks_of_all_are_gathered_in_the_first)
{
	struct group group = any_group();
	const unsigned level = group.leaf.level;
	const bool hint = any_bool();
	const ml_prot marks = fill(&group, hint);
	const ml_pte merged = read_entries(F, group.entries, group.count, level);
	const struct ml_entry entry = decoded(&group.types, merged, level);

	PROVE(entry.prot == ((group.leaf.prot & ~ML_PROT_AD) | MUTANT(marks, ML_PROT_AD)),
	      "the OR of them");
	PROVE(entry.pa == group.leaf.pa && entry.kind == ML_KIND_LEAF, "nothing else of it");
	PROVE(entry.residue == group.leaf.foreign && !entry.reserved, "nor what is foreign");
}

/* Four are judged at once, so the longest here takes that way and the other. */
#define RUN_MOST 6

static void run_is_as_long_as_its_leaves_agree(unsigned level)
{
	struct group group = group_at(level, 0);
	const unsigned most = any_below(RUN_MOST) + 1, any = any_below(RUN_MOST);
	unsigned i, length;
	ml_pte merged;

	for (i = 1; i < RUN_MOST; i++)
		group.entries[i] = nondet_uint64_t();
	group.entries[0] = group.leaf.pte;
	length = run_length(F, group.entries, group.leaf.pte, most, level, &merged);
	PROVE(length > 0 && length <= most, "at least the first");
	if (any < length)
		PROVE(agrees(&group, any), "each of them");
	PROVE(decoded(&group.types, merged, level).pa == group.leaf.pa, "told of the first");
}

PROOF(a_run_of_small_leaves_is_as_long_as_they_agree)
{
	run_is_as_long_as_its_leaves_agree(0);
}

PROOF(a_run_of_large_leaves_is_as_long_as_they_agree)
{
	run_is_as_long_as_its_leaves_agree(1);
}
