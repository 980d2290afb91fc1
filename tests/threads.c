/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Threads that pass each other for real: writers, each in lock units of its own, and readers
 * without a lock. Built for ThreadSanitizer by `make tsan`, which hears of every plain access that
 * two threads make to one word; and without it like any other test.
 *
 * No lock and no counter of this program orders the threads, or the sanitizer would hold that
 * against nobody.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <maxleaf/table.h>

#include "support/source.h"
#include "t.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define G ((uint64_t)1 << 30)
#define WRITERS 4
#define READERS 2
#define UNITS 4 /* of each writer, between those of the others */

/* Tables that wait until no reader can hold them: first words as they were when they were freed. */
struct freed {
	void *table;
	struct freed *next;
};

struct writer {
	struct ml_op op; /* first: the platform gets it back */
	pthread_t thread;
	unsigned number;
	uint64_t calls;
	struct freed *freed;
	uint64_t taken, given;
	bool trouble;
};

static struct {
	struct ml_table table;
	const struct ml_format *format;
	uint64_t unit;
	ml_va start; /* in the middle of a root entry, or before the next */
	atomic_bool done;
	struct writer writers[WRITERS];
	atomic_uint_fast64_t lost; /* what readers should not have seen */
} now;

/* ---- the platform: nothing that would order one thread after another ------------------ */

static struct writer *writer_of(struct ml_op *op)
{
	return (struct writer *)(void *)op;
}

static void *take_table(void *cookie, struct ml_op *op, size_t bytes, ml_pa *pa)
{
	void *table = aligned_alloc(bytes, bytes);

	(void)cookie;
	if (!table)
		exit(2);
	*pa = (ml_pa)(uintptr_t)table;
	if (op)
		writer_of(op)->taken++;
	return table;
}

static void give_back(void *cookie, struct ml_op *op, void *table, ml_pa pa, size_t bytes)
{
	struct freed *freed;

	(void)cookie;
	(void)pa;
	(void)bytes;
	if (!op) {
		free(table);
		return;
	}
	freed = malloc(sizeof(*freed));
	if (!freed)
		exit(2);
	freed->table = table;
	freed->next = writer_of(op)->freed;
	writer_of(op)->freed = freed;
	writer_of(op)->given++;
}

static void *table_pointer(void *cookie, ml_pa pa, size_t bytes)
{
	(void)cookie;
	(void)bytes;
	return (void *)(uintptr_t)pa;
}

static void invalidate(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	(void)cookie;
	(void)op;
	(void)what;
}

static void complete(void *cookie, struct ml_op *op)
{
	(void)cookie;
	(void)op;
}

static const struct ml_platform platform = {
	.table_alloc = take_table,
	.table_free = give_back,
	.table_pointer = table_pointer,
	.invalidate = invalidate,
	.complete = complete,
};

/* ---- writers ------------------------------------------------------------------------- */

/* Units go round: neighbours are different writers'. */
static ml_va unit_va(const struct writer *w, unsigned unit)
{
	return now.start + (unit * WRITERS + w->number) * now.unit;
}

/* Frames follow addresses, so that readers can tell. */
static ml_pa frame(ml_va va)
{
	return va - now.start + 2 * G;
}

static uint64_t pages(void)
{
	return now.unit >> now.format->page_shift;
}

static void write_once(struct writer *w, uint64_t random)
{
	const unsigned unit = (unsigned)(random % UNITS);
	const uint64_t first = (random >> 8) % pages(), count = 1 + (random >> 24) % 3;
	const uint64_t size = (uint64_t)1 << now.format->page_shift;
	const uint64_t len = (first + count > pages() ? pages() - first : count) * size;
	const ml_va start = unit_va(w, unit), va = start + first * size;
	int error = ML_OK;

	w->op.bytes = 0;
	switch (random >> 40 & 7) {
	case 0:
		error = ml_map(&now.table, start, now.unit, frame(start), ML_RW, &w->op);
		break;
	case 1:
		error = ml_unmap(&now.table, start, now.unit, &w->op);
		break;
	case 2:
	case 3:
		error = ml_map(&now.table, va, len, frame(va), ML_RW, &w->op);
		break;
	case 4:
		error = ml_unmap(&now.table, va, len, &w->op);
		break;
	case 5:
		error = ml_protect(&now.table, va, len, ML_WRITE, random >> 48 & ML_WRITE, &w->op);
		break;
	case 6:
		error = ml_split(&now.table, va, len, 0, &w->op);
		break;
	default:
		error = ml_fold(&now.table, start, now.unit, now.format->rung_count - 1u, &w->op);
		break;
	}
	w->trouble |= error && error != ML_ERR_EXISTS;
}

static void *write_many(void *argument)
{
	struct writer *w = argument;
	uint64_t state = w->number + 1;

	for (uint64_t i = 0; i < w->calls; i++)
		write_once(w, t_random(&state));
	return NULL;
}

/* ---- readers ------------------------------------------------------------------------- */

static bool run_is_right(const struct ml_run *run)
{
	return run->pa == frame(run->va) && run->prot & ML_READ;
}

static void *read_many(void *argument)
{
	uint64_t state = 77, lost = 0;

	(void)argument;
	while (!atomic_load_explicit(&now.done, memory_order_relaxed)) {
		const ml_va va = now.start + t_random(&state) % (UNITS * WRITERS * now.unit);
		struct ml_cursor cursor = { now.start, now.start + UNITS * WRITERS * now.unit - 1,
					    false };
		struct ml_translation found;
		struct ml_walk walk;
		struct ml_run run;

		if (ml_translate(&now.table, va, &found) == ML_OK)
			lost += found.pa != frame(va);
		lost += ml_walk(&now.table, va, &walk) != ML_OK;
		for (unsigned i = 0; i < 16 && ml_run_next(&now.table, &cursor, &run); i++)
			lost += !run_is_right(&run);
	}
	atomic_fetch_add_explicit(&now.lost, lost, memory_order_relaxed);
	return NULL;
}

/* ---- rounds -------------------------------------------------------------------------- */

static uint64_t bytes_mapped(void)
{
	struct ml_cursor cursor = { .last = UINT64_MAX };
	struct ml_run run;
	uint64_t bytes = 0;

	for (; ml_run_next(&now.table, &cursor, &run); bytes += run.length)
		t_ok(run_is_right(&run));
	return bytes;
}

static uint64_t release_freed(struct writer *w)
{
	uint64_t count = 0;

	while (w->freed) {
		struct freed *freed = w->freed;

		w->freed = freed->next;
		free(freed->table);
		free(freed);
		count++;
	}
	return count;
}

/* The threads are gone: whether everything is where it should be. */
static void settle(void)
{
	uint64_t taken = 0, given = 0;

	for (unsigned i = 0; i < WRITERS; i++) {
		struct writer *w = &now.writers[i];

		t_ok(!w->trouble);
		taken += w->taken;
		given += w->given;
		t_eq(release_freed(w), w->given);
	}
	t_eq(now.lost, 0);
	t_eq(ml_table_check(&now.table, NULL), ML_OK);
	t_eq(now.table.stats.tables, 1 + taken - given);
	t_ok(now.table.stats.completions <= now.table.stats.invalidations);
	t_ok(now.table.stats.invalidations <= 4 * now.table.stats.completions);
	(void)bytes_mapped();
	t_eq(ml_unmap(&now.table, now.start, UNITS * WRITERS * now.unit, NULL), ML_OK);
	t_eq(ml_table_trim(&now.table, 0, 1024 * G, NULL), ML_OK);
	t_eq(now.table.stats.tables, 1);
	ml_table_fini(&now.table, NULL);
}

static void pass_each_other(const struct ml_format *format, uint64_t unit, bool live, uint8_t fold,
			    uint64_t calls)
{
	const struct ml_table_config config = {
		.platform = &platform,
		.live = live,
		.fold = fold,
		.lock_unit = unit,
	};
	pthread_t readers[READERS];

	T_CONTEXT(format->name, unit);
	memset(&now, 0, sizeof(now));
	now.format = format;
	now.unit = unit;
	now.start = 512 * G - UNITS * WRITERS / 2 * unit;
	T_REQUIRE(t_eq(ml_table_init(&now.table, format, &config), ML_OK));
	for (unsigned i = 0; i < READERS; i++)
		T_REQUIRE(t_eq(pthread_create(&readers[i], NULL, read_many, NULL), 0));
	for (unsigned i = 0; i < WRITERS; i++) {
		struct writer *w = &now.writers[i];

		w->number = i;
		w->calls = calls;
		T_REQUIRE(t_eq(pthread_create(&w->thread, NULL, write_many, w), 0));
	}
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(now.writers[i].thread, NULL);
	atomic_store(&now.done, true);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	settle();
}

static void pass_in_units(const struct ml_format *format, const uint64_t *units, unsigned count)
{
	const uint64_t calls = source_amount(600000) / 2000;

	for (unsigned i = 0; i < count; i++)
		for (unsigned way = 0; way < 4; way++) {
			/* many short rounds: most of what they contend for is made at the start */
			for (unsigned round = 0; round < 8; round++)
				pass_each_other(format, units[i], way & 1,
						way & 2 ? ML_FOLD_COMPLETE : ML_FOLD_MAP,
						calls / 8 + 4);
		}
}

TEST(x86_64_writers_and_readers_pass_each_other)
{
	static const uint64_t units[] = { 4 * K, 2 * M, G };

	pass_in_units(&ml_format_x86_64, units, 3);
}

TEST(arm64_writers_and_readers_pass_each_other)
{
	static const uint64_t units[] = { 4 * K, 64 * K, 2 * M, 32 * M };

	pass_in_units(&ml_format_arm64_4k, units, 4);
}
