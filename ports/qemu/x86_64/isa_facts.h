/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The constants of isa.h for x86-64 on QEMU's `microvm`. The kernel owns the last root
 * entry of every table, whose reach is a matter of the levels.
 */
#ifndef QEMU_ISA_FACTS_H
#define QEMU_ISA_FACTS_H

#define ISA_FORMAT ml_format_x86_64
#define ISA_RAM_PA 0
#define ISA_RAM_BYTES 0x10000000
#define ISA_DIRECT 0xffffff8000000000
#define ISA_DEVICE_PA 0xfee00000 /* the local APIC */
#define ISA_PCI_CONFIG 0xe0000000
#define ISA_PCI_MEMORY 0xc0000000
#define ISA_IMAGE 0xffffffff80000000 /* what -mcmodel=kernel can reach */
#define ISA_KERNEL (0 - ISA_KERNEL_BYTES)
#define ISA_KERNEL_BYTES ((uint64_t)1 << (board_kernel.levels == 5 ? 48 : 39))
#define ISA_TRANSLATES false
#define ISA_FRAME_WORDS 22 /* of trap.c */
#define ISA_CALL() __asm__ volatile("int $0x80" ::: "memory")
#define ISA_YIELD() __asm__ volatile("pause")

#endif
