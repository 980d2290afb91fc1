/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Trap entries and the probes' code. */

/* Exceptions for which the CPU pushes an error code, 6.13. */
#define HAVE_ERROR (1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 17 | 1 << 21)

	.text
	/* One entry for every vector, 16 bytes apart: it makes what lies on the stack alike. */
	.globl	trap_vectors
	.balign	16
trap_vectors:
	.set	vector, 0
	.rept	256
	.balign	16
	.if	vector > 31 || !(HAVE_ERROR >> (vector & 31) & 1)
	push	$0
	.endif
	push	$vector
	jmp	common
	.set	vector, vector + 1
	.endr

common:
	.irp	register, rax,rbx,rcx,rdx,rbp,r8,r9,r10,r11,r12,r13,r14,r15,rsi,rdi
	push	%\register
	.endr
	cld
	mov	%rsp, %rdi
	call	trap
	.irp	register, rdi,rsi,r15,r14,r13,r12,r11,r10,r9,r8,rbp,rdx,rcx,rbx,rax
	pop	%\register
	.endr
	add	$16, %rsp
	iretq

	.macro	probes mode
	.globl	isa_probes_\mode
	.balign	8
isa_probes_\mode:
	mov	(%rdi), %rdi
	int	$0x80
	.balign	8
	mov	%rsi, (%rdi)
	mov	%rsi, %rdi
	int	$0x80
	.endm

	probes	kernel
	.section .user.text, "ax"
	probes	user
	.globl	isa_call
isa_call:
	int	$0x80
