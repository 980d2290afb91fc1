/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * The bodies of tests/mmu on the model MMU, and proof that they would notice: where the platform
 * forgets invalidations, the old translation is seen.
 */
#include "t.h"

#include "mmu/bodies.h"
#include "mmu/machine_hosted.h"

/* Every CPU uses [0, 2 pages), which then leads elsewhere; on which CPUs and pages that shows. */
static unsigned renewed(const struct machine_facts *facts, enum machine_harm harm)
{
	const ml_pa old_pa = facts->memory, new_pa = facts->memory + 2 * PAGE;
	const ml_va va = facts->window + 2 * MIB;
	struct ml_op op = { .flags = ML_OP_REPLACE };
	struct machine m;
	unsigned seen = 0;

	if (!machine_open(&m, facts, NULL))
		return 0;
	machine_stamp(&m, old_pa, 4 * PAGE);
	t_eq(ml_map(&m.table, va, 2 * PAGE, old_pa, USER_RW, NULL), ML_OK);
	t_all_lead(&m, va, old_pa);
	t_all_lead(&m, va + PAGE, old_pa + PAGE);
	machine_harm(harm);
	t_eq(ml_map(&m.table, va, 2 * PAGE, new_pa, USER_RW, &op), ML_OK);
	machine_harm(HARM_NONE);
	for (unsigned i = 0; i < 2 * facts->cpus; i++) {
		const uint64_t at = i % 2 * PAGE;
		const struct machine_result result =
			machine_probe(&m, i / 2, MACHINE_USER, MACHINE_LOAD, va + at, 0);

		if (t_eq(result.outcome, MACHINE_OK) && result.value == new_pa + at)
			seen |= 1u << i;
		else
			t_eq(result.value, old_pa + at);
	}
	machine_close(&m);
	return seen;
}

TEST(a_forgotten_invalidation_is_seen)
{
	const struct machine_facts *facts;

	FOR_EACH_MACHINE(facts) {
		t_eq(renewed(facts, HARM_NONE), 0xff);
		t_eq(renewed(facts, HARM_NO_INVALIDATION), 0);
		t_eq(renewed(facts, HARM_PAGE_SHORT), 0x55);
		t_eq(renewed(facts, HARM_ONE_CPU), 3);
		t_eq(renewed(facts, HARM_NO_COMPLETION), 0);
	}
}

/* A hint that does not fit invalidates nothing: what is cached is smaller, or of another level. */
TEST(a_wrong_hint_is_seen)
{
	const struct machine_facts *facts;
	struct ml_invalidation what = { .length = 2 * MIB, .level = 0xff };
	struct machine m;

	FOR_EACH_MACHINE(facts) {
		const struct place place = place_of(facts, 0, 1);

		what.va = place.va & ~(2 * MIB - 1);
		for (unsigned wrong = 0; wrong < 3; wrong++) {
			T_REQUIRE(machine_open(&m, facts, NULL));
			t_ok(place_map(&m, &place, USER_RW));
			t_leads(&m, 0, place.va, place.pa);
			what.stride_shift = wrong == 1 ? 21 : 12;
			what.level = wrong == 2 ? 1 : 0xff;
			ml_table_set_live(&m.table, false);
			t_eq(ml_unmap(&m.table, place.va, place.bytes, NULL), ML_OK);
			ml_table_set_live(&m.table, true);
			m.table.platform->invalidate(m.table.cookie, NULL, &what);
			m.table.platform->complete(m.table.cookie, NULL);
			t_ends(&m, 0, MACHINE_LOAD, place.va,
			       wrong ? MACHINE_OK : MACHINE_NOT_MAPPED);
			machine_close(&m);
		}
	}
}
