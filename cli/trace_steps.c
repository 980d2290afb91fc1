/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * maxleaf trace: events into steps. An event knows an address and a value; where the entry stands
 * follows from the links heard so far, and why it changes from what happens to it afterwards: what
 * becomes invalid and valid again was broken and made.
 */
#include "trace.h"

static const char *const names[TRACE_PHASES] = {
	[TRACE_TAKE] = "take",     [TRACE_FILL] = "fill",         [TRACE_LINK] = "link",
	[TRACE_NEW] = "new",       [TRACE_ANNOUNCE] = "announce", [TRACE_BREAK] = "break",
	[TRACE_HOLD] = "hold",     [TRACE_MAKE] = "make",         [TRACE_CHANGE] = "change",
	[TRACE_REMOVE] = "remove", [TRACE_BARRIER] = "barrier",   [TRACE_INVALIDATE] = "invalidate",
	[TRACE_WAIT] = "wait",     [TRACE_FREED] = "free",        [TRACE_RELEASED] = "release",
	[TRACE_MARKED] = "mark",
};

static const char *const texts[TRACE_PHASES] = {
	[TRACE_TAKE] = "table memory is taken before the first store: after that nothing can fail",
	[TRACE_FILL] = "a table is filled while no walker can reach it: nobody sees in what order",
	[TRACE_LINK] = "one store makes a whole table reachable; whoever sees the link "
		       "sees what the table holds",
	[TRACE_NEW] = "an empty entry becomes valid: no TLB holds it, so there is "
		      "nothing to invalidate",
	[TRACE_ANNOUNCE] = "a leaf stays valid and says that its size is changing: whoever sees "
			   "that bears the old and the new size",
	[TRACE_BREAK] = "what will be made again is not present first: no TLB may ever "
			"hold both, the old and the new",
	[TRACE_HOLD] = "the broken entry keeps what it will become, still not present",
	[TRACE_MAKE] = "the broken entry is valid again, now that no TLB holds what it was",
	[TRACE_CHANGE] = "a valid entry becomes another in one store: here the old and the "
			 "new may meet in a TLB",
	[TRACE_REMOVE] = "an entry is not present from now on: a TLB may hold it until it "
			 "is invalidated",
	[TRACE_BARRIER] = "walkers see the stores so far before anything that follows",
	[TRACE_INVALIDATE] = "every CPU is told to forget what its TLB holds of a range; none "
			     "need have done it yet",
	[TRACE_WAIT] = "every CPU has forgotten it: only now may an entry be made, or "
		       "memory be used for something else",
	[TRACE_FREED] = "a table goes back: nothing can walk it any more",
	[TRACE_RELEASED] = "the owner hears of memory that nothing can reach any more",
	[TRACE_MARKED] = "hardware sets accessed and dirty in the entry that it walked to",
};

const char *trace_phase_name(enum trace_phase phase)
{
	return names[phase];
}

const char *trace_phase_text(enum trace_phase phase)
{
	return texts[phase];
}

bool trace_is_entry(const struct trace_event *event)
{
	return event->kind == ML_EVENT_STORE || event->kind == ML_EVENT_FILL ||
	       event->kind == ML_EVENT_LINK || event->kind == ML_EVENT_EXCHANGE ||
	       event->kind == TRACE_MARK;
}

static struct ml_entry decode(const struct tracer *t, ml_pte pte, unsigned level)
{
	struct ml_entry entry = { .kind = ML_KIND_EMPTY };

	if (ml_format_decode(t->table.format, &t->table.types, pte, level, &entry) != ML_OK)
		entry.kind = ML_KIND_INVALID;
	return entry;
}

static bool is_valid(const struct tracer *t, ml_pte pte, unsigned level)
{
	const enum ml_kind kind = decode(t, pte, level).kind;

	return kind == ML_KIND_LEAF || kind == ML_KIND_TABLE;
}

/* --- where ---------------------------------------------------------------------------------- */

static size_t bytes_of(const struct tracer *t, unsigned level)
{
	return ml_format_table_bytes(t->table.format, level);
}

static ml_pa table_of(const struct tracer *t, ml_pa address)
{
	const ml_pa root = ml_table_root(&t->table);

	if (address - root < bytes_of(t, t->request->levels - 1))
		return root;
	return address & ~(ml_pa)(bytes_of(t, 0) - 1);
}

static struct trace_place *place_of(const struct tracer *t, ml_pa table)
{
	return &t->places[(table - t->arena.pa) / bytes_of(t, 0)];
}

/* The address of an entry of the table at a place. */
static ml_va entry_va(const struct tracer *t, const struct trace_place *place, uint32_t index)
{
	const struct ml_format *format = t->table.format;
	const unsigned shift = format->level_shift[place->level];
	const unsigned bits = shift + format->index_bits[place->level];
	const ml_va va = place->va + ((ml_va)index << shift);

	if (!format->sign_extended || place->level + 1u < t->request->levels || bits >= 64 ||
	    !(va >> (bits - 1) & 1))
		return va;
	return va | UINT64_MAX << bits;
}

/* Fill in where an entry stands. False if nothing links its table. */
static bool locate(const struct tracer *t, struct trace_event *event, struct trace_place *place)
{
	const unsigned top = t->request->levels - 1;

	event->table = table_of(t, event->address);
	event->index = (uint32_t)((event->address - event->table) / sizeof(ml_pte));
	event->level = TRACE_NO_LEVEL;
	if (event->table == ml_table_root(&t->table))
		*place = (struct trace_place){ .va = t->origin,
					       .level = (uint8_t)top,
					       .known = true };
	else
		*place = *place_of(t, event->table);
	if (!place->known)
		return false;
	event->level = place->level;
	event->va = entry_va(t, place, event->index);
	return true;
}

/* The table that an entry links; false if it links none. */
static bool links(const struct tracer *t, const struct trace_event *event, ml_pte pte, ml_pa *table)
{
	struct ml_entry entry;

	if (event->level == TRACE_NO_LEVEL || !event->level)
		return false;
	entry = decode(t, pte, event->level);
	*table = entry.pa;
	return entry.kind == ML_KIND_TABLE && entry.pa - t->arena.pa < t->arena.bytes;
}

/* The table is filled from event i on: its place is that of the next link to it. */
static void look_ahead(struct tracer *t, size_t i, ml_pa table)
{
	struct trace_place *place = place_of(t, table);
	struct trace_place above;
	ml_pa linked;

	*place = (struct trace_place){ .until = t->count };
	for (; i < t->count; i++) {
		struct trace_event link = t->events[i];

		if (link.kind != ML_EVENT_LINK || !locate(t, &link, &above) ||
		    !links(t, &link, link.value, &linked) || linked != table)
			continue;
		*place = (struct trace_place){ link.va, (uint8_t)(link.level - 1), true, i };
		return;
	}
}

static void settle(struct tracer *t, size_t i)
{
	struct trace_event *event = &t->events[i];
	struct trace_place *below, place;
	ml_pa table = table_of(t, event->address);

	if (event->kind == ML_EVENT_FILL && table != ml_table_root(&t->table) &&
	    place_of(t, table)->until <= i)
		look_ahead(t, i, table);
	if (!locate(t, event, &place))
		return;
	if (links(t, event, event->value, &table)) {
		below = place_of(t, table);
		*below = (struct trace_place){ event->va, (uint8_t)(event->level - 1), true, 0 };
	}
}

/* --- why ------------------------------------------------------------------------------------ */

static uint8_t *mark_of(const struct tracer *t, const struct trace_event *event)
{
	return &t->marks[(event->address - t->arena.pa) / sizeof(ml_pte)];
}

/* Whether an entry is a leaf that announces a change of its size. */
static bool announces(const struct tracer *t, ml_pte pte, unsigned level)
{
	const unsigned bit = t->table.format->announce_bit;

	return bit && level && pte >> bit & 1 && decode(t, pte, level).kind == ML_KIND_LEAF;
}

/* The phase of a store that walkers may see; again: the entry is made valid later. */
static enum trace_phase phase_of_store(const struct tracer *t, const struct trace_event *event,
				       bool again, bool broken)
{
	const bool before = is_valid(t, event->old, event->level);
	const bool after = is_valid(t, event->value, event->level);

	if (event->kind == TRACE_MARK)
		return TRACE_MARKED;
	if (before && !after)
		return again ? TRACE_BREAK : TRACE_REMOVE;
	if (event->kind == ML_EVENT_LINK)
		return TRACE_LINK;
	if (before && announces(t, event->value, event->level))
		return TRACE_ANNOUNCE;
	if (before)
		return TRACE_CHANGE;
	if (!after)
		return broken ? TRACE_HOLD : TRACE_REMOVE;
	return broken ? TRACE_MAKE : TRACE_NEW;
}

static enum trace_phase phase_of_other(const struct trace_event *event)
{
	switch (event->kind) {
	case ML_EVENT_PUBLISH:
		return TRACE_BARRIER;
	case ML_EVENT_INVALIDATE:
		return TRACE_INVALIDATE;
	case ML_EVENT_COMPLETE:
		return TRACE_WAIT;
	case ML_EVENT_ALLOC:
		return TRACE_TAKE;
	case ML_EVENT_FREE:
		return TRACE_FREED;
	case ML_EVENT_FILL:
		return TRACE_FILL;
	default:
		return TRACE_RELEASED;
	}
}

static bool is_seen(const struct trace_event *event)
{
	return trace_is_entry(event) && event->kind != ML_EVENT_FILL &&
	       event->level != TRACE_NO_LEVEL;
}

enum { MARK_AGAIN = 1, MARK_BROKEN = 2 };

static void clear_marks(struct tracer *t)
{
	size_t i;

	for (i = 0; i < t->count; i++) {
		if (is_seen(&t->events[i]))
			*mark_of(t, &t->events[i]) = 0;
	}
}

/* Mark the phases of stores whose entries are made valid later: from the last to the first. */
static void look_back(struct tracer *t)
{
	size_t i;

	for (i = t->count; i-- > 0;) {
		struct trace_event *event = &t->events[i];

		if (!is_seen(event))
			continue;
		event->phase = *mark_of(t, event);
		if (is_valid(t, event->value, event->level))
			*mark_of(t, event) = MARK_AGAIN;
	}
	clear_marks(t);
}

/* From the first to the last, where it is known which entries are broken. */
static void choose_phases(struct tracer *t)
{
	size_t i;

	for (i = 0; i < t->count; i++) {
		struct trace_event *event = &t->events[i];
		uint8_t *mark;

		if (!is_seen(event)) {
			event->phase = (uint8_t)phase_of_other(event);
			continue;
		}
		mark = mark_of(t, event);
		event->phase = (uint8_t)phase_of_store(t, event, event->phase == MARK_AGAIN,
						       *mark == MARK_BROKEN);
		if (event->phase == TRACE_BREAK)
			*mark = MARK_BROKEN;
		else if (is_valid(t, event->value, event->level))
			*mark = 0;
	}
	clear_marks(t);
}

void trace_sort(struct tracer *t)
{
	size_t i;

	for (i = 0; i < t->count; i++) {
		if (trace_is_entry(&t->events[i]))
			settle(t, i);
	}
	look_back(t);
	choose_phases(t);
	for (i = 0; i < t->count; i++) { /* what was known from a link ahead is known by now */
		if (t->events[i].kind == ML_EVENT_FILL &&
		    t->events[i].table != ml_table_root(&t->table))
			place_of(t, t->events[i].table)->until = 0;
	}
}

/* --- steps ---------------------------------------------------------------------------------- */

/* Whether b is what a leads to in the next entry. */
static bool continues_entry(const struct tracer *t, ml_pte a, ml_pte b, unsigned level)
{
	if (level == TRACE_NO_LEVEL || !a || !b || (a == b && !is_valid(t, a, level)))
		return a == b;
	return b - a == UINT64_C(1) << t->table.format->level_shift[level] &&
	       decode(t, a, level).kind != ML_KIND_TABLE;
}

/* Whether event b does to the next entry, table or nothing at all what a did. */
static bool continues(const struct tracer *t, const struct trace_event *a,
		      const struct trace_event *b)
{
	if (t->request->each || a->kind != b->kind || a->phase != b->phase)
		return false;
	if (a->kind == ML_EVENT_PUBLISH)
		return true;
	if (a->kind == ML_EVENT_ALLOC || a->kind == ML_EVENT_FREE)
		return a->value == b->value &&
		       (b->address == a->address + a->value || b->address == a->address - a->value);
	if (!trace_is_entry(a) || a->table != b->table || a->index + 1 != b->index ||
	    a->level != b->level)
		return false;
	return continues_entry(t, a->value, b->value, a->level) &&
	       (a->kind == ML_EVENT_FILL || continues_entry(t, a->old, b->old, a->level));
}

static size_t run_length(const struct tracer *t, size_t i)
{
	size_t count = 1;

	while (i + count < t->count &&
	       continues(t, &t->events[i + count - 1], &t->events[i + count]))
		count++;
	return count;
}

/* How many pairs of events from i on continue each other, each pair the one before. */
static size_t pair_length(const struct tracer *t, size_t i)
{
	size_t count = 1;

	for (; i + 3 < t->count; i += 2, count++) {
		if (!continues(t, &t->events[i], &t->events[i + 2]) ||
		    !continues(t, &t->events[i + 1], &t->events[i + 3]))
			break;
	}
	return count;
}

bool trace_step_next(const struct tracer *t, struct trace_cursor *cursor, struct trace_step *step)
{
	const size_t i = cursor->at;
	size_t pairs = 1;

	if (i >= t->count)
		return false;
	step->phase = t->events[i].phase;
	step->first = &t->events[i];
	step->count = cursor->second ? cursor->pairs : run_length(t, i);
	step->stride = 1;
	step->second = cursor->second;
	if (!step->second && step->count == 1)
		pairs = pair_length(t, i);
	if (pairs > 1) {
		step->count = pairs;
		step->stride = 2;
		*cursor = (struct trace_cursor){ i + 1, pairs, true };
		return true;
	}
	step->stride = step->second ? 2 : 1;
	cursor->at += step->second ? 2 * step->count - 1 : step->count;
	cursor->second = false;
	return true;
}
