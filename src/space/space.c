/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The life of a space, and what its calls share. */
#include "space/space.h"

/* What frames->alloc brings must be told apart, and copied; pins are all there, or none. */
static bool frames_are_whole(const struct ml_frames *frames)
{
	return frames && frames->object_alloc && frames->object_free && frames->get &&
	       frames->put && (!frames->alloc || (frames->exclusive && frames->copy)) &&
	       !frames->pin == !frames->unpin && !frames->pin == !frames->pinned;
}

int ml_space_init(struct ml_space *s, const struct ml_format *format,
		  const struct ml_space_config *config)
{
	int error;

	if (!frames_are_whole(config->frames) || config->first > config->last)
		return ML_ERR_CONFIG;
	error = ml_table_init(&s->table, format, &config->table);
	if (error)
		return error;
	if (!ml_table_covers(&s->table, config->first, config->last - config->first + 1)) {
		ml_table_fini(&s->table, NULL);
		return ML_ERR_CONFIG;
	}
	s->frames = config->frames;
	s->frames_cookie = config->frames_cookie;
	s->root = NULL;
	s->first = config->first;
	s->last = config->last;
	s->bottom_up = config->bottom_up;
	s->fault_rungs = (config->fault_rungs | 1) & s->table.rungs;
	s->regions = 0;
	s->mapped = 0;
	s->notifiers = NULL;
	s->context = NULL;
	return ML_OK;
}

struct ml_cursor ml_space_span(const struct ml_space *s)
{
	const struct ml_range *first = ml_ranges_outermost(s->root, 0);
	struct ml_cursor span = { 0, 0, true };

	if (first) {
		span.va = first->first;
		span.last = ml_ranges_outermost(s->root, 1)->last;
		span.done = false;
	}
	return span;
}

void ml_space_fini(struct ml_space *s)
{
	const struct ml_cursor span = ml_space_span(s);
	struct ml_op op = ml_space_op(s);

	if (!span.done)
		ml_space_begin(s, span.va, span.last);
	ml_table_fini(&s->table, &op);
	if (!span.done)
		ml_space_end(s, span.va, span.last);
	while (s->root)
		ml_region_close(s, region_of(s->root));
}

bool ml_space_run_next(const struct ml_space *s, struct ml_cursor *cursor, struct ml_run *run)
{
	while (ml_run_next(&s->table, cursor, run))
		if (ml_table_check_range(&s->table, run->va, run->length) != ML_ERR_SHARED)
			return true;
	return false;
}

static void put_counted(void *space, const struct ml_run *run)
{
	const struct ml_space *s = space;

	if (run->prot & ML_SPECIAL)
		return;
	if (run->prot & ML_DIRTY && s->frames->dirty)
		s->frames->dirty(s->frames_cookie, run->pa, run->length);
	s->frames->put(s->frames_cookie, run->pa, run->length);
}

struct ml_op ml_space_op(struct ml_space *s)
{
	struct ml_op op = { .context = s->context, .sink = put_counted, .sink_cookie = s };

	if (s->frames->dirty)
		op.flags = ML_OP_EXACT_DIRTY;
	return op;
}

int ml_space_together(struct ml_table *t, struct ml_op *op, ml_space_changes *changes, void *what)
{
	struct ml_reserve reserve = { NULL, 0 };
	uint64_t tables = 0;
	int error;

	op->flags |= ML_OP_DRY;
	error = changes(what, op, &tables);
	if (!error)
		error = ml_reserve_fill(t, &reserve, tables, op);
	if (error)
		return error;
	op->flags &= ~ML_OP_DRY;
	op->reserve = &reserve;
	error = changes(what, op, &tables);
	ml_reserve_empty(t, &reserve, op);
	return error;
}

void ml_space_notify(struct ml_space *s, struct ml_notifier *notifier)
{
	notifier->next = s->notifiers;
	s->notifiers = notifier;
}

void ml_space_unnotify(struct ml_space *s, struct ml_notifier *notifier)
{
	struct ml_notifier **link = &s->notifiers;

	while (*link && *link != notifier)
		link = &(*link)->next;
	if (*link)
		*link = notifier->next;
}

void ml_space_begin(struct ml_space *s, ml_va va, ml_va last)
{
	struct ml_notifier *notifier;

	for (notifier = s->notifiers; notifier; notifier = notifier->next)
		if (notifier->begin)
			notifier->begin(notifier, va, last - va + 1);
}

void ml_space_end(struct ml_space *s, ml_va va, ml_va last)
{
	struct ml_notifier *notifier;

	for (notifier = s->notifiers; notifier; notifier = notifier->next)
		if (notifier->end)
			notifier->end(notifier, va, last - va + 1);
}

struct piece ml_space_piece(const struct ml_space *s, const struct ml_region *region, ml_va va,
			    const struct ml_translation *leaf)
{
	const unsigned shift = leaf_shift(s, leaf);
	struct piece piece;

	piece.va = ml_max(ml_align_down(va, shift), region->range.first);
	piece.last = ml_min(ml_align_last(va, shift), region->range.last);
	piece.pa = leaf->pa - (va - piece.va);
	return piece;
}

ml_prot ml_space_leaf_prot(const struct ml_space *s, const struct ml_region *region, ml_prot type,
			   bool raw)
{
	ml_prot prot = region_rights(region, region->prot) | type;

	if (raw)
		prot |= ML_SPECIAL;
	if (ml_region_refaultable(region))
		prot |= s->table.refaultable;
	return prot;
}

int ml_space_check_frames(const struct ml_space *s, const struct ml_region *region, ml_pa pa,
			  uint64_t len, ml_prot type)
{
	const ml_prot most = region_rights(region, region->may);
	int error = ml_table_check_frames(&s->table, pa, len);

	if (!error && s->frames->allowed &&
	    !s->frames->allowed(s->frames_cookie, pa, len, most | type))
		error = ML_ERR_ACCESS;
	return error;
}

bool ml_space_can_hold(const struct ml_space *s, unsigned rung)
{
	return rung < s->table.format->rung_count && s->table.rungs >> rung & 1 &&
	       s->table.format->rungs[rung].level < s->table.levels;
}
