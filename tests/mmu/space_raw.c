/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Raw frames in the largest leaves: where they lead, what a change of one page leaves, revoking. */
#include "space.h"

#define HEAD (3 * PAGE)
#define BYTES (12 * MIB + 5 * PAGE)

/* Every page on one CPU, a sample on all. */
static void check_leads(struct machine *m, ml_va va, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += PAGE)
		t_leads(m, space_cpu(m, at), va + at, space_raw(m) + HEAD + at);
	t_all_lead(m, va, space_raw(m) + HEAD);
	t_all_lead(m, va + bytes - 8, space_raw(m) + HEAD + bytes - 8);
}

/* The largest size that has a whole leaf in the range. */
static void check_sizes(const struct ml_space *s, ml_va va)
{
	t_eq(space_shift(s, va), 12);
	t_eq(space_shift(s, va + 2 * MIB - HEAD), 21);
	t_eq(space_shift(s, va + 8 * MIB), 21);
	if (s->table.rungs >> 1 & 1 && s->table.format->rungs[1].shift == 16)
		t_eq(space_shift(s, va + 64 * KIB - HEAD), 16);
	t_eq(space_shift(s, va + BYTES - PAGE), 12);
}

static void check_one_page(struct machine *m, struct ml_space *s, ml_va va)
{
	const ml_va page = va + 5 * MIB - HEAD;

	t_eq(ml_space_protect(s, page, PAGE, ML_READ), ML_OK);
	t_denied(m, s, MACHINE_STORE, page, ML_FAULT_ACCESS);
	t_stores(m, s, 0, page - 8, 1);
	t_stores(m, s, m->facts->cpus - 1, page + PAGE, 2);
	check_leads(m, va, BYTES);
	t_eq(space_shift(s, page), 12);
	t_eq(space_shift(s, page + 3 * MIB), 21);
	t_eq(ml_space_unmap(s, page, PAGE), ML_OK);
	t_denied(m, s, MACHINE_LOAD, page, ML_FAULT_NO_REGION);
	check_leads(m, va, page - va);
}

static void remap(struct machine *m, struct ml_space *s)
{
	static const struct ml_region_ops nothing;
	static struct ml_mapping device = { .ops = &nothing }; /* it outlives the space */
	const struct ml_region_spec spec = { .prot = ML_RW,
					     .may = ML_RW,
					     .flags = ML_REGION_RAW | ML_REGION_SHARED,
					     .mapping = &device };
	const ml_prot type = m->facts->any_type ? ML_NC : ML_WB;
	const ml_pa pa = space_raw(m) + HEAD;
	ml_va va;

	T_REQUIRE(t_eq(ml_space_pick(s, BYTES, pa, 0, &va), ML_OK));
	T_REQUIRE(t_eq(ml_space_map(s, va, BYTES, &spec, 0, NULL), ML_OK));
	t_denied(m, s, MACHINE_LOAD, va, ML_FAULT_BUS);
	T_REQUIRE(t_eq(ml_remap_pfn_range(s, va, BYTES, pa, type), ML_OK));
	check_sizes(s, va);
	check_leads(m, va, BYTES);
	check_one_page(m, s, va);
	t_eq(ml_unmap_mapping_range(&device, 0, 0, false), ML_OK);
	t_denied(m, s, MACHINE_LOAD, va, ML_FAULT_BUS);
	t_denied(m, s, MACHINE_LOAD, va + BYTES - PAGE, ML_FAULT_BUS);
}

TEST(raw_frames_stand_in_the_largest_leaves)
{
	in_space(NULL, remap);
}
