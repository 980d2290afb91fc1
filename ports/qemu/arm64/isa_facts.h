/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The constants of isa.h for arm64 on QEMU's `virt`, and what assembly shares with C. */
#ifndef QEMU_ISA_FACTS_H
#define QEMU_ISA_FACTS_H

#define ISA_FORMAT ml_format_arm64_4k
#define ISA_RAM_PA 0x40000000
#define ISA_RAM_BYTES 0x10000000
#define ISA_DIRECT 0xffff000000000000
#define ISA_DEVICE_PA 0x09000000 /* the serial line */
#define ISA_PCI_CONFIG 0x4010000000
#define ISA_PCI_MEMORY 0x10000000
#define ISA_IMAGE 0xffff800000000000
#define ISA_KERNEL ISA_DIRECT
#define ISA_KERNEL_BYTES 0  /* TTBR1 has the kernel's table */
#define ISA_TRANSLATES true /* AT S1E0R */
#define ISA_FRAME_WORDS 36  /* of trap.c */
#define ISA_CALL() __asm__ volatile("svc #0" ::: "memory")
#define ISA_YIELD() __asm__ volatile("yield")

#define STACK_SHIFT 14 /* lg2 of the bytes of each CPU's stack */

#endif
