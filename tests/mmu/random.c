/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Loads of random addresses on random CPUs, after each random operation: each gives the address
 * of the very word of memory that the model says, or faults where it must.
 */
#include "bodies.h"
#include "random_ops.h"

#define LOADS 100000
#define LOADS_A_STEP 16
#define STEPS_A_TABLE 60

static struct random_ops ops;

static enum machine_outcome expected(enum machine_access access, const struct reference_span *span)
{
	if (!span)
		return MACHINE_NOT_MAPPED;
	if (!(span->prot & ML_USER) || (access == MACHINE_STORE && !(span->prot & ML_WRITE)))
		return MACHINE_PERMISSION;
	return MACHINE_OK;
}

/* A store gives the word the value it has: it must keep its own address. */
static bool probe(struct random_ops *r, unsigned cpu, enum machine_access access, ml_va va)
{
	const struct reference_span *span = reference_find(&r->model, va);
	const ml_pa pa = span ? span->pa + (va - span->first) : 0;
	const struct machine_result got =
		machine_probe(&r->machine, cpu, MACHINE_USER, access, va, pa);
	const enum machine_outcome want = expected(access, span);

	T_CONTEXT(access == MACHINE_STORE ? "store" : "load", va);
	return t_eq(got.outcome, want) &&
	       (want != MACHINE_OK || access == MACHINE_STORE || t_eq(got.value, pa)) &&
	       (want == MACHINE_OK || t_eq(got.address, va));
}

static void one_table(const struct machine_facts *facts, uint64_t seed)
{
	T_REQUIRE(random_ops_open(&ops, facts, seed));
	for (unsigned step = 0; step < STEPS_A_TABLE && !t_state.complaints; step++) {
		random_ops_step(&ops);
		for (unsigned i = 0; i < LOADS_A_STEP; i++) {
			const unsigned cpu = (unsigned)(t_random(&ops.state) % facts->cpus);
			const bool store = t_random(&ops.state) % 8 == 0;

			if (!probe(&ops, cpu, store ? MACHINE_STORE : MACHINE_LOAD,
				   random_ops_address(&ops)))
				break;
		}
	}
	T_CONTEXT(NULL, 0);
	random_ops_close(&ops);
}

TEST(random_loads_return_the_address_of_their_frame)
{
	const uint64_t seed = t_seed(20261120);
	const uint64_t tables = T_OPTION("ML_TEST_OPS", LOADS) / (LOADS_A_STEP * STEPS_A_TABLE) + 1;
	const struct machine_facts *facts;
	uint64_t loads = 0;

	FOR_EACH_MACHINE(facts) {
		T_REQUIRE(machine_open(&ops.machine, facts, NULL));
		machine_stamp(&ops.machine, facts->memory, random_ops_memory(facts));
		machine_close(&ops.machine);
		for (uint64_t i = 0; i < tables && !t_state.complaints; i++) {
			T_CONTEXT(facts->name, i);
			one_table(facts, seed + i);
			loads += LOADS_A_STEP * STEPS_A_TABLE;
		}
	}
	T_PRINTF("# %llu random accesses\n", (unsigned long long)loads);
}
