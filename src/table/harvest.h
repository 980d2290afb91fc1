/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Harvest: read accessed and dirty of a range into bitmaps, and clear them on the way. */
#ifndef ML_TABLE_HARVEST_H
#define ML_TABLE_HARVEST_H

#include "table/edit.h"

/* A harvest under way. */
struct harvester {
	struct ml_harvest *wish;
	struct editor editor; /* takes away what is cleared */
	ml_va first, last;    /* the range */
	ml_pa unit;           /* the unit asked about last, */
	uint64_t unit_bytes;  /* 0: none yet */
	bool tracked;         /* and the answer */
};

ML_INLINE void bitmap_set(uint64_t *bits, uint64_t from, uint64_t count)
{
	for (; count && from & 63; from++, count--)
		bits[from / 64] |= ML_BIT(from & 63);
	for (; count >= 64; from += 64, count -= 64)
		bits[from / 64] = ~(uint64_t)0;
	if (count)
		bits[from / 64] |= ML_BIT(count) - 1;
}

/* Whether somebody reads the marks of the frame at pa: asked once for each unit. */
ML_INLINE bool is_tracked(const struct ml_format *f, const struct ml_table *t, struct harvester *h,
			  ml_pa pa)
{
	if (pa - h->unit < h->unit_bytes)
		return h->tracked;
	h->unit_bytes = ml_max(t->ad_unit(t->cookie, pa), ML_BIT(f->page_shift));
	h->unit = pa & ~(h->unit_bytes - 1);
	h->tracked = h->unit_bytes < ML_AD_UNREAD;
	if (!h->tracked)
		h->unit_bytes = 0; /* it says nothing about its neighbours */
	return h->tracked;
}

/* Pages va..end, which are in the range, share these marks. */
ML_PART void harvest_note(const struct ml_format *f, const struct harvester *h, ml_pte pte,
			  ml_va va, ml_va end)
{
	const uint64_t from = (va - h->first) >> f->page_shift;
	const uint64_t pages = ((end - va) >> f->page_shift) + 1;

	if (pte & codec_accessed(f)) {
		if (h->wish->accessed)
			bitmap_set(h->wish->accessed, from, pages);
		h->wish->accessed_pages += pages;
	}
	if (codec_is_dirty(f, pte)) {
		if (h->wish->dirty)
			bitmap_set(h->wish->dirty, from, pages);
		h->wish->dirty_pages += pages;
	}
}

/*
 * Clear the marks of count entries from p on; returns the first with the marks of all as they were
 * when they were cleared.
 */
ML_INLINE ml_pte harvest_clear(const struct ml_format *f, struct gather *g,
			       const struct harvester *h, ml_pte *p, unsigned count, ml_va va)
{
	const unsigned shift = f->level_shift[h->editor.level];
	const uint64_t step = ML_BIT(shift);
	const bool atomic = g->t->live && g->t->hardware_ad;
	ml_pte merged = entry_load(f, p), changed = 0;
	const ml_pte first = merged;
	unsigned i;

	for (i = 0; i < count; i++) {
		const ml_pte pte = entry_load(f, p + i);
		const ml_pte bits = edit_entry(f, g->t, &h->editor, p + i, pte, atomic);
		const ml_pte was = edited(f, g->t, &h->editor, pte) ^ bits;

		merged = codec_merge_ad(f, merged, was ^ (first + i * step));
		changed |= bits;
	}
	if (!changed)
		return merged;
	publish(g->t, g->op, p, count);
	if (changed & h->editor.loud)
		gather_range(g, va, va + ((uint64_t)count << shift) - 1, h->editor.level, shift);
	return merged;
}

/*
 * The leaf or group around va; returns its last address. What reaches over an end of the range
 * keeps its marks: pages outside would lose theirs unseen.
 */
ML_PART ml_va harvest_leaf(const struct ml_format *f, struct gather *g, struct harvester *h,
			   struct place at, ml_va va)
{
	const struct members m = members_of(f, at.entry, at.pte, va, at.level);
	const ml_va end = m.va + (((uint64_t)m.count << f->level_shift[at.level]) - 1);
	ml_pte pte = at.pte;

	if (!is_tracked(f, g->t, h, codec_leaf_pa(f, at.pte, at.level))) {
		h->wish->untracked_pages += ((ml_min(end, h->last) - va) >> f->page_shift) + 1;
		return end;
	}
	if (h->wish->clear && m.va >= h->first && end <= h->last)
		pte = harvest_clear(f, g, h, m.first, m.count, m.va);
	else if (m.count > 1)
		pte = group_gathered(f, at.entry, at.pte, va, at.level);
	harvest_note(f, h, pte, va, ml_min(end, h->last));
	return end;
}

/* Marks of up to 64 pages: what is told of each, and which of them the walkers must forget. */
struct harvested {
	uint64_t accessed, dirty;
	unsigned first, last; /* first > last: none */
	bool changed;
	unsigned count; /* pages looked at */
};

/* Clear the marks of page i; returns it as it was when they were cleared. */
ML_PART ml_pte harvest_page(const struct ml_format *f, const struct ml_table *t,
			    const struct harvester *h, ml_pte *p, ml_pte pte, unsigned i,
			    struct harvested *found)
{
	const ml_pte bits = edit_entry(f, t, &h->editor, p, pte, t->live && t->hardware_ad);

	found->changed |= bits != 0;
	if (bits & h->editor.loud) {
		found->first = (unsigned)ml_min(found->first, i);
		found->last = i;
	}
	return edited(f, t, &h->editor, pte) ^ bits;
}

/*
 * Base pages from p on that are no group and have the marks' unit asked about last; stops at any
 * other entry.
 */
ML_INLINE void harvest_word(const struct ml_format *f, const struct ml_table *t,
			    const struct harvester *h, ml_pte *p, unsigned most,
			    struct harvested *found)
{
	const bool accessed = h->wish->clear & ML_ACCESSED, dirty = h->wish->clear & ML_DIRTY;
	const uint64_t unit = h->unit, bytes = h->tracked ? h->unit_bytes : 0;
	uint64_t accessed_bits = 0, dirty_bits = 0;
	unsigned i;

	for (i = 0; i < most; i++) {
		ml_pte pte = entry_load(f, p + i);

		if (!codec_is_leaf(f, pte, 0) || pte & codec_group(f) ||
		    codec_leaf_pa(f, pte, 0) - unit >= bytes)
			break;
		if (!(pte & codec_accessed(f)) && !codec_is_dirty(f, pte))
			continue;
		if ((accessed && pte & codec_accessed(f)) || (dirty && codec_is_dirty(f, pte)))
			pte = harvest_page(f, t, h, p + i, pte, i, found);
		accessed_bits |= pte & codec_accessed(f) ? ML_BIT(i) : 0;
		dirty_bits |= codec_is_dirty(f, pte) ? ML_BIT(i) : 0;
	}
	found->accessed = accessed_bits;
	found->dirty = dirty_bits;
	found->count = i;
}

/* As harvest_leaf(), of entries of level 0 up to last; returns how many it dealt with. */
ML_PART uint64_t harvest_pages(const struct ml_format *f, struct gather *g, struct harvester *h,
			       ml_pte *p, ml_va va, ml_va last)
{
	const unsigned shift = f->page_shift;
	const uint64_t most = ((last - va) >> shift) + 1;
	uint64_t done = 0;

	while (done < most) {
		const uint64_t at = ((va - h->first) >> shift) + done;
		const unsigned room = (unsigned)ml_min(most - done, 64 - (at & 63));
		const ml_va start = va + (done << shift);
		struct harvested found = { 0, 0, 64, 0, false, 0 };

		harvest_word(f, g->t, h, p + done, room, &found);
		if (found.accessed && h->wish->accessed)
			h->wish->accessed[at / 64] |= found.accessed << (at & 63);
		if (found.dirty && h->wish->dirty)
			h->wish->dirty[at / 64] |= found.dirty << (at & 63);
		h->wish->accessed_pages += ml_count_bits(found.accessed);
		h->wish->dirty_pages += ml_count_bits(found.dirty);
		if (found.changed)
			publish(g->t, g->op, p + done, found.count);
		if (found.first <= found.last)
			gather_range(g, start + ((uint64_t)found.first << shift),
				     start + ((uint64_t)(found.last + 1) << shift) - 1, 0, shift);
		done += found.count;
		if (found.count < room)
			break;
	}
	return done;
}

/* What one table holds of [va, last]; returns the last address dealt with. */
ML_PART ml_va harvest_table(const struct ml_format *f, struct gather *g, struct harvester *h,
			    ml_va va)
{
	struct place at = descend(f, g->t, va, 0);
	const ml_va table_last =
		at.level + 1 < g->t->levels ? entry_last(f, va, at.level + 1) : h->last;
	const ml_va last = ml_min(h->last, table_last);

	if (h->editor.level != at.level)
		h->editor = editor_at(f, g->t, h->editor.edit, at.level);
	for (;;) {
		ml_va end = entry_last(f, va, at.level);
		const uint64_t pages = at.level ? 0 : harvest_pages(f, g, h, at.entry, va, last);

		if (pages)
			end = va + ((pages << f->page_shift) - 1);
		else if (codec_is_leaf(f, at.pte, at.level))
			end = harvest_leaf(f, g, h, at, va);
		if (end >= last || codec_is_table(f, at.pte, at.level))
			return ml_min(end, h->last);
		at.entry += (end + 1 - ml_align_down(va, f->level_shift[at.level])) >>
			    f->level_shift[at.level];
		at.pte = entry_load(f, at.entry);
		va = end + 1;
		if (codec_is_table(f, at.pte, at.level))
			return end;
	}
}

ML_INLINE int table_harvest(const struct ml_format *f, struct ml_table *t, ml_va va, uint64_t len,
			    struct ml_harvest *wish, struct ml_op *op)
{
	const struct ml_edit edit = edit_make(f, wish->clear, 0);
	struct harvester h = { .wish = wish, .first = va, .last = va + len - 1 };
	struct gather g;
	int error = check_change(f, t, va, len);

	if (error)
		return error;
	if (wish->clear & ~ML_PROT_AD || wish->clear & ~f->prot_mask)
		return ML_ERR_PROT;
	if (!t->ad_unit)
		return ML_ERR_UNTRACKED;
	begin(t, op);
	wish->accessed_pages = wish->dirty_pages = wish->untracked_pages = 0;
	h.editor = editor_at(f, t, &edit, 0);
	gather_open(&g, t, op);
	for (;; va++) {
		va = harvest_table(f, &g, &h, va);
		if (va == h.last)
			break;
	}
	gather_close(f, &g);
	return ML_OK;
}

#endif
