/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Editing the entries of one table: quietly, atomically beside hardware that marks them, or broken
 * first; and the groups that an edit reaches into.
 */
#ifndef ML_TABLE_EDIT_H
#define ML_TABLE_EDIT_H

#include "format/absent.h"
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
			    edited(f, g->t, e, entry_exchange(f, p + i, ABSENT_BROKEN)) &
				    ~codec_valid(f));
		broken[i / 64] |= ML_BIT(i % 64);
		any = true;
		gather_range(g, va + ((uint64_t)i << shift), va + ((uint64_t)(i + 1) << shift) - 1,
			     e->level, shift);
	}
	if (any) {
		write_back(g->t, g->op, p, result.done);
		gather_flush(f, g);
	}
	for (i = 0; i < result.done; i++) {
		if (!(broken[i / 64] >> (i % 64) & 1))
			continue;
		entry_store(f, p + i, entry_load(f, p + i) | codec_valid(f));
		gather_made(f, g, va + ((uint64_t)i << shift),
			    va + ((uint64_t)(i + 1) << shift) - 1, e->level);
	}
	return result;
}

/* Whether pte is a member of a group that this edit would tear. */
ML_INLINE bool edit_tears(const struct ml_format *f, const struct ml_table *t,
			  const struct editor *e, ml_pte pte)
{
	return codec_is_leaf(f, pte, e->level) && pte & codec_group(f) &&
	       edit_breaks(f, pte, edited(f, t, e, pte), e->level);
}

/* Groups that this edit, which changes entries in place, would tear come apart, and stay so. */
ML_PART void part_torn(const struct ml_format *f, struct gather *g, const struct editor *e,
		       ml_pte *p, ml_va va, unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++)
		if (edit_tears(f, g->t, e, entry_load(f, p + i)))
			group_convert(f, g, p + i, va + ((uint64_t)i << f->level_shift[e->level]),
				      e->level, false);
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
		if (edit_tears(f, g->t, e, entry_load(f, p + i))) {
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

/* Entries that are told of together, if they are not near to others. */
#define EDIT_PIECE 256

/* One piece after another; what changed is told. */
ML_INLINE struct edit_result edit_pieces(const struct ml_format *f, struct gather *g,
					 const struct editor *e, ml_pte *p, ml_va va,
					 unsigned count)
{
	const bool atomic = g->t->live && g->t->hardware_ad;
	struct edit_result all = EDIT_RESULT(count);
	unsigned i;

	for (i = 0; i < all.done; i += EDIT_PIECE) {
		const unsigned most = (unsigned)ml_min(count - i, EDIT_PIECE);
		const struct edit_result piece = edit_loop(f, g->t, e, p + i, most, atomic);

		all.changed += piece.changed;
		if (piece.bits & e->loud)
			gather_edited(f, g, e, p + i,
				      va + ((uint64_t)i << f->level_shift[e->level]), &piece);
		if (piece.done < most)
			all.done = i + piece.done;
	}
	return all;
}

/* Change count entries from p on, all wholly inside the range; returns how many were looked at. */
ML_INLINE unsigned edit_entries(const struct ml_format *f, struct gather *g, const struct editor *e,
				ml_pte *p, ml_va va, unsigned count)
{
	const unsigned shift = f->level_shift[e->level];
	const bool breaks = g->t->live && edit_may_break(f, e->edit, g->t->foreign);
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
		result = edit_pieces(f, g, e, p, va, count);
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
			  struct members m)
{
	const struct edit_result result =
		edit_loop(f, g->t, e, m.first, m.count, g->t->live && g->t->hardware_ad);

	if (!result.changed)
		return;
	publish(g->t, g->op, m.first, m.count);
	if (result.bits & e->loud)
		gather_edited(f, g, e, m.first, m.va, &result);
}

/*
 * Break a group, and make its members one by one: those of [from, end] changed, so that one
 * invalidation does for both.
 */
ML_PART void edit_cut(const struct ml_format *f, struct gather *g, const struct editor *e,
		      struct members m, ml_va from, ml_va end)
{
	const uint64_t step = ML_BIT(f->level_shift[e->level]);
	ml_pte pte = break_entries(f, g, m.first, m.count, m.va, e->level) & ~codec_group(f);
	const ml_va start = m.va;
	unsigned i;

	for (i = 0; i < m.count; i++, pte += step, m.va += step) {
		const bool inside = m.va >= from && m.va <= end;
		const ml_pte to = inside ? edited(f, g->t, e, pte) : pte;

		entry_store(f, m.first + i, to);
		if (g->op && to != pte)
			g->op->bytes += step;
	}
	publish(g->t, g->op, m.first, m.count);
	gather_made(f, g, start, m.va - 1, e->level);
	tally(g->t, &g->t->stats.splits, 1);
}

/*
 * Unfold the group around p, at va, if [from, end] of it is a part of it and any member changes:
 * members must not differ even in what they were marked.
 */
ML_PART void unfold_cut(const struct ml_format *f, struct gather *g, const struct editor *e,
			ml_pte *p, ml_va va, ml_va from, ml_va end)
{
	const struct members m = group_around(f, p, va, e->level);
	unsigned i;

	if (!group_is_cut(f, entry_load(f, p), from, end, e->level))
		return;
	if (spreads(g->t, e->edit)) {
		spread_marks(f, g, e, m);
		return;
	}
	for (i = 0; i < m.count; i++) {
		const ml_pte pte = entry_load(f, m.first + i);

		if (edited(f, g->t, e, pte) == pte)
			continue;
		if (g->t->live && g->t->break_group)
			edit_cut(f, g, e, m, from, end);
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

#endif
