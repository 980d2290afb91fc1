/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What each ISA's half of a board gives the half that all boards share: start code, traps,
 * the console, and the instructions behind struct ml_platform. isa_facts.h of the ISA's folder
 * has the constants:
 *
 *   ISA_FORMAT      the built-in format, as an lvalue
 *   ISA_RAM_PA      where memory begins, ISA_RAM_BYTES of it (the emulator is told as much)
 *   ISA_DIRECT      the direct map: all memory and devices are seen at ISA_DIRECT + pa
 *   ISA_IMAGE       image addresses are ISA_IMAGE + pa
 *   ISA_KERNEL      the first address that belongs to the kernel in every table, and
 *   ISA_KERNEL_BYTES how many: 0 where the kernel has a table of its own (Arm TTBR1)
 *   ISA_TRANSLATES  whether isa_translate() tells
 *   ISA_YIELD()     user code that waits or goes on for long: an emulated CPU lets others run
 *
 * and its linker script gives image_start, text_end, rodata_end, user_text_start,
 * user_text_end, user_data_start, user_data_end, image_end, all multiples of 4K, in this order:
 * what lies before text_end is kernel code, up to rodata_end constants, up to user_text_start
 * kernel data; the sections .user.text and .user.data are seen by user mode; what follows
 * (stacks, .bss) is kernel data again.
 */
#ifndef QEMU_ISA_H
#define QEMU_ISA_H

#include <maxleaf/table.h>

#include "isa_facts.h"

#define BOARD_CPUS 4

enum board_access { BOARD_LOAD, BOARD_STORE, BOARD_FETCH };

/* Why a CPU came back from board_enter(). */
enum board_cause {
	BOARD_CALL, /* it asked to: the system-call instruction; `value` is its argument */
	BOARD_NOT_MAPPED,
	BOARD_PERMISSION,
	BOARD_ACCESS_FLAG, /* accessed is clear, and this machine does not set it */
	BOARD_RESERVED,    /* a reserved bit, an address beyond the physical width */
	BOARD_OTHER        /* anything else: not a matter of translation */
};

struct board_trap {
	enum board_cause cause;
	enum board_access access; /* of a fault */
	ml_va address;            /* of a fault: what was accessed */
	uint64_t pc;
	uint64_t value;
	uint64_t code; /* as the hardware says it: ESR_EL1, or vector << 32 | error code */
};

/* ---- what the ISA gives ------------------------------------------------------------ */

void isa_put(char c);
_Noreturn void isa_exit(int status); /* end the emulator; 0 is success */
const char *isa_command_line(void);  /* what the emulator was told with -append; "" if nothing */
unsigned isa_cpu(void);              /* number of this CPU, from 0 */
bool isa_start_cpu(unsigned cpu);    /* it will call board_secondary(); false: there is none */
void isa_relax(void);                /* in a loop that waits for another CPU; takes interrupts */
void isa_init_cpu(void);             /* this CPU's traps, before anything may fault */
unsigned isa_pa_bits(void);          /* physical width */
unsigned isa_levels(void);           /* as the start code chose */
bool isa_hardware_ad(void);          /* walkers set accessed and dirty on this CPU model */
const char *isa_cpu_name(void);      /* for people: model or features */
void isa_map_devices(void);          /* board_map_device() for each device it uses */

/* From now on this CPU translates the kernel's addresses by this root alone. */
void isa_use_kernel(ml_pa root);

/* ... and user addresses by this one; 0: by none. Drops whatever the CPU had cached of them. */
void isa_use(ml_pa root);

/* The two callbacks of struct ml_platform, for all CPUs that are up. */
void isa_invalidate(void *cookie, struct ml_op *op, const struct ml_invalidation *what);
void isa_complete(void *cookie, struct ml_op *op);

/* What the hardware itself says about a user load; false where it has no such instruction. */
bool isa_translate(ml_va va, ml_pa *pa, uint64_t *attributes);

/*
 * Run at pc with two arguments, in user mode on that stack or in kernel mode on the kernel's own,
 * until the next trap that board_answer() does not answer. Interrupts are on in user mode.
 */
struct board_trap isa_enter(uint64_t pc, uint64_t argument, uint64_t second, uint64_t stack,
			    bool user);

/*
 * Ready code for isa_enter(): load the word at the first argument, or store the second there, and
 * make the system call with it. For each mode, in memory that it may execute.
 */
extern const char isa_load_user[], isa_store_user[], isa_load_kernel[], isa_store_kernel[];

/* Write the system-call instruction to *code, so that a CPU can execute it there. */
void isa_put_call(void *code);

/* Make the system call, from user mode; does not come back. */
_Noreturn void isa_call(uint64_t value);

/* ---- what the ISA calls -------------------------------------------------------------- */

/* CPU 0 after the start code: boot tables on, .bss zero, a stack of its own. */
_Noreturn void board_main(void);

/* Every other CPU, likewise. */
_Noreturn void board_secondary(void);

/* A fault or call below isa_enter(): true if it was answered and the CPU tries again. */
bool board_answer(const struct board_trap *trap);

/* A trap that nobody expects: print it and end. */
_Noreturn void board_unexpected(const struct board_trap *trap);

/* Map a device at ISA_DIRECT + pa. */
void board_map_device(ml_pa pa, uint64_t bytes);

#endif
