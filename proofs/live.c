/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The order of stores to a live table whose walkers bear nothing: break, invalidate, complete,
 * make. One entry is watched, any of those that change. What walkers may hold of it goes only when
 * it is seen to be gone, they are told, and that is complete; hardware marks it for as long.
 */
#define WATCHED

#include "table/fold.h"

#include "prove.h"
#include "rules.h"

#define UNWIND 17 /* a turn for each member, and one to leave */

/* What walkers may hold of the entry as it was. */
enum held {
	HELD,     /* it stands there, */
	CLEARED,  /* or no longer, but they may not have seen that; */
	SEEN,     /* they have, and what they hold is from before, */
	TOLD,     /* which they have been told to forget */
	FORGOTTEN /* and have */
};

static struct {
	const ml_pte *entry;
	ml_va last; /* that it maps */
	unsigned level;
	enum held held;
	bool whole;    /* it and the others are one: none is made before all are forgotten */
	bool made;     /* it is what it was to become */
	ml_prot marks; /* that it ever had */
} watched;

/* What must never happen. */
static struct {
	bool hasty; /* an entry is made while walkers may hold what it was, or what its group was */
	bool bold;  /* a valid entry becomes another that it may not become */
	bool early; /* a table is free while walkers may be in it */
} wrong;

/* An entry of a table that walkers may be in until they have forgotten its link. */
static ml_pte *inside;
static bool hardware_marks; /* walkers do */

static bool is_valid(ml_pte pte)
{
	return pte & 1;
}

/* Where the manuals have the marks of a leaf, and that it may be written. */
static struct {
	ml_pte accessed, written, clean, dirty;
} bits;

static void find_bits(void)
{
	const bool arm = F->encoding == ML_ENCODING_ARM64;

	bits.accessed = arm ? ML_BIT(10) : ML_BIT(5);
	bits.written = arm ? ML_BIT(51) : ML_BIT(3);
	bits.clean = arm ? ML_BIT(7) : 0; /* AP[2]: dirty is its lack */
	bits.dirty = arm ? ML_BIT(55) : ML_BIT(6);
}

static ml_prot marks_of(ml_pte pte)
{
	return (pte & bits.accessed ? ML_ACCESSED : 0) |
	       (pte & bits.dirty || ~pte & bits.clean ? ML_DIRTY : 0);
}

/* A walker marks the entry. */
static void mark(ml_pte *p)
{
	if (hardware_marks && any_bool())
		*p |= bits.accessed;
	if (hardware_marks && *p & bits.written && any_bool())
		*p = bits.clean ? *p & ~bits.clean : *p | bits.dirty;
	watched.marks |= marks_of(*p);
}

/* The same of the entry that is watched, while it may be held. */
static void walk(ml_pte *p)
{
	if (p == watched.entry && !inside && is_valid(*p) && !watched.made)
		mark(p);
}

static void change(ml_pte *p, ml_pte pte)
{
	const ml_pte old = *p;

	*p = pte;
	if (is_valid(old) && is_valid(pte)) {
		wrong.bold |= needs_break(old, pte, watched.level);
	} else if (is_valid(pte)) {
		if (watched.whole || p == watched.entry)
			wrong.hasty |= watched.held != FORGOTTEN && !watched.made;
		watched.made |= p == watched.entry;
	} else if (p == watched.entry && is_valid(old)) {
		watched.held = CLEARED;
	}
}

static ml_pte watch_load(const ml_pte *p)
{
	if (p == inside && watched.held != FORGOTTEN)
		mark(inside);
	return *p;
}

static void watch_link(ml_pte *p, ml_pte pte)
{
	watch_store(p, pte);
}

static void watch_store(ml_pte *p, ml_pte pte)
{
	walk(p);
	change(p, pte);
}

static ml_pte watch_exchange(ml_pte *p, ml_pte pte)
{
	ml_pte old;

	walk(p);
	old = *p;
	change(p, pte);
	return old;
}

static bool watch_replace(ml_pte *p, ml_pte *old, ml_pte pte)
{
	walk(p);
	if (*p != *old) {
		*old = *p;
		return false;
	}
	change(p, pte);
	return true;
}

static void watch_fill(ml_pte *p, ml_pte pte)
{
	*p = pte;
}

static void watch_publish(void)
{
	if (watched.held == CLEARED)
		watched.held = SEEN;
}

static void invalidate(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	(void)cookie;
	(void)op;
	if (watched.held == SEEN && watched.last - what->va < what->length - MUTANT(0, 1))
		watched.held = TOLD;
}

static void complete(void *cookie, struct ml_op *op)
{
	(void)cookie;
	(void)op;
	if (watched.held == TOLD)
		watched.held = FORGOTTEN;
}

/* A live table whose walkers bear no change of size. */
static const struct ml_platform platform = { .invalidate = invalidate, .complete = complete };

static struct ml_table live_table(void)
{
	struct ml_table t = { 0 };

	t.format = F;
	t.platform = &platform;
	t.types = default_types();
	t.live = t.break_size = t.break_group = true;
	t.repeats = any_bool();
	t.hardware_ad = hardware_marks = any_bool();
	t.rungs = ~(uint32_t)0;
	return t;
}

static void watch(const ml_pte *entry, ml_va va, unsigned level)
{
	find_bits();
	watched.entry = entry;
	watched.last = ml_align_last(va, F->level_shift[level]);
	watched.level = level;
	watched.held = is_valid(*entry) ? HELD : FORGOTTEN;
}

/* Of the largest group that any format has. */
#define MEMBERS_MAX 16

static ml_pte entries[MEMBERS_MAX];

/*
 * Any leaves in sequence from va on, a group or not, whoever made them, each with its own marks.
 * Any of them is watched.
 */
static void watch_any_of(unsigned count, ml_va va, bool hint)
{
	const uint64_t step = ML_BIT(F->level_shift[0]);
	const unsigned any = any_below(count);
	const ml_pte hints = codec_group(F), first = nondet_uint64_t();
	ml_pte marks;
	unsigned i;

	find_bits();
	marks = bits.accessed | bits.dirty | (first & bits.written ? bits.clean : 0);
	ASSUME(codec_kind(F, first, 0) == ML_KIND_LEAF && !(first & hints) == !hint);
	ASSUME(ml_aligned(codec_leaf_pa(F, first, 0), F->rungs[F->group_rung[0]].shift));
	for (i = 0; i < count; i++)
		entries[i] = (first + i * step) ^ (nondet_uint64_t() & marks);
	watch(entries + any, va + any * step, 0);
}

PROOF_OF_GROUPS(a_group_is_broken_and_made_again)
{
	const bool folded = any_bool();
	const struct ml_rung rung = F->rungs[F->group_rung[0]];
	const ml_va va = ml_align_down(nondet_uint64_t(), rung.shift);
	struct ml_table t = live_table();
	ml_pte before, changed;
	struct gather g;

	watch_any_of(1u << rung.lg2_entries, va, !folded);
	before = *watched.entry;
	watched.whole = true;
	gather_open(&g, &t, NULL);
	group_convert(F, &g, entries, va, 0, folded);
	changed = before ^ *watched.entry;
	PROVE(watched.made && !wrong.bold, "each member");
	PROVE(!wrong.hasty, "when nothing is held of any");
	PROVE(!(changed & ~(codec_group(F) | bits.accessed | bits.clean | bits.dirty)),
	      "as what it was");
	PROVE(changed & codec_group(F), "in its new form");
	PROVE(!(watched.marks & ~marks_of(*watched.entry)), "with every mark that it had");
}

/* Two levels of toy: the root, and memory for a table. */
static _Alignas(32) ml_pte root[4], table[4];

static void table_free(void *cookie, struct ml_op *op, void *memory, ml_pa pa, size_t bytes)
{
	(void)cookie;
	(void)op;
	(void)pa;
	(void)bytes;
	wrong.early |= memory != table || watched.held != FORGOTTEN;
}

static const struct ml_platform freeing = { .table_free = table_free,
					    .invalidate = invalidate,
					    .complete = complete };

/* Four small leaves in sequence, each with its own marks, as a table of toy's. */
static struct leaf fill_table(const struct ml_types *types)
{
	const struct leaf first = any_leaf_of(types, 0);
	unsigned i;

	ASSUME(ml_aligned(first.pa, F->level_shift[1]));
	for (i = 0; i < 4; i++) {
		struct leaf leaf = first;

		leaf.pa += i * ML_BIT(F->level_shift[0]);
		leaf.prot = (first.prot & ~ML_PROT_AD) | (nondet_uint64_t() & ML_PROT_AD);
		table[i] = coded(types, leaf.prot, &leaf);
	}
	return first;
}

PROOF_OF_TOY(a_link_is_broken_before_its_leaf_is_made)
{
	const struct ml_types types = default_types();
	const struct leaf first = fill_table(&types);
	const unsigned at = any_below(4);
	const ml_va va = (ml_va)at << F->level_shift[1];
	struct ml_table t = live_table();
	struct ml_entry entry;
	struct gather g;

	t.platform = &freeing;
	t.root = root;
	t.levels = 2;
	t.direct = true;
	root[at] = codec_table(F, (ml_pa)any_below(0x8000) << 5);
	watch(root + at, va, 1);
	inside = table + any_below(4);
	gather_open(&g, &t, NULL);
	promote(F, &g, table, va, 0);
	entry = decoded(&types, root[at], 1);
	PROVE(watched.made && !wrong.bold && !wrong.hasty, "when no walker is below it");
	PROVE(!wrong.early, "the table is free no sooner");
	PROVE(entry.kind == ML_KIND_LEAF && entry.pa == first.pa, "it maps what the table did");
	PROVE(!(watched.marks & ~entry.prot), "with every mark that walkers set on their way");
}
