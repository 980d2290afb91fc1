/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Groups and entries, judged through ml_format_decode() alone. */
#include <string.h>

#include "entries.h"

static struct ml_entry decoded(const struct entries *e, unsigned index)
{
	struct ml_entry entry = { .kind = ML_KIND_EMPTY };

	if (ml_format_decode(e->rig.facts->format, &e->rig.table.types,
			     __atomic_load_n(&e->p[index], __ATOMIC_RELAXED), e->level, &entry))
		entry.kind = ML_KIND_TABLE;
	return entry;
}

ml_va entries_va(const struct entries *e, unsigned index)
{
	return e->va + index * e->step;
}

bool entries_hinted(const struct entries *e, unsigned index)
{
	const struct ml_entry entry = decoded(e, index);

	return entry.kind == ML_KIND_LEAF && entry.group;
}

ml_pte entries_hint(const struct entries *e)
{
	const struct ml_format *f = e->rig.facts->format;
	ml_pte one = 0, group = 0;

	if (ml_format_encode(f, &e->rig.table.types, 0, ML_READ, e->level, false, &one) ||
	    ml_format_encode(f, &e->rig.table.types, 0, ML_READ, e->level, true, &group))
		return 0;
	return one ^ group;
}

unsigned entries_folded(const struct entries *e)
{
	unsigned folded = 0;

	for (unsigned i = 0; i < e->count; i++)
		folded += entries_hinted(e, i);
	return folded;
}

/* C1 of the facts: all valid members agree on the hint, and if they have it, on the sequence. */
static const char *judge_group(const struct entries *e, unsigned first, bool settled)
{
	struct ml_entry leaf = { .kind = ML_KIND_EMPTY };
	unsigned valid = 0, at = 0;

	for (unsigned i = first; i < first + e->size; i++) {
		const struct ml_entry one = decoded(e, i);

		if (one.kind != ML_KIND_LEAF) {
			if (one.kind == ML_KIND_INVALID && one.group)
				return "an entry that is not valid has the hint";
			continue;
		}
		if (valid++ == 0) {
			leaf = one;
			at = i;
		}
		if (one.group != leaf.group)
			return "some members have the hint and some have not";
		if (!one.group)
			continue;
		if (one.pa - i * e->step != leaf.pa - at * e->step ||
		    (leaf.pa - (at - first) * e->step) & (e->size * e->step - 1))
			return "frames of a folded group are no aligned sequence";
		if (settled && (one.prot ^ leaf.prot) & ~ML_PROT_AD)
			return "members of a folded group differ";
		if ((one.prot ^ leaf.prot) & ~(ML_PROT_AD | ML_WRITE))
			return "members of a folded group differ at some instant";
	}
	if (settled && valid && leaf.group && valid != e->size)
		return "a folded group is not complete";
	return NULL;
}

const char *entries_groups(const struct entries *e, bool settled)
{
	for (unsigned first = 0; first < e->count; first += e->size) {
		const char *wrong = judge_group(e, first, settled);

		if (wrong)
			return wrong;
	}
	return NULL;
}

bool entries_complete(const struct entries *e, unsigned index)
{
	const unsigned first = index & ~(e->size - 1);
	const struct ml_entry leaf = decoded(e, first);

	if (e->size == 1 || leaf.kind != ML_KIND_LEAF || leaf.pa & (e->size * e->step - 1))
		return false;
	for (unsigned i = first + 1; i < first + e->size; i++) {
		const struct ml_entry one = decoded(e, i);

		if (one.kind != ML_KIND_LEAF || one.pa != leaf.pa + (i - first) * e->step ||
		    (one.prot ^ leaf.prot) & ~ML_PROT_AD)
			return false;
	}
	return true;
}

void entries_share(struct entries *e)
{
	for (unsigned first = 0; first < e->count; first += e->size) {
		ml_prot marks = 0;

		if (!entries_hinted(e, first))
			continue;
		for (unsigned i = first; i < first + e->size; i++)
			marks |= e->flat[i].prot & ML_PROT_AD;
		for (unsigned i = first; i < first + e->size; i++)
			e->flat[i].prot |= marks;
	}
}

static const char *entry_differs(const struct entries *e, unsigned i)
{
	const struct ml_table *t = &e->rig.table;
	const struct flat *flat = &e->flat[i];
	const ml_pte pte = ml_ptep_get(t, entries_va(e, i), e->p + i, e->level);
	ml_pte snapshot = 0;

	if (ml_ptep_get_lockless(t, entries_va(e, i), e->p + i, e->level, &snapshot) ||
	    snapshot != pte)
		return "the lockless reader sees another entry";
	if (!flat->prot)
		return pte == flat->absent ? NULL : "an entry that should hold no leaf differs";
	if (ml_pte_pa(t, pte, e->level) != flat->pa)
		return "a frame differs";
	if (ml_pte_prot(t, pte, e->level) != flat->prot)
		return "a protection differs";
	if (flat->hidden != (ml_software_kind(t, pte) == ML_SOFTWARE_PROT_NONE))
		return "a leaf is hidden that should not be, or the other way round";
	return flat->hidden != (ml_pte_kind(t, pte, e->level) != ML_KIND_LEAF)
		       ? "an entry is of another kind"
		       : NULL;
}

const char *entries_differ(const struct entries *e)
{
	for (unsigned i = 0; i < e->count; i++) {
		const char *wrong = entry_differs(e, i);

		if (wrong)
			return wrong;
	}
	return NULL;
}

/* ---- listening ----------------------------------------------------------------------- */

static struct {
	struct entries *entries;
	void (*next)(void *cookie, const struct ml_event *event);
	void *cookie;
} listener;

/* Whether the table of the entries is still one. */
static bool is_there(const struct entries *e)
{
	return ml_arena_pointer(e->rig.arena, ml_arena_address(e->rig.arena, e->p), 8);
}

static void hear(void *cookie, const struct ml_event *event)
{
	struct entries *e = cookie;

	if (!e->mixed && e->rig.table.live && e->rig.table.break_group && is_there(e))
		e->mixed = entries_groups(e, false);
	listener.next(listener.cookie, event);
}

static void listen(struct entries *e, struct order *order)
{
	listener.entries = e;
	listener.next = order->trace.watch;
	listener.cookie = order->trace.cookie;
	order->trace.watch = hear;
	order->trace.cookie = e;
}

/* ---- putting up ---------------------------------------------------------------------- */

bool entries_open(struct entries *e, enum world world, const struct ml_table_config *wish,
		  unsigned level, struct order *order)
{
	const struct ml_format *f = worlds[world].format;
	const unsigned entries = 1u << f->index_bits[level];
	const uint64_t span = (uint64_t)entries << f->level_shift[level];

	memset(e, 0, sizeof(*e));
	if (rig_open(&e->rig, world, wish))
		return false;
	e->level = level;
	e->step = (uint64_t)1 << f->level_shift[level];
	e->size = f->group_rung[level] ? 1u << f->rungs[f->group_rung[level]].lg2_entries : 1;
	e->count = entries < ENTRIES_MOST ? entries : ENTRIES_MOST;
	e->va = worlds[world].high ? worlds[world].high_first : 0;
	if (level + 1u < e->rig.table.levels)
		e->va += span; /* not the first table */
	e->va += (entries - e->count) * e->step;
	if (order) {
		order_begin(order, &e->rig, wish);
		order_operation(order);
	}
	if (ml_pte_ensure(&e->rig.table, e->va, e->step, level, NULL))
		return false;
	e->p = ml_pte_pointer(&e->rig.table, e->va, level);
	if (order && e->p)
		listen(e, order);
	return e->p != NULL;
}

bool entries_close(struct entries *e, struct order *order)
{
	if (order)
		order_end(order);
	return rig_close(&e->rig);
}
