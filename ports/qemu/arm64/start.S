/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Where every CPU starts, in EL1 with the MMU off and interrupts masked: turn the MMU on with the
 * boot tables and go on at the high addresses.
 */
#include "isa_facts.h"

/* Entries, Arm ARM D8.3.2. The numbers of memory and devices are slots of MAIR. */
#define TABLE 3
#define BLOCK (1 << 0 | 3 << 8 | 1 << 10 | 1 << 11) /* valid, inner shareable, AF, nG */
#define MEMORY (0 << 2 | 1 << 54)                   /* UXN */
#define DEVICE (3 << 2 | 3 << 53)                   /* UXN, PXN */

/* The library's default for the format: WB, tagged WB, NC, nGnRnE, nGnRE, WT. */
#define MAIR 0x0000bb040044f0ff

/*
 * TCR_EL1, D17.2.131: for each half 48 bits, walks inner shareable and write-back, 4K. The ASID is
 * that of TTBR1: one write changes the kernel's table and parts with the boot tables' entries.
 * IPS is 0, 32 bits, until isa_init_cpu().
 */
#define TCR_SIZES (16 << 0 | 16 << 16)
#define TCR_WALKS (1 << 8 | 1 << 10 | 3 << 12 | 1 << 24 | 1 << 26 | 3 << 28)
#define TCR_GRANULES (0 << 14 | 2 << 30)
#define TCR_A1 (1 << 22)

/* SCTLR_EL1, D17.2.118: M, C, I, and what is RES1 on some CPUs, SPAN among it. WXN stays off. */
#define SCTLR_ON (1 << 0 | 1 << 2 | 1 << 12)
#define SCTLR_RES1 (1 << 11 | 1 << 20 | 1 << 22 | 1 << 23 | 1 << 28 | 1 << 29)

	.section .text.start, "ax"
	.globl	start
start:
	adrp	x0, boot_root
	msr	ttbr0_el1, x0
	msr	ttbr1_el1, x0
	ldr	x0, =MAIR
	msr	mair_el1, x0
	ldr	x0, =(TCR_SIZES | TCR_WALKS | TCR_GRANULES | TCR_A1)
	msr	tcr_el1, x0

	/* What the TLB holds after reset is anything (D8.14.2). */
	tlbi	vmalle1
	dsb	nsh
	isb
	ldr	x0, =(SCTLR_RES1 | SCTLR_ON)
	msr	sctlr_el1, x0
	isb
	ldr	x0, =high
	br	x0

high:
	mrs	x0, mpidr_el1
	and	x0, x0, #0xff
	ldr	x1, =stacks + (1 << STACK_SHIFT)
	add	x1, x1, x0, lsl #STACK_SHIFT
	mov	sp, x1
	b	board_main

/*
 * The boot tables. The root serves both halves: entry 0 is this code where it is loaded, and the
 * direct map; entry 256 is the image. Below it a gigabyte of devices and a gigabyte of memory.
 */
	.section .rodata.boot, "a"
	.balign	4096
boot_root:
	.quad	boot_gigabytes - ISA_IMAGE + TABLE
	.fill	255, 8, 0
	.quad	boot_gigabytes - ISA_IMAGE + TABLE
	.fill	255, 8, 0
boot_gigabytes:
	.quad	0 + (BLOCK | DEVICE)
	.quad	ISA_RAM_PA + (BLOCK | MEMORY)
	.fill	510, 8, 0

	.bss
	.balign	16
stacks:	.skip	4 << STACK_SHIFT
