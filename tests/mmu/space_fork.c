/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A fork: the CPUs change between parent and child, which part where somebody writes. */
#include "space.h"

#define BYTES (4 * MIB + 3 * PAGE)
#define RAW (16 * MIB)

/* Private memory, and a page of a device that both share. */
static void populate(struct machine *m, struct ml_space *s)
{
	const struct ml_region_spec device = { .prot = ML_RW,
					       .may = ML_RW,
					       .flags = ML_REGION_RAW | ML_REGION_SHARED };

	T_REQUIRE(space_map(s, 0, BYTES, ML_RW));
	t_eq(ml_space_map(s, space_va(s, RAW), PAGE, &device, 0, NULL), ML_OK);
	t_eq(ml_remap_pfn_range(s, space_va(s, RAW), PAGE, space_raw(m), ML_WB), ML_OK);
	for (uint64_t at = 0; at < BYTES; at += PAGE)
		t_stores(m, s, space_cpu(m, at), space_va(s, at), at + 1);
}

/* All pages hold what the parent wrote but one. */
static void check_words(struct machine *m, struct ml_space *s, uint64_t other, uint64_t word)
{
	for (uint64_t at = 0; at < BYTES; at += PAGE)
		t_holds(m, s, space_cpu(m, at + PAGE), space_va(s, at),
			at == other ? word : at + 1);
}

static ml_pa frame_of(const struct ml_space *s, uint64_t at)
{
	struct ml_translation leaf;

	return ml_translate(&s->table, space_va(s, at), &leaf) ? 0 : leaf.pa;
}

static void live(struct machine *m, struct ml_space *parent, struct ml_space *child)
{
	const uint64_t one = 3 * PAGE, other = 4 * MIB + PAGE;
	const unsigned last = m->facts->cpus - 1;
	ml_pa frame;

	populate(m, parent);
	T_REQUIRE(t_eq(ml_space_fork(child, parent), ML_OK));
	t_eq(space_shift(child, space_va(child, 0)), 21);
	t_eq(frame_of(child, one), frame_of(parent, one));
	check_words(m, parent, 0, 1);
	t_stores(m, parent, last, space_va(parent, one), 77);
	space_use(m, child);
	check_words(m, child, 0, 1);
	t_stores(m, child, last, space_va(child, other), 88);
	t_stores(m, child, 0, space_va(child, RAW), 99);
	check_words(m, child, other, 88);
	space_use(m, parent);
	check_words(m, parent, one, 77);
	t_holds(m, parent, last, space_va(parent, RAW), 99);
	space_close(m, child);
	frame = frame_of(parent, other);
	t_stores(m, parent, 0, space_va(parent, other), other + 1);
	t_eq(frame_of(parent, other), frame); /* nobody else's any more: written in place */
	check_words(m, parent, one, 77);
}

TEST(a_fork_parts_where_somebody_writes)
{
	const struct machine_facts *facts;

	FOR_EACH_MACHINE(facts) {
		struct ml_space parent, child;
		struct machine m;

		T_REQUIRE(spaces_begin(&m, facts) && space_open(&m, &parent, &space_of_all_sizes) &&
			  space_open(&m, &child, &space_of_all_sizes));
		space_use(&m, &child); /* it borrows what every table does while it is empty */
		space_use(&m, &parent);
		live(&m, &parent, &child);
		space_close(&m, &parent);
		spaces_end(&m);
	}
}
