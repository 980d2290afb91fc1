/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Which tables walkers can reach, and what one store adds to and takes from what they can read. */
#define _DEFAULT_SOURCE
#include <endian.h>
#include <inttypes.h>
#include <string.h>

#include "oracle.h"

/* ---- the tables by address --------------------------------------------------------- */

static uint32_t *bucket_of(const struct ml_oracle *o, ml_pa pa)
{
	const uint64_t hash = (pa / ML_ARENA_UNIT) * 0x9e3779b97f4a7c15;

	return &o->buckets[hash >> 32 & (o->bucket_count - 1)];
}

struct oracle_table *ml_oracle_table(const struct ml_oracle *o, ml_pa pa)
{
	uint32_t at;

	if (!o->bucket_count)
		return NULL;
	pa &= ~(ml_pa)(o->table_bytes - 1);
	for (at = *bucket_of(o, pa); at; at = o->tables.items[at - 1].next)
		if (o->tables.items[at - 1].pa == pa)
			return &o->tables.items[at - 1];
	return NULL;
}

static void put_in_bucket(struct ml_oracle *o, size_t index)
{
	uint32_t *bucket = bucket_of(o, o->tables.items[index].pa);

	o->tables.items[index].next = *bucket;
	*bucket = (uint32_t)index + 1;
}

static void more_buckets(struct ml_oracle *o)
{
	size_t room = o->bucket_count;

	o->buckets = ml_oracle_grow(o->buckets, &room, room, sizeof(o->buckets[0]));
	o->bucket_count = room;
	memset(o->buckets, 0, room * sizeof(o->buckets[0]));
	for (size_t i = 0; i < o->tables.count; i++)
		put_in_bucket(o, i);
}

/* A table whose contents are of no matter until they are filled. */
static void empty_table(struct ml_oracle *o, struct oracle_table *table)
{
	memset(table->hole, 0xff, sizeof(table->hole));
	table->holes = (uint32_t)(o->table_bytes / sizeof(uint64_t));
}

struct oracle_table *ml_oracle_table_new(struct ml_oracle *o, ml_pa pa, bool filled)
{
	struct oracle_table *table;

	if (o->tables.count >= o->bucket_count)
		more_buckets(o);
	table = oracle_add(&o->tables);
	memset(table, 0, sizeof(*table));
	table->pa = pa & ~(ml_pa)(o->table_bytes - 1);
	put_in_bucket(o, o->tables.count - 1);
	if (!filled)
		empty_table(o, table);
	return table;
}

static void take_from_bucket(struct ml_oracle *o, const struct oracle_table *table)
{
	const uint32_t number = (uint32_t)(table - o->tables.items) + 1;
	uint32_t *at = bucket_of(o, table->pa);

	while (*at != number)
		at = &o->tables.items[*at - 1].next;
	*at = table->next;
}

void ml_oracle_table_forget(struct ml_oracle *o, struct oracle_table *table)
{
	struct oracle_table *last = &o->tables.items[o->tables.count - 1];

	take_from_bucket(o, table);
	if (table != last) {
		take_from_bucket(o, last);
		*table = *last;
		put_in_bucket(o, (size_t)(table - o->tables.items));
	}
	o->tables.count--;
}

/* ---- entries ----------------------------------------------------------------------- */

static const struct ml_model *model_of(const struct ml_oracle *o, unsigned space)
{
	return &o->spaces[space].model;
}

uint64_t ml_oracle_read(const struct ml_oracle *o, unsigned space, ml_pa pa)
{
	const struct ml_model *model = model_of(o, space);
	uint64_t memory;

	return model->read(model->cookie, pa, &memory) ? le64toh(memory) : 0;
}

/* The address that entry `index` of this table stands for; x86-64 extends the sign. */
static ml_va entry_va(const struct ml_oracle *o, const struct oracle_place *place, unsigned level,
		      unsigned index)
{
	const struct ml_model *model = model_of(o, place->space);
	const unsigned bits = 12 + 9 * model->levels;
	const ml_va va = place->va + ((ml_va)index << ml_model_shift(ml_model_isa(model), level));

	if (model->kind == ML_MODEL_X86_64 && va >> (bits - 1) & 1)
		return va | ~(ml_va)0 << bits;
	return va;
}

bool ml_oracle_leaf_of(const struct ml_oracle *o, const struct oracle_place *place, ml_va va,
		       uint64_t entry, unsigned level, struct oracle_leaf *leaf)
{
	const struct ml_model *model = model_of(o, place->space);
	const struct model_isa *isa = ml_model_isa(model);
	uint64_t bytes = MODEL_BIT(ml_model_shift(isa, level));

	if (ml_model_sort(model, entry, level) != MODEL_LEAF)
		return false;
	if (o->rules->not_translated && level && entry & isa->not_translated)
		return false;
	memset(leaf, 0, sizeof(*leaf));
	leaf->prot = isa->prot(model, entry, level, &place->path);
	/* Arm ARM D8.5.1: what would raise an access flag fault is never cached. */
	if (model->kind == ML_MODEL_ARM64_4K && !model->hardware_accessed &&
	    !(leaf->prot & ML_ACCESSED))
		return false;
	leaf->group = (entry & isa->group) != 0;
	leaf->pa = entry & ml_model_frame(isa, level);
	if (leaf->group) { /* a walker may take any member for the whole group */
		bytes <<= isa->lg2_group;
		leaf->pa &= ~(bytes - 1);
	}
	leaf->first = va & ~(bytes - 1);
	leaf->last = leaf->first + (bytes - 1);
	leaf->level = (uint8_t)level;
	leaf->space = place->space;
	leaf->agents = o->leaf_agents;
	leaf->under = ORACLE_NO_TABLE;
	leaf->seen = o->rules->ordered ? o->now : ORACLE_VISIBLE;
	leaf->writer = o->cpu;
	return true;
}

static void touch(struct ml_oracle *o, unsigned space, ml_va first, ml_va last)
{
	if (space != o->space)
		return;
	o->touched.first = first < o->touched.first ? first : o->touched.first;
	o->touched.last = last > o->touched.last ? last : o->touched.last;
}

/* A leaf, or a run of them, can be read from now on. */
static void appears(struct ml_oracle *o, const struct oracle_leaf *leaf)
{
	const size_t count = o->appeared.count;

	ml_oracle_meet(o, leaf);
	if (!o->operating || leaf->space != o->space)
		return;
	if (count && ml_oracle_follows(&o->appeared.items[count - 1], leaf))
		o->appeared.items[count - 1].last = leaf->last;
	else
		*oracle_add(&o->appeared) = *leaf;
}

/* Nothing stands at first..last for a while. */
static void breaks(struct ml_oracle *o, unsigned space, ml_va first, ml_va last)
{
	const size_t count = o->broken.count;

	if (!o->operating || space != o->space)
		return;
	if (count && o->broken.items[count - 1].last + 1 == first)
		o->broken.items[count - 1].last = last;
	else
		*oracle_add(&o->broken) = (struct oracle_range){ first, last };
}

/* ---- trees of tables --------------------------------------------------------------- */

/* A table on the way through a subtree. */
struct frame {
	ml_pa pa;
	struct oracle_place place;
	unsigned level, index;
	struct oracle_leaf run; /* leaves so far that were not yet told; first > last: none */
};

struct tour {
	struct ml_oracle *o;
	bool linked; /* or unlinked */
	bool kept;   /* it is linked again at once */
	struct frame frames[8];
	unsigned depth;
};

static void end_run(struct tour *tour, struct frame *frame)
{
	struct oracle_leaf *run = &frame->run;

	if (run->first > run->last)
		return;
	if (tour->linked) {
		appears(tour->o, run);
	} else {
		run->under = frame->pa;
		ml_oracle_hold(tour->o, run);
	}
	run->first = 1;
	run->last = 0;
}

static void add_leaf(struct tour *tour, struct frame *frame, const struct oracle_leaf *leaf)
{
	if (frame->run.first <= frame->run.last && ml_oracle_follows(&frame->run, leaf)) {
		frame->run.last = leaf->last;
		return;
	}
	if (leaf->group && frame->run.first <= frame->run.last && frame->run.last == leaf->last &&
	    ml_oracle_same(&frame->run, leaf))
		return; /* the next member of the same group */
	end_run(tour, frame);
	frame->run = *leaf;
}

/*
 * Whether the table was linked elsewhere when the operation began, and stays as it was: then who
 * comes by the old way finds what he found, and at the end nobody may.
 */
static bool moves(const struct ml_oracle *o, const struct oracle_table *table)
{
	return o->operating && table->left > o->began;
}

static void check_linked(struct ml_oracle *o, const struct oracle_table *table,
			 const struct oracle_place *place)
{
	if (table->holes && !moves(o, table))
		ml_oracle_fail(o, "(d) va 0x%" PRIx64 ": a table is linked before it is filled",
			       place->va);
	if (!o->rules->ordered && o->spaces[place->space].live &&
	    table->stored > o->published[table->writer])
		ml_oracle_fail(o,
			       "(d) va 0x%" PRIx64
			       ": a table is linked before its entries are published",
			       place->va);
	if (ml_oracle_route_to(o, table->pa) && o->spaces[place->space].live && !moves(o, table) &&
	    ml_oracle_route_to(o, table->pa)->first != place->va)
		ml_oracle_fail(o, "(e) va 0x%" PRIx64 ": the table linked may be held elsewhere",
			       place->va);
}

static void place_table(struct ml_oracle *o, struct oracle_table *table, unsigned level,
			const struct oracle_place *place)
{
	check_linked(o, table, place);
	for (unsigned i = 0; i < table->place_count; i++)
		if (table->places[i].space == place->space)
			ml_oracle_fail(o, "(e) va 0x%" PRIx64 ": a table is linked twice",
				       place->va);
	if (table->place_count == ML_ORACLE_SPACES)
		return;
	if (table->holes)
		memset(table->hole, 0, sizeof(table->hole));
	table->holes = 0;
	table->level = (uint8_t)level;
	table->places[table->place_count++] = *place;
}

static void unplace_table(struct tour *tour, struct oracle_table *table, unsigned space)
{
	for (unsigned i = 0; i < table->place_count; i++)
		if (table->places[i].space == space)
			table->places[i--] = table->places[--table->place_count];
	if (table->place_count || tour->kept)
		return;
	table->left = table->holes ? 0 : tour->o->now;
	empty_table(tour->o, table);
}

/* A walker may keep the link to this table, at any level. */
static void hold_route(struct ml_oracle *o, ml_pa pa, unsigned level,
		       const struct oracle_place *place)
{
	const struct model_isa *isa = ml_model_isa(model_of(o, place->space));
	const uint64_t bytes = MODEL_BIT(ml_model_shift(isa, level) + isa->index_bits);
	const struct oracle_route route = {
		.first = place->va,
		.last = place->va + (bytes - 1),
		.table = pa,
		.seen = o->rules->ordered ? o->now : ORACLE_VISIBLE,
		.level = (uint8_t)(level + 1),
		.space = place->space,
		.agents = (uint8_t)((1u << o->agent_count) - 1),
		.writer = o->cpu,
	};

	if (o->spaces[place->space].live)
		ml_oracle_hold_route(o, &route);
}

static void enter_table(struct tour *tour, ml_pa pa, unsigned level,
			const struct oracle_place *place)
{
	struct ml_oracle *o = tour->o;
	struct oracle_table *table = ml_oracle_table(o, pa);

	if (!table)
		table = ml_oracle_table_new(o, pa, true);
	if (tour->linked) {
		place_table(o, table, level, place);
	} else {
		hold_route(o, table->pa, level, place);
		unplace_table(tour, table, place->space);
	}
	tour->frames[tour->depth++] =
		(struct frame){ table->pa, *place, level, 0, { .first = 1, .last = 0 } };
}

/* The next entry of the table at hand. */
static void tour_entry(struct tour *tour, struct frame *frame)
{
	struct ml_oracle *o = tour->o;
	const unsigned space = frame->place.space, level = frame->level;
	const ml_va va = entry_va(o, &frame->place, level, frame->index);
	const uint64_t entry =
		ml_oracle_read(o, space, frame->pa + frame->index++ * sizeof(uint64_t));
	struct oracle_place below = frame->place;
	struct oracle_leaf leaf;

	if (!entry)
		return;
	if (ml_oracle_leaf_of(o, &frame->place, va, entry, level, &leaf)) {
		if (o->spaces[space].live)
			add_leaf(tour, frame, &leaf);
	} else if (ml_model_sort(model_of(o, space), entry, level) == MODEL_TABLE) {
		below.va = va;
		below.path.all &= entry;
		below.path.any |= entry;
		enter_table(tour, entry & ml_model_isa(model_of(o, space))->table_address,
			    level - 1, &below);
	}
}

static void tour_tables(struct tour *tour, ml_pa pa, unsigned level,
			const struct oracle_place *place)
{
	const unsigned entries = (unsigned)(tour->o->table_bytes / sizeof(uint64_t));

	enter_table(tour, pa, level, place);
	while (tour->depth && !tour->o->failed) {
		struct frame *frame = &tour->frames[tour->depth - 1];

		if (frame->index < entries) {
			tour_entry(tour, frame);
			continue;
		}
		end_run(tour, frame);
		tour->depth--;
	}
}

/* The table that `link`, an entry of this level and address, leads to is linked, or unlinked. */
static void tour_subtree(struct ml_oracle *o, const struct oracle_place *place, ml_va va,
			 uint64_t link, unsigned level, bool linked, bool kept)
{
	const struct model_isa *isa = ml_model_isa(model_of(o, place->space));
	struct tour tour = { .o = o, .linked = linked, .kept = kept };
	const struct oracle_place below = { va,
					    { place->path.all & link, place->path.any | link },
					    place->space };

	tour_tables(&tour, link & isa->table_address, level - 1, &below);
}

void ml_oracle_look(struct ml_oracle *o, unsigned space)
{
	const struct ml_model *model = model_of(o, space);
	const struct oracle_place place = { model->high ? ~(ml_va)0 << (12 + 9 * model->levels) : 0,
					    { ~(uint64_t)0, 0 },
					    (uint8_t)space };
	struct tour tour = { .o = o, .linked = true };

	tour_tables(&tour, model->root, model->levels - 1, &place);
}

void ml_oracle_unplace(struct ml_oracle *o, unsigned space)
{
	struct tour tour = { .o = o };

	for (size_t i = 0; i < o->tables.count; i++)
		unplace_table(&tour, &o->tables.items[i], space);
}

/* ---- one store --------------------------------------------------------------------- */

struct change {
	uint64_t old, new;
	unsigned level, index;
	ml_va va;
};

/* The members of the group around the entry, as they can be read now, against one of them. */
static void meet_members(struct ml_oracle *o, const struct oracle_place *place, ml_pa table,
			 const struct change *c, const struct oracle_leaf *made)
{
	const struct model_isa *isa = ml_model_isa(model_of(o, place->space));
	const unsigned members = 1u << isa->lg2_group;
	const unsigned first = c->index & ~(members - 1);

	for (unsigned i = first; i < first + members && members > 1; i++) {
		const uint64_t entry =
			ml_oracle_read(o, place->space, table + i * sizeof(uint64_t));
		const char *why = NULL;
		struct oracle_leaf member;

		if (i == c->index || (!made->group && !(entry & isa->group)) ||
		    !ml_oracle_leaf_of(o, place, entry_va(o, place, c->level, i), entry, c->level,
				       &member))
			continue;
		why = ml_oracle_clash(o, &member, made);
		if (!why && o->rules->group_breaks &&
		    (member.prot ^ made->prot) & (ML_USER | ML_EXEC | ML_PEXEC))
			why = "permissions";
		if (why)
			ml_oracle_fail(o, "(c) va 0x%" PRIx64 ": members of a group differ: %s",
				       c->va, why);
	}
}

/* What a walker could hold of the old entry, if the new one says otherwise. */
static void old_leaf(struct ml_oracle *o, const struct oracle_leaf *old,
		     const struct oracle_leaf *made)
{
	if (made && ml_oracle_same(old, made))
		return;
	ml_oracle_hold(o, old);
	touch(o, old->space, old->first, old->last);
}

/* A leaf is gone, or says nT: an access may fault. One that only is not accessed was asked for. */
static bool may_fault(const struct ml_oracle *o, const struct model_isa *isa,
		      const struct change *c, enum model_sort is)
{
	if (is == MODEL_LEAF)
		return o->rules->not_translated && c->level && c->new & isa->not_translated;
	return is != MODEL_TABLE;
}

/* RISC-V 4.2.1: that nothing was mapped may be held, too. */
static void old_hole(struct ml_oracle *o, const struct oracle_place *place, const struct change *c)
{
	struct oracle_leaf hole = {
		.first = c->va,
		.last = c->va + (MODEL_BIT(ml_model_shift(ml_model_isa(model_of(o, place->space)),
							  c->level)) -
				 1),
		.seen = ORACLE_VISIBLE,
		.under = ORACLE_NO_TABLE,
		.level = (uint8_t)c->level,
		.hole = true,
		.space = place->space,
		.agents = o->leaf_agents,
		.writer = o->cpu,
	};

	ml_oracle_hold(o, &hole);
	touch(o, place->space, hole.first, hole.last);
}

/* The store changes a subtree: what the old link led to is left, what the new leads to is met. */
static void change_tables(struct ml_oracle *o, const struct oracle_place *place,
			  const struct change *c, enum model_sort was, enum model_sort is)
{
	const struct model_isa *isa = ml_model_isa(model_of(o, place->space));
	const ml_va last = c->va + (MODEL_BIT(ml_model_shift(isa, c->level)) - 1);
	const ml_pa new_table = c->new & isa->table_address;
	const bool kept = was == is && new_table == (c->old & isa->table_address);

	if (was == MODEL_TABLE) {
		tour_subtree(o, place, c->va, c->old, c->level, false, kept);
		if (is == MODEL_INVALID && o->spaces[place->space].live)
			breaks(o, place->space, c->va, last);
	}
	if (is == MODEL_TABLE) {
		if (o->spaces[place->space].live)
			ml_oracle_meet_routes(o, place->space, c->va, last, c->level, new_table);
		tour_subtree(o, place, c->va, c->new, c->level, true, kept);
	}
	touch(o, place->space, c->va, last);
}

static void change_place(struct ml_oracle *o, const struct oracle_place *place, ml_pa table,
			 const struct change *c)
{
	const struct ml_model *model = model_of(o, place->space);
	const enum model_sort was = ml_model_sort(model, c->old, c->level);
	const enum model_sort is = ml_model_sort(model, c->new, c->level);
	struct oracle_leaf old, made;
	const bool had = ml_oracle_leaf_of(o, place, c->va, c->old, c->level, &old);
	const bool has = ml_oracle_leaf_of(o, place, c->va, c->new, c->level, &made);
	const bool live = o->spaces[place->space].live;

	if (had && live)
		old_leaf(o, &old, has ? &made : NULL);
	if (had && live && may_fault(o, ml_model_isa(model), c, is))
		breaks(o, old.space, old.first, old.last);
	if (was == MODEL_TABLE || is == MODEL_TABLE)
		change_tables(o, place, c, was, is);
	if (!live)
		return;
	if (was == MODEL_INVALID && is != MODEL_INVALID && o->rules->holds_holes)
		old_hole(o, place, c);
	if (!has)
		return;
	touch(o, place->space, made.first, made.last);
	if (was != MODEL_LEAF)
		ml_oracle_meet_routes(o, place->space, made.first, made.last, c->level,
				      ORACLE_NO_TABLE);
	if (!had || !ml_oracle_same(&old, &made)) {
		appears(o, &made);
		meet_members(o, place, table, c, &made);
	}
}

static void fill_hole(struct oracle_table *table, unsigned index)
{
	const uint64_t bit = MODEL_BIT(index % 64);

	if (!table->holes)
		return;
	if (index < ORACLE_HOLES && !(table->hole[index / 64] & bit))
		return;
	if (index < ORACLE_HOLES)
		table->hole[index / 64] &= ~bit;
	table->holes--;
}

/* A store to a table that is not linked: whether it is of matter to walkers that may be in it. */
static void fill_again(struct ml_oracle *o, ml_pa table, const struct change *c)
{
	const struct oracle_route *route = ml_oracle_route_to(o, table);
	const struct ml_model *model = route ? model_of(o, route->space) : NULL;

	if (route && (ml_model_sort(model, c->old, c->level) != MODEL_INVALID ||
		      ml_model_sort(model, c->new, c->level) != MODEL_INVALID))
		ml_oracle_fail(
			o, "(e) va 0x%" PRIx64 ": a table that walkers may be in is filled again",
			route->first);
}

void ml_oracle_stored(struct ml_oracle *o, const struct ml_event *event)
{
	struct oracle_table *table = ml_oracle_table(o, event->address);
	struct oracle_place places[ML_ORACLE_SPACES];
	struct change c = { le64toh(event->old), le64toh(event->value), 0, 0, 0 };
	unsigned count;
	ml_pa pa;

	if (!table)
		return;
	c.index = (unsigned)(event->address - table->pa) / sizeof(uint64_t);
	c.level = table->level;
	fill_hole(table, c.index);
	table->left = 0;
	table->stored = o->now;
	table->writer = o->cpu;
	count = table->place_count;
	pa = table->pa;
	memcpy(places, table->places, sizeof(places));
	if (!count)
		fill_again(o, pa, &c);
	for (unsigned i = 0; i < count; i++) {
		const bool live = o->spaces[places[i].space].live;

		c.va = entry_va(o, &places[i], c.level, c.index);
		if (event->kind == ML_EVENT_FILL && live)
			ml_oracle_fail(o, "(d) va 0x%" PRIx64 ": filled where walkers can see it",
				       c.va);
		if (live)
			ml_oracle_check_store(o, event, &places[i], c.va, c.level);
		if (live)
			o->stored[o->cpu] = o->now;
		change_place(o, &places[i], pa, &c);
	}
}
