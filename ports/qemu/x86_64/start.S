/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Where every CPU starts: the first by PVH, in 32-bit flat mode, with paging off and the address
 * of the boot information in EBX; the others by a start IPI, in real mode. Paging goes on with
 * the boot tables, at five levels if the CPU has them, and all go on at the high addresses.
 */
#include "x86.h"

#define PA(symbol) ((symbol) - ISA_IMAGE)

/* Control registers, 2.5; EFER, 2.2.1. SYSCALL and SSE stay off: nobody uses them. */
#define CR0_PE (1 << 0)
#define CR0_ON 0x80010033 /* PG, WP, NE, ET, MP, PE; caches on */
#define CR4_ON (1 << 20 | 1 << 7 | 1 << 5) /* SMEP, without which it resets; PGE, PAE */
#define CR4_LA57 (1 << 12)
#define MSR_EFER 0xc0000080
#define EFER_LME (1 << 8)
#define EFER_NXE (1 << 11)

/* Entries, 4.5: present, writable; a leaf of 1G; not cached. */
#define TABLE 3
#define BLOCK (3 | 1 << 7)
#define UNCACHED (1 << 3 | 1 << 4)

	/* XEN_ELFNOTE_PHYS32_ENTRY, which the PVH boot protocol looks for */
	.section .note.pvh, "a", @note
	.long	4, 8, 18
	.asciz	"Xen"
	.quad	PA(start)

	.section .text.start, "ax"
	.globl	start
	.code32
start:
	mov	%ebx, PA(start_info)
	lgdtl	PA(gdt_pointer)
start32:
	mov	$7, %eax
	xor	%ecx, %ecx
	cpuid
	mov	$CR4_ON, %eax
	mov	$PA(boot_pml4), %edx
	bt	$CPUID_7_LA57, %ecx
	jnc	1f
	or	$CR4_LA57, %eax
	mov	$PA(boot_pml5), %edx
1:	mov	%eax, %cr4
	mov	%edx, %cr3
	mov	$MSR_EFER, %ecx
	mov	$(EFER_LME | EFER_NXE), %eax
	xor	%edx, %edx
	wrmsr
	mov	$CR0_ON, %eax
	mov	%eax, %cr0
	ljmp	$SELECTOR_KERNEL_CODE, $PA(start64)

	.code64
start64:
	mov	$1, %eax
	cpuid
	shr	$24, %ebx /* the initial APIC id, as in isa_cpu() */
	imul	$STACK_BYTES, %ebx
	lea	cpu_stacks + STACK_BYTES(%rbx), %rsp
	xor	%eax, %eax
	mov	%eax, %ss
	mov	$board_main, %rax
	call	*%rax

	.section .rodata.start, "a"
	.globl	trampoline, trampoline_end
	.code16
trampoline:
	lgdtl	%cs:gdt_pointer - trampoline
	mov	$CR0_PE, %eax
	mov	%eax, %cr0
	ljmpl	$SELECTOR_CODE32, $PA(start32)
gdt_pointer:
	.word	SELECTOR_TSS - 1
	.long	PA(cpu_gdt)
trampoline_end:

	/* The first 4G at 0 and at ISA_DIRECT: memory, and the APIC. The first again at ISA_IMAGE. */
	.data
	.balign	4096
boot_pml5:
	.quad	PA(boot_pml4) + TABLE
	.fill	510, 8, 0
	.quad	PA(boot_pml4) + TABLE
boot_pml4:
	.quad	PA(boot_pdpt) + TABLE
	.fill	510, 8, 0
	.quad	PA(boot_pdpt) + TABLE
boot_pdpt:
	.quad	BLOCK
	.fill	2, 8, 0
	.quad	0xc0000000 + BLOCK + UNCACHED
	.fill	506, 8, 0
	.quad	BLOCK, 0
