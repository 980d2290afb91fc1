/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Roots, and invalidation on every CPU by inter-processor interrupts. One CPU at a time
 * invalidates: whoever changes tables holds a lock or is alone.
 */
#include <maxleaf/tlb.h>

#include "board.h"
#include "x86.h"

#define CR4_PGE (UINT64_C(1) << 7)
#define COMMAND_OTHERS (3 << 18 | 1 << 14 | VECTOR_TLB) /* 11.6.1: to all but this CPU */

static const struct ml_invalidation *issued; /* what every CPU drops, and */
static unsigned waiting;                     /* how many others have not yet */

void tlb_interrupt(void);

/* Global entries too, and whatever is cached of tables: 4.10.4.1. */
static void drop_all(void)
{
	uint64_t cr4;

	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4; mov %1, %%cr4" ::"r"(cr4 & ~CR4_PGE), "r"(cr4) : "memory");
}

/* There are no PCIDs, and what no CPU has loaded is not cached: isa_use() drops all. */
static void drop_issued(void)
{
	static const struct ml_tlb_x86_64 space = { .tags = ML_TLB_ANY, .current = true };
	struct ml_tlb_x86_64_cursor cursor;
	struct ml_tlb_x86_64_op op;

	ml_tlb_x86_64_start(&cursor, &space, issued);
	while (ml_tlb_x86_64_next(&cursor, &op)) {
		if (op.form == ML_INVLPG)
			__asm__ volatile("invlpg (%0)" ::"r"(op.operand[0]) : "memory");
		else
			drop_all();
	}
}

void isa_use(ml_pa kernel, ml_pa root)
{
	__asm__ volatile("mov %0, %%cr3" ::"r"(root ? root : kernel) : "memory");
	drop_all();
}

/* The others take it in user mode or in isa_relax(). */
void tlb_interrupt(void)
{
	drop_issued();
	__atomic_fetch_sub(&waiting, 1, __ATOMIC_RELEASE);
	APIC_EOI = 0;
}

/* While CPUs come up, whose number is not counted yet, CPU 0 changes nothing. */
void isa_invalidate(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	(void)cookie;
	(void)op;
	issued = what;
	__atomic_store_n(&waiting, board_cpus - 1, __ATOMIC_SEQ_CST);
	if (board_cpus > 1)
		APIC_COMMAND = COMMAND_OTHERS;
	drop_issued();
	while (__atomic_load_n(&waiting, __ATOMIC_ACQUIRE))
		__asm__ volatile("pause");
}

void isa_complete(void *cookie, struct ml_op *op)
{
	(void)cookie;
	(void)op;
}
