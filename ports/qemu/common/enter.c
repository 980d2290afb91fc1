/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Running code that may fault. Each CPU has two sides, the kernel and the code that it entered; a
 * trap changes them, and the registers of the side that does not run are kept here.
 */
#include "board.h"

#define STACK_WORDS 1024

bool (*board_retry)(const struct board_trap *trap);

static struct side {
	uint64_t frame[ISA_FRAME_WORDS];
	struct board_trap trap; /* the last that changed sides */
	bool entered;
} sides[BOARD_CPUS];
static uint64_t stacks[BOARD_CPUS][STACK_WORDS] BOARD_USER_DATA __attribute__((aligned(4096)));

void board_take_trap(uint64_t *frame, const struct board_trap *trap)
{
	struct side *side = &sides[isa_cpu()];
	const bool entered = side->entered;

	if (!entered && trap->cause != BOARD_CALL)
		board_die("CPU %u: unexpected trap %lx at pc %lx, address %lx", isa_cpu(),
			  trap->code, trap->pc, trap->address);
	side->entered = false; /* whoever answers is the kernel */
	if (entered && board_retry && board_retry(trap)) {
		side->entered = true;
		return;
	}
	for (unsigned i = 0; i < ISA_FRAME_WORDS; i++) {
		const uint64_t word = frame[i];

		frame[i] = side->frame[i];
		side->frame[i] = word;
	}
	side->trap = *trap;
	side->entered = !entered;
}

static struct board_trap enter(uint64_t pc, uint64_t argument, uint64_t second, bool user)
{
	struct side *side = &sides[isa_cpu()];

	isa_make_frame(side->frame, pc, argument, second, (uintptr_t)stacks[isa_cpu() + 1], user);
	ISA_CALL();
	return side->trap;
}

struct probe {
	struct board_trap trap; /* access, address and value to try; then what came of it */
	bool user;
};

static void probe_here(void *argument)
{
	struct probe *p = argument;
	const char(*ready)[8] = p->user ? isa_probes_user : isa_probes_kernel;
	uint64_t pc = p->trap.address;

	if (p->trap.access != BOARD_FETCH)
		pc = (uintptr_t)ready[p->trap.access];
	p->trap = enter(pc, p->trap.address, p->trap.value, p->user);
}

struct board_trap board_probe(unsigned cpu, enum board_access access, bool user, ml_va va,
			      uint64_t value)
{
	struct probe probe = { { .access = access, .address = va, .value = value }, user };

	board_call(cpu, probe_here, &probe);
	return probe.trap;
}

struct board_trap board_run_user(void (*function)(void *argument), void *argument)
{
	return enter((uintptr_t)function, (uintptr_t)argument, 0, true);
}
