/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What the files of the KVM port share. kvm.c owns the object, its memory and the platform
 * callbacks; vcpu.c is the virtual machine, the code in it, and nothing of tables.
 */
#ifndef ML_KVM_INTERNAL_H
#define ML_KVM_INTERNAL_H

#include <maxleaf/kvm.h>

#define PAGE_BYTES ((uint64_t)4096)
#define CODE_VA ML_KVM_KERNEL_VA       /* the guest's code, */
#define DATA_VA (CODE_VA + PAGE_BYTES) /* behind it struct guest and the stack, */
#define USER_VA (DATA_VA + PAGE_BYTES) /* and the same code for user mode */
#define FLUSH_MOST 255u                /* addresses dropped one by one */
#define FLUSH_ALL UINT64_MAX

/* What the guest is to do, and what came of it. Its code knows the offsets. */
struct guest {
	uint64_t rax, rdi, rsi, rcx, rip, cs, rflags, rsp, ss;
	uint64_t value;             /* of rax, */
	uint64_t vector, code, cr2; /* and why it stopped */
	uint64_t flushes;           /* drop so many of flush[] before all else, or FLUSH_ALL */
	uint64_t flush[FLUSH_MOST];
	uint64_t gdt[5], idt[32][2];
	uint32_t tss[26];
};

/* What its code can do, from each of these offsets on. */
enum routine {
	ROUTINE_LOAD = 0x200,
	ROUTINE_STORE = 0x280,
	ROUTINE_CHASE = 0x300,
	ROUTINE_COPY = 0x380,
	ROUTINE_CALL = 0x400
};

#pragma GCC visibility push(hidden)

/* kvm.c: note what was refused; returns ML_ERR_REFUSED. */
int ml_kvm_refused(struct ml_kvm *k, const char *what, int error, uint64_t number);
struct guest *ml_kvm_guest(const struct ml_kvm *k);

/* vcpu.c, all with an error: the machine without memory; its memory (given again, KVM forgets
 * what it derived from tables there); the guest's pages and registers as at the start, root too.
 */
int ml_kvm_machine_open(struct ml_kvm *k, const char *device);
int ml_kvm_memory_give(struct ml_kvm *k);
int ml_kvm_cpu_reset(struct ml_kvm *k);

/* vcpu.c: run at va, with the registers in struct guest, until the code there comes back. */
int ml_kvm_cpu_run(struct ml_kvm *k, enum ml_kvm_mode mode, ml_va va);

#pragma GCC visibility pop
#endif
