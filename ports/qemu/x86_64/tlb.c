/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Invalidation on every CPU by inter-processor interrupts, and the local APIC that sends them and
 * starts the CPUs. One CPU at a time invalidates: whoever changes tables holds a lock or is alone.
 */
#include "x86.h"

/* Registers of the local APIC and of them, 11.4.1 and 11.6.1. */
#define APIC_PA 0xfee00000
#define APIC_EOI 0xb0
#define APIC_SPURIOUS 0xf0
#define APIC_COMMAND 0x300
#define APIC_DESTINATION 0x310
#define APIC_ENABLE (1 << 8)
#define COMMAND_FIXED (1 << 14 | VECTOR_TLB)
#define COMMAND_OTHERS (3 << 18)
#define COMMAND_INIT (1 << 14 | 5 << 8)
#define COMMAND_START (1 << 14 | 6 << 8 | TRAMPOLINE_PA >> 12)
#define COMMAND_PENDING (1 << 12)

/* Where QEMU tells the number of CPUs: its fw_cfg device, and the key there. */
#define FW_CFG_SELECT 0x510
#define FW_CFG_DATA 0x511
#define FW_CFG_CPUS 5

/* More than so much at once costs more than forgetting everything. */
#define RANGES 16
#define PAGES 32

/* What the other CPUs have yet to drop. */
static struct ml_invalidation ranges[RANGES];
static unsigned count;
static bool everything;

static uint64_t requests; /* completed so far, the one under way included */
static struct {
	bool up;
	uint64_t done; /* the last request that it took */
} cpus[BOARD_CPUS];

static volatile uint32_t *apic(unsigned offset)
{
	return board_pointer(APIC_PA + offset);
}

static void apic_command(uint32_t destination, uint32_t command)
{
	*apic(APIC_DESTINATION) = destination << 24;
	*apic(APIC_COMMAND) = command;
	while (*apic(APIC_COMMAND) & COMMAND_PENDING)
		__asm__ volatile("pause");
}

/* ---- starting ------------------------------------------------------------------------ */

void isa_map_devices(void)
{
	board_map_device(APIC_PA, 4096);
}

/* Whoever sees it up may send to it; until then it has no root of ours, so nothing stale. */
void tlb_init_cpu(void)
{
	*apic(APIC_SPURIOUS) = APIC_ENABLE | VECTOR_SPURIOUS;
	__atomic_store_n(&cpus[isa_cpu()].up, true, __ATOMIC_SEQ_CST);
}

bool isa_start_cpu(unsigned cpu)
{
	unsigned there;

	__asm__ volatile("outw %w0, %w1" ::"a"(FW_CFG_CPUS), "d"(FW_CFG_SELECT));
	there = port_read(FW_CFG_DATA);
	there |= (unsigned)port_read(FW_CFG_DATA) << 8;
	if (cpu >= there)
		return false;
	apic_command(cpu, COMMAND_INIT);
	apic_command(cpu, COMMAND_START);
	apic_command(cpu, COMMAND_START);
	return true;
}

/* ---- invalidation -------------------------------------------------------------------- */

/* Global entries too, and whatever is cached of tables: 4.10.4.1. */
void tlb_drop_all(void)
{
	const uint64_t cr4 = read_cr4();

	write_cr4(cr4 & ~(uint64_t)CR4_PGE);
	write_cr4(cr4);
}

static bool too_much(const struct ml_invalidation *what)
{
	return !what->length || what->length >> what->stride_shift > PAGES;
}

static void drop(const struct ml_invalidation *what)
{
	const uint64_t stride = (uint64_t)1 << what->stride_shift;

	for (uint64_t done = 0; done < what->length; done += stride)
		__asm__ volatile("invlpg (%0)" ::"r"(what->va + done) : "memory");
}

void isa_invalidate(void *cookie, struct ml_op *op, const struct ml_invalidation *what)
{
	(void)cookie;
	(void)op;
	if (too_much(what)) {
		everything = true;
		tlb_drop_all();
		return;
	}
	drop(what);
	if (count < RANGES)
		ranges[count++] = *what;
	else
		everything = true;
}

/* On the other CPUs, in user mode or in isa_relax(). */
void tlb_interrupt(void)
{
	const uint64_t request = __atomic_load_n(&requests, __ATOMIC_ACQUIRE);

	if (everything)
		tlb_drop_all();
	for (unsigned i = 0; !everything && i < count; i++)
		drop(&ranges[i]);
	__atomic_store_n(&cpus[isa_cpu()].done, request, __ATOMIC_RELEASE);
	*apic(APIC_EOI) = 0;
}

void isa_complete(void *cookie, struct ml_op *op)
{
	bool waits[BOARD_CPUS], any = false;

	(void)cookie;
	(void)op;
	for (unsigned cpu = 0; cpu < BOARD_CPUS; cpu++) {
		waits[cpu] = cpu != isa_cpu() && __atomic_load_n(&cpus[cpu].up, __ATOMIC_SEQ_CST);
		any |= waits[cpu];
	}
	if (any) {
		__atomic_fetch_add(&requests, 1, __ATOMIC_SEQ_CST);
		apic_command(0, COMMAND_OTHERS | COMMAND_FIXED);
	}
	for (unsigned cpu = 0; cpu < BOARD_CPUS; cpu++)
		while (waits[cpu] && __atomic_load_n(&cpus[cpu].done, __ATOMIC_ACQUIRE) != requests)
			__asm__ volatile("pause");
	count = 0;
	everything = false;
}

void isa_relax(void)
{
	/* STI holds interrupts off for one more instruction. */
	__asm__ volatile("pause; sti; nop; cli" ::: "memory");
}
