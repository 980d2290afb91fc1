/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Bringing the CPUs up and giving them work. */
#include "board.h"

/* Work for one CPU; it is idle while there is no function. */
struct work {
	void (*function)(void *argument);
	void *argument;
};

unsigned board_cpus = 1;
static struct work works[BOARD_CPUS];

static void use_here(void *argument)
{
	const struct ml_table *t = argument;

	isa_use(ml_table_root(&board_kernel), t ? ml_table_root(t) : 0);
}

static _Noreturn void work(struct work *work)
{
	void (*function)(void *);

	__atomic_fetch_add(&board_cpus, 1, __ATOMIC_RELEASE);
	for (;;) {
		while (!(function = __atomic_load_n(&work->function, __ATOMIC_ACQUIRE)))
			isa_relax();
		function(work->argument);
		__atomic_store_n(&work->function, NULL, __ATOMIC_RELEASE);
	}
}

/* The first CPU starts the others one by one: its payload finds all of them up. */
_Noreturn void board_main(void)
{
	isa_init_cpu();
	if (isa_cpu() == 0)
		board_kernel_init();
	use_here(NULL);
	if (isa_cpu() != 0)
		work(&works[isa_cpu()]);
	for (unsigned cpu = 1; cpu < BOARD_CPUS && isa_start_cpu(cpu); cpu++)
		while (__atomic_load_n(&board_cpus, __ATOMIC_ACQUIRE) == cpu)
			isa_relax();
	isa_exit(board_payload());
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

void board_call(unsigned cpu, void (*function)(void *argument), void *argument)
{
	if (cpu == isa_cpu()) {
		function(argument);
		return;
	}
	board_start(cpu, function, argument);
	board_wait(cpu);
}

void board_use(const struct ml_table *t)
{
	for (unsigned cpu = 0; cpu < board_cpus; cpu++)
		board_call(cpu, use_here, (void *)(uintptr_t)t);
}
