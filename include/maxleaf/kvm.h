/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The KVM port: a virtual CPU of Linux's KVM translates by our tables on the real MMU, in user and
 * in kernel mode. The caller's thread is the vCPU: it runs inside the calls below and stands still
 * between them.
 *
 * - Guest memory is one block: the memory that tables map, an eighth of it more for tables (a
 *   pool), and two pages of the port. Nothing else is there: an access elsewhere is refused.
 * - The vCPU has x86-64's four levels, NX, WP, the format's default memory types and, where KVM
 *   offers it, SMEP. Every table attached borrows the addresses from ML_KVM_KERNEL_VA to the end,
 *   where the port's pages are; all other addresses are free.
 * - Invalidations are instructions of the vCPU itself (INVLPG, or a change of CR4.PGE), executed
 *   before it touches anything again; where KVM keeps shadow tables that do not follow what the
 *   host stores, those are dropped as well.
 * - Below our tables are those of the host (EPT, NPT), and the smaller leaf of the two counts:
 *   KVM's are not larger than those of this process's own mapping at `memory`, which
 *   ml_process_confirm_memory() tells.
 * - Hosts: Linux on x86-64. Elsewhere ml_kvm_init() refuses.
 * - Locking: as <maxleaf/table.h>; every call here counts as one that changes the table.
 */
#ifndef MAXLEAF_KVM_H
#define MAXLEAF_KVM_H

#include <maxleaf/pool.h>
#include <maxleaf/table.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The first of the addresses that the port's own pages take in every table: the last 512 GiB. */
#define ML_KVM_KERNEL_VA ((ml_va)0xffffff8000000000)

/* Addresses from here to the end are free in ml_kvm.kernel, for mappings of the caller. */
#define ML_KVM_LENT_VA ((ml_va)0xffffffc000000000)

struct ml_kvm_config {
	const char *device;    /* NULL: "/dev/kvm" */
	uint64_t memory_bytes; /* memory to create, a multiple of 2 MiB */
	ml_pa memory_pa;       /* its guest physical address, a multiple of 2 MiB */
};

/* What was refused. Meaningful after a call returned ML_ERR_REFUSED. */
struct ml_kvm_refusal {
	const char *what; /* "/dev/kvm", "KVM_CREATE_VM", "fault", ... */
	int error;        /* errno, or 0 where KVM answered and the port refused */
	uint64_t number;  /* bytes, guest physical address, exit reason; of a fault the vector */
	uint64_t code;    /* of a fault: the CPU's error code, */
	ml_va va;         /* and the address of a page fault */
};

/* The vector of a page fault (Intel SDM vol. 3A 4.7), and bits of its code. */
#define ML_KVM_PAGE_FAULT 14u
#define ML_KVM_FAULT_PRESENT 1u
#define ML_KVM_FAULT_RESERVED 8u

/* The caller allocates it; the fields are the port's, those under "to read" may be read. */
struct ml_kvm {
	struct ml_pool pool; /* of table memory: the port's */
	/* to read */
	char *memory; /* the guest's memory, as the host sees it */
	ml_pa memory_pa;
	uint64_t memory_bytes;
	struct ml_kvm_refusal refusal;
	uint32_t rungs;         /* leaf sizes that the vCPU knows */
	bool shadowed;          /* KVM keeps shadow tables, see above */
	struct ml_table kernel; /* lent to every table: may be mapped in from ML_KVM_LENT_VA on */
	/* the port's */
	const struct ml_table *table;
	int device_fd, vm_fd, cpu_fd;
	void *run;
	char *mapping; /* what `memory` lies in */
	size_t slot_bytes;
	uint8_t pa_bits;
	bool smep;
};

/*
 * Make a virtual machine with memory and one vCPU, which executes once. Errors: ML_ERR_EMPTY,
 * ML_ERR_ALIGN, ML_ERR_PA_RANGE (beyond the vCPU's physical width), ML_ERR_REFUSED (see
 * k->refusal). After an error *k needs no fini. Memory is allocated by the kernel when touched.
 */
ML_API ML_MUST_CHECK int ml_kvm_init(struct ml_kvm *k, const struct ml_kvm_config *config);

/* Give everything back. Tables must be detached and finished. Cannot fail. */
ML_API void ml_kvm_fini(struct ml_kvm *k);

/*
 * Set what a table configuration needs to run here (platform, cookie, base, types, levels,
 * pa_bits) and take the rungs that the vCPU lacks out; leaves the rest. Any number of tables.
 */
ML_API void ml_kvm_configure(struct ml_kvm *k, struct ml_table_config *config);

/*
 * From now on the vCPU translates by t, which becomes live and borrows the port's addresses. Keeps
 * t until ml_kvm_detach(). Allocates. Errors: ML_ERR_CONFIG (not configured for k, or not x86-64),
 * ML_ERR_EXISTS (a table is attached, or something is mapped at the port's addresses),
 * ML_ERR_NO_MEMORY, ML_ERR_REFUSED.
 */
ML_API ML_MUST_CHECK int ml_kvm_attach(struct ml_kvm *k, struct ml_table *t);

/* The vCPU has left t, which is no longer live. Cannot fail. */
ML_API void ml_kvm_detach(struct ml_kvm *k, struct ml_table *t);

/*
 * The vCPU's calls. Errors: ML_ERR_REFUSED: k->refusal.what is "fault" where the guest faulted,
 * "no memory there" where the table led elsewhere, or what KVM refused. The vCPU is ready again
 * in any case.
 */

enum ml_kvm_access { ML_KVM_LOAD, ML_KVM_STORE, ML_KVM_FETCH };
enum ml_kvm_mode { ML_KVM_USER, ML_KVM_KERNEL };

/* Code that a fetch may run: UD2, which comes back. */
#define ML_KVM_CODE ((uint64_t)0x0b0f)

/* Load or store eight bytes at va through *value, or run the code there (value is not used). */
ML_API ML_MUST_CHECK int ml_kvm_probe(struct ml_kvm *k, enum ml_kvm_mode mode,
				      enum ml_kvm_access access, ml_va va, uint64_t *value);

/* In user mode, `steps` times: *offset = the word at va + *offset. */
ML_API ML_MUST_CHECK int ml_kvm_chase(struct ml_kvm *k, ml_va va, uint64_t *offset, uint64_t steps);

/* In user mode: copy len bytes upwards. */
ML_API ML_MUST_CHECK int ml_kvm_copy(struct ml_kvm *k, ml_va to, ml_va from, uint64_t len);

#ifdef __cplusplus
}
#endif
#endif
