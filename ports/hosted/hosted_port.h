/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The entry doors of the test build (ML_PORT_HEADER): each counts, and tells the trace if
 * this thread has one. Every door makes exactly one whole, atomic access either way.
 */
#ifndef HOSTED_PORT_H
#define HOSTED_PORT_H

#include <maxleaf/hosted.h>

/* Make the access as an exchange, so that the event holds the value truly replaced. */
ml_pte ml_trace_exchange(enum ml_event_kind kind, ml_pte *entry, ml_pte value);
void ml_trace_exchanged(ml_pte *entry, ml_pte value, ml_pte old);
void ml_trace_publish(void);
_Noreturn void ml_hosted_fail(const char *where, const char *what);
_Noreturn void ml_hosted_assert(const char *condition, const char *file, int line);

#define ML_DOOR static inline __attribute__((always_inline))
#define ML_DOOR_TRACED __builtin_expect(ml_doors.trace != NULL, 0)

ML_DOOR void ml_door_turn(const void *entry, bool writes)
{
	if (__builtin_expect(ml_doors.turn != NULL, 0))
		ml_doors.turn(entry, writes);
}

ML_DOOR ml_pte ml_door_load(const ml_pte *entry)
{
	ml_doors.loads++;
	ml_door_turn(entry, false);
	return __atomic_load_n(entry, __ATOMIC_RELAXED);
}

ML_DOOR void ml_door_put(enum ml_event_kind kind, ml_pte *entry, ml_pte value, int order)
{
	ml_door_turn(entry, true);
	if (ML_DOOR_TRACED)
		ml_trace_exchange(kind, entry, value);
	else
		__atomic_store_n(entry, value, order);
}

ML_DOOR void ml_door_store(ml_pte *entry, ml_pte value)
{
	ml_doors.stores++;
	ml_door_put(ML_EVENT_STORE, entry, value, __ATOMIC_RELAXED);
}

ML_DOOR void ml_door_fill(ml_pte *entry, ml_pte value)
{
	ml_doors.fills++;
	ml_door_put(ML_EVENT_FILL, entry, value, __ATOMIC_RELAXED);
}

ML_DOOR void ml_door_link(ml_pte *entry, ml_pte value)
{
	ml_doors.links++;
	ml_door_put(ML_EVENT_LINK, entry, value, __ATOMIC_RELEASE);
}

ML_DOOR ml_pte ml_door_exchange(ml_pte *entry, ml_pte value)
{
	ml_doors.exchanges++;
	ml_door_turn(entry, true);
	if (ML_DOOR_TRACED)
		return ml_trace_exchange(ML_EVENT_EXCHANGE, entry, value);
	return __atomic_exchange_n(entry, value, __ATOMIC_ACQ_REL);
}

ML_DOOR bool ml_door_compare_exchange(ml_pte *entry, ml_pte *old, ml_pte value)
{
	bool stored;

	ml_doors.exchanges++;
	ml_door_turn(entry, true);
	stored = __atomic_compare_exchange_n(entry, old, value, false, __ATOMIC_ACQ_REL,
					     __ATOMIC_RELAXED);
	if (stored && ML_DOOR_TRACED)
		ml_trace_exchanged(entry, value, *old);
	return stored;
}

ML_DOOR void ml_door_publish(void)
{
	ml_doors.publishes++;
	if (ML_DOOR_TRACED)
		ml_trace_publish();
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

#define ML_PORT_LOAD(p) ml_door_load(p)
#define ML_PORT_STORE(p, v) ml_door_store((p), (v))
#define ML_PORT_FILL(p, v) ml_door_fill((p), (v))
#define ML_PORT_LINK(p, v) ml_door_link((p), (v))
#define ML_PORT_EXCHANGE(p, v) ml_door_exchange((p), (v))
#define ML_PORT_COMPARE_EXCHANGE(p, old, v) ml_door_compare_exchange((p), (old), (v))
#define ML_PORT_PUBLISH() ml_door_publish()
#define ML_ASSERT(condition) \
	((condition) ? (void)0 : ml_hosted_assert(#condition, __FILE__, __LINE__))

#endif
