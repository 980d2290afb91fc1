/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Bringing the CPUs up, giving them work, and running code that may fault. */
#include "board.h"

#define STACK_WORDS 1024

/* Work for one CPU; it is idle while there is no function. */
struct work {
	void (*function)(void *argument);
	void *argument;
};

unsigned board_cpus = 1;
bool (*board_retry)(const struct board_trap *trap);

static struct work works[BOARD_CPUS];
static uint64_t stacks[BOARD_CPUS][STACK_WORDS] BOARD_USER_DATA __attribute__((aligned(4096)));

/* ---- CPUs -------------------------------------------------------------------------- */

_Noreturn void board_main(void)
{
	isa_init_cpu();
	board_kernel_init();
	isa_use_kernel(ml_table_root(&board_kernel));
	for (unsigned cpu = 1; cpu < BOARD_CPUS && isa_start_cpu(cpu); cpu++)
		while (__atomic_load_n(&board_cpus, __ATOMIC_ACQUIRE) == cpu)
			isa_relax();
	isa_exit(board_payload());
}

_Noreturn void board_secondary(void)
{
	struct work *work = &works[isa_cpu()];
	void (*function)(void *);

	isa_init_cpu();
	isa_use_kernel(ml_table_root(&board_kernel));
	__atomic_fetch_add(&board_cpus, 1, __ATOMIC_RELEASE);
	for (;;) {
		while (!(function = __atomic_load_n(&work->function, __ATOMIC_ACQUIRE)))
			isa_relax();
		function(work->argument);
		__atomic_store_n(&work->function, NULL, __ATOMIC_RELEASE);
	}
}

void board_start(unsigned cpu, void (*function)(void *argument), void *argument)
{
	board_wait(cpu);
	works[cpu].argument = argument;
	__atomic_store_n(&works[cpu].function, function, __ATOMIC_RELEASE);
}

void board_wait(unsigned cpu)
{
	while (__atomic_load_n(&works[cpu].function, __ATOMIC_ACQUIRE))
		isa_relax();
}

/* Call function(argument) on that CPU, which may be this one, and wait for it. */
static void call(unsigned cpu, void (*function)(void *argument), void *argument)
{
	if (cpu == isa_cpu()) {
		function(argument);
		return;
	}
	board_start(cpu, function, argument);
	board_wait(cpu);
}

static void use_here(void *argument)
{
	const struct ml_table *t = argument;

	isa_use(t ? ml_table_root(t) : 0);
}

void board_use(const struct ml_table *t)
{
	for (unsigned cpu = 0; cpu < board_cpus; cpu++)
		call(cpu, use_here, (void *)(uintptr_t)t);
}

/* ---- code that may fault ------------------------------------------------------------- */

struct probe {
	enum board_access access;
	bool user;
	ml_va va;
	uint64_t value;
	struct board_trap trap;
};

static uint64_t stack_top(void)
{
	return (uintptr_t)(stacks[isa_cpu()] + STACK_WORDS);
}

static void probe_here(void *argument)
{
	struct probe *p = argument;
	uint64_t pc = p->va;

	if (p->access == BOARD_LOAD)
		pc = (uintptr_t)(p->user ? isa_load_user : isa_load_kernel);
	else if (p->access == BOARD_STORE)
		pc = (uintptr_t)(p->user ? isa_store_user : isa_store_kernel);
	p->trap = isa_enter(pc, p->va, p->value, stack_top(), p->user);
}

struct board_trap board_probe(unsigned cpu, enum board_access access, bool user, ml_va va,
			      uint64_t value)
{
	struct probe probe = { .access = access, .user = user, .va = va, .value = value };

	call(cpu, probe_here, &probe);
	return probe.trap;
}

struct board_trap board_run_user(void (*function)(void *argument), void *argument)
{
	return isa_enter((uintptr_t)function, (uintptr_t)argument, 0, stack_top(), true);
}

bool board_answer(const struct board_trap *trap)
{
	return board_retry && board_retry(trap);
}

_Noreturn void board_unexpected(const struct board_trap *trap)
{
	board_die("CPU %u: unexpected trap %lx at pc %lx, address %lx", isa_cpu(), trap->code,
		  trap->pc, trap->address);
}
