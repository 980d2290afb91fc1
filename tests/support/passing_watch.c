/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* One oracle for all runs: it goes back to where the table was put up. */
#include <stdlib.h>
#include <string.h>

#include "explore.h"
#include "passing_watch.h"
#include "toy_page.h"

#define TABLE_BYTES 32
#define PAGE ((uint64_t)0x1000)
#define PAGES 16

static struct {
	struct ml_oracle *oracle, *start;
	struct ml_trace trace;
	char *memory;
	size_t bytes;
	ml_pa pa, root;
	bool running;
} now;

static void hear(void *cookie, const struct ml_event *event)
{
	struct ml_event placed = *event;

	(void)cookie;
	if (event->pointer)
		placed.address = now.pa + (ml_pa)((const char *)event->pointer - now.memory);
	ml_oracle_issuer(now.oracle, now.running ? explore_running() : 0, 0);
	ml_oracle_event(now.oracle, &placed);
}

void passing_watch_tell(enum ml_event_kind kind, const void *table,
			const struct ml_invalidation *what)
{
	struct ml_event event = { .kind = kind, .pointer = table, .value = TABLE_BYTES };

	if (!now.oracle || !ml_doors.trace)
		return;
	if (what)
		event.what = *what;
	hear(NULL, &event);
}

static bool read_memory(void *cookie, ml_pa pa, uint64_t *memory)
{
	(void)cookie;
	if (pa - now.pa >= now.bytes)
		return false;
	memcpy(memory, now.memory + (pa - now.pa), sizeof(*memory));
	return true;
}

static struct ml_oracle *make_oracle(unsigned bbm)
{
	static const enum ml_oracle_agent agents[] = { ML_ORACLE_CPU, ML_ORACLE_CPU, ML_ORACLE_LAZY,
						       ML_ORACLE_NOBODY };
	struct ml_oracle *oracle = ml_oracle_new(ML_ORACLE_ARM64_BBM0 + bbm, agents);

	if (!oracle)
		exit(2);
	return oracle;
}

void passing_watch_open(char *memory, size_t bytes, ml_pa pa, ml_pa root, unsigned bbm)
{
	const struct ml_model model = {
		.kind = ML_MODEL_TOY, .levels = 2, .root = root, .read = read_memory
	};

	passing_watch_close();
	now.memory = memory;
	now.bytes = bytes;
	now.pa = pa;
	now.root = root;
	now.running = false;
	now.oracle = make_oracle(bbm);
	now.start = make_oracle(bbm);
	ml_oracle_enter(now.oracle, 0, &model, true);
	now.trace = (struct ml_trace){ .watch = hear, .forget = true };
	ml_trace_to(&now.trace);
}

void passing_watch_close(void)
{
	ml_trace_to(NULL);
	ml_oracle_free(now.oracle);
	ml_oracle_free(now.start);
	now.oracle = now.start = NULL;
}

void passing_watch_keep(void)
{
	if (now.oracle)
		ml_oracle_copy(now.start, now.oracle);
	ml_trace_to(NULL);
}

void passing_watch_begin(void)
{
	if (!now.oracle)
		return;
	ml_oracle_copy(now.oracle, now.start);
	ml_oracle_begin(now.oracle, 0, 0, ML_PROT_AD);
	now.running = true;
	ml_trace_to(&now.trace);
}

/* What one page of a copy of the memory is. */
static void promise(const void *memory, ml_va va, struct ml_oracle_page *page)
{
	const uint64_t number = va / PAGE;
	struct toy_page seen;

	if (number >= PAGES)
		return;
	seen = toy_page(memory, now.pa, now.root, (unsigned)number);
	page->last = va | (PAGE - 1);
	page->mapped = seen.pte != 0;
	page->pa = seen.pa + va % PAGE;
	page->prot = ML_READ | (seen.pte & 0x100 ? ML_NC : ML_WB) | (seen.pte & 8 ? ML_WRITE : 0);
	page->prot |= (seen.pte & 0x20 ? ML_ACCESSED : 0) | (seen.pte & 0x40 ? ML_DIRTY : 0);
}

const char *passing_watch_end(const char *before)
{
	ml_trace_to(NULL);
	now.running = false;
	if (!now.oracle)
		return NULL;
	ml_oracle_end(now.oracle, promise, before, now.memory);
	return ml_oracle_fault(now.oracle);
}
