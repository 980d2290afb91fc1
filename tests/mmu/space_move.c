/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Memory goes elsewhere: every CPU finds it there, whole, and nothing where it was. */
#include "space.h"

#define BYTES (2 * MIB + 4 * PAGE)
#define OFF (3 * PAGE) /* not congruent with where it was */

static void check_words(struct machine *m, struct ml_space *s, ml_va va)
{
	for (uint64_t at = 0; at < BYTES; at += PAGE)
		t_holds(m, s, space_cpu(m, at + PAGE), va + at, at + 1);
}

/* Every CPU has used the old place. */
static void move(struct machine *m, struct ml_space *s, ml_va from, ml_va to, unsigned shift)
{
	ml_va va = to;

	for (unsigned cpu = 0; cpu < m->facts->cpus; cpu++)
		t_holds(m, s, cpu, from, 1);
	t_eq(ml_space_move(s, from, BYTES, BYTES, ML_MOVE_MAY | ML_MOVE_FIXED, &va), ML_OK);
	t_eq(va, to);
	t_eq(space_shift(s, to), shift);
	check_words(m, s, to);
	t_denied(m, s, MACHINE_LOAD, from, ML_FAULT_NO_REGION);
	t_denied(m, s, MACHINE_STORE, from + BYTES - PAGE, ML_FAULT_NO_REGION);
}

static void live(struct machine *m, struct ml_space *s)
{
	const ml_va one = space_va(s, 0), other = space_va(s, 64 * MIB);
	ml_va va = other + OFF;

	T_REQUIRE(space_map(s, 0, BYTES, ML_RW));
	for (uint64_t at = 0; at < BYTES; at += PAGE)
		t_stores(m, s, space_cpu(m, at), one + at, at + 1);
	move(m, s, one, other, 21);
	move(m, s, other, one + OFF, 12);
	move(m, s, one + OFF, other + OFF, 12);
	t_eq(ml_space_move(s, va, BYTES, BYTES + PAGE, 0, &va), ML_OK); /* it grows */
	t_eq(va, other + OFF);
	t_holds(m, s, 0, va + BYTES, 0);
	t_eq(ml_space_move(s, va, BYTES + PAGE, PAGE, 0, &va), ML_OK); /* and shrinks */
	t_denied(m, s, MACHINE_LOAD, va + PAGE, ML_FAULT_NO_REGION);
	t_holds(m, s, m->facts->cpus - 1, va, 1);
}

TEST(what_moves_is_found_where_it_went)
{
	in_space(&space_of_all_sizes, live);
}
