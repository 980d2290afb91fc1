/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What the files of the KVM port share. kvm.c owns the object, its memory and the platform
 * callbacks; vcpu.c is the virtual machine, the code in it, and nothing of tables.
 */
#ifndef ML_KVM_INTERNAL_H
#define ML_KVM_INTERNAL_H

#include <maxleaf/kvm.h>

#define PAGE_BYTES ((uint64_t)4096)
#define CODE_VA ML_KVM_KERNEL_VA       /* the guest's code, the last page but one of the slot; */
#define DATA_VA (CODE_VA + PAGE_BYTES) /* what it works on, the last; */
#define USER_VA (DATA_VA + PAGE_BYTES) /* and the same code for user mode */

/* What the code can do, from each of these offsets on. */
enum {
	ROUTINE_LOAD = 0x200,
	ROUTINE_STORE = 0x210,
	ROUTINE_CHASE = 0x220,
	ROUTINE_COPY = 0x240,
	ROUTINE_INVALIDATE = 0x250
};

/* One run of the guest: where to, and with which registers. Its code knows the order. */
struct ml_kvm_call {
	uint64_t rax, rdi, rsi, rcx, rip;
	uint64_t cs, rflags, rsp, ss; /* ml_kvm_cpu_run()'s */
};

#pragma GCC visibility push(hidden)

/* kvm.c: note what was refused; returns ML_ERR_REFUSED. */
int ml_kvm_refused(struct ml_kvm *k, const char *what, int error, uint64_t number);

/* vcpu.c, all with an error: the machine, without memory and registers. */
int ml_kvm_machine_open(struct ml_kvm *k, const char *device);

/*
 * Start anew by the table attached, with nothing cached of any; where KVM keeps shadow tables it
 * gets its memory again, and forgets them.
 */
int ml_kvm_cpu_reset(struct ml_kvm *k);

/* Run until the code there comes back; what rax is then goes to *rax. */
int ml_kvm_cpu_run(struct ml_kvm *k, enum ml_kvm_mode mode, struct ml_kvm_call call, uint64_t *rax);

#pragma GCC visibility pop
#endif
