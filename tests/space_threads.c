/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * CPUs as threads: each loads and stores without a lock what it finds in its own TLB, or in the
 * live table, and faults where it finds nothing, while other threads unmap, protect, fork, collapse
 * and exit. An invalidation goes to every CPU that runs the process, and waits for its access to be
 * done. Built for ThreadSanitizer by `make tsan`, which hears of every byte that is copied or
 * reused while a CPU can still reach it.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <maxleaf/frames.h>
#include <maxleaf/pool.h>

#include "support/source.h"
#include "t.h"

#define PAGE ((uint64_t)4096)
#define CPUS 3
#define MANAGERS 2
#define PROCESSES 4
#define STEADY 96 /* pages that are protected and forked, but never unmapped, */
#define LOOSE 32  /* and pages that come and go */
#define PAGES (STEADY + LOOSE)
#define TLB 16
#define FRAMES_PA 0x80000000u
#define FRAMES_BYTES ((uint64_t)16 << 20)
#define TABLES_PA 0x40000000u
#define TABLES_BYTES ((size_t)4 << 20)
#define NOBODY PROCESSES

/* A translation of a leaf, found for one of its pages. */
struct held {
	bool valid, write;
	ml_va va, first, last;
	ml_pa pa;
};

struct process {
	struct ml_space space;
	bool alive;
	struct ml_invalidation pending[64];
	unsigned pending_count;
	/* what each CPU knows to have stored into its word of each page; 0: nothing yet */
	uint64_t seen[CPUS][STEADY];
};

struct cpu {
	pthread_t thread;
	pthread_mutex_t busy; /* held during an access: interrupts are off */
	unsigned number, process;
	struct held tlb[TLB];
	uint64_t serial, stores, faults, lost;
};

static struct {
	pthread_mutex_t lock; /* of all spaces and all memory behind them */
	const struct ml_format *format;
	struct process processes[PROCESSES];
	struct cpu cpus[CPUS];
	struct ml_pool tables;
	struct ml_frame_pool frames;
	uint64_t accesses, calls, forks, trouble;
	atomic_bool done;
	atomic_uint_fast64_t
		filled; /* the barrier after filling a frame, which the sanitizer knows */
} now;

/* ---- the platform ---------------------------------------------------------------------- */

static void *take_table(void *process, struct ml_op *op, size_t bytes, ml_pa *pa)
{
	(void)process;
	return ml_pool_alloc(&now.tables, op, bytes, pa);
}

static void give_back(void *process, struct ml_op *op, void *table, ml_pa pa, size_t bytes)
{
	(void)process;
	ml_pool_free(&now.tables, op, table, pa, bytes);
}

static void *table_pointer(void *process, ml_pa pa, size_t bytes)
{
	(void)process;
	return ml_pool_pointer(&now.tables, pa, bytes);
}

static void invalidate(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	struct process *process = cookie;

	(void)op;
	if (process->pending_count == 64)
		abort();
	process->pending[process->pending_count++] = *what;
}

static bool reaches(const struct ml_invalidation *what, const struct held *held)
{
	return !what->length ||
	       (what->va <= held->last && held->first <= what->va + (what->length - 1));
}

static void shoot_down(const struct process *process, struct cpu *cpu)
{
	pthread_mutex_lock(&cpu->busy);
	for (unsigned i = 0; cpu->process == (unsigned)(process - now.processes) && i < TLB; i++)
		for (unsigned n = 0; n < process->pending_count; n++)
			if (reaches(&process->pending[n], &cpu->tlb[i]))
				cpu->tlb[i].valid = false;
	pthread_mutex_unlock(&cpu->busy);
}

static void complete(void *cookie, struct ml_op *op)
{
	struct process *process = cookie;

	(void)op;
	for (unsigned i = 0; i < CPUS; i++)
		shoot_down(process, &now.cpus[i]);
	process->pending_count = 0;
}

static const struct ml_platform platform = {
	.table_alloc = take_table,
	.table_free = give_back,
	.table_pointer = table_pointer,
	.invalidate = invalidate,
	.complete = complete,
};

static bool alloc_frames(void *pool, uint64_t bytes, bool zero, ml_pa *pa)
{
	const bool good = ml_frame_pool_frames.alloc(pool, bytes, zero, pa);

	atomic_fetch_add_explicit(&now.filled, 1, memory_order_release);
	return good;
}

static void copy_frames(void *pool, ml_pa to, ml_pa from, uint64_t length)
{
	ml_frame_pool_frames.copy(pool, to, from, length);
	atomic_fetch_add_explicit(&now.filled, 1, memory_order_release);
}

/* ---- CPUs ------------------------------------------------------------------------------ */

static bool look_up(struct cpu *cpu, ml_va va, bool write, ml_pa *pa)
{
	const struct ml_table *t = &now.processes[cpu->process].space.table;
	struct held *held = &cpu->tlb[va / PAGE % TLB];
	struct ml_translation leaf;
	ml_prot prot;
	uint64_t bytes;

	if (!held->valid || held->va != va || (write && !held->write)) {
		if (ml_translate(t, va, &leaf))
			return false;
		prot = ml_translation_prot(t, &leaf);
		if (!(prot & ML_USER) || (write && !(prot & ML_WRITE)))
			return false;
		bytes = (uint64_t)1 << now.format->rungs[ml_translation_rung(t, &leaf)].shift;
		*held = (struct held){
			true, prot & ML_WRITE, va, va & ~(bytes - 1), va | (bytes - 1), leaf.pa
		};
	}
	*pa = held->pa;
	(void)atomic_load_explicit(&now.filled, memory_order_acquire);
	return true;
}

/* A word says whose it is, and where: nobody else's frame looks like that. */
static uint64_t word_of(struct cpu *cpu, unsigned page)
{
	return (uint64_t)(cpu->number + 1) << 56 | (uint64_t)page << 40 |
	       (++cpu->serial & 0xffffffffff);
}

static bool is_mine(const struct cpu *cpu, unsigned page, uint64_t word)
{
	return !word || word >> 40 == ((uint64_t)(cpu->number + 1) << 16 | page);
}

/* With interrupts off: the page's word of this CPU. */
static bool access_once(struct cpu *cpu, unsigned page, bool write)
{
	uint64_t *seen = now.processes[cpu->process].seen[cpu->number];
	uint64_t *words, found;
	ml_pa pa;

	if (!look_up(cpu, page * PAGE, write, &pa))
		return false;
	words = ml_frame_pointer(&now.frames, pa);
	found = words[cpu->number];
	cpu->lost += !is_mine(cpu, page, found);
	cpu->lost += page < STEADY && seen[page] && found != seen[page];
	if (write) {
		words[cpu->number] = found = word_of(cpu, page);
		cpu->stores++;
	}
	if (page < STEADY)
		seen[page] = found;
	return true;
}

/* Under the lock of all: the process may have gone; then another one runs. */
static void fault(struct cpu *cpu, unsigned page, bool write)
{
	pthread_mutex_lock(&now.lock);
	if (cpu->process != NOBODY) {
		const enum ml_fault_result result =
			ml_space_fault(&now.processes[cpu->process].space, page * PAGE,
				       write ? ML_WRITE : ML_READ);

		cpu->faults++;
		now.trouble += result > ML_FAULT_ACCESS;
	}
	pthread_mutex_unlock(&now.lock);
}

static void run_process(struct cpu *cpu, unsigned process)
{
	pthread_mutex_lock(&cpu->busy);
	memset(cpu->tlb, 0, sizeof(cpu->tlb));
	cpu->process = process;
	pthread_mutex_unlock(&cpu->busy);
}

static void schedule(struct cpu *cpu, uint64_t random)
{
	unsigned process = (unsigned)(random % PROCESSES);

	pthread_mutex_lock(&now.lock);
	while (!now.processes[process].alive)
		process = (process + 1) % PROCESSES;
	run_process(cpu, process);
	pthread_mutex_unlock(&now.lock);
}

static void *run_cpu(void *argument)
{
	struct cpu *cpu = argument;
	uint64_t random = cpu->number + 1;

	for (uint64_t i = 0; i < now.accesses; i++) {
		const unsigned page = (unsigned)(t_random(&random) % PAGES);
		const bool write = t_random(&random) % 2;
		bool runs, reached = false;

		if (i % 64 == 0)
			schedule(cpu, t_random(&random));
		pthread_mutex_lock(&cpu->busy);
		runs = cpu->process != NOBODY;
		if (runs)
			reached = access_once(cpu, page, write);
		pthread_mutex_unlock(&cpu->busy);
		if (!runs)
			schedule(cpu, t_random(&random));
		else if (!reached)
			fault(cpu, page, write);
	}
	return NULL;
}

/* ---- managers -------------------------------------------------------------------------- */

static const struct ml_region_spec memory = { .prot = ML_RW | ML_WB, .may = ML_RIGHTS };

static int open_process(struct process *process)
{
	static struct ml_frames frames;
	struct ml_space_config config = { 0 };

	frames = ml_frame_pool_frames;
	frames.alloc = alloc_frames;
	frames.copy = copy_frames;
	memset(process, 0, sizeof(*process));
	config.table.platform = &platform;
	config.table.cookie = process;
	config.table.base = ml_pool_base(&now.tables);
	config.table.live = true;
	config.frames = &frames;
	config.frames_cookie = &now.frames;
	config.last = ((uint64_t)1 << 30) - 1;
	return ml_space_init(&process->space, now.format, &config);
}

static void fork_process(struct process *parent)
{
	struct process *child = now.processes;

	while (child < now.processes + PROCESSES && child->alive)
		child++;
	if (child == now.processes + PROCESSES)
		return;
	if (open_process(child) || ml_space_fork(&child->space, &parent->space))
		now.trouble++;
	child->alive = true;
	now.forks++;
}

/* CPUs leave it first. */
static void exit_process(struct process *process)
{
	const unsigned number = (unsigned)(process - now.processes);

	if (!number)
		return;
	for (unsigned i = 0; i < CPUS; i++)
		if (now.cpus[i].process == number)
			run_process(&now.cpus[i], NOBODY);
	process->alive = false;
	ml_space_fini(&process->space);
}

static void manage_once(struct process *process, uint64_t random)
{
	const ml_va va = (random >> 8) % STEADY * PAGE, loose = STEADY * PAGE;
	const uint64_t len = (1 + (random >> 24) % (STEADY - va / PAGE)) * PAGE;
	struct ml_space *s = &process->space;
	int error = ML_OK;

	switch (random % 32) {
	case 0:
		fork_process(process);
		break;
	case 1:
		exit_process(process);
		break;
	case 2:
		error = ml_space_unmap(s, loose, LOOSE * PAGE);
		break;
	case 3:
		error = ml_space_map(s, loose, LOOSE * PAGE, &memory, ML_MAP_REPLACE, NULL);
		break;
	case 4:
	case 5:
		error = ml_space_protect(s, va, len, ML_READ);
		break;
	case 6:
	case 7:
	case 8:
		error = ml_space_protect(s, 0, STEADY * PAGE, ML_RW);
		break;
	default:
		error = ml_space_advise(s, va, len, ML_ADVISE_COLLAPSE);
	}
	now.trouble += error != ML_OK;
}

static void *manage(void *argument)
{
	uint64_t random = 100 + *(const unsigned *)argument;

	while (!atomic_load_explicit(&now.done, memory_order_relaxed)) {
		struct process *process = &now.processes[t_random(&random) % PROCESSES];
		const uint64_t choice = t_random(&random);

		pthread_mutex_lock(&now.lock);
		if (process->alive) {
			manage_once(process, choice);
			now.calls++;
		}
		pthread_mutex_unlock(&now.lock);
	}
	return NULL;
}

/* ---- the test -------------------------------------------------------------------------- */

static void open_world(const struct ml_format *format)
{
	static uint32_t counts[FRAMES_BYTES / PAGE];
	static _Alignas(4096) char frames[FRAMES_BYTES], tables[TABLES_BYTES];

	memset(&now, 0, sizeof(now));
	pthread_mutex_init(&now.lock, NULL);
	now.format = format;
	now.accesses = source_amount(1200000) / CPUS / 2;
	t_eq(ml_frame_pool_init(&now.frames, frames, FRAMES_PA, FRAMES_BYTES, 12, counts), ML_OK);
	t_eq(ml_pool_init(&now.tables, tables, TABLES_PA, TABLES_BYTES, 4096), ML_OK);
	t_eq(open_process(&now.processes[0]), ML_OK);
	t_eq(ml_space_map(&now.processes[0].space, 0, PAGES * PAGE, &memory, 0, NULL), ML_OK);
	now.processes[0].alive = true;
	for (unsigned i = 0; i < CPUS; i++) {
		now.cpus[i].number = i;
		pthread_mutex_init(&now.cpus[i].busy, NULL);
	}
}

static void run_threads(void)
{
	unsigned numbers[MANAGERS];
	pthread_t managers[MANAGERS];

	for (unsigned i = 0; i < MANAGERS; i++) {
		numbers[i] = i;
		T_REQUIRE(t_eq(pthread_create(&managers[i], NULL, manage, &numbers[i]), 0));
	}
	for (unsigned i = 0; i < CPUS; i++)
		T_REQUIRE(
			t_eq(pthread_create(&now.cpus[i].thread, NULL, run_cpu, &now.cpus[i]), 0));
	for (unsigned i = 0; i < CPUS; i++)
		pthread_join(now.cpus[i].thread, NULL);
	atomic_store(&now.done, true);
	for (unsigned i = 0; i < MANAGERS; i++)
		pthread_join(managers[i], NULL);
}

/* What a CPU has stored is there still, whatever was forked, copied and collapsed since. */
static void check_contents(const struct process *process)
{
	for (unsigned page = 0; page < STEADY; page++) {
		struct ml_translation leaf;
		const uint64_t *words;

		if (ml_translate(&process->space.table, page * PAGE, &leaf))
			continue;
		words = ml_frame_pointer(&now.frames, leaf.pa);
		for (unsigned i = 0; i < CPUS; i++)
			t_ok(!process->seen[i][page] || words[i] == process->seen[i][page]);
	}
}

static void settle(void)
{
	uint64_t stores = 0, faults = 0;

	for (unsigned i = 0; i < CPUS; i++) {
		t_eq(now.cpus[i].lost, 0);
		stores += now.cpus[i].stores;
		faults += now.cpus[i].faults;
	}
	t_eq(now.trouble, 0);
	t_ok(stores > now.accesses / 4);
	t_ok(faults && now.forks > 2);
	for (unsigned i = 0; i < PROCESSES; i++)
		if (now.processes[i].alive) {
			t_eq(ml_space_check(&now.processes[i].space, NULL), ML_OK);
			check_contents(&now.processes[i]);
			ml_space_fini(&now.processes[i].space);
		}
	t_eq(now.frames.free_pages + now.frames.object_pages, now.frames.pages);
	t_eq(now.frames.objects_used, 0);
	printf("# %llu stores, %llu faults, %llu calls, %llu forks\n", (unsigned long long)stores,
	       (unsigned long long)faults, (unsigned long long)now.calls,
	       (unsigned long long)now.forks);
}

TEST(cpus_and_calls_pass_each_other_on_x86_64)
{
	open_world(&ml_format_x86_64);
	run_threads();
	settle();
}

TEST(cpus_and_calls_pass_each_other_on_arm64)
{
	open_world(&ml_format_arm64_4k);
	run_threads();
	settle();
}
