/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What a trap was, and what it interrupted. */
#include "board.h"
#include "x86.h"

#define VECTOR_PAGE_FAULT 14

/* Error code of a page fault, 4.7. */
#define ERROR_PRESENT (1 << 0)
#define ERROR_WRITE (1 << 1)
#define ERROR_RESERVED (1 << 3)
#define ERROR_FETCH (1 << 4)

#define RFLAGS_IF (1 << 9)

/* A frame, as vectors.S and the CPU push it; the registers without a name stand in between. */
enum { RDI, RSI, VECTOR = 15, ERROR, RIP, CS, RFLAGS, RSP, SS };
_Static_assert(SS + 1 == ISA_FRAME_WORDS, "isa_facts.h");

void trap(uint64_t *frame);
void tlb_interrupt(void);

void isa_make_frame(uint64_t *frame, uint64_t pc, uint64_t argument, uint64_t second,
		    uint64_t stack, bool user)
{
	frame[RDI] = argument;
	frame[RSI] = second;
	frame[RIP] = pc;
	frame[CS] = user ? SELECTOR_USER_CODE : SELECTOR_KERNEL_CODE;
	frame[RFLAGS] = user ? RFLAGS_IF : 0;
	frame[RSP] = stack;
	frame[SS] = user ? SELECTOR_USER_DATA : 0;
}

void trap(uint64_t *frame)
{
	const uint64_t error = frame[ERROR];
	struct board_trap trap = { .cause = BOARD_OTHER,
				   .pc = frame[RIP],
				   .value = frame[RDI],
				   .code = frame[VECTOR] << 32 | error };

	if (frame[VECTOR] == VECTOR_TLB) {
		tlb_interrupt();
		return;
	}
	if (frame[VECTOR] == VECTOR_CALL)
		trap.cause = BOARD_CALL;
	if (frame[VECTOR] == VECTOR_PAGE_FAULT) {
		__asm__ volatile("mov %%cr2, %0" : "=r"(trap.address));
		trap.cause = error & ERROR_RESERVED  ? BOARD_RESERVED
			     : error & ERROR_PRESENT ? BOARD_PERMISSION
						     : BOARD_NOT_MAPPED;
		trap.access = error & ERROR_FETCH   ? BOARD_FETCH
			      : error & ERROR_WRITE ? BOARD_STORE
						    : BOARD_LOAD;
	}
	board_take_trap(frame, &trap);
}

void isa_put_call(void *code)
{
	*(volatile uint16_t *)code = 0x80cd; /* int $0x80 */
}
