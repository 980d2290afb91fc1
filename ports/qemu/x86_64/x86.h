/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The processor: names for what the Intel SDM (vol. 3A) numbers, and instructions C lacks. */
#ifndef QEMU_X86_H
#define QEMU_X86_H

/* Control registers, 2.5; EFER, 2.2.1. SYSCALL and SSE stay off: nobody uses them. */
#define CR0_PE (1 << 0)
#define CR0_ON 0x80010033 /* PG, WP, NE, ET, MP, PE; caches on */
#define CR4_PAE (1 << 5)
#define CR4_PGE (1 << 7)
#define CR4_LA57 (1 << 12)
#define CR4_SMEP (1 << 20)
#define MSR_EFER 0xc0000080
#define EFER_LME (1 << 8)
#define EFER_NXE (1 << 11)
#define MSR_PAT 0x277

/* CPUID leaf 7: which bit says that the feature is there. */
#define CPUID_EBX_SMEP 7
#define CPUID_ECX_LA57 16

/* Segments of cpu_gdt, with the privilege they are used at; a TSS takes two slots, for each CPU. */
#define SELECTOR_CODE32 0x08
#define SELECTOR_KERNEL_CODE 0x10
#define SELECTOR_KERNEL_DATA 0x18
#define SELECTOR_USER_DATA 0x23
#define SELECTOR_USER_CODE 0x2b
#define SELECTOR_TSS 0x30

/* Where a TSS holds the stack for traps from user mode, and the first of gates' own, 8.7. */
#define TSS_RSP0 4
#define TSS_IST1 36

#define TRAMPOLINE_PA 0x8000 /* a start IPI names a page below 1M */

#ifndef __ASSEMBLER__
#include "board.h"

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf)
{
	struct cpuid c = { .eax = leaf };

	__asm__ volatile("cpuid" : "+a"(c.eax), "=b"(c.ebx), "+c"(c.ecx), "=d"(c.edx));
	return c;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static inline uint64_t read_cr4(void)
{
	uint64_t cr4;

	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	return cr4;
}

static inline void write_cr4(uint64_t cr4)
{
	__asm__ volatile("mov %0, %%cr4" ::"r"(cr4) : "memory");
}

static inline uint8_t port_read(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "d"(port));
	return value;
}

static inline void port_write(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" ::"a"(value), "d"(port));
}

/* tlb.c: this CPU hears of invalidations from now on; forget all; take another CPU's request. */
void tlb_init_cpu(void);
void tlb_drop_all(void);
void tlb_interrupt(void);

#define VECTOR_TLB 0x40
#define VECTOR_SPURIOUS 0xff

#endif
#endif
