/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What a CPU is, and how it is told about tables. */
#include "isa.h"

#define READ(name)                                                    \
	({                                                            \
		uint64_t read_value;                                  \
		__asm__ volatile("mrs %0, " name : "=r"(read_value)); \
		read_value;                                           \
	})
/* An instruction with an operand, and one or more without. */
#define DO_WITH(instruction, value) __asm__ volatile(instruction ", %0" ::"r"(value) : "memory")
#define DO(instructions) __asm__ volatile(instructions ::: "memory")

#define TCR_IPS(range) ((uint64_t)(range) << 32)
#define TCR_HA_HD (UINT64_C(3) << 39)
#define TTBR_ASID_1 (UINT64_C(1) << 48) /* the boot tables have 0 */

/* TLBI by address, C5.5: VA[55:12], and with FEAT_TTL the granule and level of the leaf. */
#define TLBI_ADDRESS(va) ((va) >> 12 & ((UINT64_C(1) << 44) - 1))
#define TLBI_HINT_4K(level) ((UINT64_C(4) | (level)) << 44)
#define TLBI_MOST 512 /* more than that, and everything goes */

#define PA_48_BITS 5
#define PSCI_CPU_ON 0xc4000003

/* GICv3, 12.9 to 12.11: what lets the virtual timer's interrupt end a WFI. */
#define GIC(offset) (*(volatile uint32_t *)(ISA_DIRECT + 0x08000000 + (offset)))
#define GICD_CTLR GIC(0)
#define GICR_WAKER(cpu) GIC(0xa0014 + 0x20000 * (cpu))
#define GICR_IGROUPR0(cpu) GIC(0xb0080 + 0x20000 * (cpu))
#define GICR_ISENABLER0(cpu) GIC(0xb0100 + 0x20000 * (cpu))
#define CTLR_ARE_GROUP_1 0x12
#define TIMER_INTERRUPT (1u << 27)

/* How often to look at once, and for how long to sleep then: 20 us at 62.5 MHz. */
#define RELAX_TURNS 64
#define RELAX_TICKS UINT64_C(1250)

extern const char start[], trap_vectors[];
int64_t call_firmware(uint64_t function, uint64_t cpu, ml_pa pc, uint64_t context);

static const ml_pte no_table[512] __attribute__((aligned(4096)));

unsigned isa_cpu(void)
{
	return READ("mpidr_el1") & 0xff;
}

bool isa_start_cpu(unsigned cpu)
{
	return call_firmware(PSCI_CPU_ON, cpu, (ml_pa)start - ISA_IMAGE, 0) == 0;
}

/* Interrupts stay masked: one that is pending ends a WFI all the same. */
static void init_sleep(unsigned cpu)
{
	GICD_CTLR = CTLR_ARE_GROUP_1;
	GICR_WAKER(cpu) = 0;
	GICR_IGROUPR0(cpu) = TIMER_INTERRUPT;
	GICR_ISENABLER0(cpu) = TIMER_INTERRUPT;
	DO_WITH("msr icc_pmr_el1", UINT64_C(0xff));
	DO_WITH("msr icc_igrpen1_el1", UINT64_C(1));
	DO_WITH("msr cntv_ctl_el0", UINT64_C(1));
}

/* The emulator runs another CPU on a yield, or in a thread that needs a processor of the host. */
void isa_relax(void)
{
	static unsigned turns[BOARD_CPUS];

	DO("yield");
	if (++turns[isa_cpu()] % RELAX_TURNS)
		return;
	DO_WITH("msr cntv_tval_el0", RELAX_TICKS);
	DO("isb; wfi");
}

/* ID_AA64MMFR0_EL1.PARange, coded as TCR_EL1.IPS is; our entries hold no more than 48 bits. */
static unsigned pa_range(void)
{
	const unsigned range = READ("id_aa64mmfr0_el1") & 0xf;

	return range > PA_48_BITS ? PA_48_BITS : range;
}

unsigned isa_pa_bits(void)
{
	static const uint8_t bits[] = { 32, 36, 40, 42, 44, 48 };

	return bits[pa_range()];
}

/* ID_AA64MMFR1_EL1.HAFDBS: 2 and up have both; accessed alone would be more harm than help. */
bool isa_hardware_ad(void)
{
	return (READ("id_aa64mmfr1_el1") & 0xf) >= 2;
}

void isa_init_cpu(void)
{
	const uint64_t ad = isa_hardware_ad() ? TCR_HA_HD : 0;

	DO_WITH("msr tcr_el1", READ("tcr_el1") | TCR_IPS(pa_range()) | ad);
	DO_WITH("msr vbar_el1", trap_vectors);
	init_sleep(isa_cpu());
	isa_use(0);
}

unsigned isa_levels(void)
{
	return 4;
}

const char *isa_cpu_name(void)
{
	return isa_hardware_ad() ? "arm64 with HAFDBS" : "arm64 without HAFDBS";
}

/* With another ASID than the boot tables', their entries and the new ones never match together. */
void isa_use_kernel(ml_pa root)
{
	DO_WITH("msr ttbr1_el1", root | TTBR_ASID_1);
	DO("isb; tlbi vmalle1; dsb nsh; isb");
}

/* Entries of two tables under one ASID may not meet in a TLB (D8.14.3): in between is none. */
void isa_use(ml_pa root)
{
	DO_WITH("msr ttbr0_el1", (ml_pa)no_table - ISA_IMAGE);
	DO("isb; tlbi vmalle1; dsb nsh");
	if (root)
		DO_WITH("msr ttbr0_el1", root);
	DO("isb");
}

/* A wrong hint drops nothing, so none where tables went too: it speaks of leaves. */
static uint64_t level_hint(const struct ml_invalidation *what)
{
	const bool has_hint = READ("id_aa64mmfr2_el1") >> 48 & 0xf; /* TTL */

	if (!has_hint || !what->leaves_only || what->level == 0xff)
		return 0;
	return TLBI_HINT_4K(3u - what->level);
}

/* The forms for every ASID, on all CPUs: there is one table at a time. */
void isa_invalidate(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	const uint64_t stride = UINT64_C(1) << what->stride_shift;
	const ml_va first = what->va & ~(stride - 1);
	uint64_t count = (what->va - first + what->length + stride - 1) >> what->stride_shift;
	uint64_t operand = TLBI_ADDRESS(first) | level_hint(what);

	(void)cookie;
	(void)op;
	DO("dsb ishst");
	if (what->length == 0 || count > TLBI_MOST) {
		DO("tlbi vmalle1is");
		return;
	}
	for (; count; count--, operand += stride >> 12) {
		if (what->leaves_only)
			DO_WITH("tlbi vaale1is", operand);
		else
			DO_WITH("tlbi vaae1is", operand);
	}
}

void isa_complete(void *cookie, struct ml_op *op)
{
	(void)cookie;
	(void)op;
	DO("dsb ish; isb");
}

/* PAR_EL1, D17.2.107: the fault bit, the address, and the attribute as MAIR_EL1 has it. */
bool isa_translate(ml_va va, ml_pa *pa, uint64_t *attributes)
{
	uint64_t result;

	DO_WITH("at s1e0r", va);
	DO("isb");
	result = READ("par_el1");
	*pa = (result & 0x0000fffffffff000) | (va & 0xfff);
	*attributes = result >> 56;
	return !(result & 1);
}

/* It may be fetched by another address than it was written by: all of the instruction caches. */
void isa_put_call(void *code)
{
	*(volatile uint32_t *)code = 0xd4000001; /* svc #0 */
	DO_WITH("dc cvau", code);
	DO("dsb ish; ic ialluis; dsb ish; isb");
}
