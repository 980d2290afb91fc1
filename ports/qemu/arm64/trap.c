/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What a trap was, and what it interrupted. */
#include "isa.h"

/* SPSR_EL1, C5.2.19: interrupts masked; the mode. Both run on SP_EL0: SP_EL1 is the kernel's. */
#define STATE_EL0T 0x3c0
#define STATE_EL1T 0x3c4

/* ESR_EL1, D17.2.37. Bit 0 of an abort's class tells the level it came from. */
#define CLASS(code) ((code) >> 26)
#define CLASS_SVC 0x15
#define CLASS_FETCH 0x20
#define CLASS_DATA 0x24
#define IS_STORE(code) ((code)&1 << 6)
#define STATUS(code) ((code)&0x3f) /* bits 1:0 of what follows: the level */

static const enum board_cause causes[] = {
	BOARD_RESERVED, /* address size */
	BOARD_NOT_MAPPED,
	BOARD_ACCESS_FLAG,
	BOARD_PERMISSION,
};

/*
 * A frame is x0 to x30, then these. The vectors save it on SP_EL1, call trap(), and go on with what
 * it left there.
 */
enum { STACK = 31, PC, STATE, CODE, ADDRESS };
_Static_assert(ADDRESS + 1 == ISA_FRAME_WORDS, "vectors.S");

void trap(uint64_t *frame);

void isa_make_frame(uint64_t *frame, uint64_t pc, uint64_t argument, uint64_t second,
		    uint64_t stack, bool user)
{
	frame[0] = argument;
	frame[1] = second;
	frame[STACK] = stack;
	frame[PC] = pc;
	frame[STATE] = user ? STATE_EL0T : STATE_EL1T;
}

void trap(uint64_t *frame)
{
	const uint64_t code = frame[CODE], class = CLASS(code) & ~UINT64_C(1);
	struct board_trap trap = { .cause = BOARD_OTHER,
				   .access = IS_STORE(code) ? BOARD_STORE : BOARD_LOAD,
				   .address = frame[ADDRESS],
				   .pc = frame[PC],
				   .value = frame[0],
				   .code = code };

	if (CLASS(code) == CLASS_SVC)
		trap.cause = BOARD_CALL;
	if (class == CLASS_FETCH)
		trap.access = BOARD_FETCH;
	if ((class == CLASS_FETCH || class == CLASS_DATA) &&
	    STATUS(code) >> 2 < sizeof(causes) / sizeof(causes[0]))
		trap.cause = causes[STATUS(code) >> 2];
	board_take_trap(frame, &trap);
}
