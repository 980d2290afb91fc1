/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What the files of the process port share. process.c owns the object and the platform
 * callbacks, fill.c the mappings the kernel holds for it, fault.c the signal handler and
 * the probe, sync.c the prefill, confirm.c the reading back.
 */
#ifndef ML_PROCESS_INTERNAL_H
#define ML_PROCESS_INTERNAL_H

#include <signal.h>

#include <maxleaf/process.h>

#define PROCESS_PAGE_SHIFT 12

#pragma GCC visibility push(hidden)

/* A spin lock that a signal handler may take: holders keep every signal blocked. */
void ml_process_lock(int *lock);
void ml_process_unlock(int *lock);

/* The same outside a handler: every signal is blocked for so long. */
void ml_process_lock_outside(int *lock, sigset_t *before);
void ml_process_unlock_outside(int *lock, const sigset_t *before);

/*
 * fill.c: let the kernel map a run as the table says; leaf: bytes of one leaf. False: *refusal
 * is set.
 */
bool ml_process_fill(const struct ml_process *p, const struct ml_run *run, uint64_t leaf,
		     struct ml_process_refusal *refusal);

/* fill.c: what a leaf allows before anybody is asked. */
ml_prot ml_process_rights(const struct ml_process *p, ml_prot prot);

/* fill.c: no mapping any more in the range; accesses fault. False: errno of mmap() is set. */
bool ml_process_drop(const struct ml_process *p, ml_va va, uint64_t len);

/* fill.c: the same for the whole window, also when the kernel has no mapping left. */
bool ml_process_drop_all(struct ml_process *p);

/* fill.c: a mapping that nothing merges with, for ml_process_drop_all() to give up. False: errno */
bool ml_process_spare_map(struct ml_process *p);
void ml_process_spare_unmap(struct ml_process *p);

/* fill.c: a range inside the window, or what is wrong with it. */
int ml_process_range_check(const struct ml_process *p, ml_va va, uint64_t len);

/* fill.c: the pointer behind an address of the window. */
char *ml_process_pointer(const struct ml_process *p, ml_va va);

/* fault.c: handle faults of p's window from now on / no more. False: errno is set. */
bool ml_process_register(struct ml_process *p);
void ml_process_unregister(struct ml_process *p);

/* sync.c: make sure that base pages map what is mapped there, whatever the kernel likes. */
void ml_process_keep_small(struct ml_process *p, ml_va va, uint64_t length, ml_prot prot);

/* confirm.c: the two ways to ask; false when this kernel has no such interface. */
bool ml_process_confirm_scan(ml_va va, uint64_t len, struct ml_process_sizes *sizes);
bool ml_process_confirm_smaps(ml_va va, uint64_t len, struct ml_process_sizes *sizes);

#pragma GCC visibility pop
#endif
