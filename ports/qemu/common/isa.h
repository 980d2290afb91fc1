/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What each ISA's half of a board gives the half that all boards share: start code, traps,
 * the console, and the instructions behind struct ml_platform. isa_facts.h of the ISA's folder
 * has the constants, for C, assembly and the linker script:
 *
 *   ISA_FORMAT       the built-in format, as an lvalue
 *   ISA_RAM_PA       where memory begins, ISA_RAM_BYTES of it (the emulator is told as much)
 *   ISA_DIRECT       the direct map: all memory and the device are seen at ISA_DIRECT + pa
 *   ISA_DEVICE_PA    the one page of registers that the kernel uses
 *   ISA_PCI_CONFIG   where PCI bus 0 is configured (ECAM), and ISA_PCI_MEMORY, where its devices
 *                    may be put, if the emulator is told to have any
 *   ISA_IMAGE        image addresses are ISA_IMAGE + pa
 *   ISA_KERNEL       the first address that belongs to the kernel in every table, and
 *   ISA_KERNEL_BYTES how many: 0 where the kernel has a table of its own (Arm TTBR1)
 *   ISA_TRANSLATES   whether there is isa_translate()
 *   ISA_FRAME_WORDS  what a trap saves
 *   ISA_CALL()       the system-call instruction, in the kernel
 *   ISA_YIELD()      user code that waits or goes on for long: an emulated CPU lets others run
 *
 * board.ld gives image_start, text_end, user_text_end, rodata_end, data_end, user_data_end,
 * image_end, all multiples of 4K, in this order: kernel code, the section .user.text, constants,
 * kernel data, the section .user.data, and .bss and stacks, which the loader of the image clears.
 */
#ifndef QEMU_ISA_H
#define QEMU_ISA_H

#include <maxleaf/table.h>

#include "isa_facts.h"

#define BOARD_CPUS 4

enum board_access { BOARD_LOAD, BOARD_STORE, BOARD_FETCH };

enum board_cause {
	BOARD_CALL, /* the system-call instruction; `value` is its argument */
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
bool isa_start_cpu(unsigned cpu);    /* it will call board_main(); false: there is none */
void isa_relax(void);                /* in a loop that waits for another CPU; takes interrupts */
void isa_init_cpu(void);             /* this CPU's traps, before anything may fault */

/* Set what the CPU decides: levels, pa_bits, hardware_ad. After isa_init_cpu(). */
void isa_config(struct ml_table_config *config);

/*
 * From now on this CPU translates the kernel's addresses by the one root and user addresses by the
 * other; 0: by none. Where ISA_KERNEL_BYTES is not 0, `root` translates both. Drops whatever the
 * CPU had cached.
 */
void isa_use(ml_pa kernel, ml_pa root);

/* The two callbacks of struct ml_platform, for all CPUs that are up. */
void isa_invalidate(void *cookie, struct ml_op *op, const struct ml_invalidation *what);
void isa_complete(void *cookie, struct ml_op *op);

/* What the hardware itself says about a user load; only where ISA_TRANSLATES. */
bool isa_translate(ml_va va, ml_pa *pa, uint64_t *attributes);

/*
 * The frame of code that is about to run at pc with two arguments on that stack, in user mode with
 * interrupts on, or in kernel mode.
 */
void isa_make_frame(uint64_t *frame, uint64_t pc, uint64_t argument, uint64_t second,
		    uint64_t stack, bool user);

/*
 * Ready code, BOARD_LOAD and BOARD_STORE: load the word at the first argument, or store the second
 * there, and make the system call with it. For each mode, in memory that it may execute.
 */
extern const char isa_probes_user[2][8], isa_probes_kernel[2][8];

/* Write the system-call instruction to *code, so that a CPU can execute it there. */
void isa_put_call(void *code);

/* Make the system call, from user mode; does not come back. */
_Noreturn void isa_call(uint64_t value);

/* ---- what the ISA calls -------------------------------------------------------------- */

/* Each CPU after the start code: boot tables on, a stack of its own. */
_Noreturn void board_main(void);

/* A fault or a call: the CPU goes on with what is then in the frame. */
void board_take_trap(uint64_t *frame, const struct board_trap *trap);

#endif
