/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The object of the KVM port: memory, table memory, the kernel's table that every other borrows;
 * the platform callbacks that tables of it are configured with, and the calls.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

#define HUGE_BYTES ((uint64_t)2 << 20)
#define INVALIDATE_MOST 255 /* leaves dropped one by one */

int ml_kvm_refused(struct ml_kvm *k, const char *what, int error, uint64_t number)
{
	k->refusal = (struct ml_kvm_refusal){ .what = what, .error = error, .number = number };
	return ML_ERR_REFUSED;
}

/* --- calls ---------------------------------------------------------------------------- */

int ml_kvm_probe(struct ml_kvm *k, enum ml_kvm_mode mode, enum ml_kvm_access access, ml_va va,
		 uint64_t *value)
{
	struct ml_kvm_call call = { .rax = *value, .rdi = va, .rip = va };

	if (access != ML_KVM_FETCH)
		call.rip = (mode == ML_KVM_USER ? USER_VA : CODE_VA) +
			   (access == ML_KVM_STORE ? ROUTINE_STORE : ROUTINE_LOAD);
	return ml_kvm_cpu_run(k, mode, call, value);
}

int ml_kvm_chase(struct ml_kvm *k, ml_va va, uint64_t *offset, uint64_t steps)
{
	const struct ml_kvm_call call = {
		.rax = *offset, .rdi = va, .rcx = steps, .rip = USER_VA + ROUTINE_CHASE
	};

	return ml_kvm_cpu_run(k, ML_KVM_USER, call, offset);
}

int ml_kvm_copy(struct ml_kvm *k, ml_va to, ml_va from, uint64_t len)
{
	const struct ml_kvm_call call = {
		.rdi = to, .rsi = from, .rcx = len, .rip = USER_VA + ROUTINE_COPY
	};

	return ml_kvm_cpu_run(k, ML_KVM_USER, call, &(uint64_t){ 0 });
}

/* --- platform ------------------------------------------------------------------------- */

/*
 * One INVLPG for every leaf that may be cached, or everything where those are many. A vCPU that
 * KVM refuses to run drops everything before it runs again.
 */
static void invalidate(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	const struct ml_kvm_call call = { .rdi = what->va,
					  .rsi = (uint64_t)1 << what->stride_shift,
					  .rcx = ((what->length - 1) >> what->stride_shift) + 1,
					  .rip = CODE_VA + ROUTINE_INVALIDATE };

	(void)op;
	if (what->length == 0 || call.rcx > INVALIDATE_MOST)
		(void)ml_kvm_cpu_reset(cookie);
	else
		(void)ml_kvm_cpu_run(cookie, ML_KVM_KERNEL, call, &(uint64_t){ 0 });
}

/* The vCPU has invalidated when it is back; shadow tables do not hear of it. */
static void complete(void *cookie, struct ml_op *op)
{
	struct ml_kvm *k = cookie;

	(void)op;
	if (k->shadowed)
		(void)ml_kvm_cpu_reset(k);
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

static int config_check(const struct ml_kvm_config *config)
{
	if (config->memory_bytes == 0)
		return ML_ERR_EMPTY;
	if ((config->memory_bytes | config->memory_pa) & (HUGE_BYTES - 1))
		return ML_ERR_ALIGN;
	/* The rest adds without overflow, and is compared with the vCPU's width. */
	if ((config->memory_bytes | config->memory_pa) >> 52)
		return ML_ERR_PA_RANGE;
	return ML_OK;
}

/* Guest and host addresses are the same modulo 2 MiB, so that the host's leaves can be large. */
static int memory_create(struct ml_kvm *k)
{
	k->mapping = mmap(NULL, k->slot_bytes + HUGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (k->mapping == MAP_FAILED)
		return ml_kvm_refused(k, "mmap of the memory", errno, k->slot_bytes);
	k->memory = k->mapping + (-(uintptr_t)k->mapping & (HUGE_BYTES - 1));
	/* A kernel without large leaves refuses; whoever asks is told. */
	(void)!madvise(k->memory, k->slot_bytes, MADV_HUGEPAGE);
	return ML_OK;
}

/* The guest's pages: code for the kernel, its data, the same code for user mode. */
static int kernel_create(struct ml_kvm *k)
{
	struct ml_table_config config = { .live = true, .hardware_ad = true };
	struct ml_table *t = &k->kernel;
	ml_pa code = k->memory_pa + k->slot_bytes - 2 * PAGE_BYTES;
	int error;

	ml_kvm_configure(k, &config);
	error = ml_table_init(t, &ml_format_x86_64, &config);
	if (!error)
		error = ml_map(t, CODE_VA, PAGE_BYTES, code, ML_READ | ML_PEXEC, NULL);
	if (!error)
		error = ml_map(t, DATA_VA, PAGE_BYTES, code + PAGE_BYTES, ML_RW, NULL);
	if (!error)
		error = ml_map(t, USER_VA, PAGE_BYTES, code, ML_USER | ML_READ | ML_EXEC, NULL);
	return error;
}

/*
 * Where KVM has no second translation the CPU walks tables that KVM derived from ours, and INVLPG
 * renews what the guest itself stored in them, not what the host did. Nothing tells but trying:
 * a page that is gone, invalidated, and still there.
 */
static int find_shadow(struct ml_kvm *k)
{
	ml_va va = ML_KVM_LENT_VA;
	uint64_t value = 0;
	int error = ml_map(&k->kernel, va, PAGE_BYTES, k->memory_pa, ML_USER | ML_READ, NULL);

	if (!error)
		error = ml_kvm_cpu_reset(k);
	k->shadowed = false;
	if (!error)
		error = ml_kvm_probe(k, ML_KVM_USER, ML_KVM_LOAD, va, &value);
	if (!error)
		error = ml_unmap(&k->kernel, va, PAGE_BYTES, NULL);
	if (error)
		return error;
	k->shadowed = !ml_kvm_probe(k, ML_KVM_USER, ML_KVM_LOAD, va, &value);
	return ml_kvm_cpu_reset(k);
}

static int create_parts(struct ml_kvm *k, const struct ml_kvm_config *config)
{
	uint64_t pool = config->memory_bytes / 8;
	int error;

	k->slot_bytes = config->memory_bytes + pool + 2 * PAGE_BYTES;
	error = ml_kvm_machine_open(k, config->device ? config->device : "/dev/kvm");
	if (!error && k->memory_pa + k->slot_bytes > (uint64_t)1 << k->pa_bits)
		error = ML_ERR_PA_RANGE;
	if (!error)
		error = memory_create(k);
	if (!error)
		error = ml_pool_init(&k->pool, k->memory + k->memory_bytes,
				     k->memory_pa + k->memory_bytes, pool, PAGE_BYTES);
	if (!error)
		error = kernel_create(k);
	return error ? error : find_shadow(k);
}

void ml_kvm_fini(struct ml_kvm *k)
{
	if (k->run && k->run != MAP_FAILED)
		munmap(k->run, PAGE_BYTES);
	close(k->cpu_fd);
	close(k->vm_fd);
	close(k->device_fd);
	if (k->memory)
		munmap(k->mapping, k->slot_bytes + HUGE_BYTES);
}

int ml_kvm_init(struct ml_kvm *k, const struct ml_kvm_config *config)
{
	int error = config_check(config);

	*k = (struct ml_kvm){ .memory_pa = config->memory_pa,
			      .memory_bytes = config->memory_bytes,
			      .shadowed = true, /* until found not to be */
			      .device_fd = -1,
			      .vm_fd = -1,
			      .cpu_fd = -1 };
	if (!error)
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
	config->types = 0; /* the format's, as the vCPU has them */
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
	if (error)
		return error;
	k->table = t;
	ml_table_set_live(t, true);
	error = ml_kvm_cpu_reset(k);
	if (error)
		ml_kvm_detach(k, t);
	return error;
}

void ml_kvm_detach(struct ml_kvm *k, struct ml_table *t)
{
	k->table = NULL;
	ml_table_set_live(t, false);
	/* What KVM refuses now it refuses when the next table is attached. */
	(void)ml_kvm_cpu_reset(k);
}
