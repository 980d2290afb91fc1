/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Memory types and the whole physical width: what the machine itself says about a translation. */
#include "bodies.h"

/* What each format's default layout has (IA32_PAT, MAIR_EL1). */
static bool has_type(const struct machine_facts *facts, ml_prot type)
{
	if (!facts->any_type)
		return type == ML_WB;
	if (facts->format->encoding == ML_ENCODING_X86_64)
		return type != ML_TAGGED;
	return type != ML_WP;
}

/* The machine says that va leads to pa in memory of this type. */
static void tells(struct machine *m, ml_va va, ml_pa pa, ml_prot type)
{
	ml_prot told = ML_TYPE(ML_TYPE_COUNT);
	ml_pa found = ~pa;

	if (!m->facts->translates)
		return;
	t_ok(machine_translate(m, va, &found, &told));
	t_eq(found, pa);
	if (told != ML_TYPE(ML_TYPE_COUNT))
		t_eq(told, type);
}

static void check_type(struct machine *m, const struct place *place, ml_prot type)
{
	const unsigned cpu = ML_TYPE_OF(type) % m->facts->cpus;
	const uint64_t last = place->readable - 8;

	T_CONTEXT(m->facts->name, place->rung << 12 | ML_TYPE_OF(type));
	T_REQUIRE(place_map(m, place, USER_RW | type));
	t_leads(m, cpu, place_va(place, 0), place_pa(place, 0));
	t_ends(m, cpu, MACHINE_STORE, place_va(place, last), MACHINE_OK);
	t_eq(machine_peek(m, place_pa(place, last)), place_va(place, last));
	tells(m, place->va, place->pa, type);
	tells(m, place->va + place->bytes - 8, place->pa + place->bytes - 8, type);
	place_unmap(m, place);
}

static void check_types(struct machine *m, unsigned rung)
{
	for (unsigned type = 0; type < ML_TYPE_COUNT; type++) {
		const struct place place = place_of(m->facts, rung, type);

		if (has_type(m->facts, ML_TYPE(type)))
			check_type(m, &place, ML_TYPE(type));
	}
}

TEST(each_memory_type_at_each_size)
{
	on_each_rung(NULL, NULL, NULL, check_types);
}

/* A change of type reaches the hardware, and leaves the rest of a large leaf as it was. */
static void change_a_part(struct machine *m, unsigned rung)
{
	const struct place place = place_of(m->facts, rung, 1);
	const uint64_t at = place.readable / 2 & ~(PAGE - 1);
	const ml_va va = place_va(&place, at);
	const ml_pa pa = place_pa(&place, at);

	T_REQUIRE(place_map(m, &place, USER_RW | ML_NC));
	t_all_lead(m, va, pa);
	t_eq(ml_protect(&m->table, va, PAGE, ML_TYPE_MASK, ML_DEV_STRICT, NULL), ML_OK);
	tells(m, va, pa, ML_DEV_STRICT);
	t_all_lead(m, va, pa);
	if (rung) {
		tells(m, va - 8, pa - 8, ML_NC);
		tells(m, va + PAGE, pa + PAGE, ML_NC);
	}
	place_unmap(m, &place);
}

static bool has_types(const struct machine_facts *facts)
{
	return facts->any_type;
}

TEST(a_type_changes_in_a_part)
{
	on_each_rung(NULL, has_types, "no machine here has types beside write-back", change_a_part);
}

static void check_far(struct machine *m, const struct place *place, ml_pa pa)
{
	const uint64_t inside = place->bytes / 2 + 8;
	struct ml_translation found = { 0 };

	T_CONTEXT(m->facts->name, pa);
	t_eq(ml_map(&m->table, place->va, place->bytes, pa, USER_RO | ML_NC, NULL), ML_OK);
	tells(m, place->va + inside, pa + inside, ML_NC);
	t_eq(ml_translate(&m->table, place->va + inside, &found), ML_OK);
	t_eq(found.pa, pa + inside);
	place_unmap(m, place);
}

/* Every bit of a physical address arrives, up to the machine's width. */
static void check_width(struct machine *m, unsigned rung)
{
	const struct place place = place_of(m->facts, rung, 0);
	const ml_pa end = (ml_pa)1 << m->table.pa_bits;

	for (ml_pa pa = place.bytes; pa < end; pa *= 2)
		check_far(m, &place, pa);
	check_far(m, &place, end - place.bytes);
	t_eq(ml_map(&m->table, place.va, place.bytes, end, USER_RO, NULL), ML_ERR_PA_RANGE);
}

static bool tells_of_types(const struct machine_facts *facts)
{
	return facts->translates && facts->any_type;
}

TEST(frames_far_beyond_the_memory)
{
	on_each_rung(NULL, tells_of_types, "no machine here tells where a translation leads",
		     check_width);
}
