/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A call that fails, whatever for, has changed nothing that the hardware sees. */
#include "bodies.h"

#define WRONG_PROT (ML_RW | ML_USER | ML_PEXEC) /* no format lets the kernel execute this */

/* One leaf of each size; behind each of them is a hole. */
static bool map_all(struct machine *m)
{
	bool good = true;

	FOR_EACH_RUNG(rung, m->facts) {
		const struct place place = place_of(m->facts, rung, 1);

		good = good && place_map(m, &place, USER_RW);
	}
	return good;
}

static void check_place(struct machine *m, const struct place *place)
{
	const uint64_t words[] = { 0, place->readable / 2, place->readable - 8 };

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		t_all_lead(m, place_va(place, words[i]), place_pa(place, words[i]));
		t_ends(m, i % m->facts->cpus, MACHINE_STORE, place_va(place, words[i]), MACHINE_OK);
	}
	t_ends(m, 0, MACHINE_LOAD, place->va + place->bytes, MACHINE_NOT_MAPPED);
}

static void each_leaf(struct machine *m,
		      void (*check)(struct machine *m, const struct place *place))
{
	FOR_EACH_RUNG(rung, m->facts) {
		const struct place place = place_of(m->facts, rung, 1);

		check(m, &place);
	}
}

/* Leaves of all sizes stand while calls are made on each in turn, and still do after it. */
static void among_all(void (*check)(struct machine *m, const struct place *place))
{
	const struct machine_facts *facts;
	struct machine m;

	FOR_EACH_MACHINE(facts) {
		T_REQUIRE(machine_open(&m, facts, NULL));
		T_REQUIRE(map_all(&m));
		each_leaf(&m, check);
		each_leaf(&m, check_place);
		machine_close(&m);
	}
}

/* ---- calls that make no sense ------------------------------------------------------ */

enum kind { MAP, REPLACE, UNMAP, PROTECT, SPLIT, FOLD };

struct call {
	enum kind kind;
	int want;
	ml_va va;
	uint64_t bytes;
	ml_pa pa;
	ml_prot mask, prot; /* mask: of protect, and the rung of split and fold */
};

static int call(struct ml_table *t, const struct call *c)
{
	struct ml_op op = { .flags = c->kind == REPLACE ? ML_OP_REPLACE : 0 };

	switch (c->kind) {
	case MAP:
	case REPLACE:
		return ml_map(t, c->va, c->bytes, c->pa, c->prot, &op);
	case UNMAP:
		return ml_unmap(t, c->va, c->bytes, &op);
	case PROTECT:
		return ml_protect(t, c->va, c->bytes, c->mask, c->prot, &op);
	case SPLIT:
		return ml_split(t, c->va, c->bytes, (unsigned)c->mask, &op);
	default:
		return ml_fold(t, c->va, c->bytes, (unsigned)c->mask, &op);
	}
}

static void check_senseless(struct machine *m, const struct place *place)
{
	const ml_va va = place->va, behind = va + place->bytes, outside = va ^ (ml_va)1 << 62;
	const ml_pa pa = m->facts->memory, end = (ml_pa)1 << m->table.pa_bits;
	const struct call calls[] = {
		{ MAP, ML_ERR_EXISTS, va, PAGE, pa, 0, USER_RW },
		{ MAP, ML_ERR_EXISTS, va - PAGE, 2 * PAGE, pa, 0, USER_RW },
		{ MAP, ML_ERR_EXISTS, behind - PAGE, 2 * PAGE, pa, 0, USER_RW },
		{ REPLACE, ML_ERR_PROT, va, PAGE, pa, 0, WRONG_PROT },
		{ REPLACE, ML_ERR_PA_RANGE, va, 2 * PAGE, end - PAGE, 0, USER_RW },
		{ REPLACE, ML_ERR_ALIGN, va + 8, PAGE, pa, 0, USER_RW },
		{ REPLACE, ML_ERR_ALIGN, va, PAGE + 8, pa, 0, USER_RW },
		{ REPLACE, ML_ERR_ALIGN, va, PAGE, pa + 8, 0, USER_RW },
		{ REPLACE, ML_ERR_EMPTY, va, 0, pa, 0, USER_RW },
		{ REPLACE, ML_ERR_WRAP, behind, 0 - PAGE, pa, 0, USER_RW },
		{ REPLACE, ML_ERR_CANONICAL, outside, PAGE, pa, 0, USER_RW },
		{ UNMAP, ML_ERR_ALIGN, va, PAGE / 2, 0, 0, 0 },
		{ UNMAP, ML_ERR_EMPTY, va, 0, 0, 0, 0 },
		{ UNMAP, ML_ERR_WRAP, behind, 0 - PAGE, 0, 0, 0 },
		{ PROTECT, ML_ERR_PROT, va, PAGE, 0, ML_USER, ML_WRITE },
		{ PROTECT, ML_ERR_PROT, va, PAGE, 0, ML_PEXEC, ML_PEXEC },
		{ PROTECT, ML_ERR_ALIGN, va + 8, PAGE, 0, ML_USER, 0 },
		{ SPLIT, ML_ERR_SIZE, va, PAGE, 0, ML_RUNG_MAX, 0 },
		{ FOLD, ML_ERR_SIZE, va, PAGE, 0, ML_RUNG_MAX, 0 },
	};

	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		T_CONTEXT(m->facts->name, place->rung * 100 + i);
		t_eq(call(&m->table, &calls[i]), calls[i].want);
		check_place(m, place);
	}
}

TEST(senseless_calls_change_nothing)
{
	among_all(check_senseless);
}

/* ---- no memory for a table --------------------------------------------------------- */

/* Let each allocation of the call fail in turn, until it succeeds; how many failed. */
static uint64_t starve(struct machine *m, const struct place *place, const struct call *c)
{
	uint64_t nth = 1;
	int error;

	for (;; nth++) {
		machine_fail_nth(m, nth);
		error = call(&m->table, c);
		machine_fail_nth(m, 0);
		if (error != ML_ERR_NO_MEMORY)
			break;
		check_place(m, place);
	}
	t_eq(error, ML_OK);
	return nth - 1;
}

/* Calls that take the leaf apart, each on a fresh one. */
static void check_starved(struct machine *m, const struct place *place)
{
	const ml_va va = place_va(place, place->readable / 2 & ~(PAGE - 1));
	const ml_pa pa = m->facts->memory;
	const struct call calls[] = {
		{ UNMAP, ML_OK, va, PAGE, 0, 0, 0 },
		{ PROTECT, ML_OK, va, PAGE, 0, ML_WRITE, 0 },
		{ REPLACE, ML_OK, va, PAGE, pa, 0, USER_RO },
		{ REPLACE, ML_OK, va - PAGE, 2 * PAGE, pa, 0, USER_RO },
		{ SPLIT, ML_OK, va, PAGE, 0, 0, 0 },
		{ MAP, ML_OK, place->va + place->bytes, PAGE, pa, 0, USER_RO },
	};
	const uint64_t tables = m->facts->format->rungs[place->rung].level;

	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		T_CONTEXT(m->facts->name, place->rung * 100 + i);
		t_ok(starve(m, place, &calls[i]) >= (calls[i].kind == MAP ? 0 : tables));
		t_eq(ml_unmap(&m->table, place->va, place->bytes + PAGE, NULL), ML_OK);
		T_REQUIRE(place_map(m, place, USER_RW));
		check_place(m, place);
	}
}

TEST(without_memory_nothing_changes)
{
	among_all(check_starved);
}

/* A long mapping that fails at its last table leaves nothing, and what stood beside it. */
TEST(a_mapping_that_fails_leaves_no_trace)
{
	const struct ml_table_config wish = { .rungs = 1 };
	const struct machine_facts *facts;
	struct machine m;

	FOR_EACH_MACHINE(facts) {
		const struct place place = place_of(facts, 0, 1);
		const struct call c = { MAP, ML_OK,  place.va + 2 * PAGE, 6 * MIB, facts->memory,
					0,   USER_RW };

		T_REQUIRE(machine_open(&m, facts, &wish));
		T_REQUIRE(place_map(&m, &place, USER_RW));
		for (uint64_t nth = 1; nth <= 3; nth++) {
			machine_fail_nth(&m, nth);
			t_eq(call(&m.table, &c), ML_ERR_NO_MEMORY);
			check_place(&m, &place);
			for (uint64_t at = 0; at < c.bytes; at += MIB)
				t_ends(&m, 0, MACHINE_LOAD, c.va + at, MACHINE_NOT_MAPPED);
		}
		machine_fail_nth(&m, 0);
		t_eq(call(&m.table, &c), ML_OK);
		t_all_lead(&m, c.va + c.bytes - 8, c.pa + c.bytes - 8);
		machine_close(&m);
	}
}
