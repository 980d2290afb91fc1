/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * How long what a live change breaks stays broken, in stores. The doors are compiled in, so this
 * run is one of a copy of the core that has them, and nobody measures its time.
 */
#include <stdlib.h>

#include <maxleaf/hosted.h>

#include "bench.h"

extern const struct ml_table_ops ml_table_ops_heard;

struct breaks {
	const char *memory;  /* of the tables */
	uint32_t *broken_at; /* of each entry in it, the store that broke it; 0: none */
	uint32_t stores;     /* so far */
	uint64_t longest;
};

static bool is_store(enum ml_event_kind kind)
{
	return kind == ML_EVENT_STORE || kind == ML_EVENT_EXCHANGE || kind == ML_EVENT_LINK;
}

/* Bit 0 of an entry says whether walkers use it, in both formats. */
static void hear(void *cookie, const struct ml_event *event)
{
	struct breaks *breaks = cookie;
	uint32_t *broken_at;

	if (!is_store(event->kind))
		return;
	broken_at = breaks->broken_at +
		    (size_t)((const char *)event->pointer - breaks->memory) / sizeof(ml_pte);
	breaks->stores++;
	if (event->old & 1 && !(event->value & 1)) {
		*broken_at = breaks->stores;
	} else if (event->value & 1 && *broken_at) {
		const uint64_t between = breaks->stores - *broken_at - 1;

		if (breaks->longest == NO_BREAK || between > breaks->longest)
			breaks->longest = between;
		*broken_at = 0;
	}
}

static void run_heard(struct bench *bench, struct breaks *breaks)
{
	const struct bench_side *side = bench->work->library;
	struct ml_trace trace = { .watch = hear, .cookie = breaks, .forget = true };

	if (side->before)
		side->before(bench);
	ml_trace_to(&trace);
	side->run(bench);
	ml_trace_to(NULL);
	if (side->after)
		side->after(bench);
}

int breaks_measure(const struct workload *work, const struct ml_format *format, struct arena *arena,
		   uint64_t *stores)
{
	static struct bench bench;
	struct breaks breaks = { .memory = arena->memory, .longest = NO_BREAK };
	int error;

	breaks.broken_at = calloc(arena->count * (PAGE / sizeof(ml_pte)), sizeof(uint32_t));
	if (breaks.broken_at == NULL)
		return ML_ERR_NO_MEMORY;
	error = bench_init(&bench, work, format, arena, &ml_table_ops_heard);
	if (error == 0) {
		run_heard(&bench, &breaks);
		error = bench.error;
		bench_fini(&bench);
	}
	free(breaks.broken_at);
	*stores = breaks.longest;
	return error;
}
