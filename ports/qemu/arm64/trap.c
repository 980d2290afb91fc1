/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What a trap was, and where it goes. */
#include "isa.h"

/* SPSR_EL1, C5.2.19: interrupts masked; the mode. Both run on SP_EL0: SP_EL1 is the kernel's. */
#define STATE_EL0T 0x3c0
#define STATE_EL1T 0x3c4

/* D1.3.1: synchronous, from EL1 on SP_EL0, EL1 on SP_EL1, EL0. The rest have no business here. */
#define VECTOR_EL1T 0
#define VECTOR_EL1H 4
#define VECTOR_EL0 8

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
 * What a trap interrupted: x0 to x30, then these. The vectors save it on SP_EL1, call
 * trap_handle(), and go on with what it left there.
 */
enum { STACK = 31, PC, STATE, CODE, ADDRESS };
_Static_assert(ADDRESS + 1 == FRAME_WORDS, "vectors.S");

/* isa_enter() of each CPU: the frame of the other side, and what ended it. */
static struct {
	uint64_t frame[FRAME_WORDS];
	struct board_trap trap;
} entered[BOARD_CPUS];

void trap_handle(uint64_t *frame, unsigned vector);

static struct board_trap describe(const uint64_t *frame)
{
	const uint64_t code = frame[CODE], class = CLASS(code) & ~UINT64_C(1);
	struct board_trap trap = { .cause = BOARD_OTHER,
				   .address = frame[ADDRESS],
				   .pc = frame[PC],
				   .value = frame[0],
				   .code = code };

	if (CLASS(code) == CLASS_SVC)
		trap.cause = BOARD_CALL;
	if (class != CLASS_FETCH && class != CLASS_DATA)
		return trap;
	if (STATUS(code) >> 2 < sizeof(causes) / sizeof(causes[0]))
		trap.cause = causes[STATUS(code) >> 2];
	trap.access = IS_STORE(code) ? BOARD_STORE : BOARD_LOAD;
	if (class == CLASS_FETCH)
		trap.access = BOARD_FETCH;
	return trap;
}

static void change_sides(uint64_t *frame)
{
	uint64_t *other = entered[isa_cpu()].frame, word;

	for (unsigned i = 0; i < FRAME_WORDS; i++) {
		word = frame[i];
		frame[i] = other[i];
		other[i] = word;
	}
}

void trap_handle(uint64_t *frame, unsigned vector)
{
	const struct board_trap trap = describe(frame);

	if (vector == VECTOR_EL1H && trap.cause == BOARD_CALL) {
		change_sides(frame); /* isa_enter() */
	} else if (vector != VECTOR_EL1T && vector != VECTOR_EL0) {
		board_unexpected(&trap);
	} else if (!board_answer(&trap)) {
		entered[isa_cpu()].trap = trap;
		change_sides(frame);
	}
}

struct board_trap isa_enter(uint64_t pc, uint64_t argument, uint64_t second, uint64_t stack,
			    bool user)
{
	const unsigned cpu = isa_cpu();
	uint64_t *frame = entered[cpu].frame;

	frame[0] = argument;
	frame[1] = second;
	frame[STACK] = stack;
	frame[PC] = pc;
	frame[STATE] = user ? STATE_EL0T : STATE_EL1T;
	__asm__ volatile("svc #0" ::: "memory");
	return entered[cpu].trap;
}
