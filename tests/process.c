/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What the process port has beside an MMU, which mmu_process.c tests: sizes that the kernel tells,
 * refusals, threads, whose fault it is. What is read back is compared with the memfd itself.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <maxleaf/process.h>

#include "../ports/process/internal.h"
#include "../ports/process/kernel_abi.h"
#include "t.h"

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
#define PAGE (4 * KIB)
#define USER_RW (ML_USER | ML_RW)
#define USER_RO (ML_USER | ML_READ)

/* One address space: a window and the table that translates it. */
struct space {
	struct ml_process process;
	struct ml_table table;
};

static bool space_init(struct space *s, const struct ml_format *format, uint32_t rungs,
		       const struct ml_process_config *config)
{
	struct ml_table_config table = { .rungs = rungs };

	alarm(120); /* a fault that is never answered repeats for ever */
	if (!t_eq(ml_process_init(&s->process, config), ML_OK))
		return false;
	ml_process_configure(&s->process, &table);
	return t_eq(ml_table_init(&s->table, format, &table), ML_OK) &&
	       t_eq(ml_process_attach(&s->process, &s->table), ML_OK);
}

static bool space_small(struct space *s, const struct ml_format *format)
{
	const struct ml_process_config config = { .window_bytes = 16 * MIB,
						  .memory_bytes = 16 * MIB,
						  .memory_pa = 64 * MIB };

	return space_init(s, format, 0, &config);
}

static void space_fini(struct space *s)
{
	t_eq(ml_table_check(&s->table, NULL), ML_OK);
	ml_process_detach(&s->process, &s->table);
	ml_table_fini(&s->table, NULL);
	t_eq(s->process.pool.used, 0);
	ml_process_fini(&s->process);
}

static int space_map(struct space *s, uint64_t offset, uint64_t length, uint64_t memory,
		     ml_prot prot)
{
	return ml_map(&s->table, s->process.window_va + offset, length,
		      s->process.memory_pa + memory, prot, NULL);
}

static int load(struct space *s, uint64_t offset, uint64_t *value)
{
	return ml_process_probe(&s->process, ML_PROCESS_LOAD, s->process.window_va + offset, value);
}

static int store(struct space *s, uint64_t offset, uint64_t value)
{
	return ml_process_probe(&s->process, ML_PROCESS_STORE, s->process.window_va + offset,
				&value);
}

/* What the memory itself holds, seen without any mapping. */
static uint64_t memory_word(const struct space *s, uint64_t offset)
{
	uint64_t word = ~(uint64_t)0;

	t_eq(pread(s->process.memory_fd, &word, sizeof(word), (off_t)offset), sizeof(word));
	return word;
}

static void memory_write(const struct space *s, uint64_t offset, uint64_t word)
{
	t_eq(pwrite(s->process.memory_fd, &word, sizeof(word), (off_t)offset), sizeof(word));
}

TEST(a_refused_access_gives_nothing_and_is_counted)
{
	uint64_t value = 99;
	struct space s;

	T_REQUIRE(space_small(&s, ml_process_format()));
	t_eq(space_map(&s, 0, PAGE, 0, USER_RO), ML_OK);
	t_eq(space_map(&s, PAGE, PAGE, PAGE, ML_RW), ML_OK);
	t_eq(store(&s, 0, 12), ML_ERR_REFUSED);
	t_eq(memory_word(&s, 0), 0);
	t_eq(load(&s, PAGE, &value), ML_ERR_REFUSED);
	t_eq(value, 99);
	t_eq(s.process.stats.refused, 2);
	t_eq(s.process.stats.fills, 0);
	space_fini(&s);
}

/* Whether this kernel makes large leaves of a memfd at all; asked without the port. */
static bool kernel_collapses(void)
{
	int fd = memfd_create("collapse", MFD_CLOEXEC);
	char *area = mmap(NULL, 4 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *start = area + (-(uintptr_t)area & (2 * MIB - 1));
	bool collapses;

	collapses = fd >= 0 && area != MAP_FAILED && ftruncate(fd, 2 * MIB) == 0 &&
		    mmap(start, 2 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) !=
			    MAP_FAILED &&
		    madvise(start, 2 * MIB, KERNEL_MADV_POPULATE_WRITE) == 0 &&
		    madvise(start, 2 * MIB, KERNEL_MADV_COLLAPSE) == 0;
	munmap(area, 4 * MIB);
	close(fd);
	return collapses;
}

/* Synchronise; only a kernel that collapses nothing may refuse, and only that. */
static void synchronise(struct space *s, uint64_t offset, uint64_t length)
{
	int error = ml_process_sync(&s->process, s->process.window_va + offset, length);

	if (error == ML_ERR_REFUSED && !kernel_collapses())
		t_str(s->process.refusal.what, "MADV_COLLAPSE");
	else
		t_eq(error, ML_OK);
}

static struct ml_process_sizes confirm(struct space *s, uint64_t offset, uint64_t length)
{
	struct ml_process_sizes sizes = { 0 };

	t_eq(ml_process_confirm(&s->process, s->process.window_va + offset, length, &sizes), ML_OK);
	return sizes;
}

TEST(split_and_fold_show_in_the_kernel)
{
	struct ml_process_sizes sizes;
	struct space s;
	ml_va base;

	if (!kernel_collapses())
		T_SKIP("this kernel does not collapse memory of a memfd");
	T_REQUIRE(space_small(&s, ml_process_format()));
	base = s.process.window_va;
	t_eq(space_map(&s, 0, 8 * MIB, 0, USER_RW), ML_OK);
	synchronise(&s, 0, 8 * MIB);
	sizes = confirm(&s, 0, 8 * MIB);
	t_eq(sizes.present, 8 * MIB);
	t_eq(sizes.huge, sizes.huge_known ? 8 * MIB : 0);
	t_eq(store(&s, 2 * MIB + 3 * PAGE, 42), ML_OK);

	t_eq(ml_split(&s.table, base + 2 * MIB, PAGE, 0, NULL), ML_OK);
	t_eq(ml_process_sync(&s.process, base, 8 * MIB), ML_OK);
	sizes = confirm(&s, 0, 8 * MIB);
	t_eq(sizes.present, 8 * MIB);
	t_eq(sizes.huge, sizes.huge_known ? 6 * MIB : 0);
	t_eq(confirm(&s, 2 * MIB, 2 * MIB).huge, 0);

	t_eq(ml_fold(&s.table, base, 8 * MIB, s.table.format->rung_count - 1u, NULL), ML_OK);
	t_eq(ml_process_sync(&s.process, base, 8 * MIB), ML_OK);
	sizes = confirm(&s, 0, 8 * MIB);
	t_eq(sizes.huge, sizes.huge_known ? 8 * MIB : 0);
	t_eq(memory_word(&s, 2 * MIB + 3 * PAGE), 42);
	space_fini(&s);
}

TEST(a_part_of_a_large_leaf_can_be_synchronised)
{
	struct ml_process_sizes sizes;
	struct space s;

	if (!kernel_collapses())
		T_SKIP("this kernel does not collapse memory of a memfd");
	T_REQUIRE(space_small(&s, ml_process_format()));
	t_eq(space_map(&s, 2 * MIB, 4 * MIB, 2 * MIB, USER_RO), ML_OK);
	synchronise(&s, 3 * MIB, 2 * MIB);
	sizes = confirm(&s, 2 * MIB, 4 * MIB);
	t_eq(sizes.huge, sizes.huge_known ? 4 * MIB : 0);
	t_eq(confirm(&s, 0, 2 * MIB).present, 0);
	t_eq(store(&s, 3 * MIB, 1), ML_ERR_REFUSED);
	space_fini(&s);
}

/* The three views of the benchmark: one memory, three sizes at once. */
TEST(views_of_one_memory_keep_their_own_sizes)
{
	const struct ml_process_config first = { .window_bytes = 4 * MIB, .memory_bytes = 4 * MIB };
	struct ml_process_config more = { .window_bytes = 8 * MIB };
	struct space large, small, shifted;
	uint64_t value;

	T_REQUIRE(space_init(&large, ml_process_format(), 0, &first));
	more.memory_of = &large.process;
	T_REQUIRE(space_init(&small, ml_process_format(), 1, &more));
	T_REQUIRE(space_init(&shifted, ml_process_format(), 0, &more));
	t_eq(space_map(&large, 0, 4 * MIB, 0, USER_RW), ML_OK);
	t_eq(space_map(&small, 0, 4 * MIB, 0, USER_RW), ML_OK);
	t_eq(space_map(&shifted, PAGE, 4 * MIB, 0, USER_RW), ML_OK);
	synchronise(&large, 0, 4 * MIB);
	synchronise(&small, 0, 4 * MIB);
	synchronise(&shifted, PAGE, 4 * MIB);
	if (kernel_collapses() && confirm(&large, 0, 4 * MIB).huge_known) {
		t_eq(confirm(&large, 0, 4 * MIB).huge, 4 * MIB);
		t_eq(confirm(&small, 0, 4 * MIB).present, 4 * MIB);
		t_eq(confirm(&small, 0, 4 * MIB).huge, 0);
		t_eq(confirm(&shifted, PAGE, 4 * MIB).present, 4 * MIB);
		t_eq(confirm(&shifted, PAGE, 4 * MIB).huge, 0);
	}
	for (uint64_t at = 0; at < 4 * MIB; at += 37 * PAGE) {
		t_eq(store(&large, at, ~at), ML_OK);
		t_eq(load(&small, at, &value), ML_OK);
		t_eq(value, ~at);
		t_eq(store(&shifted, PAGE + at, at), ML_OK);
		t_eq(load(&large, at, &value), ML_OK);
		t_eq(value, at);
	}
	space_fini(&shifted);
	space_fini(&small);
	space_fini(&large);
}

/* What older kernels make necessary, done to leaves that are large on purpose. */
TEST(a_mapping_can_be_kept_small_against_the_kernel)
{
	struct ml_process_sizes sizes;
	struct space s;
	uint64_t value;

	if (!kernel_collapses())
		T_SKIP("this kernel does not collapse memory of a memfd");
	T_REQUIRE(space_small(&s, ml_process_format()));
	t_eq(space_map(&s, 0, 8 * MIB, 0, USER_RW), ML_OK);
	synchronise(&s, 0, 8 * MIB);
	t_eq(store(&s, 3 * MIB, 42), ML_OK);
	ml_process_keep_small(&s.process, s.process.window_va + MIB, 6 * MIB, USER_RW);
	sizes = confirm(&s, 0, 8 * MIB);
	t_eq(sizes.present, 8 * MIB);
	/* the blocks at the ends are not wholly in the range */
	t_eq(sizes.huge, sizes.huge_known ? 4 * MIB : 0);
	t_eq(load(&s, 3 * MIB, &value), ML_OK);
	t_eq(value, 42);
	space_fini(&s);
}

TEST(two_ways_to_ask_the_kernel_agree)
{
	struct ml_process_sizes scan, smaps;
	struct space s;
	ml_va base;

	T_REQUIRE(space_small(&s, ml_process_format()));
	base = s.process.window_va;
	t_eq(space_map(&s, 0, 4 * MIB, 0, USER_RW), ML_OK);
	t_eq(space_map(&s, 8 * MIB, 64 * KIB, 8 * MIB, USER_RW), ML_OK);
	synchronise(&s, 0, 16 * MIB);
	if (!ml_process_confirm_scan(base, 16 * MIB, &scan) ||
	    !ml_process_confirm_smaps(base, 16 * MIB, &smaps)) {
		space_fini(&s);
		T_SKIP("this kernel has not both interfaces");
	}
	t_eq(scan.present, 4 * MIB + 64 * KIB);
	t_eq(scan.present, smaps.present);
	t_eq(scan.huge, smaps.huge);
	t_ok(smaps.present_known && smaps.huge_known);
	/* a mapping of which only a part is asked for leaves smaps without an answer */
	t_ok(ml_process_confirm_smaps(base + 2 * MIB, MIB, &smaps));
	t_ok(!smaps.present_known);
	t_ok(!smaps.huge_known || scan.huge == 0);
	space_fini(&s);
}

TEST(a_refusal_is_told_and_changes_no_table)
{
	struct ml_translation before, after;
	struct space s;
	ml_va base;

	T_REQUIRE(space_small(&s, ml_process_format()));
	base = s.process.window_va;
	t_eq(space_map(&s, 0, PAGE, 0, USER_RW), ML_OK);
	t_eq(ml_process_sync(&s.process, base, PAGE), ML_OK);
	t_eq(space_map(&s, PAGE, PAGE, 16 * MIB, USER_RW), ML_OK);
	t_eq(space_map(&s, 2 * PAGE, PAGE, 2 * PAGE, USER_RW | ML_NC), ML_OK);
	t_eq(space_map(&s, 3 * PAGE, PAGE, 3 * PAGE, USER_RW), ML_OK);
	t_eq(ml_translate(&s.table, base + PAGE, &before), ML_OK);

	t_eq(ml_process_sync(&s.process, base, 4 * PAGE), ML_ERR_REFUSED);
	t_str(s.process.refusal.what, "physical address");
	t_eq(s.process.refusal.error, 0);
	t_eq(s.process.refusal.va, base + PAGE);
	t_eq(s.process.refusal.length, PAGE);
	t_eq(ml_process_sync(&s.process, base + 2 * PAGE, PAGE), ML_ERR_REFUSED);
	t_str(s.process.refusal.what, "memory type");
	t_eq(ml_translate(&s.table, base + PAGE, &after), ML_OK);
	t_eq(before.pte, after.pte);

	/* what could be had is there, what could not faults */
	t_eq(confirm(&s, 3 * PAGE, PAGE).present, PAGE);
	t_eq(store(&s, PAGE, 1), ML_ERR_REFUSED);
	t_eq(store(&s, 2 * PAGE, 1), ML_ERR_REFUSED);
	t_eq(store(&s, 3 * PAGE, 1), ML_OK);
	space_fini(&s);
}

static uint64_t kernel_map_count(void)
{
	FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
	unsigned long long count = 0;

	if (file && fscanf(file, "%llu", &count) != 1)
		count = 0;
	if (file)
		fclose(file);
	return count;
}

/* More different pages than the kernel keeps mappings: told by sync, survived by faults. */
TEST(running_out_of_kernel_mappings)
{
	uint64_t pages = kernel_map_count() + 512;
	struct ml_process_config config = { .memory_bytes = 2 * MIB };
	struct space s;
	uint64_t value;

	if (pages == 512 || pages > 100000)
		T_SKIP("the kernel's limit of mappings is unknown or large");
	config.window_bytes = (pages * PAGE + 2 * MIB - 1) & ~(2 * MIB - 1);
	T_REQUIRE(space_init(&s, ml_process_format(), 0, &config));
	memory_write(&s, 0, 5);
	for (uint64_t i = 0; i < pages; i++)
		T_REQUIRE(t_eq(space_map(&s, i * PAGE, PAGE, 0, USER_RO), ML_OK));
	t_eq(ml_process_sync(&s.process, s.process.window_va, pages * PAGE), ML_ERR_REFUSED);
	t_eq(s.process.refusal.error, ENOMEM);
	t_ok(s.process.refusal.va > s.process.window_va);
	t_eq(s.process.stats.evictions, 0);
	for (uint64_t i = 0; i < pages; i++) {
		T_REQUIRE(t_eq(load(&s, i * PAGE, &value), ML_OK));
		t_eq(value, 5);
	}
	t_ok(s.process.stats.evictions > 0);
	/* a page in the middle, while the kernel has hardly a mapping left */
	t_eq(ml_unmap(&s.table, s.process.window_va + 100 * PAGE, PAGE, NULL), ML_OK);
	t_eq(load(&s, 100 * PAGE, &value), ML_ERR_REFUSED);
	t_eq(load(&s, 101 * PAGE, &value), ML_OK);
	space_fini(&s);
}

/* --- threads ---------------------------------------------------------------------- */

/* How long mmap() dawdles before it fills: fixes the moment at which a fault is overtaken. */
static volatile unsigned fill_delay_us;

/* Stands in for the C library's, for the port too. */
void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	if (fill_delay_us && flags & MAP_SHARED)
		usleep(fill_delay_us);
	return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

struct toucher {
	struct space *space;
	int stop;
	uint64_t wrong;
	uint64_t hits;
};

static void *touch_until_stopped(void *cookie)
{
	struct toucher *toucher = cookie;
	uint64_t value;

	while (!__atomic_load_n(&toucher->stop, __ATOMIC_RELAXED)) {
		if (load(toucher->space, PAGE, &value) != ML_OK)
			continue;
		__atomic_fetch_add(&toucher->hits, 1, __ATOMIC_RELAXED);
		if (value != 1 && value != 2)
			toucher->wrong++;
	}
	return NULL;
}

static void map_and_unmap(struct space *s, unsigned round)
{
	uint64_t value;

	T_CONTEXT("round", round);
	t_eq(space_map(s, PAGE, PAGE, (1 + round % 2) * PAGE, USER_RO), ML_OK);
	/* time enough for the other thread to fault, and to be half way through its fill */
	usleep(100 + round);
	t_eq(ml_unmap(&s->table, s->process.window_va + PAGE, PAGE, NULL), ML_OK);
	usleep(2 * fill_delay_us);
	t_eq(load(s, PAGE, &value), ML_ERR_REFUSED);
}

/* A thread that keeps faulting must never bring back what an unmap has removed. */
TEST(no_fault_outlives_an_unmap)
{
	struct toucher toucher = { 0 };
	struct space s;
	pthread_t thread;

	T_REQUIRE(space_small(&s, ml_process_format()));
	toucher.space = &s;
	memory_write(&s, PAGE, 1);
	memory_write(&s, 2 * PAGE, 2);
	T_REQUIRE(t_eq(pthread_create(&thread, NULL, touch_until_stopped, &toucher), 0));
	fill_delay_us = 300;
	for (unsigned round = 0; round < 200; round++)
		map_and_unmap(&s, round);
	fill_delay_us = 0;
	t_eq(space_map(&s, PAGE, PAGE, PAGE, USER_RO), ML_OK);
	while (!__atomic_load_n(&toucher.hits, __ATOMIC_RELAXED))
		usleep(100);
	__atomic_store_n(&toucher.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	t_eq(toucher.wrong, 0);
	space_fini(&s);
}

/* --- whose fault it is ------------------------------------------------------------ */

static sigjmp_buf handed_over;
static volatile sig_atomic_t handed_count;
static void *volatile handed_address;

static void earlier_handler(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	handed_count++;
	handed_address = info->si_addr;
	siglongjmp(handed_over, 1);
}

static bool load_is_handed_over(const void *pointer)
{
	if (sigsetjmp(handed_over, 1))
		return true;
	(void)*(const volatile char *)pointer;
	return false;
}

TEST(other_faults_go_to_the_earlier_handler)
{
	struct sigaction mine = { .sa_sigaction = earlier_handler, .sa_flags = SA_SIGINFO };
	struct sigaction before, now;
	struct space s;
	void *hole = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	T_REQUIRE(t_ok(hole != MAP_FAILED));
	t_eq(sigaction(SIGSEGV, &mine, &before), 0);
	T_REQUIRE(space_small(&s, ml_process_format()));
	t_eq(space_map(&s, PAGE, PAGE, 0, USER_RO), ML_OK);
	handed_count = 0;
	t_ok(load_is_handed_over(hole));
	t_ok(handed_address == hole);
	t_ok(load_is_handed_over(s.process.window));
	t_ok(handed_address == (void *)s.process.window);
	t_ok(!load_is_handed_over(s.process.window + PAGE));
	t_eq(handed_count, 2);
	t_eq(s.process.stats.fills, 1);
	space_fini(&s);
	t_eq(sigaction(SIGSEGV, &before, &now), 0);
	t_ok(now.sa_sigaction == earlier_handler);
	munmap(hole, PAGE);
}

/* Only one that a program sends: a fault that is ignored would repeat for ever. */
TEST(an_ignored_signal_stays_ignored)
{
	void (*before)(int) = signal(SIGSEGV, SIG_IGN);
	struct space s;

	T_REQUIRE(space_small(&s, ml_process_format()));
	t_eq(raise(SIGSEGV), 0);
	space_fini(&s);
	t_ok(signal(SIGSEGV, before) == SIG_IGN);
}

static void *come_and_go(void *cookie)
{
	uint64_t *wrong = cookie;
	struct space s;

	for (unsigned round = 0; round < 300 && space_small(&s, ml_process_format()); round++) {
		*wrong += space_map(&s, 0, PAGE, 0, USER_RW) != ML_OK;
		*(volatile char *)s.process.window = 1;
		*wrong += ml_unmap(&s.table, s.process.window_va, PAGE, NULL) != ML_OK;
		space_fini(&s);
	}
	return NULL;
}

/* The last object of one thread goes while the first of another comes: faults are still ours. */
TEST(objects_of_two_threads_come_and_go)
{
	uint64_t wrong[2] = { 0 };
	pthread_t thread;
	struct sigaction now;

	T_REQUIRE(t_eq(pthread_create(&thread, NULL, come_and_go, &wrong[0]), 0));
	come_and_go(&wrong[1]);
	pthread_join(thread, NULL);
	t_eq(wrong[0] + wrong[1], 0);
	t_eq(sigaction(SIGSEGV, NULL, &now), 0);
	t_ok(!(now.sa_flags & SA_SIGINFO));
}

/* A child of a process one thread of which was answering a fault: it ends, and does not hang. */
TEST(a_child_waits_for_no_lock_of_its_parent)
{
	int status = 0;
	struct space s;
	pid_t child;

	T_REQUIRE(space_small(&s, ml_process_format()));
	ml_process_lock(&s.process.locked);
	child = fork();
	if (child == 0) {
		alarm(5);
		*(volatile char *)s.process.window = 1;
		_exit(0);
	}
	ml_process_unlock(&s.process.locked);
	t_ok(child > 0 && waitpid(child, &status, 0) == child);
	t_ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	space_fini(&s);
}

/* --- bad calls -------------------------------------------------------------------- */

static int init_error(uint64_t window, uint64_t memory, uint64_t pa, uint64_t tables)
{
	const struct ml_process_config config = { .window_bytes = window,
						  .memory_bytes = memory,
						  .memory_pa = pa,
						  .table_bytes = tables };
	struct ml_process p;

	return ml_process_init(&p, &config);
}

TEST(bad_configurations_are_refused)
{
	struct ml_process_config shared = { .window_bytes = 2 * MIB, .memory_bytes = 2 * MIB };
	struct ml_table_config unconfigured = { 0 };
	struct ml_process p;
	struct space s;
	struct ml_table other;

	t_eq(init_error(0, 2 * MIB, 0, 0), ML_ERR_EMPTY);
	t_eq(init_error(2 * MIB, 0, 0, 0), ML_ERR_EMPTY);
	t_eq(init_error(2 * MIB + PAGE, 2 * MIB, 0, 0), ML_ERR_ALIGN);
	t_eq(init_error(2 * MIB, 2 * MIB - PAGE, 0, 0), ML_ERR_ALIGN);
	t_eq(init_error(2 * MIB, 2 * MIB, PAGE, 0), ML_ERR_ALIGN);
	t_eq(init_error(2 * MIB, 2 * MIB, 0, 100), ML_ERR_ALIGN);
	t_eq(init_error((uint64_t)1 << 50, 2 * MIB, 0, 0), ML_ERR_PA_RANGE);
	t_eq(init_error(2 * MIB, 2 * MIB, (uint64_t)1 << 60, 0), ML_ERR_PA_RANGE);
	t_eq(init_error(2 * MIB, (uint64_t)1 << 47, (uint64_t)1 << 47, 0), ML_ERR_PA_RANGE);

	T_REQUIRE(space_small(&s, ml_process_format()));
	shared.memory_of = &s.process;
	t_eq(ml_process_init(&p, &shared), ML_ERR_CONFIG);
	t_eq(ml_process_attach(&s.process, &s.table), ML_ERR_EXISTS);
	ml_process_configure(&s.process, &unconfigured);
	T_REQUIRE(t_eq(ml_table_init(&other, ml_process_format(), &unconfigured), ML_OK));
	other.cookie = NULL;
	t_eq(ml_process_attach(&s.process, &other), ML_ERR_CONFIG);
	other.cookie = &s.process;
	ml_table_fini(&other, NULL);
	space_fini(&s);
}

/* No address space is left for the window: what, how much, and the kernel's own number. */
TEST(an_impossible_window_is_told)
{
	const struct ml_process_config config = { .window_bytes = 64 * GIB,
						  .memory_bytes = 2 * MIB };
	struct rlimit before, tight;
	struct ml_process p;

	t_eq(getrlimit(RLIMIT_AS, &before), 0);
	tight = before;
	tight.rlim_cur = 32 * GIB;
	t_eq(setrlimit(RLIMIT_AS, &tight), 0);
	t_eq(ml_process_init(&p, &config), ML_ERR_REFUSED);
	t_eq(setrlimit(RLIMIT_AS, &before), 0);
	t_str(p.refusal.what, "mmap of the window");
	t_eq(p.refusal.error, ENOMEM);
	t_eq(p.refusal.length, 64 * GIB);
}

TEST(bad_ranges_are_refused)
{
	struct ml_process_sizes sizes;
	struct ml_process *p;
	struct space s;
	ml_va base;

	T_REQUIRE(space_small(&s, ml_process_format()));
	p = &s.process;
	base = p->window_va;
	t_eq(ml_process_sync(p, base, 0), ML_ERR_EMPTY);
	t_eq(ml_process_sync(p, base + 1, PAGE), ML_ERR_ALIGN);
	t_eq(ml_process_sync(p, base, PAGE + 1), ML_ERR_ALIGN);
	t_eq(ml_process_sync(p, ~(uint64_t)0 - PAGE + 1, 2 * PAGE), ML_ERR_WRAP);
	t_eq(ml_process_sync(p, base - PAGE, 2 * PAGE), ML_ERR_CANONICAL);
	t_eq(ml_process_sync(p, base + p->window_bytes - PAGE, 2 * PAGE), ML_ERR_CANONICAL);
	t_eq(ml_process_confirm(p, base, 0, &sizes), ML_ERR_EMPTY);
	t_eq(ml_process_confirm(p, base - PAGE, PAGE, &sizes), ML_ERR_CANONICAL);
	t_eq(load(&s, 4, &(uint64_t){ 0 }), ML_ERR_ALIGN);
	t_eq(load(&s, p->window_bytes, &(uint64_t){ 0 }), ML_ERR_CANONICAL);
	ml_process_detach(p, &s.table);
	t_eq(ml_process_sync(p, base, PAGE), ML_ERR_CONFIG);
	t_eq(load(&s, 0, &(uint64_t){ 0 }), ML_ERR_REFUSED);
	t_eq(ml_process_attach(p, &s.table), ML_OK);
	space_fini(&s);
}

/* Two windows of one program: the same addresses, other leaves. */
TEST(a_window_has_the_addresses_that_it_is_given)
{
	struct ml_process_config config = { .window_bytes = 16 * MIB,
					    .memory_bytes = 16 * MIB,
					    .memory_pa = 64 * MIB };
	struct space one, other;
	uint64_t value = 0;

	T_REQUIRE(space_init(&one, ml_process_format(), 0, &config));
	config.memory_bytes = 0;
	config.memory_of = &one.process;
	config.window_va = one.process.window_va;
	T_REQUIRE(space_init(&other, ml_process_format(), 0, &config));
	t_ok(other.process.window != one.process.window);
	t_eq(space_map(&one, 0, PAGE, 0, USER_RW), ML_OK);
	t_eq(space_map(&other, 0, PAGE, PAGE, USER_RW), ML_OK);
	*(volatile uint64_t *)(void *)one.process.window = 1;
	t_eq(store(&other, 0, 2), ML_OK);
	t_eq(load(&one, 0, &value), ML_OK);
	t_eq(value, 1);
	t_eq(*(volatile uint64_t *)(void *)other.process.window, 2);
	t_eq(ml_process_sync(&other.process, config.window_va, PAGE), ML_OK);
	t_eq(memory_word(&one, PAGE), 2);
	space_fini(&other);
	config.window_va = 3 * MIB;
	t_eq(ml_process_init(&other.process, &config), ML_ERR_ALIGN);
	config.window_va = 0 - 16 * MIB;
	config.window_bytes = 24 * MIB;
	t_eq(ml_process_init(&other.process, &config), ML_ERR_WRAP);
	space_fini(&one);
}
