/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What a CPU is, and how it is told about tables. */
#include <maxleaf/tlb.h>

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

#define TCR_IPS_SHIFT 32
#define PA_48_BITS 5 /* more than that our entries do not hold */
#define TCR_HA_HD (UINT64_C(3) << 39)
#define TTBR_ASID_1 (UINT64_C(1) << 48) /* the boot tables have 0 */

#define PSCI_CPU_ON 0xc4000003

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

/* Where one thread emulates all CPUs, this lets the others run. */
void isa_relax(void)
{
	DO("yield");
}

/* ID registers, D17.2.64 and D17.2.65: PARange is coded as IPS is, HAFDBS from 2 on has both. */
void isa_init_cpu(void)
{
	const uint64_t range = READ("id_aa64mmfr0_el1") & 0xf;
	uint64_t tcr = READ("tcr_el1") | (range > PA_48_BITS ? PA_48_BITS : range) << TCR_IPS_SHIFT;

	if ((READ("id_aa64mmfr1_el1") & 0xf) >= 2)
		tcr |= TCR_HA_HD;
	DO_WITH("msr tcr_el1", tcr);
	DO_WITH("msr vbar_el1", trap_vectors);
	DO("isb");
}

void isa_config(struct ml_table_config *config)
{
	static const uint8_t bits[] = { 32, 36, 40, 42, 44, 48 };
	const uint64_t tcr = READ("tcr_el1");

	config->pa_bits = bits[tcr >> TCR_IPS_SHIFT & 7];
	config->hardware_ad = tcr & TCR_HA_HD;
}

/*
 * Entries of two tables under one ASID may not meet in a TLB (D8.14.3). So the kernel's table has
 * another than the boot tables; and between two tables of user addresses is none.
 */
void isa_use(ml_pa kernel, ml_pa root)
{
	DO_WITH("msr ttbr0_el1", (ml_pa)no_table - ISA_IMAGE);
	DO_WITH("msr ttbr1_el1", kernel | TTBR_ASID_1);
	DO("isb; tlbi vmalle1; dsb nsh");
	if (root)
		DO_WITH("msr ttbr0_el1", root);
	DO("isb");
}

/*
 * Forms for every ASID, on all CPUs: tables of user addresses share one, whoever has loaded which.
 * QEMU 7.2 takes one range of 4 GiB or more for none; without range forms so much is everything.
 */
void isa_invalidate(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	const struct ml_tlb_arm64 space = { .page_shift = 12,
					    .tags = ML_TLB_ANY,
					    .has_ttl = READ("id_aa64mmfr2_el1") >> 48 & 0xf,
					    .has_range = READ("id_aa64isar0_el1") >> 57 & 7 &&
							 !(what->length >> 32) };
	struct ml_tlb_arm64_cursor cursor;
	struct ml_tlb_arm64_op tlbi;

	(void)cookie;
	(void)op;
	DO("dsb ishst");
	ml_tlb_arm64_start(&cursor, &space, what);
	while (ml_tlb_arm64_next(&cursor, &tlbi)) {
		if (tlbi.tlbi == ML_TLBI_VAAE1)
			DO_WITH("tlbi vaae1is", tlbi.operand);
		else if (tlbi.tlbi == ML_TLBI_VAALE1)
			DO_WITH("tlbi vaale1is", tlbi.operand);
		else if (tlbi.tlbi == ML_TLBI_RVAAE1) /* assemblers before Armv8.4 lack the names */
			DO_WITH("sys #0, c8, c2, #3", tlbi.operand);
		else if (tlbi.tlbi == ML_TLBI_RVAALE1)
			DO_WITH("sys #0, c8, c2, #7", tlbi.operand);
		else
			DO("tlbi vmalle1is");
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
