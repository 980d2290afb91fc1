/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A program in a space: memory appears where it is touched, and rights are the region's. */
#include "space.h"

static unsigned last_cpu(const struct machine *m)
{
	return m->facts->cpus - 1;
}

static void touch(struct machine *m, struct ml_space *s)
{
	const ml_va va = space_va(s, 0);

	T_REQUIRE(space_map(s, 0, 4 * MIB + 3 * PAGE, ML_RW));
	t_holds(m, s, 0, va + 5 * PAGE, 0);
	t_stores(m, s, last_cpu(m), va + 5 * PAGE, 1);
	t_holds(m, s, 0, va + 5 * PAGE, 1);
	t_stores(m, s, 0, va + 4 * MIB + 2 * PAGE, 2);
	t_holds(m, s, last_cpu(m), va + 4 * MIB + 2 * PAGE, 2);
	t_eq(space_shift(s, va + 5 * PAGE), 21);
	t_eq(space_shift(s, va + 4 * MIB), 0);
	t_eq(space_shift(s, va + 4 * MIB + 2 * PAGE), 12);
	t_denied(m, s, MACHINE_LOAD, va + 4 * MIB + 3 * PAGE, ML_FAULT_NO_REGION);
	t_denied(m, s, MACHINE_FETCH, va, ML_FAULT_ACCESS);
}

TEST(memory_appears_where_it_is_touched)
{
	in_space(&space_of_all_sizes, touch);
}

/* One page of a large leaf loses rights; its neighbours and its contents keep everything. */
static void protect(struct machine *m, struct ml_space *s)
{
	const ml_va va = space_va(s, 0), page = va + 17 * PAGE;

	T_REQUIRE(space_map(s, 0, 2 * MIB, ML_RW));
	for (uint64_t at = 0; at < 2 * MIB; at += PAGE)
		t_stores(m, s, space_cpu(m, at), va + at, at + 1);
	t_eq(ml_space_protect(s, page, PAGE, ML_READ), ML_OK);
	t_denied(m, s, MACHINE_STORE, page, ML_FAULT_ACCESS);
	t_eq(ml_space_protect(s, page, PAGE, 0), ML_OK);
	t_denied(m, s, MACHINE_LOAD, page, ML_FAULT_ACCESS);
	for (uint64_t at = 0; at < 2 * MIB; at += PAGE)
		if (va + at != page)
			t_stores(m, s, last_cpu(m), va + at + 8, at);
	t_eq(ml_space_protect(s, va, 2 * MIB, ML_RW), ML_OK);
	for (uint64_t at = 0; at < 2 * MIB; at += PAGE)
		t_holds(m, s, space_cpu(m, at), va + at, at + 1);
	t_stores(m, s, 0, page, 3);
	t_eq(ml_space_unmap(s, page, PAGE), ML_OK);
	t_denied(m, s, MACHINE_LOAD, page, ML_FAULT_NO_REGION);
	t_holds(m, s, 0, page + PAGE, 18 * PAGE + 1);
	T_REQUIRE(space_map(s, 17 * PAGE, PAGE, ML_RW));
	t_holds(m, s, last_cpu(m), page, 0);
}

TEST(rights_are_those_of_the_region)
{
	in_space(&space_of_all_sizes, protect);
}

static void execute(struct machine *m, struct ml_space *s)
{
	const ml_va va = space_va(s, 0);
	struct ml_translation leaf;
	uint64_t value = 0;

	T_REQUIRE(space_map(s, 0, 2 * PAGE, ML_RW));
	t_stores(m, s, 0, va, 0);
	t_eq(ml_translate(&s->table, va, &leaf), ML_OK);
	machine_put_code(m, leaf.pa);
	t_denied(m, s, MACHINE_FETCH, va, ML_FAULT_ACCESS);
	t_eq(ml_space_protect(s, va, PAGE, ML_READ | ML_EXEC), ML_OK);
	for (unsigned cpu = 0; cpu < m->facts->cpus; cpu++)
		t_eq(space_access(m, s, cpu, MACHINE_FETCH, va, &value), ML_FAULT_DONE);
	t_denied(m, s, MACHINE_STORE, va, ML_FAULT_ACCESS);
	t_denied(m, s, MACHINE_FETCH, va + PAGE, ML_FAULT_ACCESS);
}

TEST(code_runs_where_the_region_says)
{
	in_space(NULL, execute);
}
