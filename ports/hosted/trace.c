/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The event trace behind the entry doors, and how the hosted port ends a program. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted_port.h"
#include "trace.h"

__thread struct ml_doors ml_doors;

void ml_hosted_fail(const char *where, const char *what)
{
	fprintf(stderr, "maxleaf: %s: %s\n", where, what);
	abort();
}

void ml_hosted_assert(const char *condition, const char *file, int line)
{
	fprintf(stderr, "maxleaf: %s:%d: assertion failed: %s\n", file, line, condition);
	abort();
}

void ml_trace_to(struct ml_trace *trace)
{
	ml_doors.trace = trace;
}

void ml_trace_clear(struct ml_trace *trace)
{
	free(trace->events);
	trace->events = NULL;
	trace->count = 0;
	trace->room = 0;
	memset(trace->kinds, 0, sizeof(trace->kinds));
}

static void trace_keep(struct ml_trace *trace, const struct ml_event *event)
{
	if (trace->count == trace->room) {
		size_t room = trace->room ? 2 * trace->room : 256;
		struct ml_event *events = realloc(trace->events, room * sizeof(*events));

		if (!events)
			ml_hosted_fail("trace", "no memory for events");
		trace->events = events;
		trace->room = room;
	}
	trace->events[trace->count++] = *event;
}

void ml_trace_event(const struct ml_event *event)
{
	struct ml_trace *trace = ml_doors.trace;

	if (!trace)
		return;
	trace->kinds[event->kind]++;
	if (!trace->forget)
		trace_keep(trace, event);
	if (trace->watch)
		trace->watch(trace->cookie, event);
}

static void trace_entry(enum ml_event_kind kind, ml_pte *entry, ml_pte value, ml_pte old)
{
	const struct ml_arena *arena = ml_doors.trace->arena;
	struct ml_event event = {
		.kind = kind,
		.pointer = entry,
		.address = arena ? ml_arena_address(arena, entry) : 0,
		.value = value,
		.old = old,
	};

	ml_trace_event(&event);
}

ml_pte ml_trace_exchange(enum ml_event_kind kind, ml_pte *entry, ml_pte value)
{
	ml_pte old = __atomic_exchange_n(entry, value, __ATOMIC_ACQ_REL);

	trace_entry(kind, entry, value, old);
	return old;
}

void ml_trace_exchanged(ml_pte *entry, ml_pte value, ml_pte old)
{
	trace_entry(ML_EVENT_EXCHANGE, entry, value, old);
}

void ml_trace_publish(void)
{
	struct ml_event event = { .kind = ML_EVENT_PUBLISH };

	ml_trace_event(&event);
}

const char *ml_event_name(enum ml_event_kind kind)
{
	static const char *const names[ML_EVENT_KINDS] = {
		"store",      "fill",     "link",  "exchange", "publish",
		"invalidate", "complete", "alloc", "free",
	};

	return (unsigned)kind < ML_EVENT_KINDS ? names[kind] : "?";
}
