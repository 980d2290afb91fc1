/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What a CPU is: what it says of itself, its descriptors, its local APIC, its start. */
#include "board.h"
#include "x86.h"

/* CPUID leaf 0x80000008, vol. 2A: address widths. */
#define CPUID_WIDTHS 0x80000008
#define MSR_PAT 0x277

/* Descriptors, 3.4.5 and 8.2.3: an available TSS and its limit; an interrupt gate, 6.14.1. */
#define DESCRIPTOR_TSS ((uint64_t)0x89 << 40 | (sizeof(struct tss) - 1))
#define GATE_INTERRUPT ((uint64_t)0x8e << 40 | SELECTOR_KERNEL_CODE << 16)
#define GATE_USER ((uint64_t)3 << 45)
#define GDT_TSS (SELECTOR_TSS / 8)

/* The local APIC: 11.9, 11.5.1, 11.6.1. */
#define SPURIOUS_ENABLE (1 << 8 | 0xff) /* by vector 255 comes what nobody sends */
#define LINT_MASKED (1 << 16)
#define COMMAND_INIT (1 << 14 | 5 << 8)
#define COMMAND_START (1 << 14 | 6 << 8 | TRAMPOLINE_PA >> 12)

struct tss {
	uint32_t reserved;
	uint64_t rsp0;
	uint16_t unused[45], io_map;
} __attribute__((packed));

struct pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

/* In the order of x86.h: present, accessed, base 0, limit 4G. */
uint64_t cpu_gdt[GDT_TSS + 2 * BOARD_CPUS] = {
	0, 0x00cf9b000000ffff, 0x00af9b000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff,
};
char cpu_stacks[BOARD_CPUS][STACK_BYTES] __attribute__((aligned(16)));

static uint64_t idt[256][2];
static struct tss tsses[BOARD_CPUS];

extern const char trap_vectors[256][16], trampoline[], trampoline_end[];

enum { EAX, EBX, ECX, EDX };
static uint32_t cpuid(uint32_t leaf, unsigned which)
{
	uint32_t r[] = { leaf, 0, 0, 0 };

	__asm__ volatile("cpuid" : "+a"(r[EAX]), "=b"(r[EBX]), "+c"(r[ECX]), "=d"(r[EDX]));
	return r[which];
}

unsigned isa_cpu(void)
{
	return cpuid(1, EBX) >> 24; /* the initial APIC id, as in start.S */
}

void isa_config(struct ml_table_config *config)
{
	config->levels = cpuid(7, ECX) >> CPUID_7_LA57 & 1 ? 5 : 4; /* as in start.S */
	config->pa_bits = cpuid(CPUID_WIDTHS, EAX) & 0xff;
	config->hardware_ad = true;
}

/* Every CPU writes the same gates. */
static void init_gates(void)
{
	for (unsigned vector = 0; vector < 256; vector++) {
		const uint64_t entry = (uintptr_t)trap_vectors[vector];

		idt[vector][0] = GATE_INTERRUPT | (entry & 0xffff) | (entry >> 16 & 0xffff) << 48 |
				 (vector == VECTOR_CALL ? GATE_USER : 0);
		idt[vector][1] = entry >> 32;
	}
}

/* The firmware was here: the clock's interrupt still comes to the first CPU, by LINT0. */
void isa_init_cpu(void)
{
	const unsigned cpu = isa_cpu();
	struct tss *tss = &tsses[cpu];
	uint64_t *descriptor = &cpu_gdt[GDT_TSS + 2 * cpu];
	const uint64_t base = (uintptr_t)tss, pat = ISA_FORMAT.types_default;
	const struct pointer gdt = { sizeof(cpu_gdt) - 1, (uintptr_t)cpu_gdt };
	const struct pointer gates = { sizeof(idt) - 1, (uintptr_t)idt };

	init_gates();
	tss->rsp0 = (uintptr_t)cpu_stacks[cpu] + STACK_BYTES / 2;
	tss->io_map = sizeof(*tss);
	descriptor[0] = DESCRIPTOR_TSS | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
	descriptor[1] = base >> 32;
	__asm__ volatile("lgdt %0; lidt %1" ::"m"(gdt), "m"(gates));
	__asm__ volatile("ltr %w0" ::"r"(SELECTOR_TSS + 16 * cpu) : "memory");
	__asm__ volatile("wrmsr" ::"c"(MSR_PAT), "a"((uint32_t)pat), "d"((uint32_t)(pat >> 32)));
	APIC_LINT0 = LINT_MASKED;
	APIC_SPURIOUS = SPURIOUS_ENABLE;
}

/* CPUID leaf 1 has the number of CPUs, which the emulator all puts in one package. */
bool isa_start_cpu(unsigned cpu)
{
	if (cpu >= (cpuid(1, EBX) >> 16 & 0xff))
		return false;
	__builtin_memcpy(board_pointer(TRAMPOLINE_PA), trampoline,
			 (size_t)(trampoline_end - trampoline));
	APIC_DESTINATION = cpu << 24;
	APIC_COMMAND = COMMAND_INIT; /* done at once, where hardware has to be given 10 ms */
	APIC_COMMAND = COMMAND_START;
	return true;
}

void isa_relax(void)
{
	/* STI holds interrupts off for one more instruction. */
	__asm__ volatile("pause; sti; nop; cli" ::: "memory");
}
