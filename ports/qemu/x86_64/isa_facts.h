/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The constants of isa.h for x86-64 on QEMU's `microvm` and `q35`; start.S reads them too. The
 * kernel owns the last root entry of every table, whose reach is a matter of the levels.
 */
#ifndef QEMU_ISA_FACTS_H
#define QEMU_ISA_FACTS_H

#define ISA_FORMAT ml_format_x86_64
#define ISA_RAM_PA 0
#define ISA_RAM_BYTES 0x10000000
#define ISA_DIRECT 0xffffff8000000000
#define ISA_IMAGE 0xffffffff80000000 /* also in board.ld; what -mcmodel=kernel can reach */
#define ISA_KERNEL (0 - ISA_KERNEL_BYTES)
#define ISA_KERNEL_BYTES ((uint64_t)1 << (isa_levels() == 5 ? 48 : 39))

#define ISA_STACK_BYTES 0x4000 /* of each CPU */

#define ISA_TRANSLATES false
#define ISA_YIELD() __asm__ volatile("pause")

#endif
