/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The KVM port as a machine: one vCPU, both modes. What KVMs differ in is asked of the vCPU itself
 * before the first test: whether accessed and dirty are set, and what the kernel may execute.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#if defined(__x86_64__)
#include <linux/kvm.h>
#endif

#include <maxleaf/kvm.h>

#include "bodies.h"
#include "machine_kvm.h"

#define MEMORY_PA (4 * GIB)
#define MEMORY_BYTES (128 * MIB)
#define WINDOW_BYTES ((uint64_t)1 << 47)

static struct ml_kvm kvm;
static struct ml_platform platform; /* the port's, with an allocation that can fail */
static const struct ml_platform *port;
static uint64_t fail_nth;
static uint64_t tables_before;
static bool made;

static struct machine_facts facts_here = {
	.name = "kvm x86-64",
	.format = &ml_format_x86_64,
	.levels = 4,
	.cpus = 1,
	.kernel_mode = true,
	.any_type = true,
	.memory = MEMORY_PA,
	.memory_bytes = MEMORY_BYTES,
	.window = 0,
	.window_bytes = WINDOW_BYTES,
};

static void *table_alloc(void *cookie, struct ml_op *op, size_t bytes, ml_pa *pa)
{
	if (fail_nth && --fail_nth == 0)
		return NULL;
	return port->table_alloc(cookie, op, bytes, pa);
}

#if defined(__x86_64__)
/* KVM's own walk of the guest's tables (KVM_TRANSLATE); it tells no type. */
static bool translate(ml_va va, ml_pa *pa)
{
	struct kvm_translation asked = { .linear_address = va };

	if (ioctl(kvm.cpu_fd, KVM_TRANSLATE, &asked) || !asked.valid)
		return false;
	*pa = asked.physical_address;
	return true;
}
#else
static bool translate(ml_va va, ml_pa *pa)
{
	(void)va;
	(void)pa;
	return false;
}
#endif

/* The marks that a load, and then a store, leave in a fresh leaf; ends with what a fetch may. */
static void find_facts(struct machine *m)
{
	const ml_prot user = USER_RW | ML_EXEC;
	struct ml_translation found;
	ml_prot marks[2] = { 0, 0 };
	ml_pa pa = 0;

	machine_put_code(m, MEMORY_PA);
	t_eq(ml_map(&m->table, GIB, PAGE, MEMORY_PA, user, NULL), ML_OK);
	for (unsigned i = 0; i < 2; i++) {
		machine_probe(m, 0, MACHINE_USER, i ? MACHINE_STORE : MACHINE_LOAD, GIB + 8, 0);
		if (ml_translate(&m->table, GIB, &found) == ML_OK)
			marks[i] = ml_translation_prot(&m->table, &found) & ML_PROT_AD;
	}
	facts_here.marks = marks[0] == ML_ACCESSED && marks[1] == ML_PROT_AD;
	facts_here.hardware_ad = facts_here.marks;
	facts_here.kernel_runs_user =
		machine_probe(m, 0, MACHINE_KERNEL, MACHINE_FETCH, GIB, 0).outcome == MACHINE_OK;
	facts_here.translates = translate(GIB + 8, &pa);
	T_PRINTF("# kvm: %s, marks %s, the kernel %s user memory, leaves 0x%x\n",
		 kvm.shadowed ? "shadow tables" : "our tables walked",
		 facts_here.marks ? "set" : "not set",
		 facts_here.kernel_runs_user ? "executes" : "does not execute", facts_here.rungs);
}

/* Once. */
static bool make_kvm(void)
{
	static const struct ml_kvm_config config = { .memory_bytes = MEMORY_BYTES,
						     .memory_pa = MEMORY_PA };
	static const struct ml_table_config tracking = { .track_ad = true };
	struct machine m;

	if (made)
		return true;
	if (ml_kvm_init(&kvm, &config))
		return false;
	made = true;
	facts_here.rungs = kvm.rungs;
	if (machine_open(&m, &facts_here, &tracking)) {
		find_facts(&m);
		machine_close(&m);
	}
	return true;
}

const char *machine_kvm_missing(void)
{
	static char reason[128];

	if (make_kvm())
		return NULL;
	snprintf(reason, sizeof(reason), "%s: %s", kvm.refusal.what ? kvm.refusal.what : "KVM",
		 kvm.refusal.error ? strerror(kvm.refusal.error) : "not here");
	return reason;
}

const struct machine_facts *machine_facts(unsigned number)
{
	return number == 0 && make_kvm() ? &facts_here : NULL;
}

bool machine_begin(struct machine *m, const struct machine_facts *facts)
{
	*m = (struct machine){ .facts = facts };
	tables_before = kvm.pool.used;
	return true;
}

void machine_configure(struct machine *m, struct ml_table_config *config)
{
	(void)m;
	config->hardware_ad = true; /* whatever KVM does with the marks, it may do at any time */
	ml_kvm_configure(&kvm, config);
	port = config->platform;
	platform = *port;
	platform.table_alloc = table_alloc;
}

/* The port knows its tables by their platform. */
bool machine_use(struct machine *m, struct ml_table *t)
{
	if (m->used)
		ml_kvm_detach(&kvm, m->used);
	m->used = t;
	if (!t)
		return true;
	t->platform = port;
	if (!t_eq(ml_kvm_attach(&kvm, t), ML_OK))
		return false;
	t->platform = &platform;
	return true;
}

void machine_end(struct machine *m)
{
	(void)m;
	fail_nth = 0;
	t_eq(ml_table_check(&kvm.kernel, NULL), ML_OK);
	t_eq(ml_unmap(&kvm.kernel, ML_KVM_LENT_VA, -ML_KVM_LENT_VA, NULL), ML_OK);
	t_eq(kvm.pool.used, tables_before);
}

void *machine_memory(struct machine *m)
{
	(void)m;
	return kvm.memory;
}

void machine_put_code(struct machine *m, ml_pa pa)
{
	machine_poke(m, pa, ML_KVM_CODE);
}

static enum machine_outcome outcome(void)
{
	const struct ml_kvm_refusal *refusal = &kvm.refusal;

	if (strcmp(refusal->what, "fault") != 0 || refusal->number != ML_KVM_PAGE_FAULT ||
	    refusal->code & ML_KVM_FAULT_RESERVED)
		return MACHINE_OTHER;
	return refusal->code & ML_KVM_FAULT_PRESENT ? MACHINE_PERMISSION : MACHINE_NOT_MAPPED;
}

struct machine_result machine_probe(struct machine *m, unsigned cpu, enum machine_mode mode,
				    enum machine_access access, ml_va va, uint64_t value)
{
	static const enum ml_kvm_access accesses[] = { ML_KVM_LOAD, ML_KVM_STORE, ML_KVM_FETCH };
	struct machine_result result = { .address = va };

	(void)m;
	if (cpu != 0) {
		result.outcome = MACHINE_OTHER;
	} else if (ml_kvm_probe(&kvm, mode == MACHINE_USER ? ML_KVM_USER : ML_KVM_KERNEL,
				accesses[access], va, &value)) {
		result.outcome = outcome();
		result.address = kvm.refusal.va;
	} else {
		result.value = value;
	}
	return result;
}

bool machine_translate(struct machine *m, ml_va va, ml_pa *pa, ml_prot *type)
{
	(void)m;
	*type = ML_TYPE(ML_TYPE_COUNT);
	return translate(va, pa);
}

/* Every table borrows the port's addresses, half of which are free. */
struct ml_table *machine_lender(struct machine *m, ml_va *va, uint64_t *bytes)
{
	(void)m;
	*va = ML_KVM_LENT_VA;
	*bytes = -ML_KVM_LENT_VA;
	return &kvm.kernel;
}

bool machine_lend(struct machine *m)
{
	return m->table.shared_count != 0;
}

void machine_fail_nth(struct machine *m, uint64_t nth)
{
	(void)m;
	fail_nth = nth;
}
