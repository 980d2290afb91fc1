/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The adversarial TLB: its rules, its making and copying, and what it does with each event. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted_port.h"
#include "oracle.h"

/*
 * Arm ARM D8.16 (BBM), D8.17 (TLB maintenance). Intel SDM 4.10. RISC-V privileged manual 4.2.1:
 * two answers at once are not an error by themselves. Power ISA book III 6.10: an instruction by
 * address reaches one page size and no walk cache.
 */
static const struct oracle_rules rules_of[ML_ORACLE_RULES] = {
	[ML_ORACLE_ARM64_BBM0] = { .name = "arm64, BBM 0",
				   .size_breaks = true,
				   .group_breaks = true,
				   .type_breaks = true,
				   .global_breaks = true,
				   .table_breaks = true,
				   .address_tables = true },
	[ML_ORACLE_ARM64_BBM1] = { .name = "arm64, BBM 1",
				   .size_breaks = true,
				   .group_breaks = true,
				   .type_breaks = true,
				   .global_breaks = true,
				   .table_breaks = true,
				   .not_translated = true,
				   .address_tables = true },
	[ML_ORACLE_ARM64_BBM2] = { .name = "arm64, BBM 2",
				   .type_breaks = true,
				   .global_breaks = true,
				   .table_breaks = true,
				   .address_tables = true },
	[ML_ORACLE_X86_STRICT] = { .name = "x86-64, strict",
				   .size_breaks = true,
				   .type_breaks = true,
				   .global_breaks = true,
				   .table_breaks = true,
				   .ordered = true,
				   .fault_drops = true,
				   .address_tables = true },
	[ML_ORACLE_X86] = { .name = "x86-64",
			    .size_breaks = true,
			    .table_breaks = true,
			    .ordered = true,
			    .fault_drops = true,
			    .address_tables = true },
	[ML_ORACLE_X86_LENIENT] = { .name = "x86-64, lenient",
				    .ordered = true,
				    .fault_drops = true,
				    .address_tables = true },
	[ML_ORACLE_RISCV] = { .name = "riscv", .type_breaks = true, .holds_holes = true },
	[ML_ORACLE_POWER] = { .name = "power",
			      .size_breaks = true,
			      .group_breaks = true,
			      .type_breaks = true,
			      .table_breaks = true,
			      .exact_size = true },
};

const char *ml_oracle_rules_name(enum ml_oracle_rules rules)
{
	return (unsigned)rules < ML_ORACLE_RULES ? rules_of[rules].name : "?";
}

void *ml_oracle_grow(void *items, size_t *room, size_t count, size_t bytes)
{
	if (count < *room)
		return items;
	*room = *room ? 2 * *room : 16;
	items = realloc(items, *room * bytes);
	if (!items)
		ml_hosted_fail("oracle", "no memory");
	return items;
}

void ml_oracle_fail(struct ml_oracle *o, const char *format, ...)
{
	va_list arguments;

	if (o->failed)
		return;
	o->failed = true;
	va_start(arguments, format);
	vsnprintf(o->message, sizeof(o->message), format, arguments);
	va_end(arguments);
}

const char *ml_oracle_fault(const struct ml_oracle *o)
{
	return o->failed ? o->message : NULL;
}

/* ---- making, copying --------------------------------------------------------------- */

static void forget_operation(struct ml_oracle *o)
{
	o->touched = (struct oracle_range){ ~(ml_va)0, 0 };
	o->appeared.count = 0;
	o->broken.count = 0;
	o->marks.count = 0;
}

struct ml_oracle *ml_oracle_new(enum ml_oracle_rules rules, const enum ml_oracle_agent *agents)
{
	struct ml_oracle *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->rules = &rules_of[rules];
	for (; agents && o->agent_count < ML_ORACLE_AGENTS && *agents; agents++, o->agent_count++) {
		const uint8_t bit = (uint8_t)(1u << o->agent_count);

		o->leaf_agents |= *agents != ML_ORACLE_LAZY ? bit : 0;
		o->broadcast |= *agents != ML_ORACLE_DEAF ? bit : 0;
		o->literal |= *agents == ML_ORACLE_WALKER || *agents == ML_ORACLE_DEAF ? bit : 0;
	}
	forget_operation(o);
	return o;
}

void ml_oracle_free(struct ml_oracle *o)
{
	if (!o)
		return;
	free(o->buckets);
	free(o->tables.items);
	free(o->leaves.items);
	free(o->routes.items);
	free(o->pending.items);
	free(o->appeared.items);
	free(o->broken.items);
	free(o->marks.items);
	free(o);
}

/* A copy of an array in memory that was there. */
static void *copy_items(void *to, size_t *room, const void *from, size_t count, size_t bytes)
{
	while (*room < count)
		to = ml_oracle_grow(to, room, *room, bytes);
	if (count)
		memcpy(to, from, count * bytes);
	return to;
}

#define COPY_LIST(list)                                                                       \
	do {                                                                                  \
		to->list.items = copy_items(was.list.items, &was.list.room, from->list.items, \
					    from->list.count, sizeof(*to->list.items));       \
		to->list.room = was.list.room;                                                \
	} while (0)

void ml_oracle_copy(struct ml_oracle *to, const struct ml_oracle *from)
{
	struct ml_oracle was = *to;

	*to = *from;
	while (was.bucket_count < from->bucket_count)
		was.buckets = ml_oracle_grow(was.buckets, &was.bucket_count, was.bucket_count,
					     sizeof(was.buckets[0]));
	to->buckets = was.buckets;
	if (from->bucket_count)
		memcpy(to->buckets, from->buckets, from->bucket_count * sizeof(to->buckets[0]));
	COPY_LIST(tables);
	COPY_LIST(leaves);
	COPY_LIST(routes);
	COPY_LIST(pending);
	COPY_LIST(appeared);
	COPY_LIST(broken);
	COPY_LIST(marks);
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0xff51afd7ed558ccd;
	return hash ^ hash >> 32;
}

uint64_t ml_oracle_hash(const struct ml_oracle *o)
{
	uint64_t hash = 0;

	for (size_t i = 0; i < o->leaves.count; i++) {
		const struct oracle_leaf *held = &o->leaves.items[i];
		const uint64_t small = held->level | (uint64_t)held->group << 8 |
				       (uint64_t)held->hole << 9 | (uint64_t)held->space << 16 |
				       (uint64_t)held->agents << 24;

		hash += mix(mix(mix(mix(small, held->first), held->last), held->pa), held->prot);
	}
	for (size_t i = 0; i < o->routes.count; i++) {
		const struct oracle_route *held = &o->routes.items[i];

		hash += mix(mix(held->level | (uint64_t)held->space << 16 |
					(uint64_t)held->agents << 24,
				held->first),
			    ~held->last);
	}
	return hash;
}

/* ---- what the test tells ------------------------------------------------------------ */

static size_t table_bytes(const struct ml_model *model)
{
	return sizeof(uint64_t) << ml_model_isa(model)->index_bits;
}

void ml_oracle_enter(struct ml_oracle *o, unsigned space, const struct ml_model *model, bool live)
{
	if (space >= ML_ORACLE_SPACES || (o->table_bytes && o->table_bytes != table_bytes(model)))
		ml_hosted_fail("oracle", "no such space, or another kind of tables");
	o->table_bytes = table_bytes(model);
	o->spaces[space] = (struct oracle_space){ *model, true, false };
	ml_oracle_look(o, space);
	o->spaces[space].live = live;
}

void ml_oracle_leave(struct ml_oracle *o, unsigned space)
{
	ml_oracle_drop_space(o, space);
	ml_oracle_unplace(o, space);
	o->spaces[space].used = false;
	o->spaces[space].live = false;
}

void ml_oracle_live(struct ml_oracle *o, unsigned space, bool live)
{
	o->spaces[space].live = live;
	if (!live)
		ml_oracle_drop_space(o, space);
}

void ml_oracle_issuer(struct ml_oracle *o, unsigned cpu, unsigned space)
{
	o->cpu = (uint8_t)cpu;
	o->space = (uint8_t)space;
}

void ml_oracle_act_with(struct ml_oracle *o, const struct ml_oracle_actor *actor)
{
	o->actor = *actor;
}

void ml_oracle_begin(struct ml_oracle *o, unsigned cpu, unsigned space, ml_prot may_lose)
{
	ml_oracle_issuer(o, cpu, space);
	forget_operation(o);
	o->may_lose = may_lose;
	o->began = o->now;
	o->operating = true;
}

bool ml_oracle_end(struct ml_oracle *o, ml_oracle_promise *promise, const void *before,
		   const void *after)
{
	if (!o->failed && o->spaces[o->space].live)
		ml_oracle_judge(o, promise, before, after);
	forget_operation(o);
	o->operating = false;
	return !o->failed;
}

void ml_oracle_invalidate(struct ml_oracle *o, const struct ml_oracle_invalidation *what)
{
	o->now++;
	*oracle_add(&o->pending) = (struct oracle_pending){ *what, o->now, o->cpu };
}

/* ---- events ------------------------------------------------------------------------ */

static void on_alloc(struct ml_oracle *o, const struct ml_event *event)
{
	if (o->table_bytes && event->value != o->table_bytes)
		return;
	if (!ml_oracle_table(o, event->address))
		ml_oracle_table_new(o, event->address, false);
}

static void on_free(struct ml_oracle *o, const struct ml_event *event)
{
	struct oracle_table *table = ml_oracle_table(o, event->address);
	const struct oracle_route *route;

	if (!table)
		return;
	if (table->place_count)
		ml_oracle_fail(o, "(e) va 0x%" PRIx64 ": a table is freed that is linked",
			       table->places[0].va);
	route = ml_oracle_route_to(o, table->pa);
	if (route)
		ml_oracle_fail(o,
			       "(e) va 0x%" PRIx64
			       ": a table is freed that agents 0x%x may hold in walk caches",
			       route->first, route->agents);
	ml_oracle_table_forget(o, table);
}

void ml_oracle_event(void *oracle, const struct ml_event *event)
{
	struct ml_oracle *o = oracle;
	const struct ml_oracle_invalidation broadcast = { event->what, ML_ORACLE_EVERYWHERE,
							  o->space, false };

	if (o->failed)
		return;
	ml_oracle_act(o);
	o->now++;
	switch (event->kind) {
	case ML_EVENT_STORE:
	case ML_EVENT_FILL:
	case ML_EVENT_LINK:
	case ML_EVENT_EXCHANGE:
		ml_oracle_stored(o, event);
		break;
	case ML_EVENT_PUBLISH:
		ml_oracle_published(o);
		break;
	case ML_EVENT_INVALIDATE:
		ml_oracle_invalidate(o, &broadcast);
		break;
	case ML_EVENT_COMPLETE:
		ml_oracle_complete(o);
		break;
	case ML_EVENT_ALLOC:
		on_alloc(o, event);
		break;
	case ML_EVENT_FREE:
		on_free(o, event);
		break;
	default:
		break;
	}
}
