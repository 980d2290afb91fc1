/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * maxleaf trace: one operation after another on a table in an arena, and everything that is heard
 * meanwhile, in its true order.
 *
 * Stores are heard by the hosted port's doors. They are compiled in: the tool has one file of the
 * core twice, the algorithms that read the format at run time, the second time with those doors
 * and under the name below. The library that the tool and its measurements use stays as it is.
 */
#include <stdlib.h>
#include <string.h>

#include "trace.h"

extern const struct ml_table_ops ml_table_ops_heard;

#define TABLES_BYTES ((size_t)4 << 20)
#define TABLES_PA 0x10000000u
#define TOY_TABLES_BYTES 0x10000u /* it has 20 address bits */
#define TOY_TABLES_PA 0xf0000u

/* --- listening ------------------------------------------------------------------------------ */

static struct trace_event *next_event(struct tracer *t)
{
	struct trace_event *events = t->events;

	if (t->count == t->room) {
		const size_t room = t->room ? 2 * t->room : 256;

		events = realloc(events, room * sizeof(*events));
		if (!events) {
			t->lost = true;
			return NULL;
		}
		t->events = events;
		t->room = room;
	}
	events += t->count++;
	memset(events, 0, sizeof(*events));
	return events;
}

/* An entry as a number, from how it lies in memory. */
static ml_pte cpu_order(const struct ml_format *format, uint64_t memory)
{
	return format->big_endian == (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		       ? memory
		       : __builtin_bswap64(memory);
}

static void hear(void *cookie, const struct ml_event *heard)
{
	struct tracer *t = cookie;
	struct trace_event *event = next_event(t);

	if (!event)
		return;
	event->kind = heard->kind;
	event->address = heard->address;
	event->value = heard->value;
	event->old = heard->old;
	event->what = heard->what;
	if (trace_is_entry(event)) {
		event->value = cpu_order(t->table.format, heard->value);
		event->old = cpu_order(t->table.format, heard->old);
	}
}

static void released(void *cookie, const struct ml_run *run)
{
	struct trace_event *event = next_event(cookie);

	if (!event)
		return;
	event->kind = TRACE_RELEASE;
	event->run = *run;
}

/* --- the table ------------------------------------------------------------------------------ */

static void allocate(struct tracer *t, size_t bytes, ml_pa pa)
{
	const size_t table_bytes = ml_format_table_bytes(t->request->format, 0);

	t->places = calloc(bytes / table_bytes, sizeof(*t->places));
	t->marks = calloc(bytes / sizeof(ml_pte), 1);
	if (!t->places || !t->marks || ml_arena_init(&t->arena, pa, bytes) != ML_OK)
		cli_die("trace", "no memory");
}

void trace_open(struct tracer *t, const struct trace_request *request, bool high)
{
	const bool toy = request->format->encoding == ML_ENCODING_TOY;
	struct ml_table_config config = {
		.platform = &t->arena.platform,
		.cookie = &t->arena,
		.rungs = request->rungs,
		.levels = (uint8_t)request->levels,
		.fold = (uint8_t)request->fold,
		.high = high && !request->format->sign_extended,
		.live = true,
		.guaranteed = request->guaranteed,
		.track_ad = request->track_ad,
		.hardware_ad = request->hardware_ad,
		.each_member = request->each_member,
		.bbm = (uint8_t)request->bbm,
		.errata = (uint8_t)request->errata,
		.ops = &ml_table_ops_heard,
	};
	const unsigned top = request->levels - 1;
	int error;

	*t = (struct tracer){ .request = request };
	allocate(t, toy ? TOY_TABLES_BYTES : TABLES_BYTES, toy ? TOY_TABLES_PA : TABLES_PA);
	config.base = ml_arena_base(&t->arena);
	error = ml_table_init(&t->table, request->format, &config);
	if (error)
		cli_die("trace", "%s", ml_error_text(error));
	trace_policy_declare(t);
	if (config.high)
		t->origin = 0 - (UINT64_C(1) << (request->format->level_shift[top] +
						 request->format->index_bits[top]));
	t->trace =
		(struct ml_trace){ .arena = &t->arena, .watch = hear, .cookie = t, .forget = true };
}

void trace_close(struct tracer *t)
{
	ml_table_set_live(&t->table, false);
	ml_table_fini(&t->table, NULL);
	ml_arena_fini(&t->arena);
	free(t->places);
	free(t->marks);
	free(t->events);
}

/* --- touch ---------------------------------------------------------------------------------- */

static enum ml_model_kind model_kind(const struct ml_format *format)
{
	switch (format->encoding) {
	case ML_ENCODING_X86_64:
		return ML_MODEL_X86_64;
	case ML_ENCODING_ARM64:
		return ML_MODEL_ARM64_4K;
	default:
		return ML_MODEL_TOY;
	}
}

/* The MMU marks the leaf that it walked to. */
static void mark(struct tracer *t, const struct ml_model_result *walk)
{
	const struct ml_format *format = t->table.format;
	ml_pte *entry = ml_arena_pointer(&t->arena, walk->entry_pa, sizeof(*entry));
	struct trace_event *event = next_event(t);
	struct ml_entry decoded;
	ml_pte marked;
	ml_prot prot;
	int error;

	if (!entry || !event)
		return;
	event->kind = TRACE_MARK;
	event->address = walk->entry_pa;
	event->old = cpu_order(format, *entry);
	error = ml_format_decode(format, &t->table.types, event->old, walk->level, &decoded);
	prot = decoded.prot | ML_ACCESSED | (walk->sets_dirty ? ML_DIRTY : 0);
	if (!error)
		error = ml_format_encode(format, &t->table.types, decoded.pa, prot, walk->level,
					 decoded.group, &marked);
	if (error)
		cli_die("trace", "an entry that cannot be marked: %s", ml_error_text(error));
	event->value = marked | decoded.residue;
	*entry = cpu_order(format, event->value);
}

static void touch(struct tracer *t, const struct trace_operation *operation,
		  struct trace_outcome *outcome)
{
	const struct ml_model model = {
		.kind = model_kind(t->table.format),
		.levels = t->request->levels,
		.root = ml_table_root(&t->table),
		.types = t->table.format->types_default,
		.high = t->origin != 0,
		.hardware_accessed = t->request->hardware_ad,
		.hardware_dirty = t->request->hardware_ad,
		.read = ml_arena_read,
		.cookie = &t->arena,
	};
	struct ml_model_result walk;

	outcome->fault =
		ml_model_walk(&model, operation->va, operation->access, operation->user, &walk);
	outcome->pa = walk.pa;
	if (walk.sets_accessed || walk.sets_dirty)
		mark(t, &walk);
}

/* --- an operation --------------------------------------------------------------------------- */

static int change(struct tracer *t, const struct trace_operation *o)
{
	struct ml_op op = { .sink = released, .sink_cookie = t };

	switch (o->verb) {
	case TRACE_MAP:
	case TRACE_REPLACE:
		op.flags = o->verb == TRACE_REPLACE ? ML_OP_REPLACE : 0;
		return ml_map(&t->table, o->va, o->bytes, o->pa, o->prot, &op);
	case TRACE_UNMAP:
		return ml_unmap(&t->table, o->va, o->bytes, &op);
	case TRACE_PROTECT:
		return ml_protect(&t->table, o->va, o->bytes, o->mask, o->prot, &op);
	case TRACE_SPLIT:
		return ml_split(&t->table, o->va, o->bytes, o->rung, &op);
	case TRACE_FOLD:
		return ml_fold(&t->table, o->va, o->bytes, o->rung, &op);
	default:
		ml_table_set_live(&t->table, o->live);
		return ML_OK;
	}
}

struct trace_outcome trace_run(struct tracer *t, const struct trace_operation *operation)
{
	struct trace_outcome outcome = { .error = ML_OK };
	struct ml_fault fault = { .what = "" };

	t->count = 0;
	memset(t->trace.kinds, 0, sizeof(t->trace.kinds));
	if (operation->verb == TRACE_TOUCH) {
		touch(t, operation, &outcome);
	} else {
		ml_trace_to(&t->trace);
		outcome.error = change(t, operation);
		ml_trace_to(NULL);
	}
	if (t->lost)
		cli_die("trace", "no memory for events");
	if (ml_table_check(&t->table, &fault) != ML_OK)
		cli_die("trace", "'%s' left a wrong table: %s", operation->text, fault.what);
	trace_sort(t);
	return outcome;
}
