/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Protect: change what the mask names in every leaf of a range. Leaves that reach over an end are split, but
 * only if they change at all.
 */
#ifndef ML_TABLE_PROTECT_H
#define ML_TABLE_PROTECT_H

#include "format/edit.h"
#include "table/unmap.h"

/* Entries that are broken at once when a live change needs it; no group is larger. */
#define BREAK_ENTRIES 128

/* An edit of one table's entries under way. */
struct editor {
	const struct ml_edit *edit;
	struct ml_edit_bits bits; /* of the level at hand */
	unsigned level;
};

ML_INLINE ml_pte edited(const struct ml_format *f, const struct ml_table *t,
			const struct editor *e, ml_pte pte)
{
	return edit_apply(f, &t->types, e->edit, e->edit->kind, e->bits, pte, e->level);
}

ML_INLINE struct editor editor_at(const struct ml_format *f, const struct ml_table *t,
				  const struct ml_edit *edit, unsigned level)
{
	struct editor e;

	e.edit = edit;
	e.level = level;
	e.bits = edit_bits(f, &t->types, edit, level);
	return e;
}

/* What a pass over entries did. */
struct edit_result {
	uint64_t changed; /* entries */
	ml_pte bits;      /* that differ in any of them */
	unsigned done;    /* entries looked at */
};

/* Change one entry; atomically where hardware may mark it meanwhile. */
ML_INLINE ml_pte edit_entry(const struct ml_format *f, const struct ml_table *t,
			    const struct editor *e, enum ml_edit_kind kind, ml_pte *p, ml_pte pte,
			    bool atomic)
{
	ml_pte to = edit_apply(f, &t->types, e->edit, kind, e->bits, pte, e->level);

	if (to == pte)
		return 0;
	if (!atomic) {
		entry_store(f, p, to);
		return pte ^ to;
	}
	while (!entry_replace(f, p, &pte, to)) {
		to = edit_apply(f, &t->types, e->edit, kind, e->bits, pte, e->level);
		if (to == pte)
			return 0;
	}
	return pte ^ to;
}

/* The loop over one table, with what does not change inside it fixed outside. */
ML_INLINE struct edit_result edit_loop(const struct ml_format *f, const struct ml_table *t,
				       const struct editor *editor, enum ml_edit_kind kind,
				       ml_pte *p, unsigned count, unsigned level, bool atomic)
{
	const struct editor e = { editor->edit, editor->bits, level };
	struct edit_result result = { 0, 0, count };
	unsigned i;

	for (i = 0; i < count; i++) {
		const ml_pte pte = entry_load(f, p + i);
		ml_pte bits;

		if (!codec_is_leaf(f, pte, level)) {
			if (level == 0 || !codec_is_table(f, pte, level))
				continue;
			result.done = i;
			break;
		}
		bits = edit_entry(f, t, &e, kind, p + i, pte, atomic);
		result.changed += bits != 0;
		result.bits |= bits;
	}
	return result;
}

/* The same where nobody else writes and nobody asks what changed: four leaves a turn, stored back whether
 * they differ or not. */
ML_INLINE void edit_unasked(const struct ml_format *f, const struct ml_table *t,
			    const struct editor *editor, enum ml_edit_kind kind, ml_pte *p,
			    unsigned count)
{
	const struct editor e = { editor->edit, editor->bits, 0 };
	unsigned i = 0, k;

	for (; i + 4 <= count; i += 4) {
		const ml_pte four[4] = { entry_load(f, p + i), entry_load(f, p + i + 1),
					 entry_load(f, p + i + 2), entry_load(f, p + i + 3) };

		if (!codec_is_leaf(f, four[0] & four[1] & four[2] & four[3], 0)) {
			(void)edit_loop(f, t, &e, kind, p + i, 4, 0, false);
			continue;
		}
#pragma GCC unroll 4
		for (k = 0; k < 4; k++)
			entry_store(f, p + i + k,
				    edit_apply(f, &t->types, e.edit, kind, e.bits, four[k], 0));
	}
	(void)edit_loop(f, t, &e, kind, p + i, count - i, 0, false);
}

/* The two edits that are worth a loop of their own. */
ML_INLINE bool edit_plainly(const struct ml_format *f, const struct gather *g,
			    const struct editor *e, ml_pte *p, unsigned count)
{
	if (e->level || g->t->live || g->op)
		return false;
	if (e->edit->kind == ML_EDIT_MASK)
		edit_unasked(f, g->t, e, ML_EDIT_MASK, p, count);
	else if (e->edit->kind == ML_EDIT_PROTECT)
		edit_unasked(f, g->t, e, ML_EDIT_PROTECT, p, count);
	else
		return false;
	publish(g->t, g->op, p, count);
	return true;
}

/* Change entries that must not change under a walker's eyes: break, invalidate, complete, make. */
ML_INLINE struct edit_result edit_broken(const struct ml_format *f, struct gather *g,
					 const struct editor *e, ml_pte *p, ml_va va,
					 unsigned count)
{
	const unsigned shift = f->level_shift[e->level];
	uint64_t broken[BREAK_ENTRIES / 64] = { 0 };
	struct edit_result result = { 0, 0, count };
	unsigned i;

	for (i = 0; i < count; i++) {
		ml_pte pte = entry_load(f, p + i);

		if (codec_is_table(f, pte, e->level)) {
			result.done = i;
			break;
		}
		if (!codec_is_leaf(f, pte, e->level) || edited(f, g->t, e, pte) == pte)
			continue;
		pte = edited(f, g->t, e, entry_exchange(f, p + i, 0));
		entry_store(f, p + i, pte & ~codec_valid(f));
		broken[i / 64] |= ML_BIT(i % 64);
		result.changed++;
		gather_range(g, va + ((uint64_t)i << shift),
			     va + ((uint64_t)(i + 1) << shift) - 1, e->level, shift);
	}
	if (result.changed)
		gather_now(g);
	for (i = 0; i < result.done; i++)
		if (broken[i / 64] >> (i % 64) & 1)
			entry_store(f, p + i, entry_load(f, p + i) | codec_valid(f));
	return result;
}

/* Change count entries from p on, all wholly inside the range; returns how many were looked at. */
ML_INLINE unsigned edit_entries(const struct ml_format *f, struct gather *g,
				const struct editor *e, ml_pte *p, ml_va va, unsigned count)
{
	const unsigned shift = f->level_shift[e->level];
	const bool breaks = g->t->live && f->break_type &&
			    e->edit->mask & (ML_TYPE_MASK | ML_GLOBAL);
	const bool atomic = g->t->live && g->t->hardware_ad;
	struct edit_result result;

	if (edit_plainly(f, g, e, p, count))
		return count;
	if (breaks) {
		const unsigned room = BREAK_ENTRIES - index_of(f, va, e->level) % BREAK_ENTRIES;

		result = edit_broken(f, g, e, p, va, (unsigned)ml_min(count, room));
	} else {
		result = edit_loop(f, g->t, e, e->edit->kind, p, count, e->level, atomic);
	}
	if (result.changed)
		publish(g->t, g->op, p, result.done);
	if (result.bits & ~codec_software(f))
		gather_range(g, va, va + ((uint64_t)result.done << shift) - 1, e->level, shift);
	if (g->op)
		g->op->bytes += result.changed << shift;
	return result.done;
}

/* Unfold the group around p, at va, if [from, end] of it is a part of it and any member changes: members
 * must not differ even in what they were marked. */
ML_INLINE void unfold_cut(const struct ml_format *f, struct gather *g, const struct editor *e,
			  ml_pte *p, ml_va va, ml_va from, ml_va end)
{
	const unsigned rung = group_rung(f, e->level), count = 1u << f->rungs[rung].lg2_entries;
	const ml_pte *first = p - (index_of(f, va, e->level) & (count - 1));
	unsigned i;

	if (!group_is_cut(f, entry_load(f, p), from, end, e->level))
		return;
	for (i = 0; i < count; i++) {
		const ml_pte pte = entry_load(f, first + i);

		if (edited(f, g->t, e, pte) != pte) {
			group_convert(f, g, p, va, e->level, false);
			return;
		}
	}
}

/* Protect what one table holds of [va, last]; returns the last address dealt with. */
ML_INLINE ml_va protect_some(const struct ml_format *f, struct gather *g, struct supply *supply,
			     const struct ml_edit *edit, ml_va va, ml_va last)
{
	const struct place at = descend(g->t, va, 0);
	const struct editor e = editor_at(f, g->t, edit, at.level);
	const unsigned shift = f->level_shift[at.level];
	unsigned count;
	ml_va end;

	if (at.level) {
		if (!codec_is_leaf(f, at.pte, at.level) ||
		    (edited(f, g->t, &e, at.pte) == at.pte && !(at.pte & codec_group(f))))
			return ml_min(last, entry_last(f, va, at.level));
		if (!ml_aligned(va, shift) || entry_last(f, va, at.level) > last) {
			if (edited(f, g->t, &e, at.pte) == at.pte)
				return ml_min(last, entry_last(f, va, at.level));
			split_place(f, g, supply, at, va);
			return va - 1;
		}
	}
	count = covered_entries(f, va, last, at.level);
	end = va + (((uint64_t)count << shift) - 1);
	if (codec_group(f) && group_rung(f, at.level)) {
		unfold_cut(f, g, &e, at.entry, va, va, end);
		unfold_cut(f, g, &e, at.entry + count - 1, end,
			   ml_align_down(end, f->rungs[group_rung(f, at.level)].shift), end);
	}
	count = edit_entries(f, g, &e, at.entry, va, count);
	return va + (((uint64_t)count << shift) - 1);
}

/* Whether every leaf of the range can hold what the edit makes of it. */
ML_INLINE int check_edit(const struct ml_format *f, const struct ml_table *t,
			 const struct ml_edit *edit, ml_va va, ml_va last)
{
	struct ml_cursor cursor = { va, last, false };
	struct ml_run run;
	ml_prot outside = edit->value & ~f->prot_mask;

	if (edit->value & ~edit->mask || edit->mask & ~ML_PROT_ALL || outside)
		return ML_ERR_PROT;
	if (edit->mask & ML_READ && !(edit->value & ML_READ))
		return ML_ERR_PROT;
	if (edit->mask & ML_TYPE_MASK && ((edit->mask & ML_TYPE_MASK) != ML_TYPE_MASK ||
					  codec_slot_of(&t->types, edit->value) == ML_NO_SLOT))
		return ML_ERR_PROT;
	if (edit_is_closed(edit))
		return ML_OK;
	while (t->ops->run_next(t, &cursor, &run))
		if (!codec_rights_expressible(f, edit_prot(edit, run.prot)))
			return ML_ERR_PROT;
	return ML_OK;
}

/* Tables that cutting the leaves at both ends takes, if they change. */
ML_INLINE uint64_t protect_tables(const struct ml_format *f, const struct ml_table *t,
				  const struct ml_edit *edit, ml_va va, ml_va last)
{
	const struct place first = descend(t, va, 0), end = descend(t, last, 0);
	const struct editor at_first = editor_at(f, t, edit, first.level);
	const struct editor at_end = editor_at(f, t, edit, end.level);
	const bool cuts_first = edited(f, t, &at_first, first.pte) != first.pte;
	const bool cuts_end = edited(f, t, &at_end, end.pte) != end.pte;

	if (first.level == 0 && end.level == 0)
		return 0;
	if (cuts_first && cuts_end)
		return edge_tables(f, t, va, last);
	if (cuts_first)
		return edge_tables(f, t, va, entry_last(f, va, first.level));
	return cuts_end ? edge_tables(f, t, ml_align_down(last, f->level_shift[end.level]), last) : 0;
}

ML_INLINE int table_protect(const struct ml_format *f, struct ml_table *t, ml_va va, uint64_t len,
			    ml_prot mask, ml_prot value, struct ml_op *op)
{
	const struct ml_edit edit = edit_make(f, mask, value, t->foreign);
	const ml_va last = va + len - 1;
	struct supply supply;
	struct gather g;
	int error = check_change(f, t, va, len);

	if (!error)
		error = check_edit(f, t, &edit, va, last);
	if (error)
		return error;
	assert_locked(t, op);
	if (op)
		op->bytes = 0;
	error = open_split_supply(t, op, &supply, protect_tables(f, t, &edit, va, last));
	if (error)
		return error;
	gather_open(&g, t, op);
	for (;;) {
		const ml_va end = protect_some(f, &g, &supply, &edit, va, last);

		if (end == last)
			break;
		va = end + 1;
	}
	gather_close(&g);
	supply_close(t, op, &supply);
	return ML_OK;
}

#endif
