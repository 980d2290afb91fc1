/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The life of a space, and what its calls share. */
#include "space/space.h"

/* What frames->alloc brings must be told apart, and copied. */
static bool frames_are_whole(const struct ml_frames *frames)
{
	return frames && frames->object_alloc && frames->object_free && frames->get &&
	       frames->put && (!frames->alloc || (frames->exclusive && frames->copy));
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

void ml_space_fini(struct ml_space *s)
{
	const struct ml_range *first = ml_ranges_outermost(s->root, 0);
	const struct ml_range *last = ml_ranges_outermost(s->root, 1);
	struct ml_op op = ml_space_op(s);

	if (first)
		ml_space_begin(s, first->first, last->last);
	ml_table_fini(&s->table, &op);
	if (first)
		ml_space_end(s, first->first, last->last);
	while (s->root)
		ml_region_close(s, region_of(s->root));
}

static uint64_t root_slot(const struct ml_table *t, ml_va va)
{
	const unsigned root = t->levels - 1u;

	return va >> t->format->level_shift[root] & (ML_BIT(t->format->index_bits[root]) - 1);
}

/* Whether another table lends anything of [va, last]. */
static bool is_borrowed(const struct ml_table *t, ml_va va, ml_va last)
{
	return t->shared_count && root_slot(t, last) >= t->shared_first &&
	       root_slot(t, va) < t->shared_first + t->shared_count;
}

bool ml_space_run_next(const struct ml_space *s, struct ml_cursor *cursor, struct ml_run *run)
{
	while (ml_run_next(&s->table, cursor, run))
		if (!is_borrowed(&s->table, run->va, run->va + (run->length - 1)))
			return true;
	return false;
}

int ml_space_check_range(const struct ml_space *s, ml_va va, uint64_t len)
{
	if (!len)
		return ML_ERR_EMPTY;
	if (!ml_aligned(va | len, s->table.format->page_shift))
		return ML_ERR_ALIGN;
	if (va + (len - 1) < va)
		return ML_ERR_WRAP;
	if (!ml_table_covers(&s->table, va, len))
		return ML_ERR_CANONICAL;
	return is_borrowed(&s->table, va, va + (len - 1)) ? ML_ERR_SHARED : ML_OK;
}

static void put_counted(void *space, const struct ml_run *run)
{
	const struct ml_space *s = space;

	if (!(run->prot & ML_SPECIAL))
		s->frames->put(s->frames_cookie, run->pa, run->length);
}

struct ml_op ml_space_op(struct ml_space *s)
{
	const struct ml_op op = { .context = s->context, .sink = put_counted, .sink_cookie = s };

	return op;
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

	if (!ml_aligned(pa, s->table.format->page_shift))
		return ML_ERR_ALIGN;
	if (pa + (len - 1) < pa)
		return ML_ERR_WRAP;
	if ((pa + (len - 1)) >> s->table.pa_bits)
		return ML_ERR_PA_RANGE;
	if (s->frames->allowed && !s->frames->allowed(s->frames_cookie, pa, len, most | type))
		return ML_ERR_ACCESS;
	return ML_OK;
}

bool ml_space_can_hold(const struct ml_space *s, unsigned rung)
{
	return rung < s->table.format->rung_count && s->table.rungs >> rung & 1 &&
	       s->table.format->rungs[rung].level < s->table.levels;
}
