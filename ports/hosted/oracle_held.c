/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What may be held, what contradicts it, and what an invalidation takes away. */
#include <inttypes.h>
#include <string.h>

#include "oracle.h"

#define NEAR 8 /* records looked at for one to join */

static uint64_t leaf_bytes(const struct ml_oracle *o, unsigned space, unsigned level)
{
	return MODEL_BIT(ml_model_shift(ml_model_isa(&o->spaces[space].model), level));
}

bool ml_oracle_same(const struct oracle_leaf *a, const struct oracle_leaf *b)
{
	return a->level == b->level && a->group == b->group && a->hole == b->hole &&
	       a->pa - a->first == b->pa - b->first &&
	       ((a->prot ^ b->prot) & ~(ml_prot)ML_ACCESSED) == 0;
}

static bool same_holder(const struct oracle_leaf *a, const struct oracle_leaf *b)
{
	return a->space == b->space && a->agents == b->agents && a->under == b->under &&
	       a->seen == b->seen && a->writer == b->writer;
}

/* Whether next goes on where the run ends. */
bool ml_oracle_follows(const struct oracle_leaf *run, const struct oracle_leaf *next)
{
	return run->last + 1 == next->first && ml_oracle_same(run, next) && same_holder(run, next);
}

void ml_oracle_hold(struct ml_oracle *o, const struct oracle_leaf *leaf)
{
	size_t i = o->leaves.count;

	for (unsigned n = 0; n < NEAR && i-- > 0; n++) {
		struct oracle_leaf *held = &o->leaves.items[i];

		if (!ml_oracle_same(held, leaf) || !same_holder(held, leaf))
			continue;
		if (leaf->first >= held->first && leaf->last <= held->last)
			return;
		if (held->last + 1 == leaf->first) {
			held->last = leaf->last;
			return;
		}
	}
	*oracle_add(&o->leaves) = *leaf;
}

void ml_oracle_hold_route(struct ml_oracle *o, const struct oracle_route *route)
{
	*oracle_add(&o->routes) = *route;
}

const struct oracle_route *ml_oracle_route_to(const struct ml_oracle *o, ml_pa table)
{
	for (size_t i = 0; i < o->routes.count; i++)
		if (o->routes.items[i].table == table)
			return &o->routes.items[i];
	return NULL;
}

bool ml_oracle_holds(const struct ml_oracle *o, ml_pa pa, uint64_t length)
{
	for (size_t i = 0; i < o->leaves.count; i++) {
		const struct oracle_leaf *held = &o->leaves.items[i];

		if (!held->hole && held->pa <= pa + (length - 1) &&
		    pa <= held->pa + (held->last - held->first))
			return true;
	}
	return false;
}

/* ---- contradictions ---------------------------------------------------------------- */

static bool types_clash(ml_prot a, ml_prot b)
{
	const ml_prot wb = ML_WB, tagged = ML_TAGGED;

	a &= ML_TYPE_MASK;
	b &= ML_TYPE_MASK;
	if ((a == wb && b == tagged) || (a == tagged && b == wb))
		return false; /* Arm: tagged or not, it is write-back */
	return a != b;
}

/* What is wrong with holding both; NULL: nothing. They overlap. */
const char *ml_oracle_clash(const struct ml_oracle *o, const struct oracle_leaf *held,
			    const struct oracle_leaf *made)
{
	const struct oracle_rules *rules = o->rules;

	if (held->pa - held->first != made->pa - made->first)
		return "frames";
	if (rules->type_breaks && types_clash(held->prot, made->prot))
		return "memory types";
	if (held->level != made->level) {
		if (rules->size_breaks)
			return "sizes";
		if (types_clash(held->prot, made->prot))
			return "sizes and memory types";
	}
	if (held->group != made->group && rules->group_breaks)
		return "a group and its members alone";
	if (rules->global_breaks && made->prot & ~held->prot & ML_GLOBAL)
		return "global and not";
	return NULL;
}

static bool overlap(ml_va first, ml_va last, ml_va other_first, ml_va other_last)
{
	return first <= other_last && other_first <= last;
}

/* Whether one address space can meet what another's tables left behind. */
static bool meets(const struct oracle_leaf *held, const struct oracle_leaf *made)
{
	return held->space == made->space || (held->prot | made->prot) & ML_GLOBAL;
}

static void name_clash(struct ml_oracle *o, const struct oracle_leaf *held,
		       const struct oracle_leaf *made, const char *why)
{
	const ml_va va = held->first > made->first ? held->first : made->first;

	ml_oracle_fail(
		o,
		"(b) va 0x%" PRIx64 ": 0x%" PRIx64 " of level %u%s may be held while 0x%" PRIx64
		" of level %u%s is made: different %s",
		va, held->pa + (va - held->first), held->level, held->group ? ", group" : "",
		made->pa + (va - made->first), made->level, made->group ? ", group" : "", why);
}

void ml_oracle_meet(struct ml_oracle *o, const struct oracle_leaf *made)
{
	for (size_t i = 0; i < o->leaves.count; i++) {
		const struct oracle_leaf *held = &o->leaves.items[i];
		const char *why;

		if (held->hole || !overlap(held->first, held->last, made->first, made->last) ||
		    !meets(held, made))
			continue;
		why = ml_oracle_clash(o, held, made);
		if (why)
			name_clash(o, held, made, why);
	}
}

void ml_oracle_meet_routes(struct ml_oracle *o, unsigned space, ml_va first, ml_va last,
			   unsigned level, ml_pa table)
{
	if (!o->rules->table_breaks)
		return;
	for (size_t i = 0; i < o->routes.count; i++) {
		const struct oracle_route *held = &o->routes.items[i];

		if (held->space != space || !overlap(held->first, held->last, first, last))
			continue;
		if (held->table == table)
			continue;
		/* A table in a table's place; or a leaf over one, where sizes must be broken. */
		if (table != ORACLE_NO_TABLE ? held->level == level
					     : o->rules->size_breaks && held->level <= level)
			ml_oracle_fail(o,
				       "(b) va 0x%" PRIx64
				       ": a link to another table may be held in a walk cache",
				       first);
	}
}

/* ---- barriers and invalidations ---------------------------------------------------- */

void ml_oracle_published(struct ml_oracle *o)
{
	o->published[o->cpu] = o->now;
	for (size_t i = 0; i < o->leaves.count; i++)
		if (o->leaves.items[i].seen == ORACLE_VISIBLE &&
		    o->leaves.items[i].writer == o->cpu)
			o->leaves.items[i].seen = o->now;
	for (size_t i = 0; i < o->routes.count; i++)
		if (o->routes.items[i].seen == ORACLE_VISIBLE &&
		    o->routes.items[i].writer == o->cpu)
			o->routes.items[i].seen = o->now;
}

static ml_va last_of(const struct ml_invalidation *what)
{
	return what->length ? what->va + what->length - 1 : ~(ml_va)0;
}

static uint8_t reached(const struct ml_oracle *o, const struct ml_oracle_invalidation *i)
{
	return i->agents == ML_ORACLE_EVERYWHERE ? o->broadcast : i->agents;
}

/* A link that some agent among `agents` may hold keeps what it leads to readable. */
static bool still_led_to(const struct ml_oracle *o, ml_pa table, unsigned agents)
{
	for (size_t i = 0; table != ORACLE_NO_TABLE && i < o->routes.count; i++)
		if (o->routes.items[i].table == table && o->routes.items[i].agents & agents)
			return true;
	return false;
}

static bool removes_leaf(const struct ml_oracle *o, const struct oracle_pending *p,
			 const struct oracle_leaf *held)
{
	const struct ml_invalidation *what = &p->what.what;
	const uint64_t bytes = leaf_bytes(o, held->space, held->level);
	const uint64_t stride = MODEL_BIT(what->stride_shift & 63);

	if (held->seen >= p->at || !(held->agents & reached(o, &p->what)))
		return false;
	if (p->what.space != ML_ORACLE_EVERYWHERE && p->what.space != held->space &&
	    !(held->prot & ML_GLOBAL))
		return false;
	if (!overlap(what->va, last_of(what), held->first, held->last))
		return false;
	if (what->leaves_only && still_led_to(o, held->under, held->agents))
		return false;
	if (!what->length)
		return true;
	if (what->level != 0xff && what->level != held->level)
		return false;
	if (p->what.instruction && o->rules->exact_size && stride != bytes)
		return false;
	return stride <= bytes;
}

/* Take away what an invalidation removes of one record; what stays is added. */
static void cut_leaf(struct ml_oracle *o, const struct oracle_pending *p, size_t index)
{
	const struct oracle_leaf was = o->leaves.items[index];
	const uint64_t mask = leaf_bytes(o, was.space, was.level) - 1;
	ml_va first = p->what.what.va & ~mask, last = last_of(&p->what.what) | mask;
	struct oracle_leaf rest = was;

	first = first > was.first ? first : was.first;
	last = last < was.last ? last : was.last;
	o->leaves.items[index].agents = 0;
	if (was.first < first) {
		rest.last = first - 1;
		*oracle_add(&o->leaves) = rest;
	}
	if (was.last > last) {
		rest = was;
		rest.first = last + 1;
		rest.pa += rest.first - was.first;
		*oracle_add(&o->leaves) = rest;
	}
	rest = was;
	rest.agents &= (uint8_t)~reached(o, &p->what);
	rest.first = first;
	rest.last = last;
	rest.pa = was.pa + (first - was.first);
	if (rest.agents)
		*oracle_add(&o->leaves) = rest;
}

static bool removes_route(const struct ml_oracle *o, const struct oracle_pending *p,
			  const struct oracle_route *held)
{
	const struct ml_invalidation *what = &p->what.what;

	if (held->seen >= p->at || what->leaves_only ||
	    (p->what.space != ML_ORACLE_EVERYWHERE && p->what.space != held->space) ||
	    !overlap(what->va, last_of(what), held->first, held->last))
		return false;
	if (!what->length)
		return true;
	if (what->level != 0xff || (p->what.instruction && !o->rules->address_tables))
		return false;
	return MODEL_BIT(what->stride_shift & 63) <= leaf_bytes(o, held->space, held->level);
}

static void apply(struct ml_oracle *o, const struct oracle_pending *p)
{
	const size_t count = o->leaves.count;
	size_t kept = 0;

	for (size_t i = 0; i < o->routes.count; i++) {
		struct oracle_route *held = &o->routes.items[i];

		if (removes_route(o, p, held))
			held->agents &= (uint8_t)~reached(o, &p->what);
		if (held->agents)
			o->routes.items[kept++] = *held;
	}
	o->routes.count = kept;
	for (size_t i = 0; i < count; i++)
		if (removes_leaf(o, p, &o->leaves.items[i]))
			cut_leaf(o, p, i);
	kept = 0;
	for (size_t i = 0; i < o->leaves.count; i++)
		if (o->leaves.items[i].agents)
			o->leaves.items[kept++] = o->leaves.items[i];
	o->leaves.count = kept;
}

/* The completion of one CPU: of its own invalidations, no other's. */
void ml_oracle_complete(struct ml_oracle *o)
{
	size_t kept = 0;

	ml_oracle_published(o);
	for (size_t i = 0; i < o->pending.count; i++) {
		const struct oracle_pending p = o->pending.items[i];

		if (p.cpu == o->cpu)
			apply(o, &p);
		else
			o->pending.items[kept++] = p;
	}
	o->pending.count = kept;
}

void ml_oracle_drop_space(struct ml_oracle *o, unsigned space)
{
	size_t kept = 0;

	for (size_t i = 0; i < o->leaves.count; i++)
		if (o->leaves.items[i].space != space)
			o->leaves.items[kept++] = o->leaves.items[i];
	o->leaves.count = kept;
	kept = 0;
	for (size_t i = 0; i < o->routes.count; i++)
		if (o->routes.items[i].space != space)
			o->routes.items[kept++] = o->routes.items[i];
	o->routes.count = kept;
}
