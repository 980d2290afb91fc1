/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * Borrowed root entries: the CPUs translate by the borrower, all changes are the lender's, and
 * every CPU sees each of them.
 */
#include "bodies.h"

/* Where the lender's leaf of this size stands in what it lends; false if it has no room. */
static bool lent_place(const struct machine *m, ml_va va, uint64_t bytes, unsigned rung,
		       struct place *place)
{
	*place = place_of(m->facts, rung, 1);
	place->va = (va + place->bytes - 1) & ~(place->bytes - 1);
	return place->va - va + place->bytes <= bytes;
}

/* The lender maps, protects, replaces, splits and unmaps one leaf. */
static void check_rung(struct machine *m, struct ml_table *lender, const struct place *place)
{
	const ml_va va = place_va(place, PAGE - 8);
	const ml_pa pa = place_pa(place, PAGE - 8);
	const ml_prot mask = ML_WRITE;
	struct ml_op op = { .flags = ML_OP_REPLACE };

	t_eq(ml_map(lender, place->va, place->bytes, place->pa, USER_RW, NULL), ML_OK);
	t_all_lead(m, va, pa);
	t_all_end(m, MACHINE_STORE, va, MACHINE_OK);
	t_eq(ml_protect(lender, place->va, place->bytes, ML_WRITE, 0, NULL), ML_OK);
	t_all_end(m, MACHINE_STORE, va, MACHINE_PERMISSION);
	t_eq(ml_protect(lender, place->va, place->bytes, mask, mask, NULL), ML_OK);
	t_all_end(m, MACHINE_STORE, va, MACHINE_OK);
	t_eq(ml_map(lender, place_va(place, 0), PAGE, m->facts->memory, USER_RO, &op), ML_OK);
	t_all_lead(m, va, m->facts->memory + PAGE - 8);
	t_eq(ml_unmap(lender, place->va, place->bytes, NULL), ML_OK);
	t_unmapped(m, va);
}

/* The body on every machine that has a lender, with the addresses that may be lent. */
static void with_lender(void (*body)(struct machine *m, struct ml_table *lender, ml_va va,
				     uint64_t bytes))
{
	const struct machine_facts *facts;
	unsigned machines = 0;
	struct machine m;

	FOR_EACH_MACHINE(facts) {
		struct ml_table *lender;
		uint64_t bytes;
		ml_va va;

		T_REQUIRE(machine_open(&m, facts, NULL));
		lender = machine_lender(&m, &va, &bytes);
		machines += lender != NULL;
		if (lender)
			body(&m, lender, va, bytes);
		machine_close(&m);
	}
	if (!machines)
		T_SKIP("no machine here has a second table");
}

static void check_rungs(struct machine *m, struct ml_table *lender, ml_va va, uint64_t bytes)
{
	T_REQUIRE(t_ok(machine_lend(m)));
	FOR_EACH_RUNG(rung, m->facts) {
		struct place place;

		T_CONTEXT(m->facts->name, rung);
		if (lent_place(m, va, bytes, rung, &place))
			check_rung(m, lender, &place);
	}
}

TEST(what_the_lender_changes_every_cpu_sees)
{
	with_lender(check_rungs);
}

/* What was mapped before it was lent; and the borrower can change nothing of it. */
static void check_ownership(struct machine *m, struct ml_table *lender, ml_va va, uint64_t bytes)
{
	const struct place own = place_of(m->facts, 0, 5);
	struct place place;

	T_REQUIRE(t_ok(lent_place(m, va, bytes, 0, &place)));
	t_ok(place_map(m, &own, USER_RW));
	t_eq(ml_map(lender, place.va, PAGE, place.pa, USER_RW, NULL), ML_OK);
	t_ok(machine_lend(m));
	t_all_lead(m, place.va, place.pa);
	t_eq(ml_unmap(&m->table, place.va, PAGE, NULL), ML_ERR_SHARED);
	t_eq(ml_protect(&m->table, place.va, PAGE, ML_USER, 0, NULL), ML_ERR_SHARED);
	t_eq(ml_map(&m->table, place.va + PAGE, PAGE, place.pa, USER_RW, NULL), ML_ERR_SHARED);
	t_all_lead(m, place.va, place.pa);
	t_unmapped(m, place.va + PAGE);
	t_all_lead(m, own.va, own.pa);
	t_eq(ml_unmap(lender, place.va, PAGE, NULL), ML_OK);
	t_unmapped(m, place.va);
	t_all_lead(m, own.va, own.pa);
}

TEST(what_was_lent_is_the_lenders)
{
	with_lender(check_ownership);
}
