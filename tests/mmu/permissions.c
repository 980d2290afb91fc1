/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/*
 * What a protection allows, for each leaf size, access and mode. What must happen is said here
 * anew, from the protection alone; no code of the library is asked.
 */
#include "bodies.h"

#define CODE_AT 0
#define DATA_AT 8

static bool is_x86(const struct machine_facts *facts)
{
	return facts->format->encoding == ML_ENCODING_X86_64;
}

/*
 * x86-64 has one execute bit, which belongs to the mode that owns the page; on arm64 what the user
 * may write is never executed by the kernel (Arm ARM D8.4.1).
 */
static bool expressible(const struct machine_facts *facts, ml_prot prot)
{
	if (is_x86(facts))
		return !(prot & (prot & ML_USER ? ML_PEXEC : ML_EXEC));
	return !(prot & ML_USER && prot & ML_WRITE && prot & ML_PEXEC);
}

/* An arm64 page may be executed by a user who can neither read nor write it (Arm ARM D8.4.1). */
static bool may(const struct machine_facts *facts, ml_prot prot, enum machine_mode mode,
		enum machine_access access)
{
	if (mode == MACHINE_USER && !(prot & ML_USER) &&
	    (access != MACHINE_FETCH || !facts->kernel_mode))
		return false;
	switch (access) {
	case MACHINE_LOAD:
		return true;
	case MACHINE_STORE:
		return prot & ML_WRITE;
	default:
		return prot & (mode == MACHINE_USER      ? ML_EXEC
			       : facts->kernel_runs_user ? ML_EXEC | ML_PEXEC
							 : ML_PEXEC);
	}
}

static void check_access(struct machine *m, const struct place *place, ml_prot prot,
			 enum machine_mode mode, enum machine_access access)
{
	const uint64_t offset = access == MACHINE_FETCH ? CODE_AT : DATA_AT;
	const ml_va va = place_va(place, offset);
	const ml_pa pa = place_pa(place, offset);
	const bool good = may(m->facts, prot, mode, access);
	const unsigned cpu = (unsigned)(prot + mode + access) % m->facts->cpus;

	if (access == MACHINE_STORE)
		machine_poke(m, pa, 0);
	t_ends_at(m, cpu, mode, access, va, good ? MACHINE_OK : MACHINE_PERMISSION, __FILE__,
		  __LINE__);
	if (access == MACHINE_STORE)
		t_eq(machine_peek(m, pa), good ? va : 0);
}

static void check_all(struct machine *m, const struct place *place, ml_prot prot)
{
	const unsigned modes = m->facts->kernel_mode ? 2 : 1;

	T_CONTEXT(m->facts->name, place->rung << 12 | prot);
	for (unsigned mode = 0; mode < modes; mode++)
		for (unsigned access = MACHINE_LOAD; access <= MACHINE_FETCH; access++)
			check_access(m, place, prot, (enum machine_mode)mode,
				     (enum machine_access)access);
}

/* The n-th set of the bits that a protection may add to ML_READ. */
static ml_prot nth_prot(unsigned n)
{
	static const ml_prot bits[] = { ML_WRITE, ML_USER, ML_EXEC, ML_PEXEC, ML_GLOBAL };
	ml_prot prot = ML_READ;

	for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		prot |= n >> i & 1 ? bits[i] : 0;
	return prot;
}

#define PROTS 32

static void check_protections(struct machine *m, unsigned rung)
{
	const struct place place = place_of(m->facts, rung, 1);

	machine_put_code(m, place_pa(&place, CODE_AT));
	for (unsigned n = 0; n < PROTS; n++) {
		const ml_prot prot = nth_prot(n);
		const bool good = expressible(m->facts, prot);

		t_eq(ml_map(&m->table, place.va, place.bytes, place.pa, prot, NULL),
		     good ? ML_OK : ML_ERR_PROT);
		if (!good)
			continue;
		check_all(m, &place, prot);
		place_unmap(m, &place);
	}
}

TEST(every_protection_is_honoured)
{
	on_each_rung(NULL, NULL, NULL, check_protections);
}

/* From each protection to each other, by protect: what was cached no longer counts. */
TEST(every_change_of_protection_is_honoured)
{
	const struct machine_facts *facts;
	struct machine m;

	FOR_EACH_MACHINE(facts) {
		const struct place place = place_of(facts, 0, 2);
		const ml_prot mask = nth_prot(PROTS - 1) & ~ML_READ;

		T_REQUIRE(machine_open(&m, facts, NULL));
		T_REQUIRE(place_map(&m, &place, ML_READ));
		machine_put_code(&m, place_pa(&place, CODE_AT));
		for (unsigned n = 0; n < PROTS * PROTS; n++) {
			/* a Gray code, its bits strewn: every step comes from somewhere else */
			const ml_prot prot = nth_prot((n ^ n / PROTS) % PROTS);

			if (!expressible(facts, prot))
				continue;
			T_REQUIRE(t_eq(ml_protect(&m.table, place.va, place.bytes, mask,
						  prot & mask, NULL),
				       ML_OK));
			check_all(&m, &place, prot);
		}
		machine_close(&m);
	}
}
