/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Traps: the tables the CPU finds them by, what they mean, and the way back. */
#include "x86.h"

#define VECTOR_PAGE_FAULT 14
#define VECTOR_CALL 0x80

/* Error code of a page fault, 4.7. */
#define ERROR_PRESENT (1 << 0)
#define ERROR_WRITE (1 << 1)
#define ERROR_RESERVED (1 << 3)
#define ERROR_FETCH (1 << 4)

#define RFLAGS_FIXED (1 << 1)
#define RFLAGS_IF (1 << 9)

/* Descriptors, 3.4.5 and 8.2.3: an available TSS and its limit; an interrupt gate, 6.14.1. */
#define DESCRIPTOR_TSS ((uint64_t)0x89 << 40 | (sizeof(struct tss) - 1))
#define GATE_INTERRUPT 0x8e
#define GATE_USER (3 << 5)
#define GDT_TSS (SELECTOR_TSS / 8)

struct tss {
	uint32_t reserved0;
	uint64_t rsp0, rsp1, rsp2;
	uint64_t reserved1;
	uint64_t ist1;
	uint64_t unused[7];
	uint16_t reserved2, io_map;
} __attribute__((packed));
_Static_assert(offsetof(struct tss, rsp0) == TSS_RSP0, "trap_enter() stores there");
_Static_assert(offsetof(struct tss, ist1) == TSS_IST1, "trap_enter() stores there");

struct gate {
	uint16_t offset_low, selector;
	uint8_t stack, type; /* a stack of the TSS, or 0 */
	uint16_t offset_middle;
	uint32_t offset_high, reserved;
};

struct pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

/* What vectors.S pushes and the CPU. */
struct frame {
	uint64_t rdi, others[8];
	uint64_t vector, error, rip;
};

struct iret_frame {
	uint64_t rip, cs, rflags, rsp, ss;
};

/* In the order of x86.h: present, accessed, base 0, limit 4G. */
uint64_t cpu_gdt[GDT_TSS + 2 * BOARD_CPUS] = {
	0,
	0x00cf9b000000ffff,
	0x00af9b000000ffff,
	0x00cf93000000ffff,
	0x00cff3000000ffff,
	0x00affb000000ffff,
};
char cpu_stacks[BOARD_CPUS][ISA_STACK_BYTES] __attribute__((aligned(16)));

static struct gate idt[256];
static struct cpu {
	struct tss tss;
	bool entered; /* below isa_enter() */
	struct board_trap trap;
} cpus[BOARD_CPUS];

extern const char trap_vectors[256][16];
void trap(const struct frame *frame);
void trap_enter(const struct iret_frame *to, uint64_t argument, uint64_t second, struct tss *tss);
_Noreturn void trap_leave(uint64_t stack);

static void gate_init(unsigned vector)
{
	const uintptr_t entry = (uintptr_t)trap_vectors[vector];

	idt[vector] = (struct gate){
		.offset_low = (uint16_t)entry,
		.selector = SELECTOR_KERNEL_CODE,
		/* An interrupt may come while a trap is answered, whose stack it must leave alone. */
		.stack = vector != VECTOR_TLB,
		.type = GATE_INTERRUPT | (vector == VECTOR_CALL ? GATE_USER : 0),
		.offset_middle = (uint16_t)(entry >> 16),
		.offset_high = (uint32_t)(entry >> 32),
	};
}

void isa_init_cpu(void)
{
	const unsigned n = isa_cpu();
	struct tss *tss = &cpus[n].tss;
	const uint64_t base = (uintptr_t)tss;
	const struct pointer gdt = { sizeof(cpu_gdt) - 1, (uintptr_t)cpu_gdt };
	const struct pointer idt_pointer = { sizeof(idt) - 1, (uintptr_t)idt };

	for (unsigned vector = 0; n == 0 && vector < 256; vector++)
		gate_init(vector);
	/* Until isa_enter() a trap is the end: it may have the stack. */
	tss->rsp0 = tss->ist1 = (uintptr_t)cpu_stacks[n + 1];
	tss->io_map = sizeof(*tss);
	cpu_gdt[GDT_TSS + 2 * n] =
		DESCRIPTOR_TSS | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
	cpu_gdt[GDT_TSS + 2 * n + 1] = base >> 32;
	__asm__ volatile("lgdt %0; lidt %1" ::"m"(gdt), "m"(idt_pointer));
	__asm__ volatile("ltr %w0" ::"r"(SELECTOR_TSS + 16 * n) : "memory");
	wrmsr(MSR_PAT, ISA_FORMAT.types_default);
	tlb_init_cpu();
}

static struct board_trap describe(const struct frame *frame)
{
	struct board_trap trap = { .cause = BOARD_OTHER, .pc = frame->rip };

	trap.code = frame->vector << 32 | frame->error;
	if (frame->vector == VECTOR_CALL) {
		trap.cause = BOARD_CALL;
		trap.value = frame->rdi;
	} else if (frame->vector == VECTOR_PAGE_FAULT) {
		__asm__ volatile("mov %%cr2, %0" : "=r"(trap.address));
		trap.cause = frame->error & ERROR_RESERVED  ? BOARD_RESERVED
			     : frame->error & ERROR_PRESENT ? BOARD_PERMISSION
							    : BOARD_NOT_MAPPED;
		trap.access = frame->error & ERROR_FETCH   ? BOARD_FETCH
			      : frame->error & ERROR_WRITE ? BOARD_STORE
							   : BOARD_LOAD;
	}
	return trap;
}

void trap(const struct frame *frame)
{
	struct cpu *cpu = &cpus[isa_cpu()];
	struct board_trap trap;

	if (frame->vector == VECTOR_SPURIOUS)
		return;
	if (frame->vector == VECTOR_TLB) {
		tlb_interrupt();
		return;
	}
	trap = describe(frame);
	if (!cpu->entered)
		board_unexpected(&trap);
	cpu->entered = false;
	if (!board_answer(&trap)) {
		cpu->trap = trap;
		trap_leave(cpu->tss.rsp0);
	}
	cpu->entered = true;
}

struct board_trap isa_enter(uint64_t pc, uint64_t argument, uint64_t second, uint64_t stack,
			    bool user)
{
	struct cpu *cpu = &cpus[isa_cpu()];
	const struct iret_frame to = {
		.rip = pc,
		.cs = user ? SELECTOR_USER_CODE : SELECTOR_KERNEL_CODE,
		.rflags = RFLAGS_FIXED | (user ? RFLAGS_IF : 0),
		.rsp = stack,
		.ss = user ? SELECTOR_USER_DATA : SELECTOR_KERNEL_DATA,
	};

	cpu->entered = true;
	trap_enter(&to, argument, second, &cpu->tss);
	return cpu->trap;
}
