/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The object of the KVM port: memory, table memory, the kernel's table that every other borrows;
 * the platform callbacks that tables of it are configured with, and the calls.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

#define HUGE_BYTES ((uint64_t)2 << 20)
#define PA_END ((uint64_t)1 << 48)
#define KERNEL_TABLES 4          /* the root and the tables of the port's pages */
#define TYPES 0x0007040600070406 /* IA32_PAT at reset */

int ml_kvm_refused(struct ml_kvm *k, const char *what, int error, uint64_t number)
{
	k->refusal = (struct ml_kvm_refusal){ .what = what, .error = error, .number = number };
	return ML_ERR_REFUSED;
}

/* The port's pages are the last of the slot. */
static ml_pa code_pa(const struct ml_kvm *k)
{
	return k->memory_pa + k->slot_bytes - 2 * PAGE_BYTES;
}

struct guest *ml_kvm_guest(const struct ml_kvm *k)
{
	return (struct guest *)(void *)(k->memory + k->slot_bytes - PAGE_BYTES);
}

/* --- calls ---------------------------------------------------------------------------- */

static int call(struct ml_kvm *k, enum ml_kvm_mode mode, enum routine routine)
{
	return ml_kvm_cpu_run(k, mode, (mode == ML_KVM_USER ? USER_VA : CODE_VA) + routine);
}

int ml_kvm_probe(struct ml_kvm *k, enum ml_kvm_mode mode, enum ml_kvm_access access, ml_va va,
		 uint64_t *value)
{
	struct guest *guest = ml_kvm_guest(k);
	int error;

	if (access == ML_KVM_FETCH)
		return ml_kvm_cpu_run(k, mode, va);
	guest->rdi = va;
	guest->rax = *value;
	error = call(k, mode, access == ML_KVM_STORE ? ROUTINE_STORE : ROUTINE_LOAD);
	if (!error)
		*value = guest->value;
	return error;
}

int ml_kvm_chase(struct ml_kvm *k, ml_va va, uint64_t *offset, uint64_t steps)
{
	struct guest *guest = ml_kvm_guest(k);
	int error;

	guest->rdi = va;
	guest->rax = *offset;
	guest->rcx = steps;
	error = call(k, ML_KVM_USER, ROUTINE_CHASE);
	if (!error)
		*offset = guest->value;
	return error;
}

int ml_kvm_copy(struct ml_kvm *k, ml_va to, ml_va from, uint64_t len)
{
	struct guest *guest = ml_kvm_guest(k);

	guest->rdi = to;
	guest->rsi = from;
	guest->rcx = len;
	return call(k, ML_KVM_USER, ROUTINE_COPY);
}

/* --- platform ------------------------------------------------------------------------- */

/* One INVLPG for every leaf that may be cached, or everything where those are many. */
static void invalidate(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	struct guest *guest = ml_kvm_guest(cookie);
	uint64_t count = ((what->length - 1) >> what->stride_shift) + 1;
	uint64_t i;

	(void)op;
	if (guest->flushes == FLUSH_ALL)
		return;
	if (what->length == 0 || count > FLUSH_MOST - guest->flushes) {
		guest->flushes = FLUSH_ALL;
		return;
	}
	for (i = 0; i < count; i++)
		guest->flush[guest->flushes++] = what->va + (i << what->stride_shift);
}

/*
 * Where KVM refuses this, the next call is refused as well: there is no memory then, or the vCPU
 * does not run. No translation that should be gone is used.
 */
static void complete(void *cookie, struct ml_op *op)
{
	struct ml_kvm *k = cookie;

	(void)op;
	if (ml_kvm_guest(k)->flushes && (!k->shadowed || !ml_kvm_memory_give(k)))
		(void)!call(k, ML_KVM_KERNEL, ROUTINE_CALL);
}

/* A cookie is a machine to this file, and its first member to the pool. */
_Static_assert(offsetof(struct ml_kvm, pool) == 0, "of one address");

static const struct ml_platform platform = {
	.table_alloc = ml_pool_alloc,
	.table_free = ml_pool_free,
	.table_pointer = ml_pool_pointer,
	.invalidate = invalidate,
	.complete = complete,
};

/* --- init and fini -------------------------------------------------------------------- */

static uint64_t pool_bytes(const struct ml_kvm_config *config)
{
	uint64_t tables = (config->memory_bytes >> 21) + (config->memory_bytes >> 30) + 8;

	return KERNEL_TABLES * PAGE_BYTES +
	       (config->table_bytes ? config->table_bytes : 8 * tables * PAGE_BYTES);
}

static int config_check(const struct ml_kvm_config *config)
{
	if (config->memory_bytes == 0)
		return ML_ERR_EMPTY;
	if ((config->memory_bytes | config->memory_pa) & (HUGE_BYTES - 1) ||
	    config->table_bytes & (PAGE_BYTES - 1))
		return ML_ERR_ALIGN;
	if (config->memory_bytes > PA_END / 2 || config->memory_pa > PA_END / 2 ||
	    config->table_bytes > PA_END / 4)
		return ML_ERR_PA_RANGE;
	return ML_OK;
}

/* Guest and host addresses are the same modulo 2 MiB, so that the host's leaves can be large. */
static int memory_create(struct ml_kvm *k)
{
	uint64_t all = k->slot_bytes + HUGE_BYTES;
	char *start = mmap(NULL, all, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t head = -(uintptr_t)start & (HUGE_BYTES - 1);

	if (start == MAP_FAILED)
		return ml_kvm_refused(k, "mmap of the memory", errno, all);
	if (head)
		munmap(start, head);
	munmap(start + head + k->slot_bytes, all - head - k->slot_bytes);
	k->memory = start + head;
	/* A kernel without large leaves refuses; whoever asks is told. */
	(void)!madvise(k->memory, k->slot_bytes, MADV_HUGEPAGE);
	return ml_kvm_memory_give(k);
}

/* The guest's pages: code for the kernel, its data, the same code for user mode. */
static int kernel_create(struct ml_kvm *k)
{
	struct ml_table_config config = { .live = true, .hardware_ad = true };
	int error;

	ml_kvm_configure(k, &config);
	error = ml_table_init(&k->kernel, &ml_format_x86_64, &config);
	if (!error)
		error = ml_map(&k->kernel, CODE_VA, PAGE_BYTES, code_pa(k), ML_READ | ML_PEXEC,
			       NULL);
	if (!error)
		error = ml_map(&k->kernel, DATA_VA, PAGE_BYTES, code_pa(k) + PAGE_BYTES, ML_RW,
			       NULL);
	if (!error)
		error = ml_map(&k->kernel, USER_VA, PAGE_BYTES, code_pa(k),
			       ML_USER | ML_READ | ML_EXEC, NULL);
	return error;
}

/*
 * Where KVM has no second translation the CPU walks tables that KVM derived from ours, and INVLPG
 * renews what the guest itself stored in them, not what the host did. Nothing tells but trying:
 * a page that is gone, invalidated, and still there.
 */
static int find_shadow(struct ml_kvm *k)
{
	uint64_t value = 0;
	int error =
		ml_map(&k->kernel, ML_KVM_LENT_VA, PAGE_BYTES, code_pa(k), ML_USER | ML_READ, NULL);

	if (!error)
		error = ml_kvm_probe(k, ML_KVM_USER, ML_KVM_LOAD, ML_KVM_LENT_VA, &value);
	if (!error)
		error = ml_unmap(&k->kernel, ML_KVM_LENT_VA, PAGE_BYTES, NULL);
	if (error)
		return error;
	k->shadowed = !ml_kvm_probe(k, ML_KVM_USER, ML_KVM_LOAD, ML_KVM_LENT_VA, &value);
	return k->shadowed ? ml_kvm_memory_give(k) : ML_OK;
}

/* A table that was not live was edited, and took freed ones, with no word to KVM. */
static int use(struct ml_kvm *k, const struct ml_table *t)
{
	k->root = ml_table_root(t);
	return k->shadowed && ml_kvm_memory_give(k) ? ML_ERR_REFUSED : ml_kvm_cpu_reset(k);
}

static int create_parts(struct ml_kvm *k, const struct ml_kvm_config *config)
{
	uint64_t pool = pool_bytes(config);
	int error;

	k->slot_bytes = config->memory_bytes + pool + 2 * PAGE_BYTES;
	error = ml_kvm_machine_open(k, config->device ? config->device : "/dev/kvm");
	if (!error && k->memory_pa + k->slot_bytes > (uint64_t)1 << k->pa_bits)
		error = ML_ERR_PA_RANGE;
	if (!error)
		error = memory_create(k);
	if (error)
		return error;
	error = ml_pool_init(&k->pool, k->memory + k->memory_bytes, k->memory_pa + k->memory_bytes,
			     pool, PAGE_BYTES);
	if (!error)
		error = kernel_create(k);
	if (!error)
		error = use(k, &k->kernel);
	return error ? error : find_shadow(k);
}

void ml_kvm_fini(struct ml_kvm *k)
{
	const int fds[] = { k->cpu_fd, k->vm_fd, k->device_fd };
	unsigned i;

	if (k->run && k->run != MAP_FAILED)
		munmap(k->run, k->run_bytes);
	for (i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (k->memory)
		munmap(k->memory, k->slot_bytes);
}

int ml_kvm_init(struct ml_kvm *k, const struct ml_kvm_config *config)
{
	int error = config_check(config);

	*k = (struct ml_kvm){ .memory_pa = config->memory_pa,
			      .memory_bytes = config->memory_bytes,
			      .device_fd = -1,
			      .vm_fd = -1,
			      .cpu_fd = -1 };
	if (error)
		return error;
	error = create_parts(k, config);
	if (error)
		ml_kvm_fini(k);
	return error;
}

/* --- tables --------------------------------------------------------------------------- */

void ml_kvm_configure(struct ml_kvm *k, struct ml_table_config *config)
{
	config->platform = &platform;
	config->cookie = k;
	config->base = ml_pool_base(&k->pool);
	config->types = TYPES;
	config->levels = 4;
	config->pa_bits = k->pa_bits;
	config->rungs = (config->rungs ? config->rungs : ~UINT32_C(0)) & k->rungs;
}

int ml_kvm_attach(struct ml_kvm *k, struct ml_table *t)
{
	int error = ML_OK;

	if (t->platform != &platform || t->cookie != k || t->format != k->kernel.format)
		return ML_ERR_CONFIG;
	if (k->table)
		return ML_ERR_EXISTS;
	if (!t->shared_count)
		error = ml_table_share(t, &k->kernel, ML_KVM_KERNEL_VA, -ML_KVM_KERNEL_VA, NULL);
	if (!error)
		error = use(k, t);
	if (error)
		return error;
	ml_table_set_live(t, true);
	k->table = t;
	return ML_OK;
}

void ml_kvm_detach(struct ml_kvm *k, struct ml_table *t)
{
	k->table = NULL;
	ml_table_set_live(t, false);
	/* What KVM refuses now it refuses when the next table is attached. */
	(void)!use(k, &k->kernel);
}
