/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Exception vectors, the probes' code, calls of others. */
#include "isa_facts.h"

	.macro	frame_registers instruction
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
	\instruction	x\n, [sp, #8 * \n]
	.endr
	.endm

	.macro	function name
	.globl	\name
\name:
	.endm

	.text
	/* All alike: interrupts stay masked, and a synchronous exception tells by ESR_EL1 what it is. */
	.balign	2048
function trap_vectors
	.rept	16
	.balign	128
	sub	sp, sp, #8 * ISA_FRAME_WORDS
	b	trap_taken
	.endr

trap_taken:
	frame_registers str
	mrs	x2, sp_el0
	mrs	x3, elr_el1
	mrs	x4, spsr_el1
	mrs	x5, esr_el1
	mrs	x6, far_el1
	stp	x2, x3, [sp, #8 * 31]
	stp	x4, x5, [sp, #8 * 33]
	str	x6, [sp, #8 * 35]
	mov	x0, sp
	bl	trap
	ldp	x2, x3, [sp, #8 * 31]
	ldr	x4, [sp, #8 * 33]
	msr	sp_el0, x2
	msr	elr_el1, x3
	msr	spsr_el1, x4
	frame_registers ldr
	add	sp, sp, #8 * ISA_FRAME_WORDS
	eret

/* The arguments stand where these two expect them; what they destroy, a call may. */
function call_firmware
	hvc	#0
	ret
function call_emulator
	hlt	#0xf000
	ret

	.macro	probes mode
function isa_probes_\mode
	ldr	x0, [x0]
	svc	#0
	str	x1, [x0]
	svc	#0
	.endm

	probes	kernel
	.section .user.text, "ax"
	probes	user
function isa_call
	svc	#0
