/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The board this runs on, as a machine: its own MMU, all its CPUs, both modes. */
#include "board.h"
#include "machine.h"
#include "t.h"

#define GIB ((uint64_t)1 << 30)
#define LENT_VA (1024 * GIB) /* multiples of what a root entry covers */
#define LENT_BYTES (512 * GIB)
#define WINDOW_VA (2048 * GIB)
#define WINDOW_BYTES (64 * GIB)

/* Where the kernel's root entry is everybody's, its own table lends, far from the direct map. */
#define KERNEL_LENT_VA (ISA_KERNEL + 256 * GIB)
#define KERNEL_LENT_BYTES (64 * GIB)

static struct ml_table lender;
static bool lender_is_open;

const struct machine_facts *machine_facts(unsigned number)
{
	static struct machine_facts facts;

	facts = (struct machine_facts){
		.name = ISA_FORMAT.name,
		.format = &ISA_FORMAT,
		.levels = board_kernel.levels,
		.cpus = board_cpus,
		.kernel_mode = true,
		.marks = true,
		.hardware_ad = board_kernel.hardware_ad,
		.any_type = true,
		.translates = ISA_TRANSLATES,
		.rungs = ml_format_default_rungs(&ISA_FORMAT),
		.memory = BOARD_MEMORY_PA,
		.memory_bytes = BOARD_MEMORY_BYTES,
		.window = WINDOW_VA,
		.window_bytes = WINDOW_BYTES,
	};
	return number ? NULL : &facts;
}

bool machine_begin(struct machine *m, const struct machine_facts *facts)
{
	*m = (struct machine){ .facts = facts };
	return true;
}

void machine_configure(struct machine *m, struct ml_table_config *config)
{
	(void)m;
	board_configure(config);
}

bool machine_use(struct machine *m, struct ml_table *t)
{
	if (t && !t->shared_count)
		board_borrow_kernel(t);
	board_use(t);
	m->used = t;
	return true;
}

void machine_end(struct machine *m)
{
	(void)m;
	board_fail_nth = 0;
	t_eq(ml_table_check(&board_kernel, NULL), ML_OK);
	if (lender_is_open && ISA_KERNEL_BYTES)
		t_eq(ml_unmap(&board_kernel, KERNEL_LENT_VA, KERNEL_LENT_BYTES, NULL), ML_OK);
	else if (lender_is_open)
		ml_table_fini(&lender, NULL);
	lender_is_open = false;
	t_eq(board_pages_used, 0);
}

void *machine_memory(struct machine *m)
{
	return board_pointer(m->facts->memory);
}

struct ml_table *machine_lender(struct machine *m, ml_va *va, uint64_t *bytes)
{
	(void)m;
	if (!ISA_KERNEL_BYTES && !lender_is_open && !t_eq(board_table_init(&lender, NULL), ML_OK))
		return NULL;
	lender_is_open = true;
	*va = ISA_KERNEL_BYTES ? KERNEL_LENT_VA : LENT_VA;
	*bytes = ISA_KERNEL_BYTES ? KERNEL_LENT_BYTES : LENT_BYTES;
	return ISA_KERNEL_BYTES ? &board_kernel : &lender;
}

bool machine_lend(struct machine *m)
{
	if (ISA_KERNEL_BYTES) /* every table borrows it from the start */
		return true;
	return t_eq(ml_table_share(&m->table, &lender, LENT_VA, LENT_BYTES, NULL), ML_OK);
}

struct machine_result machine_probe(struct machine *m, unsigned cpu, enum machine_mode mode,
				    enum machine_access access, ml_va va, uint64_t value)
{
	static const enum machine_outcome outcomes[] = {
		[BOARD_CALL] = MACHINE_OK,
		[BOARD_NOT_MAPPED] = MACHINE_NOT_MAPPED,
		[BOARD_PERMISSION] = MACHINE_PERMISSION,
		[BOARD_ACCESS_FLAG] = MACHINE_ACCESS_FLAG,
		[BOARD_RESERVED] = MACHINE_OTHER,
		[BOARD_OTHER] = MACHINE_OTHER,
	};
	static const enum board_access accesses[] = {
		[MACHINE_LOAD] = BOARD_LOAD,
		[MACHINE_STORE] = BOARD_STORE,
		[MACHINE_FETCH] = BOARD_FETCH,
	};
	struct board_trap trap =
		board_probe(cpu, accesses[access], mode == MACHINE_USER, va, value);
	struct machine_result result = { outcomes[trap.cause], trap.value, trap.address };

	(void)m;
	if (trap.cause != BOARD_CALL && trap.access != accesses[access])
		result.outcome = MACHINE_OTHER; /* a fault, but not this access's */
	if (result.outcome == MACHINE_OTHER)
		T_PRINTF("# CPU %u: trap code 0x%llx, pc 0x%llx, address 0x%llx\n", cpu,
			 (unsigned long long)trap.code, (unsigned long long)trap.pc,
			 (unsigned long long)trap.address);
	return result;
}

void machine_put_code(struct machine *m, ml_pa pa)
{
	(void)m;
	isa_put_call(board_pointer(pa));
}

bool machine_translate(struct machine *m, ml_va va, ml_pa *pa, ml_prot *type)
{
	/* Attributes are told as an octet of MAIR_EL1 (Arm ARM D24.2.154, PAR_EL1.ATTR). */
	static const struct {
		uint8_t attributes;
		ml_prot type;
	} types[] = { { 0xff, ML_WB },  { 0x44, ML_NC },         { 0xbb, ML_WT },
		      { 0x04, ML_DEV }, { 0x00, ML_DEV_STRICT }, { 0xf0, ML_TAGGED } };
	uint64_t attributes;

	(void)m;
	if (!ISA_TRANSLATES || !isa_translate(va, pa, &attributes))
		return false;
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].attributes == attributes)
			*type = types[i].type;
	return true;
}

void machine_fail_nth(struct machine *m, uint64_t nth)
{
	(void)m;
	board_fail_nth = nth;
}
