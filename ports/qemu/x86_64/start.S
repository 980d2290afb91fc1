/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Where every CPU starts: the first by PVH, in 32-bit flat mode, with paging off and the address
 * of the boot information in EBX; the others by a start IPI, in real mode. Paging goes on with
 * the boot tables, at five levels if the CPU has them, and all go on at the high addresses.
 */
#include "isa_facts.h"
#include "x86.h"

#define PA(symbol) ((symbol) - ISA_IMAGE)

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
	.code32
start:
	mov	%ebx, %edi
start32:
	lgdtl	PA(gdt_pointer)
	mov	$SELECTOR_KERNEL_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$7, %eax
	xor	%ecx, %ecx
	cpuid
	mov	$(CR4_PAE | CR4_PGE), %eax
	mov	$PA(boot_pml4), %edx
	bt	$CPUID_EBX_SMEP, %ebx
	jnc	1f
	or	$CR4_SMEP, %eax
1:	bt	$CPUID_ECX_LA57, %ecx
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
	mov	$high, %rax
	jmp	*%rax
high:
	mov	%edi, %esi
	mov	$1, %eax
	cpuid
	shr	$24, %ebx /* the initial APIC id, as in isa_cpu() */
	lea	1(%rbx), %eax
	imul	$ISA_STACK_BYTES, %eax
	lea	cpu_stacks(%rax), %rsp
	test	%ebx, %ebx
	jnz	secondary
	mov	$bss_start, %rdi
	mov	$image_end, %rcx
	sub	%rdi, %rcx
	xor	%eax, %eax
	rep stosb
	mov	%esi, %edi
	call	cpu_boot
	call	board_main
secondary:
	call	board_secondary

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
