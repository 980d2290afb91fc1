/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The calls of pte.h: entries that the caller found itself, one or a run inside one table. Groups
 * fold and unfold around them; tables stay as they are.
 */
#ifndef ML_TABLE_PTE_H
#define ML_TABLE_PTE_H

#include "format/absent.h"
#include "table/map.h"
#include "table/edit.h"

#define LOCKLESS_TRIES 32

/* The rung that completed groups of this level fold to; 0: none do, or not by themselves. */
ML_INLINE unsigned fold_rung(const struct ml_format *f, const struct ml_table *t, unsigned level)
{
	const unsigned rung = f->group_rung[level];

	return rung && t->fold != ML_FOLD_MAP && t->rungs >> rung & 1 ? rung : 0;
}

/* Deposits of guaranteed leaves: from what was put aside for them, and back. */
ML_INLINE void leaves_made(const struct ml_format *f, struct ml_table *t, ml_pte pte,
			   unsigned level, uint64_t count)
{
	const uint64_t tables = level ? count * tables_owed(f, t, pte, level) : 0;

	if (!tables)
		return;
	ML_ASSERT(t->pledged >= tables);
	t->pledged -= tables;
	t->owed += tables;
}

ML_INLINE void leaves_gone(const struct ml_format *f, struct ml_table *t, ml_pte pte,
			   unsigned level, uint64_t count)
{
	const uint64_t tables = level ? count * tables_owed(f, t, pte, level) : 0;

	if (!tables)
		return;
	t->owed -= tables;
	t->pledged += tables;
}

/* From now on tables may be empty: writers of all units say so. */
ML_INLINE void leave_hollow(struct ml_table *t)
{
	__atomic_store_n(&t->hollow, true, __ATOMIC_RELAXED);
}

/* ---- setting ----------------------------------------------------------------------- */

/* Whether a walker must not see the one leaf take the other's place. */
ML_INLINE bool leaf_breaks(const struct ml_format *f, ml_pte from, ml_pte to, unsigned level)
{
	if (!codec_is_leaf(f, to, level))
		return false;
	return edit_breaks(f, from, to, level) ||
	       codec_leaf_pa(f, from, level) != codec_leaf_pa(f, to, level);
}

/* Make room for pte in place of a leaf. */
ML_PART void displace_leaf(const struct ml_format *f, struct gather *g, ml_pte *p, ml_va va,
			   unsigned level, ml_pte pte)
{
	ml_pte old = entry_load(f, p);

	if (old & codec_group(f)) {
		group_convert(f, g, p, va, level, false);
		old = entry_load(f, p);
	}
	if (g->t->live && leaf_breaks(f, old, pte, level))
		(void)break_entries(f, g, p, 1, va, level);
	leaves_gone(f, g->t, old, level, 1);
}

/* One entry over whatever is there. */
ML_PART void set_one(const struct ml_format *f, struct gather *g, ml_va va, ml_pte *p,
		     unsigned level, ml_pte pte)
{
	const unsigned rung = fold_rung(f, g->t, level);
	const bool leaf = codec_is_leaf(f, pte, level);
	const ml_pte old = entry_load(f, p);
	bool made;

	ML_ASSERT(!codec_is_table(f, old, level) && !codec_is_table(f, pte, level));
	if (codec_is_leaf(f, old, level)) {
		if (old == (pte | codec_group(f)) && old != pte) /* folded, and as it is to be */
			return;
		displace_leaf(f, g, p, va, level, pte);
	}
	made = leaf && !codec_is_leaf(f, entry_load(f, p), level);
	entry_store(f, p, pte);
	publish(g->t, g->op, p, 1);
	if (!leaf)
		return;
	if (made)
		gather_made(f, g, va, entry_last(f, va, level), level);
	leaves_made(f, g->t, pte, level, 1);
	if (rung)
		(void)fold_group(f, g, p, pte, va, level, rung);
}

/* Whether the whole group at va, of which the first is pte, may be made folded. */
ML_INLINE bool group_may_be(const struct ml_format *f, const struct ml_table *t, ml_pte pte,
			    ml_va va, unsigned level, unsigned shift)
{
	if (t->careful && careful_of_fold(f, t, pte, va, level, shift))
		return false;
	return one_ad_unit(t, codec_leaf_pa(f, pte, level), shift);
}

/* Whole groups from p on, count entries of them. */
ML_INLINE void put_groups(const struct ml_format *f, const struct ml_table *t, ml_pte *p, ml_va va,
			  unsigned count, ml_pte pte, unsigned level, unsigned rung)
{
	const uint64_t step = ML_BIT(f->level_shift[level]);
	const unsigned size = 1u << f->rungs[rung].lg2_entries, shift = f->rungs[rung].shift;
	unsigned i;

	if (!t->ad_unit && !t->careful) {
		entry_put_run(f, p, count, pte | codec_group(f), step, false);
		return;
	}
	for (i = 0; i < count; i += size) {
		const ml_pte first = pte + i * step;
		const bool may = group_may_be(f, t, first, va + i * step, level, shift);

		entry_put_run(f, p + i, size, may ? first | codec_group(f) : first, step, false);
	}
}

/* A run of leaves that groups may come of: the pieces at both ends, and whole groups between. */
ML_INLINE void set_folding(const struct ml_format *f, struct gather *g, ml_va va, ml_pte *p,
			   unsigned level, ml_pte pte, unsigned count, unsigned rung)
{
	const uint64_t step = ML_BIT(f->level_shift[level]);
	const unsigned size = 1u << f->rungs[rung].lg2_entries;
	const unsigned lead = (0 - index_of(f, va, level)) & (size - 1);
	const unsigned head = (unsigned)ml_min(lead, count), whole = (count - head) & ~(size - 1);
	const unsigned tail = head + whole;

	entry_put_run(f, p, head, pte, step, false);
	put_groups(f, g->t, p + head, va + head * step, whole, pte + head * step, level, rung);
	entry_put_run(f, p + tail, count - tail, pte + tail * step, step, false);
	publish(g->t, g->op, p, count);
	if (head)
		(void)fold_group(f, g, p, pte, va, level, rung);
	if (tail < count)
		(void)fold_group(f, g, p + tail, pte + tail * step, va + tail * step, level, rung);
}

/* Many entries where nothing is. */
ML_PART void set_run(const struct ml_format *f, struct gather *g, ml_va va, ml_pte *p,
		     unsigned level, ml_pte pte, unsigned count)
{
	const unsigned rung = fold_rung(f, g->t, level);
	const bool leaf = codec_is_leaf(f, pte, level);

	ML_ASSERT(entries_are_free(f, p, count));
	ML_ASSERT(!codec_is_table(f, pte, level));
	if (leaf) {
		leaves_made(f, g->t, pte, level, count);
		gather_made(f, g, va, va + (((uint64_t)count << f->level_shift[level]) - 1), level);
	}
	if (leaf && rung && congruent(f, pte, va, level, f->rungs[rung].shift)) {
		set_folding(f, g, va, p, level, pte, count, rung);
		return;
	}
	entry_put_run(f, p, count, pte, leaf ? ML_BIT(f->level_shift[level]) : 0, false);
	publish(g->t, g->op, p, count);
}

/*
 * Leaves of level 0 of which all groups are whole, or where none folds: nothing around them
 * matters. False if it is not that simple.
 */
ML_INLINE bool set_quickly(const struct ml_format *f, struct ml_table *t, ml_va va, ml_pte *p,
			   ml_pte pte, unsigned count)
{
	const unsigned shift = f->level_shift[0];
	const uint64_t pages = (va | codec_leaf_pa(f, pte, 0)) >> shift | count;

	if (pages & t->run_mask || !codec_is_leaf(f, pte, 0) ||
	    (count == 1 && codec_is_leaf(f, entry_load(f, p), 0)))
		return false;
	pte = (pte & ~codec_group(f)) | t->run_hint;
	ML_ASSERT(count == 1 || entries_are_free(f, p, count));
	entry_put_run(f, p, count, pte, ML_BIT(shift), false);
	publish(t, NULL, p, count);
	return true;
}

ML_PART void set_general(const struct ml_format *f, struct ml_table *t, ml_va va, ml_pte *p,
			 unsigned level, ml_pte pte, unsigned count)
{
	struct gather g;

	gather_open(&g, t, NULL);
	if (codec_is_leaf(f, pte, level))
		pte &= ~codec_group(f);
	if (count == 1)
		set_one(f, &g, va, p, level, pte);
	else
		set_run(f, &g, va, p, level, pte, count);
	gather_close(f, &g);
}

ML_INLINE void pte_set(const struct ml_format *f, struct ml_table *t, ml_va va, ml_pte *p,
		       unsigned level, ml_pte pte, unsigned count)
{
	begin(t, NULL);
	if (level || tells_of_new(f, t) || !set_quickly(f, t, va, p, pte, count))
		set_general(f, t, va, p, level, pte, count);
}

/* ---- reading ----------------------------------------------------------------------- */

ML_INLINE ml_pte pte_get(const struct ml_format *f, ml_va va, const ml_pte *p, unsigned level)
{
	const ml_pte pte = entry_load(f, p);

	if (pte & codec_group(f) && codec_is_leaf(f, pte, level))
		return group_gathered(f, p, pte, va, level);
	return pte;
}

/* One look at the group of which *pte, found at p, is a member: false if it hangs not together. */
ML_INLINE bool group_snapshot(const struct ml_format *f, const ml_pte *p, ml_va va, unsigned level,
			      ml_pte *pte)
{
	const unsigned count = 1u << f->rungs[f->group_rung[level]].lg2_entries;
	const unsigned at = index_of(f, va, level) & (count - 1);
	const uint64_t step = ML_BIT(f->level_shift[level]);
	ml_pte bits = 0;
	unsigned i;

	for (i = 0; i < count; i++)
		bits |= entry_load(f, p - at + i) ^ (*pte + step * i - step * at);
	if (bits & ~codec_ad_bits(f, *pte))
		return false;
	*pte = codec_merge_ad(f, *pte, bits);
	return true;
}

/*
 * An entry that is not valid and holds what no call of pte.h stores is in the middle of a change.
 */
ML_INLINE bool is_settled(const struct ml_format *f, ml_pte pte)
{
	return !pte || pte & codec_valid(f) || absent_kind(f, pte) != ABSENT_NO;
}

ML_INLINE int pte_get_lockless(const struct ml_format *f, ml_va va, const ml_pte *p, unsigned level,
			       ml_pte *out)
{
	unsigned tries;

	for (tries = 0; tries < LOCKLESS_TRIES; tries++) {
		ml_pte pte = entry_load(f, p);

		if (!is_settled(f, pte))
			continue;
		if (pte & codec_group(f) && codec_is_leaf(f, pte, level) &&
		    !group_snapshot(f, p, va, level, &pte))
			continue;
		*out = pte;
		return ML_OK;
	}
	return ML_ERR_CONTENDED;
}

/* ---- taking out -------------------------------------------------------------------- */

ML_INLINE ml_pte pte_clear(const struct ml_format *f, struct ml_table *t, ml_va va, ml_pte *p,
			   unsigned level, unsigned count)
{
	bool accessed = false, dirty = false;
	ml_pte first = 0;
	struct gather g;
	unsigned i;

	begin(t, NULL);
	gather_open(&g, t, NULL);
	unfold_ends(f, &g, p, va, count, level);
	for (i = 0; i < count; i++) {
		const ml_pte pte = take_entry(f, t, p + i);

		ML_ASSERT(!codec_is_table(f, pte, level));
		first = i ? first : pte;
		if (!codec_is_leaf(f, pte, level))
			continue;
		accessed |= (pte & codec_accessed(f)) != 0;
		dirty |= codec_is_dirty(f, pte);
		leaves_gone(f, t, pte, level, 1);
	}
	write_back(t, NULL, p, count);
	gather_close(f, &g);
	leave_hollow(t);
	return codec_is_leaf(f, first, level) ? edit_mark(f, first, accessed, dirty) : first;
}

/* ---- changing ---------------------------------------------------------------------- */

ML_INLINE bool is_untracked(const struct ml_table *t, ml_pa pa)
{
	return !t->ad_unit || t->ad_unit(t->cookie, pa) >= ML_AD_UNREAD;
}

ML_INLINE int pte_young(const struct ml_format *f, struct ml_table *t, ml_va va, ml_pte *p,
			unsigned level, bool flush)
{
	const struct ml_edit edit = edit_make(f, ML_ACCESSED, 0);
	const struct editor e = editor_at(f, t, &edit, level);
	const ml_pte pte = entry_load(f, p);
	const struct members m = members_of(f, p, pte, va, level);
	bool young = false;
	struct gather g;
	unsigned i;

	begin(t, NULL);
	if (!codec_is_leaf(f, pte, level))
		return 0;
	if (is_untracked(t, codec_leaf_pa(f, pte, level)))
		return ML_ERR_UNTRACKED;
	for (i = 0; i < m.count; i++) {
		const ml_pte one = entry_load(f, m.first + i);

		if (!(one & codec_accessed(f)))
			continue;
		young = true;
		(void)edit_entry(f, t, &e, m.first + i, one, t->live && t->hardware_ad);
	}
	if (!young)
		return 0;
	write_back(t, NULL, m.first, m.count);
	if (flush) {
		const unsigned shift = f->level_shift[level];

		gather_open(&g, t, NULL);
		gather_range(&g, m.va, m.va + (((uint64_t)m.count << shift) - 1), level, shift);
		(void)gather_issue(&g);
	}
	return 1;
}

ML_INLINE void pte_wrprotect(const struct ml_format *f, struct ml_table *t, ml_va va, ml_pte *p,
			     unsigned level, unsigned count)
{
	const struct ml_edit edit = edit_make(f, ML_WRITE, 0);
	const struct editor e = editor_at(f, t, &edit, level);
	struct gather g;

	begin(t, NULL);
	gather_open(&g, t, NULL);
	unfold_cut_ends(f, &g, &e, p, va, count);
	if (ML_UNLIKELY(t->foreign) && t->live)
		part_torn(f, &g, &e, p, va, count);
	(void)edit_loop(f, t, &e, p, count, t->live && t->hardware_ad);
	write_back(t, NULL, p, count);
	gather_close(f, &g);
}

/* Add what `more` has to one entry, beside hardware that marks it. */
ML_INLINE void relax_entry(const struct ml_format *f, const struct ml_table *t, ml_pte *p,
			   ml_pte more)
{
	ml_pte pte = entry_load(f, p);

	if (t->live && t->hardware_ad)
		while (!entry_replace(f, p, &pte, edit_relax(f, pte, more)))
			;
	else
		entry_store(f, p, edit_relax(f, pte, more));
}

/* Whether any member, as it stands in memory, differs from pte in these bits (4.7). */
ML_INLINE bool members_differ(const struct ml_format *f, struct members m, ml_pte pte, ml_pte bits)
{
	ml_pte differ = 0;
	unsigned i;

	for (i = 0; i < m.count; i++)
		differ |= entry_load(f, m.first + i) ^ pte;
	return (differ & bits) != 0;
}

ML_INLINE bool pte_set_access(const struct ml_format *f, struct ml_table *t, ml_va va, ml_pte *p,
			      unsigned level, ml_pte pte, bool dirty)
{
	const unsigned shift = f->level_shift[level];
	const ml_pte old = entry_load(f, p);
	struct members m = members_of(f, p, old, va, level);
	struct gather g;
	unsigned i;

	begin(t, NULL);
	if (!codec_is_leaf(f, old, level) || !members_differ(f, m, pte, codec_access_bits(f)))
		return false;
	gather_open(&g, t, NULL);
	if (m.count > 1 && (old ^ pte) & codec_write(f)) {
		group_convert(f, &g, p, va, level, false);
		m = members_of(f, p, 0, va, level);
	}
	for (i = 0; i < m.count; i++)
		relax_entry(f, t, m.first + i, pte);
	publish(t, NULL, m.first, m.count);
	if (dirty)
		gather_range(&g, m.va, m.va + (((uint64_t)m.count << shift) - 1), level, shift);
	gather_close(f, &g);
	return true;
}

/* ---- tables for entries to come ---------------------------------------------------- */

/*
 * The table of `level` for va is there, or an empty entry stands at *at; returns the last address
 * that this is so for.
 */
ML_INLINE ml_va ensure_at(const struct ml_format *f, const struct ml_table *t, ml_va va, ml_va last,
			  unsigned level, struct place *at)
{
	*at = descend(f, t, va, level);
	if (at->level > level)
		return ml_min(last, entry_last(f, va, at->level));
	return level < root_level(t) ? ml_min(last, entry_last(f, va, level + 1)) : last;
}

/* Count the tables that are missing. */
ML_INLINE int ensure_count(const struct ml_format *f, const struct ml_table *t, ml_va va,
			   ml_va last, unsigned level, uint64_t *tables)
{
	struct plan_tables sum = { 0, { 0 } };
	struct place at;

	for (;; va++) {
		const ml_va end = ensure_at(f, t, va, last, level, &at);

		if (at.level > level) {
			if (at.pte)
				return ML_ERR_EXISTS;
			plan_count_span(f, &sum, va, end, level, at.level);
		}
		va = end;
		if (va == last)
			break;
	}
	*tables = sum.tables;
	return ML_OK;
}

ML_INLINE int pte_ensure(const struct ml_format *f, struct ml_table *t, ml_va va, uint64_t len,
			 unsigned level, struct ml_op *op)
{
	const ml_va start = va, last = va + len - 1;
	struct supply supply;
	struct place at;
	uint64_t tables;
	int error = check_change(f, t, va, len);

	if (!error && level > root_level(t))
		error = ML_ERR_SIZE;
	if (!error)
		error = ensure_count(f, t, va, last, level, &tables);
	if (error)
		return error;
	begin(t, op);
	error = ml_supply_open(t, op, &supply, tables);
	if (error || is_dry(op))
		return error;
	leave_hollow(t);
	for (;; va++) {
		ensure_at(f, t, va, last, level, &at);
		if (ML_UNLIKELY(at.level > t->top))
			at = install_path(f, t, op, &supply, at, va, level);
		if (at.level > level)
			link_filled(f, t, op, &supply, build_path(f, t, op, &supply, at, va, level),
				    0, 0, 0, level);
		va = level < root_level(t) ? ml_min(last, entry_last(f, va, level + 1)) : last;
		if (va == last)
			break;
	}
	if (tables || t->units)
		tell_linked(f, t, op, start, last);
	supply_close(t, op, &supply);
	return ML_OK;
}

ML_INLINE ml_pte *pte_pointer(const struct ml_format *f, const struct ml_table *t, ml_va va,
			      unsigned level)
{
	struct place at;

	if (!covers(t, va, va) || level > root_level(t) ||
	    is_borrowed(t, index_of(f, va, root_level(t))))
		return NULL;
	at = descend(f, t, va, level);
	return at.level == level ? at.entry : NULL;
}

#endif
