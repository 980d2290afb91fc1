/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * A board: what runs on it sees this and <maxleaf/...>, and no ISA. The kernel's own addresses
 * are translated by board_kernel: the image, and a direct map of all memory in the largest
 * leaves. User addresses are translated by a table that board_table_init() made and
 * board_use() loaded. Page allocation unmaps what is free from the direct map.
 */
#ifndef QEMU_BOARD_H
#define QEMU_BOARD_H

#include "isa.h"

/* What runs on the board; returns the exit status. */
int board_payload(void);

/* ---- printing ---------------------------------------------------------------------- */

/* %s %d %u %x, with l, ll, z. CPU 0 prints, and whoever dies. */
__attribute__((format(printf, 1, 2))) int board_printf(const char *format, ...);

/* Print the message, which begins with a literal, and end the emulator with status 2. */
#define board_die(...) (board_printf("\n" __VA_ARGS__), board_printf("\n"), isa_exit(2))

/* ---- memory ------------------------------------------------------------------------ */

/* Memory that the board leaves alone: what tests and users map. Half of all, at its end. */
#define BOARD_MEMORY_PA (ISA_RAM_PA + ISA_RAM_BYTES / 2)
#define BOARD_MEMORY_BYTES (ISA_RAM_BYTES / 2)

/* Where physical memory is seen by the kernel. */
static inline void *board_pointer(ml_pa pa)
{
	return (char *)ISA_DIRECT + pa; /* NOLINT */
}

/* Make the kernel's table; CPU 0 does it before any other is up. */
void board_kernel_init(void);

/*
 * The kernel's table; the direct map's leaves are made small and large again by page.c. Its levels,
 * pa_bits and hardware_ad are those of every table of the board.
 */
extern struct ml_table board_kernel;

/* Map there, for every address space; dies if it cannot. */
void board_kernel_map(ml_va va, uint64_t bytes, ml_pa pa, ml_prot prot);

/* Table memory from the board's pages: for ml_table_config. */
extern const struct ml_platform board_platform;

/* Pages handed out now; the n-th from now fails once (0: none). Of the one thread that writes. */
extern uint64_t board_pages_used;
extern uint64_t board_fail_nth;

/*
 * Fill in what is the board's in every table of user addresses: cookie, base, levels, width,
 * liveness, and the platform where there is none.
 */
void board_configure(struct ml_table_config *config);

/* Where the kernel lives in the same root, let an empty table borrow it; dies if it cannot. */
void board_borrow_kernel(struct ml_table *t);

/* Initialise a table of user addresses by both; the rest is taken from `wish` (NULL: zero). */
int board_table_init(struct ml_table *t, const struct ml_table_config *wish);

/* Load a table on every CPU; NULL: none. */
void board_use(const struct ml_table *t);

/* ---- CPUs -------------------------------------------------------------------------- */

/* CPUs that are up. */
extern unsigned board_cpus;

/* Let another CPU that is idle call function(argument), and do not wait. */
void board_start(unsigned cpu, void (*function)(void *argument), void *argument);

/* Wait until it is idle again. */
void board_wait(unsigned cpu);

/* Both; this CPU calls the function itself. */
void board_call(unsigned cpu, void (*function)(void *argument), void *argument);

/* One access on any CPU, in either mode. `value` is what a store stores. */
struct board_trap board_probe(unsigned cpu, enum board_access access, bool user, ml_va va,
			      uint64_t value);

/*
 * Run a function of .user.text in user mode on this CPU, until it makes the system call or faults.
 * Its result is the call's value: the function ends with isa_call().
 */
struct board_trap board_run_user(void (*function)(void *argument), void *argument);

/*
 * Asked about every fault below board_probe() and board_run_user(): true tries again. NULL: no. It
 * does not probe itself.
 */
extern bool (*board_retry)(const struct board_trap *trap);

#define BOARD_USER_TEXT __attribute__((section(".user.text"), noinline))
#define BOARD_USER_DATA __attribute__((section(".user.data")))

#endif
