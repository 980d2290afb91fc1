/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Protect: change what the mask names in every leaf of a range. Leaves that reach over an end are
 * split, but only if they change at all.
 */
#ifndef ML_TABLE_PROTECT_H
#define ML_TABLE_PROTECT_H

#include "format/edit.h"
#include "table/read.h"
#include "table/unmap.h"

/* Entries that are broken at once when a live change needs it; no group is larger. */
#define BREAK_ENTRIES 512

/* An edit of one table's entries under way. */
struct editor {
	const struct ml_edit *edit;
	unsigned level;             /* at hand, */
	struct ml_edit_bits bits;   /* and what the edit is there */
	struct ml_edit_alike alike; /* level 0 */
	ml_pte loud;                /* bits whose change walkers must be told of */
};

ML_INLINE ml_pte edited(const struct ml_format *f, const struct ml_table *t, const struct editor *e,
			ml_pte pte)
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
	e.alike = edit_alike(f, edit->kind, e.bits);
	e.loud = ~edit_silent(f, edit);
	return e;
}

/* What a pass over entries did. */
struct edit_result {
	uint64_t changed;     /* entries */
	ml_pte bits;          /* that differ in any of them, */
	unsigned first, last; /* of which these are the ends */
	unsigned done;        /* entries looked at */
};

#define EDIT_RESULT(count)          \
	{                           \
		0, 0, 0, 0, (count) \
	}

/* Entry i differs in these bits. */
ML_INLINE void edit_note(struct edit_result *result, unsigned i, ml_pte bits)
{
	result->changed++;
	result->bits |= bits;
	result->last = i;
}

/*
 * Change one entry; atomically where hardware may mark it meanwhile. Whether it changed, and in
 * which bits.
 */
ML_INLINE bool edit_changes(const struct ml_format *f, const struct ml_table *t,
			    const struct editor *e, ml_pte *p, ml_pte pte, bool atomic,
			    ml_pte *bits)
{
	ml_pte to = edited(f, t, e, pte);

	if (to == pte)
		return false;
	if (!atomic) {
		entry_store(f, p, to);
		*bits = pte ^ to;
		return true;
	}
	while (!entry_replace(f, p, &pte, to)) {
		to = edited(f, t, e, pte);
		if (to == pte)
			return false;
	}
	*bits = pte ^ to;
	return true;
}

/* The same; returns the bits. */
ML_INLINE ml_pte edit_entry(const struct ml_format *f, const struct ml_table *t,
			    const struct editor *e, ml_pte *p, ml_pte pte, bool atomic)
{
	ml_pte bits = 0;

	(void)edit_changes(f, t, e, p, pte, atomic, &bits);
	return bits;
}

/* Entries from p on that are none, or stay as they are. */
ML_INLINE unsigned edit_skip(const struct ml_format *f, const struct ml_table *t,
			     const struct editor *e, const ml_pte *p, unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++) {
		const ml_pte pte = entry_load(f, p + i);

		if (codec_is_leaf(f, pte, e->level) ? edited(f, t, e, pte) != pte
						    : codec_is_table(f, pte, e->level))
			break;
	}
	return i;
}

/* One entry after another. */
ML_PART struct edit_result edit_loop(const struct ml_format *f, const struct ml_table *t,
				     const struct editor *e, ml_pte *p, unsigned count, bool atomic)
{
	struct edit_result result = EDIT_RESULT(count);
	unsigned i = edit_skip(f, t, e, p, count);

	for (result.first = i; i < count; i++) {
		const ml_pte pte = entry_load(f, p + i);
		ml_pte bits;

		if (!codec_is_leaf(f, pte, e->level)) {
			if (!codec_is_table(f, pte, e->level))
				continue;
			result.done = i;
			break;
		}
		if (edit_changes(f, t, e, p + i, pte, atomic, &bits))
			edit_note(&result, i, bits);
	}
	return result;
}

#define ALIKE 8 /* entries judged by one test */

/*
 * Entries from p on that are alike, stopping at the first ALIKE of which one is not; flip is
 * alike.flip.
 */
ML_INLINE unsigned edit_alike_run(const struct ml_format *f, ml_pte *p, unsigned count, ml_pte flip,
				  ml_pte need, ml_pte keep)
{
	ml_pte *const start = p, *const end = p + count / ALIKE * ALIKE;

	for (; p != end; p += ALIKE) {
		ml_pte pte[ALIKE], all = need;
		unsigned i;

#pragma GCC unroll 8
		for (i = 0; i < ALIKE; i++) {
			pte[i] = entry_load(f, p + i) ^ flip;
			all &= pte[i];
		}
		if (all != need)
			break;
#pragma GCC unroll 8
		for (i = 0; i < ALIKE; i++)
			entry_store(f, p + i, pte[i] & keep);
	}
	return (unsigned)(p - start);
}

/* A function of its own: inside another the compiler would not keep all of it in registers. */
ML_PART unsigned edit_alike_entries(const struct ml_format *f, ml_pte *p, unsigned count,
				    struct ml_edit_alike alike)
{
	if (!alike.need)
		return 0;
	if (!alike.flip)
		return edit_alike_run(f, p, count, 0, alike.need, alike.keep);
	return edit_alike_run(f, p, count, alike.flip, alike.need, alike.keep);
}

/* Small leaves in a table that nobody walks. */
ML_PART struct edit_result edit_quiet(const struct ml_format *f, const struct ml_table *t,
				      const struct editor *e, ml_pte *p, unsigned count)
{
	struct edit_result result = EDIT_RESULT(count);
	unsigned i = 0;

	while (i < count) {
		const unsigned done = edit_alike_entries(f, p + i, count - i, e->alike);
		const unsigned rest = (unsigned)ml_min(count - i - done, ALIKE);
		const struct edit_result odd = edit_loop(f, t, e, p + i + done, rest, false);

		result.changed += done + odd.changed;
		i += done + rest;
	}
	return result;
}

/* Change entries that must not change under a walker's eyes: break, invalidate, complete, make. */
ML_PART struct edit_result edit_broken(const struct ml_format *f, struct gather *g,
				       const struct editor *e, ml_pte *p, ml_va va, unsigned count)
{
	const unsigned shift = f->level_shift[e->level];
	uint64_t broken[BREAK_ENTRIES / 64] = { 0 };
	struct edit_result result = EDIT_RESULT(count);
	bool any = false;
	unsigned i;

	for (i = 0; i < count; i++) {
		const ml_pte pte = entry_load(f, p + i), to = edited(f, g->t, e, pte);

		if (codec_is_table(f, pte, e->level)) {
			result.done = i;
			break;
		}
		if (!codec_is_leaf(f, pte, e->level) || to == pte)
			continue;
		if (!edit_breaks(f, pte, to, e->level)) {
			result.first = result.bits ? result.first : i;
			edit_note(&result, i,
				  edit_entry(f, g->t, e, p + i, pte, g->t->hardware_ad));
			continue;
		}
		result.changed++;
		entry_store(f, p + i,
			    edited(f, g->t, e, entry_exchange(f, p + i, 0)) & ~codec_valid(f));
		broken[i / 64] |= ML_BIT(i % 64);
		any = true;
		gather_range(g, va + ((uint64_t)i << shift), va + ((uint64_t)(i + 1) << shift) - 1,
			     e->level, shift);
	}
	if (any) {
		write_back(g->t, g->op, p, result.done);
		gather_flush(f, g);
	}
	for (i = 0; i < result.done; i++)
		if (broken[i / 64] >> (i % 64) & 1)
			entry_store(f, p + i, entry_load(f, p + i) | codec_valid(f));
	return result;
}

/*
 * Members of groups may not differ in what this edit changes: take the groups apart for it where
 * that needs no break, and put them together again.
 */
ML_PART struct edit_result edit_regrouped(const struct ml_format *f, struct gather *g,
					  const struct editor *e, ml_pte *p, ml_va va,
					  unsigned count)
{
	const unsigned size = 1u << f->rungs[f->group_rung[e->level]].lg2_entries;
	const uint64_t bytes = ML_BIT(f->rungs[f->group_rung[e->level]].shift);
	uint64_t apart[BREAK_ENTRIES / 64] = { 0 };
	struct edit_result result;
	unsigned i;

	for (i = 0; i < count; i += size - (index_of(f, va, e->level) + i) % size) {
		const ml_pte pte = entry_load(f, p + i);

		if (codec_is_leaf(f, pte, e->level) && pte & codec_group(f) &&
		    edit_breaks(f, pte, edited(f, g->t, e, pte), e->level)) {
			group_convert(f, g, p + i, va + i * (bytes / size), e->level, false);
			apart[i / 64] |= ML_BIT(i % 64);
		}
	}
	result = edit_broken(f, g, e, p, va, count);
	for (i = 0; i < result.done; i++)
		if (apart[i / 64] >> (i % 64) & 1)
			group_convert(f, g, p + i, va + i * (bytes / size), e->level, true);
	return result;
}

/* What changed; of a group all, because a walker may hold it whole by any of its members. */
ML_INLINE void gather_edited(const struct ml_format *f, struct gather *g, const struct editor *e,
			     const ml_pte *p, ml_va va, const struct edit_result *result)
{
	const unsigned shift = f->level_shift[e->level], rung = f->group_rung[e->level];
	ml_va first = va + ((uint64_t)result->first << shift);
	ml_va last = va + ((uint64_t)(result->last + 1) << shift) - 1;

	if (rung && entry_load(f, p + result->first) & codec_group(f))
		first = ml_align_down(first, f->rungs[rung].shift);
	if (rung && entry_load(f, p + result->last) & codec_group(f))
		last = ml_align_last(last, f->rungs[rung].shift);
	gather_range(g, first, last, e->level, shift);
}

/* Change count entries from p on, all wholly inside the range; returns how many were looked at. */
ML_INLINE unsigned edit_entries(const struct ml_format *f, struct gather *g, const struct editor *e,
				ml_pte *p, ml_va va, unsigned count)
{
	const unsigned shift = f->level_shift[e->level];
	const bool breaks = g->t->live && edit_may_break(f, e->edit);
	const bool atomic = g->t->live && g->t->hardware_ad;
	struct edit_result result;

	if (e->level == 0 && !g->t->live) {
		result = edit_quiet(f, g->t, e, p, count);
	} else if (breaks) {
		const unsigned room = BREAK_ENTRIES - index_of(f, va, e->level) % BREAK_ENTRIES;

		count = (unsigned)ml_min(count, room);
		if (!g->t->break_group && f->group_rung[e->level])
			result = edit_regrouped(f, g, e, p, va, count);
		else
			result = edit_broken(f, g, e, p, va, count);
	} else {
		result = edit_loop(f, g->t, e, p, count, atomic);
	}
	if (result.changed)
		publish(g->t, g->op, p, result.done);
	if (result.bits & e->loud)
		gather_edited(f, g, e, p, va, &result);
	if (g->op)
		g->op->bytes += result.changed << shift;
	return result.done;
}

/* Marks that come to one member come to all: a walker may ask any of them, and each by itself. */
ML_INLINE bool spreads(const struct ml_table *t, const struct ml_edit *edit)
{
	return t->each_member && !(edit->mask & ~ML_PROT_AD) && edit->value == edit->mask;
}

ML_PART void spread_marks(const struct ml_format *f, struct gather *g, const struct editor *e,
			  ml_pte *p, ml_va va, unsigned count)
{
	const unsigned at = index_of(f, va, e->level) & (count - 1),
		       shift = f->level_shift[e->level];
	const struct edit_result result =
		edit_loop(f, g->t, e, p - at, count, g->t->live && g->t->hardware_ad);

	if (!result.changed)
		return;
	publish(g->t, g->op, p - at, count);
	if (!(result.bits & e->loud))
		return;
	va = ml_align_down(va, f->rungs[f->group_rung[e->level]].shift);
	gather_range(g, va, va + (((uint64_t)count << shift) - 1), e->level, shift);
}

/*
 * Break the group around p, at va, and make its members one by one: those of [from, end] changed,
 * so that one invalidation does for both.
 */
ML_PART void edit_cut(const struct ml_format *f, struct gather *g, const struct editor *e,
		      ml_pte *p, ml_va va, ml_va from, ml_va end)
{
	const unsigned rung = f->group_rung[e->level], count = 1u << f->rungs[rung].lg2_entries;
	const uint64_t step = ML_BIT(f->level_shift[e->level]);
	ml_pte pte;
	unsigned i;

	p -= index_of(f, va, e->level) & (count - 1);
	va = ml_align_down(va, f->rungs[rung].shift);
	pte = break_entries(f, g, p, count, va, e->level) & ~codec_group(f);
	for (i = 0; i < count; i++, pte += step, va += step) {
		const bool inside = va >= from && va <= end;
		const ml_pte to = inside ? edited(f, g->t, e, pte) : pte;

		entry_store(f, p + i, to);
		if (g->op && to != pte)
			g->op->bytes += step;
	}
	publish(g->t, g->op, p, count);
	tally(g->t, &g->t->stats.splits, 1);
}

/*
 * Unfold the group around p, at va, if [from, end] of it is a part of it and any member changes:
 * members must not differ even in what they were marked.
 */
ML_PART void unfold_cut(const struct ml_format *f, struct gather *g, const struct editor *e,
			ml_pte *p, ml_va va, ml_va from, ml_va end)
{
	const unsigned rung = f->group_rung[e->level], count = 1u << f->rungs[rung].lg2_entries;
	const ml_pte *first = p - (index_of(f, va, e->level) & (count - 1));
	unsigned i;

	if (!group_is_cut(f, entry_load(f, p), from, end, e->level))
		return;
	if (spreads(g->t, e->edit)) {
		spread_marks(f, g, e, p, va, count);
		return;
	}
	for (i = 0; i < count; i++) {
		const ml_pte pte = entry_load(f, first + i);

		if (edited(f, g->t, e, pte) == pte)
			continue;
		if (g->t->live && g->t->break_group)
			edit_cut(f, g, e, p, va, from, end);
		else
			group_convert(f, g, p, va, e->level, false);
		return;
	}
}

/* The groups at both ends of count entries from p on. */
ML_INLINE void unfold_cut_ends(const struct ml_format *f, struct gather *g, const struct editor *e,
			       ml_pte *p, ml_va va, unsigned count)
{
	const ml_va end = va + (((uint64_t)count << f->level_shift[e->level]) - 1);

	if (!codec_group(f) || !f->group_rung[e->level])
		return;
	unfold_cut(f, g, e, p, va, va, end);
	unfold_cut(f, g, e, p + count - 1, end,
		   ml_align_down(end, f->rungs[f->group_rung[e->level]].shift), end);
}

/*
 * The leaf at `at` is cut by [va, last] and changes: go one size down. Where that breaks it, what
 * changes is made as it is to be.
 */
ML_PART void edit_split(const struct ml_format *f, struct gather *g, struct supply *supply,
			const struct editor *e, struct place at, ml_va va, ml_va last)
{
	const struct ml_table *t = g->t;
	struct hole hole;
	ml_pte leaf;

	if (!t->live || !t->break_size || at.pte & codec_group(f)) {
		split_place(f, g, supply, at, va, false);
		return;
	}
	hole = hole_of(f, at, va, last, e->edit);
	leaf = split_leaf(f, g, supply, at, va, hole);
	if (g->op && edited(f, t, e, leaf) != leaf)
		g->op->bytes += (uint64_t)(hole.to - hole.from) << f->level_shift[at.level - 1];
}

/* Protect what one table holds of [va, last]; returns the last address dealt with. */
ML_PART ml_va protect_some(const struct ml_format *f, struct gather *g, struct supply *supply,
			   struct editor *e, ml_va va, ml_va last)
{
	const struct place at = descend(f, g->t, va, 0);
	const unsigned shift = f->level_shift[at.level];
	unsigned count;

	if (e->level != at.level)
		*e = editor_at(f, g->t, e->edit, at.level);
	if (at.level) {
		if (!codec_is_leaf(f, at.pte, at.level) ||
		    (edited(f, g->t, e, at.pte) == at.pte && !(at.pte & codec_group(f))))
			return ml_min(last, entry_last(f, va, at.level));
		if (!ml_aligned(va, shift) || entry_last(f, va, at.level) > last) {
			if (edited(f, g->t, e, at.pte) == at.pte)
				return ml_min(last, entry_last(f, va, at.level));
			edit_split(f, g, supply, e, at, va, last);
			/* of one type only may walkers hold two sizes */
			if (e->edit->mask & (ML_TYPE_MASK | ML_GLOBAL))
				gather_flush(f, g);
			return va - 1;
		}
	}
	count = covered_entries(f, va, last, at.level);
	unfold_cut_ends(f, g, e, at.entry, va, count);
	count = edit_entries(f, g, e, at.entry, va, count);
	return va + (((uint64_t)count << shift) - 1);
}

/* Whether a leaf that is large would become executable where none may be. */
ML_PART bool edit_is_too_large(const struct ml_format *f, const struct ml_table *t,
			       const struct ml_edit *edit, ml_va va, ml_va last)
{
	struct ml_cursor cursor = { va, last, false };
	struct ml_run run;

	if (!t->small_exec || !is_executable(edit->value))
		return false;
	while (table_run_next(f, t, &cursor, &run))
		if (run.rung && is_executable(edit_prot(edit, run.prot) & ~run.prot))
			return true;
	return false;
}

/*
 * Whether the edit breaks the leaf at v, because [va, last] cuts it or because of what changes. The
 * group of v counts as a whole.
 */
ML_PART bool edit_breaks_at(const struct ml_format *f, const struct ml_table *t,
			    const struct ml_edit *edit, ml_va v, ml_va va, ml_va last)
{
	const struct place at = descend(f, t, v, 0);
	const struct editor e = editor_at(f, t, edit, at.level);
	const unsigned shift = f->level_shift[at.level];
	const ml_pte kept = ~(t->hitless ? codec_group(f) : 0);
	bool changes = t->hardware_ad && edit->mask & ML_PROT_AD, breaks = false;
	struct span span;
	uint64_t i;

	if (!codec_is_leaf(f, at.pte, at.level))
		return false;
	span = leaf_span(f, at, v);
	for (i = 0; i <= (span.last - span.first) >> shift; i++) {
		const ml_pte *p = at.entry - ((v - span.first) >> shift) + i;
		const ml_pte pte = entry_load(f, p), to = edited(f, t, &e, pte);

		changes |= to != pte;
		breaks |= to != pte && edit_breaks(f, pte & kept, to & kept, at.level);
	}
	if (t->hitless || !span_is_cut(span, va, last) ||
	    (spreads(t, edit) && at.pte & codec_group(f)))
		return breaks;
	return changes;
}

/* Whether the edit leaves standing what must never fault. */
ML_PART int check_edit_breaks(const struct ml_format *f, const struct ml_table *t,
			      const struct ml_edit *edit, ml_va va, ml_va last)
{
	const bool everywhere = edit_may_break(f, edit);
	const struct ml_never_fault *range = t->never_fault;

	for (; range; range = range->next) {
		const ml_va to = ml_min(last, range->va + (range->len - 1));
		ml_va at = ml_max(va, range->va), end;

		if (at > to)
			continue;
		for (;; at = end + 1) {
			end = entry_last(f, at, descend(f, t, at, 0).level);
			if (edit_breaks_at(f, t, edit, at, va, last))
				return ML_ERR_NEVER_FAULT;
			if (end >= to)
				break;
			if (!everywhere) /* only the ends may be cut */
				end = ml_align_down(to, f->page_shift) - 1;
		}
	}
	return ML_OK;
}

/* Whether every leaf of the range can hold what the edit makes of it. */
ML_PART int check_edit(const struct ml_format *f, const struct ml_table *t,
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
	while (!edit_is_closed(edit) && table_run_next(f, t, &cursor, &run))
		if (!codec_rights_expressible(f, edit_prot(edit, run.prot)))
			return ML_ERR_PROT;
	if (ML_UNLIKELY(edit_is_too_large(f, t, edit, va, last)))
		return ML_ERR_SIZE;
	return never_breaks(t, va, last) ? check_edit_breaks(f, t, edit, va, last) : ML_OK;
}

/*
 * Whether a leaf will be found to change: it does now, or it may be marked before its turn comes,
 * by hardware or because its group unfolds, and the marks are what changes.
 */
ML_INLINE bool may_change(const struct ml_format *f, const struct ml_table *t,
			  const struct ml_edit *edit, struct place at)
{
	const struct editor editor = editor_at(f, t, edit, at.level);
	const bool marked = (t->live && t->hardware_ad) || at.pte & codec_group(f);

	return edited(f, t, &editor, at.pte) != at.pte || (edit->mask & ML_PROT_AD && marked);
}

/* Tables that cutting the leaves at both ends takes, if they change. */
ML_INLINE uint64_t protect_tables(const struct ml_format *f, const struct ml_table *t,
				  const struct ml_edit *edit, ml_va va, ml_va last)
{
	const struct place first = descend(f, t, va, 0), end = descend(f, t, last, 0);

	if (first.level == 0 && end.level == 0)
		return 0;
	if (!may_change(f, t, edit, first))
		va = ml_align_down(va, f->level_shift[first.level]);
	if (!may_change(f, t, edit, end))
		last = entry_last(f, last, end.level);
	return edge_tables(f, t, va, last);
}

ML_INLINE int table_protect(const struct ml_format *f, struct ml_table *t, ml_va va, uint64_t len,
			    ml_prot mask, ml_prot value, struct ml_op *op)
{
	const struct ml_edit edit = edit_make(f, mask, value);
	const ml_va last = va + len - 1;
	struct editor editor;
	struct change c;
	int error = check_change(f, t, va, len);

	if (!error)
		error = check_edit(f, t, &edit, va, last);
	if (error)
		return error;
	begin(t, op);
	error = open_change(t, op, &c, protect_tables(f, t, &edit, va, last));
	if (error)
		return error;
	editor = editor_at(f, t, &edit, 0);
	for (;;) {
		const ml_va end = protect_some(f, &c.gather, &c.supply, &editor, va, last);

		if (end == last)
			break;
		va = end + 1;
	}
	close_change(f, &c);
	return ML_OK;
}

#endif
