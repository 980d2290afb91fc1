/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Trap entries, the way into code under test and out of it, and that code. */
#include "x86.h"

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
	.if	vector > 31
	push	$0
	.elseif	!((HAVE_ERROR >> vector) & 1)
	push	$0
	.endif
	push	$vector
	jmp	common
	.set	vector, vector + 1
	.endr

	/* struct frame of trap.c. C preserves the registers that are not saved here. */
common:
	.irp	register, rax, rcx, rdx, rsi, r8, r9, r10, r11, rdi
	push	%\register
	.endr
	cld
	mov	%rsp, %rdi
	call	trap
	.irp	register, rdi, r11, r10, r9, r8, rsi, rdx, rcx, rax
	pop	%\register
	.endr
	add	$16, %rsp
	iretq

	/*
	 * trap_enter(what IRETQ pops, first argument, second, TSS): returns by trap_leave(). Traps
	 * go on below the stack that is left here, also those of ring 0, whose stack may be bad.
	 */
	.globl	trap_enter
trap_enter:
	.irp	register, rbx, rbp, r12, r13, r14, r15
	push	%\register
	.endr
	mov	%rsp, TSS_RSP0(%rcx)
	mov	%rsp, TSS_IST1(%rcx)
	mov	%rdi, %rsp
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	iretq

	/* trap_leave(the stack that trap_enter() left) */
	.globl	trap_leave
trap_leave:
	mov	%rdi, %rsp
	.irp	register, r15, r14, r13, r12, rbp, rbx
	pop	%\register
	.endr
	ret

	.macro ready mode
	.globl	isa_load_\mode, isa_store_\mode
isa_load_\mode:
	mov	(%rdi), %rdi
	int	$0x80
isa_store_\mode:
	mov	%rsi, (%rdi)
	mov	%rsi, %rdi
	int	$0x80
	.endm

	ready	kernel
	.section .user.text, "ax"
	ready	user
	.globl	isa_call
isa_call:
	int	$0x80
