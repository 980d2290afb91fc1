/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The SIGSEGV handler: finds the window, asks the table, fills or refuses. A refused fault
 * returns to the probe that made it, or goes to whoever handled SIGSEGV before.
 *
 * Signal handlers take no argument, so the list of windows is global; nothing else is.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <ucontext.h>

#include "internal.h"

static struct ml_process *windows;
static int windows_lock;
static struct sigaction earlier;

/* A probe that is under way on this thread. */
struct probe {
	sigjmp_buf back;
	const struct ml_process *process;
};

static _Thread_local struct probe *volatile probing __attribute__((tls_model("initial-exec")));

/* --- what was tried --------------------------------------------------------------- */

#if defined(__x86_64__)
/* Intel SDM vol. 3A 4.7: error code of a page fault, bit 1 write, bit 4 fetch. */
static enum ml_process_access access_of(const ucontext_t *context)
{
	unsigned long long code = (unsigned long long)context->uc_mcontext.gregs[REG_ERR];

	if (code & 0x10)
		return ML_PROCESS_FETCH;
	return code & 0x2 ? ML_PROCESS_STORE : ML_PROCESS_LOAD;
}
#elif defined(__aarch64__)
/* Arm ARM D24.2.40 ESR_EL1: EC 0x20 is a fetch; WnR (bit 6) a store unless CM (bit 8). */
static enum ml_process_access access_of(const ucontext_t *context)
{
	const unsigned char *at = (const void *)context->uc_mcontext.__reserved;
	const struct _aarch64_ctx *head = (const void *)at;

	while (head->magic && head->magic != ESR_MAGIC) {
		at += head->size;
		head = (const void *)at;
	}
	if (head->magic == ESR_MAGIC) {
		uint64_t esr = ((const struct esr_context *)head)->esr;

		if (esr >> 26 == 0x20)
			return ML_PROCESS_FETCH;
		if (esr & 0x40 && !(esr & 0x100))
			return ML_PROCESS_STORE;
	}
	return ML_PROCESS_LOAD;
}
#else
static enum ml_process_access access_of(const ucontext_t *context)
{
	(void)context;
	return ML_PROCESS_LOAD;
}
#endif

static ml_prot right_of(enum ml_process_access access)
{
	static const ml_prot rights[] = {
		[ML_PROCESS_LOAD] = ML_READ,
		[ML_PROCESS_STORE] = ML_WRITE,
		[ML_PROCESS_FETCH] = ML_EXEC,
	};

	return rights[access];
}

/* --- answering -------------------------------------------------------------------- */

/* Where the leaf around va, which leads to pa, lies in the window. */
static void leaf_run(const struct ml_process *p, ml_va va, uint64_t leaf, ml_pa pa,
		     struct ml_run *run)
{
	ml_va start = va & ~(leaf - 1);
	ml_va last = start + leaf - 1;
	ml_va window_last = p->window_va + p->window_bytes - 1;

	if (start < p->window_va)
		start = p->window_va;
	if (last > window_last)
		last = window_last;
	run->va = start;
	run->pa = pa - (va - start);
	run->length = last - start + 1;
}

/* Like a TLB with no room left: when the kernel has no mapping more, everything is dropped. */
static bool fill_or_evict(struct ml_process *p, const struct ml_run *run, uint64_t leaf)
{
	struct ml_process_refusal refusal;

	if (ml_process_fill(p, run, leaf, &refusal))
		return true;
	if (refusal.error != ENOMEM || !ml_process_drop_all(p))
		return false;
	p->stats.evictions++;
	return ml_process_fill(p, run, leaf, &refusal);
}

enum answer {
	FILLED,
	DENIED, /* by the table */
	FAILED  /* the kernel does not do what the table says */
};

static enum answer answer(struct ml_process *p, ml_va va, ml_prot access)
{
	const struct ml_table *t = __atomic_load_n(&p->table, __ATOMIC_ACQUIRE);
	const ml_prot needed = ML_USER | access;
	struct ml_translation found;
	struct ml_run run;
	uint64_t leaf;

	if (!t || ml_translate(t, va, &found) != ML_OK)
		return DENIED;
	run.prot = ml_process_rights(p, ml_translation_prot(t, &found));
	if ((run.prot & needed) != needed)
		return DENIED;
	run.rung = (uint8_t)ml_translation_rung(t, &found);
	leaf = (uint64_t)1 << t->format->rungs[run.rung].shift;
	leaf_run(p, va, leaf, found.pa, &run);
	return fill_or_evict(p, &run, leaf) ? FILLED : FAILED;
}

static enum answer answer_locked(struct ml_process *p, ml_va va, ml_prot access)
{
	enum answer answered;

	ml_process_lock(&p->locked);
	answered = answer(p, va, access);
	p->stats.fills += answered == FILLED;
	p->stats.asked += answered == DENIED && p->fault;
	ml_process_unlock(&p->locked);
	return answered;
}

/* Another thread may take away at once what was brought in: then it is asked again. */
static bool resolve(struct ml_process *p, ml_va va, ml_prot access)
{
	enum answer answered;

	do
		answered = answer_locked(p, va, access);
	while (answered == DENIED && p->fault && p->fault(p->fault_cookie, va, access));
	if (answered == FILLED)
		return true;
	ml_process_lock(&p->locked);
	p->stats.refused++;
	ml_process_unlock(&p->locked);
	return false;
}

static struct ml_process *window_of(const char *address)
{
	struct ml_process *p;

	ml_process_lock(&windows_lock);
	for (p = windows; p; p = p->next)
		if ((uintptr_t)address - (uintptr_t)p->window < p->window_bytes)
			break;
	ml_process_unlock(&windows_lock);
	return p;
}

static void hand_over(int number, siginfo_t *info, void *context)
{
	if (earlier.sa_flags & SA_SIGINFO) {
		earlier.sa_sigaction(number, info, context);
	} else if (earlier.sa_handler == SIG_IGN && info->si_code <= 0) {
		return; /* Sent by a program: only that can be ignored. */
	} else if (earlier.sa_handler == SIG_DFL || earlier.sa_handler == SIG_IGN) {
		/* The access is repeated on return and the kernel then ends the process. */
		signal(number, SIG_DFL);
		if (info->si_code <= 0)
			raise(number);
	} else {
		earlier.sa_handler(number);
	}
}

static void handler(int number, siginfo_t *info, void *context)
{
	int error = errno;
	const char *address = info->si_addr;
	bool fault = info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR;
	struct ml_process *p = fault ? window_of(address) : NULL;
	struct probe *probe = probing;

	if (p &&
	    resolve(p, p->window_va + (ml_va)(address - p->window), right_of(access_of(context)))) {
		errno = error;
		return;
	}
	if (p && probe && probe->process == p)
		siglongjmp(probe->back, 1);
	errno = error;
	hand_over(number, info, context);
}

/* --- registering ------------------------------------------------------------------ */

static bool fork_is_watched;

/* Whoever replaced our handler may still call it: then ours stays, with an empty list. */
static void uninstall(void)
{
	struct sigaction now;

	if (sigaction(SIGSEGV, NULL, &now) == 0 && now.sa_flags & SA_SIGINFO &&
	    now.sa_sigaction == handler)
		sigaction(SIGSEGV, &earlier, NULL);
}

/* In the child of a fork: no thread is left to give back a lock that another one held. */
static void forget(void)
{
	windows = NULL;
	windows_lock = 0;
	uninstall();
}

static bool install(void)
{
	struct sigaction action = { .sa_sigaction = handler };

	if (!fork_is_watched && pthread_atfork(NULL, NULL, forget) == 0)
		fork_is_watched = true;
	action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
	sigfillset(&action.sa_mask);
	return sigaction(SIGSEGV, &action, &earlier) == 0;
}

/* The lock covers the handler too: another thread's first object may come as the last one goes. */
bool ml_process_register(struct ml_process *p)
{
	sigset_t before;
	bool installed;

	ml_process_lock_outside(&windows_lock, &before);
	installed = windows || install();
	if (installed) {
		p->next = windows;
		windows = p;
	}
	ml_process_unlock_outside(&windows_lock, &before);
	return installed;
}

void ml_process_unregister(struct ml_process *p)
{
	struct ml_process **link = &windows;
	sigset_t before;

	ml_process_lock_outside(&windows_lock, &before);
	while (*link && *link != p)
		link = &(*link)->next;
	if (*link)
		*link = p->next;
	if (!windows)
		uninstall();
	ml_process_unlock_outside(&windows_lock, &before);
}

/* --- probing ---------------------------------------------------------------------- */

static void access_make(char *pointer, enum ml_process_access access, uint64_t *value)
{
	switch (access) {
	case ML_PROCESS_LOAD:
		*value = *(volatile uint64_t *)(void *)pointer;
		break;
	case ML_PROCESS_STORE:
		*(volatile uint64_t *)(void *)pointer = *value;
		break;
	case ML_PROCESS_FETCH: {
		void (*code)(void);

		__builtin_memcpy(&code, &pointer, sizeof(code));
		code();
		break;
	}
	}
}

int ml_process_probe(const struct ml_process *p, enum ml_process_access access, ml_va va,
		     uint64_t *value)
{
	struct probe probe = { .process = p };

	if (va & 7)
		return ML_ERR_ALIGN;
	if (va - p->window_va >= p->window_bytes)
		return ML_ERR_CANONICAL;
	if (sigsetjmp(probe.back, 1)) {
		probing = NULL;
		return ML_ERR_REFUSED;
	}
	probing = &probe;
	access_make(ml_process_pointer(p, va), access, value);
	probing = NULL;
	return ML_OK;
}
