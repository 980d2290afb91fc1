/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Threads that install in one place at the same time (S4.9): they fault, populate, pin and insert,
 * each under the space's lock, while the owner of what they fault for lets go of it now and then.
 * One of them wins, the others find what it has installed, and references, deposits and counts are
 * those of one leaf. Built for ThreadSanitizer by `make tsan`.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <maxleaf/frames.h>
#include <maxleaf/pool.h>

#include "support/source.h"
#include "t.h"

#define PAGE ((uint64_t)4096)
#define LARGE ((uint64_t)2 << 20)
#define THREADS 3
#define FRAMES_PA 0x80000000u
#define FRAMES_BYTES ((uint64_t)8 << 20)
#define DEVICE_PA 0x100000000u
#define TABLES_PA 0x40000000u
#define TABLES_BYTES ((size_t)1 << 20)

enum place { PLACE_ZEROES, PLACE_FILE, PLACE_DEVICE, PLACES };

static struct {
	pthread_mutex_t lock;
	pthread_t holder; /* of the lock, while it is held */
	bool held;
	pthread_barrier_t start, stop;
	struct ml_space space;
	struct ml_pool tables;
	struct ml_frame_pool frames;
	struct ml_mapping file, device;
	ml_pa file_pa;
	unsigned asked, late;  /* what the file's owner has been asked, and let go for */
	uint64_t rounds, seed; /* of all threads */
	/* of the round at hand */
	enum place place;
	bool small; /* base pages only */
	ml_va va;
	unsigned results[THREADS][ML_FAULT_NO_MEMORY + 1];
	uint64_t trouble, unlocked, winners, losers;
} now;

/* ---- the lock, and who asks for it ------------------------------------------------------ */

static void take_lock(void)
{
	pthread_mutex_lock(&now.lock);
	now.holder = pthread_self();
	now.held = true;
}

static void release_lock(void)
{
	now.held = false;
	pthread_mutex_unlock(&now.lock);
}

static void assert_locked(void *cookie, struct ml_op *op)
{
	(void)cookie;
	(void)op;
	now.unlocked += !now.held || !pthread_equal(now.holder, pthread_self());
}

static void *take_table(void *cookie, struct ml_op *op, size_t bytes, ml_pa *pa)
{
	(void)cookie;
	return ml_pool_alloc(&now.tables, op, bytes, pa);
}

static void give_back(void *cookie, struct ml_op *op, void *table, ml_pa pa, size_t bytes)
{
	(void)cookie;
	ml_pool_free(&now.tables, op, table, pa, bytes);
}

static void *table_pointer(void *cookie, ml_pa pa, size_t bytes)
{
	(void)cookie;
	return ml_pool_pointer(&now.tables, pa, bytes);
}

static const struct ml_platform platform = {
	.table_alloc = take_table,
	.table_free = give_back,
	.table_pointer = table_pointer,
	.assert_locked = assert_locked,
};

/* ---- owners ----------------------------------------------------------------------------- */

/* Every third time it must wait for something, and lets go of the lock. */
static enum ml_fault_result file_fault(struct ml_fault_request *request)
{
	if (now.asked++ % 3 == 0) {
		now.late++;
		release_lock();
		sched_yield();
		take_lock();
		return ML_FAULT_RETRY;
	}
	request->pa = now.file_pa + request->offset;
	ml_frame_pool_frames.get(&now.frames, request->pa, request->length);
	return ML_FAULT_DONE;
}

static enum ml_fault_result device_fault(struct ml_fault_request *request)
{
	const ml_pa pa = DEVICE_PA + request->offset;

	if (ml_insert_pfn(request->space, request->va, pa, request->rung, ML_WB,
			  request->access & ML_WRITE))
		return ML_FAULT_BUS;
	request->inserted = true;
	return ML_FAULT_DONE;
}

static const struct ml_region_ops file_ops = { .fault = file_fault, .rungs = ~0u };
static const struct ml_region_ops device_ops = { .fault = device_fault, .rungs = ~0u };

/* ---- installers ------------------------------------------------------------------------- */

static enum ml_fault_result fault(ml_va va, ml_prot access)
{
	enum ml_fault_result result;

	do
		result = ml_space_fault(&now.space, va, access);
	while (result == ML_FAULT_RETRY);
	return result;
}

/* What it comes to, as if it had been a fault. */
static enum ml_fault_result install(uint64_t random)
{
	const ml_va va = now.va + random / 8 % (LARGE / PAGE) * PAGE;
	struct ml_extent extent;
	size_t count;
	int error;

	if (now.place == PLACE_DEVICE && random % 8 < 4) {
		error = ml_insert_pfn(&now.space, now.va, DEVICE_PA, !now.small && random & 1,
				      ML_WB, random & 2);
		return !error || error == ML_ERR_EXISTS ? ML_FAULT_SPURIOUS : ML_FAULT_BUS;
	}
	if (now.place != PLACE_DEVICE && random % 8 == 7) {
		if (ml_pin_pages(&now.space, va, PAGE, ML_READ, &extent, 1, &count))
			return ML_FAULT_BUS;
		ml_unpin_pages(&now.space, &extent, count);
		return ML_FAULT_SPURIOUS;
	}
	if (random % 8 == 6)
		return ml_space_advise(&now.space, now.va, LARGE, ML_ADVISE_POPULATE)
			       ? ML_FAULT_BUS
			       : ML_FAULT_SPURIOUS;
	return fault(va, random & 1 ? ML_WRITE : ML_READ);
}

static void *run(void *argument)
{
	const unsigned number = *(const unsigned *)argument;
	uint64_t random = now.seed + number;

	for (uint64_t round = 0; round < now.rounds; round++) {
		enum ml_fault_result result;

		pthread_barrier_wait(&now.start);
		take_lock();
		result = install(t_random(&random));
		now.results[number][result]++;
		release_lock();
		pthread_barrier_wait(&now.stop);
	}
	return NULL;
}

/* ---- rounds ----------------------------------------------------------------------------- */

static struct ml_mapping *mapping_of(enum place place)
{
	return place == PLACE_FILE ? &now.file : place == PLACE_DEVICE ? &now.device : NULL;
}

static void begin_round(uint64_t round)
{
	struct ml_region_spec spec = { .prot = ML_RW | ML_WB, .may = ML_RW };

	take_lock();
	now.place = (enum place)(round % PLACES);
	now.small = round % 2;
	spec.mapping = mapping_of(now.place);
	spec.flags = now.place == PLACE_ZEROES ? 0 : ML_REGION_SHARED;
	spec.flags |= now.place == PLACE_DEVICE ? ML_REGION_RAW : 0;
	spec.flags |= now.small ? ML_REGION_NO_HUGE : 0;
	memset(now.results, 0, sizeof(now.results));
	now.trouble += ml_space_map(&now.space, now.va, LARGE, &spec, 0, NULL) != ML_OK;
	release_lock();
}

/* As many references as there are leaves that hold them, and nothing else. */
static bool references_are_exact(const struct ml_space_stats *stats)
{
	const uint64_t held = now.frames.pages - now.frames.free_pages - now.frames.object_pages;
	const uint64_t file = LARGE / PAGE;

	for (uint64_t at = 0; at < LARGE; at += PAGE) {
		struct ml_translation leaf;
		const bool mapped = !ml_translate(&now.space.table, now.va + at, &leaf);
		const bool of_file = mapped && now.place == PLACE_FILE;

		if (ml_frame_references(&now.frames, now.file_pa + at) != 1u + of_file)
			return false;
	}
	return held == file + (now.place == PLACE_ZEROES ? stats->counted_bytes / PAGE : 0);
}

static void end_round(void)
{
	unsigned done = 0, spurious = 0;
	struct ml_space_stats stats;

	take_lock();
	for (unsigned i = 0; i < THREADS; i++) {
		done += now.results[i][ML_FAULT_DONE];
		spurious += now.results[i][ML_FAULT_SPURIOUS];
	}
	now.trouble += done + spurious != THREADS;
	now.winners += done;
	now.losers += spurious;
	ml_space_stats(&now.space, &stats);
	now.trouble += !(stats.counted_bytes | stats.raw_bytes);
	now.trouble += ml_space_check(&now.space, NULL) != ML_OK;
	now.trouble += !references_are_exact(&stats);
	now.trouble += ml_space_unmap(&now.space, now.va, LARGE) != ML_OK;
	release_lock();
}

static void open_world(const struct ml_format *format)
{
	static uint32_t counts[FRAMES_BYTES / PAGE];
	static _Alignas(4096) char frames[FRAMES_BYTES], tables[TABLES_BYTES];
	struct ml_space_config config = { .fault_rungs = ~0u, .frames = &ml_frame_pool_frames };

	memset(&now, 0, sizeof(now));
	pthread_mutex_init(&now.lock, NULL);
	pthread_barrier_init(&now.start, NULL, THREADS + 1);
	pthread_barrier_init(&now.stop, NULL, THREADS + 1);
	now.rounds = source_amount(3000);
	now.seed = t_seed(1);
	now.va = LARGE;
	now.file.ops = &file_ops;
	now.device.ops = &device_ops;
	t_eq(ml_frame_pool_init(&now.frames, frames, FRAMES_PA, FRAMES_BYTES, 12, counts), ML_OK);
	t_eq(ml_pool_init(&now.tables, tables, TABLES_PA, TABLES_BYTES, 4096), ML_OK);
	t_ok(ml_frame_pool_frames.alloc(&now.frames, LARGE, true, &now.file_pa));
	config.table.platform = &platform;
	config.table.base = ml_pool_base(&now.tables);
	config.table.guaranteed = true;
	config.table.fold = ML_FOLD_COMPLETE;
	config.frames_cookie = &now.frames;
	config.last = ((uint64_t)1 << 30) - 1;
	take_lock();
	t_eq(ml_space_init(&now.space, format, &config), ML_OK);
	release_lock();
}

static void run_threads(void)
{
	unsigned numbers[THREADS];
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		numbers[i] = i;
		T_REQUIRE(t_eq(pthread_create(&threads[i], NULL, run, &numbers[i]), 0));
	}
	for (uint64_t round = 0; round < now.rounds; round++) {
		begin_round(round);
		pthread_barrier_wait(&now.start);
		pthread_barrier_wait(&now.stop);
		end_round();
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void settle(void)
{
	take_lock();
	ml_space_fini(&now.space);
	release_lock();
	t_eq(now.trouble, 0);
	t_eq(now.unlocked, 0);
	t_ok(now.winners > now.rounds / 4 && now.losers > now.rounds / 4);
	t_ok(now.late > now.rounds / 10);
	ml_frame_pool_frames.put(&now.frames, now.file_pa, LARGE);
	t_eq(now.frames.free_pages + now.frames.object_pages, now.frames.pages);
	t_eq(now.frames.objects_used, 0);
	printf("# %llu rounds: %llu won, %llu found it; let go %u times\n",
	       (unsigned long long)now.rounds, (unsigned long long)now.winners,
	       (unsigned long long)now.losers, now.late);
	pthread_barrier_destroy(&now.start);
	pthread_barrier_destroy(&now.stop);
	pthread_mutex_destroy(&now.lock);
}

TEST(installers_pass_each_other_on_x86_64)
{
	open_world(&ml_format_x86_64);
	run_threads();
	settle();
}

TEST(installers_pass_each_other_on_arm64)
{
	open_world(&ml_format_arm64_4k);
	run_threads();
	settle();
}
