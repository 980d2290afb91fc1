/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Marks at the doors of entries, where they hurt most: between a load and the store after it. */
#include <string.h>

#include "entries_hardware.h"

static struct entries_hardware *hardware; /* doors have no cookie */

/* As a walker reads the entry: no walker marks what is not valid. */
static struct ml_entry decoded(const struct entries *e, ml_pte pte)
{
	struct ml_entry entry = { .kind = ML_KIND_EMPTY };

	if (ml_format_decode(e->rig.facts->format, &e->rig.table.types, pte, e->level, &entry) ||
	    entry.kind != ML_KIND_LEAF)
		return (struct ml_entry){ .kind = ML_KIND_EMPTY };
	return entry;
}

static ml_pte load(const struct entries *e, unsigned index)
{
	return __atomic_load_n(&e->p[index], __ATOMIC_RELAXED);
}

static void mark(struct entries_hardware *h, unsigned index)
{
	struct entries *e = h->entries;
	const struct ml_entry was = decoded(e, load(e, index));
	const bool write = source_chance(&h->s, 1, 2);
	const unsigned size = was.group ? e->size : 1, first = index & ~(size - 1);
	ml_prot bits;

	if (was.kind != ML_KIND_LEAF)
		return;
	rig_mark(&e->rig, &e->p[index], write && was.prot & ML_WRITE);
	bits = (decoded(e, load(e, index)).prot ^ was.prot) & ML_PROT_AD;
	for (unsigned i = first; i < first + size; i++)
		h->came[i] |= bits;
	h->marks += bits != 0;
}

/* What is accessed, or a neighbour in its group, or anything. */
static void turn(const void *entry, bool writes)
{
	struct entries_hardware *h = hardware;
	const struct entries *e = h->entries;
	const size_t at = (size_t)((const ml_pte *)entry - e->p);
	const uint64_t where = source_below(&h->s, 12); /* most often nowhere */
	unsigned index = (unsigned)source_below(&h->s, e->count);

	(void)writes;
	if (!h->acts || where > 3)
		return;
	if (where > 1 && at < e->count)
		index = (unsigned)at;
	else if (where > 0 && at < e->count)
		index = (unsigned)((at & ~(size_t)(e->size - 1)) + index % e->size);
	mark(h, index);
}

void entries_hardware_begin(struct entries_hardware *h, struct entries *e, uint64_t seed)
{
	h->entries = e->rig.table.live && e->rig.table.hardware_ad ? e : NULL;
	h->acts = false;
	h->s = source_seeded(seed);
	memset(h->came, 0, sizeof(h->came));
	hardware = h;
	ml_doors.turn = h->entries ? turn : NULL;
}

void entries_hardware_end(struct entries_hardware *h)
{
	ml_doors.turn = NULL;
	h->entries = NULL;
}

void entries_hardware_call(struct entries_hardware *h)
{
	h->acts = h->entries != NULL;
}

ml_prot entries_hardware_came(const struct entries_hardware *h, unsigned from, unsigned count)
{
	ml_prot came = 0;

	for (unsigned i = from; i < from + count; i++)
		came |= h->came[i];
	return came;
}

/* The marks that stand in the table for this entry: its own, or its group's. */
static ml_prot standing(const struct entries *e, unsigned index)
{
	const struct ml_entry entry = decoded(e, load(e, index));
	const unsigned size = entry.group ? e->size : 1, first = index & ~(size - 1);
	ml_prot marks = 0;

	for (unsigned i = first; entry.kind == ML_KIND_LEAF && i < first + size; i++)
		marks |= decoded(e, load(e, i)).prot & ML_PROT_AD;
	return marks;
}

const char *entries_hardware_settle(struct entries_hardware *h, const ml_prot *told)
{
	struct entries *e = h->entries;
	const char *wrong = NULL;

	h->acts = false;
	for (unsigned i = 0; e && i < e->count; i++) {
		const ml_prot marks = standing(e, i), came = h->came[i];

		if (came & ~marks & ~told[i])
			wrong = "a mark that hardware made is lost";
		if (e->flat[i].prot && !e->flat[i].hidden)
			e->flat[i].prot |= came & marks;
	}
	memset(h->came, 0, sizeof(h->came));
	if (e)
		entries_share(e);
	return wrong;
}
