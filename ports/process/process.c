/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The object of the process port: window, memory, table memory; and the platform
 * callbacks that a table of it is configured with.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"
#include "kernel_abi.h"

#define TABLE_BYTES ((size_t)1 << PROCESS_PAGE_SHIFT)
#define WINDOW_ALIGN_MOST ((uint64_t)1 << 30)
#define PA_END ((uint64_t)1 << 48)

void ml_process_lock(int *lock)
{
	while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE))
		sched_yield();
}

void ml_process_unlock(int *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

void ml_process_lock_outside(int *lock, sigset_t *before)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, before);
	ml_process_lock(lock);
}

void ml_process_unlock_outside(int *lock, const sigset_t *before)
{
	ml_process_unlock(lock);
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

const struct ml_format *ml_process_format(void)
{
#if defined(__aarch64__)
	return &ml_format_arm64_4k;
#else
	return &ml_format_x86_64;
#endif
}

/* --- platform --------------------------------------------------------------------- */

/* The part of an invalidation that lies in the window. */
static bool clip(const struct ml_process *p, const struct ml_invalidation *what, ml_va *va,
		 uint64_t *len)
{
	ml_va last = what->va + what->length - 1;
	ml_va window_last = p->window_va + p->window_bytes - 1;

	*va = p->window_va;
	*len = p->window_bytes;
	if (what->length == 0)
		return true;
	if (what->va > window_last || last < p->window_va)
		return false;
	if (what->va > *va)
		*va = what->va;
	*len = (last < window_last ? last : window_last) - *va + 1;
	return true;
}

/*
 * The lock orders this after every fault that read the table before its entry changed:
 * what such a fault filled is dropped here.
 */
static void invalidate(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	struct ml_process *p = cookie;
	sigset_t before;
	ml_va va;
	uint64_t len;
	bool dropped;

	(void)op;
	if (!clip(p, what, &va, &len))
		return;
	ml_process_lock_outside(&p->locked, &before);
	dropped = ml_process_drop(p, va, len);
	if (!dropped) {
		/* A part needs mappings that the kernel may not have left; the whole frees some. */
		p->stats.evictions++;
		dropped = ml_process_drop_all(p);
	}
	p->stats.drops++;
	ml_process_unlock_outside(&p->locked, &before);
	if (!dropped) {
		/* Going on would leave an entry usable that the caller was told is gone. */
		perror("maxleaf: process: cannot drop an invalidated range");
		abort();
	}
}

/* munmap and mmap return after every CPU has dropped the range. */
static void complete(void *cookie, struct ml_op *op)
{
	(void)cookie;
	(void)op;
}

/* A cookie is a process to this file, and its first member to the pool. */
_Static_assert(offsetof(struct ml_process, pool) == 0, "of one address");

static const struct ml_platform platform = {
	.table_alloc = ml_pool_alloc,
	.table_free = ml_pool_free,
	.table_pointer = ml_pool_pointer,
	.invalidate = invalidate,
	.complete = complete,
};

/* --- init and fini ---------------------------------------------------------------- */

static int refused(struct ml_process *p, const char *what, int error, uint64_t length)
{
	p->refusal = (struct ml_process_refusal){ what, error, p->window_va, length };
	return ML_ERR_REFUSED;
}

static uint64_t align_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) & ~(align - 1);
}

/* Addresses that fault, aligned; what was reserved too much for it is given back. */
static char *reserve(uint64_t bytes, uint64_t align)
{
	uint64_t all = bytes + align;
	uint64_t head;
	char *start;

	start = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (start == MAP_FAILED)
		return NULL;
	head = align_up((uintptr_t)start, align) - (uintptr_t)start;
	if (head)
		munmap(start, head);
	if (all - head - bytes)
		munmap(start + head + bytes, all - head - bytes);
	return start + head;
}

static uint64_t window_align(uint64_t bytes)
{
	uint64_t align = WINDOW_ALIGN_MOST;

	while (align > bytes)
		align >>= 1;
	return align;
}

/* Executable where the kernel lets one choose; kernels before 6.3 refuse to be asked. */
static int memory_create(uint64_t bytes)
{
	int fd = memfd_create("maxleaf", MFD_CLOEXEC | KERNEL_MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("maxleaf", MFD_CLOEXEC);
	if (fd >= 0 && ftruncate(fd, (off_t)bytes)) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* By default twice what 4 KiB leaves everywhere take: guaranteed splits find their deposits. */
static uint64_t table_bytes(const struct ml_process_config *config)
{
	uint64_t tables = (config->window_bytes >> 21) + (config->window_bytes >> 30) + 8;

	return config->table_bytes ? config->table_bytes : 2 * tables * TABLE_BYTES;
}

static int config_check(const struct ml_process_config *config)
{
	const struct ml_process *other = config->memory_of;
	uint64_t bytes = other ? other->memory_bytes : config->memory_bytes;
	uint64_t pa = other ? other->memory_pa : config->memory_pa;

	if (other && config->memory_bytes)
		return ML_ERR_CONFIG;
	if (config->window_bytes == 0 || bytes == 0)
		return ML_ERR_EMPTY;
	if ((config->window_bytes | bytes | pa) & (ML_PROCESS_HUGE_BYTES - 1) ||
	    config->table_bytes & (TABLE_BYTES - 1) ||
	    config->window_va & (window_align(config->window_bytes) - 1))
		return ML_ERR_ALIGN;
	if (config->window_va + (config->window_bytes - 1) < config->window_va)
		return ML_ERR_WRAP;
	if (config->window_bytes > PA_END / 2 || bytes > PA_END / 2 || pa > PA_END / 2 ||
	    config->table_bytes > PA_END / 4 || pa + bytes + table_bytes(config) > PA_END)
		return ML_ERR_PA_RANGE;
	return ML_OK;
}

static int create_parts(struct ml_process *p, const struct ml_process_config *config)
{
	const struct ml_process *other = config->memory_of;

	p->memory_pa = other ? other->memory_pa : config->memory_pa;
	p->memory_bytes = other ? other->memory_bytes : config->memory_bytes;
	p->owns_memory = !other;
	p->memory_fd = other ? other->memory_fd : memory_create(p->memory_bytes);
	if (p->memory_fd < 0)
		return refused(p, "memfd_create", errno, p->memory_bytes);
	if (!ml_process_spare_map(p))
		return refused(p, "mmap", errno, 0);
	p->window = reserve(p->window_bytes, window_align(p->window_bytes));
	if (!p->window)
		return refused(p, "mmap of the window", errno, p->window_bytes);
	p->window_va = config->window_va ? config->window_va : (uintptr_t)p->window;
	p->pool_memory = mmap(NULL, p->pool_bytes, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p->pool_memory == MAP_FAILED) {
		p->pool_memory = NULL;
		return refused(p, "mmap of table memory", errno, p->pool_bytes);
	}
	return ml_pool_init(&p->pool, p->pool_memory, p->memory_pa + p->memory_bytes, p->pool_bytes,
			    TABLE_BYTES);
}

static void destroy_parts(struct ml_process *p)
{
	if (p->pool_memory)
		munmap(p->pool_memory, p->pool_bytes);
	if (p->window)
		munmap(p->window, p->window_bytes);
	ml_process_spare_unmap(p);
	if (p->owns_memory && p->memory_fd >= 0)
		close(p->memory_fd);
}

static bool host_is_supported(void)
{
#if defined(__x86_64__) || defined(__aarch64__)
	return sysconf(_SC_PAGESIZE) == 1 << PROCESS_PAGE_SHIFT;
#else
	return false;
#endif
}

int ml_process_init(struct ml_process *p, const struct ml_process_config *config)
{
	int error = config_check(config);

	memset(p, 0, sizeof(*p));
	p->memory_fd = -1;
	if (error)
		return error;
	if (!host_is_supported())
		return refused(p, "this host's ISA or page size", 0, 0);
	p->fault = config->fault;
	p->fault_cookie = config->fault_cookie;
	p->window_bytes = config->window_bytes;
	p->pool_bytes = table_bytes(config);
	error = create_parts(p, config);
	if (!error && !ml_process_register(p))
		error = refused(p, "sigaction", errno, 0);
	if (error)
		destroy_parts(p);
	return error;
}

void ml_process_fini(struct ml_process *p)
{
	ml_process_unregister(p);
	destroy_parts(p);
}

void ml_process_configure(struct ml_process *p, struct ml_table_config *config)
{
	config->platform = &platform;
	config->cookie = p;
	config->base = ml_pool_base(&p->pool);
}

int ml_process_attach(struct ml_process *p, struct ml_table *t)
{
	if (t->platform != &platform || t->cookie != p)
		return ML_ERR_CONFIG;
	if (t->format->page_shift != PROCESS_PAGE_SHIFT)
		return ML_ERR_CONFIG;
	if (p->table)
		return ML_ERR_EXISTS;
	ml_table_set_live(t, true);
	__atomic_store_n(&p->table, t, __ATOMIC_RELEASE);
	return ML_OK;
}

void ml_process_detach(struct ml_process *p, struct ml_table *t)
{
	static const struct ml_invalidation everything = { .level = 0xff };

	__atomic_store_n(&p->table, NULL, __ATOMIC_RELEASE);
	invalidate(p, NULL, &everything);
	ml_table_set_live(t, false);
}
