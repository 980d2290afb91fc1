/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Names for what the Intel SDM (vol. 3A) numbers, shared by assembly and C. */
#ifndef QEMU_X86_H
#define QEMU_X86_H

#include "isa_facts.h"

/*
 * Segments of cpu_gdt, with the privilege they are used at; a TSS takes two slots, for each CPU.
 * The kernel needs none for data: its SS is null, as after any trap from user mode (6.14.4).
 */
#define SELECTOR_CODE32 0x08
#define SELECTOR_KERNEL_CODE 0x10
#define SELECTOR_USER_DATA 0x1b
#define SELECTOR_USER_CODE 0x23
#define SELECTOR_TSS 0x28

#define CPUID_7_LA57 16      /* the bit of ECX that says that there are five levels */
#define STACK_BYTES 0x8000   /* of each CPU: half for traps from user mode */
#define TRAMPOLINE_PA 0x8000 /* a start IPI names a page below 1M */

/* The local APIC, 11.4.1. */
#define APIC(offset) (*(volatile uint32_t *)(ISA_DIRECT + ISA_DEVICE_PA + (offset)))
#define APIC_EOI APIC(0xb0)
#define APIC_SPURIOUS APIC(0xf0)
#define APIC_COMMAND APIC(0x300)
#define APIC_DESTINATION APIC(0x310)
#define APIC_LINT0 APIC(0x350)

#define VECTOR_TLB 0x40
#define VECTOR_CALL 0x80

#endif
